package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"weir/kafka/broker"
	"weir/kafka/image"
	"weir/kafka/logger"
	"weir/kafka/ownership"
	"weir/kafka/topic"
	"weir/metadata/etcd"
	"weir/node"
	"weir/storage/buffer"
	"weir/storage/disk"
	"weir/storage/tier"
)

// RunBroker is the role of one broker process: the hand-over file at config says which. It runs until ctx ends or until nobody looks after it any
// more (see orphan.go). A successor first stands by while another process serves (see succession.go). A recoverer serves nobody (see recoverer.go).
func RunBroker(ctx context.Context, config string) (err error) {
	h, err := node.ReadHandover(config)
	if err != nil {
		return problem("the broker cannot start", err, "brokers are started by weir up")
	}
	t := &turn{h: h}
	if !h.Successor {
		if err := t.claim(); err != nil {
			return err
		}
		defer t.release()
	}
	logs, err := openLog(node.LogPath(h.Dir))
	if err != nil {
		return err
	}
	defer logs.Close()
	level := slog.LevelInfo
	if h.LogLevel != "" {
		if err := level.UnmarshalText([]byte(h.LogLevel)); err != nil {
			return fmt.Errorf("log level of the broker: %w", err)
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	loggers := logger.New(level)
	log := slog.New(loggers.Handler(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: logger.Trace}))).With("cluster", h.ClusterName)
	log.Info("broker starting", "broker", h.Broker, "version", Version, "pid", os.Getpid(), "successor", h.Successor, "recoverer", h.Recoverer)
	if h.Successor {
		if err := t.standBy(); err != nil {
			return err
		}
		defer t.end()
	}
	err = ended(ctx, runBroker(ctx, t, log, loggers))
	switch {
	case errors.Is(err, errRecovered):
		log.Info("recoverer ends, other brokers lead what the broker led", "broker", h.Broker)
		return &Problem{What: "the broker's partitions are led by other brokers", Code: node.ExitRecovered, Err: err}
	case err != nil:
		log.Error("broker ends", "broker", h.Broker, "err", err)
	default:
		log.Info("broker stopped", "broker", h.Broker, "pid", os.Getpid())
	}
	return err
}

// gcPercent is how much garbage a broker gathers before it collects, as a share of what it uses. Most of what it uses is records, which the
// collector does not look into, so that collecting more often than Go's default of 100 costs next to nothing: after a load over 5,000 partitions
// the process takes 204 MB instead of 283.
const gcPercent = 40

func runBroker(ctx context.Context, t *turn, log *slog.Logger, loggers *logger.Levels) (err error) {
	h := t.h
	store, err := etcd.Dial(h.Metadata, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx, orphaned := context.WithCancelCause(ctx)
	defer orphaned(nil)
	watch := newOrphanWatch(store, log)

	// The lower half serves the upper one, and so ends after it.
	lowerCtx, stopLower := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLower()
	lower, lowerCtx := errgroup.WithContext(lowerCtx)
	defer func() {
		stopLower()
		if e := lower.Wait(); err == nil {
			err = e
		}
	}()
	upper, upperCtx := errgroup.WithContext(ctx)
	upper.Go(func() error {
		if watch.run(upperCtx) {
			orphaned(errOrphaned)
		}
		return nil
	})

	tiers, err := tier.Parse(h.Storage)
	if err != nil {
		return fmt.Errorf("storage settings of the broker: %w", err)
	}
	files := disk.OS(h.Dir)
	config := ownership.Config{Cluster: h.Cluster, Broker: h.Broker, Rack: h.Rack, Properties: h.Properties, Tier: tiers}
	limits, err := budgetFor(h, files)
	if err != nil {
		return fmt.Errorf("budget of the broker: %w", err)
	}
	limits.apply(&config)
	log.Info("budget", "memory_bytes", limits.memory, "tail_bytes", limits.tail, "journal_bytes", limits.journal)
	buffers := buffer.NewPool(limits.free)
	live := image.New(store, h.Cluster)
	lower.Go(func() error { return ended(lowerCtx, live.Run(lowerCtx)) })
	if err := t.await(upperCtx, live); err != nil {
		orphaned(nil)
		return errors.Join(err, upper.Wait())
	}
	config.TakeOver, config.Recover = t.standby != nil, h.Recoverer
	owner, err := ownership.Acquire(upperCtx, config, ownership.Deps{Log: log, Store: store, Image: live, Disk: files, Pool: buffers})
	if err != nil {
		orphaned(nil)
		return errors.Join(err, upper.Wait())
	}
	lower.Go(func() error {
		defer t.release() // all that is done to the broker's directory is done
		return owner.Run(lowerCtx)
	})

	upper.Go(func() error { // what is below failed: nothing can be served
		select {
		case <-lowerCtx.Done():
			return errLowerEnded
		case <-upperCtx.Done():
			return nil
		}
	})
	if h.Recoverer {
		upper.Go(func() error { return recoverBroker(upperCtx, h, log, live, owner) })
		return joinHalves(upper)
	}
	metrics := &brokerMetrics{owner: owner, budget: limits}
	upper.Go(func() error { return serveBroker(upperCtx, t, log, loggers, store, live, metrics, buffers) })
	return joinHalves(upper)
}

// joinHalves waits for the upper half.
func joinHalves(upper *errgroup.Group) error {
	err := upper.Wait()
	if errors.Is(err, errLowerEnded) {
		return nil // lower.Wait has the reason
	}
	return err
}

var errLowerEnded = errors.New("the broker's log or metadata ended")

func serveBroker(
	ctx context.Context, t *turn, log *slog.Logger, loggers *logger.Levels, store *etcd.Store, live *image.Live, metrics *brokerMetrics, buffers *buffer.Pool,
) error {
	h := t.h
	owner, registry := metrics.owner, newRegistry(metrics)
	topics := topic.New(
		topic.Config{Cluster: h.Cluster, Broker: h.Broker, Properties: h.Properties},
		topic.Deps{Store: store, Image: live, Log: log},
	)
	compaction := func(*image.Image) { owner.Compactor().Configure(metrics.budget.compaction(topics.Layers())) }
	defer live.OnChange(compaction)()
	compaction(nil) // whatever came before OnChange
	b, err := broker.New(broker.Config{
		Cluster: h.Cluster, ClusterID: h.ClusterID, Broker: h.Broker, Rack: h.Rack, Endpoints: h.Endpoints, Properties: h.Properties,
		LogDir: h.Dir, KafkaVersion: h.KafkaVersion, Limits: metrics.budget.limits(),
	}, broker.Deps{Log: log, Store: store, Image: live, Leaders: owner.Leaders(), Topics: topics, Storage: owner, Buffers: buffers, Loggers: loggers, Registerer: registry})
	if err != nil {
		return err
	}
	showKafkaMetrics(b.KafkaMetrics(), h.Broker, owner, live)
	listeners, err := t.listeners()
	if err != nil {
		return err
	}
	relay := newRelay(h, listeners, log)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.Run(gctx, listeners) })
	g.Go(func() error {
		_ = owner.Move(gctx, b.Peers()) // it ends with gctx only
		return nil
	})
	g.Go(func() error { balancePartitions(gctx, h, log, store, live, topics, b.Peers(), registry); return nil })
	g.Go(func() error { metrics.watchHealth(gctx, log, b.SetJournalShare); return nil })
	r := &reporter{cluster: h.Cluster, id: h.Broker, log: log, store: store, live: live, tiers: owner.Tiers(), broker: b}
	g.Go(func() error { r.run(gctx); return nil })
	g.Go(func() error { serveMetrics(gctx, h, log, registry); return nil })
	g.Go(func() error { relay.run(gctx); return nil })
	g.Go(func() error {
		if err := owner.MarkReady(gctx, h.Endpoints); err != nil {
			return ended(gctx, err)
		}
		node.NotifyReady(h)
		log.Info("broker serves", "broker", h.Broker, "pid", os.Getpid())
		giveBack()
		return nil
	})
	err = g.Wait()
	if err == nil && relay.hasSuccessor() {
		owner.LeaveSession(context.WithoutCancel(ctx))
		log.Info("broker leaves its session to its successor", "broker", h.Broker)
	}
	return err
}

// startHeapMax is how much memory a start may leave behind as it is: to collect it would cost more than it is worth.
const startHeapMax = 16 << 20

// giveBack gives the system the memory that starting took and serving does not need: with many partitions, reading the log and the metadata leaves
// garbage that an idle broker would hold for minutes.
func giveBack() {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc > startHeapMax {
		debug.FreeOSMemory()
	}
}
