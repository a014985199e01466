package control

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"weir/control/reconcile"
	"weir/metadata"
)

// Config of a Controller. A zero field means its default. The timeouts count from the start of the step, or from the start of the
// controller when that was later: time in which nobody worked on the step is not held against it.
type Config struct {
	CreateTimeout time.Duration // until all brokers of a new cluster serve; default 2 minutes
	RebootTimeout time.Duration // until a restarted broker serves again; default 5 minutes, which is for recovering a long log
	// RollPace is how long a rolling restart gives clients between the beginnings of two brokers' turns, so that they have met again with one broker
	// before the next is restarted; default 1.5 seconds.
	RollPace      time.Duration
	DeleteTimeout time.Duration // until the machines have removed a cluster's brokers; default 5 minutes
	HealingAfter  time.Duration // how long a broker may be down before its cluster is in HEALING and it is replaced; default 2 seconds
	ReplaceAgain  time.Duration // between two replacements of a broker that does not start; default 1 minute
	// TakeOverAfter is how long a broker may be down before the other brokers of its cluster take over what it leads, if it cannot be started; default 10
	// seconds.
	TakeOverAfter time.Duration
	// StartingAfter is how long a broker that is down may be starting before its cluster is in HEALING; default 20 seconds.
	StartingAfter time.Duration
	ApplyTimeout  time.Duration // until running brokers have taken over new settings; default 1 minute
	StopTimeout   time.Duration // until the brokers of a cluster that is being stopped have ended; default 5 minutes
	// MoveTimeout is how long no partition may move while a broker is emptied or filled; default 10 minutes. However many there are to move, it
	// may take as long as it takes while they do.
	MoveTimeout time.Duration
	Queue       reconcile.Config
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.CreateTimeout, 2*time.Minute)
	set(&c.RebootTimeout, 5*time.Minute)
	set(&c.RollPace, 1500*time.Millisecond)
	set(&c.DeleteTimeout, 5*time.Minute)
	set(&c.HealingAfter, 2*time.Second)
	set(&c.ReplaceAgain, time.Minute)
	set(&c.TakeOverAfter, 10*time.Second)
	set(&c.StartingAfter, 20*time.Second)
	set(&c.ApplyTimeout, time.Minute)
	set(&c.StopTimeout, 5*time.Minute)
	set(&c.MoveTimeout, 10*time.Minute)
	return c
}

// Controller reconciles all clusters of all accounts.
type Controller struct {
	cfg   Config
	store metadata.Store
	log   *slog.Logger
	queue *reconcile.Queue[string] // of keys of Cluster records
	trace func(stepName)           // of steps that were committed; nil outside tests

	outdated *reconcile.Queue[string] // of keys of clusters whose old operations are to be looked for
	changes  map[string]int           // of operations since the last look, by the cluster's key; of watchAccounts
	erasing  *reconcile.Queue[string] // of keys of secrets that are to be erased some time

	mu       sync.Mutex
	clusters map[string]indexed // by uuid
}

// New returns a Controller that works once Run is called.
func New(cfg Config, store metadata.Store, log *slog.Logger) *Controller {
	return &Controller{cfg: cfg.withDefaults(), store: store, log: log, clusters: make(map[string]indexed), changes: make(map[string]int)}
}

// Run reconciles until ctx ends, and returns after everything it started has ended. It survives an unavailable store.
// Run may be called once.
func (c *Controller) Run(ctx context.Context) error {
	started := time.Now()
	c.queue = reconcile.NewQueue(c.cfg.Queue, c.log, func(ctx context.Context, key string) (reconcile.Result, error) {
		return c.reconcile(ctx, key, started)
	})
	alone := reconcile.Config{Workers: 1, RetryMin: c.cfg.Queue.RetryMin, RetryMax: c.cfg.Queue.RetryMax}
	c.outdated = reconcile.NewQueue(alone, c.log, c.collect)
	c.erasing = reconcile.NewQueue(alone, c.log, c.erase)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.queue.Run(gctx) })
	g.Go(func() error { return c.outdated.Run(gctx) })
	g.Go(func() error { return c.erasing.Run(gctx) })
	g.Go(func() error { return c.watchAccounts(gctx) })
	g.Go(func() error { return c.watchNodes(gctx) })
	g.Go(func() error { return c.watchSessions(gctx) })
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// stepsPerPass bounds how many steps one call of reconcile takes before it lets other clusters in.
const stepsPerPass = 8

// reconcile looks at one cluster and takes the steps that can be taken now.
func (c *Controller) reconcile(ctx context.Context, key string, started time.Time) (reconcile.Result, error) {
	for range stepsPerPass {
		o, ok, err := observe(ctx, c.store, key)
		if err != nil || !ok {
			return reconcile.Result{}, err
		}
		o.now, o.started = time.Now(), started
		s, after := plan(o, c.cfg)
		if s == nil {
			return reconcile.Result{RequeueAfter: after}, nil
		}
		if _, err := c.store.Commit(ctx, s.txn); err != nil {
			return reconcile.Result{}, fmt.Errorf("cluster %s: %s: %w", o.cluster.Name, s.name, err)
		}
		if c.trace != nil {
			c.trace(s.name)
		}
		c.log.Info("cluster step taken", "cluster", o.cluster.Name, "step", string(s.name), "state", string(s.state),
			"operation", o.cluster.Operation, "dur", o.now.Sub(o.stepStart()))
	}
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil
}
