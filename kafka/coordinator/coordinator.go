package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
)

// Config says which partitions a Coordinator serves: those of Topic that Broker leads.
type Config struct {
	Topic  string
	Broker metadata.BrokerID
}

// Deps are what a Coordinator works with.
type Deps[S State] struct {
	Log   *slog.Logger
	Image *image.Live
	// Open returns the partition once this broker leads it.
	Open func(context.Context, partition.Key) (Log, error)
	// New makes the empty state of a shard.
	New func(*Shard) S
}

// Coordinator keeps a State for each partition that this broker leads.
type Coordinator[S State] struct {
	cfg    Config
	deps   Deps[S]
	timers *Timers
	loads  chan struct{} // bounds concurrent loads
	decode *batch.Decoder

	mu       sync.Mutex
	slots    map[int32]*slot[S]
	followed chan struct{} // closed, and replaced, when slots were made those of a newer image
}

// slot is a partition that this broker leads in one leader epoch.
type slot[S State] struct {
	key    partition.Key
	epoch  metadata.LeaderEpoch
	before *slot[S] // of the same partition, whose last appends are read when they are durable; nil: none
	cancel context.CancelFunc
	ready  chan struct{} // closed when it serves, or never will

	// Set before ready is closed; nil if it was closed while it loaded.
	shard *Shard
	state S
}

const (
	loadsMax = 4
	// decodedBytesMax bounds what a compressed batch, which only a foreign tool can have written, may take when it is loaded.
	decodedBytesMax = 64 << 20
	// loadWait is how long a request waits for its shard to be loaded before its client is told to come back.
	loadWait = 300 * time.Millisecond
	// Pause between two tries to load a shard.
	retryMin, retryMax = 50 * time.Millisecond, 5 * time.Second
)

// New returns a Coordinator that serves nothing until Run.
func New[S State](cfg Config, deps Deps[S]) *Coordinator[S] {
	return &Coordinator[S]{
		cfg: cfg, deps: deps, timers: NewTimers(), loads: make(chan struct{}, loadsMax),
		decode: batch.NewDecoder(decodedBytesMax), slots: make(map[int32]*slot[S]), followed: make(chan struct{}),
	}
}

// Run loads and unloads shards as leadership comes and goes, until ctx ends.
func (c *Coordinator[S]) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	changed := make(chan struct{}, 1)
	notify := func(*image.Image) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	stop := c.deps.Image.OnChange(notify)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	wg.Go(func() { _ = c.timers.Run(ctx) })
	notify(nil)
	for {
		select {
		case <-changed:
			c.follow(ctx, &wg, c.deps.Image.Current())
		case <-ctx.Done():
			c.mu.Lock()
			slots := c.slots
			c.slots = nil
			c.mu.Unlock()
			for _, s := range slots {
				c.drop(s)
			}
			cancel()
			wg.Wait()
			return ctx.Err()
		}
	}
}

// follow makes the slots those of img.
func (c *Coordinator[S]) follow(ctx context.Context, wg *sync.WaitGroup, img *image.Image) {
	topic, _ := img.Topic(c.cfg.Topic)
	var fresh []*slot[S]
	gone := make(map[partition.Key]*slot[S])
	c.mu.Lock()
	for i, s := range c.slots {
		if p, ok := led(topic, i, c.cfg.Broker); !ok || s.key.Topic != topic.ID || s.epoch != p.Epoch {
			delete(c.slots, i)
			gone[s.key] = s
		}
	}
	c.mu.Unlock()
	// Before those that come next load: they would not know what is still taken here. The image may be behind the epochs of partitions that are open.
	for _, s := range gone {
		c.drop(s)
	}
	c.mu.Lock()
	if topic != nil {
		for i := range int32(len(topic.Partitions)) {
			p, ok := led(topic, i, c.cfg.Broker)
			if !ok || c.slots[i] != nil {
				continue
			}
			s := &slot[S]{key: partition.Key{Topic: topic.ID, Index: i}, epoch: p.Epoch, ready: make(chan struct{})}
			s.before = gone[s.key]
			c.slots[i] = s
			fresh = append(fresh, s)
		}
	}
	for _, s := range fresh {
		var sctx context.Context
		sctx, s.cancel = context.WithCancel(ctx)
		wg.Go(func() { c.serve(sctx, wg, s) })
	}
	close(c.followed)
	c.followed = make(chan struct{})
	c.mu.Unlock()
}

func led(t *image.Topic, i int32, b metadata.BrokerID) (metadata.PartitionAssignment, bool) {
	if t == nil || int(i) >= len(t.Partitions) || t.Partitions[i].Leader != b {
		return metadata.PartitionAssignment{}, false
	}
	return t.Partitions[i], true
}

func isLed(t *image.Topic, i int32, b metadata.BrokerID) bool { _, ok := led(t, i, b); return ok }

// drop stops a slot: its load, if it is still under way, else its shard.
func (c *Coordinator[S]) drop(s *slot[S]) {
	s.cancel()
	<-s.ready
	if s.shard != nil {
		s.shard.close(s.state, kerr.NotCoordinator)
	}
}

// serve loads the slot and stays with it: a shard that asks for it is given up, and another slot loads in its place.
func (c *Coordinator[S]) serve(ctx context.Context, wg *sync.WaitGroup, s *slot[S]) {
	c.load(ctx, s)
	if s.shard == nil {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-s.shard.reload:
	}
	s.shard.close(s.state, kerr.NotCoordinator)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots[s.key.Index] != s {
		return // it is not led any more
	}
	fresh := &slot[S]{key: s.key, epoch: s.epoch, before: s, cancel: s.cancel, ready: make(chan struct{})}
	c.slots[s.key.Index] = fresh
	wg.Go(func() { c.serve(ctx, wg, fresh) })
}

// load opens and replays the slot's partition, trying again until it succeeds or ctx ends.
func (c *Coordinator[S]) load(ctx context.Context, s *slot[S]) {
	defer close(s.ready)
	if s.before != nil && s.before.shard != nil { // what it took is in the log, or never will be
		select {
		case <-s.before.shard.settled:
		case <-ctx.Done():
			return
		}
	}
	s.before = nil
	log := c.deps.Log.With("topic", c.cfg.Topic, "partition", s.key.Index)
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		shard, state, err := c.tryLoad(ctx, s.key, s.epoch)
		if err == nil {
			s.shard, s.state = shard, state
			return
		}
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, kerr.NotLeaderForPartition) { // the image is ahead of the partition: nothing is wrong
			log.Error("coordinator cannot load its partition", "err", err)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

func (c *Coordinator[S]) tryLoad(ctx context.Context, key partition.Key, epoch metadata.LeaderEpoch) (*Shard, S, error) {
	var none S
	log, err := c.deps.Open(ctx, key)
	if err != nil {
		return nil, none, fmt.Errorf("open: %w", err)
	}
	select {
	case c.loads <- struct{}{}:
		defer func() { <-c.loads }()
	case <-ctx.Done():
		return nil, none, ctx.Err()
	}
	shard := NewShard(key.Index, log, c.timers)
	shard.epoch = epoch
	state := c.deps.New(shard)
	if err := shard.Load(ctx, state, c.decode); err != nil {
		return nil, none, err
	}
	return shard, state, nil
}

// Do calls fn with the state of partition i under its shard's lock. It waits a moment for a shard that loads. Errors are NOT_COORDINATOR
// (another broker leads the partition), COORDINATOR_LOAD_IN_PROGRESS and the context's.
func (c *Coordinator[S]) Do(ctx context.Context, i int32, fn func(S)) error {
	s, err := c.await(ctx, i)
	if err != nil {
		return err
	}
	return s.shard.Locked(func() { fn(s.state) })
}

// Try is Do for who must not wait: it reports whether fn was called. A shard that loads is none.
func (c *Coordinator[S]) Try(i int32, fn func(S)) bool {
	c.mu.Lock()
	s := c.slots[i]
	c.mu.Unlock()
	return s != nil && s.serves() && s.shard.Locked(func() { fn(s.state) }) == nil
}

func (c *Coordinator[S]) await(ctx context.Context, i int32) (*slot[S], error) {
	c.mu.Lock()
	s := c.slots[i]
	c.mu.Unlock()
	if s != nil && s.serves() {
		return s, nil
	}
	timeout := time.NewTimer(loadWait)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		s, followed := c.slots[i], c.followed
		c.mu.Unlock()
		var ready chan struct{}
		if s != nil {
			ready = s.ready
		} else if topic, _ := c.deps.Image.Current().Topic(c.cfg.Topic); !isLed(topic, i, c.cfg.Broker) {
			return nil, kerr.NotCoordinator
		} // else the image is a moment ahead of Run
		select {
		case <-ready:
			if s.shard == nil {
				return nil, kerr.NotCoordinator
			}
			return s, nil
		case <-followed:
		case <-timeout.C:
			return nil, kerr.CoordinatorLoadInProgress
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *slot[S]) serves() bool {
	select {
	case <-s.ready:
		return s.shard != nil
	default:
		return false
	}
}

// Each calls fn for every shard that serves, in order of partitions, one lock at a time. It waits a moment for those that load, and
// reports whether some still do.
func (c *Coordinator[S]) Each(ctx context.Context, fn func(S)) (loading bool) {
	c.mu.Lock()
	indexes := make([]int32, 0, len(c.slots))
	for i := range c.slots {
		indexes = append(indexes, i)
	}
	c.mu.Unlock()
	slices.Sort(indexes)
	ctx, cancel := context.WithTimeout(ctx, loadWait)
	defer cancel()
	for _, i := range indexes {
		err := c.Do(ctx, i, fn)
		loading = loading || errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, context.DeadlineExceeded)
	}
	return loading
}
