package ownership_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/ownership"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/sim"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/tier"
	"weir/storage/wal"
)

// moveWorld is a cluster of brokers, each with a disk of its own, and one topic.
type moveWorld struct {
	t     *testing.T
	store *metadata.Mem
	topic metadata.Topic
	disks map[metadata.BrokerID]*sim.Disk
	moves func() ownership.MoveConfig // of lives that begin

	mu    sync.Mutex
	alive map[metadata.BrokerID]*moveLife
	heard func(to metadata.BrokerID, answered bool) error // what becomes of a question; nil: it is answered
}

// moveLife is one incarnation of one of them.
type moveLife struct {
	*ownership.Owner
	w      *moveWorld
	id     metadata.BrokerID
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of Run, when ended

	recovers bool          // it is a recoverer, which serves no client
	left     chan struct{} // closed once a recoverer has nothing left; nil of a broker
}

func newMoveWorld(t *testing.T, seed uint64, configs map[string]string, brokers ...metadata.BrokerID) *moveWorld {
	w := &moveWorld{t: t, store: metadata.NewMem(), disks: map[metadata.BrokerID]*sim.Disk{}, alive: map[metadata.BrokerID]*moveLife{}}
	// Nobody is in a hurry: a hand-over that takes its time begins anew, which is not what most tests are about.
	w.moves = func() ownership.MoveConfig {
		return ownership.MoveConfig{HandOver: time.Minute, Retry: 5 * time.Millisecond}
	}
	for _, b := range brokers {
		w.disks[b] = sim.NewDisk(seed + uint64(b))
	}
	w.topic = metadata.Topic{Name: "t", ID: metadata.NewTopicID(), Partitions: 1, Configs: configs}
	a := metadata.Assignment{Partitions: []metadata.PartitionAssignment{{Leader: brokers[0], Replicas: brokers}}}
	w.put(metadata.Put(metadata.TopicKey(crashCluster, "t"), metadata.Encode(w.topic)),
		metadata.Put(metadata.AssignmentKey(crashCluster, w.topic.ID, 0), metadata.Encode(a)))
	return w
}

func (w *moveWorld) put(ops ...metadata.Op) {
	w.t.Helper()
	if _, err := w.store.Commit(context.Background(), metadata.Txn{Then: ops}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *moveWorld) key() partition.Key { return partition.Key{Topic: w.topic.ID} }

// Request implements ownership.Peers, over the wire's encoding.
func (w *moveWorld) Request(ctx context.Context, to metadata.BrokerID, req kmsg.Request) (kmsg.Response, error) {
	w.mu.Lock()
	l, heard := w.alive[to], w.heard
	w.mu.Unlock()
	if l == nil {
		return nil, kerr.BrokerNotAvailable
	}
	if heard != nil {
		if err := heard(to, false); err != nil {
			return nil, err
		}
	}
	req.SetVersion(req.MaxVersion())
	in := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	in.SetVersion(req.MaxVersion())
	if err := in.ReadFrom(req.AppendTo(nil)); err != nil {
		return nil, err
	}
	out := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	out.SetVersion(in.GetVersion())
	in.UnknownTags.Each(func(tag uint32, b []byte) {
		if tag == ownership.Tag {
			out.UnknownTags.Set(tag, l.Answer(ctx, b))
		}
	})
	if heard != nil {
		if err := heard(to, true); err != nil {
			return nil, err
		}
	}
	got := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	got.SetVersion(out.GetVersion())
	return got, got.ReadFrom(out.AppendTo(nil))
}

func (w *moveWorld) start(id metadata.BrokerID) *moveLife {
	w.t.Helper()
	l, err := w.tryStart(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *moveWorld) tryStart(id metadata.BrokerID) (*moveLife, error) { return w.tryStartAs(id, false) }

// tryStartAs starts a broker, or a recoverer instead of it.
func (w *moveWorld) tryStartAs(id metadata.BrokerID, recovers bool) (*moveLife, error) {
	img := image.New(w.store, crashCluster)
	ctx, cancel := context.WithCancel(context.Background())
	l := &moveLife{w: w, id: id, cancel: cancel, ended: make(chan struct{}), recovers: recovers}
	images := make(chan struct{})
	go func() { defer close(images); _ = img.Run(ctx) }()
	o, err := ownership.Acquire(ctx, ownership.Config{
		Cluster: crashCluster, Broker: id, LeaseTTL: time.Hour, WAL: wal.Config{FirstFileBytes: 16 << 10, FileBytes: 64 << 10},
		Tier: tier.Config{
			CheckpointBytes: -1, CheckpointInterval: -1, FlushBytes: -1, FlushAge: -1, FlushExtents: -1, FlushIdle: -1, RetainInterval: time.Hour,
			CollectInterval: -1, DeleteDelay: 1,
		},
		Compact: tier.CompactConfig{Interval: time.Hour},
		Moves:   w.moves(),
		Recover: recovers,
	}, ownership.Deps{Log: moveLog, Store: w.store, Image: img, Disk: w.disks[id], Pool: buffer.NewPool(1 << 20)})
	if err != nil {
		cancel()
		<-images
		return nil, err
	}
	l.Owner = o
	run := make(chan error, 1)
	moves := make(chan struct{})
	go func() { run <- o.Run(ctx) }()
	go func() { defer close(moves); _ = o.Move(ctx, w) }()
	leaving := make(chan struct{})
	if recovers {
		l.left = make(chan struct{})
	}
	go func() {
		defer close(leaving)
		if recovers && o.AwaitLeft(ctx, func(int, int) {}) == nil {
			close(l.left)
		}
	}()
	go func() {
		defer close(l.ended)
		defer func() { <-leaving }()
		l.err = <-run
		cancel()
		<-moves
		<-images
	}()
	w.mu.Lock()
	w.alive[id] = l
	w.mu.Unlock()
	w.t.Cleanup(l.stop)
	return l, nil
}

func (l *moveLife) stop() {
	l.cancel()
	<-l.ended
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.alive[l.id] == l {
		delete(l.w.alive, l.id)
	}
}

// crash ends the process and its machine: what was not synced may be lost.
func (l *moveLife) crash(seed uint64) {
	l.w.store.SetFault(func(c metadata.Call) metadata.Fault {
		if c.Method == "Revoke" {
			return metadata.Fault{Before: errors.New("dead")}
		}
		return metadata.Fault{}
	})
	l.stop()
	l.w.store.SetFault(nil)
	l.w.disks[l.id].Crash(seed)
}

func (w *moveWorld) assignment() metadata.PartitionAssignment {
	w.t.Helper()
	kv, _, err := w.store.Get(context.Background(), metadata.AssignmentKey(crashCluster, w.topic.ID, 0))
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := metadata.Decode[metadata.Assignment](kv)
	if err != nil {
		w.t.Fatal(err)
	}
	return a.Partitions[0]
}

// target asks for another leader.
func (w *moveWorld) target(b metadata.BrokerID) {
	w.t.Helper()
	key := metadata.AssignmentKey(crashCluster, w.topic.ID, 0)
	for {
		kv, _, err := w.store.Get(context.Background(), key)
		if err != nil {
			w.t.Fatal(err)
		}
		a, err := metadata.Decode[metadata.Assignment](kv)
		if err != nil {
			w.t.Fatal(err)
		}
		a.Partitions[0].Target = b
		if a.Partitions[0].Leader == b {
			a.Partitions[0].Target = 0
		}
		_, err = w.store.Commit(context.Background(), metadata.Txn{
			If: []metadata.Cond{{Key: key, Modified: kv.Modified}}, Then: []metadata.Op{metadata.Put(key, metadata.Encode(a))},
		})
		if err == nil {
			return
		}
		if !errors.Is(err, metadata.ErrConflict) && !errors.Is(err, metadata.ErrUnavailable) {
			w.t.Fatal(err)
		}
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-tick.C
	}
}

func (l *moveLife) leads() (*partition.Partition, bool) {
	p, err := l.Leaders().Get(l.w.key())
	return p, err == nil
}

func (l *moveLife) awaitLead() *partition.Partition {
	l.w.t.Helper()
	var p *partition.Partition
	until(l.w.t, fmt.Sprintf("broker %d leads", l.id), func() (ok bool) { p, ok = l.leads(); return ok })
	return p
}

// moved waits until the move to l is over on all sides.
func (w *moveWorld) moved(to *moveLife) *partition.Partition {
	w.t.Helper()
	p := to.awaitLead()
	until(w.t, "the former leader forgets", func() bool { a := w.assignment(); return len(a.Former) == 0 && a.Target == 0 })
	return p
}

func sendBatch(p *partition.Partition, b []byte, origin partition.Origin) (partition.Appended, error) {
	type result struct {
		a   partition.Appended
		err error
	}
	ch := make(chan result, 1)
	if err := p.Append(partition.Append{Batches: b, Origin: origin}, func(a partition.Appended, err error) { ch <- result{a, err} }); err != nil {
		return partition.Appended{}, err
	}
	r := <-ch
	return r.a, r.err
}

func moveBatch(producer int64, seq int32, n int, key, text string) []byte {
	b := batch.NewBuilder()
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = producer, 0, seq
	for i := range n {
		b.Add(time.Now().UnixMilli(), []byte(key), fmt.Appendf(nil, "%s %d", text, i))
	}
	return b.Batch()
}

// content is everything of a partition that a client can see.
type content struct {
	Offsets partition.Offsets
	Records []string
	Aborted []partition.Aborted
	Epochs  []int64
}

func contentOf(t *testing.T, p *partition.Partition) (c content) {
	t.Helper()
	c.Offsets = p.Offsets()
	d := batch.NewDecoder(1 << 20)
	for at := c.Offsets.LogStart; at < c.Offsets.HighWatermark; {
		recs, err := p.Read(t.Context(), partition.ReadRequest{Offset: at, MaxBytes: 5000, AtLeastOne: true, ClientEpoch: -1})
		if err != nil {
			t.Fatal(err)
		}
		if recs.Bytes == 0 {
			break
		}
		for _, seg := range recs.Segments {
			for len(seg) > 0 {
				h, one, rest, err := batch.Next(seg)
				if err != nil {
					t.Fatal(err)
				}
				for r, err := range d.Records(one) {
					if err != nil {
						t.Fatal(err)
					}
					c.Records = append(c.Records, fmt.Sprintf("%d@%d %s=%s", r.Offset, h.LeaderEpoch, r.Key, r.Value))
				}
				at, seg = h.LastOffset()+1, rest
			}
		}
		recs.Release()
	}
	recs, err := p.Read(t.Context(), partition.ReadRequest{Offset: c.Offsets.LogStart, MaxBytes: 1 << 20, AtLeastOne: true, Committed: true, ClientEpoch: -1})
	if err != nil {
		t.Fatal(err)
	}
	c.Aborted = recs.Aborted
	recs.Release()
	for e := range p.LeaderEpoch() {
		_, end := p.EpochEnd(e)
		c.Epochs = append(c.Epochs, end)
	}
	return c
}

// A log reads the same before and after it moved, from wherever it came: journal, bundles, segments; with what compaction took, with transactions, and with
// what it knows of producers.
func TestMovedLogReadsTheSame(t *testing.T) {
	for _, compact := range []bool{false, true} {
		t.Run(fmt.Sprintf("compact=%v", compact), func(t *testing.T) {
			configs := map[string]string{}
			if compact {
				configs = map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0", "delete.retention.ms": "0", "min.compaction.lag.ms": "0", "segment.ms": "1"}
			}
			w := newMoveWorld(t, 5, configs, 1, 2)
			defer w.store.Close()
			one, two := w.start(1), w.start(2)
			p := one.awaitLead()
			rng := rand.New(rand.NewPCG(1, 2))
			seq := map[int64]int32{}
			var last []byte
			produce := func(p *partition.Partition, producer int64) {
				t.Helper()
				n := 1 + rng.IntN(3)
				last = moveBatch(producer, seq[producer], n, fmt.Sprint("k", rng.IntN(10)), fmt.Sprint("producer ", producer, " seq ", seq[producer]))
				seq[producer] += int32(n)
				if _, err := sendBatch(p, slices.Clone(last), partition.FromClient); err != nil {
					t.Fatal(err)
				}
			}
			for round := range 4 {
				for range 40 {
					produce(p, int64(rng.IntN(3)))
				}
				var err error
				switch round {
				case 0:
					err = one.Tiers().Flush(t.Context())
				case 1:
					err = one.Tiers().Flush(t.Context())
					if err == nil && compact {
						err = one.Compactor().Compact(t.Context())
					}
				case 2:
					err = one.Tiers().Checkpoint(t.Context())
					if err == nil && !compact {
						err = p.SetLogStart(t.Context(), 7)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			// Transactions: one that was aborted, one that was committed, one that stays open.
			for i, end := range []string{"abort", "commit", ""} { // in this order: what lies behind an open one is not read
				id := int64(100 + i)
				g, needed, err := p.Verify(id, 0)
				if err != nil || !needed {
					t.Fatal(needed, err)
				}
				b := batch.NewBuilder()
				b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.Transactional = id, 0, 0, true
				b.Add(time.Now().UnixMilli(), []byte("tx"), []byte(end))
				done := make(chan error, 2)
				if err := p.Append(partition.Append{Batches: b.Batch(), Guard: g}, func(_ partition.Appended, err error) { done <- err }); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if end == "" {
					continue
				}
				m := partition.Marker{ProducerID: id, Coordinator: 3, Commit: end == "commit"}
				if err := p.AppendMarker(m, func(_ partition.Appended, err error) { done <- err }); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			before := contentOf(t, p)
			if len(before.Aborted) != 1 || before.Offsets.LastStable == before.Offsets.HighWatermark {
				t.Fatalf("transactions: %+v", before)
			}
			for trip := range 3 {
				from, to := one, two
				if trip%2 == 1 {
					from, to = two, one
				}
				w.target(to.id)
				q := w.moved(to)
				after := contentOf(t, q)
				after.Epochs = after.Epochs[:len(before.Epochs)]
				if fmt.Sprintf("%+v", before) != fmt.Sprintf("%+v", after) {
					t.Fatalf("trip %d: before\n%+v\nafter\n%+v", trip, before, after)
				}
				if _, leads := from.leads(); leads {
					t.Fatal("both lead")
				}
				old := partition.Marker{ProducerID: 101, Coordinator: 2}
				if err := q.AppendMarker(old, func(partition.Appended, error) {}); !errors.Is(err, kerr.TransactionCoordinatorFenced) {
					t.Fatalf("a marker of an older coordinator: %v", err)
				}
				a, err := sendBatch(q, slices.Clone(last), partition.FromClient)
				if err != nil || !a.Duplicate {
					t.Fatalf("the last batch again: %+v, %v", a, err)
				}
				for range 5 {
					produce(q, int64(rng.IntN(3)))
				}
				before = contentOf(t, q)
				if err := from.Tiers().Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := to.Tiers().Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, l := range []*moveLife{one, two} {
				l.crash(9)
			}
			one, two = w.start(1), w.start(2)
			after := contentOf(t, two.awaitLead())
			after.Epochs = after.Epochs[:len(before.Epochs)]
			if fmt.Sprintf("%+v", before) != fmt.Sprintf("%+v", after) {
				t.Fatalf("after crashes: before\n%+v\nafter\n%+v", before, after)
			}
			if n := len(one.Kept()); n != 0 {
				t.Errorf("broker 1 keeps %d partitions", n)
			}
		})
	}
}

// moveLog is where brokers log to: nowhere, or to the test's output if something has to be found out.
var moveLog = slog.New(slog.DiscardHandler)

// What was copied for a move that is called off is dropped, also by a broker that restarts in between.
func TestCopyOfAMoveThatIsCalledOffGoes(t *testing.T) {
	w := newMoveWorld(t, 8, nil, 1, 2)
	defer w.store.Close()
	one, two := w.start(1), w.start(2)
	p := one.awaitLead()
	for i := range int32(20) {
		if _, err := sendBatch(p, moveBatch(1, i, 1, "k", "v"), partition.FromClient); err != nil {
			t.Fatal(err)
		}
	}
	var taken atomic.Bool
	target := two
	w.mu.Lock()
	w.heard = func(_ metadata.BrokerID, answered bool) error { // everything works but the hand-over
		if answered && len(target.Kept()) > 0 && target.Copied() == 20 {
			taken.Store(true)
			return kerr.BrokerNotAvailable
		}
		return nil
	}
	w.mu.Unlock()
	w.target(2)
	until(t, "all is copied", taken.Load)
	if err := two.Tiers().Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	two.crash(4)
	w.target(0)
	two = w.start(2)
	until(t, "the copy is dropped", func() bool { return len(two.Kept()) == 0 })
	if err := two.Tiers().Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.heard = nil
	w.mu.Unlock()
	w.target(2)
	q := w.moved(two)
	if c := contentOf(t, q); len(c.Records) != 20 {
		t.Errorf("%d records came along", len(c.Records))
	}
}

// The same if the target had all of it, and all but became the leader. What its leader does not have stays.
func TestWholeCopyOfAMoveThatIsCalledOffGoes(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost=%v", lost), func(t *testing.T) {
			w := newMoveWorld(t, 8, nil, 1, 2, 3)
			defer w.store.Close()
			one, two := w.start(1), w.start(2)
			p := one.awaitLead()
			for i := range int32(20) {
				if _, err := sendBatch(p, moveBatch(1, i, 1, "k", "v"), partition.FromClient); err != nil {
					t.Fatal(err)
				}
			}
			tried, dead := make(chan struct{}, 1), make(chan struct{})
			w.store.SetFault(func(c metadata.Call) metadata.Fault {
				for _, op := range c.Txn.Then {
					if bytes.Contains(op.Value, []byte(`"l":2`)) {
						tried <- struct{}{}
						<-dead // a second try that is cut short would make what it has a copy again
						return metadata.Fault{Before: metadata.ErrUnavailable}
					}
				}
				return metadata.Fault{}
			})
			w.target(2)
			<-tried
			two.cancel()
			close(dead)
			two.crash(4)
			w.target(0)
			until(t, "broker 1 leads again", func() bool { q, ok := one.leads(); return ok && q.LeaderEpoch() > 0 })
			if lost { // an operator's hand: a broker leads that has nothing
				w.put(metadata.Put(metadata.AssignmentKey(crashCluster, w.topic.ID, 0), metadata.Encode(metadata.Assignment{
					Partitions: []metadata.PartitionAssignment{{Leader: 3, Replicas: []metadata.BrokerID{3}}},
				})))
				w.start(3).awaitLead()
			}
			// Until the test has seen what broker 2 starts with, its leader does not answer whether the copy may go.
			var seen atomic.Bool
			w.mu.Lock()
			w.heard = func(metadata.BrokerID, bool) error {
				if !seen.Load() {
					return kerr.BrokerNotAvailable
				}
				return nil
			}
			w.mu.Unlock()
			two = w.start(2)
			if n := len(two.Kept()); n != 1 {
				t.Fatalf("a restart finds %d partitions", n)
			}
			seen.Store(true)
			if !lost {
				until(t, "the copy is dropped", func() bool { return len(two.Kept()) == 0 })
				if err := two.Tiers().Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
				two.crash(5)
				if n := len(w.start(2).Kept()); n != 0 {
					t.Errorf("it is back: %d", n)
				}
				return
			}
			until(t, "the leader was asked", func() bool { return two.Strays() == 0 })
			if n := len(two.Kept()); n != 1 {
				t.Errorf("the only copy is gone")
			}
		})
	}
}

// An answer that is cut or made up is an error.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("{\"version\":1,\"start\":0,\"end\":9,\"next\":5}\nbatches"))
	f.Add([]byte("{\"code\":6,\"reason\":\"no\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := ownership.CheckAnswer(b); err == nil && !bytes.Contains(b, []byte{'\n'}) {
			t.Errorf("%q is an answer", b)
		}
	})
}
