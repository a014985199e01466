package broker

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"weir/kafka/configdef"
	"weir/kafka/quota"
)

// Limits bound what clients can make a broker hold. Zero means the default.
type Limits struct {
	// ProduceBytesMax is for produce requests in flight; default 15% of the memory limit, and at most 48 MiB, so that the log's queue, which
	// refuses beyond 64 MiB, always has room for them and for the coordinators' own records: clients are pushed back, not refused.
	ProduceBytesMax int64
	RequestBytesMax int64 // other requests in flight; default 5% or 64 MiB
	FetchBytesMax   int64 // records in fetch responses in flight; default 10% or 128 MiB; one response holds a quarter of it at most
	DecodedBytesMax int64 // memory that decoding one request may take beyond its bytes; default 32 MiB

	ConnRequestsMax int   // requests in flight per connection; default 8
	ConnBytesMax    int64 // bytes of requests in flight per connection; default 32 MiB

	ConnectionsPerAddressMax  int // default 256; loopback addresses, behind which any number of clients sit, have no limit of their own
	ConnectionsPerListenerMax int // default 8,000
	ConnectionsMax            int // per broker; default 10,000

	RateWindow   time.Duration // default 10 s
	RateBytesMin int64         // least bytes per window inside a frame, in and out, or the connection is closed; default 40 KiB

	DrainTimeout time.Duration // how long a closing broker waits for answers under way; default 5 s

	// HandOverWait is how long the answer waits to a produce request that was refused because its partition is being handed over; default 1 s. Nothing was
	// appended, so that waiting is safe; and once the next leader is known the client can be told of it, and comes back to it at once, rather than after a
	// pause and by way of Metadata.
	HandOverWait time.Duration
	GroupsWait   time.Duration // how long other brokers may take to say how many groups they have; default 2 s
}

func (l Limits) withDefaults() Limits {
	memory := debug.SetMemoryLimit(-1) // only reads it
	share := func(percent, otherwise int64) int64 {
		if memory == math.MaxInt64 {
			return otherwise
		}
		return max(memory/100*percent, 8<<20)
	}
	setDefault(&l.ProduceBytesMax, min(share(15, 48<<20), 48<<20))
	setDefault(&l.RequestBytesMax, share(5, 64<<20))
	setDefault(&l.FetchBytesMax, share(10, 128<<20))
	setDefault(&l.DecodedBytesMax, 32<<20)
	setDefault(&l.ConnRequestsMax, 8)
	setDefault(&l.ConnBytesMax, 32<<20)
	setDefault(&l.ConnectionsPerAddressMax, 256)
	setDefault(&l.ConnectionsPerListenerMax, 8_000)
	setDefault(&l.ConnectionsMax, 10_000)
	setDefault(&l.RateWindow, 10*time.Second)
	setDefault(&l.RateBytesMin, 40<<10)
	setDefault(&l.DrainTimeout, 5*time.Second)
	setDefault(&l.HandOverWait, time.Second)
	setDefault(&l.GroupsWait, 2*time.Second)
	return l
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// properties are the static broker properties that this package reads.
type properties struct {
	frameBytesMax     int32
	idle              time.Duration // not positive: for ever
	fetchSessionSlots int
	fetchBytesMax     int32
	quota             quota.Settings
}

func readProperties(p map[string]string) (properties, error) {
	for name, value := range p {
		if err := configdef.ValidateBroker(name, value); err != nil {
			return properties{}, fmt.Errorf("property %s: %w", name, err)
		}
	}
	l := configdef.Layers{Static: p}
	return properties{
		frameBytesMax:     int32(l.BrokerInt("socket.request.max.bytes")),
		idle:              time.Duration(l.BrokerInt("connections.max.idle.ms")) * time.Millisecond,
		fetchSessionSlots: int(l.BrokerInt("max.incremental.fetch.session.cache.slots")),
		fetchBytesMax:     int32(l.BrokerInt("fetch.max.bytes")),
		quota: quota.Settings{
			Windows:         int(l.BrokerInt("quota.window.num")),
			Window:          time.Duration(l.BrokerInt("quota.window.size.seconds")) * time.Second,
			MutationWindows: int(l.BrokerInt("controller.quota.window.num")),
			MutationWindow:  time.Duration(l.BrokerInt("controller.quota.window.size.seconds")) * time.Second,
		},
	}, nil
}

// budget is a number of bytes that everything in flight shares. Taking more than there is waits, first come first served. A connection waits
// for one budget at a time, on the loop that it reads or writes with, and holds no more than ConnBytesMax: so one that floods the
// broker comes in turn with all others that wait, and a small request never waits for more than one request of each of them.
type budget struct {
	max   int64
	sem   *semaphore.Weighted
	gauge prometheus.Gauge
	waits prometheus.Counter
}

func (m *metrics) budget(name string, max int64, gauge prometheus.Gauge) *budget {
	m.budgets.WithLabelValues(name).Set(float64(max))
	return &budget{max: max, sem: semaphore.NewWeighted(max), gauge: gauge, waits: m.budgetWaits.WithLabelValues(name)}
}

// take waits for n bytes and returns what was taken: the whole budget if n is more than that, so that one large request waits for all
// others rather than for ever.
func (b *budget) take(ctx context.Context, n int64) (int64, error) {
	if got, ok := b.tryTake(n); ok {
		return got, nil
	}
	n = min(n, b.max)
	b.waits.Inc()
	if err := b.sem.Acquire(ctx, n); err != nil {
		return 0, err
	}
	b.gauge.Add(float64(n))
	return n, nil
}

// tryTake is take without waiting. It takes nothing while others wait.
func (b *budget) tryTake(n int64) (int64, bool) {
	n = min(n, b.max)
	if !b.sem.TryAcquire(n) {
		return 0, false
	}
	b.gauge.Add(float64(n))
	return n, true
}

// takeUpTo takes n bytes if they are there, or else a part of it, but waits rather than take less than least.
func (b *budget) takeUpTo(ctx context.Context, n, least int64) (int64, error) {
	n = min(n, b.max)
	for n > least {
		if got, ok := b.tryTake(n); ok {
			return got, nil
		}
		n /= 2
	}
	return b.take(ctx, max(n, 1))
}

func (b *budget) give(n int64) {
	if n == 0 {
		return
	}
	b.sem.Release(n)
	b.gauge.Sub(float64(n))
}
