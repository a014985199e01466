package share

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// timers has locks released when they end: one goroutine for all share partitions, which has one entry for each.
type timers struct {
	now  func() time.Time
	wake chan struct{}

	mu    sync.Mutex
	heap  alarms
	known map[*Partition]*alarm
}

type alarm struct {
	p     *Partition
	t     time.Time
	index int
}

func newTimers(now func() time.Time) *timers {
	return &timers{now: now, wake: make(chan struct{}, 1), known: make(map[*Partition]*alarm)}
}

// at has p.expire called at t, if it is not to be called before that anyway.
func (ts *timers) at(p *Partition, t time.Time) {
	ts.mu.Lock()
	a, ok := ts.known[p]
	switch {
	case !ok:
		a = &alarm{p: p, t: t}
		ts.known[p] = a
		heap.Push(&ts.heap, a)
	case t.Before(a.t):
		a.t = t
		heap.Fix(&ts.heap, a.index)
	}
	first := a.index == 0
	ts.mu.Unlock()
	if first {
		select {
		case ts.wake <- struct{}{}:
		default:
		}
	}
}

// run calls until ctx ends.
func (ts *timers) run(ctx context.Context) {
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		clock.Reset(ts.due())
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		case <-ts.wake:
		}
	}
}

// due makes the calls that are due and returns how long it is until the next.
func (ts *timers) due() time.Duration {
	for {
		ts.mu.Lock()
		if len(ts.heap) == 0 {
			ts.mu.Unlock()
			return time.Hour
		}
		a := ts.heap[0]
		now := ts.now()
		if wait := a.t.Sub(now); wait > 0 {
			ts.mu.Unlock()
			return wait
		}
		heap.Pop(&ts.heap)
		delete(ts.known, a.p)
		ts.mu.Unlock()
		if next := a.p.expire(now); !next.IsZero() {
			ts.at(a.p, next)
		}
	}
}

// alarms is a heap.
type alarms []*alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].t.Before(h[j].t) }
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *alarms) Push(x any) {
	a := x.(*alarm) //nolint:errcheck // only alarms are pushed
	a.index = len(*h)
	*h = append(*h, a)
}

// Pop implements heap.Interface.
func (h *alarms) Pop() any {
	old := *h
	n := len(old) - 1
	a := old[n]
	old[n] = nil
	*h = old[:n]
	return a
}
