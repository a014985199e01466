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
	RebootTimeout time.Duration // until a rebooted broker serves again; default 5 minutes, which is for recovering a long log
	DeleteTimeout time.Duration // until the machines have removed a cluster's brokers; default 5 minutes
	HealingAfter  time.Duration // how long a broker may be down before its cluster is in HEALING; default 2 seconds
	Queue         reconcile.Config
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.CreateTimeout, 2*time.Minute)
	set(&c.RebootTimeout, 5*time.Minute)
	set(&c.DeleteTimeout, 5*time.Minute)
	set(&c.HealingAfter, 2*time.Second)
	return c
}

// Controller reconciles all clusters of all accounts.
type Controller struct {
	cfg   Config
	store metadata.Store
	log   *slog.Logger
	queue *reconcile.Queue[string] // of keys of Cluster records

	mu       sync.Mutex
	clusters map[string]string // uuid -> key of the Cluster record
}

// New returns a Controller that works once Run is called.
func New(cfg Config, store metadata.Store, log *slog.Logger) *Controller {
	return &Controller{cfg: cfg.withDefaults(), store: store, log: log, clusters: make(map[string]string)}
}

// Run reconciles until ctx ends, and returns after everything it started has ended. It survives an unavailable store.
// Run may be called once.
func (c *Controller) Run(ctx context.Context) error {
	started := time.Now()
	c.queue = reconcile.NewQueue(c.cfg.Queue, c.log, func(ctx context.Context, key string) (reconcile.Result, error) {
		return c.reconcile(ctx, key, started)
	})
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.queue.Run(gctx) })
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
		c.log.Info("cluster step taken", "cluster", o.cluster.Name, "step", string(s.name), "state", string(s.state),
			"operation", o.cluster.Operation, "dur", o.now.Sub(o.stepStart()))
	}
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil
}
