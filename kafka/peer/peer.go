package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/metadata"
)

// Config says whose Client it is. A zero Timeout means its default.
type Config struct {
	Broker  metadata.BrokerID
	Timeout time.Duration // of one remote request, beyond its context's; 10 s
}

// ClientID is the client id of brokers' own requests.
const ClientID = "weir-broker"

const (
	requestTimeout = 10 * time.Second
	dialTimeout    = 3 * time.Second
	idleTimeout    = 5 * time.Minute // of a connection; a broker closes idle ones after ten
)

// Deps are what a Client works with.
type Deps struct {
	Image *image.Live
	// Self executes a request to this broker itself. It sets the request's version.
	Self func(ctx context.Context, req kmsg.Request) (kmsg.Response, error)
}

// Client sends requests to brokers of the cluster, by id. It is safe for concurrent use.
type Client struct {
	cfg  Config
	deps Deps

	mu      sync.Mutex
	closed  bool
	remotes map[metadata.BrokerID]*remote
}

// remote is a broker that was asked something.
type remote struct {
	addr   string
	client *kgo.Client
}

// New returns a Client that has no connections.
func New(cfg Config, deps Deps) *Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = requestTimeout
	}
	return &Client{cfg: cfg, deps: deps}
}

// Run closes what is not used any more until ctx ends; then it ends all requests to other brokers and closes their connections.
func (c *Client) Run(ctx context.Context) error {
	defer c.deps.Image.OnChange(c.prune)()
	<-ctx.Done()
	c.mu.Lock()
	remotes := c.remotes
	c.remotes, c.closed = nil, true
	c.mu.Unlock()
	for _, r := range remotes {
		r.client.Close()
	}
	return ctx.Err()
}

// prune closes the connections of brokers that are gone or have moved.
func (c *Client) prune(img *image.Image) {
	var unused []*remote
	c.mu.Lock()
	for id, r := range c.remotes {
		if addr, ok := address(img, id); !ok || addr != r.addr {
			delete(c.remotes, id)
			unused = append(unused, r)
		}
	}
	c.mu.Unlock()
	for _, r := range unused {
		r.client.Close()
	}
}

// address is where the broker's first endpoint is, if it serves, or that of its recoverer.
func address(img *image.Image, id metadata.BrokerID) (string, bool) {
	s, ok := img.Broker(id)
	ok = ok && s.Ready
	if !ok {
		s, ok = img.Recoverer(id)
	}
	if !ok || len(s.Endpoints) == 0 {
		return "", false
	}
	e := s.Endpoints[0]
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))), true
}

// Request sends req to the broker, in the newest version that both know, and waits for its response. It modifies req's version, so that a request is
// not for two brokers. Errors are BROKER_NOT_AVAILABLE, wrapped, for a broker that is not there, does not answer in time or breaks the
// connection, and those of ctx. Error codes in the response are the caller's to look at.
func (c *Client) Request(ctx context.Context, to metadata.BrokerID, req kmsg.Request) (kmsg.Response, error) {
	if to == c.cfg.Broker {
		return c.deps.Self(ctx, req)
	}
	client, err := c.remote(to)
	if err != nil {
		return nil, fmt.Errorf("ask broker %d: %s: %w", to, kmsg.NameForKey(req.Key()), err)
	}
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	resp, err := client.SeedBrokers()[0].Request(limited, req)
	switch {
	case err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("ask broker %d: %s: %w", to, kmsg.NameForKey(req.Key()), context.Cause(ctx))
	default:
		return nil, fmt.Errorf("ask broker %d: %s: %w: %w", to, kmsg.NameForKey(req.Key()), kerr.BrokerNotAvailable, err)
	}
}

var errClosed = errors.New("this broker stops")

// remote returns the client of the broker, which has one seed.
func (c *Client) remote(id metadata.BrokerID) (*kgo.Client, error) {
	addr, ok := address(c.deps.Image.Current(), id)
	if !ok {
		return nil, kerr.BrokerNotAvailable
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, fmt.Errorf("%w: %w", kerr.BrokerNotAvailable, errClosed)
	}
	old := c.remotes[id]
	if old != nil && old.addr == addr {
		c.mu.Unlock()
		return old.client, nil
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(addr),
		kgo.ClientID(ClientID),
		kgo.DialTimeout(dialTimeout),
		kgo.ConnIdleTimeout(idleTimeout),
		kgo.MetadataMaxAge(time.Hour), // its most; it is asked for nothing but what is sent
		kgo.DisableClientMetrics(),
	)
	if err == nil {
		if c.remotes == nil {
			c.remotes = make(map[metadata.BrokerID]*remote)
		}
		c.remotes[id] = &remote{addr: addr, client: client}
	}
	c.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kerr.BrokerNotAvailable, err)
	}
	if old != nil {
		old.client.Close()
	}
	return client, nil
}
