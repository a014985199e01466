package balance

import (
	"context"
	"maps"
	"sync"
	"time"

	"weir/kafka/partition"
	"weir/metadata"
)

// preferSoon is how long after a broker came back its leaders are given back to it, so that it is not loaded while it starts.
const preferSoon = 5 * time.Second

func (b *Balancer) preferEvery() time.Duration {
	return time.Duration(b.deps.Topics.Layers().BrokerInt("leader.imbalance.check.interval.seconds")) * time.Second
}

// whenToPrefer asks the plan to give leaders back: in the interval that the configs name, soon after a broker came back, and until all are back that were to be.
func (b *Balancer) whenToPrefer(in *Input, now time.Time) {
	serving := make(map[metadata.BrokerID]metadata.Revision)
	back := false
	for _, s := range in.Image.Brokers {
		if s.Ready {
			serving[s.Broker] = s.Incarnation
			back = back || b.serving != nil && b.serving[s.Broker] != s.Incarnation
		}
	}
	if !maps.Equal(serving, b.serving) {
		b.serving = serving
	}
	l := b.deps.Topics.Layers()
	if !l.BrokerBool("auto.leader.rebalance.enable") {
		b.preferring = false
		return
	}
	if soon := now.Add(preferSoon); back && soon.Before(b.prefers) {
		b.prefers = soon
	}
	if b.preferring {
		in.Prefer = true
		return
	}
	if now.Before(b.prefers) {
		return
	}
	b.prefers = now.Add(b.preferEvery())
	in.Prefer, in.Percentage = true, float64(l.BrokerInt("leader.imbalance.per.broker.percentage"))
}

// meter turns traffic into rates.
type meter struct {
	asked  time.Time
	last   map[spotKey]sample
	rates  map[spotKey]float64
	moved  map[spotKey]time.Time // because of load
	levels int                   // how often rates were taken
}

type sample struct {
	at    time.Time
	epoch metadata.LeaderEpoch
	bytes int64
}

func newMeter() *meter {
	return &meter{last: make(map[spotKey]sample), rates: make(map[spotKey]float64), moved: make(map[spotKey]time.Time)}
}

// askTimeout bounds how long brokers are asked for their traffic.
const askTimeout = 5 * time.Second

// measure gives the plan the partitions' loads. When it is time for it, it asks the brokers, and has load levelled if that was found to be needed.
func (b *Balancer) measure(ctx context.Context, in *Input, now time.Time) {
	if b.meter == nil {
		b.meter = newMeter()
		b.meter.asked = now.Add(-b.cfg.Level)
	}
	m := b.meter
	if now.Sub(m.asked) >= b.cfg.Level {
		m.asked = now
		m.take(now, b.ask(ctx, in))
		in.Level = b.levelling && m.levels > 1
		b.looked = nil
	}
	in.Weigh = func(t metadata.TopicID, index int32) float64 { return weightBase + m.rates[spotKey{t, index}] }
	in.Rests = func(t metadata.TopicID, index int32) bool {
		at, ok := m.moved[spotKey{t, index}]
		return ok && now.Sub(at) < b.cfg.Rest
	}
}

// ask asks all brokers that serve for their traffic. Those that do not answer keep the rates that they had.
func (b *Balancer) ask(ctx context.Context, in *Input) (all []partition.Traffic) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, s := range in.Image.Brokers {
		if !s.Ready {
			continue
		}
		group.Go(func() {
			ts, err := b.deps.Traffic(ctx, s.Broker)
			if err != nil {
				b.log.Debug("a broker did not say what its partitions carry", "of", int32(s.Broker), "err", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, ts...)
		})
	}
	group.Wait()
	return all
}

// take takes what brokers said into the rates, which follow over about two measurements.
func (m *meter) take(now time.Time, ts []partition.Traffic) {
	m.levels++
	last := make(map[spotKey]sample, len(ts))
	rates := make(map[spotKey]float64, len(ts))
	for i := range ts {
		t := &ts[i]
		k := spotKey{t.Topic, t.Index}
		s := sample{now, t.Epoch, t.In + t.Out}
		before, ok := m.last[k]
		rate, had := m.rates[k]
		if ok && before.epoch == t.Epoch && s.bytes >= before.bytes && now.After(before.at) {
			newest := float64(s.bytes-before.bytes) / now.Sub(before.at).Seconds()
			if had {
				newest = (rate + newest) / 2
			}
			rate = newest
		}
		last[k], rates[k] = s, rate
	}
	for k, r := range m.rates {
		if _, ok := rates[k]; !ok {
			if before, ok := m.last[k]; ok && now.Sub(before.at) < rateKept {
				last[k], rates[k] = before, r // its leader did not answer
			}
		}
	}
	m.last, m.rates = last, rates
	for k := range m.moved {
		if _, ok := rates[k]; !ok {
			delete(m.moved, k)
		}
	}
}

// rateKept is how long a rate counts that is not measured any more.
const rateKept = 5 * time.Minute
