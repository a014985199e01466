package checker

// polls looks at what each consumer received: out of order or twice (int-nonmonotonic-poll in one poll, nonmonotonic-poll across polls) and with
// holes (int-poll-skip, poll-skip). Across polls both are allowed where the consumer's position may have moved. Only what is in the final log counts as skipped.
func (c *check) polls() {
	type last struct {
		at int64
		op int
	}
	positions := map[string]map[Partition]last{}
	for _, op := range c.order {
		if op.Kind != Poll {
			continue
		}
		before := positions[op.Process]
		if before == nil || op.Moved {
			before = map[Partition]last{}
			positions[op.Process] = before
		}
		inside := map[Partition]bool{}
		for _, r := range op.Reads {
			p, ok := before[r.Partition]
			name := ""
			if inside[r.Partition] {
				name = "int-"
			}
			switch {
			case !ok:
			case r.Offset <= p.at:
				c.found(name+"nonmonotonic-poll", []int{p.op, op.ID}, "%s received %v after offset %d", op.Process, Place{r.Partition, r.Offset}, p.at)
			default:
				if skipped, ok := c.between(r.Partition, p.at, r.Offset); ok {
					c.found(name+"poll-skip", []int{p.op, op.ID}, "%s received %v after offset %d, without %s at offset %d",
						op.Process, Place{r.Partition, r.Offset}, p.at, skipped.Value, skipped.Offset)
				}
			}
			before[r.Partition], inside[r.Partition] = last{r.Offset, op.ID}, true
		}
	}
}

// between returns the first record of the final log that lies between two offsets.
func (c *check) between(p Partition, from, to int64) (Read, bool) {
	log := c.history.Final[p]
	if i, ok := c.position[Place{p, from}]; ok {
		if i+1 < len(log) && log[i+1].Offset < to {
			return log[i+1], true
		}
		return Read{}, false
	}
	for _, r := range log { // the earlier record is not in the final log: it was lost or aborted, which others report
		if r.Offset > from && r.Offset < to {
			return r, true
		}
	}
	return Read{}, false
}
