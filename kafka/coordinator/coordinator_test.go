package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/leak"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// register is a State: the last value of each key.
type register struct {
	shard  *Shard
	values map[string]string
	loaded bool
	closed error
}

func (r *register) Replay(key, value []byte) error {
	if string(key) == "bad" {
		return errors.New("bad record")
	}
	if value == nil {
		delete(r.values, string(key))
	} else {
		r.values[string(key)] = string(value)
	}
	return nil
}
func (r *register) Loaded()             { r.loaded = true }
func (r *register) Closed(reason error) { r.closed = reason }

// memLog is a durable log that can refuse.
type memLog struct {
	mu      sync.Mutex
	batches []byte
	end     int64
	refuse  error
	reads   atomic.Int64
}

func (l *memLog) Append(a partition.Append, done func(partition.Appended, error)) error {
	l.mu.Lock()
	if l.refuse != nil {
		l.mu.Unlock()
		return l.refuse
	}
	for rest := a.Batches; len(rest) > 0; {
		_, one, more, err := batch.Next(rest)
		if err != nil {
			l.mu.Unlock()
			return err
		}
		l.end = batch.SetOffsets(one, l.end, 0)
		rest = more
	}
	l.batches = append(l.batches, a.Batches...)
	l.mu.Unlock()
	go done(partition.Appended{}, nil)
	return nil
}

func (l *memLog) Read(_ context.Context, r partition.ReadRequest) (partition.Records, error) {
	l.reads.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	for rest := l.batches; len(rest) > 0; {
		h, one, more, err := batch.Next(rest)
		if err != nil || h.LastOffset() >= r.Offset {
			return partition.Records{Segments: [][]byte{one}}, err
		}
		rest = more
	}
	return partition.Records{}, nil
}

func (l *memLog) Offsets() partition.Offsets {
	l.mu.Lock()
	defer l.mu.Unlock()
	return partition.Offsets{HighWatermark: l.end}
}

const (
	cluster = "c1"
	topic   = "__state"
)

// lead writes who leads the topic's partitions, in which epoch.
func lead(t *testing.T, store *metadata.Mem, id metadata.TopicID, leaders []metadata.BrokerID, epoch metadata.LeaderEpoch) {
	t.Helper()
	var as metadata.Assignment
	for _, l := range leaders {
		as.Partitions = append(as.Partitions, metadata.PartitionAssignment{Leader: l, Epoch: epoch, Replicas: []metadata.BrokerID{l}})
	}
	record := metadata.Topic{Name: topic, ID: id, Partitions: int32(len(leaders))}
	if _, err := store.Commit(context.Background(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.TopicKey(cluster, topic), metadata.Encode(record)),
		metadata.Put(metadata.AssignmentKey(cluster, id, 0), metadata.Encode(as)),
	}}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func TestShardsFollowLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := metadata.NewMem()
		live := image.New(store, cluster)
		logs := map[int32]*memLog{0: {}, 1: {}, 2: {}}
		opened := make(chan struct{})
		states := map[int32]*register{}
		var mu sync.Mutex
		c := New(Config{Topic: topic, Broker: 1}, Deps[*register]{
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Image: live,
			Open: func(ctx context.Context, k partition.Key) (Log, error) {
				select {
				case <-opened:
					return logs[k.Index], nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			},
			New: func(s *Shard) *register {
				mu.Lock()
				defer mu.Unlock()
				states[s.Index()] = &register{shard: s, values: map[string]string{}}
				return states[s.Index()]
			},
		})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _ = live.Run(ctx) })
		wg.Go(func() { _ = c.Run(ctx) })
		do := func(i int32, fn func(*register)) error { return c.Do(ctx, i, fn) }
		want := func(err, target error) {
			t.Helper()
			if !errors.Is(err, target) {
				t.Fatalf("got %v, want %v", err, target)
			}
		}

		want(do(0, nil), kerr.NotCoordinator) // there is no topic
		id := metadata.NewTopicID()
		lead(t, store, id, []metadata.BrokerID{1, 1, 2}, 0)
		want(do(2, nil), kerr.NotCoordinator)
		want(do(0, nil), kerr.CoordinatorLoadInProgress) // after a moment: the partition does not open
		if !c.Each(ctx, func(*register) {}) {
			t.Error("Each does not say that shards load")
		}
		close(opened)
		synctest.Wait()

		wrote := make(chan error, 1)
		want(do(0, func(r *register) {
			if !r.loaded {
				t.Error("not loaded")
			}
			r.shard.Append([]Record{{[]byte("k"), []byte("v")}, {[]byte("gone"), []byte("x")}, {[]byte("gone"), nil}}, func(err error) { wrote <- err })
		}), nil)
		want(<-wrote, nil)

		first := states[0]
		var fired atomic.Bool
		want(do(0, func(r *register) { r.shard.After(time.Hour, func() { fired.Store(true) }) }), nil)
		lead(t, store, id, []metadata.BrokerID{2, 1, 2}, 1)
		if first.closed != kerr.NotCoordinator {
			t.Errorf("the state was told %v", first.closed)
		}
		want(do(0, nil), kerr.NotCoordinator)
		late := make(chan error, 1)
		first.shard.mu.Lock()
		first.shard.Append([]Record{{[]byte("k"), []byte("late")}}, func(err error) { late <- err })
		first.shard.mu.Unlock()
		want(<-late, kerr.NotCoordinator)
		time.Sleep(2 * time.Hour)
		if fired.Load() {
			t.Error("a timer of a closed shard fired")
		}

		lead(t, store, id, []metadata.BrokerID{1, 1, 1}, 2) // it comes back, with what is in the log
		want(do(0, func(r *register) {
			if len(r.values) != 1 || r.values["k"] != "v" {
				t.Errorf("loaded %v", r.values)
			}
		}), nil)
		if n := 0; c.Each(ctx, func(*register) { n++ }) || n != 3 {
			t.Errorf("%d shards", n)
		}
		cancel()
		wg.Wait()
		if states[0].closed != kerr.NotCoordinator {
			t.Error("the end of Run does not close the states")
		}
		want(c.Do(context.Background(), 0, nil), kerr.CoordinatorLoadInProgress)
		store.Close()
	})
}

func TestUnreadableLogDoesNotServe(t *testing.T) {
	log := &memLog{}
	s := NewShard(0, log, NewTimers())
	s.mu.Lock()
	done := make(chan error, 1)
	s.Append([]Record{{[]byte("bad"), []byte("x")}}, func(err error) { done <- err })
	s.mu.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r := &register{values: map[string]string{}}
	if err := NewShard(0, log, NewTimers()).Load(t.Context(), r, batch.NewDecoder(1<<20)); err == nil || r.loaded {
		t.Errorf("got %v, loaded %v", err, r.loaded)
	}
	log.end++ // the log claims more than it holds
	r.values = map[string]string{}
	log.batches = nil
	if err := NewShard(0, log, NewTimers()).Load(t.Context(), r, batch.NewDecoder(1<<20)); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("got %v", err)
	}
}

func TestLargeAppendIsOneUnitOfSeveralBatches(t *testing.T) {
	log := &memLog{}
	s := NewShard(0, log, NewTimers())
	var records []Record
	for i := range 3000 {
		records = append(records, Record{Key: []byte{byte(i), byte(i >> 8)}, Value: make([]byte, 1000)})
	}
	done := make(chan error, 1)
	s.mu.Lock()
	s.Append(records, func(err error) { done <- err })
	s.mu.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r := &register{values: map[string]string{}}
	if err := s.Load(t.Context(), r, batch.NewDecoder(1<<20)); err != nil || len(r.values) != 3000 {
		t.Errorf("%v, %d values", err, len(r.values))
	}
	h, err := batch.Parse(log.batches)
	if err != nil || h.Size() > 600<<10 {
		t.Errorf("%v, a batch of %d bytes", err, h.Size())
	}
}

func TestRefusedAppend(t *testing.T) {
	s := NewShard(0, &memLog{refuse: kerr.NotLeaderForPartition}, NewTimers())
	var got error
	if err := s.Locked(func() { s.Append([]Record{{Key: []byte("k")}}, func(err error) { got = err }) }); err != nil {
		t.Fatal(err)
	}
	if got != kerr.NotLeaderForPartition {
		t.Errorf("got %v", got)
	}
}

func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timers := NewTimers()
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _ = timers.Run(ctx) })
		s := NewShard(0, &memLog{}, timers)
		start := time.Now()
		var fired []time.Duration
		_ = s.Locked(func() {
			var stopped *Timer
			for _, ms := range []int{30, 10, 20, 50, 40} {
				tm := s.After(time.Duration(ms)*time.Millisecond, func() { fired = append(fired, time.Since(start)) })
				if ms == 20 {
					stopped = tm
				}
			}
			s.Stop(stopped)
			s.Stop(stopped)
			s.Stop(nil)
		})
		time.Sleep(25 * time.Millisecond)
		_ = s.Locked(func() { s.After(0, func() { fired = append(fired, time.Since(start)) }) }) // earlier than all others
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
		want := []time.Duration{10, 25, 30, 40, 50}
		if len(fired) != len(want) {
			t.Fatalf("got %v", fired)
		}
		for i, d := range fired {
			if d != want[i]*time.Millisecond {
				t.Errorf("timer %d fired after %v, want %v", i, d, want[i]*time.Millisecond)
			}
		}
	})
}

// heldLog takes appends that become durable when they are let go.
type heldLog struct {
	memLog
	held []func()
}

func (l *heldLog) Append(a partition.Append, done func(partition.Appended, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = append(l.held, func() { _ = l.memLog.Append(a, done) })
	return nil
}

func (l *heldLog) release() {
	l.mu.Lock()
	held := l.held
	l.held = nil
	l.mu.Unlock()
	for _, fn := range held {
		fn()
	}
}

// A broker that starts may see the epochs in which it leads partitions after those partitions are open: the shard is loaded again, from a log that has all
// that the shard before it took.
func TestNextShardKnowsWhatTheLastOneTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := metadata.NewMem()
		live := image.New(store, cluster)
		log := &heldLog{}
		c := New(Config{Topic: topic, Broker: 1}, Deps[*register]{
			Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Image: live,
			Open: func(context.Context, partition.Key) (Log, error) { return log, nil },
			New:  func(s *Shard) *register { return &register{shard: s, values: map[string]string{}} },
		})
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _ = live.Run(ctx) })
		wg.Go(func() { _ = c.Run(ctx) })
		id := metadata.NewTopicID()
		lead(t, store, id, []metadata.BrokerID{1}, 0)
		wrote := make(chan error, 1)
		if err := c.Do(ctx, 0, func(r *register) {
			r.shard.Append([]Record{{[]byte("k"), []byte("v")}}, func(err error) { wrote <- err })
		}); err != nil {
			t.Fatal(err)
		}
		lead(t, store, id, []metadata.BrokerID{1}, 1)
		if err := c.Do(ctx, 0, func(*register) {}); !errors.Is(err, kerr.CoordinatorLoadInProgress) {
			t.Errorf("while an append of the shard before is in flight: %v", err)
		}
		log.release()
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		if err := c.Do(ctx, 0, func(r *register) {
			if r.values["k"] != "v" {
				t.Errorf("loaded %v", r.values)
			}
		}); err != nil {
			t.Error(err)
		}
		cancel()
		wg.Wait()
		store.Close()
	})
}
