package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"weir/storage/buffer"
	"weir/storage/wal"
)

var (
	// ErrStopped means that the stream takes no more writes: it was shut down, or its log failed.
	ErrStopped = errors.New("stream: stopped")
	// ErrBusy means that the queue is full; nothing was queued and a later write may succeed.
	ErrBusy = errors.New("stream: queue is full")
)

// Config sets the limits of a Stream. A zero field means its default.
type Config struct {
	CommitBytesMax   int   // payload bytes of one group commit; 4 MiB. A larger write is committed alone.
	CommitEntriesMax int   // entries of one group commit; 1,024
	QueueBytesMax    int64 // payload bytes queued or in flight, above which Enqueue refuses; 64 MiB
	QueueEntriesMax  int   // the same for entries; 65,536
	TailBytesMax     int64 // memory of committed batches that partitions may keep; 64 MiB
}

func (c *Config) setDefaults() {
	if c.CommitBytesMax <= 0 {
		c.CommitBytesMax = 4 << 20
	}
	if c.CommitEntriesMax <= 0 {
		c.CommitEntriesMax = 1024
	}
	if c.QueueBytesMax <= 0 {
		c.QueueBytesMax = 64 << 20
	}
	if c.QueueEntriesMax <= 0 {
		c.QueueEntriesMax = 65_536
	}
	if c.TailBytesMax <= 0 {
		c.TailBytesMax = 64 << 20
	}
}

// Write is one entry on its way through the stream. All methods but Entry are called on the committer's goroutine, in WAL order, and must
// not block. Exactly one of Committed and Failed is called, once, for each Write that Enqueue took.
type Write interface {
	// Entry is what to write. It must not change between Enqueue and the outcome. An entry without a type writes nothing: its owner only
	// wants to be called in its turn, and Committed gets nil for it.
	Entry() wal.Entry
	// Cancelled tells whether the write must not be made any more; it then fails with ErrCancelled.
	Cancelled() bool
	// Committed says that the entry is on stable storage. e is as Entry returned it, with At set. An error stops the stream.
	Committed(c *Commit, e *wal.Entry) error
	// Failed says that the entry is not in the log and never will be, unless the log itself failed (any error but wal.ErrFull, ErrCancelled
	// and ErrStopped): then only the successor knows.
	Failed(err error)
}

// ErrCancelled is the outcome of a write that was cancelled because one before it failed.
var ErrCancelled = errors.New("stream: a write before this one failed")

// Commit is one group commit, as seen by the writes that it made durable.
type Commit struct {
	Number uint64 // from 1, without gaps; 0 for a write without an entry
	stream *Stream
	wake   []Waker
}

// Waker is told of a commit once, after all its writes were.
type Waker interface{ Wake() }

// File is the number of the file with sequence number seq of this stream's log.
func (c *Commit) File(seq uint64) uint32 { return c.stream.logs.Number(c.stream.log, seq) }

// Cache counts an entry that owner keeps in memory, data, which lies in buf unless that is nil; Evict is called when it has to go.
// Nothing is evicted before the last Committed of the commit returned.
func (c *Commit) Cache(owner Cacher, data []byte, buf *buffer.Buffer) {
	c.stream.tail.add(owner, data, buf)
}

// Wake asks for w.Wake after the commit's last write. The caller sees to it that it asks once a commit.
func (c *Commit) Wake(w Waker) { c.wake = append(c.wake, w) }

// Stats counts what a stream did. Fields are read one by one, so they may be from slightly different moments.
type Stats struct {
	Commits, Entries, Bytes int64 // since start; bytes of payload
	Queued                  int64 // bytes of payload queued or in flight
	Cached                  int64 // bytes of memory in the tail cache
}

// Stream queues the writes of all partitions of a broker and commits them in groups. Create it with New; Run commits.
type Stream struct {
	cfg  Config
	log  wal.Log
	logs *Logs
	wake chan struct{} // holds a token while there may be something to do

	mu      sync.Mutex
	queue   []Write // oldest first, from head on
	head    int
	entries int   // queued and in flight
	bytes   int64 // queued and in flight
	stopped error // set once: no more writes

	tail  tail // committer only
	pulse pulse

	commits, written, writtenBytes, cached atomic.Int64

	settled atomic.Uint64 // Mark; see there
}

// New returns a stream over log, which must be new, and starts nothing. Extents of its entries are numbered by logs.
func New(cfg Config, log wal.Log, logs *Logs) *Stream {
	cfg.setDefaults()
	s := &Stream{cfg: cfg, log: log, logs: logs, wake: make(chan struct{}, 1), tail: tail{budget: cfg.TailBytesMax}}
	s.pulse.start()
	s.settled.Store(Mark{File: logs.Number(log, firstSeq)}.pack())
	return s
}

// Enqueue adds w to the queue, or returns ErrBusy or an error that wraps ErrStopped; then nothing more happens to w. It does not
// block and does not call w's outcome methods, so it may be called with the lock that they take.
func (s *Stream) Enqueue(w Write) error {
	e := w.Entry()
	size := int64(len(e.Payload))
	s.mu.Lock()
	if s.stopped != nil {
		s.mu.Unlock()
		return s.stopped
	}
	// One write is always taken: a limit smaller than a batch must not stop everything.
	if s.entries > 0 && (s.bytes+size > s.cfg.QueueBytesMax || s.entries >= s.cfg.QueueEntriesMax) {
		s.mu.Unlock()
		return ErrBusy
	}
	s.queue = append(s.queue, w)
	s.entries++
	s.bytes += size
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // the committer will look anyway
	}
	return nil
}

// Stats returns the counters.
func (s *Stream) Stats() Stats {
	s.mu.Lock()
	queued := s.bytes
	s.mu.Unlock()
	return Stats{s.commits.Load(), s.written.Load(), s.writtenBytes.Load(), queued, s.cached.Load()}
}

// Run commits until ctx ends; then it takes no more writes, commits what is queued and returns nil. It returns early with an error if
// the log fails: nothing can be written any more, and the process should exit.
func (s *Stream) Run(ctx context.Context) error {
	var g group
	appendCtx := context.WithoutCancel(ctx) // a commit in flight is finished, whatever happens
	for {
		ending := ctx.Err() != nil // asked once: it may become so at any moment
		if ending {
			s.stop(ErrStopped)
		}
		if s.take(&g) {
			if err := s.commit(appendCtx, &g); err != nil {
				s.fail(err)
				return fmt.Errorf("stream: %w", err)
			}
			continue
		}
		if ending {
			return nil //nolint:nilerr // stopped before the queue was found empty, so it stays empty
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

// group is one commit in the making. Its slices are used again and again.
type group struct {
	writes  []Write
	entries []wal.Entry // of writes
	bytes   int64
	turns   []Write // without an entry
	wake    []Waker
}

func (g *group) reset() {
	clear(g.writes) // keep nothing alive while idle
	clear(g.entries)
	clear(g.turns)
	clear(g.wake)
	g.writes, g.entries, g.turns, g.wake, g.bytes = g.writes[:0], g.entries[:0], g.turns[:0], g.wake[:0], 0
}

// take moves the next group out of the queue, first come first served. It returns false if there is nothing to do.
func (s *Stream) take(g *group) bool {
	g.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.head < len(s.queue) && len(g.writes) < s.cfg.CommitEntriesMax {
		w := s.queue[s.head]
		e := w.Entry()
		size := int64(len(e.Payload))
		if len(g.writes) > 0 && g.bytes+size > int64(s.cfg.CommitBytesMax) {
			break
		}
		s.queue[s.head] = nil
		s.head++
		if e.Type == 0 {
			g.turns = append(g.turns, w)
			continue
		}
		g.writes, g.entries, g.bytes = append(g.writes, w), append(g.entries, e), g.bytes+size
	}
	if s.head > len(s.queue)/2 {
		n := copy(s.queue, s.queue[s.head:])
		clear(s.queue[n:])
		s.queue, s.head = s.queue[:n], 0
	}
	return len(g.writes)+len(g.turns) > 0
}

// done takes n writes out of the account of the queue.
func (s *Stream) done(n int, bytes int64) {
	s.mu.Lock()
	s.entries -= n
	s.bytes -= bytes
	s.mu.Unlock()
}

// commit writes the group. It returns an error if the stream cannot go on; the group's writes have failed then.
func (s *Stream) commit(ctx context.Context, g *group) error {
	s.dropCancelled(g)
	defer s.done(len(g.writes)+len(g.turns), g.bytes)
	c := Commit{stream: s, wake: g.wake}
	for i, w := range g.turns {
		if err := w.Committed(&c, nil); err != nil {
			failAll(g.turns[i+1:], err)
			failAll(g.writes, err)
			return err
		}
	}
	if len(g.writes) == 0 {
		return nil
	}
	if err := s.append(ctx, g); err != nil {
		failAll(g.writes, err)
		if errors.Is(err, wal.ErrFull) {
			return nil
		}
		return err
	}
	c.Number = uint64(s.commits.Add(1))
	for i, w := range g.writes {
		if err := w.Committed(&c, &g.entries[i]); err != nil {
			failAll(g.writes[i+1:], err)
			return err
		}
	}
	s.settle(&g.entries[len(g.entries)-1])
	for _, w := range c.wake {
		w.Wake()
	}
	g.wake = c.wake
	s.tail.shrink()
	s.written.Add(int64(len(g.writes)))
	s.writtenBytes.Add(g.bytes)
	s.cached.Store(s.tail.held)
	return nil
}

// append writes the group. On a full disk it fails the data and writes what is left, which takes nearly no room: a log start, for one, is what
// makes room again.
func (s *Stream) append(ctx context.Context, g *group) error {
	s.pulse.begin()
	defer s.pulse.end()
	err := s.log.Append(ctx, g.entries)
	if !errors.Is(err, wal.ErrFull) {
		return err
	}
	kept := 0
	for i, w := range g.writes {
		if len(g.entries[i].Payload) > 0 {
			w.Failed(err)
			continue
		}
		g.writes[kept], g.entries[kept] = w, g.entries[i]
		kept++
	}
	all := kept == len(g.writes)
	clear(g.writes[kept:])
	clear(g.entries[kept:])
	g.writes, g.entries = g.writes[:kept], g.entries[:kept]
	if all || kept == 0 {
		return err
	}
	g.bytes = 0
	return s.log.Append(ctx, g.entries)
}

// dropCancelled fails the cancelled writes of the group and closes the gaps.
func (s *Stream) dropCancelled(g *group) {
	kept, bytes := 0, int64(0)
	for i, w := range g.writes {
		if w.Cancelled() {
			w.Failed(ErrCancelled)
			continue
		}
		g.writes[kept], g.entries[kept] = w, g.entries[i]
		bytes += int64(len(g.entries[i].Payload))
		kept++
	}
	if kept == len(g.writes) {
		return
	}
	s.done(len(g.writes)-kept, g.bytes-bytes)
	clear(g.writes[kept:])
	clear(g.entries[kept:])
	g.writes, g.entries, g.bytes = g.writes[:kept], g.entries[:kept], bytes
}

func (s *Stream) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped == nil {
		s.stopped = err
	}
}

// fail ends the stream: everything queued fails with err.
func (s *Stream) fail(err error) {
	s.stop(fmt.Errorf("%w: %w", ErrStopped, err))
	var g group
	for s.take(&g) {
		failAll(g.turns, err)
		failAll(g.writes, err)
		s.done(len(g.writes)+len(g.turns), g.bytes)
	}
}

func failAll(ws []Write, err error) {
	for _, w := range ws {
		w.Failed(err)
	}
}
