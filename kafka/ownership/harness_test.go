package ownership

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"weir/internal/leak"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/disk"
	"weir/storage/tier"
	"weir/storage/wal"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

const cluster = "c0ffee"

// world is what outlives a broker process.
type world struct {
	t     testing.TB
	store *metadata.Mem
	fs    disk.FS
	log   notes
}

// notes keeps what was logged since it was asked last.
type notes struct {
	mu   sync.Mutex
	said []note
}

type note struct {
	message string
	entries int64
}

func (n *notes) Enabled(context.Context, slog.Level) bool { return true }
func (n *notes) WithAttrs([]slog.Attr) slog.Handler       { return n }
func (n *notes) WithGroup(string) slog.Handler            { return n }

func (n *notes) Handle(_ context.Context, r slog.Record) error {
	one := note{message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "entries" {
			one.entries = a.Value.Int64()
		}
		return true
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, one)
	return nil
}

func (n *notes) take() []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	said := n.said
	n.said = nil
	return said
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, store: metadata.NewMem(), fs: disk.OS(t.TempDir())}
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

// lasting is the store with leases that outlast a test, however slowly it goes: only the test ends them.
type lasting struct{ *metadata.Mem }

func (l lasting) Grant(ctx context.Context, _ time.Duration) (metadata.LeaseID, error) {
	return l.Mem.Grant(ctx, time.Hour)
}

// process is one incarnation.
type process struct {
	*Owner
	w      *world
	image  *image.Live
	cancel context.CancelFunc
	ended  chan error
	image2 chan error
}

// config is that of a broker whose tiers do what the test asks for and nothing by the clock, and take a checkpoint at the end.
func (w *world) config() Config {
	return Config{
		Cluster: cluster, Broker: 1, Rack: "az1", LeaseTTL: 6 * time.Second,
		WAL: wal.Config{FirstFileBytes: 64 << 10, FileBytes: 256 << 10},
		Tier: tier.Config{
			Tick: time.Hour, CheckpointBytes: -1, CheckpointInterval: -1, FlushBytes: -1, FlushAge: -1, FlushExtents: -1, FlushIdle: -1, RetainInterval: time.Hour,
			CollectInterval: -1, DeleteDelay: 1,
		},
		Compact: tier.CompactConfig{Interval: time.Hour},
	}
}

func (w *world) start(cfg Config) (*process, error) { return w.startOn(cfg, lasting{w.store}) }

// startOn is start with a store of its own kind before w's.
func (w *world) startOn(cfg Config, store metadata.Store) (*process, error) {
	img := image.New(w.store, cfg.Cluster)
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{w: w, image: img, cancel: cancel, ended: make(chan error, 1), image2: make(chan error, 1)}
	go func() { p.image2 <- img.Run(ctx) }()
	o, err := Acquire(ctx, cfg, Deps{
		Log: slog.New(&w.log), Store: store, Image: img, Disk: w.fs, Pool: buffer.NewPool(1 << 20),
	})
	if err != nil {
		cancel()
		<-p.image2
		return nil, err
	}
	p.Owner = o
	go func() { p.ended <- o.Run(ctx) }()
	w.t.Cleanup(func() { p.stop() })
	return p, nil
}

func (w *world) mustStart() *process {
	w.t.Helper()
	p, err := w.start(w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// stop ends the process and returns what Run returned.
func (p *process) stop() error {
	if p.cancel == nil {
		return nil
	}
	p.cancel()
	p.cancel = nil
	<-p.image2
	return <-p.ended
}

// kill ends the process so that it cannot say goodbye: its session stays, and there is no last checkpoint.
func (p *process) kill() {
	p.w.store.SetFault(func(c metadata.Call) metadata.Fault {
		if c.Method == "Revoke" || c.Method == "Commit" {
			return metadata.Fault{Before: errors.New("killed")}
		}
		return metadata.Fault{}
	})
	_ = p.stop()
	p.w.store.SetFault(nil)
}

func (w *world) commit(ops ...metadata.Op) metadata.Revision {
	w.t.Helper()
	rev, err := w.store.Commit(context.Background(), metadata.Txn{Then: ops})
	if err != nil {
		w.t.Fatal(err)
	}
	return rev
}

// topicOps are what creates or grows a topic all of whose partitions broker leads.
func topicOps(t metadata.Topic, broker metadata.BrokerID) []metadata.Op {
	var a metadata.Assignment
	for range t.Partitions {
		a.Partitions = append(a.Partitions, metadata.PartitionAssignment{Leader: broker, Replicas: []metadata.BrokerID{broker}})
	}
	return []metadata.Op{
		metadata.Put(metadata.TopicKey(cluster, t.Name), metadata.Encode(t)),
		metadata.Put(metadata.AssignmentKey(cluster, t.ID, 0), metadata.Encode(a)),
	}
}

func (w *world) create(name string, partitions int32) metadata.Topic {
	w.t.Helper()
	t := metadata.Topic{Name: name, ID: metadata.NewTopicID(), Partitions: partitions}
	w.commit(topicOps(t, 1)...)
	return t
}

func (p *process) await(k partition.Key) *partition.Partition {
	p.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	q, err := p.Leaders().Await(ctx, k)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return q
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
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

func record(value string) []byte {
	b := batch.NewBuilder()
	b.Add(1_700_000_000_000, []byte("k"), []byte(value))
	return b.Batch()
}

func appendTo(p *partition.Partition, b []byte) (partition.Appended, error) {
	type result struct {
		a   partition.Appended
		err error
	}
	ch := make(chan result, 1)
	if err := p.Append(partition.Append{Batches: b}, func(a partition.Appended, err error) { ch <- result{a, err} }); err != nil {
		return partition.Appended{}, err
	}
	r := <-ch
	return r.a, r.err
}

func mustAppend(t testing.TB, p *partition.Partition, value string) partition.Appended {
	t.Helper()
	a, err := appendTo(p, record(value))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func values(t testing.TB, p *partition.Partition) (out []string) {
	t.Helper()
	d := batch.NewDecoder(1 << 20)
	for offset := int64(0); ; {
		recs, err := p.Read(t.Context(), partition.ReadRequest{Offset: offset, MaxBytes: 1 << 20, AtLeastOne: true, ClientEpoch: -1})
		if err != nil {
			t.Fatal(err)
		}
		if recs.Bytes == 0 {
			return out
		}
		for _, seg := range recs.Segments {
			for len(seg) > 0 {
				h, one, rest, err := batch.Next(seg)
				if err != nil || h.BaseOffset != offset {
					t.Fatalf("batch at %d where %d should be: %v", h.BaseOffset, offset, err)
				}
				for r, err := range d.Records(one) {
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, string(r.Value))
				}
				offset, seg = h.LastOffset()+1, rest
			}
		}
		recs.Release()
	}
}

func (w *world) assignment(t metadata.Topic) metadata.Assignment {
	w.t.Helper()
	kv, _, err := w.store.Get(context.Background(), metadata.AssignmentKey(cluster, t.ID, 0))
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := metadata.Decode[metadata.Assignment](kv)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) session() (metadata.Session, metadata.KV, bool) {
	w.t.Helper()
	kv, ok, err := w.store.Get(context.Background(), metadata.SessionKey(cluster, 1))
	if err != nil {
		w.t.Fatal(err)
	}
	if !ok {
		return metadata.Session{}, kv, false
	}
	s, err := metadata.Decode[metadata.Session](kv)
	if err != nil {
		w.t.Fatal(err)
	}
	return s, kv, true
}

func (w *world) streams() map[metadata.StreamID]metadata.Stream {
	w.t.Helper()
	kvs, _, err := w.store.List(context.Background(), metadata.ClusterPrefix(cluster)+"stream/")
	if err != nil {
		w.t.Fatal(err)
	}
	out := make(map[metadata.StreamID]metadata.Stream)
	for _, kv := range kvs {
		s, err := metadata.Decode[metadata.Stream](kv)
		if err != nil {
			w.t.Fatal(err)
		}
		out[s.ID] = s
	}
	return out
}
