package ownership

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/stream"
)

// What to do about a partition that moves. Only one thing is done about a partition at a time.
type duty uint8

const (
	dutyNone     duty = iota
	dutyReopen        // we made ourselves its leader and have its data
	dutyTakeBack      // the time of a fence is over
	dutyForget        // another broker has everything that we had
	dutyCopy          // we are to lead it
	dutyDrop          // we were to lead it, and have a part of it
	dutyStray         // a restart found data of it, and we have nothing to do with it
)

const (
	copiesMax   = 8 // partitions that are copied at once
	movesTick   = 500 * time.Millisecond
	retryAtMost = 30 * time.Second // it doubles up to here
)

// job is a duty under way, or one that failed.
type job struct {
	duty  duty
	stop  context.CancelFunc // nil if it is not under way
	fails int
	retry time.Time
}

// Move does what the metadata ask of this broker for partitions that move, until ctx ends: see the package comment. Run must be running.
func (o *Owner) Move(ctx context.Context, peers Peers) error {
	f := &o.follow
	wake := make(chan struct{}, 1)
	f.mu.Lock()
	f.wake = wake
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.wake = nil
		f.mu.Unlock()
	}()
	m := &mover{o: o, peers: peers, jobs: make(map[partition.Key]*job)}
	defer m.group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ticker := time.NewTicker(movesTick)
	defer ticker.Stop()
	for {
		m.look(ctx)
		select {
		case <-wake:
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// mover runs jobs.
type mover struct {
	o     *Owner
	peers Peers
	group sync.WaitGroup

	mu   sync.Mutex
	jobs map[partition.Key]*job
}

// look starts what is to be done, and stops what is not any more.
func (m *mover) look(ctx context.Context) {
	todo := m.o.follow.duties(m.o.cfg.Broker, time.Now())
	if m.o.cfg.Recover {
		maps.DeleteFunc(todo, func(_ partition.Key, d duty) bool { return d == dutyCopy }) // a recoverer only gives away
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	copies := 0
	for key, j := range m.jobs {
		d, ok := todo[key]
		switch {
		case j.stop != nil && (!ok || d != j.duty):
			j.stop()
		case j.stop == nil && !ok:
			delete(m.jobs, key)
		case j.stop != nil && j.duty == dutyCopy:
			copies++
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(todo), compareKeys) {
		d := todo[key]
		j := m.jobs[key]
		switch {
		case j != nil && j.stop != nil:
			continue
		case j != nil && j.duty == d && time.Now().Before(j.retry):
			continue
		case d == dutyCopy && copies >= copiesMax:
			continue
		}
		if j == nil || j.duty != d {
			j = &job{duty: d}
			m.jobs[key] = j
		}
		if d == dutyCopy {
			copies++
		}
		jobCtx, stop := context.WithCancel(ctx)
		j.stop = stop
		m.group.Go(func() { m.run(jobCtx, key, j) })
	}
}

func compareKeys(a, b partition.Key) int {
	for i := range a.Topic {
		if a.Topic[i] != b.Topic[i] {
			return int(a.Topic[i]) - int(b.Topic[i])
		}
	}
	return int(a.Index) - int(b.Index)
}

func (m *mover) run(ctx context.Context, key partition.Key, j *job) {
	err := m.do(ctx, key, j.duty)
	ended := ctx.Err() != nil
	m.mu.Lock()
	j.stop()
	j.stop = nil
	if err == nil {
		j.fails, j.retry = 0, time.Time{}
	} else {
		j.retry = time.Now().Add(min(m.o.cfg.Moves.Retry<<min(j.fails, 10), retryAtMost))
		j.fails++
	}
	m.mu.Unlock()
	if err != nil && !ended {
		m.o.follow.counts.failed.Add(1)
		m.o.log.Warn("partition could not be moved yet", "topic", key.Topic.String(), "partition", key.Index, "err", err)
	}
	m.o.follow.signal()
}

func (m *mover) do(ctx context.Context, key partition.Key, d duty) error {
	switch d {
	case dutyReopen:
		return m.o.reopen(ctx, key)
	case dutyTakeBack:
		return m.o.takeBack(ctx, key)
	case dutyForget:
		return m.o.forget(ctx, key)
	case dutyCopy:
		return m.o.takeOver(ctx, m.peers, key)
	case dutyDrop:
		return m.o.drop(ctx, key)
	case dutyStray:
		return m.o.dropStray(ctx, m.peers, key)
	case dutyNone:
	}
	return nil
}

// duties says what is to be done about the partitions that were noted, and forgets those about which there is nothing.
func (f *follower) duties(me metadata.BrokerID, now time.Time) map[partition.Key]duty {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[partition.Key]duty)
	for key := range f.todo {
		d, waits := f.dutyLocked(key, me, now)
		switch {
		case d != dutyNone:
			out[key] = d
		case !waits:
			delete(f.todo, key)
			delete(f.ends, key)
		}
	}
	return out
}

// dutyLocked returns what is to be done about a partition, and whether something may be later without the metadata changing.
func (f *follower) dutyLocked(key partition.Key, me metadata.BrokerID, now time.Time) (d duty, waits bool) {
	if f.last == nil {
		return dutyNone, true
	}
	t, ok := f.last.TopicByID(key.Topic)
	if !ok || int(key.Index) >= len(t.Partitions) {
		return dutyNone, false
	}
	ft, as := f.topics[key.Topic], &t.Partitions[key.Index]
	open := ft != nil && ft.open[key.Index] != nil
	switch {
	case as.Leader == me && !open:
		if f.kept[key.WAL()] != nil && f.ours(key, as.Epoch) {
			return dutyReopen, true
		}
		return dutyNone, false
	case as.Leader == me:
		fence, ok := f.fences[key]
		if ok && (!now.Before(fence.until) || fence.to != as.Target) {
			return dutyTakeBack, true
		}
		return dutyNone, ok
	case open:
		return dutyNone, true // it is closed in a moment
	case slices.Contains(as.Former, me):
		return dutyForget, true
	case as.Target == me:
		return dutyCopy, true
	case f.isCopyLocked(key):
		return dutyDrop, true
	case f.strays[key] && f.kept[key.WAL()] != nil:
		return dutyStray, true
	}
	return dutyNone, false
}

// isCopyLocked reports whether all that we have of a partition is what was copied of it.
func (f *follower) isCopyLocked(key partition.Key) (is bool) {
	if k := f.kept[key.WAL()]; k != nil {
		k.View(func(s *stream.PartitionState) { is = s.IsCopy() })
	}
	return is
}

// drop lets go of what was copied of a partition that we are not to lead any more.
func (o *Owner) drop(ctx context.Context, key partition.Key) error {
	if err := o.barrier(ctx); err != nil {
		return err
	}
	f := &o.follow
	f.mu.Lock()
	defer f.mu.Unlock()
	if d, _ := f.dutyLocked(key, o.cfg.Broker, time.Now()); d != dutyDrop {
		return nil // it changed meanwhile
	}
	o.logs.Release(key.WAL(), o.stream.Mark())
	delete(f.kept, key.WAL())
	return nil
}

// noteLocked makes the mover look at a partition.
func (f *follower) noteLocked(key partition.Key) {
	f.todo[key] = true
	f.signalLocked()
}

func (f *follower) signal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signalLocked()
}

func (f *follower) signalLocked() {
	if f.wake == nil {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// behind notes where the log of a partition ends that is being copied.
func (f *follower) behind(key partition.Key, end int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends[key] = end
}

// reopen leads a partition again, or for the first time, whose data we have.
func (o *Owner) reopen(ctx context.Context, key partition.Key) error {
	if err := o.barrier(ctx); err != nil { // what was in flight when it was closed has its outcome then
		return err
	}
	f := &o.follow
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.last.TopicByID(key.Topic)
	if !ok || int(key.Index) >= len(t.Partitions) {
		return nil
	}
	return o.openKept(f.topics[key.Topic], key, t.Partitions[key.Index])
}

// forget lets go of the data of a partition that another broker has taken over: first of the data, so that a restart does not find them any more, then of the
// duty to do so.
func (o *Owner) forget(ctx context.Context, key partition.Key) error {
	if err := o.barrier(ctx); err != nil {
		return err
	}
	f := &o.follow
	f.mu.Lock()
	k := f.kept[key.WAL()]
	if as, ok := o.assigned(key); !ok || as.Leader == o.cfg.Broker || !slices.Contains(as.Former, o.cfg.Broker) {
		f.mu.Unlock()
		return nil
	}
	if ft := f.topics[key.Topic]; ft != nil && ft.open[key.Index] != nil {
		f.mu.Unlock()
		return fmt.Errorf("forget partition %v: it is still open", key)
	}
	if k != nil {
		o.logs.Release(key.WAL(), o.stream.Mark())
		delete(f.kept, key.WAL())
		delete(f.lent, key)
	}
	f.mu.Unlock()
	if k != nil {
		o.follow.counts.forgotten.Add(1)
		var end int64
		k.View(func(s *stream.PartitionState) { end = s.End })
		o.log.Info("data of a partition that another broker leads are forgotten", "topic", key.Topic.String(), "partition", key.Index, "offset", end)
	}
	if err := o.checkpointNow(ctx); err != nil {
		return fmt.Errorf("forget partition %v: %w", key, err)
	}
	return o.change(ctx, key, func(as *metadata.PartitionAssignment) bool {
		n := len(as.Former)
		as.Former = slices.DeleteFunc(slices.Clone(as.Former), func(b metadata.BrokerID) bool { return b == o.cfg.Broker })
		if len(as.Former) == 0 {
			as.Former = nil
		}
		return len(as.Former) < n
	})
}
