package share

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/sharestate"
)

func bubble(t *testing.T, fn func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) { fn(t, newRig(t)) })
}

// Batches are handed out whole, and the limit of records may be exceeded for that, unless it is strict (KIP-1206).
func TestAcquireKeepsBatchesTogether(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10, 10, 10)
		wantRanges(t, r.take("a", 15), Range{0, 19, 1})
		wantRanges(t, r.fetch(Acquisition{Member: "b", MaxRecords: 4, BatchSize: 100, Strict: true}, 9), Range{20, 23, 1})
		wantRanges(t, r.fetch(Acquisition{Member: "b", MaxRecords: 4, BatchSize: 100, Strict: true}, 9), Range{24, 27, 1})
		wantRanges(t, r.take("c", 100), Range{28, 29, 1})
		wantRanges(t, r.take("c", 100))
	})
}

func TestNewBatchesAreOfTheSizeThatIsAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(5, 5, 5, 5, 5)
		got := r.fetch(Acquisition{Member: "a", MaxRecords: 100, BatchSize: 10}, 9)
		wantRanges(t, got, Range{0, 9, 1}, Range{10, 19, 1}, Range{20, 24, 1})
	})
}

func TestInFlightRecordsAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.limits.Locks = 25
		r.produce(10, 10, 10, 10)
		wantRanges(t, r.take("a", 500), Range{0, 29, 1}) // up to the end of the batch that reaches the limit
		wantRanges(t, r.take("a", 500))
		wantCode(t, r.ack("a", all(10, 19, Accept)), nil)
		wantRanges(t, r.take("a", 500)) // the start has not moved
		wantCode(t, r.ack("a", all(0, 9, Accept)), nil)
		wantRanges(t, r.take("a", 500), Range{30, 39, 1})
	})
}

func TestReleasedRecordsComeAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		wantRanges(t, r.take("a", 10), Range{0, 9, 1})
		wantCode(t, r.ack("a", Acknowledgement{0, 9, []int8{1, 2, 2, 3, 0, 1, 2, 1, 1, 1}}), nil)
		wantRanges(t, r.take("b", 10), Range{1, 2, 2}, Range{6, 6, 2})
		if r.part.start != 1 {
			t.Errorf("start offset %d", r.part.start)
		}
	})
}

// KIP-932: whoever acknowledges must hold the record.
func TestAcknowledgementsOfOthersAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		r.take("a", 10)
		wantCode(t, r.ack("b", all(0, 9, Accept)), kerr.InvalidRecordState)
		wantCode(t, r.ack("a", all(5, 12, Accept)), kerr.InvalidRequest)
		wantCode(t, r.ack("a", all(10, 12, Accept)), kerr.InvalidRequest)
		wantCode(t, r.ack("a", all(3, 4, Accept)), nil)
		wantCode(t, r.ack("a", all(0, 9, Accept)), kerr.InvalidRecordState) // as a whole
		wantCode(t, r.ack("a", all(0, 2, Accept), all(5, 9, Reject)), nil)
		wantCode(t, r.ack("a", all(0, 9, Accept)), nil) // behind the start: of no interest
		r.produce(1)
		wantCode(t, r.ack("a", all(10, 10, Accept)), kerr.InvalidRecordState)
	})
}

func TestLocksRunOut(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		r.take("a", 10)
		time.Sleep(29 * time.Second)
		wantCode(t, r.ack("a", all(0, 4, Renew)), nil)
		wantRanges(t, r.take("b", 10))
		time.Sleep(2 * time.Second)
		wantRanges(t, r.take("b", 10), Range{5, 9, 2})
		wantCode(t, r.ack("a", all(5, 5, Accept)), kerr.InvalidRecordState)
		wantCode(t, r.ack("a", all(0, 4, Accept)), nil)
		r.limits.Renew = false
		wantCode(t, r.ack("b", all(5, 5, Renew)), kerr.InvalidRecordState)
	})
}

// A record is delivered so often, the last time alone, and then archived.
func TestDeliveriesAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(8)
		deliveries := make(map[int64]int)
		alone := make(map[int64]bool)
		for range 200 {
			got := r.take("a", 100)
			if len(got) == 0 {
				break
			}
			for _, x := range got {
				for o := x.First; o <= x.Last; o++ {
					if deliveries[o]++; deliveries[o] != int(x.Count) {
						t.Fatalf("offset %d: delivery %d is said to be the %d.", o, deliveries[o], x.Count)
					}
					alone[o] = x.First == x.Last && len(got) == 1
				}
				wantCode(t, r.ack("a", all(x.First, x.Last, Release)), nil)
			}
		}
		for o := range int64(8) {
			if deliveries[o] != 5 || !alone[o] {
				t.Errorf("offset %d was delivered %d times, the last time alone: %v", o, deliveries[o], alone[o])
			}
		}
		if r.part.start != 8 || len(r.part.runs) != 0 {
			t.Errorf("start %d, %d runs", r.part.start, len(r.part.runs))
		}
	})
}

// An acknowledgement whose write fails leaves the record with its member, or free if the lock ran out meanwhile.
func TestFailedWritesChangeNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		r.take("a", 10)
		r.store.misbehave(0, func() (before, after error) { return kerr.CoordinatorNotAvailable, nil })
		wantCode(t, r.ack("a", all(0, 4, Accept)), kerr.CoordinatorNotAvailable)
		wantRanges(t, r.take("b", 10))
		if r.part.start != 0 {
			t.Errorf("start offset %d", r.part.start)
		}
		r.store.misbehave(40*time.Second, nil)
		done := make(chan error, 1)
		r.part.Acknowledge("a", []Acknowledgement{all(0, 4, Accept)}, func(err error) { done <- err })
		time.Sleep(31 * time.Second)
		wantRanges(t, r.take("b", 10), Range{5, 9, 2}) // what is pending is nobody's
		wantCode(t, <-done, nil)
		r.store.misbehave(0, nil)
		wantCode(t, r.ack("b", all(5, 9, Accept)), nil)
		if r.part.start != 10 {
			t.Errorf("start offset %d", r.part.start)
		}
	})
}

// A leader that was replaced cannot acknowledge any more.
func TestOldLeadersAreFenced(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		r.take("a", 10)
		if _, err := r.store.ReadState(t.Context(), testKey, 2); err != nil {
			t.Fatal(err)
		}
		wantCode(t, r.ack("a", all(0, 9, Accept)), kerr.FencedLeaderEpoch)
		synctest.Wait()
		if _, ok := r.parts.Find(testKey); ok {
			t.Error("the share partition is still there")
		}
		_, _, err := r.part.Begin(nil)
		wantCode(t, err, kerr.NotLeaderForPartition)
	})
}

func TestStateSurvivesTheLeader(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10, 10, 10)
		r.take("a", 30)
		wantCode(t, r.ack("a", all(0, 3, Accept), all(8, 11, Reject), all(15, 15, Release)), nil)
		r.restart()
		// What was acquired is free again; that delivery was not written.
		wantRanges(t, r.take("b", 100), Range{4, 7, 1}, Range{12, 14, 1}, Range{15, 15, 2}, Range{16, 29, 1})
	})
}

func TestLogStartPassesBy(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10, 10, 10)
		r.take("a", 10)
		r.log.start = 15
		wantRanges(t, r.take("b", 100), Range{15, 29, 1})
		wantCode(t, r.ack("a", all(0, 9, Accept)), nil)
		wantCode(t, r.ack("b", all(15, 29, Accept)), nil)
		if r.part.start != 30 {
			t.Errorf("start offset %d", r.part.start)
		}
	})
}

// Compaction takes records that were in flight, or about to be: they end without having been delivered.
func TestHolesInTheLogArePassed(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10, 10, 10, 10)
		r.take("a", 10)
		wantCode(t, r.ack("a", all(0, 9, Release)), nil)
		r.log.batches = []LogBatch{{First: 20, Last: 29}, {First: 35, Last: 39}}
		wantRanges(t, r.take("a", 100), Range{20, 39, 1})
		wantCode(t, r.ack("a", Acknowledgement{20, 39, []int8{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1}}), nil)
		if r.part.start != 40 {
			t.Errorf("start offset %d", r.part.start)
		}
	})
}

func TestAbortedRecordsAreNotDelivered(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(5, 5, 5)
		r.log.batches[1].Aborted = true
		wantRanges(t, r.take("a", 100), Range{0, 4, 1}, Range{10, 14, 1})
		wantCode(t, r.ack("a", all(0, 4, Accept), all(10, 14, Accept)), nil)
		if r.part.start != 15 {
			t.Errorf("start offset %d", r.part.start)
		}
	})
}

func TestSessionEndReleases(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		r.take("a", 10)
		wake := make(chan struct{}, 1)
		r.part.Watch(wake)
		r.part.ReleaseMember("a")
		<-wake
		wantRanges(t, r.take("b", 10), Range{0, 9, 2})
		r.part.Unwatch(wake)
	})
}

// When a group has no session any more its share partitions are read anew: somebody may have altered its offsets.
func TestGroupsAreForgottenAndReadAgain(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		r.take("a", 10)
		r.store.misbehave(time.Second, nil)
		r.part.ReleaseMember("a")
		r.parts.DropGroup("g")
		if _, ok := r.parts.Find(testKey); !ok {
			t.Fatal("dropped with a write in flight")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, ok := r.parts.Find(testKey); ok {
			t.Fatal("not dropped")
		}
		r.store.states[testKey] = &memState{start: 7, epoch: 1, stateEpoch: 1, offsets: map[int64]memRecord{}}
		r.load()
		wantRanges(t, r.take("a", 10), Range{7, 9, 1})
	})
}

// Who is told of a session's last acknowledgement finds nothing on its way any more: the share partition goes with the session, before a member that
// comes back could find it.
func TestTheLastAcknowledgementLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		r.take("a", 10)
		told := make(chan bool, 1)
		r.part.Acknowledge("a", []Acknowledgement{all(0, 9, Accept)}, func(err error) {
			r.parts.DropGroup("g")
			_, found := r.parts.Find(testKey)
			told <- found || err != nil
		})
		if <-told {
			t.Fatal("not dropped with the last acknowledgement")
		}
	})
}

// A broker may get requests before it runs its share partitions. It leads them all the same.
func TestAskedForBeforeTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		r.stop()
		r.make()
		r.load()
		wantRanges(t, r.take("a", 10))
		r.run()
		synctest.Wait()
		wantRanges(t, r.take("a", 10), Range{0, 9, 1})
		r.stop()
		if _, err := r.parts.Get(testKey, r.log); !errors.Is(err, kerr.NotLeaderForPartition) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestFetchesTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.produce(10)
		if _, ok, _ := r.part.Begin(nil); !ok {
			t.Fatal("nothing to get")
		}
		wake, other := make(chan struct{}, 1), make(chan struct{}, 1)
		r.part.Watch(other)
		if _, ok, _ := r.part.Begin(wake); ok {
			t.Fatal("two at once")
		}
		r.part.End()
		<-wake
		if len(other) > 0 {
			t.Error("somebody was woken who did not want to read")
		}
		r.part.Unwatch(other)
	})
}

func TestLoadRefusesNonsense(t *testing.T) {
	p := newPartition(testKey, 1, func() Limits { return Limits{Deliveries: 5} }, nil, time.Now)
	for _, s := range []sharestate.State{
		{Start: 0, Batches: []sharestate.Batch{{First: 0, Last: 3, State: 1}}},
		{Start: 0, Batches: []sharestate.Batch{{First: 5, Last: 9}, {First: 0, Last: 3}}},
	} {
		if err := p.load(&s, 0); !errors.Is(err, kerr.UnknownServerError) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
