// Package broker serves the Kafka protocol: connections, dispatch, and one file per API key, numbered by it.
//
// A request's way: listener.go accepts, conn.go reads a frame and decodes it (kafka/wire), apis.go finds the handler, the handler's file
// answers, conn.go's write loop sends the answers in the order of the requests.
//
// Non-obvious:
//
//   - A waiting fetch waits on its connection's write loop. Its answer could not be sent before those of earlier requests anyway, so that
//     no goroutine, timer wheel or executor is needed for it: the purgatory only wakes it.
//   - A produce request's strings and records lie in the buffer that it was read into. The buffer is given back only after the answer is
//     encoded and the last append is durable, whichever comes last, even if the connection is long gone; so is its part of the produce
//     budget, or a client could fill the memory by reconnecting.
//   - Records that are not in memory are sent from files by the write loop (connwrite.go). Nothing of them passes through the process, and they do
//     not count towards the fetch budget.
//   - Lock order: session.mu, sessions.mu and purgatory.mu are never held while another lock is taken, nor across I/O.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"weir/kafka/coordinator"
	"weir/kafka/feature"
	"weir/kafka/group"
	"weir/kafka/image"
	"weir/kafka/logger"
	"weir/kafka/partition"
	"weir/kafka/peer"
	"weir/kafka/quota"
	"weir/kafka/telemetry"
	"weir/kafka/topic"
	"weir/kafka/txn"
	"weir/kafka/wire"
	"weir/metadata"
	"weir/storage/buffer"
)

// Config is what a broker process is told at start. The zero value of a limit means its default.
type Config struct {
	Cluster   string // the cluster's uuid in metadata keys
	ClusterID string // what clients see: 22 characters of base64, as Kafka's
	Broker    metadata.BrokerID
	Rack      string
	Endpoints []metadata.Endpoint
	LogDir    string // the one log directory, as clients are told
	// KafkaVersion is the version that the cluster calls itself, as MSK names it; "" is the newest. It decides the feature levels that it starts with.
	KafkaVersion string
	// Properties are the static broker properties (server.properties), validated by configdef.
	Properties map[string]string
	Limits     Limits
}

// Deps are the parts that a broker works with. All but Loggers, Storage and Registerer are required.
type Deps struct {
	Log        *slog.Logger
	Store      metadata.Store
	Image      *image.Live        // run by the caller
	Leaders    *partition.Leaders // kept in step with Image by the caller
	Topics     *topic.Admin
	Buffers    *buffer.Pool          // produce requests are read into it
	Loggers    *logger.Levels        // of Log; nil: nobody can change them
	Storage    Storage               // nil: it is not known what is on the disk, and nothing is handed to other brokers
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

// Broker is the protocol server of one broker process.
type Broker struct {
	cfg       Config
	props     properties
	log       *slog.Logger
	store     metadata.Store
	image     *image.Live
	leaders   leaders
	topics    *topic.Admin
	storage   Storage // may be nil
	groups    *group.Coordinator
	peers     *peer.Client
	txns      *txn.Coordinator
	shares    *shares
	buffers   *buffer.Pool
	apis      *dispatch
	decoder   *wire.Decoder
	sessions  *sessions
	purgatory *purgatory
	metrics   *metrics
	kafka     *kafkaMetrics // the metrics with Kafka's names

	telemetry     *telemetry.Clients
	telemetryMu   sync.Mutex
	subscriptions map[string]map[string]string // that telemetry has

	loggers  *logger.Levels
	features feature.Levels // that the cluster has as long as nobody changed them
	followed atomic.Pointer[followedLevels]

	producerIDs *txn.ProducerIDs
	produceOps  sync.Pool // of *produceOp
	repeats     repeats

	produceBudget *budget             // bytes of produce requests from the wire to the disk
	requestBudget *budget             // bytes of all other requests
	fetchBudget   *budget             // bytes of records in fetch responses, but for those that are sent from files
	bulk          *semaphore.Weighted // turns at reading from the disk, first come first served

	pressure pressure      // of the journal, on producers
	quotas   *quota.Quotas // of users, client ids and addresses
	kind     *ruled        // by what the cluster's kind allows
	held     atomic.Int64  // connections that wait for the end of their pause to be closed

	quotaMu     sync.Mutex
	quotaRecord *metadata.ClientQuotas // that quotas have

	mu    sync.Mutex
	conns map[*conn]struct{}
	count connCounts
}

// New checks cfg and deps. It starts nothing.
func New(cfg Config, deps Deps) (*Broker, error) {
	if cfg.Cluster == "" || cfg.ClusterID == "" || cfg.Broker < 1 {
		return nil, fmt.Errorf("broker: cluster %q, cluster id %q and broker %d must be set", cfg.Cluster, cfg.ClusterID, cfg.Broker)
	}
	if deps.Log == nil || deps.Store == nil || deps.Image == nil || deps.Leaders == nil || deps.Topics == nil || deps.Buffers == nil {
		return nil, errors.New("broker: a dependency is missing")
	}
	return newBroker(cfg, deps, ledBy{deps.Leaders})
}

func newBroker(cfg Config, deps Deps, led leaders) (*Broker, error) {
	props, err := readProperties(cfg.Properties)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	m := newMetrics(deps.Registerer, table())
	b := &Broker{
		cfg:           cfg,
		props:         props,
		log:           deps.Log.With("broker", int32(cfg.Broker)),
		store:         deps.Store,
		image:         deps.Image,
		leaders:       led,
		topics:        deps.Topics,
		storage:       deps.Storage,
		buffers:       deps.Buffers,
		apis:          newDispatch(table()),
		decoder:       wire.NewDecoder(cfg.Limits.DecodedBytesMax),
		sessions:      newSessions(props.fetchSessionSlots, m),
		purgatory:     newPurgatory(m),
		metrics:       m,
		kafka:         newKafkaMetrics(deps.Registerer),
		produceBudget: m.budget("produce", cfg.Limits.ProduceBytesMax, m.produceBytes),
		requestBudget: m.budget("request", cfg.Limits.RequestBytesMax, m.requestBytes),
		fetchBudget:   m.budget("fetch", cfg.Limits.FetchBytesMax, m.fetchBytes),
		bulk:          semaphore.NewWeighted(bulkReadsMax),
		quotas:        quota.New(props.quota, nil),
		kind:          newRuled(props.quota),
		conns:         make(map[*conn]struct{}),
	}
	b.features = feature.Starting(cfg.KafkaVersion)
	b.telemetry = telemetry.New(deps.Registerer)
	if b.loggers = deps.Loggers; b.loggers == nil {
		b.loggers = logger.New(slog.LevelInfo)
	}
	b.produceOps.New = b.newProduceOp
	b.producerIDs = txn.NewProducerIDs(deps.Store, cfg.Cluster)
	b.groups = group.New(cfg.Broker, group.SettingsFrom(cfg.Properties), group.Deps{
		Log: b.log, Image: deps.Image, CreateTopic: deps.Topics.CreateInternal(image.ConsumerOffsets), Registerer: deps.Registerer,
		Shares: shareStates{b}, CreateTopics: b.createStreamsTopics, GroupConfig: func(id string) map[string]string { return deps.Image.Current().GroupConfigs(id) },
		Open: func(ctx context.Context, k partition.Key) (coordinator.Log, error) { return led.await(ctx, k) },
	})
	b.peers = peer.New(peer.Config{Broker: cfg.Broker}, peer.Deps{Image: deps.Image, Self: b.callSelf})
	b.shares = newShares(b, deps, led)
	b.kafka.registry.OnTick(func(time.Time) { b.kafka.forget(b.image.Current()) })
	b.kafka.registry.Source(b.collectKafka)
	b.txns = txn.New(cfg.Broker, txn.SettingsFrom(cfg.Properties), txn.Deps{
		Log: b.log, Image: deps.Image, IDs: b.producerIDs, Peers: b.peers, CreateTopic: deps.Topics.CreateInternal(image.TransactionState),
		Open: func(ctx context.Context, k partition.Key) (coordinator.Log, error) { return led.await(ctx, k) }, Mark: b.queueMarker,
	})
	b.count.init()
	return b, nil
}

// Peers asks the other brokers of the cluster. It works while the broker runs.
func (b *Broker) Peers() *peer.Client { return b.peers }
