package checker

import "slices"

// transactions looks for aborted records that somebody saw (G1a), for records seen before their transaction asked to be committed
// (precommitted-read), and for transactions that are there in part (torn-transaction).
func (c *check) transactions() {
	aborted := func(value string) (written, bool) {
		w, ok := c.writes[value]
		return w, ok && w.op.Kind == Txn && w.op.Outcome == Failed
	}
	c.eachRead(func(op *Op, r *Read) {
		if op.Uncommitted {
			return
		}
		w, ok := c.writes[r.Value]
		if !ok || w.op.Kind != Txn || w.op == op {
			return
		}
		switch {
		case w.op.Outcome == Failed:
			c.found("G1a", []int{w.op.ID, op.ID}, "%s at %v was read, and its transaction was aborted", r.Value, Place{r.Partition, r.Offset})
		case op.Completed > 0 && op.Completed < earliest(w.op.Decided):
			c.found("precommitted-read", []int{w.op.ID, op.ID}, "%s at %v was read before its transaction asked to be committed", r.Value, Place{r.Partition, r.Offset})
		}
	})
	for value, at := range c.final {
		if w, ok := aborted(value); ok {
			c.found("G1a", []int{w.op.ID}, "%s at %v is in the final log, and its transaction was aborted", value, at)
		}
	}
	for _, op := range c.order {
		if op.Kind != Txn || op.Outcome != Unknown {
			continue // committed ones: lost-write; aborted ones: G1a
		}
		var there, missing string
		for _, w := range op.Writes {
			if w.Outcome != OK {
				continue
			}
			if _, ok := c.final[w.Value]; ok {
				there = w.Value
			} else {
				missing = w.Value
			}
		}
		if there != "" && missing != "" {
			c.found("torn-transaction", []int{op.ID}, "%s is in the final log and %s, of the same transaction, is not", there, missing)
		}
	}
}

// cycles looks for transactions that read from each other (G1c on write-read edges).
func (c *check) cycles() {
	reads := map[*Op][]*Op{} // from the reader to those it read from
	for _, op := range c.order {
		if op.Kind != Txn {
			continue
		}
		for _, r := range op.Reads {
			if w, ok := c.writes[r.Value]; ok && w.op != op && w.op.Kind == Txn && !slices.Contains(reads[op], w.op) {
				reads[op] = append(reads[op], w.op)
			}
		}
	}
	const (
		entered = 1
		left    = 2
	)
	state := map[*Op]int{}
	var path []*Op
	var visit func(*Op)
	visit = func(op *Op) {
		state[op] = entered
		path = append(path, op)
		for _, to := range reads[op] {
			switch state[to] {
			case 0:
				visit(to)
			case entered:
				var ids []int
				for _, on := range path[slices.Index(path, to):] {
					ids = append(ids, on.ID)
				}
				c.found("G1c", ids, "%d transactions read from each other in a circle", len(ids))
			}
		}
		path = path[:len(path)-1]
		state[op] = left
	}
	for _, op := range c.order {
		if op.Kind == Txn && state[op] == 0 {
			visit(op)
		}
	}
}

// pipes looks at records that were to be made of others exactly once: twice (duplicate-output), not at all (lost-input), or of an input that is not there (dirty-update).
func (c *check) pipes() {
	for input, outputs := range c.history.Pipes {
		made := map[Place]string{}
		for _, p := range outputs {
			for _, r := range c.history.Final[p] {
				w, ok := c.writes[r.Value]
				if !ok || w.From == nil || w.From.Partition != input {
					continue
				}
				if other, twice := made[*w.From]; twice {
					c.found("duplicate-output", append(c.opsOf(other), w.op.ID), "%v was made into %s and into %s", *w.From, other, r.Value)
				}
				made[*w.From] = r.Value
				if _, there := c.position[*w.From]; !there {
					c.found("dirty-update", []int{w.op.ID}, "%s was made of %v, which is not in the final log", r.Value, *w.From)
				}
			}
		}
		for _, r := range c.history.Final[input] {
			if _, ok := made[Place{input, r.Offset}]; !ok {
				c.found("lost-input", c.opsOf(r.Value), "nothing was made of %s at %v", r.Value, Place{input, r.Offset})
			}
		}
	}
}
