package quota

import (
	"sync"
	"sync/atomic"
	"time"
)

// Quotas are the buckets of one broker. It is safe for concurrent use.
type Quotas struct {
	now   func() time.Time
	table atomic.Pointer[Table] // nil if nothing is limited, which costs nothing

	mu      sync.Mutex
	buckets [kinds]map[Entity]*bucket
	sweepAt [kinds]int // how many buckets there are when full ones are dropped
}

type kind int

const (
	produce kind = iota
	fetch
	kinds
)

// sweepLeast is how many buckets of a kind there may be before full ones are looked for; then again when twice as many are there as were left.
const sweepLeast = 1000

// bucket fills with rate bytes a second up to one second's worth. Debt is what was drawn and has not flowed in yet.
type bucket struct {
	debt float64
	at   time.Time
	rate float64
}

// New returns quotas without limits. now is time.Now if nil.
func New(now func() time.Time) *Quotas {
	if now == nil {
		now = time.Now
	}
	q := &Quotas{now: now}
	for k := range q.buckets {
		q.buckets[k] = make(map[Entity]*bucket)
	}
	return q
}

// Configure replaces the limits. The table must not be modified any more.
func (q *Quotas) Configure(t Table) {
	if len(t) == 0 {
		q.table.Store(nil)
		return
	}
	q.table.Store(&t)
}

// Produced counts n bytes that a client sent to be appended, and returns how long it has to pause now.
func (q *Quotas) Produced(user, client string, n int64) time.Duration {
	return q.count(produce, user, client, n, func(l *Limits) float64 { return l.Produce })
}

// Fetched counts n bytes of records that a client was sent, and returns how long it has to pause now.
func (q *Quotas) Fetched(user, client string, n int64) time.Duration {
	return q.count(fetch, user, client, n, func(l *Limits) float64 { return l.Fetch })
}

func (q *Quotas) count(k kind, user, client string, n int64, of func(*Limits) float64) time.Duration {
	t := q.table.Load()
	if t == nil {
		return 0
	}
	rate, entity := t.find(user, client, of)
	if rate <= 0 {
		return 0
	}
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buckets[k][entity]
	if b == nil {
		q.makeRoom(k, now)
		b = &bucket{debt: -rate, at: now}
		q.buckets[k][entity] = b
	}
	b.rate = rate
	b.flow(now)
	b.debt += float64(n)
	if b.debt <= 0 {
		return 0
	}
	return time.Duration(min(b.debt/rate, pauseMax.Seconds()) * float64(time.Second))
}

// pauseMax bounds one pause, so that a limit that was set too low by mistake can be corrected. The debt stays.
const pauseMax = 30 * time.Second

// flow lets in what has come since the last time.
func (b *bucket) flow(now time.Time) {
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.debt = max(b.debt-d*b.rate, -b.rate)
		b.at = now
	}
}

// makeRoom drops full buckets if there are many, so that there are never much more than twice as many as clients in debt.
func (q *Quotas) makeRoom(k kind, now time.Time) {
	if len(q.buckets[k]) < max(q.sweepAt[k], sweepLeast) {
		return
	}
	for e, b := range q.buckets[k] {
		if b.flow(now); b.debt <= -b.rate {
			delete(q.buckets[k], e)
		}
	}
	q.sweepAt[k] = 2 * len(q.buckets[k])
}

// Buckets is how many buckets there are.
func (q *Quotas) Buckets() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for k := range q.buckets {
		n += len(q.buckets[k])
	}
	return n
}
