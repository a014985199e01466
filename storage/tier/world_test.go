package tier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/sim"
	"weir/storage/batch"
	"weir/storage/blob"
	"weir/storage/disk"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// world is what outlives a process: the disk, and the facts that the metadata hold. Beside it stands what the log must say.
type world struct {
	t    testing.TB
	seed uint64
	rng  *rand.Rand
	disk *sim.Disk
	real disk.FS // instead of it, for benchmarks
	cfg  tier.Config
	wal  wal.Config

	now     time.Time        // the wall clock
	clock   func() time.Time // or this, if it is set
	streams []string         // not dropped, oldest first
	lives   int
	current string         // the stream whose checkpoint is current
	pointer stream.Pointer // that checkpoint
	models  []*model       // of partitions that exist
	names   int            // partitions made so far

	crashed    atomic.Bool // the planned fault came about
	cutIn      opKind      // what was being done then
	doing      opKind
	more       int // faults to plan after it
	trace      bool
	interleave bool
	publish    func() (before, after error) // what goes wrong with publishing; nil: nothing
	stats      worldStats
}

type worldStats struct {
	Lives, Crashes, Appends, Records, Duplicates, Flushed, Promoted, Merged, Collected, Checkpoints, Retained int64
}

// model is what one partition must hold.
type model struct {
	name       wal.Partition
	policy     tier.Policy
	batches    []modelBatch // acknowledged, by base offset
	end        int64
	start      int64 // largest log start seen, or asked for and acknowledged
	cut        int64 // largest that DeleteRecords asked for
	pending    []modelBatch
	batchBytes int64    // of the last one
	allow      int64    // largest log start that earlier policies allowed
	seqs       [2]int32 // next sequence number of each producer
	last       [2]modelBatch
}

type modelBatch struct {
	base, last int64
	bytes      []byte // as sent
	ms         int64
	producer   int
}

func newWorld(t testing.TB, seed uint64, cfg tier.Config) *world {
	w := &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 11)), disk: sim.NewDisk(seed), cfg: cfg,
		wal: wal.Config{FirstFileBytes: 16 << 10, FileBytes: 32 << 10},
		now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	w.disk.Tear = seed%2 == 0
	return w
}

// topic makes a partition.
func (w *world) topic(policy tier.Policy) *model {
	w.names++
	m := &model{policy: policy}
	m.name.Topic[0], m.name.Topic[15] = byte(w.names), byte(w.names>>8)
	m.name.Index = int32(w.names % 3)
	w.models = append(w.models, m)
	return m
}

// life is one process.
type life struct {
	w      *world
	name   string
	epoch  int32
	logs   *stream.Logs
	mu     sync.Mutex // of olds, before and marked
	olds   []oldLog
	own    *wal.File
	store  blob.Store
	stream *stream.Stream
	parts  []*part
	engine *tier.Engine
	active map[string]bool // what is being done
	depth  int
	damage bool        // the next object is damaged as it is written
	before stream.Mark // what it was before the last write
	marked stream.Mark // the last one that a checkpoint was given
	cancel context.CancelFunc
	done   chan error
}

type oldLog struct {
	name string
	log  *wal.File
}

// begin starts a process: it recovers what there is and opens a new stream.
func (w *world) begin() (_ *life, err error) {
	w.lives++
	w.stats.Lives++
	ctx := context.Background()
	l := &life{w: w, name: fmt.Sprintf("s%04d", w.lives), epoch: int32(w.lives), logs: stream.NewLogs(), active: map[string]bool{}}
	defer func() {
		if err != nil {
			l.closeLogs()
		}
	}()
	files := blob.NewFS(w.fs(), "blob")
	l.store = files
	if err := files.Sweep(); err != nil {
		return nil, err
	}
	for _, name := range w.streams {
		cfg := w.wal
		cfg.Stream = name
		if name == w.current {
			cfg.AtLeast, cfg.Trusted = w.pointer.From, w.pointer.From
		}
		log, err := wal.Recover(ctx, w.fs(), "wal/"+name, cfg)
		if err != nil {
			return nil, err
		}
		l.olds = append(l.olds, oldLog{name, log})
		l.logs.Name(log, name)
	}
	ck, err := l.replay(ctx)
	if err != nil {
		return nil, err
	}
	cfg := w.wal
	cfg.Stream = l.name
	if l.own, err = wal.Create(w.fs(), "wal/"+l.name, cfg); err != nil {
		return nil, err
	}
	w.streams = append(w.streams, l.name)
	l.logs.Name(l.own, l.name)
	l.stream = stream.New(stream.Config{}, l.own, l.logs)
	l.before = l.stream.Mark()
	state := ck.Partitions
	last := ck
	if w.current == "" {
		last = nil
	}
	for _, m := range w.models {
		p := &part{l: l, m: m, state: state[m.name]}
		if p.state == nil {
			p.state = &stream.PartitionState{}
		}
		p.end = p.state.End
		l.parts = append(l.parts, p)
	}
	for name := range state {
		if !slices.ContainsFunc(w.models, func(m *model) bool { return m.name == name }) {
			l.logs.Release(name, stream.Forever())
		}
	}
	runCtx, cancel := context.WithCancel(ctx)
	l.cancel, l.done = cancel, make(chan error, 1)
	go func() { l.done <- l.stream.Run(runCtx) }()
	l.engine = tier.New(w.cfg, tier.Deps{
		Log: slog.New(slog.DiscardHandler), Store: nosyStore{l.store, l}, Journal: journal{l},
		Checkpoints: stream.NewCheckpoints(nosyStore{l.store, l}, l.name, l.logs, last),
		Partitions:  l.partitions, Publish: l.publish, Incarnation: uint64(w.lives),
		Now: w.wallClock,
	})
	return l, nil
}

// replay loads the current checkpoint and applies what follows it.
func (l *life) replay(ctx context.Context) (*stream.Checkpoint, error) {
	ck := &stream.Checkpoint{Partitions: stream.State{}}
	if l.w.current != "" {
		var err error
		if ck, err = stream.Load(ctx, l.store, l.w.current, l.w.pointer); err != nil {
			return nil, err
		}
		if err := l.logs.Restore(ck); err != nil {
			return nil, err
		}
	}
	started := l.w.current == ""
	for _, old := range l.olds {
		var from wal.Position
		if old.name == l.w.current {
			started, from = true, l.w.pointer.From
		}
		if !started {
			continue
		}
		for e, err := range old.log.Read(ctx, from) {
			if err != nil {
				return nil, fmt.Errorf("replay %s: %w", old.name, err)
			}
			if err := ck.Apply(&e, l.logs.Number(old.log, e.At.Seq)); err != nil {
				return nil, fmt.Errorf("replay %s: %w", old.name, err)
			}
		}
	}
	return ck, nil
}

func (l *life) closeLogs() {
	for _, old := range l.olds {
		_ = old.log.Close()
	}
	if l.own != nil {
		_ = l.own.Close()
	}
}

// end ends the process: politely with a last checkpoint, or not.
func (l *life) end(polite bool) (err error) {
	if polite {
		if err = l.do(op{kind: opCheckpoint}); err != nil && !l.w.crashed.Load() && !errors.Is(err, errPublish) && !errors.Is(err, errHiccup) {
			l.w.t.Errorf("last checkpoint: %v", err)
		}
	}
	s := l.engine.Stats()
	l.w.stats.Flushed += s.FlushedBytes
	l.w.stats.Promoted += s.PromotedBytes
	l.w.stats.Merged += s.MergedBytes
	l.w.stats.Collected += s.Collected
	l.w.stats.Checkpoints += s.Checkpoints
	l.w.stats.Retained += s.RetainedStart
	l.cancel()
	<-l.done
	l.closeLogs()
	return err
}

func (l *life) partitions(yield func(tier.Partition) bool) {
	for _, p := range l.parts {
		if !yield(p) {
			return
		}
	}
}

func (l *life) publish(_ context.Context, p stream.Pointer) error {
	if err := l.interrupt(); err != nil {
		return err
	}
	var before, after error
	if l.w.publish != nil {
		before, after = l.w.publish()
	}
	if before != nil {
		return before
	}
	l.w.current, l.w.pointer = l.name, p
	if after == nil {
		after = l.interrupt()
	}
	return after
}

// journal implements tier.Journal as a broker does.
type journal struct{ l *life }

// Mark may lag behind what was answered last, as the committer moves it after the answers.
func (j journal) Mark(context.Context) (stream.Mark, error) {
	j.l.mu.Lock()
	defer j.l.mu.Unlock()
	m := j.l.stream.Mark()
	if j.l.w.interleave && j.l.w.rng.IntN(3) == 0 {
		m = j.l.before
	}
	if m.Before(j.l.marked) {
		m = j.l.marked
	}
	j.l.marked = m
	return m, nil
}

func (j journal) Written() int64  { s := j.l.stream.Stats(); return s.Bytes + s.Commits } // an entry without payload counts, too
func (j journal) Busy() bool      { return false }
func (j journal) WillNeed(uint32) {}

func (j journal) logs() iter.Seq2[string, *wal.File] {
	return func(yield func(string, *wal.File) bool) {
		j.l.mu.Lock()
		olds := j.l.olds
		j.l.mu.Unlock()
		for _, old := range olds {
			if !yield(old.name, old.log) {
				return
			}
		}
		yield(j.l.name, j.l.own)
	}
}

func (j journal) Files() (out []tier.File) {
	bytes := map[stream.JournalFile]int64{}
	for name, log := range j.logs() {
		for _, f := range log.Files() {
			bytes[stream.JournalFile{Stream: name, Seq: f.Seq}] = f.Bytes
		}
	}
	// Only what has a number: no data lie in other files.
	for n := uint32(0); ; n++ {
		f, ok := j.l.logs.File(n)
		switch {
		case ok:
			out = append(out, tier.File{Number: n, Bytes: bytes[stream.JournalFile{Stream: f.Stream, Seq: f.Seq}]})
		case n > j.l.stream.Mark().File:
			return out
		}
	}
}

func (j journal) ReadAt(ctx context.Context, p []byte, number, off uint32) error {
	if err := j.l.interrupt(); err != nil {
		return err
	}
	return j.l.logs.ReadAt(ctx, p, number, off)
}

func (j journal) Trim(ctx context.Context, before stream.Mark, needed []stream.JournalFile) error {
	j.l.logs.Forget(before, needed)
	first := map[string]uint64{}
	for _, f := range needed {
		if seq, ok := first[f.Stream]; !ok || f.Seq < seq {
			first[f.Stream] = f.Seq
		}
	}
	kept := j.l.olds[:0:0]
	var errs []error
	for _, old := range j.l.olds {
		seq, ok := first[old.name]
		if ok {
			kept = append(kept, old)
			errs = append(errs, old.log.Trim(ctx, wal.Position{Seq: seq}))
			continue
		}
		// Nothing of the stream is needed any more.
		j.l.w.streams = slices.DeleteFunc(j.l.w.streams, func(s string) bool { return s == old.name })
		j.l.logs.Drop(old.log)
		errs = append(errs, old.log.Close(), j.l.w.removeLog(old.name))
	}
	j.l.mu.Lock()
	j.l.olds = kept
	j.l.mu.Unlock()
	return errors.Join(append(errs, j.l.own.Trim(ctx, wal.Position{Seq: first[j.l.name]}))...)
}

func (w *world) removeLog(name string) error {
	es, err := w.disk.ReadDir("wal/" + name)
	if err != nil {
		return err
	}
	for _, e := range es {
		if err := w.disk.Remove("wal/" + name + "/" + e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return w.disk.Remove("wal/" + name)
}

// read reads all of a partition, from wherever it lies, and compares it with the model.
func (l *life) read(p *part) {
	l.w.t.Helper()
	if err := l.tryRead(p); err != nil && !l.w.crashed.Load() {
		l.w.t.Errorf("partition %x-%d: %v", p.m.name.Topic[0], p.m.name.Index, err)
	}
}

func (l *life) tryRead(p *part) error {
	t := l.w.t
	t.Helper()
	var pieces []segment.Piece
	var xs []stream.Extent
	var start, end int64
	p.View(func(s *stream.PartitionState) {
		start, end = s.LogStart, s.End
		pieces = s.PiecesFrom(start)
		for x := range s.Extents.From(start) {
			xs = append(xs, x)
		}
	})
	m := p.m
	if start < m.start || start > end {
		t.Errorf("partition %d: log start is %d of %d, was %d", m.name.Index, start, end, m.start)
	}
	if start > m.allowed(l.w.wallClock().UnixMilli()) {
		t.Errorf("partition %d: log start is %d, the policy allows %d", m.name.Index, start, m.allowed(l.w.wallClock().UnixMilli()))
	}
	m.start = max(m.start, start)
	if end < m.end {
		t.Errorf("partition %d: ends at %d, %d were acknowledged", m.name.Index, end, m.end)
	}
	next, first := start, true
	take := func(b []byte) {
		for len(b) > 0 {
			h, one, rest, err := batch.Next(b)
			if err != nil {
				t.Errorf("partition %d at %d: %v", m.name.Index, next, err)
				return
			}
			if h.BaseOffset != next && !(first && h.BaseOffset < start && h.LastOffset() >= start) {
				if first && h.LastOffset() < start {
					b = rest
					continue
				}
				t.Errorf("partition %d: batch [%d, %d] where %d should follow", m.name.Index, h.BaseOffset, h.LastOffset(), next)
				return
			}
			m.check(t, &h, one)
			first = false
			next = h.LastOffset() + 1
			b = rest
		}
	}
	for i := range pieces {
		obj, err := l.store.Open(context.Background(), pieces[i].Key())
		if err != nil {
			return err
		}
		for run, err := range segment.Runs(obj, &pieces[i].Chunk) {
			if err != nil {
				return fmt.Errorf("%s: %w", pieces[i].Key(), err)
			}
			take(run)
		}
		_ = obj.Close()
	}
	for _, x := range xs {
		b := make([]byte, x.Len)
		if err := l.logs.ReadAt(context.Background(), b, x.File, x.Off); err != nil {
			return err
		}
		take(b)
	}
	if next != end {
		t.Errorf("partition %d: data end at %d, the log at %d", m.name.Index, next, end)
	}
	m.end = max(m.end, end)
	return nil
}

// check compares a batch that was read with what was acknowledged, or learns what became of one that was not.
func (m *model) check(t testing.TB, h *batch.Header, got []byte) {
	t.Helper()
	i, ok := slices.BinarySearchFunc(m.batches, h.BaseOffset, func(b modelBatch, o int64) int { return int(b.base - o) })
	if ok {
		if !same(m.batches[i].bytes, got) {
			t.Errorf("partition %d: batch at %d is not what was acknowledged", m.name.Index, h.BaseOffset)
		}
		return
	}
	for k, p := range m.pending {
		if same(p.bytes, got) {
			p.base, p.last, p.bytes = h.BaseOffset, h.LastOffset(), bytes.Clone(got)
			m.batches = slices.Insert(m.batches, i, p)
			m.pending = slices.Delete(m.pending, k, k+1)
			m.end = max(m.end, p.last+1)
			return
		}
	}
	t.Errorf("partition %d: nobody sent the batch at %d", m.name.Index, h.BaseOffset)
}

// allowed is the largest log start that the policy and DeleteRecords allow.
func (m *model) allowed(nowMs int64) int64 {
	start := max(m.cut, m.allow)
	if !m.policy.Delete {
		return start
	}
	total := int64(0)
	for _, b := range m.batches {
		if b.last >= start {
			total += int64(len(b.bytes))
		}
	}
	for _, b := range m.batches {
		if b.last < start {
			continue
		}
		bySize := m.policy.RetentionBytes >= 0 && total-int64(len(b.bytes)) >= m.policy.RetentionBytes
		byTime := m.policy.RetentionTime >= 0 && b.ms < nowMs-m.policy.RetentionTime.Milliseconds()
		if !bySize && !byTime {
			break
		}
		total -= int64(len(b.bytes))
		start = b.last + 1
	}
	return start
}

// setPolicy changes the policy; what the one before allowed until then may have happened.
func (m *model) setPolicy(p tier.Policy, nowMs int64) {
	m.allow = m.allowed(nowMs)
	m.policy = p
}

func (w *world) fs() disk.FS {
	if w.real != nil {
		return w.real
	}
	return w.disk
}

func (w *world) wallClock() time.Time {
	if w.clock != nil {
		return w.clock()
	}
	return w.now
}

const unlimited = time.Duration(-1)

func keepAll() tier.Policy {
	return tier.Policy{RetentionTime: unlimited, RetentionBytes: -1, SegmentBytes: math.MaxInt64}
}
