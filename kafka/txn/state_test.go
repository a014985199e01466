package txn

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

func begin(t *testing.T, w *world, c *Coordinator, id string) (int64, int16) {
	t.Helper()
	pid, epoch, err := c.Init(t.Context(), Init{ID: id, Timeout: time.Minute, ProducerID: none, ProducerEpoch: none})
	if err != nil {
		t.Fatal(err)
	}
	return pid, epoch
}

func TestInitOfAnIDThatHasAProducer(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		c, _ := w.start()
		id, epoch := begin(t, w, c, "tx")
		if epoch != 0 {
			t.Fatalf("the first epoch is %d", epoch)
		}
		for _, tt := range []struct {
			name  string
			id    int64
			epoch int16
			want  int16
			err   error
		}{
			{"anew", none, none, 1, nil},
			{"with its epoch", id, 1, 2, nil},
			{"the same again", id, 1, 2, nil},
			{"with an older epoch", id, 0, 0, kerr.ProducerFenced},
			{"with another id", id + 1, 2, 0, kerr.ProducerFenced},
		} {
			gotID, got, err := c.Init(t.Context(), Init{ID: "tx", Timeout: time.Minute, ProducerID: tt.id, ProducerEpoch: tt.epoch})
			if !errors.Is(err, tt.err) || err == nil && (gotID != id || got != tt.want) {
				t.Errorf("%s: id %d epoch %d, %v, want epoch %d, %v", tt.name, gotID, got, err, tt.want, tt.err)
			}
		}
		for _, timeout := range []time.Duration{0, -time.Second, time.Hour} {
			if _, _, err := c.Init(t.Context(), Init{ID: "tx", Timeout: timeout}); !errors.Is(err, kerr.InvalidTransactionTimeout) {
				t.Errorf("timeout %v: %v", timeout, err)
			}
		}
	})
}

func TestAddAndEndErrors(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		c, _ := w.start()
		id, epoch := begin(t, w, c, "tx")
		for _, tt := range []struct {
			name string
			add  Add
			want error
		}{
			{"unknown id", Add{ID: "other", ProducerID: id, ProducerEpoch: epoch}, kerr.InvalidProducerIDMapping},
			{"empty id", Add{ProducerID: id, ProducerEpoch: epoch}, kerr.InvalidRequest},
			{"another producer", Add{ID: "tx", ProducerID: id + 1, ProducerEpoch: epoch}, kerr.InvalidProducerIDMapping},
			{"older epoch", Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch - 1}, kerr.ProducerFenced},
			{"newer epoch", Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch + 1}, kerr.ProducerFenced},
		} {
			tt.add.Partitions = partitions(0)
			if _, err := w.add(c, tt.add); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		}
		verify := Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(0, 1), VerifyOnly: true}
		if each, err := w.add(c, verify); err != nil || !errors.Is(each[0], kerr.TransactionAbortable) {
			t.Errorf("verify before anything was added: %v, %v", each, err)
		}
		if _, _, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: true}); !errors.Is(err, kerr.InvalidTxnState) {
			t.Errorf("commit of nothing: %v", err)
		}
		if each, err := w.add(c, Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(0)}); err != nil || each[0] != nil {
			t.Fatalf("add: %v, %v", each, err)
		}
		if each, err := w.add(c, verify); err != nil || each[0] != nil || !errors.Is(each[1], kerr.TransactionAbortable) {
			t.Errorf("verify: %v, %v", each, err)
		}
		// The old way: the epoch stays, and a second end is a retry.
		for range 2 {
			if gotID, got, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: true}); err != nil || gotID != id || got != epoch {
				t.Errorf("commit: id %d epoch %d, %v", gotID, got, err)
			}
		}
		if _, _, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch}); !errors.Is(err, kerr.InvalidTxnState) {
			t.Errorf("abort behind a commit: %v", err)
		}
	})
}

// KIP-890: each end gives a new epoch; a retry of it gets the same one, and nothing else of the old epoch passes.
func TestEndRaisesTheEpoch(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		c, _ := w.start()
		id, epoch := begin(t, w, c, "tx")
		for want := int16(1); want < 5; want++ {
			commit := want%2 == 0
			if _, err := w.add(c, Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(0), Version: 2}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, got, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: commit, Version: 2}); err != nil || got != want {
					t.Fatalf("end: epoch %d, %v, want %d", got, err, want)
				}
			}
			w.awaitStatus(c, "tx", CompleteCommit, CompleteAbort)
			if _, _, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: !commit, Version: 2}); !errors.Is(err, kerr.InvalidTxnState) {
				t.Errorf("the other end: %v", err)
			}
			epoch++
		}
		// An abort of what may not have begun.
		if _, got, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Version: 2}); err != nil || got != epoch+1 {
			t.Errorf("abort of nothing: epoch %d, %v", got, err)
		}
	})
}

func TestProducerIDWithoutEpochsLeftIsReplaced(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		c, _ := w.start()
		id, _ := begin(t, w, c, "tx")
		if err := c.do(t.Context(), "tx", func(s *state) { s.ids["tx"].epoch = epochMax }); err != nil {
			t.Fatal(err)
		}
		epoch := int16(epochMax)
		if _, err := w.add(c, Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(0), Version: 2}); err != nil {
			t.Fatal(err)
		}
		next, got, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: true, Version: 2})
		if err != nil || next == id || got != 0 {
			t.Fatalf("id %d epoch %d, %v", next, got, err)
		}
		w.awaitStatus(c, "tx", CompleteCommit)
		w.mu.Lock()
		if ms := w.markers[TopicPartition{"t", 0}]; len(ms) != 1 || ms[0].ProducerID != id || ms[0].ProducerEpoch != math.MaxInt16 {
			t.Errorf("markers %+v", ms)
		}
		w.mu.Unlock()
		if again, got, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: true, Version: 2}); err != nil || again != next || got != 0 {
			t.Errorf("retry: id %d epoch %d, %v", again, got, err)
		}
		if _, err := w.add(c, Add{ID: "tx", ProducerID: next, ProducerEpoch: 0, Partitions: partitions(0), Version: 2}); err != nil {
			t.Errorf("the new id: %v", err)
		}
	})
}

// Markers are sent until all partitions have them; the next transaction waits for that, for a while.
func TestMarkersAreSentUntilTheyAreWritten(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		c, _ := w.start()
		id, epoch := begin(t, w, c, "tx")
		if _, err := w.add(c, Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(0, 1, 2), Version: 2}); err != nil {
			t.Fatal(err)
		}
		refused := 0
		w.mu.Lock()
		w.refuse = func(tp TopicPartition) *kerr.Error {
			if refused++; tp.Index == 1 && refused < 8 {
				return kerr.NotLeaderForPartition
			}
			return nil
		}
		w.mu.Unlock()
		if _, _, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: true, Version: 2}); err != nil {
			t.Fatal(err)
		}
		if d, err := c.Describe(t.Context(), "tx"); err != nil || d.Status != PrepareCommit {
			t.Errorf("described as %+v, %v", d, err)
		}
		w.awaitStatus(c, "tx", CompleteCommit)
		w.mu.Lock()
		defer w.mu.Unlock()
		for p := range int32(3) {
			if ms := w.markers[TopicPartition{"t", p}]; len(ms) != 1 || !ms[0].Committed || ms[0].CoordinatorEpoch != 5 || ms[0].ProducerEpoch != epoch+1 {
				t.Errorf("partition %d has %+v", p, ms)
			}
		}
	})
}

// Reliability design, X3: what nobody ends is aborted, also by the next coordinator, and its producer is fenced.
func TestX3OpenTransactionEndsByItsTimeout(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		c, stop := w.start()
		id, epoch, err := c.Init(t.Context(), Init{ID: "tx", Timeout: 200 * time.Millisecond, ProducerID: none, ProducerEpoch: none})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.add(c, Add{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(3), Version: 2}); err != nil {
			t.Fatal(err)
		}
		stop()
		c, _ = w.start()
		if d := w.awaitStatus(c, "tx", CompleteAbort); d.ProducerEpoch != epoch+1 {
			t.Errorf("epoch %d", d.ProducerEpoch)
		}
		if _, _, err := w.finish(c, End{ID: "tx", ProducerID: id, ProducerEpoch: epoch, Commit: true, Version: 0}); !errors.Is(err, kerr.ProducerFenced) {
			t.Errorf("late commit: %v", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if ms := w.markers[TopicPartition{"t", 3}]; len(ms) != 1 || ms[0].Committed {
			t.Errorf("markers %+v", ms)
		}
	})
}

func TestIdleIDsExpire(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		short := func(s *Settings) { s.Expiration, s.ExpirationCheck = 20*time.Millisecond, 20*time.Millisecond }
		c, stop := w.start(short)
		id, epoch := begin(t, w, c, "idle")
		busy, busyEpoch, err := c.Init(t.Context(), Init{ID: "busy", Timeout: time.Minute, ProducerID: none, ProducerEpoch: none})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.add(c, Add{ID: "busy", ProducerID: busy, ProducerEpoch: busyEpoch, Partitions: partitions(0)}); err != nil {
			t.Fatal(err)
		}
		w.await("the idle one is gone", func() bool {
			_, err := c.Describe(t.Context(), "idle")
			return errors.Is(err, kerr.TransactionalIDNotFound)
		})
		if _, err := w.add(c, Add{ID: "idle", ProducerID: id, ProducerEpoch: epoch, Partitions: partitions(0)}); !errors.Is(err, kerr.InvalidProducerIDMapping) {
			t.Errorf("add: %v", err)
		}
		stop()
		c, _ = w.start()
		w.awaitStatus(c, "busy", Ongoing)
		list, err := c.List(t.Context(), Filter{LongerThan: -1})
		if err != nil || len(list) != 1 || list[0].ID != "busy" || list[0].Status != Ongoing {
			t.Errorf("after a restart: %+v, %v", list, err)
		}
	})
}

func FuzzReadRecord(f *testing.F) {
	r := recordOf("tx", &facts{
		producerID: 1, previousID: none, nextID: 7, epoch: 3, version: 2, timeoutMs: 5, status: PrepareCommit,
		partitions: []TopicPartition{{"a", 0}, {"a", 3}, {"b", 1}}, startMs: 1, updateMs: 2,
	})
	f.Add(r.Key, r.Value)
	f.Add([]byte{0, 0}, []byte{0, 1})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		id, ok, err := readKey(key)
		if err != nil || !ok {
			return
		}
		v, err := readValue(value)
		if err != nil {
			return
		}
		again := recordOf(id, &v)
		back, err := readValue(again.Value)
		if err != nil || !slices.Equal(back.partitions, v.partitions) || back.producerID != v.producerID || back.status != v.status || back.nextID != v.nextID {
			t.Errorf("%+v became %+v, %v", v, back, err)
		}
	})
}
