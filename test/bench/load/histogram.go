package load

import (
	"math/bits"
	"time"
)

// Histogram counts durations with a relative error below 1/64, in constant memory and without allocation. Not safe for concurrent use: each
// connection has its own, and they are added up.
type Histogram struct {
	counts [(64 - subBits) << subBits]uint32
	total  uint64
	max    time.Duration
}

// subBits: each power of two is cut into 1<<subBits buckets.
const subBits = 6

// bucket is linear below 1<<(subBits+1) and logarithmic above, without a seam.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// value is the middle of a bucket.
func value(index int) time.Duration {
	shift := max(index>>subBits-1, 0)
	low := uint64(index-shift<<subBits) << shift
	return time.Duration(low + (1<<shift)/2)
}

// Record counts one duration.
func (h *Histogram) Record(d time.Duration) {
	h.counts[bucket(d)]++
	h.total++
	h.max = max(h.max, d)
}

// Add counts all of o.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range &o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// Count is how many durations were recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Max is the longest.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile is the duration that a share q of all does not exceed; 0 when nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := min(uint64(q*float64(h.total)), h.total-1)
	var seen uint64
	for i, n := range &h.counts {
		if seen += uint64(n); seen > rank {
			return min(value(i), h.max)
		}
	}
	return h.max
}
