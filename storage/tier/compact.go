package tier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir/storage/batch"
	"weir/storage/compact"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// CompactConfig says how partitions are compacted. A field that is zero means its default.
type CompactConfig struct {
	Interval       time.Duration // between looks for something to clean (log.cleaner.backoff.ms); 15 s
	MapBytes       int64         // the map of keys takes at most (log.cleaner.dedupe.buffer.size); 128 MiB
	MapLoad        float64       // of its places that are filled (log.cleaner.io.buffer.load.factor); 0.9
	BytesPerSecond int64         // read and written (log.cleaner.io.max.bytes.per.second); not positive: no limit
	BatchBytes     int           // that a batch may take decompressed, to be looked into; 64 MiB
}

func (c *CompactConfig) setDefaults() {
	if c.Interval == 0 {
		c.Interval = 15 * time.Second
	}
	if c.MapBytes == 0 {
		c.MapBytes = 128 << 20
	}
	if c.MapLoad == 0 {
		c.MapLoad = 0.9
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = 64 << 20
	}
}

// Compactor compacts the partitions whose cleanup.policy asks for that, one at a time, the dirtiest first.
//
// What Apache Kafka's active segment is, the journal is here: data in it are not cleaned. They leave it when a flush is due, at the latest after
// segment.ms or max.compaction.lag.ms, or with segment.bytes of them, and from then on can be cleaned, whether in bundles or in
// segments. That may be sooner than Kafka does it; how long old values stay at least is min.compaction.lag.ms, as there.
//
// It does not take turns with what else moves data, since it may take long. Whichever is later finds that the data have moved (stream.ErrMoved), and drops
// its work. Where retention moves the head of the log meanwhile, only what it dropped is lost.
type Compactor struct {
	e       *Engine
	cfg     atomic.Pointer[CompactConfig]
	changed chan struct{} // has room for one word that cfg is another
	turn    turn
	cleaner *compact.Cleaner // under turn, as is what it was made for
	made    CompactConfig
	buf     []byte // of what is written: under turn
	count   compactCounters

	mu     sync.Mutex
	paused map[wal.Partition]pause
}

// pause says why a partition cannot be cleaned, and for how long nobody tries.
type pause struct {
	err   error
	until time.Time
}

const pauseFor = 10 * time.Minute

// CompactStats counts since the process started.
type CompactStats struct {
	Cleanings     int64
	Discarded     int64 // cleanings whose data had moved when they were done
	Paused        int64 // partitions that cannot be cleaned, now
	compact.Stats       // sums of all cleanings
}

type compactCounters struct {
	cleanings, discarded atomic.Int64
	mu                   sync.Mutex
	sum                  compact.Stats
}

// NewCompactor returns a compactor of the partitions that e works on, and starts nothing.
func NewCompactor(cfg CompactConfig, e *Engine) *Compactor {
	c := &Compactor{e: e, changed: make(chan struct{}, 1), turn: make(turn, 1), paused: map[wal.Partition]pause{}}
	c.Configure(cfg)
	return c
}

// Configure changes how partitions are compacted: the interval and the rate at once, the map from the next cleaning on.
func (c *Compactor) Configure(cfg CompactConfig) {
	cfg.setDefaults()
	if last := c.cfg.Swap(&cfg); last == nil || *last == cfg {
		return
	}
	select {
	case c.changed <- struct{}{}:
	default: // it is told already
	}
}

// ready makes the cleaner that the configuration asks for. Called with the turn.
func (c *Compactor) ready() {
	if cfg := *c.cfg.Load(); c.cleaner == nil || cfg != c.made {
		c.cleaner, c.made = compact.New(compact.NewKeyMap(cfg.MapBytes, cfg.MapLoad), batch.NewDecoder(cfg.BatchBytes)), cfg
	}
}

// Run compacts until ctx ends. Failures are logged and tried again.
func (c *Compactor) Run(ctx context.Context) {
	var wait backOff
	timer := time.NewTimer(c.cfg.Load().Interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
			timer.Reset(c.cfg.Load().Interval)
		case <-timer.C:
			pause := wait.after(c.e.report(ctx, "compact", c.Compact(ctx)), c.e.cfg.RetryAfter)
			timer.Reset(max(c.cfg.Load().Interval, pause))
		}
	}
}

// Compact cleans all partitions for which it is time. One whose data cannot be read is noted as paused, and the others go on.
func (c *Compactor) Compact(ctx context.Context) error {
	if err := c.turn.take(ctx); err != nil {
		return fmt.Errorf("tier: compact: %w", err)
	}
	defer c.turn.leave()
	if err := c.roll(ctx); err != nil {
		return preempted(err)
	}
	skip := map[wal.Partition]bool{}
	for {
		j := c.next(skip)
		if j == nil {
			return nil
		}
		err := c.clean(ctx, j)
		pe, ours := asPartitionError(err)
		switch {
		case err == nil:
			c.resume(j.name)
		case errors.Is(err, stream.ErrMoved) || errors.Is(err, errGone):
			c.count.discarded.Add(1)
			skip[j.name] = true
		case ours:
			c.hold(pe)
		default:
			return preempted(err)
		}
	}
}

// RollAfter is after how much time data of a compacted topic leave the journal for compaction (KIP-354): segment.ms, or max.compaction.lag.ms if
// that is less. Negative: no limit.
func (p Policy) RollAfter() time.Duration {
	switch {
	case p.SegmentTime <= 0 && p.MaxCompactionLag <= 0:
		return -1
	case p.SegmentTime <= 0:
		return p.MaxCompactionLag
	case p.MaxCompactionLag <= 0:
		return p.SegmentTime
	default:
		return min(p.SegmentTime, p.MaxCompactionLag)
	}
}

// roll flushes the data of those compacted partitions for which it is time, and of no others.
func (c *Compactor) roll(ctx context.Context) error {
	e := c.e
	files := e.deps.Journal.Files()
	if len(files) == 0 {
		return nil
	}
	to := files[len(files)-1].Number
	var due []Partition
	for p := range e.deps.Partitions {
		if pol := p.Policy(); pol.Compact && e.moves(p) && c.rolls(p, &pol) {
			due = append(due, p)
		}
	}
	if len(due) == 0 {
		return nil
	}
	if err := e.moving.take(ctx); err != nil {
		return fmt.Errorf("tier: compact: %w", err)
	}
	defer e.moving.leave()
	var small []span
	for _, p := range due {
		spans, total := e.spans(p, to)
		if total < e.cfg.OwnBytes && !e.wasStuck(p.Name()) {
			small = append(small, spans...)
			continue
		}
		for _, s := range spans {
			if err := e.build(ctx, segment.Segment, []chunk{e.fromJournal(s, to)}); err != nil {
				return err
			}
		}
	}
	return e.flushBundles(ctx, small, to)
}

// rolls reports whether what p has in the journal is old or large enough.
func (c *Compactor) rolls(p Partition, pol *Policy) bool {
	var oldest stream.Extent
	var size int64
	p.View(func(s *stream.PartitionState) {
		for x := range s.Extents.From(s.LogStart) {
			if size == 0 {
				oldest = x
			}
			if size += int64(x.Len); pol.SegmentBytes <= 0 || size >= pol.SegmentBytes {
				return
			}
		}
	})
	if size == 0 {
		return false
	}
	if pol.SegmentBytes > 0 && size >= pol.SegmentBytes {
		return true
	}
	after := pol.RollAfter()
	if after < 0 {
		return false
	}
	now, held := c.e.clock.now()
	if held { // what a clock says that is not followed does not help: it is as old as its file at most
		return time.Since(c.e.seenFile(oldest.File).at) >= after
	}
	return now.UnixMilli()-c.e.appendedMs(oldest) >= after.Milliseconds()
}

// job is a partition that is to be cleaned: its pieces from the log's start to the end of what may be cleaned.
type job struct {
	p      Partition
	name   wal.Partition
	policy Policy
	nowMs  int64
	pieces []segment.Piece
	dirty  int     // the first that was not cleaned before
	ratio  float64 // of bytes that are dirty
	late   int64   // by how many milliseconds max.compaction.lag.ms has passed; not positive: it has not
}

// next chooses what to clean: what max.compaction.lag.ms asks for, the latest first, and then the dirtiest.
func (c *Compactor) next(skip map[wal.Partition]bool) (best *job) {
	now, _ := c.e.clock.now()
	for p := range c.e.deps.Partitions {
		if skip[p.Name()] || c.isPaused(p.Name()) || c.e.isStuck(p.Name()) {
			continue
		}
		j := &job{p: p, name: p.Name(), policy: p.Policy(), nowMs: now.UnixMilli()}
		if !j.policy.Compact || !p.View(func(s *stream.PartitionState) { j.look(s, c.e.appendedBefore) }) {
			continue
		}
		if j.isDue() && (best == nil || j.late > max(best.late, 0) || best.late <= 0 && j.ratio > best.ratio) {
			best = j
		}
	}
	return best
}

// look finds what of the partition is dirty and may be cleaned. after is retention.after.
func (j *job) look(s *stream.PartitionState, after func(uint32) int64) {
	pieces := s.PiecesFrom(s.LogStart)
	r := retention{policy: j.policy, nowMs: j.nowMs, after: after}
	var clean, dirty int64
	j.dirty = -1
	end := 0
	for i := range pieces {
		p := &pieces[i]
		if j.dirty < 0 && p.Flags&segment.Compacted != 0 {
			clean += int64(p.Len)
			continue
		}
		// What a producer dated in the future counts as dated when it was appended, as for retention.
		if p.Last >= s.LastStable() ||
			j.policy.MinCompactionLag > 0 && r.newest(s, i) > j.nowMs-j.policy.MinCompactionLag.Milliseconds() {
			break
		}
		if j.dirty < 0 {
			j.dirty = i
			if p.FirstDirtyMs > 0 && j.policy.MaxCompactionLag > 0 {
				j.late = j.nowMs - p.FirstDirtyMs - j.policy.MaxCompactionLag.Milliseconds()
			}
		}
		dirty += int64(p.Len)
		end = i + 1
	}
	j.pieces = pieces[:end]
	if dirty > 0 {
		j.ratio = float64(dirty) / float64(clean+dirty)
	}
}

// isDue reports whether it is time to clean.
func (j *job) isDue() bool {
	return j.ratio > 0 && (j.late > 0 || j.ratio > j.policy.MinCleanableRatio)
}

// clean cleans one partition.
func (c *Compactor) clean(ctx context.Context, j *job) error {
	started := time.Now()
	c.ready()
	c.cleaner.Begin(compact.Rules{
		Now: time.UnixMilli(j.nowMs), DeleteRetention: max(j.policy.DeleteRetention, 0), MaxBatchBytes: j.policy.MaxBatchBytes, Producers: lastBatches(j.p),
	})
	defer c.cleaner.Finish()
	// The state knows of all transactions that were aborted, also of those whose data were flushed before they were.
	var aborted []segment.Aborted
	j.p.View(func(s *stream.PartitionState) {
		aborted = s.AbortedIn(j.pieces[0].Base, j.pieces[len(j.pieces)-1].Last+1)
	})
	c.cleaner.Abort(aborted)
	more := true
	for i := j.dirty; i < len(j.pieces) && more; i++ {
		err := c.eachRun(ctx, j, &j.pieces[i], func(run []byte) (bool, error) {
			var err error
			more, err = c.cleaner.Learn(run)
			return more, err
		})
		if err != nil {
			return err
		}
	}
	end := j.pieces[len(j.pieces)-1].Last + 1
	if !more {
		end = c.cleaner.End()
		n, _ := slices.BinarySearchFunc(j.pieces, end, func(p segment.Piece, end int64) int { return cmp.Compare(p.Base, end) })
		j.pieces = j.pieces[:n]
	}
	c.cleaner.Rewind()
	c.cleaner.Abort(aborted)
	o := output{c: c, j: j, end: end, base: -1, stays: map[segment.Aborted]bool{}}
	defer o.release()
	if err := o.rewrite(ctx); err != nil {
		return err
	}
	if err := c.e.edit(j.p, o.commit); err != nil {
		if errors.Is(err, stream.ErrMoved) {
			return err
		}
		return fmt.Errorf("%w: %w", errGone, err) // led elsewhere, or deleted
	}
	stats := c.cleaner.Stats()
	c.count.add(&stats)
	c.e.log.Debug("partition compacted", "topic", fmt.Sprintf("%x", j.name.Topic), "partition", j.name.Index, "end", end,
		"bytes", stats.BytesIn, "left", stats.BytesOut, "keys", stats.Keys, "dur", time.Since(started))
	if stats.Unreadable > 0 || stats.Keyless > 0 || stats.Oversize > 0 {
		c.e.log.Warn("compaction met records that it cannot treat as it should", "topic", fmt.Sprintf("%x", j.name.Topic), "partition", j.name.Index,
			"unreadable_batches", stats.Unreadable, "dropped_without_key", stats.Keyless, "oversize_batches", stats.Oversize)
	}
	return nil
}

// lastBatches says what is the last of each producer.
func lastBatches(p Partition) map[int64]compact.Last {
	var out map[int64]compact.Last
	p.View(func(s *stream.PartitionState) {
		if s.Producers.Len() > 0 {
			out = make(map[int64]compact.Last, s.Producers.Len())
		}
		for _, id := range s.Producers.IDs() {
			pr := s.Producers.Get(id)
			last, _ := pr.Last()
			out[id] = compact.Last{Offset: last.LastOffset, Epoch: pr.Epoch}
		}
	})
	return out
}

// eachRun reads a piece. Reading ends early when fn returns false.
func (c *Compactor) eachRun(ctx context.Context, j *job, p *segment.Piece, fn func(run []byte) (bool, error)) error {
	obj, err := c.e.deps.Store.Open(ctx, p.Key())
	if err != nil {
		return c.unread(ctx, j, p, err)
	}
	defer closeObject(obj)
	obj.WillNeed(int64(p.Pos), int64(p.Len))
	for run, err := range segment.Runs(obj, &p.Chunk) {
		if err != nil {
			return c.unread(ctx, j, p, err)
		}
		if err := c.throttle(ctx, len(run)); err != nil {
			return err
		}
		more, err := fn(run)
		if w := (*writeError)(nil); errors.As(err, &w) {
			return w.err
		} else if err != nil {
			return c.unread(ctx, j, p, err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// unread is the error of a piece that could not be read.
func (c *Compactor) unread(ctx context.Context, j *job, p *segment.Piece, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !hasPiece(j.p, p):
		err = errGone
	default:
		err = fmt.Errorf("compact offsets %d to %d of %s: %w", p.Base, p.Last, p.Key(), err)
	}
	return &PartitionError{j.name, err}
}

// throttle is called for bytes that were read or written.
func (c *Compactor) throttle(ctx context.Context, n int) error {
	if c.e.pressed() {
		return errPreempted
	}
	if rate := c.cfg.Load().BytesPerSecond; rate > 0 {
		if err := sleep(ctx, time.Duration(float64(n)/float64(rate)*float64(time.Second))); err != nil {
			return err
		}
	}
	return c.e.pace.wait(ctx, int64(n))
}

// hold notes that a partition cannot be cleaned for now, and says so once.
func (c *Compactor) hold(err *PartitionError) {
	c.mu.Lock()
	_, known := c.paused[err.Partition]
	c.paused[err.Partition] = pause{err, time.Now().Add(pauseFor)}
	c.mu.Unlock()
	if !known {
		c.e.log.Error("partition cannot be compacted", "topic", fmt.Sprintf("%x", err.Partition.Topic), "partition", err.Partition.Index, "err", err.Err)
	}
}

func (c *Compactor) resume(p wal.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.paused, p)
}

func (c *Compactor) isPaused(p wal.Partition) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.paused[p]
	return ok && time.Now().Before(s.until)
}

// PausedPartitions says which partitions cannot be cleaned, and why.
func (c *Compactor) PausedPartitions() map[wal.Partition]error {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[wal.Partition]error, len(c.paused))
	for p, s := range c.paused {
		out[p] = s.err
	}
	return out
}

func (n *compactCounters) add(s *compact.Stats) {
	n.cleanings.Add(1)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sum.Add(s)
}

// Stats returns what was done.
func (c *Compactor) Stats() CompactStats {
	c.mu.Lock()
	paused := len(c.paused)
	c.mu.Unlock()
	n := &c.count
	n.mu.Lock()
	defer n.mu.Unlock()
	return CompactStats{Cleanings: n.cleanings.Load(), Discarded: n.discarded.Load(), Paused: int64(paused), Stats: n.sum}
}
