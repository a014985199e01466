package checker

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Anomaly is something that no correct cluster does.
type Anomaly struct {
	Name   string // as in the table of the package's tests: "lost-write", "G1a", ...
	Detail string
	Ops    []int // ids of the operations that show it
}

func (a Anomaly) String() string {
	return fmt.Sprintf("%s: %s (operations %v)", a.Name, a.Detail, a.Ops)
}

// Report is the verdict about a history.
type Report struct {
	Anomalies []Anomaly
	// What was looked at: a check of nothing finds nothing.
	Writes, Reads, Transactions, Commits, Settled int
}

func (r *Report) String() string {
	return fmt.Sprintf("%d writes, %d reads, %d transactions, %d offset commits, %d settled deliveries: %d anomalies",
		r.Writes, r.Reads, r.Transactions, r.Commits, r.Settled, len(r.Anomalies))
}

var errNoFinal = errors.New("checker: the history has no final log: what was lost cannot be told")

// Check judges the history.
func Check(h *History) (*Report, error) {
	if len(h.Final) == 0 {
		return nil, errNoFinal
	}
	c := &check{history: h, order: slices.Clone(h.Ops)}
	sort.SliceStable(c.order, func(i, j int) bool { return c.order[i].Invoked < c.order[j].Invoked })
	c.index()
	for _, look := range []func(){
		c.offsets, c.density, c.lost, c.sends, c.polls, c.limits, c.transactions, c.cycles, c.commits, c.pipes, c.shares,
	} {
		look()
	}
	slices.SortStableFunc(c.report.Anomalies, func(a, b Anomaly) int { return slices.Compare(a.Ops, b.Ops) })
	return &c.report, nil
}

// check is one Check under way.
type check struct {
	history *History
	order   []*Op // by invocation
	report  Report

	writes   map[string]written // by value
	final    map[string]Place   // by value: where the final log has it
	position map[Place]int      // in the final log of its partition
}

// written is a write with its operation.
type written struct {
	*Write
	op *Op
}

// lasting tells whether the write must be, or must not be, in the final log; neither if it may.
func (w written) lasting() (must, mustNot bool) {
	if w.op.Kind == Txn {
		return w.op.Outcome == OK && w.Outcome == OK, w.op.Outcome == Failed
	}
	return w.Outcome == OK, w.Outcome == Failed
}

func (c *check) found(name string, ops []int, format string, args ...any) {
	slices.Sort(ops)
	c.report.Anomalies = append(c.report.Anomalies, Anomaly{Name: name, Detail: fmt.Sprintf(format, args...), Ops: slices.Compact(ops)})
}

// index makes the look-ups that the checks share, and counts.
func (c *check) index() {
	c.writes, c.final, c.position = map[string]written{}, map[string]Place{}, map[Place]int{}
	for _, op := range c.order {
		for i := range op.Writes {
			c.writes[op.Writes[i].Value] = written{&op.Writes[i], op}
		}
		c.report.Writes += len(op.Writes)
		c.report.Reads += len(op.Reads)
		c.report.Settled += len(op.Settled)
		switch op.Kind {
		case Txn:
			c.report.Transactions++
		case Commit:
			c.report.Commits++
		}
	}
	for p, log := range c.history.Final {
		for i, r := range log {
			c.position[Place{p, r.Offset}] = i
			if at, twice := c.final[r.Value]; twice {
				c.found("duplicate", c.opsOf(r.Value), "%s is in the final log twice, at %v and %v", r.Value, at, Place{p, r.Offset})
				continue
			}
			c.final[r.Value] = Place{p, r.Offset}
		}
	}
}

// opsOf names the operation that wrote the value, if it is known.
func (c *check) opsOf(value string) []int {
	if w, ok := c.writes[value]; ok {
		return []int{w.op.ID}
	}
	return nil
}

// eachRead calls fn for all reads of polls and transactions.
func (c *check) eachRead(fn func(op *Op, r *Read)) {
	for _, op := range c.order {
		for i := range op.Reads {
			fn(op, &op.Reads[i])
		}
	}
}

// earliest is used where a time that never came is later than all.
func earliest(t time.Duration) time.Duration {
	if t == 0 {
		return 1<<63 - 1
	}
	return t
}
