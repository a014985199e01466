package broker

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"weir/storage/buffer"
)

// gatherMax is up to how many bytes the write loop collects from answers that are ready before it makes the system call.
const gatherMax = 256 << 10

// outKept is how many buffers' places a connection keeps for its next write.
const outKept = 64

// inFiles is a reply whose answer lies in files in part.
type inFiles interface {
	// appendFiles appends the ranges that belong where frame left nil among the buffers, in order. They can be read until done.
	appendFiles(to []buffer.Range) []buffer.Range
}

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
	out, files := c.out[:0], c.files[:0]
	size := 0
	defer func() {
		sent := time.Now()
		for i := range taken {
			c.finish(&batch[i], sent)
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
		batch[taken-1].framed = time.Now()
		for _, b := range out[from:] {
			size += len(b)
		}
		if r, ok := p.reply.(inFiles); ok {
			known := len(files)
			files = r.appendFiles(files)
			for i := range files[known:] {
				size += int(files[known+i].Len)
			}
		}
		if taken == len(batch) || size >= gatherMax {
			break
		}
		select {
		case q, open := <-c.queue:
			if !open {
				c.write(out, files, size)
				return pending{}, false
			}
			if !q.ready() {
				c.write(out, files, size)
				return q, true
			}
			p = q
			continue
		default:
		}
		break
	}
	c.write(out, files, size)
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
func (c *conn) finish(p *pending, sent time.Time) {
	x := &c.spent
	*x = phases{local: p.local, total: sent.Sub(p.started)}
	if !p.framed.IsZero() {
		x.queue, x.send = p.framed.Sub(p.started)-p.local, sent.Sub(p.framed)
	}
	if t, ok := p.reply.(timed); ok {
		t.phases(x)
	}
	p.done()
	c.b.metrics.served(p.key, x.total)
	c.b.kafka.served(p.key, x)
	c.b.requestBudget.give(p.charge)
	c.bytes.Release(p.size)
	<-c.slots
}

// write sends out, and files for the nils in it, at no less than the least rate: a client that does not read must not hold its answers' memory for ever.
func (c *conn) write(out net.Buffers, files []buffer.Range, size int) {
	if size == 0 {
		return
	}
	c.out, c.files = out, files // for the next answers, if they are not too large to keep
	if cap(out) > outKept {
		c.out = nil
	}
	if cap(files) > outKept {
		c.files = nil
	}
	all := files
	left := size
	for left > 0 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.b.cfg.Limits.RateWindow))
		n, err := c.send(&out, &files)
		left -= int(n)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && n >= c.b.cfg.Limits.RateBytesMin:
		default:
			c.fail(slow(err))
			left = 0
		}
	}
	clear(all) // keep no file alive
	c.b.metrics.bytesOut.Add(float64(size))
	c.stats.bytesOut.Mark(int64(size))
}

// send writes what it can of out and files until the first error, and drops what was written from both.
func (c *conn) send(out *net.Buffers, files *[]buffer.Range) (sent int64, err error) {
	for len(*out) > 0 {
		n := 0
		for n < len(*out) && ((*out)[n] != nil || len(*files) == 0) {
			n++
		}
		if n > 0 {
			c.part = (*out)[:n]
			k, err := c.part.WriteTo(c.nc) // consumes what was written, and forgets it
			sent += k
			if err != nil {
				*out = (*out)[n-len(c.part):]
				return sent, err
			}
			*out = (*out)[n:]
			continue
		}
		f := &(*files)[0]
		k, err := c.sendFile(f)
		sent += k
		f.Off += k
		f.Len -= k
		if err != nil {
			return sent, err
		}
		*out, *files = (*out)[1:], (*files)[1:]
	}
	return sent, nil
}

// copyBytes is what is read at a time of a file that cannot be sent without a copy.
const copyBytes = 256 << 10

// sendFile writes a range of a file.
func (c *conn) sendFile(f *buffer.Range) (sent int64, err error) {
	if c.raw != nil {
		sent, err = f.File.SendTo(c.raw, f.Off, f.Len)
		if !errors.Is(err, errors.ErrUnsupported) {
			if err != nil && !lostConnection(err) {
				c.b.log.Error("a container could not be sent", "client", c.host, "err", err)
			}
			return sent, err
		}
		err = nil
	}
	buf := c.b.buffers.Get(int(min(f.Len, copyBytes)))
	defer buf.Release()
	for sent < f.Len && err == nil {
		part := buf.Bytes()[:min(f.Len-sent, int64(len(buf.Bytes())))]
		if n, err := f.File.ReadAt(part, f.Off+sent); n < len(part) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			c.b.log.Error("a container could not be read", "client", c.host, "err", err)
			return sent, err
		}
		var n int
		n, err = c.nc.Write(part)
		sent += int64(n)
	}
	return sent, err
}

// lostConnection tells whether err is about the client rather than the file.
func lostConnection(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ETIMEDOUT)
}

// rawOf returns what files can be sent to, nil if the connection is not the system's own: one that encrypts, or a pipe.
func rawOf(nc net.Conn) syscall.RawConn {
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
