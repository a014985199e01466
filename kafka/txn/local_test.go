package txn

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/partition"
	"weir/storage/batch"
)

// journal is a world whose partitions are all led beside the coordinator: what is queued becomes durable in order, one after the other, and is heard of from
// one goroutine, as with a stream.
type journal struct {
	*world
	writes chan func()

	refuseAt int // the write that the journal, which is full, refuses; 0: none
	writing  int
}

func newJournal(w *world) *journal {
	j := &journal{world: w, writes: make(chan func(), 1000)}
	w.local = j
	j.run(func(ctx context.Context) {
		for {
			select {
			case write := <-j.writes:
				write()
			case <-ctx.Done():
				return
			}
		}
	})
	return j
}

// write carries out one write, which rests on the premise.
func (j *journal) write(premise *partition.Premise, happen func(), done func(error)) {
	j.writes <- func() {
		if premise.Failed() {
			done(kerr.KafkaStorageError)
			return
		}
		j.mu.Lock()
		if j.writing++; j.writing == j.refuseAt {
			j.mu.Unlock()
			done(kerr.KafkaStorageError)
			return
		}
		happens, heard := j.faultyLocked()
		if happens {
			happen()
		}
		j.mu.Unlock()
		if heard {
			done(nil)
		}
	}
}

// Append implements coordinator.Log.
func (j *journal) Append(a partition.Append, done func(partition.Appended, error)) error {
	j.write(a.Premise, func() {
		for rest := a.Batches; len(rest) > 0; {
			_, one, more, err := batch.Next(rest)
			if err != nil {
				j.t.Error(err)
				return
			}
			j.end = batch.SetOffsets(one, j.end, 0)
			rest = more
		}
		j.log = append(j.log, a.Batches...)
	}, func(err error) { done(partition.Appended{}, err) })
	return nil
}

// mark is Deps.Mark.
func (j *journal) mark(tp TopicPartition, m partition.Marker, done func(error)) bool {
	j.write(m.Premise, func() {
		j.markers[tp] = append(j.markers[tp], kmsg.WriteTxnMarkersRequestMarker{
			ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch, CoordinatorEpoch: m.Coordinator, Committed: m.Commit,
		})
	}, done)
	return true
}

// Reliability design, X1 and X2, as TestX1CoordinatorDiesAtEveryStep, where all is queued at once.
func TestX1CoordinatorDiesAtEveryStepOfItsJournal(t *testing.T) {
	t.Parallel()
	for crashAt := range 2*eventsOfTwo + 1 {
		t.Run(strconv.Itoa(crashAt), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				newJournal(w)
				crash(t, w, crashAt)
			})
		})
	}
}

// A journal that is full refuses one write of a transaction's end: what was queued behind it is not there without it, and all of it is made up for.
func TestFullJournalRefusesAStepOfTheEnd(t *testing.T) {
	t.Parallel()
	for refuseAt := 1; refuseAt <= eventsOfTwo; refuseAt++ {
		t.Run(strconv.Itoa(refuseAt), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) { refusedOnce(t, w, refuseAt) })
		})
	}
}

func refusedOnce(t *testing.T, w *world, refuseAt int) {
	j := newJournal(w)
	j.refuseAt = refuseAt
	c, _ := j.start()
	ctx := t.Context()
	again := func(what string, fn func() error) {
		for tries := 0; ; tries++ {
			err := fn()
			if err == nil {
				return
			}
			if !errors.Is(err, kerr.CoordinatorNotAvailable) || tries > 1 {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	var id int64
	var epoch int16
	again("init", func() (err error) {
		id, epoch, err = c.Init(ctx, Init{ID: "tx", Timeout: time.Minute, ProducerID: none, ProducerEpoch: none})
		return err
	})
	for range 2 {
		again("add", func() error {
			_, err := j.add(c, Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(0, 1, 2), Version: 2})
			return err
		})
		next, nextEpoch := id, epoch
		again("end", func() (err error) {
			next, nextEpoch, err = j.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: true, Version: 2})
			if err != nil {
				j.mu.Lock()
				defer j.mu.Unlock()
				for p := range int32(3) {
					for _, m := range j.markers[TopicPartition{"t", p}] {
						if m.ProducerEpoch > epoch {
							t.Errorf("partition %d has a marker without a decision", p)
						}
					}
				}
			}
			return err
		})
		id, epoch = next, nextEpoch
	}
	j.awaitStatus(c, "tx", CompleteCommit)
	j.mu.Lock()
	defer j.mu.Unlock()
	for p := range int32(3) {
		if ms := j.markers[TopicPartition{"t", p}]; len(ms) != 2 || ms[0].ProducerEpoch != 1 || ms[1].ProducerEpoch != 2 {
			t.Errorf("partition %d has %+v", p, ms)
		}
	}
}
