package ownership

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/blob"
	"weir/storage/buffer"
	"weir/storage/cache"
	"weir/storage/disk"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// Config says whose partitions to own.
type Config struct {
	Cluster    string // uuid in metadata keys
	Broker     metadata.BrokerID
	Rack       string
	Properties map[string]string // server.properties: defaults of topic configs
	LeaseTTL   time.Duration     // of the session; 6 s
	Stream     stream.Config
	WAL        wal.Config // of the log's files; Stream, Pool and Log are set here
	Tier       tier.Config
	Compact    tier.CompactConfig
	// IndexBytesMax is the memory of containers' indexes; 64 MiB.
	IndexBytesMax int64
	Moves         MoveConfig
	// TakeOver says that the incarnation before has just ended in good order and left its session for this one (Owner.LeaveSession): clients are told
	// that the broker serves all the while, and MarkReady changes the session from one incarnation's to the other's.
	TakeOver bool
	// Recover says that the broker cannot serve, and that this process is its recoverer (docs/adr/0020): all is done as ever, but MarkReady makes it known to
	// other brokers alone, no partition comes to it, and nothing is compacted. AwaitLeft waits until others lead all that it leads.
	Recover bool
}

// MoveConfig is about partitions that move between brokers. A zero field means its default.
type MoveConfig struct {
	// HandOver is how long a partition that is being handed over takes nothing before its leader goes on with it; 10 s. A target that is slower begins anew.
	HandOver time.Duration
	// Retry is the pause after the first failure of a move, which doubles with each; 200 ms.
	Retry time.Duration
}

func (c *MoveConfig) setDefaults() {
	if c.HandOver <= 0 {
		c.HandOver = 10 * time.Second
	}
	if c.Retry <= 0 {
		c.Retry = 200 * time.Millisecond
	}
}

// Deps are the parts to work with; all are required but Now.
type Deps struct {
	Log   *slog.Logger
	Store metadata.Store
	Image *image.Live      // run by the caller
	Disk  disk.FS          // of this broker alone; streams are in its directory "wal", containers and checkpoints in "blob"
	Pool  *buffer.Pool     // for reads from the log
	Now   func() time.Time // time.Now
}

// ErrSuperseded means that another incarnation of the broker registered: this process must end.
var ErrSuperseded = errors.New("ownership: another process is this broker now")

// Owner is a broker incarnation. Its methods are safe for concurrent use.
type Owner struct {
	cfg         Config
	log         *slog.Logger
	store       metadata.Store
	image       *image.Live
	incarnation metadata.Revision
	session     session
	stream      *stream.Stream
	leaders     *partition.Leaders
	now         func() time.Time

	disk        disk.FS
	blobs       *blob.FS
	reserve     int64 // bytes of the file system that the log leaves free
	lock        io.Closer
	own         *wal.File
	logs        *stream.Logs
	checkpoints *stream.Checkpoints
	began       metadata.StreamID // whose checkpoint this incarnation began with; "" is none
	record      streamRecord      // ours
	follow      follower
	started     time.Time
	superseded  chan error // what Publish found, for Run
	containers  *cache.Cache
	tiers       *tier.Engine
	compactor   *tier.Compactor
	failed      atomic.Bool // Run ends with an error

	journal sync.Mutex // guards older
	older   []olderLog // of earlier incarnations, oldest first, read only
}

const leaseTTLDefault = 6 * time.Second

// Acquire makes this process the broker: see the package comment. The partitions are open when it returns, but nothing becomes durable
// before Run is called. Either Run or Close must follow.
func Acquire(ctx context.Context, cfg Config, deps Deps) (_ *Owner, err error) {
	if cfg.LeaseTTL <= 0 {
		cfg.LeaseTTL = leaseTTLDefault
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	cfg.Moves.setDefaults()
	o := &Owner{
		cfg: cfg, store: deps.Store, image: deps.Image, disk: deps.Disk, now: deps.Now, started: deps.Now(),
		log: deps.Log.With("broker", int32(cfg.Broker)),
	}
	o.blobs = blob.NewFS(o.disk, blobDir)
	o.superseded = make(chan error, 1)
	o.session.turn = make(chan struct{}, 1)
	o.session.give()
	defer func() {
		if err != nil {
			o.abandon(ctx)
			err = fmt.Errorf("ownership: broker %d: %w", cfg.Broker, err)
		}
	}()
	if err := o.lockLogs(); err != nil {
		return nil, err
	}
	k, err := o.read(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.register(ctx, k); err != nil {
		return nil, err
	}
	// Recovery may take longer than the lease.
	ctx, stop := context.WithCancelCause(ctx)
	alive := make(chan struct{})
	go func() {
		defer close(alive)
		if err := o.keepAlive(ctx); err != nil {
			stop(err)
		}
	}()
	defer func() {
		if err != nil && context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		stop(nil)
		<-alive
	}()
	recovered, err := o.recover(ctx, k)
	if err != nil {
		return nil, err
	}
	o.logs.Name(o.own, string(o.streamID()))
	o.stream = stream.New(cfg.Stream, o.own, o.logs)
	o.checkpoints = stream.NewCheckpoints(o.blobs, string(o.streamID()), o.logs, recovered)
	o.containers = cache.New(cache.Config{Store: o.blobs, Pool: deps.Pool, Log: o.log, Own: uint64(o.incarnation), IndexBytesMax: cfg.IndexBytesMax})
	o.leaders = partition.NewLeaders(partition.Config{
		Stream: o.stream, Logs: o.logs, Pool: deps.Pool, Containers: o.containers, Now: deps.Now,
	})
	revision, err := o.take(ctx, k)
	if err != nil {
		return nil, err
	}
	o.tiers = tier.New(cfg.Tier, tier.Deps{
		Log: o.log, Store: o.containers.Store(), Checkpoints: o.checkpoints, Journal: journal{o}, Partitions: o.partitions, Publish: o.Publish,
		Incarnation: uint64(o.incarnation), Now: o.now, Known: time.UnixMilli(o.logs.NewestMs()),
	})
	o.compactor = tier.NewCompactor(cfg.Compact, o.tiers)
	if err := o.openAll(k, recovered.Partitions, revision); err != nil {
		return nil, err
	}
	o.log.Info("partitions taken", "partitions", len(o.leaders.Keys()), "stream", string(o.streamID()), "dur", o.now().Sub(o.started))
	return o, nil
}

// keys is what the metadata say that matters to the broker.
type keys struct {
	session     metadata.KV // Key "" if there is none
	streams     []streamKey // of this broker, oldest first
	topics      map[metadata.TopicID]metadata.Topic
	assignments []assignmentKey // with a partition of this broker
	dynamic     map[string]map[string]string
	properties  map[string]string // the cluster's, by its settings; nil if they do not say
}

type streamKey struct {
	key      string
	modified metadata.Revision
	record   metadata.Stream
	log      *wal.File // nil if not open
	drop     bool      // nothing of it is needed: nothing was appended to it, or a checkpoint of a later stream has all
}

type assignmentKey struct {
	key      string
	modified metadata.Revision
	topic    metadata.TopicID
	first    int32 // partition
	record   metadata.Assignment
}

// read lists the cluster.
func (o *Owner) read(ctx context.Context) (*keys, error) {
	kvs, _, err := o.store.List(ctx, metadata.ClusterPrefix(o.cfg.Cluster))
	if err != nil {
		return nil, fmt.Errorf("read the metadata: %w", err)
	}
	k := &keys{topics: make(map[metadata.TopicID]metadata.Topic), dynamic: make(map[string]map[string]string)}
	for _, kv := range kvs {
		if err := o.sort(k, kv); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(k.streams, func(a, b streamKey) int { return strings.Compare(string(a.record.ID), string(b.record.ID)) })
	return k, nil
}

func (o *Owner) sort(k *keys, kv metadata.KV) error {
	kind, name, _ := strings.Cut(strings.TrimPrefix(kv.Key, metadata.ClusterPrefix(o.cfg.Cluster)), "/")
	switch kind {
	case "sess":
		if kv.Key == metadata.SessionKey(o.cfg.Cluster, o.cfg.Broker) {
			k.session = kv
		}
	case "stream":
		s, err := metadata.Decode[metadata.Stream](kv)
		if err != nil {
			return err
		}
		if s.Broker == o.cfg.Broker {
			k.streams = append(k.streams, streamKey{key: kv.Key, modified: kv.Modified, record: s})
		}
	case "topic":
		t, err := metadata.Decode[metadata.Topic](kv)
		if err != nil {
			return err
		}
		k.topics[t.ID] = t
	case "asg":
		a, err := o.assignment(kv)
		if err != nil {
			return err
		}
		if a.leads(o.cfg.Broker) {
			k.assignments = append(k.assignments, a)
		}
	case "settings":
		s, err := metadata.Decode[metadata.Settings](kv)
		if err != nil {
			return err
		}
		k.properties = s.Properties
	case "config":
		if broker, ok := strings.CutPrefix(name, "broker/"); ok {
			c, err := metadata.Decode[metadata.ConfigEntry](kv)
			if err != nil {
				return err
			}
			k.dynamic[broker] = c.Values
		}
	}
	return nil
}

// abandon undoes what Acquire did before it failed, as far as it can.
func (o *Owner) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	if o.session.lease != 0 {
		if err := o.store.Revoke(ctx, o.session.lease); err != nil {
			o.log.Warn("session could not be removed, it will expire", "err", err)
		}
	}
	o.closeLogs()
}
