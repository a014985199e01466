package broker

import (
	"bufio"
	"context"
	"errors"
	"os"
	"time"

	"weir/kafka/wire"
	"weir/storage/buffer"
)

// A length is only a claim. Up to trusted bytes are taken from the budget, and memory for them, on the claim alone; beyond it the client has to
// send something first.
const (
	trustedProduce = 1 << 20   // a full batch of a producer with default settings
	probeProduce   = 256 << 10 // what the producer of a larger request sends before it gets its memory
	trustedOther   = 64 << 10
)

// readProduce reads the rest of a produce request into a pooled buffer, once there is room for it in the produce budget: a broker whose
// disk does not keep up stops reading, and TCP tells the producers.
func (c *conn) readProduce(ctx context.Context, r *Request, n int) (err error) {
	if err := c.awaitJournal(ctx); err != nil {
		return err
	}
	var probe []byte
	if n > trustedProduce {
		charge, err := c.b.requestBudget.take(ctx, probeProduce)
		if err != nil {
			return errStopped
		}
		defer c.b.requestBudget.give(charge)
		probe = make([]byte, probeProduce)
		if err := c.readFull(probe); err != nil {
			return err
		}
	}
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
	frame := r.input.Bytes()
	if err := c.readFull(frame[copy(frame, probe):]); err != nil {
		return err
	}
	client, body, err := wire.ParseRest(frame, r.Body.IsFlexible())
	if err != nil {
		return err
	}
	r.ClientID = c.clientID(client)
	return c.b.decoder.DecodeProduce(&r.produce.req, r.Body.GetVersion(), body)
}

// readOther reads the rest of any other request into memory of its own, which handlers may keep. Memory and budget are taken as bytes come.
// charge is what was taken, also with an error.
func (c *conn) readOther(ctx context.Context, r *Request, n int) (charge int64, err error) {
	var frame []byte
	for len(frame) < n {
		grown := min(n, max(trustedOther, 2*len(frame)))
		more, err := c.takeOther(ctx, int64(grown-len(frame)))
		charge += more
		if err != nil {
			return charge, err
		}
		at := len(frame)
		frame = append(make([]byte, 0, grown), frame...)[:grown]
		if err := c.readFull(frame[at:]); err != nil {
			return charge, err
		}
	}
	client, body, err := wire.ParseRest(frame, r.Body.IsFlexible())
	if err != nil {
		return charge, err
	}
	r.ClientID = c.clientID(client)
	return charge, c.b.decoder.Decode(r.Body, body)
}

// takeOther takes from the request budget. Requests that grow could each wait for what the others hold, so that the wait has an end.
func (c *conn) takeOther(ctx context.Context, n int64) (int64, error) {
	took, ok := c.b.requestBudget.tryTake(n)
	if ok {
		return took, nil
	}
	limited, cancel := context.WithTimeout(ctx, c.b.cfg.Limits.RateWindow)
	defer cancel()
	took, err := c.b.requestBudget.take(limited, n)
	switch {
	case err == nil:
		return took, nil
	case ctx.Err() != nil:
		return 0, errStopped
	default:
		return 0, errBusy
	}
}

// A connection that is quiet, as most are, reads into little memory. One that sends many small requests gets more, so that one call to the system brings
// all that wait; but not if they are large, since most of each would be copied once more on its way to where it stays.
const (
	quietRead = 1 << 10
	busyRead  = 16 << 10
	busyRate  = 100     // frames a second
	busyFrame = 4 << 10 // bytes of a frame, on average
)

// pace fits the read buffer, which must be empty, to how fast frames come.
func (c *conn) pace(now time.Time) {
	c.frames++
	past := now.Sub(c.paced)
	if past < time.Second {
		return
	}
	size := quietRead
	if float64(c.frames) > busyRate*past.Seconds() && c.sizes < busyFrame*c.frames {
		size = busyRead
	}
	if c.in.Size() != size {
		c.in = bufio.NewReaderSize(c.nc, size)
	}
	c.paced, c.frames, c.sizes = now, 0, 0
}

// awaitFrame waits for the length of the next frame for as long as a connection may be idle.
func (c *conn) awaitFrame() (int, error) {
	now := time.Now()
	if c.in.Buffered() == 0 {
		c.pace(now)
	} else {
		c.frames++
	}
	for ; ; now = time.Now() {
		if idle := c.b.props.idle; c.in.Buffered() < 4 && idle > 0 {
			c.deadline(now.Add(idle))
		} else if c.in.Buffered() < 4 {
			c.deadline(time.Time{}) // -1: never
		}
		prefix, err := c.in.Peek(4)
		if err == nil {
			size, err := wire.Size([4]byte(prefix), c.b.props.frameBytesMax)
			c.sizes += size
			return size, err
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
		_ = c.nc.SetReadDeadline(t) // if it fails, so does the read
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
