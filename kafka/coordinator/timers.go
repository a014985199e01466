package coordinator

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Timers calls functions at given times, from one goroutine for all shards of a coordinator: groups have a timer for every member.
type Timers struct {
	wake chan struct{} // the earliest time changed

	mu   sync.Mutex
	heap timerHeap
}

// NewTimers returns Timers without any; nothing fires until Run.
func NewTimers() *Timers { return &Timers{wake: make(chan struct{}, 1)} }

// Timer is one call to come. It belongs to a Shard, whose lock guards it.
type Timer struct {
	at      time.Time
	index   int // in the heap, -1 when not in it
	stopped bool
	fire    func()
}

// start arranges a call of fire.
func (t *Timers) start(after time.Duration, fire func()) *Timer {
	timer := &Timer{at: time.Now().Add(after), fire: fire}
	t.mu.Lock()
	heap.Push(&t.heap, timer)
	first := timer.index == 0
	t.mu.Unlock()
	if first {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	return timer
}

// stop removes the timer from the heap if it has not been taken for firing.
func (t *Timers) stop(timer *Timer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if timer.index >= 0 {
		heap.Remove(&t.heap, timer.index)
	}
}

// Run fires timers until ctx ends.
func (t *Timers) Run(ctx context.Context) error {
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		next := t.fireDue()
		clock.Reset(next)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.C:
		case <-t.wake:
		}
	}
}

// fireDue fires what is due and returns how long it is until the next.
func (t *Timers) fireDue() time.Duration {
	for {
		t.mu.Lock()
		if len(t.heap) == 0 {
			t.mu.Unlock()
			return time.Hour
		}
		if wait := time.Until(t.heap[0].at); wait > 0 {
			t.mu.Unlock()
			return wait
		}
		timer := heap.Pop(&t.heap).(*Timer)
		t.mu.Unlock()
		timer.fire()
	}
}

type timerHeap []*Timer

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *timerHeap) Push(x any) {
	timer := x.(*Timer)
	timer.index = len(*h)
	*h = append(*h, timer)
}

// Pop implements heap.Interface.
func (h *timerHeap) Pop() any {
	old := *h
	n := len(old) - 1
	timer := old[n]
	old[n] = nil
	*h = old[:n]
	timer.index = -1
	return timer
}
