package share

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/leak"
	"weir/kafka/partition"
	"weir/kafka/sharestate"
	"weir/metadata"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// memStore is a share coordinator that keeps one state per share partition, offset by offset, and can fail and dawdle.
type memStore struct {
	mu     sync.Mutex
	states map[sharestate.Key]*memState
	delay  time.Duration
	fail   func() (before, after error) // asked for each write: an error before it is applied, or after
	writes int
}

type memState struct {
	start      int64
	epoch      int32 // of the leader
	stateEpoch int32
	offsets    map[int64]memRecord
}

type memRecord struct {
	state sharestate.DeliveryState
	count int16
}

func (m memRecord) wins(o memRecord) bool {
	return m.count > o.count || m.count == o.count && m.state > o.state
}

func newMemStore() *memStore { return &memStore{states: make(map[sharestate.Key]*memState)} }

// misbehave sets how the coordinator fails and dawdles from now on.
func (s *memStore) misbehave(delay time.Duration, fail func() (before, after error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay, s.fail = delay, fail
}

func (s *memStore) state(k sharestate.Key) *memState {
	m := s.states[k]
	if m == nil {
		m = &memState{start: -1, offsets: make(map[int64]memRecord)}
		s.states[k] = m
	}
	return m
}

func (s *memStore) ReadState(_ context.Context, k sharestate.Key, epoch int32) (sharestate.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.state(k)
	if epoch < m.epoch {
		return sharestate.State{}, kerr.FencedLeaderEpoch
	}
	m.epoch = epoch
	out := sharestate.State{Start: m.start, StateEpoch: m.stateEpoch, LeaderEpoch: epoch}
	last := int64(-1)
	for o := range m.offsets {
		last = max(last, o)
	}
	for o := max(m.start, 0); o <= last; o++ {
		if r, ok := m.offsets[o]; ok {
			out.Batches = append(out.Batches, sharestate.Batch{First: o, Last: o, State: r.state, Count: r.count})
		}
	}
	return out, nil
}

func (s *memStore) WriteState(ctx context.Context, k sharestate.Key, w sharestate.Write) error {
	s.mu.Lock()
	delay := s.delay
	s.mu.Unlock()
	if delay > 0 {
		t := time.NewTimer(delay)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	var after error
	if s.fail != nil {
		var before error
		before, after = s.fail()
		if before != nil {
			return before
		}
	}
	m := s.state(k)
	switch {
	case w.LeaderEpoch < m.epoch:
		return kerr.FencedLeaderEpoch
	case w.StateEpoch < m.stateEpoch:
		return kerr.FencedStateEpoch
	}
	for _, b := range w.Batches {
		for o := b.First; o <= b.Last; o++ {
			if r := (memRecord{b.State, b.Count}); r.wins(m.offsets[o]) || m.offsets[o] == (memRecord{}) {
				m.offsets[o] = r
			}
		}
	}
	m.start = max(m.start, w.Start)
	for o := range m.offsets {
		if o < m.start {
			delete(m.offsets, o)
		}
	}
	return after
}

// memLog is the partition itself, as far as share partitions see it.
type memLog struct {
	epoch   metadata.LeaderEpoch
	start   int64
	batches []LogBatch
}

func (l *memLog) LeaderEpoch() metadata.LeaderEpoch { return l.epoch }
func (l *memLog) end() int64 {
	if len(l.batches) == 0 {
		return 0
	}
	return l.batches[len(l.batches)-1].Last + 1
}

func (l *memLog) Offsets() partition.Offsets {
	return partition.Offsets{LogStart: l.start, HighWatermark: l.end(), LastStable: l.end()}
}

func (l *memLog) OffsetForTimestamp(context.Context, int64) (partition.TimestampOffset, bool, error) {
	return partition.TimestampOffset{}, false, nil
}

// read returns up to n batches from offset on.
func (l *memLog) read(offset int64, n int) []LogBatch {
	for i, b := range l.batches {
		if b.Last >= offset {
			return l.batches[i:min(len(l.batches), i+n)]
		}
	}
	return nil
}

// rig is a leader of one share partition.
type rig struct {
	t      *testing.T
	store  *memStore
	log    *memLog
	limits Limits
	parts  *Partitions
	part   *Partition
	stop   func()
}

var testKey = sharestate.Key{Group: "g", Topic: metadata.TopicID{1}, Partition: 3}

func newRig(t *testing.T) *rig {
	r := &rig{
		t: t, store: newMemStore(), log: &memLog{epoch: 1},
		limits: Limits{Deliveries: 5, Locks: 2000, LockDuration: 30 * time.Second, Renew: true},
	}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

// start makes the broker the leader.
func (r *rig) start() {
	r.make()
	r.run()
	synctest.Wait()
	r.load()
}

func (r *rig) make() {
	r.parts = New(Deps{
		Log: slog.New(slog.DiscardHandler), Store: r.store, Limits: func(string) Limits { return r.limits },
		Reset: func(string) Reset { return Reset{Earliest: true} },
		Led:   func(partition.Key) (metadata.LeaderEpoch, bool) { return r.log.epoch, true },
	})
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.parts.Run(ctx)
	}()
	stopped := false
	r.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			<-done
		}
	}
}

func (r *rig) load() {
	var err error
	if r.part, err = r.parts.Get(testKey, r.log); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

// restart ends the leader and makes another one.
func (r *rig) restart() {
	r.stop()
	r.log.epoch++
	r.start()
}

func (r *rig) produce(sizes ...int64) {
	for _, n := range sizes {
		r.log.batches = append(r.log.batches, LogBatch{First: r.log.end(), Last: r.log.end() + n - 1})
	}
}

// fetch is one fetch of a member, as the broker does it.
func (r *rig) fetch(a Acquisition, batches int) []Range {
	r.part.Trim(r.log.start)
	offset, ok, err := r.part.Begin(nil)
	if err != nil {
		r.load() // the leader had to begin anew
		return nil
	}
	if !ok {
		return nil
	}
	defer r.part.End()
	a.Offset, a.Batches = offset, r.log.read(offset, batches)
	return r.part.Acquire(a)
}

func (r *rig) take(member string, n int) []Range {
	return r.fetch(Acquisition{Member: member, MaxRecords: n, BatchSize: 500}, 100)
}

func (r *rig) ack(member string, acks ...Acknowledgement) error {
	out := make(chan error, 1)
	r.part.Acknowledge(member, acks, func(err error) { out <- err })
	return <-out
}

func all(first, last int64, a Ack) Acknowledgement {
	return Acknowledgement{First: first, Last: last, Types: []int8{int8(a)}}
}

func wantRanges(t *testing.T, got []Range, want ...Range) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func wantCode(t *testing.T, err error, want *kerr.Error) {
	t.Helper()
	var code *kerr.Error
	if want == nil && err != nil || want != nil && (!errors.As(err, &code) || code != want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func pick[T any](rnd *rand.Rand, xs []T) T { return xs[rnd.IntN(len(xs))] }
