// Package dataplane is how the control plane speaks Kafka to the brokers of its clusters: what it says about topics is what the brokers say at
// that moment. Clients has one connection pool per cluster, made at its first use and closed when nobody has used it for a while.
//
// # Non-obvious
//
//   - Everything is asked of the broker that clients are told is the controller, reads too. Any broker would answer, from its own image of the
//     metadata, which may be behind by milliseconds; Kafka's tools write through the controller as well, so a read there sees what they wrote.
//   - Writes are not sent twice. A connection that breaks leaves open whether the broker did it, and a second CreateTopics would then say that
//     the topic exists, which its creator would take for somebody else's.
//   - A cluster's addresses change when its brokers do. The pool remembers which addresses it was made for, and is replaced when the cluster's
//     record has others; calls that are under way end on the old one.
package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/control/resource"
)

// clientID is the name under which the control plane is seen by brokers.
const clientID = "weir-control"

// Config is what may be set; the zero value has the defaults.
type Config struct {
	Listener string        // whose addresses are used; default CLIENT
	Idle     time.Duration // after which a pool is closed; default a minute
	Timeout  time.Duration // of one call of Use; default 15 s
}

// Bounds of a single attempt within Config.Timeout.
const (
	idleDefault    = time.Minute
	timeoutDefault = 15 * time.Second
	dialTimeout    = 2 * time.Second
	retryTimeout   = 5 * time.Second
	// connIdle is short so that connections to a broker that was restarted meanwhile are seldom met: writes fail on them.
	connIdle = 5 * time.Second
)

// ErrClosed is returned after Run has ended.
var ErrClosed = errors.New("dataplane: closed")

// ErrNoAddress means that the cluster has no broker with the listener.
var ErrNoAddress = errors.New("dataplane: the cluster has no addresses")

// Clients are the pools of all clusters. Safe for concurrent use.
type Clients struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	closed bool
	pools  map[string]*pool // by the cluster's uuid
	stale  []*pool          // replaced while nobody used them; Run closes them
	// users counts pools in use, so that Run can wait for them.
	users sync.WaitGroup
}

// pool is the connections to one cluster.
type pool struct {
	client *kgo.Client
	seeds  []string
	users  int
	last   time.Time // when the last user left
	stale  bool      // replaced while in use: the last user closes it
}

// New returns no pools yet. Run must run for as long as they are used.
func New(cfg Config, log *slog.Logger) *Clients {
	if cfg.Listener == "" {
		cfg.Listener = "CLIENT"
	}
	if cfg.Idle == 0 {
		cfg.Idle = idleDefault
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = timeoutDefault
	}
	return &Clients{cfg: cfg, log: log, pools: make(map[string]*pool)}
}

// Run closes pools that are idle until ctx ends, then waits for those in use and closes all.
func (c *Clients) Run(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.Idle / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			closeAll(c.takeIdle(time.Now()))
		case <-ctx.Done():
			c.mu.Lock()
			c.closed = true
			c.mu.Unlock()
			c.users.Wait()
			closeAll(c.takeIdle(time.Time{}))
			return ctx.Err()
		}
	}
}

// takeIdle removes the pools that nobody has used for long; all that have no user for the zero time.
func (c *Clients) takeIdle(now time.Time) []*pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	idle := c.stale
	c.stale = nil
	for uuid, p := range c.pools {
		if p.users == 0 && (now.IsZero() || now.Sub(p.last) >= c.cfg.Idle) {
			delete(c.pools, uuid)
			idle = append(idle, p)
		}
	}
	return idle
}

func closeAll(ps []*pool) {
	for _, p := range ps {
		p.client.Close()
	}
}

// Use calls fn with the cluster's brokers, and a context that ends after Config.Timeout. fn must not keep what it is given.
func (c *Clients) Use(ctx context.Context, cluster *resource.Cluster, fn func(context.Context, *Brokers) error) error {
	p, err := c.acquire(cluster)
	if err != nil {
		return err
	}
	defer c.release(p)
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	err = fn(ctx, &Brokers{client: p.client, timeout: c.cfg.Timeout})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err) // the client may have said something else last
	}
	return err
}

// Seeds are the addresses of the cluster's brokers on the listener.
func (c *Clients) Seeds(cluster *resource.Cluster) []string {
	var seeds []string
	for _, n := range cluster.Nodes {
		for _, e := range n.Endpoints {
			if e.Name == c.cfg.Listener {
				seeds = append(seeds, net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))))
			}
		}
	}
	return seeds
}

func (c *Clients) acquire(cluster *resource.Cluster) (*pool, error) {
	seeds := c.Seeds(cluster)
	if len(seeds) == 0 {
		return nil, ErrNoAddress
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	p, ok := c.pools[cluster.UUID]
	if ok && !slices.Equal(p.seeds, seeds) {
		if p.users == 0 { // closed by Run: it must not happen under the lock
			c.stale = append(c.stale, p)
		}
		p.stale, ok = true, false
	}
	if !ok {
		client, err := kgo.NewClient(
			kgo.SeedBrokers(seeds...),
			kgo.ClientID(clientID),
			kgo.DialTimeout(dialTimeout),
			kgo.RetryTimeout(retryTimeout),
			kgo.ConnIdleTimeout(connIdle),
			kgo.RequestTimeoutOverhead(c.cfg.Timeout),
			kgo.MetadataMaxAge(time.Hour), // nothing is consumed or produced, so nothing depends on its age
			kgo.DisableClientMetrics(),
		)
		if err != nil {
			return nil, fmt.Errorf("make a client for cluster %s: %w", cluster.UUID, err)
		}
		c.log.Debug("made a client", "cluster", cluster.UUID)
		p = &pool{client: client, seeds: seeds}
		c.pools[cluster.UUID] = p
	}
	p.users++
	c.users.Add(1)
	return p, nil
}

func (c *Clients) release(p *pool) {
	c.mu.Lock()
	p.users--
	p.last = time.Now()
	end := p.stale && p.users == 0
	c.mu.Unlock()
	if end {
		p.client.Close()
	}
	c.users.Done()
}

// Unreachable tells whether err means that no broker could be talked to, as opposed to a broker that refused.
func Unreachable(err error) bool {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return errors.Is(err, ErrNoAddress) || errors.Is(err, errNoController) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || kgo.IsRetryableBrokerErr(err)
}
