package txn

import (
	"maps"
	"strconv"
	"testing"
	"time"
)

// Reliability design, X1 and X2: a coordinator dies at every write and every marker of two transactions, once before it and once behind. Whatever it had
// decided is carried out by its successor in all partitions alike; a commit that was acknowledged is a commit.
func TestX1CoordinatorDiesAtEveryStep(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		c, stop := w.start()
		acked := w.twoTransactions(c)
		stop()
		if acked != 2 || w.events != eventsOfTwo {
			t.Fatalf("without a crash %d transactions are acknowledged after %d events", acked, w.events)
		}
	})
	for crashAt := 1; crashAt <= 2*eventsOfTwo; crashAt++ {
		t.Run(strconv.Itoa(crashAt), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) { crash(t, w, crashAt) })
		})
	}
}

// eventsOfTwo are the writes of two transactions: the id, and of each the partitions, its end, three markers and that it is over.
const eventsOfTwo = 1 + 2*6

func crash(t *testing.T, w *world, crashAt int) {
	w.crashAt = crashAt
	c, stop := w.start()
	acked := w.twoTransactions(c)
	w.crash(stop)
	c, _ = w.start()
	if _, err := c.Describe(t.Context(), "tx"); err == nil {
		w.awaitStatus(c, "tx", Empty, Ongoing, CompleteCommit, CompleteAbort)
	}
	// Whoever comes next gets the id, and what was open is aborted.
	id, epoch, err := c.Init(t.Context(), Init{ID: "tx", Timeout: time.Minute, ProducerID: none, ProducerEpoch: none})
	if err != nil {
		t.Fatalf("crash at %d: init: %v", crashAt, err)
	}
	var first map[int16]bool
	w.mu.Lock()
	for p := range int32(3) {
		ms := w.markers[TopicPartition{"t", p}]
		ends := map[int16]bool{} // by epoch: whether it is a commit
		for _, m := range ms {
			if commit, ok := ends[m.ProducerEpoch]; ok && commit != m.Committed {
				t.Errorf("crash at %d: partition %d: epoch %d is both committed and aborted", crashAt, p, m.ProducerEpoch)
			}
			ends[m.ProducerEpoch] = m.Committed
			if m.ProducerID == id && m.ProducerEpoch > epoch {
				t.Errorf("crash at %d: marker with epoch %d, the producer has %d", crashAt, m.ProducerEpoch, epoch)
			}
		}
		if acked >= 1 && !ends[1] || acked >= 2 && !ends[2] {
			t.Errorf("crash at %d: partition %d: %d commits were acknowledged, markers are %+v", crashAt, p, acked, ms)
		}
		if p == 0 {
			first = ends
		} else if !maps.Equal(first, ends) {
			t.Errorf("crash at %d: ends by epoch are %v in partition 0, %v in partition %d", crashAt, first, ends, p)
		}
	}
	w.mu.Unlock()
}

// twoTransactions commits two transactions over three partitions, and returns how many commits were acknowledged.
func (w *world) twoTransactions(c *Coordinator) (acked int) {
	ctx, cancel := w.within()
	defer cancel()
	id, epoch, err := c.Init(ctx, Init{ID: "tx", Timeout: time.Minute, ProducerID: none, ProducerEpoch: none})
	if err != nil {
		return acked
	}
	for range 2 {
		if _, err := w.add(c, Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(0, 1, 2), Version: 2}); err != nil {
			return acked
		}
		if id, epoch, err = w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: true, Version: 2}); err != nil {
			return acked
		}
		acked++
	}
	w.await("both transactions are over, or the coordinator died", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.crashed || w.events >= eventsOfTwo
	})
	return acked
}

// crash ends a coordinator that may do nothing any more.
func (w *world) crash(stop func()) {
	w.mu.Lock()
	w.crashed = true
	w.crashAt = 0
	w.mu.Unlock()
	stop()
}
