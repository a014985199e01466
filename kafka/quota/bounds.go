package quota

import (
	"sync"
	"sync/atomic"
	"time"

	"weir/metadata"
)

// Bounds are what a broker takes from and gives to all its clients together, and per partition: what was bought with it. They are a second, and 0 is
// no bound. Clients above them get what they asked for and have to pause, whatever limits of their own they have.
type Bounds struct {
	In, Out                   float64 // bytes
	PartitionIn, PartitionOut float64 // bytes of one partition
	Requests                  float64
	TopicRequests             float64 // that make, change or delete topics
	Attempts                  float64 // new connections; those above it are to be closed
}

// Limits reports whether anything is bounded.
func (b *Bounds) Limits() bool { return *b != Bounds{} }

// Bounded are the meters of a broker's Bounds. It is safe for concurrent use.
type Bounded struct {
	now    func() time.Time
	span   span
	bounds atomic.Pointer[Bounds] // nil if there are none, which costs nothing

	mu         sync.Mutex
	total      [totals]window
	partitions map[flow]*window
	sweepAt    int
}

type total int

const (
	totalIn total = iota
	totalOut
	totalRequests
	totalTopicRequests
	totalAttempts
	totals
)

// flow is one direction of a partition.
type flow struct {
	topic metadata.TopicID
	index int32
	out   bool
}

// NewBounded returns meters without bounds, which take rates as New says. now is time.Now if nil.
func NewBounded(s Settings, now func() time.Time) *Bounded {
	if now == nil {
		now = time.Now
	}
	s = s.withDefaults()
	return &Bounded{now: now, span: span{s.Windows, s.Window}, partitions: make(map[flow]*window)}
}

// Bind replaces the bounds. What was counted stays.
func (q *Bounded) Bind(b Bounds) {
	if !b.Limits() {
		q.bounds.Store(nil)
		return
	}
	q.bounds.Store(&b)
}

// Bounds are those that hold.
func (q *Bounded) Bounds() Bounds {
	if b := q.bounds.Load(); b != nil {
		return *b
	}
	return Bounds{}
}

// In counts n bytes that came, and returns how long whoever sent them has to pause. So do the others that return a duration.
func (q *Bounded) In(n int64) time.Duration {
	b := q.bounds.Load()
	if b == nil {
		return 0
	}
	return q.count(totalIn, b.In, float64(n))
}

// Out counts n bytes that go.
func (q *Bounded) Out(n int64) time.Duration {
	b := q.bounds.Load()
	if b == nil {
		return 0
	}
	return q.count(totalOut, b.Out, float64(n))
}

// Request counts one request.
func (q *Bounded) Request() time.Duration {
	b := q.bounds.Load()
	if b == nil {
		return 0
	}
	return q.count(totalRequests, b.Requests, 1)
}

// TopicRequest counts one that makes, changes or deletes topics.
func (q *Bounded) TopicRequest() time.Duration {
	b := q.bounds.Load()
	if b == nil {
		return 0
	}
	return q.count(totalTopicRequests, b.TopicRequests, 1)
}

// Attempt counts a new connection, and reports whether there may be one. One that may not be does not count.
func (q *Bounded) Attempt() bool {
	b := q.bounds.Load()
	if b == nil || q.count(totalAttempts, b.Attempts, 1) == 0 {
		return true
	}
	q.count(totalAttempts, b.Attempts, -1)
	return false
}

// PartitionIn counts n bytes that came for a partition.
func (q *Bounded) PartitionIn(topic metadata.TopicID, index int32, n int64) time.Duration {
	b := q.bounds.Load()
	if b == nil {
		return 0
	}
	return q.countPartition(flow{topic, index, false}, b.PartitionIn, n)
}

// PartitionOut counts n bytes that go from a partition.
func (q *Bounded) PartitionOut(topic metadata.TopicID, index int32, n int64) time.Duration {
	b := q.bounds.Load()
	if b == nil {
		return 0
	}
	return q.countPartition(flow{topic, index, true}, b.PartitionOut, n)
}

func (q *Bounded) count(of total, rate, n float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().UnixMilli()
	q.total[of].add(q.span, n, now)
	return q.total[of].pause(q.span, rate, now)
}

func (q *Bounded) countPartition(f flow, rate float64, n int64) time.Duration {
	if rate <= 0 || n == 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().UnixMilli()
	w := q.partitions[f]
	if w == nil {
		sweep(&q.sweepAt, q.partitions, func(w *window) bool { return w.idle(q.span, now) })
		w = new(window)
		q.partitions[f] = w
	}
	w.add(q.span, float64(n), now)
	return w.pause(q.span, rate, now)
}
