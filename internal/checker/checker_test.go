package checker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// story builds a history by hand: each operation takes one tick, the next begins one tick later.
type story struct {
	h   History
	now time.Duration
}

func newStory() *story {
	return &story{h: History{Final: map[Partition][]Read{}, Pipes: map[Partition][]Partition{}, Drained: map[string][]Partition{}, LockFor: 100}}
}

func (s *story) op(process string, kind Kind, fill func(*Op)) *Op {
	s.now += 2
	op := &Op{ID: len(s.h.Ops), Process: process, Kind: kind, Outcome: OK, Invoked: s.now, Completed: s.now + 1}
	if fill != nil {
		fill(op)
	}
	s.h.Ops = append(s.h.Ops, op)
	return op
}

// write is an acknowledged write during op.
func (op *Op) write(p Partition, offset int64, value string) *Op {
	op.Writes = append(op.Writes, Write{Partition: p, Value: value, Outcome: OK, Offset: offset, Sent: op.Invoked, Acked: op.Completed})
	return op
}

func (op *Op) read(p Partition, offset int64, value string) *Op {
	op.Reads = append(op.Reads, Read{p, offset, value})
	return op
}

func (op *Op) commit(group string, p Partition, offset int64) *Op {
	op.Group, op.Offsets = group, map[Partition]int64{p: offset}
	return op
}

func (s *story) produce(process string) *Op { return s.op(process, Produce, nil) }
func (s *story) poll(process string) *Op    { return s.op(process, Poll, nil) }

// txn is a transaction that asked to be committed, at its end.
func (s *story) txn(process string, outcome Outcome) *Op {
	return s.op(process, Txn, func(op *Op) {
		op.Outcome = outcome
		if outcome != Failed {
			op.Decided = op.Completed
		}
	})
}

func (s *story) final(p Partition, values ...string) {
	for i, v := range values {
		if v != "" {
			s.h.Final[p] = append(s.h.Final[p], Read{p, int64(i), v})
		}
	}
}

func TestAnomaliesAreFound(t *testing.T) {
	for want, tell := range map[string]func(*story){
		"lost-write": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.produce("a").write("x", 1, "2")
			s.final("x", "1")
		},
		"inconsistent-offsets": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.op("b", Produce, nil).write("x", 1, "2")
			s.poll("c").read("x", 1, "3")
			s.produce("b").write("x", 2, "3").Writes[0].Outcome = Unknown
			s.final("x", "1", "2", "3")
		},
		"duplicate": func(s *story) {
			s.produce("a").write("x", 0, "1").Writes[0].Outcome = Unknown
			s.final("x", "1", "1")
		},
		"offset-gap": func(s *story) {
			s.h.Dense = map[Partition]bool{"x": true}
			s.produce("a").write("x", 0, "1")
			s.produce("a").write("x", 2, "2")
			s.final("x", "1", "", "2")
		},
		"phantom":      func(s *story) { s.final("x", "1") },
		"failed-write": func(s *story) { s.produce("a").write("x", 0, "1").Writes[0].Outcome = Failed; s.final("x", "1") },
		"nonmonotonic-send": func(s *story) {
			s.produce("a").write("x", 1, "1")
			s.produce("b").write("x", 0, "2")
			s.final("x", "2", "1")
		},
		"int-nonmonotonic-send": func(s *story) {
			s.produce("a").write("x", 1, "1").write("x", 0, "2")
			s.final("x", "2", "1")
		},
		"nonmonotonic-poll": func(s *story) {
			s.produce("a").write("x", 0, "1").write("x", 1, "2")
			s.poll("c").read("x", 0, "1").read("x", 1, "2")
			s.poll("c").read("x", 1, "2")
			s.final("x", "1", "2")
		},
		"int-nonmonotonic-poll": func(s *story) {
			s.produce("a").write("x", 0, "1").write("x", 1, "2")
			s.poll("c").read("x", 1, "2").read("x", 0, "1")
			s.final("x", "1", "2")
		},
		"poll-skip": func(s *story) {
			s.produce("a").write("x", 0, "1").write("x", 1, "2").write("x", 2, "3")
			s.poll("c").read("x", 0, "1")
			s.poll("c").read("x", 2, "3")
			s.final("x", "1", "2", "3")
		},
		"int-poll-skip": func(s *story) {
			s.produce("a").write("x", 0, "1").write("x", 1, "2").write("x", 2, "3")
			s.poll("c").read("x", 0, "1").read("x", 2, "3")
			s.final("x", "1", "2", "3")
		},
		"G1a": func(s *story) {
			s.txn("a", Failed).write("x", 0, "1")
			s.poll("c").read("x", 0, "1")
			s.txn("a", OK).write("x", 2, "2")
			s.final("x", "", "", "2")
		},
		"precommitted-read": func(s *story) {
			txn := s.txn("a", OK).write("x", 0, "1")
			s.poll("c").read("x", 0, "1")
			s.now += 10
			txn.Decided, txn.Completed = s.now, s.now+1
			s.final("x", "1")
		},
		"torn-transaction": func(s *story) {
			s.txn("a", Unknown).write("x", 0, "1").write("y", 0, "2")
			s.final("x", "1")
		},
		"G1c": func(s *story) {
			a, b := s.txn("a", OK).write("x", 0, "1"), s.txn("b", OK).write("x", 1, "2")
			a.read("x", 1, "2")
			b.read("x", 0, "1")
			b.Decided, a.Decided = 1, 1
			s.final("x", "1", "2")
		},
		"bounds-back": func(s *story) {
			s.op("c", Bounds, func(op *Op) { op.Limits = map[Partition]Limit{"x": {0, 5, 5}} })
			s.op("d", Bounds, func(op *Op) { op.Limits = map[Partition]Limit{"x": {0, 4, 5}} })
			s.final("x", "")
			s.h.Final["x"] = nil
		},
		"unordered-bounds": func(s *story) {
			s.op("c", Bounds, func(op *Op) { op.Limits = map[Partition]Limit{"x": {0, 6, 5}} })
			s.h.Final["x"] = nil
		},
		"stale-high-watermark": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.op("c", Bounds, func(op *Op) { op.Limits = map[Partition]Limit{"x": {0, 0, 0}} })
			s.final("x", "1")
		},
		"stale-commit": func(s *story) {
			s.op("a", Commit, nil).commit("g", "x", 5)
			s.op("zombie", Commit, nil).commit("g", "x", 4)
			s.h.Final["x"] = nil
		},
		"lost-commit": func(s *story) {
			s.op("a", Commit, nil).commit("g", "x", 5)
			s.op("b", Committed, nil).commit("g", "x", -1)
			s.h.Final["x"] = nil
		},
		"duplicate-output": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.txn("b", OK).write("y", 0, "1a").Writes[0].From = &Place{"x", 0}
			s.txn("b", OK).write("y", 2, "1b").Writes[0].From = &Place{"x", 0}
			s.h.Pipes["x"] = []Partition{"y"}
			s.final("x", "1")
			s.final("y", "1a", "", "1b")
		},
		"lost-input": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.h.Pipes["x"] = []Partition{"y"}
			s.final("x", "1")
		},
		"dirty-update": func(s *story) {
			s.txn("a", Failed).write("x", 0, "1")
			s.txn("b", OK).write("y", 0, "1a").Writes[0].From = &Place{"x", 0}
			s.h.Pipes["x"] = []Partition{"y"}
			s.final("y", "1a")
		},
		"settled-redelivered": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.deliver("m", 0)
			s.settle("m", 0, true)
			s.deliver("n", 0)
			s.final("x", "1")
		},
		"double-acquire": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.deliver("m", 0)
			s.deliver("n", 0)
			s.final("x", "1")
		},
		"unsettled": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.h.Drained["g"] = []Partition{"x"}
			s.final("x", "1")
		},
	} {
		t.Run(want, func(t *testing.T) {
			s := newStory()
			tell(s)
			r, err := Check(&s.h)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(r.Anomalies, func(a Anomaly) bool { return a.Name == want }) {
				t.Errorf("found %v", r.Anomalies)
			}
		})
	}
}

func (s *story) deliver(process string, offset int64) {
	s.op(process, Deliver, func(op *Op) { op.Group = "g"; op.read("x", offset, "1") })
}

func (s *story) settle(process string, offset int64, final bool) {
	s.op(process, Settle, func(op *Op) { op.Group, op.Settled = "g", []Ack{{Place{"x", offset}, final}} })
}

// What Kafka allows is no anomaly.
func TestWhatIsAllowedIsNotReported(t *testing.T) {
	for name, tell := range map[string]func(*story){
		"an unknown write may be there or not": func(s *story) {
			s.produce("a").write("x", 0, "1").Writes[0].Outcome = Unknown
			s.produce("a").write("x", 0, "2").Writes[0].Outcome = Unknown
			s.final("x", "2")
		},
		"a position that was set anew": func(s *story) {
			s.produce("a").write("x", 0, "1").write("x", 1, "2").write("x", 2, "3")
			s.poll("c").read("x", 2, "3")
			s.poll("c").read("x", 0, "1").Moved = true
			s.final("x", "1", "2", "3")
		},
		"a poll over a gap that an aborted transaction left": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.txn("b", Failed).write("x", 1, "2")
			s.produce("a").write("x", 3, "3")
			s.poll("c").read("x", 0, "1").read("x", 3, "3")
			s.final("x", "1", "", "", "3")
		},
		"reading what is not committed, if asked for": func(s *story) {
			s.txn("b", Failed).write("x", 0, "1")
			s.poll("c").read("x", 0, "1").Uncommitted = true
			s.h.Final["x"] = nil
		},
		"interleaved transactions": func(s *story) {
			a := s.txn("a", OK).write("x", 0, "1")
			s.txn("b", OK).write("x", 1, "2")
			a.write("x", 2, "3").Completed = s.now + 5
			a.Writes[1].Acked = s.now + 4
			s.final("x", "1", "2", "3")
		},
		"a commit that was under way": func(s *story) {
			s.op("a", Commit, nil).commit("g", "x", 5).Completed += 10
			s.op("b", Committed, nil).commit("g", "x", 4)
			s.h.Final["x"] = nil
		},
		"a record released, or held by a member that died, and given to another": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.deliver("m", 0)
			s.settle("m", 0, false)
			s.deliver("n", 0)
			s.op("n", Leave, nil)
			s.deliver("o", 0)
			s.settle("o", 0, true)
			s.h.Drained["g"] = []Partition{"x"}
			s.final("x", "1")
		},
		"a lock that ran out": func(s *story) {
			s.produce("a").write("x", 0, "1")
			s.deliver("m", 0)
			s.now += 200
			s.deliver("n", 0)
			s.final("x", "1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory()
			tell(s)
			r, err := Check(&s.h)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Anomalies) != 0 {
				t.Errorf("found %v", r.Anomalies)
			}
		})
	}
}

// A model of a correct log under random clients gives no anomaly, and each random damage of what was seen gives one.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := newStory()
		var values []string
		position := map[string]int{}
		for range 200 {
			switch rnd.IntN(3) {
			case 0:
				op := s.produce(fmt.Sprint("p", rnd.IntN(3)))
				for range 1 + rnd.IntN(3) {
					v := fmt.Sprint("v", len(values))
					op.write("x", int64(len(values)), v)
					values = append(values, v)
				}
			case 1:
				c := fmt.Sprint("c", rnd.IntN(3))
				op := s.poll(c)
				for range rnd.IntN(5) {
					if at := position[c]; at < len(values) {
						op.read("x", int64(at), values[at])
						position[c]++
					}
				}
			case 2:
				end := int64(len(values))
				s.op("b", Bounds, func(op *Op) { op.Limits = map[Partition]Limit{"x": {0, end, end}} })
			}
		}
		if len(values) < 2 {
			continue
		}
		s.final("x", values...)
		r, err := Check(&s.h)
		if err != nil || len(r.Anomalies) != 0 {
			t.Fatalf("seed %d: %v, %v", seed, err, r.Anomalies)
		}
		log := s.h.Final["x"]
		at := rnd.IntN(len(log) - 1)
		switch rnd.IntN(3) {
		case 0:
			s.h.Final["x"] = slices.Delete(slices.Clone(log), at, at+1)
		case 1:
			log[at].Value, log[at+1].Value = log[at+1].Value, log[at].Value
		case 2:
			log[at].Value += "?"
		}
		if r, err = Check(&s.h); err != nil || len(r.Anomalies) == 0 {
			t.Fatalf("seed %d: a damaged log was not noticed: %v", seed, err)
		}
	}
}

func TestCheckNeedsAFinalLog(t *testing.T) {
	if _, err := Check(&History{}); err == nil || !strings.Contains(err.Error(), "final log") {
		t.Error(err)
	}
}

func TestRecorder(t *testing.T) {
	r := NewRecorder()
	op := r.Invoke("a", Produce)
	if op.Outcome != Unknown || op.Completed != 0 {
		t.Errorf("%+v", op)
	}
	r.Complete(op, OK, nil)
	if op.Completed < op.Invoked || len(r.Ops()) != 1 {
		t.Errorf("%+v", op)
	}
	var out strings.Builder
	if _, err := (&History{Ops: r.Ops()}).WriteTo(&out); err != nil || !strings.HasPrefix(out.String(), `{"id":0,"process":"a","kind":"produce"`) {
		t.Errorf("%q, %v", out.String(), err)
	}
}
