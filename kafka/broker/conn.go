package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/semaphore"

	"weir/kafka/quota"
	"weir/kafka/wire"
	"weir/storage/buffer"
)

// Request is one decoded request with what its handler may need of its connection.
type Request struct {
	Body          kmsg.Request // its version is set
	ClientID      string
	CorrelationID int32
	ClientHost    string // address of the peer, without port
	Listener      string // name of the listener it came in on

	conn    *conn
	produce *produceOp     // produce: the request itself; Body has only its version
	input   *buffer.Buffer // produce: where it lies; the starter owns this reference
	charge  int64          // produce: what it took from the produce budget; the starter owns it

	began     time.Time        // when its last byte was read
	busy      time.Duration    // what its handler took, without waiting
	mutations *quota.Mutations // nil: of the cluster's partitions, as many as it likes
}

// conn is one client connection: a read loop and an ordered write loop, both ended and waited for by run.
type conn struct {
	b        *Broker
	nc       net.Conn
	listener string
	addr     netip.Addr
	host     string
	client   string        // the last request's client id
	software [2]string     // of the read loop: name and version that the client gave (KIP-511)
	in       *bufio.Reader // small: bodies that are larger than it are read past it, straight to where they stay
	paced    time.Time     // when frames were last looked at for how fast they come
	frames   int           // since then
	sizes    int           // of them together

	slots chan struct{}       // one per request in flight
	bytes *semaphore.Weighted // of requests in flight
	queue chan pending        // in order of requests; never full, because slots are fewer
	out   net.Buffers         // of the write loop: scratch
	part  net.Buffers         // of the write loop: scratch
	files []buffer.Range      // of the write loop: scratch
	spent phases              // of the write loop: scratch
	raw   syscall.RawConn     // of the write loop: nil if nothing can be sent from files
	skips int                 // of the write loop: how often fetches went without what lies on the disk, since they did not

	stats *listenerMetrics

	muting

	mu      sync.Mutex
	stopped bool  // no more requests are read
	err     error // why the connection was closed, the first reason
	cancel  context.CancelFunc

	lost chan struct{} // closed by fail
	done chan struct{} // closed when run returns
}

// pending is a reply in the queue with what it holds.
type pending struct {
	reply
	key     int16
	started time.Time
	local   time.Duration // from then on until its handler returned
	framed  time.Time     // when its answer was complete, and its turn
	charge  int64         // of the request budget
	size    int64         // of conn.bytes
}

// timed is a reply that knows better than its pending where the time went.
type timed interface {
	// phases takes what its pending knows and fills in the rest.
	phases(*phases)
}

func newConn(b *Broker, nc net.Conn, listener string, addr netip.Addr) *conn {
	return &conn{
		b:        b,
		nc:       nc,
		listener: listener,
		addr:     addr,
		host:     addr.String(),
		in:       bufio.NewReaderSize(nc, quietRead),
		slots:    make(chan struct{}, b.cfg.Limits.ConnRequestsMax),
		bytes:    semaphore.NewWeighted(b.cfg.Limits.ConnBytesMax),
		queue:    make(chan pending, b.cfg.Limits.ConnRequestsMax),
		lost:     make(chan struct{}),
		done:     make(chan struct{}),
		raw:      rawOf(nc),
		stats:    b.kafka.listener(listener),
	}
}

var (
	errUnsupported = errors.New("key or version not served")
	errSlow        = errors.New("frame came or went too slowly")
	errIdle        = errors.New("idle for too long")
	errStopped     = errors.New("no more requests are read")
	errBusy        = errors.New("no memory for a large request in time")
)

// run serves the connection until the client or fail closes it, or stop was called and all answers are written.
// It returns after both loops did.
func (c *conn) run(ctx context.Context) {
	defer close(c.done)
	// Handlers and waiting fetches end when reading stops. Not a child of ctx: the broker's end comes through stop, in order.
	hctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	c.mu.Lock()
	c.cancel = cancel
	stopped := c.stopped
	c.mu.Unlock()
	if stopped {
		cancel()
	}
	var writer sync.WaitGroup
	writer.Go(func() { c.writeLoop(hctx) })
	err := c.readLoop(hctx)
	close(c.queue)
	if !errors.Is(err, errStopped) {
		c.fail(err)
	}
	writer.Wait()
	c.b.shares.connectionLost(c)
	c.fail(io.EOF)
	c.report()
}

// report logs why the connection ended, if it was not the client's or our own wish.
func (c *conn) report() {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	switch {
	case errors.Is(err, wire.ErrMalformed):
		c.b.metrics.malformed.Inc()
	case errors.Is(err, errUnsupported):
		c.b.metrics.unsupported.Inc()
	case errors.Is(err, errSlow):
		c.b.metrics.slowClients.Inc()
	case errors.Is(err, errIdle):
		c.stats.idle.Add(1)
	}
	if !errors.Is(err, io.EOF) {
		c.b.log.Debug("connection closed", "client", c.host, "listener", c.listener, "err", err)
	}
}

// stop ends reading: requests that were read are still answered.
func (c *conn) stop() {
	c.mu.Lock()
	c.stopped = true
	cancel := c.cancel
	c.mu.Unlock()
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed
	if cancel != nil {
		cancel()
	}
}

// fail closes the connection at once. Only the first reason is kept.
func (c *conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	cancel := c.cancel
	c.mu.Unlock()
	if !first {
		return
	}
	close(c.lost)
	_ = c.nc.Close() // nothing more can be done about it
	if cancel != nil {
		cancel()
	}
}

func (c *conn) isStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// readLoop reads and begins requests until the connection ends.
func (c *conn) readLoop(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = c.panicked(p)
		}
	}()
	for {
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return errStopped
		}
		if c.isStopped() {
			return errStopped // whatever is in the buffer was not begun
		}
		p, err := c.next(ctx)
		if err != nil {
			if c.isStopped() {
				return errStopped
			}
			return err
		}
		c.queue <- p
	}
}

func (c *conn) panicked(p any) error {
	c.b.metrics.panics.Inc()
	c.b.log.Error("handler panicked", "client", c.host, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
	return fmt.Errorf("handler panicked: %v", p)
}

// next reads one request and begins to answer it.
func (c *conn) next(ctx context.Context) (p pending, err error) {
	size, err := c.awaitFrame()
	if err != nil {
		return p, err
	}
	if err := c.awaitUnmuted(ctx); err != nil {
		return p, err
	}
	head, err := c.peek(4 + wire.MinFrame)
	if err != nil {
		return p, err
	}
	start := wire.ParseStart(head[4:])
	_, _ = c.in.Discard(len(head)) // it was peeked

	p = pending{key: start.Key, size: min(int64(size), c.b.cfg.Limits.ConnBytesMax)}
	if err := c.bytes.Acquire(ctx, p.size); err != nil {
		return p, errStopped
	}
	row := c.b.apis.find(start.Key)
	if row == nil || !row.serves(start.Version) {
		if start.Key != apiVersionsKey {
			return p, fmt.Errorf("%w: %s version %d", errUnsupported, kmsg.NameForKey(start.Key), start.Version)
		}
		// The client does not know yet what we serve (KIP-511). Whatever it sent is not looked at.
		if err := c.discard(size - wire.MinFrame); err != nil {
			return p, err
		}
		p.started = time.Now()
		p.reply = c.b.apiVersionsFallback(start.CorrelationID)
		return p, nil
	}
	var r *Request
	if start.Key == produceKey {
		r = &c.newProduce(start).r
	} else {
		r = &Request{CorrelationID: start.CorrelationID, ClientHost: c.host, Listener: c.listener, conn: c}
		r.Body, _ = wire.NewRequest(start.Key, start.Version)
	}
	defer func() {
		if p.reply == nil { // an error or a panic
			c.b.requestBudget.give(p.charge)
		}
	}()
	if start.Key == produceKey {
		err = c.readProduce(ctx, r, size-wire.MinFrame)
	} else {
		p.charge, err = c.readOther(ctx, r, size-wire.MinFrame)
	}
	c.b.metrics.bytesIn.Add(float64(size + 4))
	if err != nil {
		return p, err
	}
	c.stats.requests.Mark(1)
	c.stats.bytesIn.Mark(int64(size + 4))
	c.b.kafka.read(start.Key, start.Version, size)
	p.started = time.Now()
	r.began = p.started
	p.reply = c.b.begin(ctx, row, r)
	p.local = time.Since(p.started)
	return p, nil
}

// begin calls the row's handler.
func (b *Broker) begin(ctx context.Context, row *api, r *Request) reply {
	if row.start != nil {
		return row.start(b, ctx, r)
	}
	if row.later != nil {
		l := b.beginLater(ctx, row, r)
		r.busy = time.Since(r.began)
		return l
	}
	resp := row.handle(b, ctx, r)
	if !waits(r.Body.Key()) {
		r.busy = time.Since(r.began)
	}
	resp.SetVersion(r.Body.GetVersion())
	b.throttleResponse(r, resp)
	return encode(r, resp)
}

// clientID is a request's client id as a string. It is the same for all requests of a connection, nearly always.
func (c *conn) clientID(b []byte) string {
	if c.client != string(b) {
		c.client = string(b)
	}
	return c.client
}
