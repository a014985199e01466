package jmx

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Buckets: one for each value below 16, and 8 for each power of two from there on.
const (
	exact      = 16
	perPower   = 8
	powersMax  = 40
	bucketsMax = exact + powersMax*perPower
)

// Histogram takes values that are not negative. It is safe for concurrent use.
type Histogram struct {
	scale float64 // of a value, to what is shown

	fresh [bucketsMax]atomic.Uint32
	sum   atomic.Int64
	max   atomic.Int64
	min   atomic.Int64 // one more than it; 0 without values

	mu      sync.Mutex
	count   int64
	squares float64
	recent  [bucketsMax]float64 // weights
}

// NewHistogram returns a histogram whose values are shown multiplied by scale.
func NewHistogram(scale float64) *Histogram { return &Histogram{scale: scale} }

// Millis returns a histogram of microseconds that are shown as milliseconds.
func Millis() *Histogram { return NewHistogram(1e-3) }

// Observe records how long something took, in a histogram of microseconds.
func (h *Histogram) Observe(d time.Duration) { h.Record(d.Microseconds()) }

// Fill records values of 0 until there are n values. So what is 0 most of the time needs no recording.
func (h *Histogram) Fill(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.foldLocked()
	if zeros := n - h.count; zeros > 0 {
		h.count = n
		h.recent[0] += float64(zeros)
		h.extreme(0)
	}
}

// Record takes a value; one below 0 counts as 0.
func (h *Histogram) Record(v int64) {
	v = max(v, 0)
	h.fresh[bucketOf(v)].Add(1)
	h.sum.Add(v)
	h.extreme(v)
}

// RecordMany takes a value n times.
func (h *Histogram) RecordMany(v, n int64) {
	if n <= 0 {
		return
	}
	v = max(v, 0)
	h.fresh[bucketOf(v)].Add(uint32(min(n, math.MaxInt32)))
	h.sum.Add(v * n)
	h.extreme(v)
}

func (h *Histogram) extreme(v int64) {
	for old := h.max.Load(); v > old && !h.max.CompareAndSwap(old, v); old = h.max.Load() {
	}
	for old := h.min.Load(); (old == 0 || v+1 < old) && !h.min.CompareAndSwap(old, v+1); old = h.min.Load() {
	}
}

func bucketOf(v int64) int {
	if v < exact {
		return int(v)
	}
	power := bits.Len64(uint64(v)) - 1 // at least 4
	return min(exact+(power-4)*perPower+int(v>>(power-3))&(perPower-1), bucketsMax-1)
}

// middle is the value that stands for those in a bucket.
func middle(bucket int) float64 {
	if bucket < exact {
		return float64(bucket)
	}
	power, part := (bucket-exact)/perPower+4, (bucket-exact)%perPower
	width := math.Ldexp(1, power-3)
	return math.Ldexp(1, power) + (float64(part)+0.5)*width
}

// decay is what a value weighs after a tick: Kafka's library has the same factor in its exponent, per second.
func decay() float64 { return math.Exp(-0.015 * Tick.Seconds()) }

// Count is how many values there are.
func (h *Histogram) Count() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.foldLocked()
	return h.count
}

// Ticked brings a histogram up to date that no registry knows.
func (h *Histogram) Ticked() { h.tick() }

// tick takes what came since the last tick among the recent values, which weigh less each time.
func (h *Histogram) tick() {
	h.mu.Lock()
	defer h.mu.Unlock()
	share := decay()
	for i := range h.recent {
		h.recent[i] *= share
	}
	h.foldLocked()
}

func (h *Histogram) foldLocked() {
	for i := range h.fresh {
		if h.fresh[i].Load() == 0 {
			continue
		}
		n := h.fresh[i].Swap(0)
		h.count += int64(n)
		h.recent[i] += float64(n)
		m := middle(i)
		h.squares += float64(n) * m * m
	}
}

// percentiles are those that Kafka shows, with the names of their attributes.
var percentiles = []struct { //nolint:gochecknoglobals // a constant table
	name  string
	share float64
}{
	{"50thPercentile", 0.5}, {"75thPercentile", 0.75}, {"95thPercentile", 0.95}, {"98thPercentile", 0.98}, {"99thPercentile", 0.99}, {"999thPercentile", 0.999},
}

func (h *Histogram) collect(s *Samples, family string, labels []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.foldLocked()
	n, sum := float64(h.count), float64(h.sum.Load())
	mean, deviation, least := 0.0, 0.0, 0.0
	if h.count > 0 {
		mean = sum / n
		deviation = math.Sqrt(max(h.squares/n-mean*mean, 0))
		least = float64(h.min.Load() - 1)
	}
	s.Add(family+"_Count", n, labels...)
	s.Add(family+"_Mean", mean*h.scale, labels...)
	s.Add(family+"_Max", float64(h.max.Load())*h.scale, labels...)
	s.Add(family+"_Min", max(least, 0)*h.scale, labels...)
	s.Add(family+"_StdDev", deviation*h.scale, labels...)
	weight := 0.0
	for _, w := range &h.recent {
		weight += w
	}
	bucket, before := 0, h.recent[0]
	for _, p := range percentiles {
		for before < p.share*weight && bucket < bucketsMax-1 {
			bucket++
			before += h.recent[bucket]
		}
		s.Add(family+"_"+p.name, min(middle(bucket), float64(h.max.Load()))*h.scale, labels...)
	}
}
