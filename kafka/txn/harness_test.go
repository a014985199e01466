package txn

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/leak"
	"weir/kafka/coordinator"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

const testCluster = "c"

// inWorld runs fn with a world in a synctest bubble: timeouts, pauses and expirations are those of its clock, whatever the machine does meanwhile.
func inWorld(t *testing.T, fn func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(t, newWorld(t)) })
}

// world is what outlives a coordinator: its log, and the partitions that it ends transactions in.
type world struct {
	t     *testing.T
	store *metadata.Mem
	live  *image.Live
	heard chan func() // appends that are durable, in order, and not said to be
	local *journal    // in which all lies, if all partitions are led beside the coordinator

	mu      sync.Mutex
	log     []byte // durable
	end     int64
	markers map[TopicPartition][]kmsg.WriteTxnMarkersRequestMarker // that partitions have, in order
	refuse  func(TopicPartition) *kerr.Error                       // nil: nobody
	events  int                                                    // writes so far
	crashAt int                                                    // the event that does not happen any more; odd ones happen, and nobody hears of it
	crashed bool
}

// faulty counts an event; happens says whether it takes place, and heard whether anyone hears of it.
func (w *world) faultyLocked() (happens, heard bool) {
	if w.crashed {
		return false, false
	}
	w.events++
	switch w.crashAt {
	case 2*w.events - 1:
		w.crashed = true
		return true, false
	case 2 * w.events:
		w.crashed = true
		return false, false
	}
	return true, true
}

// Append implements coordinator.Log.
func (w *world) Append(a partition.Append, done func(partition.Appended, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	happens, heard := w.faultyLocked()
	if happens {
		for rest := a.Batches; len(rest) > 0; {
			_, one, more, err := batch.Next(rest)
			if err != nil {
				return err
			}
			w.end = batch.SetOffsets(one, w.end, 0)
			rest = more
		}
		w.log = append(w.log, a.Batches...)
	}
	if heard {
		w.heard <- func() { done(partition.Appended{}, nil) }
	}
	return nil
}

// Read implements coordinator.Log.
func (w *world) Read(_ context.Context, r partition.ReadRequest) (partition.Records, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := w.log; len(rest) > 0; {
		h, one, more, err := batch.Next(rest)
		if err != nil || h.LastOffset() >= r.Offset {
			return partition.Records{Segments: [][]byte{one}}, err
		}
		rest = more
	}
	return partition.Records{}, nil
}

// Offsets implements coordinator.Log.
func (w *world) Offsets() partition.Offsets {
	w.mu.Lock()
	defer w.mu.Unlock()
	return partition.Offsets{HighWatermark: w.end}
}

// Request implements Requester: it writes markers.
func (w *world) Request(ctx context.Context, _ metadata.BrokerID, req kmsg.Request) (kmsg.Response, error) {
	in, resp := req.(*kmsg.WriteTxnMarkersRequest), kmsg.NewPtrWriteTxnMarkersResponse()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range in.Markers {
		rm := kmsg.NewWriteTxnMarkersResponseMarker()
		rm.ProducerID = m.ProducerID
		for _, t := range m.Topics {
			rt := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			rt.Topic = t.Topic
			for _, i := range t.Partitions {
				rp := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				rp.Partition = i
				tp := TopicPartition{t.Topic, i}
				if w.refuse != nil {
					if k := w.refuse(tp); k != nil {
						rp.ErrorCode = k.Code
						rt.Partitions = append(rt.Partitions, rp)
						continue
					}
				}
				happens, heard := w.faultyLocked()
				if happens {
					w.markers[tp] = append(w.markers[tp], m)
				}
				if !heard {
					return nil, kerr.BrokerNotAvailable
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			rm.Topics = append(rm.Topics, rt)
		}
		resp.Markers = append(resp.Markers, rm)
	}
	return resp, ctx.Err()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: metadata.NewMem(), heard: make(chan func(), 1000), markers: make(map[TopicPartition][]kmsg.WriteTxnMarkersRequestMarker),
	}
	w.live = image.New(w.store, testCluster)
	w.run(func(ctx context.Context) { _ = w.live.Run(ctx) })
	w.run(w.tell)
	var ops []metadata.Op
	for name, n := range map[string]int{image.TransactionState: 1, "t": 4} {
		id := metadata.NewTopicID()
		var as metadata.Assignment
		for range n {
			as.Partitions = append(as.Partitions, metadata.PartitionAssignment{Leader: 1, Epoch: 5, Replicas: []metadata.BrokerID{1}})
		}
		ops = append(ops, metadata.Put(metadata.TopicKey(testCluster, name), metadata.Encode(metadata.Topic{Name: name, ID: id, Partitions: int32(n)})),
			metadata.Put(metadata.AssignmentKey(testCluster, id, 0), metadata.Encode(as)))
	}
	rev, err := w.store.Commit(t.Context(), metadata.Txn{Then: ops})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.live.Await(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	return w
}

// tell calls what appends are done with, each after the one before it, as a Log promises.
func (w *world) tell(ctx context.Context) {
	for {
		select {
		case done := <-w.heard:
			done()
		case <-ctx.Done():
			return
		}
	}
}

// run runs fn until stop is called or the test ends.
func (w *world) run(fn func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); fn(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

// start runs a coordinator over the world.
func (w *world) start(change ...func(*Settings)) (c *Coordinator, stop func()) {
	w.mu.Lock()
	w.crashed = false
	w.mu.Unlock()
	settings := SettingsFrom(nil)
	for _, fn := range change {
		fn(&settings)
	}
	deps := Deps{
		Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)), Image: w.live, IDs: NewProducerIDs(w.store, testCluster), Peers: w,
		Open: func(context.Context, partition.Key) (coordinator.Log, error) { return w, nil },
	}
	if w.local != nil {
		deps.Mark = w.local.mark
		deps.Open = func(context.Context, partition.Key) (coordinator.Log, error) { return w.local, nil }
	}
	c = New(1, settings, deps)
	return c, w.run(func(ctx context.Context) { _ = c.Run(ctx) })
}

// within is a context that ends soon: what a coordinator that crashed was asked is never answered.
func (w *world) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.t.Context(), 500*time.Millisecond)
}

func (w *world) add(c *Coordinator, a Add) ([]error, error) {
	type result struct {
		each []error
		all  error
	}
	ctx, cancel := w.within()
	defer cancel()
	done := make(chan result, 2)
	c.Add(ctx, a, func(each []error, all error) { done <- result{each, all} })
	select {
	case r := <-done:
		return r.each, r.all
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *world) finish(c *Coordinator, e End) (int64, int16, error) {
	ctx, cancel := w.within()
	defer cancel()
	done := make(chan outcome, 2)
	c.End(ctx, e, func(id int64, epoch int16, err error) { done <- outcome{id, epoch, err} })
	select {
	case o := <-done:
		return o.id, o.epoch, o.err
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
}

func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain until %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// awaitStatus waits until the id is in one of the states.
func (w *world) awaitStatus(c *Coordinator, id string, want ...Status) Description {
	w.t.Helper()
	var d Description
	w.await(fmt.Sprintf("%s is %v", id, want), func() bool {
		var err error
		d, err = c.Describe(w.t.Context(), id)
		for _, s := range want {
			if err == nil && d.Status == s {
				return true
			}
		}
		return false
	})
	return d
}

func partitions(indexes ...int32) []TopicPartition {
	var tps []TopicPartition
	for _, i := range indexes {
		tps = append(tps, TopicPartition{"t", i})
	}
	return tps
}
