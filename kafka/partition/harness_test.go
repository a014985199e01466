package partition

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"time"

	"weir/internal/leak"
	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/stream"
	"weir/storage/wal"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// memLog is a wal.Log in memory, with faults.
type memLog struct {
	mu      sync.Mutex
	files   [][]byte
	entries []wal.Entry
	fault   func(es []wal.Entry) error // asked before each append
	flip    func(p []byte)             // applied to what is read back
}

const memFileBytes = 64 << 10

func (l *memLog) Append(_ context.Context, es []wal.Entry) error {
	l.mu.Lock()
	fault := l.fault
	l.mu.Unlock()
	if fault != nil {
		if err := fault(es); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range es {
		if n := len(l.files); n == 0 || len(l.files[n-1]) > memFileBytes {
			l.files = append(l.files, nil)
		}
		n := len(l.files) - 1
		l.files[n] = append(l.files[n], "some header"...)
		es[i].At = wal.Position{Seq: uint64(n) + 1, Off: uint32(len(l.files[n]))}
		l.files[n] = append(l.files[n], es[i].Payload...)
		e := es[i]
		e.Payload = append([]byte(nil), e.Payload...)
		l.entries = append(l.entries, e)
	}
	return nil
}

func (l *memLog) Read(context.Context, wal.Position) iter.Seq2[wal.Entry, error] {
	l.mu.Lock()
	es := l.entries
	l.mu.Unlock()
	return func(yield func(wal.Entry, error) bool) {
		for _, e := range es {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (l *memLog) ReadAt(_ context.Context, p []byte, at wal.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.Seq < 1 || at.Seq > uint64(len(l.files)) || int(at.Off)+len(p) > len(l.files[at.Seq-1]) {
		return errors.New("read beyond the end")
	}
	copy(p, l.files[at.Seq-1][at.Off:])
	if l.flip != nil {
		l.flip(p)
	}
	return nil
}

func (l *memLog) setFault(f func(es []wal.Entry) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = f
}

func (l *memLog) Trim(context.Context, wal.Position) error { return nil }
func (l *memLog) Close() error                             { return nil }

// rig is a broker's data plane around one log.
type rig struct {
	t       testing.TB
	log     wal.Log
	logs    *stream.Logs
	stream  *stream.Stream
	leaders *Leaders
	pool    *buffer.Pool
	now     time.Time

	cancel context.CancelFunc
	ended  chan error
}

// start begins a new incarnation over log after replaying the older ones.
func start(t testing.TB, cfg stream.Config, log wal.Log, older ...wal.Log) (*rig, stream.State) {
	t.Helper()
	r := &rig{t: t, log: log, logs: stream.NewLogs(), pool: buffer.NewPool(1 << 20), now: time.UnixMilli(1_700_000_000_000), ended: make(chan error, 1)}
	state := stream.State{}
	for _, l := range older {
		if _, err := stream.Recover(t.Context(), state, r.logs, l); err != nil {
			t.Fatal(err)
		}
	}
	r.stream = stream.New(cfg, log, r.logs)
	r.leaders = NewLeaders(Config{Stream: r.stream, Logs: r.logs, Pool: r.pool, Now: func() time.Time { return r.now }})
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.ended <- r.stream.Run(ctx) }()
	t.Cleanup(func() { r.stop() })
	return r, state
}

// stop ends the incarnation and returns the outcome of Run.
func (r *rig) stop() error {
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	r.cancel = nil
	return <-r.ended
}

func key(i int32) Key { return Key{Topic: metadata.TopicID{1, 2, 3}, Index: i} }

func (r *rig) open(k Key, epoch metadata.LeaderEpoch, state *stream.PartitionState) *Partition {
	r.t.Helper()
	cfg := DefaultLogConfig()
	if err := r.leaders.Open(Opening{Key: k, Epoch: epoch, State: state, Config: &cfg}); err != nil {
		r.t.Fatal(err)
	}
	p, err := r.leaders.Get(k)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

type result struct {
	Appended
	err error
}

// appendAsync returns the channel on which the outcome comes, or the error of Append itself.
func appendAsync(p *Partition, b []byte) (<-chan result, error) {
	ch := make(chan result, 1)
	err := p.Append(Append{Batches: b}, func(a Appended, err error) { ch <- result{a, err} })
	return ch, err
}

func appendNow(p *Partition, b []byte) (Appended, error) {
	ch, err := appendAsync(p, b)
	if err != nil {
		return Appended{}, err
	}
	r := <-ch
	return r.Appended, r.err
}

func (r *rig) mustAppend(p *Partition, b []byte) Appended {
	r.t.Helper()
	a, err := appendNow(p, b)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// settle waits until the committer is done with what was appended so far. An append is answered a moment before that: watchers are woken, and the tail
// cache lets go of what is too much, afterwards.
func (r *rig) settle() {
	r.t.Helper()
	if err := r.stream.Barrier(r.t.Context(), r.now.UnixMilli()); err != nil {
		r.t.Fatal(err)
	}
}

// records makes a batch of n records with the given timestamps' start.
func records(n int, ts int64, value string) []byte {
	b := batch.NewBuilder()
	for i := range n {
		b.Add(ts+int64(i), nil, []byte(value))
	}
	return b.Batch()
}

func idempotent(pid int64, epoch int16, seq int32, n int) []byte {
	b := batch.NewBuilder()
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = pid, epoch, seq
	for range n {
		b.Add(1_700_000_000_000, nil, []byte("v"))
	}
	return b.Batch()
}

// all reads the whole partition from offset on in reads of max bytes and returns the batches' headers.
func (r *rig) all(p *Partition, offset int64, maxBytes int32) []batch.Header {
	r.t.Helper()
	var hs []batch.Header
	for {
		recs, err := p.Read(r.t.Context(), ReadRequest{Offset: offset, MaxBytes: maxBytes, AtLeastOne: true, ClientEpoch: -1})
		if err != nil {
			r.t.Fatal(err)
		}
		if recs.Bytes == 0 {
			if offset != recs.Offsets.HighWatermark {
				r.t.Fatalf("nothing at offset %d, the high watermark is %d", offset, recs.Offsets.HighWatermark)
			}
			return hs
		}
		first := true
		for _, seg := range recs.Segments {
			for len(seg) > 0 {
				h, one, rest, err := batch.Next(seg)
				if err != nil {
					r.t.Fatal(err)
				}
				if err := batch.CheckCRC(one); err != nil {
					r.t.Fatal(err)
				}
				switch {
				case first && (h.BaseOffset > offset || h.LastOffset() < offset):
					r.t.Fatalf("read at %d begins with [%d, %d]", offset, h.BaseOffset, h.LastOffset())
				case !first && h.BaseOffset != offset:
					r.t.Fatalf("batch at %d follows %d", h.BaseOffset, offset-1)
				}
				first = false
				hs = append(hs, h)
				offset = h.LastOffset() + 1
				seg = rest
			}
		}
		recs.Release()
	}
}
