package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/leak"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/kafka/topic"
	"weir/metadata"
	"weir/storage/blob"
	"weir/storage/buffer"
	"weir/storage/cache"
	"weir/storage/disk"
	"weir/storage/stream"
	"weir/storage/wal"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

const testCluster = "11111111-2222-3333-4444-555555555555"

// memLog is a wal.Log in memory. A held log keeps appends waiting, as a disk that does not keep up does.
type memLog struct {
	mu     sync.Mutex
	files  [][]byte
	held   chan struct{} // nil: not held
	forget bool          // keep nothing: for benchmarks that do not read
}

func (l *memLog) Append(ctx context.Context, es []wal.Entry) error {
	l.mu.Lock()
	held := l.held
	if held != nil {
		l.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if l.forget {
		return nil
	}
	for i := range es {
		if n := len(l.files); n == 0 || len(l.files[n-1]) > 4<<20 {
			l.files = append(l.files, nil)
		}
		n := len(l.files) - 1
		es[i].At = wal.Position{Seq: uint64(n) + 1, Off: uint32(len(l.files[n]))}
		l.files[n] = append(l.files[n], es[i].Payload...)
	}
	return nil
}

// keepNothing makes it forget what is appended from now on.
func (l *memLog) keepNothing() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget = true
}

// hold makes later appends wait until the function that it returns is called.
func (l *memLog) hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := make(chan struct{})
	l.held = held
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held = nil
		close(held)
	}
}

func (l *memLog) Read(context.Context, wal.Position) iter.Seq2[wal.Entry, error] {
	return func(func(wal.Entry, error) bool) {}
}

func (l *memLog) ReadAt(_ context.Context, p []byte, at wal.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.Seq < 1 || at.Seq > uint64(len(l.files)) || int(at.Off)+len(p) > len(l.files[at.Seq-1]) {
		return errors.New("read beyond the end")
	}
	copy(p, l.files[at.Seq-1][at.Off:])
	return nil
}
func (l *memLog) Trim(context.Context, wal.Position) error { return nil }
func (l *memLog) Close() error                             { return nil }

// rig is a cluster of brokers on loopback listeners over one metadata store in memory. Everything but the disk is real.
type rig struct {
	t       testing.TB
	store   *metadata.Mem
	brokers []*rigBroker
	timeout time.Duration // of waits in the test
}

type rigBroker struct {
	*Broker
	addr    string
	socket  net.Listener
	log     *memLog
	live    *image.Live
	stop    func() error // ends Run of the broker and waits
	admin   *topic.Admin
	stream  *stream.Stream
	leaders *partition.Leaders

	containers *blob.FS
}

type rigConfig struct {
	brokers    int
	limits     Limits
	properties map[string]string
	pool       *buffer.Pool
	quiet      bool // no log
	tailBytes  int64
}

func newRig(t testing.TB, cfg rigConfig) *rig {
	t.Helper()
	r := &rig{t: t, store: metadata.NewMem(), timeout: time.Minute}
	t.Cleanup(func() { r.store.Close() })
	for i := range max(cfg.brokers, 1) {
		r.brokers = append(r.brokers, r.start(metadata.BrokerID(i+1), cfg))
	}
	r.await("all brokers see each other", func() bool {
		for _, b := range r.brokers {
			if len(b.live.Current().Brokers) != len(r.brokers) {
				return false
			}
		}
		return true
	})
	return r
}

// run starts fn and makes sure that it has ended before the test does.
func (r *rig) run(fn func(ctx context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	r.t.Cleanup(func() { stop() })
	return stop
}

func (r *rig) start(id metadata.BrokerID, cfg rigConfig) *rigBroker {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	log := slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	if cfg.quiet {
		log = slog.New(slog.DiscardHandler)
	}
	b := &rigBroker{addr: addr.String(), socket: l, log: &memLog{}, live: image.New(r.store, testCluster)}
	pool := cfg.pool
	if pool == nil {
		pool = buffer.NewPool(1 << 20)
	}
	logs := stream.NewLogs()
	b.stream = stream.New(stream.Config{TailBytesMax: cfg.tailBytes}, b.log, logs)
	b.containers = blob.NewFS(disk.OS(r.t.TempDir()), "blob")
	containers := cache.New(cache.Config{Store: b.containers, Pool: pool, Log: log})
	r.t.Cleanup(containers.Close)
	b.leaders = partition.NewLeaders(partition.Config{Stream: b.stream, Logs: logs, Pool: pool, Containers: containers})
	b.admin = topic.New(topic.Config{Cluster: testCluster, Broker: id, Properties: cfg.properties}, topic.Deps{Store: r.store, Image: b.live, Log: log})
	b.Broker, err = New(Config{
		Cluster: testCluster, ClusterID: "test-cluster-id-000000", Broker: id, Properties: cfg.properties, Limits: cfg.limits,
	}, Deps{
		Log: log, Store: r.store, Image: b.live, Leaders: b.leaders, Topics: b.admin, Buffers: pool, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.run(b.stream.Run)
	b.live.OnChange(func(img *image.Image) {
		if err := follow(b.leaders, id, img); err != nil {
			r.t.Error(err)
		}
	})
	r.run(b.live.Run)
	b.stop = r.run(func(ctx context.Context) error { return b.Run(ctx, []Listener{{Name: "CLIENT", Listener: l}}) })
	r.commit(metadata.Put(metadata.SessionKey(testCluster, id), metadata.Encode(metadata.Session{
		Broker: id, Rack: fmt.Sprintf("az%d", id), Ready: true,
		Endpoints: []metadata.Endpoint{{Name: "CLIENT", Host: "127.0.0.1", Port: int32(addr.Port)}},
	})))
	return b
}

// follow opens and closes partitions as the image says.
func follow(leaders *partition.Leaders, id metadata.BrokerID, img *image.Image) error {
	cfg := partition.DefaultLogConfig()
	wanted := make(map[partition.Key]bool)
	var openings []partition.Opening
	for _, t := range img.Topics() {
		for i, p := range t.Partitions {
			k := partition.Key{Topic: t.ID, Index: int32(i)}
			if p.Leader != id {
				continue
			}
			wanted[k] = true
			if _, err := leaders.Get(k); err != nil {
				openings = append(openings, partition.Opening{Key: k, Epoch: p.Epoch, Config: &cfg})
			}
		}
	}
	for _, k := range leaders.Keys() {
		if !wanted[k] {
			leaders.Close(k, errGone(), true)
		}
	}
	return leaders.Open(openings...)
}

func (r *rig) commit(ops ...metadata.Op) metadata.Revision {
	r.t.Helper()
	rev, err := r.store.Commit(context.Background(), metadata.Txn{Then: ops})
	if err != nil {
		r.t.Fatal(err)
	}
	return rev
}

// create makes a topic and waits until all brokers know it and lead their part.
func (r *rig) create(name string, partitions int32) *image.Topic {
	r.t.Helper()
	out := r.brokers[0].admin.Create(r.t.Context(), []topic.NewTopic{{Name: name, Partitions: partitions, Replication: 1}}, false)
	if out[0].Err != nil {
		r.t.Fatal(out[0].Err)
	}
	for _, b := range r.brokers {
		r.await("topic "+name+" is served", func() bool {
			t, ok := b.live.Current().Topic(name)
			if !ok {
				return false
			}
			for i, p := range t.Partitions {
				_, err := b.leaders.Get(partition.Key{Topic: t.ID, Index: int32(i)})
				if p.Leader == b.cfg.Broker && err != nil {
					return false
				}
			}
			return true
		})
	}
	t, _ := r.brokers[0].live.Current().Topic(name)
	return t
}

// await polls until the condition holds.
func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(r.timeout); !ok(); {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain until %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// client makes a kgo client of all brokers.
func (r *rig) client(opts ...kgo.Opt) *kgo.Client {
	r.t.Helper()
	var seeds []string
	for _, b := range r.brokers {
		seeds = append(seeds, b.addr)
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(seeds...), kgo.MetadataMinAge(10 * time.Millisecond), kgo.DialTimeout(time.Minute), kgo.RequestTimeoutOverhead(time.Minute),
	}, opts...)...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(cl.Close)
	return cl
}

// testTime is how long whatever a test does with a real client may take.
const testTime = 2 * time.Minute

// dialDeadline ends a test that hangs; it says nothing of how fast anything is.
const dialDeadline = 5 * time.Minute

// wire is a bare connection for tests that send what no client would.
type wireConn struct {
	net.Conn
	t testing.TB
}

func (r *rig) dial(b *rigBroker) *wireConn {
	r.t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(dialDeadline))
	return &wireConn{Conn: c, t: r.t}
}

func (c *wireConn) send(correlationID int32, req kmsg.Request) {
	c.t.Helper()
	if _, err := c.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, correlationID)); err != nil {
		c.t.Fatal(err)
	}
}
