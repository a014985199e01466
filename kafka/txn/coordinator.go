package txn

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
)

// Requester asks a broker of the cluster, which may be this one.
type Requester interface {
	Request(ctx context.Context, to metadata.BrokerID, req kmsg.Request) (kmsg.Response, error)
}

// Deps are what a Coordinator works with.
type Deps struct {
	Log   *slog.Logger
	Image *image.Live
	IDs   *ProducerIDs
	Peers Requester
	// Open returns a partition once this broker leads it.
	Open func(context.Context, partition.Key) (coordinator.Log, error)
	// CreateTopic creates __transaction_state, with at most as many replicas as there are brokers, and returns when this broker's image shows it; that
	// it exists already is no error.
	CreateTopic func(ctx context.Context, partitions int32, replication int16, configs map[string]string) error
	// Mark queues the marker for a partition that this broker leads, in the journal in which __transaction_state lies as well, and does not wait. It reports
	// whether it did; if so, done is called once, without a lock. Nil: all markers are requests.
	Mark func(tp TopicPartition, m partition.Marker, done func(error)) bool
}

// Coordinator serves the transactional ids whose partition of __transaction_state this broker leads. It is safe for concurrent use. Errors are
// Kafka's, wrapped or bare.
type Coordinator struct {
	settings Settings
	deps     Deps
	sender   *sender
	shards   *coordinator.Coordinator[*state]
}

// New returns a Coordinator that serves nothing until Run.
func New(broker metadata.BrokerID, settings Settings, deps Deps) *Coordinator {
	c := &Coordinator{settings: settings, deps: deps, sender: newSender(deps.Image, deps.Peers, deps.Log)}
	c.shards = coordinator.New(coordinator.Config{Topic: image.TransactionState, Broker: broker}, coordinator.Deps[*state]{
		Log: deps.Log, Image: deps.Image, Open: deps.Open,
		New: func(s *coordinator.Shard) *state { return newState(s, &c.settings, c.sender, deps.Mark, deps.Log) },
	})
	return c
}

// Run serves until ctx ends.
func (c *Coordinator) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.sender.run(ctx) })
	return c.shards.Run(ctx)
}

// Find returns the broker that coordinates the transactional id, creating __transaction_state if it does not exist yet.
func (c *Coordinator) Find(ctx context.Context, id string) (metadata.Session, error) {
	img := c.deps.Image.Current()
	t, ok := img.Topic(image.TransactionState)
	if !ok {
		configs := map[string]string{
			"cleanup.policy": "compact", "compression.type": "uncompressed", "unclean.leader.election.enable": "false",
			"min.insync.replicas": c.settings.MinISR, "segment.bytes": c.settings.SegmentBytes,
		}
		if err := c.deps.CreateTopic(ctx, c.settings.Partitions, c.settings.Replication, configs); err != nil {
			c.deps.Log.Warn("transaction topic not created", "topic", image.TransactionState, "err", err)
			return metadata.Session{}, kerr.CoordinatorNotAvailable
		}
		img = c.deps.Image.Current()
		if t, ok = img.Topic(image.TransactionState); !ok {
			return metadata.Session{}, kerr.CoordinatorNotAvailable
		}
	}
	s, ok := img.Broker(t.Partitions[coordinator.PartitionFor(id, len(t.Partitions))].Leader)
	if !ok || !s.Ready {
		return metadata.Session{}, kerr.CoordinatorNotAvailable
	}
	return s, nil
}

// topicWait is how long a request waits for __transaction_state to show in this broker's image: the broker that created it has told the client to come
// here, perhaps a moment before we know.
const topicWait = 200 * time.Millisecond

// do calls fn with the state of the id's shard.
func (c *Coordinator) do(ctx context.Context, id string, fn func(*state)) error {
	img := c.deps.Image.Current()
	t, ok := img.Topic(image.TransactionState)
	if !ok {
		if t, ok = c.awaitTopic(ctx, img); !ok {
			return kerr.NotCoordinator
		}
	}
	return c.shards.Do(ctx, coordinator.PartitionFor(id, len(t.Partitions)), fn)
}

func (c *Coordinator) awaitTopic(ctx context.Context, img *image.Image) (*image.Topic, bool) {
	ctx, cancel := context.WithTimeout(ctx, topicWait)
	defer cancel()
	for {
		var err error
		if img, err = c.deps.Image.Await(ctx, img.Revision+1); err != nil {
			return nil, false
		}
		if t, ok := img.Topic(image.TransactionState); ok {
			return t, true
		}
	}
}

// errNeedsID is what a state answers if it needs a new producer id: taking one may block, which a state must not.
var errNeedsID = errors.New("txn: a new producer id is needed")

type outcome struct {
	id    int64
	epoch int16
	err   error
}

// Init handles an InitProducerId with a transactional id, and waits for the outcome.
func (c *Coordinator) Init(ctx context.Context, r Init) (id int64, epoch int16, err error) {
	if r.ID == "" {
		return none, none, kerr.InvalidRequest
	}
	if r.Timeout <= 0 || r.Timeout > c.settings.TimeoutMax {
		return none, none, kerr.InvalidTransactionTimeout
	}
	fresh := int64(none)
	for {
		done := make(chan outcome, 1)
		err := c.do(ctx, r.ID, func(s *state) {
			s.initialize(r, fresh, false, func(id int64, epoch int16, err error) { done <- outcome{id, epoch, err} })
		})
		if err != nil {
			return none, none, err
		}
		select {
		case o := <-done:
			if !errors.Is(o.err, errNeedsID) {
				return o.id, o.epoch, o.err
			}
		case <-ctx.Done():
			return none, none, ctx.Err()
		}
		if fresh, err = c.deps.IDs.Next(ctx); err != nil {
			return none, none, kerr.CoordinatorNotAvailable
		}
	}
}

// Add handles one transaction of AddPartitionsToTxn. done is called once, perhaps before Add returns: with an error for each partition, or one for all.
func (c *Coordinator) Add(ctx context.Context, r Add, done func([]error, error)) {
	if r.ID == "" {
		done(nil, kerr.InvalidRequest)
		return
	}
	if err := c.do(ctx, r.ID, func(s *state) { s.add(&r, false, done) }); err != nil {
		done(nil, err)
	}
}

// End handles an EndTxn. done is called once, perhaps before End returns, with what the producer goes on with.
func (c *Coordinator) End(ctx context.Context, r End, done func(id int64, epoch int16, err error)) {
	if r.ID == "" {
		done(none, none, kerr.InvalidRequest)
		return
	}
	c.end(ctx, r, none, done)
}

func (c *Coordinator) end(ctx context.Context, r End, fresh int64, done func(id int64, epoch int16, err error)) {
	needs := false
	err := c.do(ctx, r.ID, func(s *state) {
		s.end(r, fresh, false, func(id int64, epoch int16, err error) {
			if errors.Is(err, errNeedsID) {
				if fresh == none && !needs {
					needs = true
					return
				}
				err = kerr.CoordinatorNotAvailable
			}
			done(id, epoch, err)
		})
	})
	if err != nil {
		done(none, none, err)
		return
	}
	if needs { // once in 32,767 transactions of a producer
		if fresh, err = c.deps.IDs.Next(ctx); err != nil {
			done(none, none, kerr.CoordinatorNotAvailable)
			return
		}
		c.end(ctx, r, fresh, done)
	}
}
