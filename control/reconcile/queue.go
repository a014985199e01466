// Package reconcile runs reconcilers: functions that look at one key's desired and observed state and take the next step. A Queue decides
// when each key is looked at: once when it is enqueued, however often that was; again after a failure, with growing pauses; and again when
// the reconciler asked for it. It never hands one key to two workers.
package reconcile

import (
	"cmp"
	"container/heap"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Func reconciles one key. It takes a key, not an event: it reads what is and trusts no memory. It does not sleep; to be called again later
// without a further event it returns Result.RequeueAfter. An error makes it be called again after a pause that doubles with each
// error in a row. The context ends when the queue's does.
type Func[K cmp.Ordered] func(ctx context.Context, key K) (Result, error)

// Result is what a reconciler that did not fail returns.
type Result struct {
	// RequeueAfter asks for another call after that time unless an event makes it earlier. Zero waits for the next event.
	RequeueAfter time.Duration
}

// Config of a Queue. A zero field means its default.
type Config struct {
	Workers  int           // how many keys are reconciled at once; default 4
	RetryMin time.Duration // pause after the first error in a row; default 10 ms
	RetryMax time.Duration // longest pause between two tries; default 30 s
}

func (c Config) withDefaults() Config {
	if c.Workers <= 0 {
		c.Workers = 4
	}
	if c.RetryMin <= 0 {
		c.RetryMin = 10 * time.Millisecond
	}
	if c.RetryMax <= 0 {
		c.RetryMax = 30 * time.Second
	}
	return c
}

// Queue calls a Func for keys. Its state belongs to Run's goroutine; other goroutines only hand in keys.
type Queue[K cmp.Ordered] struct {
	cfg  Config
	fn   Func[K]
	log  *slog.Logger
	wake chan struct{} // holds one signal: incoming is not empty

	mu       sync.Mutex
	incoming []K
	pending  map[K]struct{} // keys in incoming
}

// NewQueue returns a queue that works once Run is called. Keys may be enqueued before that.
func NewQueue[K cmp.Ordered](cfg Config, log *slog.Logger, fn Func[K]) *Queue[K] {
	return &Queue[K]{
		cfg: cfg.withDefaults(), fn: fn, log: log,
		wake: make(chan struct{}, 1), pending: make(map[K]struct{}),
	}
}

// Enqueue asks for key to be looked at soon. It never blocks. A key that is being reconciled is looked at again afterwards, so that
// nothing which happened before Enqueue can be missed.
func (q *Queue[K]) Enqueue(key K) {
	q.mu.Lock()
	if _, ok := q.pending[key]; !ok {
		q.pending[key] = struct{}{}
		q.incoming = append(q.incoming, key)
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// outcome is what a worker reports.
type outcome[K cmp.Ordered] struct {
	key    K
	result Result
	err    error
}

// Run works until ctx ends and returns nil after every reconciler that was running has returned.
func (q *Queue[K]) Run(ctx context.Context) error {
	work := make(chan K)
	done := make(chan outcome[K])
	var workers sync.WaitGroup
	for range q.cfg.Workers {
		workers.Go(func() {
			for key := range work {
				result, err := q.fn(ctx, key)
				done <- outcome[K]{key, result, err}
			}
		})
	}
	s := schedule[K]{cfg: q.cfg, keys: make(map[K]*keyState[K])}
	q.loop(ctx, &s, work, done)
	close(work)
	for s.running > 0 {
		<-done
		s.running--
	}
	workers.Wait()
	return nil
}

func (q *Queue[K]) loop(ctx context.Context, s *schedule[K], work chan<- K, done <-chan outcome[K]) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		s.due(now)
		var next K
		var hand chan<- K // nil, which blocks, while nothing is ready
		if len(s.ready) > 0 {
			hand, next = work, s.ready[0].key
		}
		if at, ok := s.earliest(); ok {
			timer.Reset(at.Sub(now))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
			for _, key := range q.take() {
				s.enqueue(key)
			}
		case hand <- next:
			s.start()
		case o := <-done:
			if o.err != nil && ctx.Err() == nil {
				q.log.Warn("reconcile failed, will be tried again", "key", o.key, "err", o.err)
			}
			s.finish(o, time.Now())
		case <-timer.C:
		}
	}
}

func (q *Queue[K]) take() []K {
	q.mu.Lock()
	defer q.mu.Unlock()
	keys := q.incoming
	q.incoming = nil
	clear(q.pending)
	return keys
}

// schedule is which key is to be looked at when. A key is in at most one of: ready, delayed, running.
type schedule[K cmp.Ordered] struct {
	cfg     Config
	keys    map[K]*keyState[K] // keys with anything to remember
	ready   []*keyState[K]     // first in, first out
	delayed delayHeap[K]
	running int
}

type keyState[K cmp.Ordered] struct {
	key    K
	where  place
	again  bool      // while running: it was enqueued meanwhile
	at     time.Time // while delayed: when it becomes ready
	index  int       // while delayed: in the heap
	failed int       // errors in a row
}

type place int

const (
	nowhere place = iota
	ready
	delayed
	running
)

func (s *schedule[K]) enqueue(key K) {
	k := s.keys[key]
	if k == nil {
		k = &keyState[K]{key: key}
		s.keys[key] = k
	}
	switch k.where {
	case ready:
	case running:
		k.again = true
	case delayed: // an event may have removed what it waits for
		heap.Remove(&s.delayed, k.index)
		s.toReady(k)
	case nowhere:
		s.toReady(k)
	}
}

func (s *schedule[K]) toReady(k *keyState[K]) {
	k.where = ready
	s.ready = append(s.ready, k)
}

func (s *schedule[K]) start() {
	k := s.ready[0]
	s.ready[0] = nil
	s.ready = s.ready[1:]
	k.where, k.again = running, false
	s.running++
}

func (s *schedule[K]) finish(o outcome[K], now time.Time) {
	k := s.keys[o.key]
	s.running--
	wait := o.result.RequeueAfter
	if o.err != nil {
		k.failed++
		wait = s.pause(k.failed)
	} else {
		k.failed = 0
	}
	switch {
	case k.again:
		s.toReady(k)
	case wait > 0:
		k.where, k.at = delayed, now.Add(wait)
		heap.Push(&s.delayed, k)
	default:
		delete(s.keys, o.key)
	}
}

// pause is how long to wait after the n-th error in a row: doubling from RetryMin to RetryMax, of which a random half is taken
// off, so that keys which failed together do not come back together.
func (s *schedule[K]) pause(n int) time.Duration {
	d := s.cfg.RetryMin
	for ; n > 1 && d < s.cfg.RetryMax; n-- {
		d *= 2
	}
	d = min(d, s.cfg.RetryMax)
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter is no secret
}

func (s *schedule[K]) due(now time.Time) {
	for len(s.delayed) > 0 && !s.delayed[0].at.After(now) {
		s.toReady(heap.Pop(&s.delayed).(*keyState[K])) //nolint:errcheck // the heap holds nothing else
	}
}

func (s *schedule[K]) earliest() (time.Time, bool) {
	if len(s.delayed) == 0 {
		return time.Time{}, false
	}
	return s.delayed[0].at, true
}

// delayHeap implements heap.Interface by time, then key.
type delayHeap[K cmp.Ordered] []*keyState[K]

func (h delayHeap[K]) Len() int { return len(h) }
func (h delayHeap[K]) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].key < h[j].key
}

func (h delayHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is called by package heap.
func (h *delayHeap[K]) Push(x any) {
	k := x.(*keyState[K]) //nolint:errcheck // finish pushes nothing else
	k.index = len(*h)
	*h = append(*h, k)
}

// Pop is called by package heap.
func (h *delayHeap[K]) Pop() any {
	old := *h
	k := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return k
}
