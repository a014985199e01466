package broker

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// gatherMax is up to how many bytes the write loop collects from answers that are ready before it makes the system call.
const gatherMax = 256 << 10

// outKept is how many buffers' places a connection keeps for its next write.
const outKept = 64

// writeLoop writes replies in the order of their requests until the queue is closed and empty. After a failure it only releases them.
func (c *conn) writeLoop(ctx context.Context) {
	var next pending
	more := false
	for {
		p := next
		if !more {
			var open bool
			if p, open = <-c.queue; !open {
				return
			}
		}
		next, more = c.writeFrom(ctx, p)
	}
}

// writeFrom writes p, and with it replies behind it as long as they are ready. It returns the first one that was taken off the queue but
// not written, if any.
func (c *conn) writeFrom(ctx context.Context, p pending) (next pending, more bool) {
	var batch [16]pending
	taken := 0
	out := c.out[:0]
	size := 0
	defer func() {
		for i := range taken {
			c.finish(batch[i])
		}
	}()
	for {
		batch[taken] = p
		taken++
		from := len(out)
		var err error
		if out, err = c.frame(ctx, p, out); err != nil {
			c.fail(err)
			return pending{}, false
		}
		for _, b := range out[from:] {
			size += len(b)
		}
		if taken == len(batch) || size >= gatherMax {
			break
		}
		select {
		case q, open := <-c.queue:
			if !open {
				c.write(out, size)
				return pending{}, false
			}
			if !q.ready() {
				c.write(out, size)
				return q, true
			}
			p = q
			continue
		default:
		}
		break
	}
	c.write(out, size)
	return pending{}, false
}

// frame waits for p's answer.
func (c *conn) frame(ctx context.Context, p pending, bufs net.Buffers) (_ net.Buffers, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = c.panicked(v)
		}
	}()
	return p.frame(ctx, bufs)
}

// finish gives back what p held and lets another request in.
func (c *conn) finish(p pending) {
	p.done()
	c.b.metrics.served(p.key, time.Since(p.started))
	c.b.requestBudget.give(p.charge)
	c.bytes.Release(p.size)
	<-c.slots
}

// write sends out at no less than the least rate: a client that does not read must not hold its answers' memory for ever.
func (c *conn) write(out net.Buffers, size int) {
	if size == 0 {
		return
	}
	c.out = out // for the next answers, if it is not too large to keep
	if cap(out) > outKept {
		c.out = nil
	}
	left := size
	for left > 0 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.b.cfg.Limits.RateWindow))
		n, err := out.WriteTo(c.nc) // consumes what was written, and forgets it
		left -= int(n)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && n >= c.b.cfg.Limits.RateBytesMin:
		default:
			c.fail(slow(err))
			return
		}
	}
	c.b.metrics.bytesOut.Add(float64(size))
}
