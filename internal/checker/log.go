package checker

import (
	"slices"
	"sort"
)

// offsets looks for places that held two values (inconsistent-offsets) and for values that were at two places (duplicate).
func (c *check) offsets() {
	type seen struct {
		value string
		op    int
	}
	values, places := map[Place]seen{}, map[string]Place{}
	note := func(op int, at Place, value string) {
		if before, ok := values[at]; !ok {
			values[at] = seen{value, op}
		} else if before.value != value {
			c.found("inconsistent-offsets", []int{before.op, op}, "%v held %s and %s", at, before.value, value)
		}
		if other, ok := places[value]; !ok {
			places[value] = at
		} else if other != at {
			c.found("duplicate", append(c.opsOf(value), op), "%s was at %v and at %v", value, other, at)
		}
	}
	for _, op := range c.order {
		for _, w := range op.Writes {
			if w.Outcome == OK {
				note(op.ID, Place{w.Partition, w.Offset}, w.Value)
			}
		}
	}
	c.eachRead(func(op *Op, r *Read) { note(op.ID, Place{r.Partition, r.Offset}, r.Value) })
	for p, log := range c.history.Final {
		for _, r := range log {
			at := Place{p, r.Offset}
			if before, ok := values[at]; ok && before.value != r.Value {
				c.found("inconsistent-offsets", []int{before.op}, "%v held %s, and %s in the final log", at, before.value, r.Value)
			}
			if other, ok := places[r.Value]; ok && other != at {
				c.found("duplicate", c.opsOf(r.Value), "%s was at %v, and at %v in the final log", r.Value, other, at)
			}
		}
	}
}

// density looks for gaps in the logs of partitions that have no reason for any.
func (c *check) density() {
	for p, log := range c.history.Final {
		for i := 1; i < len(log); i++ {
			before, at := log[i-1].Offset, log[i].Offset
			if at <= before {
				c.found("nonmonotonic-log", nil, "%s: the final log has offset %d after %d", p, at, before)
			} else if c.history.Dense[p] && at != before+1 {
				c.found("offset-gap", nil, "%s: the final log has nothing between the offsets %d and %d", p, before, at)
			}
		}
	}
}

// lost looks for what was acknowledged, or read, and is gone (lost-write), and for what is there although it has failed.
func (c *check) lost() {
	for value, w := range c.writes {
		must, mustNot := w.lasting()
		_, there := c.final[value]
		switch {
		case must && !there:
			c.found("lost-write", []int{w.op.ID}, "%s, acknowledged at %v, is not in the final log", value, Place{w.Partition, w.Offset})
		case mustNot && there && w.op.Kind != Txn: // of transactions see G1a
			c.found("failed-write", []int{w.op.ID}, "%s has failed, and is in the final log", value)
		}
	}
	for value, at := range c.final {
		if _, ok := c.writes[value]; !ok {
			c.found("phantom", nil, "%s at %v was written by nobody", value, at)
		}
	}
	c.eachRead(func(op *Op, r *Read) {
		if _, there := c.final[r.Value]; !there && !op.Uncommitted {
			w, ok := c.writes[r.Value]
			if ok && w.op.Kind == Txn && w.op.Outcome == Failed {
				return // G1a
			}
			c.found("lost-write", append(c.opsOf(r.Value), op.ID), "%s was read at %v, and is not in the final log", r.Value, Place{r.Partition, r.Offset})
		}
	})
}

// sends looks for appends whose offsets contradict their order in time: within an operation (int-nonmonotonic-send), or because one was acknowledged
// before the other was sent (nonmonotonic-send).
func (c *check) sends() {
	logs := map[Partition][]written{}
	for _, op := range c.order {
		last := map[Partition]*Write{}
		for i := range op.Writes {
			w := &op.Writes[i]
			if w.Outcome != OK {
				continue
			}
			if before := last[w.Partition]; before != nil && before.Offset >= w.Offset {
				c.found("int-nonmonotonic-send", []int{op.ID}, "%s at offset %d was sent before %s at offset %d of %s",
					before.Value, before.Offset, w.Value, w.Offset, w.Partition)
			}
			last[w.Partition] = w
			logs[w.Partition] = append(logs[w.Partition], written{w, op})
		}
	}
	for p, log := range logs {
		sort.Slice(log, func(i, j int) bool { return log[i].Offset < log[j].Offset })
		var first *written // of those with higher offsets, the one acknowledged first
		for i := range slices.Backward(log) {
			w := &log[i]
			if first != nil && first.Acked < w.Sent {
				c.found("nonmonotonic-send", []int{w.op.ID, first.op.ID}, "%s: %s, sent after %s was acknowledged at offset %d, got offset %d",
					p, w.Value, first.Value, first.Offset, w.Offset)
			}
			if first == nil || earliest(w.Acked) < earliest(first.Acked) {
				first = w
			}
		}
	}
}

// limits looks for bounds of partitions that went back in time, or that leave out what was acknowledged before.
func (c *check) limits() {
	type mark struct {
		Limit
		op *Op
	}
	all := map[Partition][]mark{}
	for _, op := range c.order {
		if op.Kind != Bounds || op.Outcome != OK {
			continue
		}
		for p, l := range op.Limits {
			if l.Start > l.Stable || l.Stable > l.High {
				c.found("unordered-bounds", []int{op.ID}, "%s: log start %d, last stable offset %d, high watermark %d", p, l.Start, l.Stable, l.High)
			}
			all[p] = append(all[p], mark{l, op})
		}
	}
	for p, marks := range all {
		byEnd := slices.Clone(marks)
		sort.Slice(byEnd, func(i, j int) bool { return byEnd[i].op.Completed < byEnd[j].op.Completed })
		acked := c.acked(p)
		var highest mark // of those that ended before the one looked at began
		var top *Write
		next, nextAck := 0, 0
		for _, m := range marks {
			for ; next < len(byEnd) && byEnd[next].op.before(m.op); next++ {
				e := byEnd[next]
				if highest.op == nil {
					highest = e
				}
				if e.Start > highest.Start || e.Stable > highest.Stable || e.High > highest.High {
					highest = mark{Limit{max(highest.Start, e.Start), max(highest.Stable, e.Stable), max(highest.High, e.High)}, e.op}
				}
			}
			if highest.op != nil && (m.Start < highest.Start || m.Stable < highest.Stable || m.High < highest.High) {
				c.found("bounds-back", []int{highest.op.ID, m.op.ID}, "%s: %+v after %+v", p, m.Limit, highest.Limit)
			}
			for ; nextAck < len(acked) && acked[nextAck].Acked < m.op.Invoked; nextAck++ {
				if top == nil || acked[nextAck].Offset > top.Offset {
					top = acked[nextAck]
				}
			}
			if top != nil && m.High <= top.Offset {
				c.found("stale-high-watermark", append(c.opsOf(top.Value), m.op.ID), "%s: high watermark %d after %s was acknowledged at offset %d",
					p, m.High, top.Value, top.Offset)
			}
		}
	}
}

// acked are the acknowledged writes of a partition in order of time.
func (c *check) acked(p Partition) []*Write {
	var out []*Write
	for _, op := range c.order {
		for i := range op.Writes {
			if w := &op.Writes[i]; w.Partition == p && w.Outcome == OK {
				out = append(out, w)
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Acked < out[j].Acked })
	return out
}
