package share

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/partition"
	"weir/kafka/sharestate"
	"weir/metadata"
)

// Log is what a share partition needs of the partition itself.
type Log interface {
	LeaderEpoch() metadata.LeaderEpoch
	Offsets() partition.Offsets
	OffsetForTimestamp(ctx context.Context, ts int64) (partition.TimestampOffset, bool, error)
}

// Deps are what Partitions work with.
type Deps struct {
	Log    *slog.Logger
	Store  Store
	Limits func(group string) Limits
	// Reset says where a group begins that has no state of a partition yet (share.auto.offset.reset).
	Reset func(group string) Reset
	// Led returns the epoch in which this broker leads the partition.
	Led func(partition.Key) (metadata.LeaderEpoch, bool)
	Now func() time.Time // nil: time.Now
}

// Reset is where a group begins to read: at the log's end or its start, or at what is no older than Ago.
type Reset struct {
	Earliest bool
	Ago      time.Duration // if > 0
}

// Partitions are the share partitions of a broker. It is safe for concurrent use.
type Partitions struct {
	deps Deps

	mu      sync.Mutex
	running bool
	ended   bool            // Run has, or is about to
	ctx     context.Context //nolint:containedctx // of Run, for the goroutines that it waits for
	wg      sync.WaitGroup
	parts   map[sharestate.Key]*held

	timers *timers
}

// held is a Partition among Partitions.
type held struct {
	p    *Partition
	log  Log  // of one that is not being loaded yet
	drop bool // as soon as nothing is on its way: its group has no session here any more
}

const (
	// partitionsMax bounds the share partitions of a broker.
	partitionsMax = 100_000
	// sweepInterval is how often it is looked which are still led here.
	sweepInterval = 10 * time.Second
	// Pause between two tries to load a state.
	retryMin, retryMax = 50 * time.Millisecond, 2 * time.Second
)

// New returns Partitions without any. Those that are asked for before Run begins are loaded by it.
func New(deps Deps) *Partitions {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Partitions{deps: deps, parts: make(map[sharestate.Key]*held), timers: newTimers(deps.Now)}
}

// Run serves until ctx ends.
func (ps *Partitions) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ps.mu.Lock()
	ps.running, ps.ctx = true, ctx
	for _, h := range ps.parts {
		ps.startLoadLocked(h)
	}
	ps.mu.Unlock()
	ps.wg.Go(func() { ps.timers.run(ctx) })
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			ps.sweep()
		case <-ctx.Done():
			ps.mu.Lock()
			ps.running, ps.ended = false, true
			parts := ps.parts
			ps.parts = make(map[sharestate.Key]*held)
			ps.mu.Unlock()
			for _, h := range parts {
				h.p.close(kerr.NotLeaderForPartition)
			}
			ps.wg.Wait()
			return ctx.Err()
		}
	}
}

// Get returns the share partition of a partition that this broker leads, and begins to load it if it is new. log is the partition.
func (ps *Partitions) Get(k sharestate.Key, log Log) (*Partition, error) {
	epoch := int32(log.LeaderEpoch())
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.ended {
		return nil, kerr.NotLeaderForPartition
	}
	if h, ok := ps.parts[k]; ok {
		if h.p.epoch == epoch {
			h.drop = false
			return h.p, nil
		}
		// Outside of our lock: nothing of a Partition is called with it.
		ps.wg.Go(func() { h.p.close(kerr.NotLeaderForPartition) })
		delete(ps.parts, k)
	}
	if len(ps.parts) >= partitionsMax {
		return nil, fmt.Errorf("share partition %v: %d are in use: %w", k, len(ps.parts), kerr.CoordinatorNotAvailable)
	}
	p := newPartition(k, epoch, func() Limits { return ps.deps.Limits(k.Group) }, ps, ps.deps.Now)
	h := &held{p: p, log: log}
	ps.parts[k] = h
	if ps.running { // or requests came before Run, which loads what they asked for
		ps.startLoadLocked(h)
	}
	return p, nil
}

func (ps *Partitions) startLoadLocked(h *held) {
	ctx, p, log := ps.ctx, h.p, h.log
	h.log = nil
	ps.wg.Go(func() { ps.load(ctx, p, log) })
}

// Find returns the share partition if it is in use.
func (ps *Partitions) Find(k sharestate.Key) (*Partition, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	h, ok := ps.parts[k]
	if !ok {
		return nil, false
	}
	return h.p, true
}

// load reads the state of p, trying again for as long as that may help.
func (ps *Partitions) load(ctx context.Context, p *Partition, log Log) {
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		err := ps.tryLoad(ctx, p, log)
		if err == nil {
			return
		}
		var code *kerr.Error
		if ctx.Err() != nil || !errors.As(err, &code) || !code.Retriable || fences(err) || ps.gone(p) {
			ps.remove(p, loadFailure(err))
			if ctx.Err() == nil {
				ps.deps.Log.Warn("share partition not loaded", "group", p.key.Group, "partition", p.key.Partition, "err", err)
			}
			return
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// loadFailure is what clients are told of a state that cannot be read.
func loadFailure(err error) error {
	switch {
	case is(err, kerr.FencedLeaderEpoch, kerr.FencedStateEpoch):
		return kerr.NotLeaderForPartition
	case is(err, kerr.InvalidRequest):
		return fmt.Errorf("%w: the share partition has no state", kerr.UnknownServerError)
	}
	return err
}

func (ps *Partitions) tryLoad(ctx context.Context, p *Partition, log Log) error {
	s, err := ps.deps.Store.ReadState(ctx, p.key, p.epoch)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	start := s.Start
	if start < 0 {
		if start, err = ps.begin(ctx, p.key.Group, log); err != nil {
			return fmt.Errorf("find the first offset: %w", err)
		}
	}
	if err := p.load(&s, start); err != nil {
		return err
	}
	p.Trim(log.Offsets().LogStart)
	return nil
}

// begin is the first offset for a group that has not read the partition yet.
func (ps *Partitions) begin(ctx context.Context, group string, log Log) (int64, error) {
	at, reset := log.Offsets(), ps.deps.Reset(group)
	switch {
	case reset.Earliest:
		return at.LogStart, nil
	case reset.Ago > 0:
		o, ok, err := log.OffsetForTimestamp(ctx, ps.deps.Now().Add(-reset.Ago).UnixMilli())
		if err != nil {
			return 0, err
		}
		if ok {
			return o.Offset, nil
		}
	}
	return at.HighWatermark, nil
}

// gone tells whether p is not among us any more.
func (ps *Partitions) gone(p *Partition) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	h, ok := ps.parts[p.key]
	return !ok || h.p != p
}

// remove ends p.
func (ps *Partitions) remove(p *Partition, reason error) {
	ps.mu.Lock()
	if h, ok := ps.parts[p.key]; ok && h.p == p {
		delete(ps.parts, p.key)
	}
	ps.mu.Unlock()
	p.close(reason)
}

// sweep ends the share partitions of partitions that this broker does not lead any more.
func (ps *Partitions) sweep() {
	ps.mu.Lock()
	parts := make([]*Partition, 0, len(ps.parts))
	for _, h := range ps.parts {
		parts = append(parts, h.p)
	}
	ps.mu.Unlock()
	for _, p := range parts {
		if epoch, ok := ps.deps.Led(partition.Key{Topic: p.key.Topic, Index: p.key.Partition}); !ok || int32(epoch) != p.epoch {
			ps.remove(p, kerr.NotLeaderForPartition)
		}
	}
}

// DropGroup ends the share partitions of a group that has no session here any more, once what they have to say is written. When it comes back
// they are read again: meanwhile the group may have been altered.
func (ps *Partitions) DropGroup(group string) {
	var idle []*Partition
	ps.mu.Lock()
	for k, h := range ps.parts {
		if k.Group == group {
			h.drop = true
			idle = append(idle, h.p)
		}
	}
	ps.mu.Unlock()
	for _, p := range idle {
		ps.maybeDrop(p)
	}
}

func (ps *Partitions) maybeDrop(p *Partition) {
	if !p.idle() {
		return
	}
	ps.mu.Lock()
	h, ok := ps.parts[p.key]
	drop := ok && h.p == p && h.drop
	if drop {
		delete(ps.parts, p.key)
	}
	ps.mu.Unlock()
	if drop {
		p.close(kerr.NotLeaderForPartition)
	}
}

// write implements owner.
func (ps *Partitions) write(p *Partition) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if !ps.running {
		return false
	}
	ctx := ps.ctx
	ps.wg.Go(func() {
		if err := p.flush(ctx, ps.deps.Store); err != nil {
			ps.deps.Log.Info("share partition given up", "group", p.key.Group, "partition", p.key.Partition, "err", err)
			ps.remove(p, kerr.NotLeaderForPartition)
			return
		}
		ps.maybeDrop(p)
	})
	return true
}

// at implements owner.
func (ps *Partitions) at(p *Partition, t time.Time) { ps.timers.at(p, t) }
