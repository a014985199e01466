package jmx

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Tick is how often Registry.Tick is to be called.
const Tick = 5 * time.Second

// Meter counts events. The zero value is ready. It is safe for concurrent use.
type Meter struct {
	count atomic.Int64

	mu      sync.Mutex
	begun   time.Time // the first tick
	counted int64     // at the last tick
	rates   [3]float64
	rated   bool // rates have their first value
}

// minutes are what the rates are averages over.
var minutes = [3]float64{1, 5, 15} //nolint:gochecknoglobals // a constant table

// Mark counts n events.
func (m *Meter) Mark(n int64) { m.count.Add(n) }

// Count is how many there were.
func (m *Meter) Count() int64 { return m.count.Load() }

// OneMinuteRate is the average over about a minute, a second.
func (m *Meter) OneMinuteRate() float64 { return m.rate(0) }

// FiveMinuteRate is the average over about five minutes, a second.
func (m *Meter) FiveMinuteRate() float64 { return m.rate(1) }

// FifteenMinuteRate is the average over about a quarter of an hour, a second.
func (m *Meter) FifteenMinuteRate() float64 { return m.rate(2) }

func (m *Meter) rate(i int) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rates[i]
}

// tick takes what came since the last tick into the rates.
func (m *Meter) tick(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.begun.IsZero() {
		m.begun = now.Add(-Tick)
	}
	count := m.count.Load()
	rate := float64(count-m.counted) / Tick.Seconds()
	m.counted = count
	for i := range m.rates {
		if !m.rated {
			m.rates[i] = rate
			continue
		}
		m.rates[i] += (1 - math.Exp(-Tick.Minutes()/minutes[i])) * (rate - m.rates[i])
	}
	m.rated = true
}

func (m *Meter) collect(s *Samples, family string, labels []string) {
	m.mu.Lock()
	begun, rates := m.begun, m.rates
	m.mu.Unlock()
	count := float64(m.Count())
	mean := 0.0
	if past := s.now.Sub(begun).Seconds(); !begun.IsZero() && past > 0 {
		mean = count / past
	}
	if !s.timer {
		s.Add(family+"_Count", count, labels...)
	}
	s.Add(family+"_MeanRate", mean, labels...)
	s.Add(family+"_OneMinuteRate", rates[0], labels...)
	s.Add(family+"_FiveMinuteRate", rates[1], labels...)
	s.Add(family+"_FifteenMinuteRate", rates[2], labels...)
}
