package sharestate

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/configdef"
	"weir/kafka/coordinator"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
)

// Settings are the configs that matter to the coordinator.
type Settings struct {
	UpdatesPerSnapshot int           // share.coordinator.snapshot.update.records.per.snapshot
	WriteTimeout       time.Duration // share.coordinator.write.timeout.ms
	PruneInterval      time.Duration // how often the log is looked at without being asked for anything; 5 minutes
	PruneRecords       int           // the log is cut when it has more records, and many more than states; 20,000
	Partitions         int32         // share.coordinator.state.topic.num.partitions, when the topic is created
	Replication        int16         // share.coordinator.state.topic.replication.factor, when the topic is created
	MinISR             string        // share.coordinator.state.topic.min.isr, when the topic is created
	SegmentBytes       string        // share.coordinator.state.topic.segment.bytes, when the topic is created
}

// SettingsFrom reads server.properties.
func SettingsFrom(properties map[string]string) Settings {
	l := configdef.Layers{Static: properties}
	return Settings{
		UpdatesPerSnapshot: int(l.BrokerInt("share.coordinator.snapshot.update.records.per.snapshot")),
		WriteTimeout:       time.Duration(l.BrokerInt("share.coordinator.write.timeout.ms")) * time.Millisecond,
		PruneInterval:      5 * time.Minute,
		PruneRecords:       recordsMin,
		Partitions:         int32(l.BrokerInt("share.coordinator.state.topic.num.partitions")),
		Replication:        int16(l.BrokerInt("share.coordinator.state.topic.replication.factor")),
		MinISR:             l.BrokerString("share.coordinator.state.topic.min.isr"),
		SegmentBytes:       l.BrokerString("share.coordinator.state.topic.segment.bytes"),
	}
}

// Log is what the coordinator needs of a partition of __share_group_state.
type Log interface {
	coordinator.Log
	DeleteRecords(offset int64) (wait func(context.Context) (lowWatermark int64, err error))
}

// Deps are what a Coordinator works with.
type Deps struct {
	Log   *slog.Logger
	Image *image.Live
	// Open returns a partition once this broker leads it.
	Open func(context.Context, partition.Key) (Log, error)
	// CreateTopic creates __share_group_state and returns when this broker's image shows it; that it exists already is no error.
	CreateTopic func(ctx context.Context, partitions int32, replication int16, configs map[string]string) error
}

// Coordinator serves the states whose partition of __share_group_state this broker leads. Its methods call done exactly once, perhaps before
// they return, from a goroutine that must not be blocked. Errors are Kafka's, wrapped or bare. They may wait a moment for a shard that is being loaded.
type Coordinator struct {
	settings Settings
	deps     Deps
	shards   *coordinator.Coordinator[*shard]
	cuts     chan cut

	mu   sync.Mutex
	logs map[int32]Log // that were opened last
}

type cut struct {
	log   Log
	index int32
	from  int64
}

// cutTimeout bounds the wait for one deletion.
const cutTimeout = 30 * time.Second

// New returns a Coordinator that serves nothing until Run.
func New(broker metadata.BrokerID, settings Settings, deps Deps) *Coordinator {
	c := &Coordinator{settings: settings, deps: deps, cuts: make(chan cut, 64), logs: make(map[int32]Log)}
	c.shards = coordinator.New(coordinator.Config{Topic: image.ShareGroupState, Broker: broker}, coordinator.Deps[*shard]{
		Log: deps.Log, Image: deps.Image, Open: c.open, New: c.newShard,
	})
	return c
}

// open remembers the log for newShard, which is called next for that partition.
func (c *Coordinator) open(ctx context.Context, k partition.Key) (coordinator.Log, error) {
	log, err := c.deps.Open(ctx, k)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.logs[k.Index] = log
	c.mu.Unlock()
	return log, nil
}

func (c *Coordinator) newShard(cs *coordinator.Shard) *shard {
	c.mu.Lock()
	log := c.logs[cs.Index()]
	c.mu.Unlock()
	return &shard{
		Shard: cs, settings: &c.settings, log: c.deps.Log.With("partition", cs.Index()), exists: c.exists, now: time.Now,
		end: func() int64 { return log.Offsets().HighWatermark },
		cut: func(from int64) {
			select {
			case c.cuts <- cut{log, cs.Index(), from}:
			default: // the next time
			}
		},
		shares: make(map[Key]*share),
	}
}

func (c *Coordinator) exists(id metadata.TopicID, index int32) bool {
	t, ok := c.deps.Image.Current().TopicByID(id)
	return ok && index >= 0 && int(index) < len(t.Partitions)
}

// Run serves until ctx ends.
func (c *Coordinator) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.runCuts(ctx)
	}()
	err := c.shards.Run(ctx)
	<-done
	return err
}

// runCuts deletes the fronts of logs. It waits for the disk, which shards must not.
func (c *Coordinator) runCuts(ctx context.Context) {
	for {
		select {
		case x := <-c.cuts:
			cctx, cancel := context.WithTimeout(ctx, cutTimeout)
			_, err := x.log.DeleteRecords(x.from)(cctx)
			cancel()
			if err != nil && ctx.Err() == nil {
				c.deps.Log.Warn("share group state log not cut", "partition", x.index, "offset", x.from, "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// EnsureTopic creates __share_group_state if this broker's image does not show it.
func (c *Coordinator) EnsureTopic(ctx context.Context) (*image.Topic, error) {
	if t, ok := c.deps.Image.Current().Topic(image.ShareGroupState); ok {
		return t, nil
	}
	configs := map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "compression.type": "producer", "segment.bytes": c.settings.SegmentBytes,
		"min.insync.replicas": c.settings.MinISR,
	}
	if err := c.deps.CreateTopic(ctx, c.settings.Partitions, c.settings.Replication, configs); err != nil {
		c.deps.Log.Warn("share group state topic not created", "topic", image.ShareGroupState, "err", err)
		return nil, kerr.CoordinatorNotAvailable
	}
	t, ok := c.deps.Image.Current().Topic(image.ShareGroupState)
	if !ok {
		return nil, kerr.CoordinatorNotAvailable
	}
	return t, nil
}

// Find returns the broker that coordinates the share partition, creating __share_group_state if it does not exist yet.
func (c *Coordinator) Find(ctx context.Context, k Key) (metadata.Session, error) {
	t, err := c.EnsureTopic(ctx)
	if err != nil {
		return metadata.Session{}, err
	}
	s, ok := c.deps.Image.Current().Broker(t.Partitions[PartitionFor(k, len(t.Partitions))].Leader)
	if !ok || !s.Ready {
		return metadata.Session{}, kerr.CoordinatorNotAvailable
	}
	return s, nil
}

// do calls fn with the shard of k. If there is none here, failed is told.
func (c *Coordinator) do(ctx context.Context, k Key, fn func(*shard), failed func(error)) {
	t, ok := c.deps.Image.Current().Topic(image.ShareGroupState)
	if !ok {
		failed(kerr.NotCoordinator)
		return
	}
	if err := c.shards.Do(ctx, PartitionFor(k, len(t.Partitions)), fn); err != nil {
		failed(fmt.Errorf("share partition %v: %w", k, err))
	}
}

// Initialize makes the state of k as it is before anything was delivered. start is the first offset to deliver, or -1 if the leader is to find it.
// FENCED_STATE_EPOCH if there is a newer state, UNKNOWN_TOPIC_OR_PARTITION.
func (c *Coordinator) Initialize(ctx context.Context, k Key, stateEpoch int32, start int64, done func(error)) {
	c.do(ctx, k, func(s *shard) { s.initialize(k, stateEpoch, start, done) }, done)
}

// Read returns the state to the leader of that epoch, and fences older ones. The batches must not be modified.
// FENCED_LEADER_EPOCH, INVALID_REQUEST if it was not initialized, UNKNOWN_TOPIC_OR_PARTITION.
func (c *Coordinator) Read(ctx context.Context, k Key, leaderEpoch int32, done func(State, error)) {
	c.do(ctx, k, func(s *shard) { s.read(k, leaderEpoch, done) }, func(err error) { done(State{}, err) })
}

// Write changes the state; w belongs to the coordinator from now on. done is told when that is durable.
// FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH, INVALID_REQUEST if it was not initialized, UNKNOWN_TOPIC_OR_PARTITION.
func (c *Coordinator) Write(ctx context.Context, k Key, w Write, done func(error)) {
	c.do(ctx, k, func(s *shard) { s.write(k, w, done) }, done)
}

// Summary returns the state without batches; known is false if there is none. UNKNOWN_TOPIC_OR_PARTITION.
func (c *Coordinator) Summary(ctx context.Context, k Key, done func(s State, known bool, err error)) {
	c.do(ctx, k, func(s *shard) { s.summary(k, done) }, func(err error) { done(State{}, false, err) })
}

// Delete forgets the state; that there is none is no error. UNKNOWN_TOPIC_OR_PARTITION.
func (c *Coordinator) Delete(ctx context.Context, k Key, done func(error)) {
	c.do(ctx, k, func(s *shard) { s.remove(k, done) }, done)
}
