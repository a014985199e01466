package broker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/buffer"
)

// fakeLed is a partition whose records are a number of bytes at each offset.
type fakeLed struct {
	led
	size int

	mu       sync.Mutex
	epoch    metadata.LeaderEpoch
	end      int64
	err      error
	watchers map[int]func()
	next     int
	reads    int
	looks    int // at the offsets

	cold chan struct{} // what is not in memory takes a receive from it; nil: everything is

	beforeWatch func() // called once, when the first watcher is about to be registered
}

func (f *fakeLed) LeaderEpoch() metadata.LeaderEpoch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

func (f *fakeLed) Offsets() partition.Offsets {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	return partition.Offsets{HighWatermark: f.end, LastStable: f.end}
}

func (f *fakeLed) Read(_ context.Context, r partition.ReadRequest) (partition.Records, error) {
	out := partition.Records{Offsets: f.Offsets()}
	if f.cold != nil {
		if r.TailOnly {
			out.Deferred = true
			return out, nil
		}
		<-f.cold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.err != nil {
		return out, f.err
	}
	for at := r.Offset; at < f.end; at++ {
		if out.Bytes+f.size > int(r.MaxBytes) && (out.Bytes > 0 || !r.AtLeastOne) {
			break
		}
		out.Segments = append(out.Segments, make([]byte, f.size))
		out.Bytes += f.size
	}
	return out, nil
}

// EpochEnd knows the current epoch and those before it, all of which ended at 3.
func (f *fakeLed) EpochEnd(epoch metadata.LeaderEpoch) (metadata.LeaderEpoch, int64) {
	switch current := f.LeaderEpoch(); {
	case epoch < current:
		return epoch, 3
	case epoch == current:
		return epoch, f.Offsets().HighWatermark
	}
	return -1, -1
}

func (f *fakeLed) OnAdvance(fn func()) (stop func()) {
	if before := f.beforeWatch; before != nil {
		f.beforeWatch = nil
		before()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watchers == nil {
		f.watchers = make(map[int]func())
	}
	id := f.next
	f.next++
	f.watchers[id] = fn
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, id)
	}
}

// advance commits n records.
func (f *fakeLed) advance(n int64) {
	f.mu.Lock()
	f.end += n
	watchers := slices.Collect(maps.Values(f.watchers))
	f.mu.Unlock()
	for _, fn := range watchers {
		fn()
	}
}

// fail makes reads fail, and says so as a partition that closes does.
func (f *fakeLed) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.epoch++ // so that the next look reads
	f.mu.Unlock()
	f.advance(0)
}

type fakeLeaders map[partition.Key]*fakeLed

func (f fakeLeaders) get(k partition.Key) (led, error) {
	if p, ok := f[k]; ok {
		return p, nil
	}
	return nil, kerr.NotLeaderForPartition
}
func (f fakeLeaders) await(_ context.Context, k partition.Key) (led, error) { return f.get(k) }

// waitRig is a broker over fake partitions of one topic, for tests in a bubble, where time is ours.
type waitRig struct {
	t     *testing.T
	b     *Broker
	topic metadata.Topic
	leds  []*fakeLed
	conn  *conn
}

func newWaitRig(t *testing.T, n int32) *waitRig {
	store := metadata.NewMem()
	t.Cleanup(func() { store.Close() })
	r := &waitRig{t: t, topic: metadata.Topic{Name: "t", ID: metadata.NewTopicID(), Partitions: n}}
	live := image.New(store, testCluster)
	var a metadata.Assignment
	leaders := make(fakeLeaders)
	for i := range n {
		a.Partitions = append(a.Partitions, metadata.PartitionAssignment{Leader: 1, Epoch: 3, Replicas: []metadata.BrokerID{1}})
		f := &fakeLed{epoch: 3, size: 100}
		leaders[partition.Key{Topic: r.topic.ID, Index: i}] = f
		r.leds = append(r.leds, f)
	}
	rev, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.TopicKey(testCluster, "t"), metadata.Encode(r.topic)),
		metadata.Put(metadata.AssignmentKey(testCluster, r.topic.ID, 0), metadata.Encode(a)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- live.Run(ctx) }()
	if _, err := live.Await(ctx, rev); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-done
	r.b, err = newBroker(Config{Cluster: testCluster, ClusterID: "c", Broker: 1},
		Deps{Log: slog.New(slog.DiscardHandler), Store: store, Image: live, Buffers: buffer.NewPool(0)}, leaders)
	if err != nil {
		t.Fatal(err)
	}
	r.conn = &conn{b: r.b, lost: make(chan struct{})}
	return r
}

// outcome is a fetch's answer and how long it took.
type outcome struct {
	resp *kmsg.FetchResponse
	took time.Duration
	err  error
}

// fetch begins a fetch; its outcome comes on the channel.
func (r *waitRig) fetch(ctx context.Context, req *kmsg.FetchRequest) <-chan outcome {
	return r.fetchOn(ctx, &conn{b: r.b, lost: r.conn.lost}, req)
}

// fetchOn is fetch on a connection, which has one fetch at a time.
func (r *waitRig) fetchOn(ctx context.Context, c *conn, req *kmsg.FetchRequest) <-chan outcome {
	out := make(chan outcome, 1)
	began := time.Now()
	rep := r.b.fetch(ctx, &Request{Body: req, Listener: "CLIENT", conn: c})
	go func() {
		bufs, err := rep.frame(ctx, nil)
		var frame []byte
		for _, b := range bufs {
			frame = append(frame, b...)
		}
		rep.done()
		o := outcome{took: time.Since(began), err: err}
		if err == nil {
			o.resp = req.ResponseKind().(*kmsg.FetchResponse)
			body := frame[8:]
			if req.IsFlexible() {
				body = body[1:]
			}
			if err := o.resp.ReadFrom(body); err != nil {
				r.t.Error(err)
			}
		}
		out <- o
	}()
	return out
}

// quiet checks that nobody waits any more and nothing is held.
func (r *waitRig) quiet() {
	r.t.Helper()
	if n := gauge(r.b.metrics.fetchWaiting); n != 0 || len(r.b.purgatory.watched) != 0 {
		r.t.Errorf("%d fetches wait, %d partitions are watched", n, len(r.b.purgatory.watched))
	}
	for i, f := range r.leds {
		if len(f.watchers) != 0 {
			r.t.Errorf("partition %d still has %d watchers", i, len(f.watchers))
		}
	}
	if n := gauge(r.b.metrics.fetchBytes); n != 0 {
		r.t.Errorf("%d bytes of the fetch budget are taken", n)
	}
}

func TestFetchWaits(t *testing.T) {
	tests := []struct {
		name     string
		minBytes int32
		act      func(r *waitRig) // while it waits, 1 s after it began
		took     time.Duration
		bytes    int
	}{
		{"nothing comes", 1, func(*waitRig) {}, 5 * time.Second, 0},
		{"a record comes", 1, func(r *waitRig) { r.leds[1].advance(1) }, time.Second, 100},
		{"too little comes", 300, func(r *waitRig) { r.leds[0].advance(1); r.leds[1].advance(1) }, 5 * time.Second, 200},
		{"enough comes in parts", 300, func(r *waitRig) {
			r.leds[0].advance(1)
			synctest.Wait()
			time.Sleep(time.Second)
			r.leds[1].advance(2)
		}, 2 * time.Second, 300},
		{"the partition closes", 1, func(r *waitRig) {
			r.leds[0].fail(kerr.NotLeaderForPartition)
		}, time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWaitRig(t, 2)
				req := fetchReq(12, "t", metadata.TopicID{}, 2, 0)
				req.MinBytes, req.MaxWaitMillis = tt.minBytes, 5000
				for i := range req.Topics[0].Partitions {
					req.Topics[0].Partitions[i].CurrentLeaderEpoch = 3
				}
				ch := r.fetch(t.Context(), req)
				time.Sleep(time.Second)
				synctest.Wait()
				tt.act(r)
				o := <-ch
				bytes := 0
				for _, p := range o.resp.Topics[0].Partitions {
					bytes += len(p.RecordBatches)
				}
				if o.took != tt.took || bytes != tt.bytes {
					t.Errorf("took %v with %d bytes, want %v with %d", o.took, bytes, tt.took, tt.bytes)
				}
				r.quiet()
			})
		})
	}
}

// Waiting costs nothing while nothing happens: an idle fetch looks twice and then not again until it is woken or its time is over.
func TestWaitingFetchDoesNotPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 1)
		req := fetchReq(12, "t", metadata.TopicID{}, 1, 0)
		req.MaxWaitMillis = 3_600_000
		ch := r.fetch(t.Context(), req)
		time.Sleep(59 * time.Minute)
		if r.leds[0].reads != 0 {
			t.Errorf("an empty partition was read %d times", r.leds[0].reads)
		}
		if o := <-ch; o.took != time.Hour {
			t.Errorf("took %v", o.took)
		}
		r.quiet()
	})
}

// A fetch that joins a watch which is still being set up must not miss the commit that comes before the partition knows of the watch.
func TestNoWakeUpIsLostWhileAWatchIsSetUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 1)
		second := make(chan (<-chan outcome), 1)
		r.leds[0].beforeWatch = func() {
			second <- r.fetch(t.Context(), fetchReq(12, "t", metadata.TopicID{}, 1, 0))
			synctest.Wait() // it joined, looked, and waits
			r.leds[0].advance(1)
		}
		first := r.fetch(t.Context(), fetchReq(12, "t", metadata.TopicID{}, 1, 0))
		if o := <-first; o.took != 0 {
			t.Errorf("the first fetch took %v", o.took)
		}
		if o := <-<-second; o.took != 0 {
			t.Errorf("the second fetch took %v", o.took)
		}
		r.quiet()
	})
}

// 1,000 fetches wait for one partition: one commit answers them all, and the partition has had one watcher.
func TestOneCommitWakesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 1)
		var chs []<-chan outcome
		for range 1000 {
			chs = append(chs, r.fetch(t.Context(), fetchReq(12, "t", metadata.TopicID{}, 1, 0)))
		}
		synctest.Wait()
		if n := len(r.leds[0].watchers); n != 1 {
			t.Errorf("%d watchers of the partition", n)
		}
		time.Sleep(time.Second)
		r.leds[0].advance(1)
		for _, ch := range chs {
			if o := <-ch; o.took != time.Second {
				t.Fatalf("took %v", o.took)
			}
		}
		r.quiet()
	})
}

func TestFetchEndsWithConnectionAndBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		ch := r.fetch(ctx, fetchReq(12, "t", metadata.TopicID{}, 1, 0))
		time.Sleep(time.Second)
		cancel()
		if o := <-ch; o.err != nil || o.took != time.Second || len(o.resp.Topics) != 1 {
			t.Errorf("a closing broker did not answer: %+v", o)
		}
		ch = r.fetch(t.Context(), fetchReq(12, "t", metadata.TopicID{}, 1, 0))
		time.Sleep(time.Second)
		close(r.conn.lost)
		if o := <-ch; o.err == nil || o.took != time.Second {
			t.Errorf("a lost connection was answered: %+v", o)
		}
		r.quiet()
	})
}

// A whole session: full fetch, then only what changed; a busy partition goes to the end of the order; and the errors of misuse.
func TestIncrementalFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 3)
		do := func(req *kmsg.FetchRequest) *kmsg.FetchResponse {
			o := <-r.fetch(t.Context(), req)
			if o.err != nil {
				t.Fatal(o.err)
			}
			return o.resp
		}
		r.leds[0].advance(2)
		full := fetchReq(13, "", r.topic.ID, 3, 0)
		full.SessionEpoch = 0
		resp := do(full)
		if resp.SessionID == 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 3 {
			t.Fatalf("full fetch: %+v", resp)
		}
		next := func(epoch int32) *kmsg.FetchRequest {
			req := kmsg.NewPtrFetchRequest()
			req.Version, req.SessionID, req.SessionEpoch, req.MinBytes, req.MaxBytes, req.MaxWaitMillis = 13, resp.SessionID, epoch, 1, 1<<20, 100
			return req
		}
		moved := next(1)
		moved.Topics = fetchReq(13, "", r.topic.ID, 1, 2).Topics
		if got := do(moved); len(got.Topics) != 0 || got.SessionID != resp.SessionID {
			t.Errorf("nothing changed, but the answer is %+v", got)
		}
		if got := do(next(1)); got.ErrorCode != kerr.InvalidFetchSessionEpoch.Code || got.SessionID != 0 {
			t.Errorf("an epoch used twice: %+v", got)
		}
		if got := do(&kmsg.FetchRequest{Version: 13, SessionID: resp.SessionID + 1, SessionEpoch: 1, ReplicaID: -1, ReplicaState: kmsg.NewFetchRequestReplicaState()}); got.ErrorCode != kerr.FetchSessionIDNotFound.Code {
			t.Errorf("an unknown session: %+v", got)
		}
		r.leds[2].advance(1)
		r.leds[1].advance(1)
		got := do(next(2))
		if len(got.Topics) != 1 || len(got.Topics[0].Partitions) != 2 || got.Topics[0].Partitions[0].Partition != 2 {
			t.Errorf("two partitions have records: %+v", got.Topics)
		}
		// The client did not move on in 2 and 1, so they are served again, and 0 behind them.
		r.leds[0].advance(1)
		got = do(next(3))
		if n := got.Topics[0].Partitions; len(n) != 3 || n[0].Partition != 2 || n[1].Partition != 1 || n[2].Partition != 0 {
			t.Errorf("order after rotation: %+v", n)
		}
		// An error is told again and again until it is over, then the partition once more.
		r.leds[1].err, r.leds[2].err = kerr.KafkaStorageError, kerr.KafkaStorageError
		for epoch := int32(4); epoch < 6; epoch++ {
			got = do(next(epoch))
			errs := 0
			for _, p := range got.Topics[0].Partitions {
				if p.ErrorCode == kerr.KafkaStorageError.Code && p.HighWatermark == -1 {
					errs++
				}
			}
			if errs != 2 {
				t.Errorf("epoch %d: %+v", epoch, got.Topics)
			}
		}
		last := next(-1)
		last.Topics = fetchReq(13, "", r.topic.ID, 3, 1).Topics
		if got := do(last); got.SessionID != 0 || len(r.b.sessions.byID) != 0 {
			t.Errorf("epoch -1 did not end the session: %+v", got)
		}
		if got := do(next(6)); got.ErrorCode != kerr.FetchSessionIDNotFound.Code {
			t.Errorf("a session that was ended: %+v", got)
		}
		r.quiet()
	})
}

// The limits of a response: the partition's, the request's, and at least one batch whatever they are (KIP-74).
func TestFetchLimits(t *testing.T) {
	tests := []struct {
		name                 string
		maxBytes, partition  int32
		budget               int64
		first, second, third int
	}{
		{"room for all", 1 << 20, 1 << 20, 0, 1000, 1000, 1000},
		{"partition limit", 1 << 20, 250, 0, 200, 200, 200},
		{"request limit", 1300, 1 << 20, 0, 1000, 300, 0},
		{"smaller than a batch", 50, 50, 0, 100, 0, 0},
		{"no limit at all", 0, 0, 0, 100, 0, 0},
		{"fetch budget", 1 << 20, 1 << 20, 1500, 1000, 500, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWaitRig(t, 3)
				if tt.budget > 0 {
					r.b.fetchBudget = newMetrics(nil, table()).budget("fetch", tt.budget, r.b.metrics.fetchBytes)
				}
				for _, f := range r.leds {
					f.advance(10)
				}
				req := fetchReq(12, "t", metadata.TopicID{}, 3, 0)
				req.MaxBytes = tt.maxBytes
				for i := range req.Topics[0].Partitions {
					req.Topics[0].Partitions[i].PartitionMaxBytes = tt.partition
				}
				o := <-r.fetch(t.Context(), req)
				ps := o.resp.Topics[0].Partitions
				if len(ps[0].RecordBatches) != tt.first || len(ps[1].RecordBatches) != tt.second || len(ps[2].RecordBatches) != tt.third {
					t.Errorf("got %d, %d and %d bytes, want %d, %d and %d", len(ps[0].RecordBatches), len(ps[1].RecordBatches), len(ps[2].RecordBatches), tt.first, tt.second, tt.third)
				}
				r.quiet()
			})
		})
	}
}

// A client whose last record is of an epoch that ended before it has other records than the log (KIP-595): it hears of it at once.
func TestFetchTellsWhereLogsDiverge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 1)
		r.leds[0].advance(10)
		req := fetchReq(12, "t", metadata.TopicID{}, 1, 5)
		p := &req.Topics[0].Partitions[0]
		p.LastFetchedEpoch = int32(r.leds[0].LeaderEpoch()) - 1
		o := <-r.fetch(t.Context(), req)
		got := o.resp.Topics[0].Partitions[0]
		if got.ErrorCode != 0 || o.took != 0 || got.DivergingEpoch.EndOffset != 3 || got.DivergingEpoch.Epoch != p.LastFetchedEpoch || len(got.RecordBatches) != 0 || got.HighWatermark != 10 {
			t.Errorf("after %v: %+v", o.took, got)
		}
		p.FetchOffset = 2
		if got = (<-r.fetch(t.Context(), req)).resp.Topics[0].Partitions[0]; got.DivergingEpoch.EndOffset != -1 || len(got.RecordBatches) == 0 {
			t.Errorf("before the epoch's end: %+v", got)
		}
		r.quiet()
	})
}

// Kafka answers a partition that is named twice once, for what is said of it last.
func TestFetchAnswersRepeatedPartitionsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 2)
		r.leds[0].advance(10)
		req := fetchReq(12, "t", metadata.TopicID{}, 2, 10)
		req.Topics = append(req.Topics, fetchReq(12, "t", metadata.TopicID{}, 1, 4).Topics...)
		o := <-r.fetch(t.Context(), req)
		if len(o.resp.Topics) != 1 || len(o.resp.Topics[0].Partitions) != 2 {
			t.Fatalf("%+v", o.resp)
		}
		if p := o.resp.Topics[0].Partitions[0]; p.Partition != 0 || p.ErrorCode != 0 || len(p.RecordBatches) == 0 {
			t.Errorf("%+v", p)
		}
		r.quiet()
	})
}

// What a fetch is told of partitions that cannot be read, and whether that ends the wait for others.
func TestFetchErrors(t *testing.T) {
	other := metadata.NewTopicID()
	tests := []struct {
		name string
		req  func(r *waitRig) *kmsg.FetchRequest
		code *kerr.Error
		took time.Duration
	}{
		{"unknown topic alone", func(*waitRig) *kmsg.FetchRequest { return fetchReq(12, "nope", metadata.TopicID{}, 1, 0) }, kerr.UnknownTopicOrPartition, 0},
		{"unknown topic id alone", func(*waitRig) *kmsg.FetchRequest { return fetchReq(13, "", other, 1, 0) }, kerr.UnknownTopicID, 0},
		{"unknown partition beside others", func(*waitRig) *kmsg.FetchRequest { return fetchReq(12, "t", metadata.TopicID{}, 2, 0) }, kerr.UnknownTopicOrPartition, 10 * time.Second},
		{"offset out of range", func(r *waitRig) *kmsg.FetchRequest {
			r.leds[0].err = kerr.OffsetOutOfRange
			return fetchReq(12, "t", metadata.TopicID{}, 1, 5)
		}, kerr.OffsetOutOfRange, 0},
		{"an error without a code", func(r *waitRig) *kmsg.FetchRequest {
			r.leds[0].err = errors.New("disk on fire")
			return fetchReq(12, "t", metadata.TopicID{}, 1, 5)
		}, kerr.UnknownServerError, 0},
		{"last epoch of the future", func(r *waitRig) *kmsg.FetchRequest {
			req := fetchReq(12, "t", metadata.TopicID{}, 1, 0)
			req.Topics[0].Partitions[0].LastFetchedEpoch = 1 << 20
			return req
		}, kerr.OffsetOutOfRange, 0},
		{"follower", func(*waitRig) *kmsg.FetchRequest {
			req := fetchReq(12, "t", metadata.TopicID{}, 1, 0)
			req.ReplicaID = 2
			return req
		}, kerr.NotLeaderForPartition, 0},
		{"follower of version 15", func(r *waitRig) *kmsg.FetchRequest {
			req := fetchReq(15, "", r.topic.ID, 1, 0)
			req.ReplicaState.ID = 2
			return req
		}, kerr.NotLeaderForPartition, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWaitRig(t, 1)
				o := <-r.fetch(t.Context(), tt.req(r))
				ps := o.resp.Topics[0].Partitions
				p := ps[len(ps)-1]
				if p.ErrorCode != tt.code.Code || o.took != tt.took || p.HighWatermark != -1 || len(p.RecordBatches) != 0 {
					t.Errorf("got %v after %v: %+v", kerr.ErrorForCode(p.ErrorCode), o.took, p)
				}
				r.quiet()
			})
		})
	}
}
