package tier

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/storage/segment"
	"weir/storage/stream"
)

// doom is a container that nothing refers to.
type doom struct {
	size  int64
	takes int64     // checkpoints begun until then: none of those after it names the container
	at    time.Time // when that was seen
	delay time.Duration
}

// Collect deletes the containers that nothing needs any more. It marks what the partitions refer to, and sweeps the rest in two looks: a container that
// one look finds unreferenced is deleted by a later one, when a checkpoint begun after the first look is current and the grace time has
// passed. Nothing ever comes to be referred to again, so one look is enough to know; the checkpoint is what a restart begins with. It finds
// what earlier incarnations and failed steps left behind in the same way.
func (e *Engine) Collect(ctx context.Context) error {
	if err := e.collecting.take(ctx); err != nil {
		return fmt.Errorf("tier: collect: %w", err)
	}
	defer e.collecting.leave()
	made := e.count.made.Load()
	// In this order: what is listed and not being built any more has got its references before they are looked at.
	sizes := map[string]int64{}
	for _, prefix := range []string{"b/", "s/"} {
		for info, err := range e.deps.Store.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("tier: collect: %w", err)
			}
			sizes[info.Key] = info.Size
		}
	}
	e.mu.Lock()
	building := make(map[string]bool, len(e.building))
	for key := range e.building {
		building[key] = true
	}
	e.mu.Unlock()
	used, delays := e.referenced()
	e.mu.Lock()
	takes, current := e.takes, e.current
	doomed := make(map[string]doom)
	sparse := map[segment.ID]bool{}
	var total, wasted int64
	for key, size := range sizes {
		total += size
		id, ok := containerID(key)
		if !ok || building[key] {
			continue
		}
		if live, ok := used[id]; ok {
			if strings.HasPrefix(key, "b/") && live*100 < size*int64(e.cfg.SparsePercent) {
				sparse[id] = true
			}
			continue
		}
		d, ok := e.doomed[key]
		if !ok {
			d = doom{size: size, takes: takes, at: time.Now(), delay: e.cfg.DeleteDelay}
			if delay, ok := delays[prefixOf(key)]; ok {
				d.delay = delay
			}
		}
		doomed[key] = d
		wasted++
	}
	e.doomed, e.sparse, e.collected = doomed, sparse, current
	e.mu.Unlock()
	e.count.containers.Store(int64(len(sizes)))
	e.count.containerBytes.Store(total + e.count.made.Load() - made) // some that were made meanwhile may be in total, until the next time
	e.count.orphans.Store(wasted)
	var errs []error
	for key, d := range doomed {
		if d.takes >= current || time.Since(d.at) < d.delay || e.deps.InUse != nil && e.deps.InUse(key) {
			continue
		}
		if err := e.deps.Store.Delete(ctx, key); err != nil {
			errs = append(errs, fmt.Errorf("tier: delete %s: %w", key, err))
			continue
		}
		e.mu.Lock()
		delete(e.doomed, key)
		delete(e.damaged, key)
		e.mu.Unlock()
		e.count.collected.Add(1)
		e.count.reclaimed.Add(d.size)
		e.count.orphans.Add(-1)
		e.count.containers.Add(-1)
		e.count.containerBytes.Add(-d.size)
	}
	return errors.Join(errs...)
}

// usage is how many bytes of each container partitions refer to, with what the container holds beside the data for it.
type usage map[segment.ID]int64

// besideBytes is what a chunk takes in its container's directory, rounded up.
const besideBytes = 256

// referenced marks. It also returns for how long containers below a partition's prefix stay.
func (e *Engine) referenced() (usage, map[string]time.Duration) {
	used, delays := usage{}, map[string]time.Duration{}
	for p := range e.deps.Partitions {
		has := false
		p.View(func(s *stream.PartitionState) {
			for i := range s.Pieces {
				c := &s.Pieces[i]
				used[c.ID] += int64(c.Len) + int64(c.IndexLen) + int64(c.AbortedLen) + besideBytes
				has = true
			}
		})
		if has {
			delays[segment.SegmentPrefix(p.Name())] = p.Policy().FileDeleteDelay
		}
	}
	return used, delays
}

// collectable reports whether there may be something to collect: without a new checkpoint nothing has changed.
func (e *Engine) collectable() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current > e.collected || len(e.doomed) > 0 && e.current > 0
}

func prefixOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// containerID reads the ID out of a container's key. What has another name is nothing of ours, and stays.
func containerID(key string) (segment.ID, bool) {
	incarnation, number, ok := strings.Cut(key[strings.LastIndexByte(key, '/')+1:], "-")
	if !ok {
		return segment.ID{}, false
	}
	a, errA := strconv.ParseUint(incarnation, 16, 64)
	b, errB := strconv.ParseUint(number, 16, 64)
	id := segment.ID{Incarnation: a, Number: b}
	return id, errA == nil && errB == nil && id.String() == key[strings.LastIndexByte(key, '/')+1:]
}
