package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
)

// Deps are what a Coordinator works with.
type Deps struct {
	Log   *slog.Logger
	Image *image.Live
	// Open returns a partition once this broker leads it.
	Open func(context.Context, partition.Key) (coordinator.Log, error)
	// CreateTopic creates __consumer_offsets, with at most as many replicas as there are brokers, and returns when this broker's image shows
	// it; that it exists already is no error.
	CreateTopic func(ctx context.Context, partitions int32, replication int16, configs map[string]string) error
	// GroupConfig returns the dynamic configs of a group, which are valid; nil if there never are any. It must not block.
	GroupConfig func(group string) map[string]string
	// Shares keeps the delivery states of share groups; nil if there are none.
	Shares ShareStates
	// CreateTopics creates the internal topics of streams applications with the broker's authority, and returns an outcome for each when this
	// broker's image shows them; nil if there are no streams groups.
	CreateTopics func(ctx context.Context, topics []StreamsTopic) []error
	Registerer   prometheus.Registerer // nil: metrics are counted and not shown
}

// Coordinator serves the groups whose partition of __consumer_offsets this broker leads. Its methods block until the answer is known
// or ctx ends; they are safe for concurrent use. Errors are Kafka's, wrapped or bare.
type Coordinator struct {
	settings  Settings
	deps      Deps
	metrics   *metrics
	shards    *coordinator.Coordinator[*state]
	assignors map[string]assignor
	members   atomic.Int64 // of groups of the new kinds
	shares    shareWork
	streams   streamsWork
}

// New returns a Coordinator that serves nothing until Run.
func New(broker metadata.BrokerID, settings Settings, deps Deps) *Coordinator {
	settings.GroupConfig = deps.GroupConfig
	c := &Coordinator{assignors: assignors(), settings: settings, deps: deps, metrics: newMetrics(deps.Registerer)}
	c.shards = coordinator.New(coordinator.Config{Topic: image.ConsumerOffsets, Broker: broker}, coordinator.Deps[*state]{
		Log: deps.Log, Image: deps.Image, Open: deps.Open,
		New: func(s *coordinator.Shard) *state {
			st := newState(s, &c.settings, imageCatalog{deps.Image}, &c.members, c.metrics, deps.Log)
			st.shares, st.topicsOfStreams = &c.shares, &c.streams
			return st
		},
	})
	c.shares.states, c.streams.create = deps.Shares, deps.CreateTopics
	return c
}

// Run serves until ctx ends.
func (c *Coordinator) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	wg.Go(func() { c.followTopics(ctx) })
	c.shares.jobs.begin(ctx)
	c.streams.jobs.begin(ctx)
	err := c.shards.Run(ctx)
	cancel()
	c.shares.jobs.end()
	c.streams.jobs.end()
	wg.Wait()
	return err
}

// followTopics tells the groups of topics that come, go or grow. What changes while it tells them is told at once afterwards.
func (c *Coordinator) followTopics(ctx context.Context) {
	changed := make(chan struct{}, 1)
	stop := c.deps.Image.OnChange(func(*image.Image) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	last := c.deps.Image.Current()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		img := c.deps.Image.Current()
		fresh, gone := img.Since(last)
		last = img
		names := make([]string, 0, len(fresh)+len(gone))
		for _, t := range fresh {
			names = append(names, t.Name)
		}
		for _, t := range gone {
			names = append(names, t.Name)
		}
		if len(names) > 0 && c.members.Load() > 0 {
			c.shards.Each(ctx, func(s *state) { s.topicsChanged(names) }) // a shard that loads looks for itself
		}
	}
}

// Find returns the broker that coordinates the group, creating __consumer_offsets if it does not exist yet.
func (c *Coordinator) Find(ctx context.Context, id string) (metadata.Session, error) {
	img := c.deps.Image.Current()
	t, ok := img.Topic(image.ConsumerOffsets)
	if !ok {
		configs := map[string]string{"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": c.settings.OffsetsSegmentBytes}
		if err := c.deps.CreateTopic(ctx, c.settings.OffsetsPartitions, c.settings.OffsetsReplication, configs); err != nil {
			c.deps.Log.Warn("offsets topic not created", "topic", image.ConsumerOffsets, "err", err)
			return metadata.Session{}, kerr.CoordinatorNotAvailable
		}
		img = c.deps.Image.Current()
		if t, ok = img.Topic(image.ConsumerOffsets); !ok {
			return metadata.Session{}, kerr.CoordinatorNotAvailable
		}
	}
	s, ok := img.Broker(t.Partitions[partitionFor(id, len(t.Partitions))].Leader)
	if !ok || !s.Ready {
		return metadata.Session{}, kerr.CoordinatorNotAvailable
	}
	return s, nil
}

// partitionFor is Kafka's choice: the absolute value of the id's Java hash code (0 for the one that has none) modulo the number of partitions.
func partitionFor(id string, partitions int) int32 {
	var h int32
	for _, u := range utf16.Encode([]rune(id)) {
		h = 31*h + int32(u)
	}
	if h == math.MinInt32 {
		return 0
	}
	return max(h, -h) % int32(partitions)
}

// stringMax is the length of the strings that records have room for; requests may have longer ones.
const stringMax = math.MaxInt16

// do calls fn with the state of the group's shard.
func (c *Coordinator) do(ctx context.Context, id string, fn func(*state)) error {
	if len(id) > stringMax {
		return kerr.InvalidGroupID
	}
	img := c.deps.Image.Current()
	t, ok := img.Topic(image.ConsumerOffsets)
	if !ok {
		if t, ok = c.awaitTopic(ctx, img); !ok {
			return kerr.NotCoordinator
		}
	}
	return c.shards.Do(ctx, partitionFor(id, len(t.Partitions)), fn)
}

// topicWait is how long a request waits for __consumer_offsets to show in this broker's image. The broker that created it has told the
// client to come here, perhaps a moment before we know.
const topicWait = 200 * time.Millisecond

func (c *Coordinator) awaitTopic(ctx context.Context, img *image.Image) (*image.Topic, bool) {
	ctx, cancel := context.WithTimeout(ctx, topicWait)
	defer cancel()
	for {
		var err error
		if img, err = c.deps.Image.Await(ctx, img.Revision+1); err != nil {
			return nil, false
		}
		if t, ok := img.Topic(image.ConsumerOffsets); ok {
			return t, true
		}
	}
}

// Join handles JoinGroup. It waits for the end of the join phase.
func (c *Coordinator) Join(ctx context.Context, j Join) JoinResult {
	if j.Group == "" {
		return JoinResult{Err: kerr.InvalidGroupID, Generation: -1, Member: j.Member}
	}
	if j.tooLong() {
		return JoinResult{Err: kerr.InvalidRequest, Generation: -1, Member: j.Member}
	}
	done := make(chan JoinResult, 1)
	err := c.do(ctx, j.Group, func(s *state) { s.join(j, func(r JoinResult) { done <- r }) })
	if err == nil {
		select {
		case r := <-done:
			return r
		case <-ctx.Done(): // the client is gone; its member stays until it rejoins or expires
			err = ctx.Err()
		}
	}
	return JoinResult{Err: err, Generation: -1, Member: j.Member}
}

// Sync handles SyncGroup. It waits for the leader's assignment.
func (c *Coordinator) Sync(ctx context.Context, r Sync) SyncResult {
	if r.Group == "" {
		return SyncResult{Err: kerr.InvalidGroupID}
	}
	done := make(chan SyncResult, 1)
	err := c.do(ctx, r.Group, func(s *state) { s.sync(r, func(r SyncResult) { done <- r }) })
	if errors.Is(err, kerr.CoordinatorLoadInProgress) {
		err = kerr.RebalanceInProgress // what was in memory only is lost: join again, without looking for the coordinator first
	}
	if err == nil {
		select {
		case r := <-done:
			return r
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return SyncResult{Err: err}
}

// Heartbeat handles Heartbeat.
func (c *Coordinator) Heartbeat(ctx context.Context, b Beat) error {
	if b.Group == "" {
		return kerr.InvalidGroupID
	}
	var out error
	err := c.do(ctx, b.Group, func(s *state) { out = s.beat(b) })
	if errors.Is(err, kerr.CoordinatorLoadInProgress) {
		return nil // the member is fine as far as we know
	}
	return errors.Join(err, out)
}

// Leave handles LeaveGroup, with an outcome for each member or one for all.
func (c *Coordinator) Leave(ctx context.Context, id string, members []Leaving) ([]error, error) {
	if id == "" {
		return nil, kerr.InvalidGroupID
	}
	var out []error
	err := c.do(ctx, id, func(s *state) { out = s.leave(id, members) })
	return out, err
}

// Commit handles OffsetCommit, with an outcome for each offset or one for all. It waits until the offsets are durable.
func (c *Coordinator) Commit(ctx context.Context, r Commit) ([]error, error) {
	type result struct {
		each []error
		all  error
	}
	done := make(chan result, 1)
	if err := c.do(ctx, r.Group, func(s *state) { s.commit(r, func(each []error, all error) { done <- result{each, all} }) }); err != nil {
		return nil, err
	}
	select {
	case r := <-done:
		return r.each, r.all
	default:
	}
	timeout := time.NewTimer(c.settings.CommitTimeout)
	defer timeout.Stop()
	select {
	case r := <-done:
		return r.each, r.all
	case <-timeout.C:
		return nil, kerr.CoordinatorNotAvailable // it may still become durable, which a retry does not change
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Fetch handles one group of OffsetFetch.
func (c *Coordinator) Fetch(ctx context.Context, r FetchRequest) ([]Offset, error) {
	var out []Offset
	var refused error
	err := c.do(ctx, r.Group, func(s *state) {
		if g := s.groups[r.Group]; g != nil && !g.dying {
			if refused = g.kind.mayFetch(r.Member, r.Epoch); refused != nil {
				return
			}
		}
		out = s.fetch(r.Group, r.Want)
		for i := range out {
			out[i].Unstable = r.Stable && s.unstable(r.Group, topicPartition{out[i].Topic, out[i].Partition})
		}
	})
	if err = cmp.Or(err, refused); err != nil {
		return nil, err
	}
	if r.Want == nil {
		slices.SortFunc(out, func(a, b Offset) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
	}
	return out, nil
}

// ConsumerBeat handles ConsumerGroupHeartbeat. A member that joins is answered when its assignment is there.
func (c *Coordinator) ConsumerBeat(ctx context.Context, b ConsumerBeat) ConsumerBeatResult {
	if err := b.check(c.assignors); err != nil {
		return ConsumerBeatResult{Err: err}
	}
	done := make(chan ConsumerBeatResult, 1)
	err := c.do(ctx, b.Group, func(s *state) { s.consumerBeat(b, func(r ConsumerBeatResult) { done <- r }) })
	if err == nil {
		select {
		case r := <-done:
			return r
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return ConsumerBeatResult{Err: err}
}

// DescribeConsumer handles one group of ConsumerGroupDescribe.
func (c *Coordinator) DescribeConsumer(ctx context.Context, id string) (ConsumerDescription, error) {
	if id == "" {
		return ConsumerDescription{}, kerr.InvalidGroupID
	}
	var d ConsumerDescription
	var missing error
	if err := c.do(ctx, id, func(s *state) { d, missing = s.describeConsumer(id) }); err != nil {
		return ConsumerDescription{}, fmt.Errorf("describe group: %w", err)
	}
	return d, missing
}

// DeleteOffsets handles OffsetDelete. Only Topic and Partition of tps matter.
func (c *Coordinator) DeleteOffsets(ctx context.Context, id string, tps []Offset) ([]error, error) {
	if id == "" {
		return nil, kerr.InvalidGroupID
	}
	type result struct {
		each []error
		all  error
	}
	keys := make([]topicPartition, len(tps))
	for i, tp := range tps {
		keys[i] = topicPartition{tp.Topic, tp.Partition}
	}
	done := make(chan result, 1)
	if err := c.do(ctx, id, func(s *state) { s.deleteOffsets(id, keys, func(each []error, all error) { done <- result{each, all} }) }); err != nil {
		return nil, err
	}
	select {
	case r := <-done:
		return r.each, r.all
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Delete handles one group of DeleteGroups.
func (c *Coordinator) Delete(ctx context.Context, id string) error {
	err, lost := ask(ctx, c, id, func(s *state, done func(error)) { s.clearShare(id, done) })
	if lost != nil {
		return lost
	}
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	if err := c.do(ctx, id, func(s *state) { s.deleteGroup(id, func(err error) { done <- err }) }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Describe handles one group of DescribeGroups.
func (c *Coordinator) Describe(ctx context.Context, id string) (Description, error) {
	var d Description
	var missing error
	if err := c.do(ctx, id, func(s *state) { d, missing = s.describe(id) }); err != nil {
		return Description{}, fmt.Errorf("describe group: %w", err)
	}
	return d, missing
}

// List handles ListGroups: the groups of this broker, sorted. If some shards are still loading it returns what there is and
// COORDINATOR_LOAD_IN_PROGRESS.
func (c *Coordinator) List(ctx context.Context, states, types []string) ([]Listing, error) {
	var out []Listing
	loading := c.shards.Each(ctx, func(s *state) { out = append(out, s.list(states, types)...) })
	slices.SortFunc(out, func(a, b Listing) int { return cmp.Compare(a.Group, b.Group) })
	if loading {
		return out, kerr.CoordinatorLoadInProgress
	}
	return out, nil
}
