package sharestate

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
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// memLog is a durable log that can be cut and can refuse.
type memLog struct {
	mu      sync.Mutex
	batches [][]byte
	start   int64
	end     int64
	refuse  error
	delay   time.Duration
	queue   chan func()
}

func newMemLog(t *testing.T) *memLog {
	l := &memLog{queue: make(chan func(), 1000)}
	go func() { // the committer
		for fn := range l.queue {
			fn()
		}
	}()
	t.Cleanup(func() { close(l.queue) })
	return l
}

func (l *memLog) Append(a partition.Append, done func(partition.Appended, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return l.refuse
	}
	delay := l.delay
	l.queue <- func() {
		time.Sleep(delay)
		l.mu.Lock()
		for rest := a.Batches; len(rest) > 0; {
			_, one, more, err := batch.Next(rest)
			if err != nil {
				panic(err)
			}
			l.end = batch.SetOffsets(one, l.end, 0)
			l.batches = append(l.batches, one)
			rest = more
		}
		l.mu.Unlock()
		done(partition.Appended{}, nil)
	}
	return nil
}

func (l *memLog) Read(_ context.Context, r partition.ReadRequest) (partition.Records, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.batches {
		if h, _, _, err := batch.Next(b); err != nil || h.LastOffset() >= r.Offset {
			return partition.Records{Segments: [][]byte{b}}, err
		}
	}
	return partition.Records{}, nil
}

func (l *memLog) Offsets() partition.Offsets {
	l.mu.Lock()
	defer l.mu.Unlock()
	return partition.Offsets{LogStart: l.start, HighWatermark: l.end, LastStable: l.end}
}

func (l *memLog) DeleteRecords(offset int64) func(context.Context) (int64, error) {
	return func(context.Context) (int64, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.start = max(l.start, offset)
		for len(l.batches) > 0 {
			h, _, _, err := batch.Next(l.batches[0])
			if err != nil || h.LastOffset() >= l.start {
				return l.start, err
			}
			l.batches = l.batches[1:]
		}
		return l.start, nil
	}
}

const cluster = "c1"

var user = metadata.TopicID{7}

// rig is a coordinator over one partition of the topic.
type rig struct {
	t     *testing.T
	store *metadata.Mem
	log   *memLog
	c     *Coordinator
	stop  func()
	set   Settings
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, store: metadata.NewMem(), log: newMemLog(t), set: Settings{UpdatesPerSnapshot: 5, PruneInterval: time.Minute, PruneRecords: 1 << 30}}
	r.put(image.ShareGroupState, metadata.TopicID{1}, 1)
	r.put("user", user, 4)
	r.start()
	t.Cleanup(func() {
		r.stop()
		r.store.Close()
	})
	return r
}

func (r *rig) put(name string, id metadata.TopicID, partitions int) {
	var as metadata.Assignment
	for range partitions {
		as.Partitions = append(as.Partitions, metadata.PartitionAssignment{Leader: 1, Epoch: 1, Replicas: []metadata.BrokerID{1}})
	}
	if _, err := r.store.Commit(context.Background(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.TopicKey(cluster, name), metadata.Encode(metadata.Topic{Name: name, ID: id, Partitions: int32(partitions)})),
		metadata.Put(metadata.AssignmentKey(cluster, id, 0), metadata.Encode(as)),
	}}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) start() {
	live := image.New(r.store, cluster)
	r.c = New(1, r.set, Deps{
		Log: slog.New(slog.DiscardHandler), Image: live,
		Open: func(context.Context, partition.Key) (Log, error) { return r.log, nil },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = live.Run(ctx) })
	wg.Go(func() { _ = r.c.Run(ctx) })
	stopped := false
	r.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			wg.Wait()
		}
	}
	synctest.Wait()
}

func (r *rig) restart() {
	r.stop()
	r.start()
}

func (r *rig) key(group string, p int32) Key { return Key{Group: group, Topic: user, Partition: p} }

func (r *rig) do(fn func(done func(error))) error {
	out := make(chan error, 1)
	fn(func(err error) { out <- err })
	return <-out
}

func (r *rig) init(k Key, stateEpoch int32, start int64) error {
	return r.do(func(done func(error)) { r.c.Initialize(context.Background(), k, stateEpoch, start, done) })
}

func (r *rig) write(k Key, w Write) error {
	return r.do(func(done func(error)) { r.c.Write(context.Background(), k, w, done) })
}

func (r *rig) read(k Key, epoch int32) (s State, err error) {
	err = r.do(func(done func(error)) {
		r.c.Read(context.Background(), k, epoch, func(got State, err error) { s = got; done(err) })
	})
	return s, err
}

func (r *rig) want(err error, code *kerr.Error) {
	r.t.Helper()
	if code == nil && err != nil || code != nil && !errors.Is(err, code) {
		r.t.Fatalf("got %v, want %v", err, code)
	}
}

func bubble(t *testing.T, fn func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) { fn(t, newRig(t)) })
}

func TestEpochsFence(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		k := r.key("g", 0)
		_, err := r.read(k, 0)
		r.want(err, kerr.InvalidRequest)
		r.want(r.write(k, Write{}), kerr.InvalidRequest)
		r.want(r.init(k, 3, -1), nil)
		r.want(r.init(k, 3, -1), nil)
		r.want(r.init(k, 2, -1), kerr.FencedStateEpoch)
		r.want(r.init(k, -1, 0), kerr.InvalidRequest)
		r.want(r.init(r.key("g", 9), 1, 0), kerr.UnknownTopicOrPartition)
		s, err := r.read(k, 5)
		r.want(err, nil)
		if s.Start != -1 || s.StateEpoch != 3 || len(s.Batches) != 0 {
			t.Errorf("%+v", s)
		}
		_, err = r.read(k, 4)
		r.want(err, kerr.FencedLeaderEpoch)
		r.want(r.write(k, Write{StateEpoch: 3, LeaderEpoch: 4}), kerr.FencedLeaderEpoch)
		r.want(r.write(k, Write{StateEpoch: 2, LeaderEpoch: 5}), kerr.FencedStateEpoch)
		r.want(r.write(k, Write{StateEpoch: 3, LeaderEpoch: 5, Start: 10, Batches: []Batch{{12, 11, 0, 0}}}), kerr.InvalidRequest)
		r.want(r.write(k, Write{StateEpoch: 3, LeaderEpoch: 5, Start: 10, Complete: 2, Batches: []Batch{{11, 12, Acknowledged, 1}}}), nil)
		r.restart()
		_, err = r.read(k, 4)
		r.want(err, kerr.FencedLeaderEpoch)
		s, err = r.read(k, 5)
		r.want(err, nil)
		if s.Start != 10 || s.Complete != 2 || len(s.Batches) != 1 {
			t.Errorf("%+v", s)
		}
		r.want(r.do(func(done func(error)) { r.c.Delete(context.Background(), k, done) }), nil)
		r.want(r.do(func(done func(error)) { r.c.Delete(context.Background(), k, done) }), nil)
		_, err = r.read(k, 5)
		r.want(err, kerr.InvalidRequest)
		r.want(r.init(k, 0, 7), nil)
		s, err = r.read(k, 0)
		r.want(err, nil)
		if s.Start != 7 {
			t.Errorf("%+v", s)
		}
	})
}

// What was written is there after every restart, and the log does not grow without bounds.
func TestStatesSurviveRestartsAndPruning(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				r.set.PruneRecords = 60
				r.log.delay = 5 * time.Millisecond
				r.restart()
				want := make(map[Key]State)
				var cutMost int64
				for range 400 {
					k := r.key(fmt.Sprint(rnd.IntN(3)), int32(rnd.IntN(4)))
					s, known := want[k]
					switch {
					case !known:
						r.want(r.init(k, 1, 0), nil)
						want[k] = State{StateEpoch: 1}
					case rnd.IntN(40) == 0:
						r.want(r.do(func(done func(error)) { r.c.Delete(context.Background(), k, done) }), nil)
						delete(want, k)
					case rnd.IntN(60) == 0:
						r.restart()
					default:
						first := s.Start + rnd.Int64N(20)
						w := Write{StateEpoch: 1, Start: s.Start, Complete: -1, Batches: []Batch{{first, first + rnd.Int64N(5), Acknowledged, 1}}}
						if rnd.IntN(5) == 0 {
							w.Start += rnd.Int64N(10)
						}
						s.Batches, s.Start = merge(s.Batches, w.Batches, w.Start), w.Start
						want[k] = s
						// Two at once wait for each other.
						both := make(chan error, 2)
						r.c.Write(context.Background(), k, w, func(err error) { both <- err })
						r.c.Write(context.Background(), k, w, func(err error) { both <- err })
						r.want(<-both, nil)
						r.want(<-both, nil)
					}
					cutMost = max(cutMost, r.log.Offsets().LogStart)
				}
				time.Sleep(2 * time.Minute) // what was being cut is
				r.restart()
				for p := range int32(4) {
					for g := range 3 {
						k := r.key(fmt.Sprint(g), p)
						got, err := r.read(k, 0)
						s, known := want[k]
						if !known {
							r.want(err, kerr.InvalidRequest)
							continue
						}
						if err != nil || got.Start != s.Start || fmt.Sprint(got.Batches) != fmt.Sprint(s.Batches) {
							t.Errorf("%v: %+v, want %+v: %v", k, got, s, err)
						}
					}
				}
				if at := r.log.Offsets(); cutMost == 0 || at.HighWatermark-at.LogStart > 200 {
					t.Errorf("the log is [%d, %d)", at.LogStart, at.HighWatermark)
				}
			})
		})
	}
}

// The states of a topic that was deleted go, and so does one whose partition is not there any more.
func TestStatesOfDeletedTopicsGo(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		k := r.key("g", 0)
		r.want(r.init(k, 1, 0), nil)
		if _, err := r.store.Commit(context.Background(), metadata.Txn{Then: []metadata.Op{
			metadata.Delete(metadata.TopicKey(cluster, "user")), metadata.Delete(metadata.AssignmentKey(cluster, user, 0)),
		}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.want(r.write(k, Write{StateEpoch: 1}), kerr.UnknownTopicOrPartition)
		time.Sleep(2 * time.Minute)
		r.put("user", user, 4)
		synctest.Wait()
		_, err := r.read(k, 0)
		r.want(err, kerr.InvalidRequest)
	})
}

func TestRefusedWritesChangeNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		k := r.key("g", 0)
		r.want(r.init(k, 1, 0), nil)
		r.log.mu.Lock()
		r.log.refuse = kerr.KafkaStorageError
		r.log.mu.Unlock()
		r.want(r.write(k, Write{StateEpoch: 1, Start: 5}), kerr.KafkaStorageError)
		r.log.mu.Lock()
		r.log.refuse = nil
		r.log.mu.Unlock()
		if s, err := r.read(k, 0); err != nil || s.Start != 0 {
			t.Errorf("%+v %v", s, err)
		}
	})
}
