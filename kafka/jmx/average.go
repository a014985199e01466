package jmx

import (
	"math"
	"sync"
)

// Average follows a share that is measured at each tick. The zero value is ready. It is safe for concurrent use.
type Average struct {
	mu    sync.Mutex
	taken int64
	sum   float64
	rates [3]float64
}

// Take takes the share since the last tick.
func (a *Average) Take(v float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.rates {
		if a.taken == 0 {
			a.rates[i] = v
			continue
		}
		a.rates[i] += (1 - math.Exp(-Tick.Minutes()/minutes[i])) * (v - a.rates[i])
	}
	a.taken++
	a.sum += v
}

// Average adds an average, with the attributes of a meter.
func (s *Samples) Average(a *Average, family string, labels ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	mean := 0.0
	if a.taken > 0 {
		mean = a.sum / float64(a.taken)
	}
	s.Add(family+"_Count", float64(a.taken), labels...)
	s.Add(family+"_MeanRate", mean, labels...)
	s.Add(family+"_OneMinuteRate", a.rates[0], labels...)
	s.Add(family+"_FiveMinuteRate", a.rates[1], labels...)
	s.Add(family+"_FifteenMinuteRate", a.rates[2], labels...)
}

// LastMinute is the average over about a minute.
func (a *Average) LastMinute() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rates[0]
}
