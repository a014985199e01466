package tier

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"weir/storage/blob"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Deps are what the engine works on.
type Deps struct {
	Log         *slog.Logger
	Store       blob.Store // containers, below "b/" and "s/": nobody else writes or deletes these
	Checkpoints *stream.Checkpoints
	Journal     Journal
	// Partitions yields all partitions that the broker leads, in any order; it may be called at any time. It must not leave out a partition that
	// the checkpoint before had and that still belongs to the broker: the next checkpoint would forget it, and its data would be collected.
	Partitions iter.Seq[Partition]
	// Publish makes a checkpoint current. After an error it may or may not be.
	Publish func(context.Context, stream.Pointer) error
	// Incarnation names the process: containers of two incarnations never have the same name.
	Incarnation uint64
	// Now is the wall clock.
	Now func() time.Time
	// Known is the newest time that the log shows to have been before the process started. Zero: nothing is known.
	Known time.Time
	// InUse reports whether a reader still needs the object; nil where open objects stay readable after Delete.
	InUse func(key string) bool
}

// Engine moves data between the tiers of one broker. Its steps (Checkpoint, Flush, ...) are safe for concurrent use with each other and with appends
// and reads; a step waits for one of its own kind. Run calls them as Config says.
type Engine struct {
	cfg   Config
	deps  Deps
	log   *slog.Logger
	clock *clock
	start time.Time
	pace  pace
	count counters

	volume atomic.Int64 // what the broker may keep; see SetVolume

	taking, moving, retaining, collecting, scrubbing turn

	mu        sync.Mutex
	last      uint64                  // number of the newest container
	building  map[string]bool         // keys of containers that are written, or not yet referred to
	stuck     map[wal.Partition]stuck // whose data cannot be moved
	seen      map[uint32]fileAge      // journal files
	edits     int64                   // of partitions' states, by this engine
	takes     int64                   // checkpoints begun
	current   int64                   // the newest of them that was published
	collected int64                   // what current was when Collect looked last
	doomed    map[string]doom         // containers that nothing refers to
	damaged   map[string]bool         // containers in which the scrubber found damage
	saved     saved                   // what the last published checkpoint had
	flushedAt int64                   // Journal.Written when all before was flushed; -1: never
	buf       []byte                  // of what moves data: under moving, not mu
	sparse    map[segment.ID]bool     // bundles of which little is in use, as of the last Collect
}

// stuck says why a partition's data are not moved.
type stuck struct {
	err   error
	retry time.Time
}

// fileAge says how old the data in a journal file are.
type fileAge struct {
	firstMs int64 // when the file was first seen: nothing was appended to the one before it later. Unix milliseconds, as retention goes by
	since   instant
}

// instant is a time on both clocks. Of a file: what it holds that is to be flushed was appended later.
type instant struct {
	at     time.Time // monotonic
	wallMs int64     // Unix milliseconds, as retention goes by
}

// saved is how far the engine and the journal were when a checkpoint was begun.
type saved struct {
	edits, written int64
	at             time.Time
}

// New returns an engine and starts nothing.
func New(cfg Config, deps Deps) *Engine {
	cfg.setDefaults()
	e := &Engine{
		cfg: cfg, deps: deps, log: deps.Log, start: time.Now(),
		clock:    newClock(deps.Now, deps.Known, cfg.ClockJump, cfg.ClockHold, deps.Log),
		building: map[string]bool{}, stuck: map[wal.Partition]stuck{}, seen: map[uint32]fileAge{}, doomed: map[string]doom{},
		damaged: map[string]bool{}, flushedAt: -1,
	}
	e.pace = pace{rate: cfg.BusyBytes, busy: func() bool { return deps.Journal.Busy() && !e.pressed() }}
	for _, t := range []*turn{&e.taking, &e.moving, &e.retaining, &e.collecting, &e.scrubbing} {
		*t = make(turn, 1)
	}
	return e
}

// turn lets one step of a kind run at a time. Waiting for it ends with the context, unlike waiting for a mutex.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) leave() { <-t }

// ConfirmClock tells that the wall clock is right, after it jumped.
func (e *Engine) ConfirmClock() { e.clock.confirm() }

// Run does what Config asks for until ctx ends, and takes a last checkpoint then. Failures of steps are logged and tried again; it returns an error
// only if the last checkpoint failed, which costs the next start time and nothing else.
func (e *Engine) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, worker := range []func(context.Context){e.checkpointer, e.mover, e.keeper, e.scrubber} {
		wg.Go(func() { worker(ctx) })
	}
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCheckpointTimeout)
	defer cancel()
	if e.dirty() {
		return e.Checkpoint(last)
	}
	return nil
}

const lastCheckpointTimeout = 10 * time.Second

// every calls step each interval, sooner or later by what backOff says after failures.
func (e *Engine) every(ctx context.Context, interval time.Duration, name string, step func(context.Context) error) {
	var wait backOff
	timer := time.NewTimer(interval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(max(interval, wait.after(e.report(ctx, name, step(ctx)), e.cfg.RetryAfter)))
	}
}

// report logs a failed step, unless it failed because everything ends.
func (e *Engine) report(ctx context.Context, step string, err error) error {
	if err == nil || ctx.Err() != nil {
		return nil //nolint:nilerr // everything ends, and that is why it failed
	}
	e.count.failures.Add(1)
	e.log.Error("storage step failed", "step", step, "err", err)
	return err
}

// backOff doubles the pause between failures.
type backOff struct{ pause time.Duration }

const pauseMax = time.Minute

func (b *backOff) after(err error, first time.Duration) time.Duration {
	if err == nil {
		b.pause = 0
	} else {
		b.pause = min(max(2*b.pause, first), pauseMax)
	}
	return b.pause
}

// PartitionError is the failure of one partition's data; others are not concerned.
type PartitionError struct {
	Partition wal.Partition
	Err       error
}

func (e *PartitionError) Error() string {
	return fmt.Sprintf("tier: partition %x-%d: %v", e.Partition.Topic, e.Partition.Index, e.Err)
}

func (e *PartitionError) Unwrap() error { return e.Err }

// stick notes that a partition's data cannot be moved, and says so once.
func (e *Engine) stick(err *PartitionError) {
	e.mu.Lock()
	_, known := e.stuck[err.Partition]
	e.stuck[err.Partition] = stuck{err, time.Now().Add(e.cfg.StuckAfter)}
	e.mu.Unlock()
	if !known {
		e.count.failures.Add(1)
		e.log.Error("data of a partition cannot be moved", "topic", fmt.Sprintf("%x", err.Partition.Topic), "partition", err.Partition.Index, "err", err.Err)
	}
}

// unstick notes that a partition's data were moved.
func (e *Engine) unstick(p wal.Partition) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.stuck, p)
}

// isStuck reports whether a partition's data are not to be moved now.
func (e *Engine) isStuck(p wal.Partition) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.stuck[p]
	return ok && time.Now().Before(s.retry)
}

// wasStuck reports whether moving a partition's data failed before: they are then moved by themselves, so that they spoil nothing for others.
func (e *Engine) wasStuck(p wal.Partition) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.stuck[p]
	return ok
}

// StuckPartitions says which partitions' data cannot be moved, and why.
func (e *Engine) StuckPartitions() map[wal.Partition]error {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make(map[wal.Partition]error, len(e.stuck))
	for p, s := range e.stuck {
		out[p] = s.err
	}
	return out
}

// edit is Partition.Edit, and counts.
func (e *Engine) edit(p Partition, fn func(*stream.PartitionState) error) error {
	err := p.Edit(fn)
	if err == nil {
		e.mu.Lock()
		e.edits++
		e.mu.Unlock()
	}
	return err
}

// asPartitionError finds whose data an error is about.
func asPartitionError(err error) (*PartitionError, bool) {
	var pe *PartitionError
	return pe, errors.As(err, &pe)
}
