package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Blast is a load of pre-encoded Produce requests with acks=all.
type Blast struct {
	Targets     []Target      // from Leaders
	Connections int           // to each broker; default 4
	InFlight    int           // requests on each connection; default 5
	Batch       Batch         // from NewBatch; sent as it is, again and again
	PerRequest  int           // partitions, and so batches, in one request; default 1
	Duration    time.Duration // no request starts after it; default 5 s
	Bytes       int64         // no request starts once this much payload is sent, on all connections together; 0 is no bound
	Idempotent  *kgo.Client   // not nil: each connection is an idempotent producer with an id from here
}

// Produced is what a Blast did.
type Produced struct {
	Requests int64
	Records  int64
	Payload  int64         // bytes acknowledged
	Wire     int64         // bytes of batches as they were sent
	Elapsed  time.Duration // from the first request to the last answer
	Ack      Histogram     // of requests
}

// MBps is payload, in 1e6 bytes a second.
func (p *Produced) MBps() float64 { return float64(p.Payload) / 1e6 / p.Elapsed.Seconds() }

// grace is how long answers may take once no request starts any more.
const grace = 60 * time.Second

// Run produces until a bound is reached and every request is answered. Any error of any partition ends it.
func (b Blast) Run(ctx context.Context) (*Produced, error) {
	b.Connections, b.InFlight, b.PerRequest = orDefault(b.Connections, 4), orDefault(b.InFlight, 5), orDefault(b.PerRequest, 1)
	if b.Duration == 0 {
		b.Duration = 5 * time.Second
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var left atomic.Int64
	left.Store(b.Bytes)
	var links []*link
	defer func() {
		for _, l := range links {
			l.conn.Close()
		}
	}()
	for _, t := range b.Targets {
		for n := range b.Connections {
			l, err := b.connect(ctx, t, n)
			if err != nil {
				return nil, err
			}
			l.left = &left
			links = append(links, l)
		}
	}
	if len(links) == 0 {
		return nil, errNoPartitions
	}

	begin := time.Now()
	var wait sync.WaitGroup
	failures := make([]error, len(links))
	for n, l := range links {
		wait.Go(func() {
			stop := context.AfterFunc(ctx, func() { l.conn.SetDeadline(time.Now()) })
			defer stop()
			if failures[n] = l.run(begin, b); failures[n] != nil {
				cancel()
			}
		})
	}
	wait.Wait()
	result := &Produced{Elapsed: time.Since(begin)}
	for _, l := range links {
		result.Ack.Add(&l.ack)
	}
	result.Requests = int64(result.Ack.Count())
	for _, l := range links {
		result.Records += l.batches * int64(b.Batch.Records)
		result.Payload += l.batches * int64(b.Batch.Payload)
		result.Wire += l.batches * int64(len(b.Batch.Bytes))
	}
	return result, errors.Join(failures...)
}

func orDefault(v, byDefault int) int {
	if v == 0 {
		return byDefault
	}
	return v
}

// link is one connection of a Blast.
type link struct {
	conn     net.Conn
	requests []*request // sent in turns
	left     *atomic.Int64
	ack      Histogram
	batches  int64 // acknowledged

	idempotent bool
	producer   producer
	sequences  map[int32]int32
}

// connect dials and encodes the requests of the nth connection. It covers all partitions of the target, from a place of its own on.
func (b Blast) connect(ctx context.Context, t Target, n int) (*link, error) {
	if len(t.Partitions) == 0 {
		return nil, errNoPartitions
	}
	per := min(b.PerRequest, len(t.Partitions))
	count := (len(t.Partitions) + per - 1) / per
	// A request must not be in flight twice: its correlation id and sequences are written in place.
	if count < b.InFlight {
		count = (b.InFlight + count - 1) / count * count
	}
	from := n * len(t.Partitions) / b.Connections
	l := &link{}
	for r := range count {
		var partitions []int32
		for p := range per {
			partitions = append(partitions, t.Partitions[(from+r*per+p)%len(t.Partitions)])
		}
		l.requests = append(l.requests, newRequest(t.Topic, partitions, b.Batch))
	}
	if b.Idempotent != nil {
		if err := l.initProducer(ctx, b.Idempotent); err != nil {
			return nil, err
		}
	}
	var err error
	l.conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", t.Address)
	return l, err
}

// run drives the connection: fill up what may be in flight in one write, take the answers that are there, again.
func (l *link) run(begin time.Time, b Blast) error {
	end := begin.Add(b.Duration)
	if err := l.conn.SetDeadline(end.Add(grace)); err != nil {
		return err
	}
	var (
		in         = bufio.NewReaderSize(l.conn, 64<<10)
		answer     []byte
		out        net.Buffers
		scratch    [][]byte
		starts     = make([]time.Time, b.InFlight)
		sent, done int
		perRequest = int64(len(l.requests[0].parts)) * int64(b.Batch.Payload)
	)
	for {
		now := time.Now()
		scratch = scratch[:0]
		for sent-done < b.InFlight && now.Before(end) && l.take(b.Bytes, perRequest) {
			r := l.requests[sent%len(l.requests)]
			binary.BigEndian.PutUint32(r.correlation, uint32(sent))
			if l.idempotent {
				l.stamp(r, b.Batch)
			}
			scratch = append(scratch, r.pieces...)
			starts[sent%b.InFlight] = now
			sent++
		}
		if len(scratch) > 0 {
			out = scratch
			if _, err := out.WriteTo(l.conn); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
		if sent == done {
			return nil
		}
		for first := true; done < sent && (first || in.Buffered() >= 4); first = false {
			size, err := in.Peek(4)
			if err != nil {
				return fmt.Errorf("read the answer to request %d: %w", done, err)
			}
			n := int(binary.BigEndian.Uint32(size)) + 4
			if n > 16<<20 {
				return fmt.Errorf("an answer of %d bytes", n)
			}
			if !first && in.Buffered() < n {
				break
			}
			if cap(answer) < n {
				answer = make([]byte, n)
			}
			answer = answer[:n]
			if _, err := io.ReadFull(in, answer); err != nil {
				return fmt.Errorf("read the answer to request %d: %w", done, err)
			}
			parts := len(l.requests[done%len(l.requests)].parts)
			if err := checkProduced(answer[4:], uint32(done), parts); err != nil {
				return fmt.Errorf("request %d: %w", done, err)
			}
			l.ack.Record(time.Since(starts[done%b.InFlight]))
			l.batches += int64(parts)
			done++
		}
	}
}

// take takes n bytes from what is left to produce, if there is a bound and anything is left.
func (l *link) take(bound, n int64) bool { return bound == 0 || l.left.Add(-n) > -n }
