package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/semaphore"

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

	conn   *conn
	input  *buffer.Buffer // produce: where Body lies; the starter owns this reference
	charge int64          // produce: what it took from the produce budget; the starter owns it
}

// conn is one client connection: a read loop and an ordered write loop, both ended and waited for by run.
type conn struct {
	b        *Broker
	nc       net.Conn
	listener string
	addr     netip.Addr
	host     string
	in       *bufio.Reader // small: bodies that are larger than it are read past it, straight to where they stay

	slots chan struct{}       // one per request in flight
	bytes *semaphore.Weighted // of requests in flight
	queue chan pending        // in order of requests; never full, because slots are fewer

	mu       sync.Mutex
	stopped  bool  // no more requests are read
	err      error // why the connection was closed, the first reason
	cancel   context.CancelFunc
	canceled bool

	lost chan struct{} // closed by fail
	done chan struct{} // closed when run returns
}

// pending is a reply in the queue with what it holds.
type pending struct {
	reply
	key     int16
	started time.Time
	charge  int64 // of the request budget
	size    int64 // of conn.bytes
}

func newConn(b *Broker, nc net.Conn, listener string, addr netip.Addr) *conn {
	return &conn{
		b:        b,
		nc:       nc,
		listener: listener,
		addr:     addr,
		host:     addr.String(),
		in:       bufio.NewReaderSize(nc, 4<<10),
		slots:    make(chan struct{}, b.cfg.Limits.ConnRequestsMax),
		bytes:    semaphore.NewWeighted(b.cfg.Limits.ConnBytesMax),
		queue:    make(chan pending, b.cfg.Limits.ConnRequestsMax),
		lost:     make(chan struct{}),
		done:     make(chan struct{}),
	}
}

var (
	errUnsupported = errors.New("key or version not served")
	errSlow        = errors.New("frame came or went too slowly")
	errIdle        = errors.New("idle for too long")
	errStopped     = errors.New("no more requests are read")
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
	c.nc.SetReadDeadline(time.Unix(1, 0))
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
	c.nc.Close()
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
	head, err := c.peek(4 + wire.MinFrame)
	if err != nil {
		return p, err
	}
	start := wire.ParseStart(head[4:])
	c.in.Discard(len(head))

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
	r := &Request{CorrelationID: start.CorrelationID, ClientHost: c.host, Listener: c.listener, conn: c}
	r.Body, _ = wire.NewRequest(start.Key, start.Version)
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
	p.started = time.Now()
	p.reply = c.b.begin(ctx, row, r)
	return p, nil
}

// begin calls the row's handler.
func (b *Broker) begin(ctx context.Context, row *api, r *Request) reply {
	if row.start != nil {
		return row.start(b, ctx, r)
	}
	resp := row.handle(b, ctx, r)
	resp.SetVersion(r.Body.GetVersion())
	return encode(r, resp)
}

// readProduce reads the rest of a produce request into a pooled buffer, once there is room for it in the produce budget: a broker whose
// disk does not keep up stops reading, and TCP tells the producers.
func (c *conn) readProduce(ctx context.Context, r *Request, n int) (err error) {
	r.charge, err = c.b.produceBudget.take(ctx, int64(buffer.CapFor(n)))
	if err != nil {
		return errStopped
	}
	r.input = c.b.buffers.Get(n)
	defer func() {
		if err != nil {
			r.input.Release()
			c.b.produceBudget.give(r.charge)
		}
	}()
	if err := c.readFull(r.input.Bytes()); err != nil {
		return err
	}
	client, body, err := wire.ParseRest(r.input.Bytes(), r.Body.IsFlexible())
	if err != nil {
		return err
	}
	r.ClientID = string(client)
	return c.b.decoder.DecodeInPlace(r.Body, body)
}

// readOther reads the rest of any other request into memory of its own, which handlers may keep.
func (c *conn) readOther(ctx context.Context, r *Request, n int) (charge int64, err error) {
	charge, err = c.b.requestBudget.take(ctx, int64(n))
	if err != nil {
		return 0, errStopped
	}
	// A length is only a claim: memory is taken as bytes come.
	frame := make([]byte, 0, min(n, 64<<10))
	for len(frame) < n {
		if len(frame) == cap(frame) {
			frame = append(make([]byte, 0, min(n, 2*cap(frame))), frame...)
		}
		at := len(frame)
		frame = frame[:cap(frame)]
		if err := c.readFull(frame[at:]); err != nil {
			return charge, err
		}
	}
	client, body, err := wire.ParseRest(frame, r.Body.IsFlexible())
	if err != nil {
		return charge, err
	}
	r.ClientID = string(client)
	return charge, c.b.decoder.Decode(r.Body, body)
}

// awaitFrame waits for the length of the next frame for as long as a connection may be idle.
func (c *conn) awaitFrame() (int, error) {
	for {
		if idle := c.b.props.idle; c.in.Buffered() < 4 && idle > 0 {
			c.deadline(time.Now().Add(idle))
		} else if c.in.Buffered() < 4 {
			c.deadline(time.Time{}) // -1: never
		}
		prefix, err := c.in.Peek(4)
		if err == nil {
			return wire.Size([4]byte(prefix), c.b.props.frameBytesMax)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		// Waiting for an answer is not idling; the slot taken for this request is one.
		if len(c.slots) <= 1 || c.isStopped() {
			return 0, errIdle
		}
	}
}

// deadline sets the read deadline unless stop has set its own.
func (c *conn) deadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.nc.SetReadDeadline(t)
	}
}

// peek returns the next n bytes without taking them; n is at most the reader's size.
func (c *conn) peek(n int) ([]byte, error) {
	if c.in.Buffered() < n {
		c.deadline(time.Now().Add(c.b.cfg.Limits.RateWindow))
	}
	b, err := c.in.Peek(n)
	return b, slow(err)
}

// readFull fills p at no less than the least rate.
func (c *conn) readFull(p []byte) error {
	window := 0 // bytes in the current window
	if c.in.Buffered() < len(p) {
		c.deadline(time.Now().Add(c.b.cfg.Limits.RateWindow))
	}
	for len(p) > 0 {
		n, err := c.in.Read(p)
		p = p[n:]
		window += n
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && int64(window) >= c.b.cfg.Limits.RateBytesMin && !c.isStopped():
			window = 0
			c.deadline(time.Now().Add(c.b.cfg.Limits.RateWindow))
		default:
			return slow(err)
		}
	}
	return nil
}

// discard reads n bytes and forgets them.
func (c *conn) discard(n int) error {
	var sink [1024]byte
	for n > 0 {
		part := sink[:min(n, len(sink))]
		if err := c.readFull(part); err != nil {
			return err
		}
		n -= len(part)
	}
	return nil
}

func slow(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlow
	}
	return err
}
