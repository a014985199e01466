package checker

import (
	"slices"
	"sort"
	"time"
)

// commits looks at committed offsets as registers that only grow: a commit that takes one back (stale-commit) or an answer that does not have what was
// committed before (lost-commit). Runs in which somebody resets offsets cannot be checked so.
func (c *check) commits() {
	type register struct {
		group     string
		partition Partition
	}
	type set struct {
		offset int64
		op     *Op
	}
	sets, gets := map[register][]set{}, map[register][]set{}
	for _, op := range c.order {
		for p, offset := range op.Offsets {
			at := register{op.Group, p}
			switch {
			case op.Outcome != OK:
			case op.Kind == Committed:
				gets[at] = append(gets[at], set{offset, op})
			case op.Kind == Commit || op.Kind == Txn:
				sets[at] = append(sets[at], set{offset, op})
			}
		}
	}
	for at, all := range sets {
		byEnd := slices.Clone(all)
		sort.Slice(byEnd, func(i, j int) bool { return byEnd[i].op.Completed < byEnd[j].op.Completed })
		// highest returns, for operations asked in order of invocation, the highest offset committed before.
		highest := func() func(*Op) (set, bool) {
			var top set
			next := 0
			return func(op *Op) (set, bool) {
				for ; next < len(byEnd) && byEnd[next].op.before(op); next++ {
					if top.op == nil || byEnd[next].offset > top.offset {
						top = byEnd[next]
					}
				}
				return top, top.op != nil
			}
		}
		before := highest()
		for _, s := range all {
			if top, ok := before(s.op); ok && s.offset < top.offset {
				c.found("stale-commit", []int{top.op.ID, s.op.ID}, "group %s, %s: offset %d was accepted after %d", at.group, at.partition, s.offset, top.offset)
			}
		}
		before = highest()
		for _, g := range gets[at] {
			if top, ok := before(g.op); ok && g.offset < top.offset {
				c.found("lost-commit", []int{top.op.ID, g.op.ID}, "group %s, %s: the offset is said to be %d after %d was committed", at.group, at.partition, g.offset, top.offset)
			}
		}
	}
}

// shares looks at share groups: a record that was delivered again after it was settled (settled-redelivered), one that two members held at the same time
// (double-acquire), and one that was never settled although there was time (unsettled).
func (c *check) shares() {
	type record struct {
		group string
		Place
	}
	type holding struct {
		op    *Op
		until time.Duration // given back, settled or left; 0 if not known
	}
	settled := map[record]*Op{} // the first known for sure
	maybe := map[record]bool{}  // settled, perhaps
	given := map[record][]*Op{} // settled or released by an operation, whatever its outcome
	left := map[string]time.Duration{}
	delivered := map[record][]holding{}
	for _, op := range c.order {
		switch op.Kind {
		case Settle:
			for _, a := range op.Settled {
				r := record{op.Group, a.Place}
				given[r] = append(given[r], op)
				if !a.Final {
					continue
				}
				maybe[r] = true
				if first := settled[r]; op.Outcome == OK && (first == nil || op.Completed < first.Completed) {
					settled[r] = op
				}
			}
		case Leave:
			left[op.Process] = op.Invoked
		case Deliver:
			for _, read := range op.Reads {
				r := record{op.Group, Place{read.Partition, read.Offset}}
				delivered[r] = append(delivered[r], holding{op: op})
			}
		}
	}
	for r, all := range delivered {
		for i := range all {
			h := &all[i]
			h.until = left[h.op.Process]
			for _, g := range given[r] {
				if g.Process == h.op.Process && g.Invoked >= h.op.Completed && g.Invoked < earliest(h.until) {
					h.until = g.Invoked
				}
			}
			if s := settled[r]; s != nil && s.before(h.op) {
				c.found("settled-redelivered", []int{s.ID, h.op.ID}, "group %s: %v was settled and delivered again", r.group, r.Place)
			}
		}
		sort.Slice(all, func(i, j int) bool { return all[i].op.Invoked < all[j].op.Invoked })
		for i := 1; i < len(all); i++ {
			a, b := all[i-1], all[i]
			// a's lock began at its invocation at the earliest, so it surely held until then plus LockFor, unless it was given back.
			if b.op.Completed < a.op.Invoked+c.history.LockFor && b.op.Completed < earliest(a.until) && a.op.Process != b.op.Process {
				c.found("double-acquire", []int{a.op.ID, b.op.ID}, "group %s: %s and %s held %v at the same time", r.group, a.op.Process, b.op.Process, r.Place)
			}
		}
	}
	for group, partitions := range c.history.Drained {
		for _, p := range partitions {
			for _, read := range c.history.Final[p] {
				if r := (record{group, Place{p, read.Offset}}); !maybe[r] {
					c.found("unsettled", c.opsOf(read.Value), "group %s: %s at %v was never settled", group, read.Value, r.Place)
				}
			}
		}
	}
}
