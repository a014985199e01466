package stream

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// PulseBuckets is how many buckets a Pulse has; the last one begins at 2^25 us, 34 s.
const PulseBuckets = 27

// Pulse says how fast commits become durable.
type Pulse struct {
	// Took counts the commits since the start by how long they took: Took[i] those of at least 2^(i-1) and less than 2^i microseconds.
	Took [PulseBuckets]int64
	// Seconds is how long all of them took.
	Seconds float64
	// InFlight is for how long the present one has been under way, 0 if there is none.
	InFlight time.Duration
}

// pulse is written by the committer only.
type pulse struct {
	origin time.Time
	began  atomic.Int64 // since origin, 0: nothing is in flight
	took   [PulseBuckets]atomic.Int64
	nanos  atomic.Int64
}

// start sets the origin so that began is never 0 while something is in flight.
func (p *pulse) start() { p.origin = time.Now().Add(-time.Second) }

func (p *pulse) begin() { p.began.Store(int64(time.Since(p.origin))) }

func (p *pulse) end() {
	d := int64(time.Since(p.origin)) - p.began.Load()
	p.began.Store(0)
	p.nanos.Add(d)
	p.took[min(bits.Len64(uint64(max(d, 0))/1000), PulseBuckets-1)].Add(1)
}

// Pulse returns the pulse. Its fields may be from slightly different moments.
func (s *Stream) Pulse() Pulse {
	p := Pulse{Seconds: time.Duration(s.pulse.nanos.Load()).Seconds()}
	if began := s.pulse.began.Load(); began > 0 {
		p.InFlight = time.Since(s.pulse.origin) - time.Duration(began)
	}
	for i := range p.Took {
		p.Took[i] = s.pulse.took[i].Load()
	}
	return p
}
