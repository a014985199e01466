package quota

import (
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Settings are the broker configs that say how rates are taken. The zero value of each is Kafka's default.
type Settings struct {
	Windows         int           // quota.window.num
	Window          time.Duration // quota.window.size.seconds
	MutationWindows int           // controller.quota.window.num
	MutationWindow  time.Duration // controller.quota.window.size.seconds
}

func (s Settings) withDefaults() Settings {
	for _, n := range [...]*int{&s.Windows, &s.MutationWindows} {
		if *n == 0 {
			*n = 11
		}
	}
	for _, d := range [...]*time.Duration{&s.Window, &s.MutationWindow} {
		if *d == 0 {
			*d = time.Second
		}
	}
	return s
}

// Quotas are the meters of one broker. It is safe for concurrent use.
type Quotas struct {
	now       func() time.Time
	span      span
	mutations span
	broker    atomic.Uint64          // float64: connections a second; 0 is no limit
	limits    atomic.Pointer[limits] // nil if nothing is limited, which costs nothing

	mu        sync.Mutex
	meters    [kinds]map[Entity]*window
	buckets   map[Entity]*tokens
	addresses map[netip.Addr]*window
	accepted  window
	sweepAt   [sweeps]int // how many of a kind there are when idle ones are dropped
}

// limits are a Table as it is looked up.
type limits struct {
	table     Table
	has       [kinds]bool // whether there is any of a kind
	mutations bool
	addresses map[netip.Addr]float64
	anyone    float64 // of addresses without a limit of their own; 0 is none
}

type kind int

const (
	produce kind = iota
	fetch
	request
	kinds
	ofBuckets   = kinds
	ofAddresses = kinds + 1
	sweeps      = kinds + 2
)

func (k kind) of(l *Limits) float64 {
	switch k {
	case produce:
		return l.Produce
	case fetch:
		return l.Fetch
	default:
		return l.Request
	}
}

// sweepLeast is how many meters of a kind there may be before idle ones are looked for; then again when twice as many are there as were left.
const sweepLeast = 1000

// New returns quotas without limits. now is time.Now if nil.
func New(s Settings, now func() time.Time) *Quotas {
	if now == nil {
		now = time.Now
	}
	s = s.withDefaults()
	q := &Quotas{
		now: now, span: span{s.Windows, s.Window}, mutations: span{s.MutationWindows, s.MutationWindow},
		buckets: make(map[Entity]*tokens), addresses: make(map[netip.Addr]*window),
	}
	for k := range q.meters {
		q.meters[k] = make(map[Entity]*window)
	}
	return q
}

// Configure replaces the limits. The table must not be modified any more.
func (q *Quotas) Configure(t Table) {
	if len(t) == 0 {
		q.limits.Store(nil)
		return
	}
	l := &limits{table: t, addresses: make(map[netip.Addr]float64)}
	for e, of := range t {
		for k := range kinds {
			l.has[k] = l.has[k] || k.of(&of) > 0
		}
		l.mutations = l.mutations || of.Mutation > 0
		switch addr, ok := address(e.IP.Value); {
		case !e.IP.Is:
		case e.IP.Any:
			l.anyone = of.Connection
		case ok:
			l.addresses[addr] = of.Connection
		}
	}
	q.limits.Store(l)
}

// Produced counts n bytes that a client sent to be appended, and returns how long it has to pause now.
func (q *Quotas) Produced(user, client string, n int64) time.Duration {
	return q.count(produce, user, client, float64(n))
}

// Fetched counts n bytes that a client is to be sent, and returns how long it has to pause now. If that is not 0, the client is sent no records, and
// the bytes are to be taken back with Unfetched; unless alone is set: nothing else was sent for so long that these would never be within the limit.
// Apache Kafka does not send those either, and a consumer is stuck before a batch that is larger than its quota for ten seconds.
func (q *Quotas) Fetched(user, client string, n int64) (pause time.Duration, alone bool) {
	pause = q.count(fetch, user, client, float64(n))
	return pause, pause > 0 && q.counted(fetch, user, client) <= float64(n)
}

// Unfetched takes back what Fetched counted.
func (q *Quotas) Unfetched(user, client string, n int64) { q.count(fetch, user, client, -float64(n)) }

// FetchMax is how many bytes a client that was silent may fetch at once without a pause: more would never be sent.
func (q *Quotas) FetchMax(user, client string) int64 {
	l := q.limits.Load()
	if l == nil || !l.has[fetch] {
		return math.MaxInt64
	}
	rate, _ := l.table.find(user, client, fetch.of)
	if rate <= 0 {
		return math.MaxInt64
	}
	n := rate * float64(q.span.count-1) * q.span.length.Seconds()
	if n >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(n)
}

// Requested counts the time that a request of the client kept the broker busy, and returns how long it has to pause now: not longer than one window.
// The limit is a percentage of one thread's time.
func (q *Quotas) Requested(user, client string, busy time.Duration) time.Duration {
	return min(q.count(request, user, client, percent(busy)), q.span.length)
}

// LimitsRequests reports whether any client's time is limited: if not, nobody needs to measure it.
func (q *Quotas) LimitsRequests() bool {
	l := q.limits.Load()
	return l != nil && l.has[request]
}

func percent(busy time.Duration) float64 { return busy.Seconds() * 100 }

func (q *Quotas) count(k kind, user, client string, n float64) time.Duration {
	l := q.limits.Load()
	if l == nil || !l.has[k] {
		return 0
	}
	rate, entity := l.table.find(user, client, k.of)
	if rate <= 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().UnixMilli()
	w := q.meters[k][entity]
	if w == nil {
		q.sweepLocked(k, now)
		w = new(window)
		q.meters[k][entity] = w
	}
	w.add(q.span, n, now)
	return w.pause(q.span, rate, now)
}

// counted is what a client's meter holds.
func (q *Quotas) counted(k kind, user, client string) float64 {
	l := q.limits.Load()
	if l == nil {
		return 0
	}
	_, entity := l.table.find(user, client, k.of)
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.meters[k][entity]
	if w == nil {
		return 0
	}
	sum, _ := w.measure(q.span, q.now().UnixMilli())
	return sum
}

// sweepLocked drops idle meters if there are many, so that there are never much more than twice as many as clients that are not.
func (q *Quotas) sweepLocked(k kind, now int64) {
	switch k {
	case ofBuckets:
		sweep(&q.sweepAt[k], q.buckets, func(t *tokens) bool { return now-t.at >= int64(q.mutations.count)*q.mutations.millis() && t.left >= 0 })
	case ofAddresses:
		sweep(&q.sweepAt[k], q.addresses, func(w *window) bool { return w.idle(q.span, now) })
	default:
		sweep(&q.sweepAt[k], q.meters[k], func(w *window) bool { return w.idle(q.span, now) })
	}
}

func sweep[K comparable, V any](at *int, m map[K]V, idle func(V) bool) {
	if len(m) < max(*at, sweepLeast) {
		return
	}
	for e, v := range m {
		if idle(v) {
			delete(m, e)
		}
	}
	*at = 2 * len(m)
}

// Meters is how many meters there are.
func (q *Quotas) Meters() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.buckets) + len(q.addresses)
	for k := range q.meters {
		n += len(q.meters[k])
	}
	return n
}
