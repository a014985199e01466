package balance

import (
	"log/slog"
	"testing"
	"time"

	"weir/kafka/partition"
	"weir/kafka/topic"
	"weir/metadata"
)

// balancer is one whose configs are set, over a cluster on paper.
func (p *paper) balancer(properties map[string]string) *Balancer {
	topics := topic.New(topic.Config{Cluster: cluster, Broker: 1, Properties: properties}, topic.Deps{Store: p.store, Image: p.live, Log: slog.New(slog.DiscardHandler)})
	return New(Config{Cluster: cluster, Broker: 1}, Deps{Log: slog.New(slog.DiscardHandler), Store: p.store, Image: p.live, Topics: topics})
}

// Leaders are looked after in the interval that the configs name, soon after a broker came back, and until all are where they belong.
func TestWhenLeadersAreGivenBack(t *testing.T) {
	p := forTest(t)
	p.broker(1, "", true)
	p.broker(2, "", true)
	b := p.balancer(map[string]string{"leader.imbalance.check.interval.seconds": "60", "leader.imbalance.per.broker.percentage": "25"})
	now := time.Now()
	if err := b.begin(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) Input {
		in := Input{Image: p.live.Current()}
		b.whenToPrefer(&in, now.Add(d))
		return in
	}
	if at(0).Prefer || at(59*time.Second).Prefer {
		t.Error("before it is time")
	}
	if in := at(61 * time.Second); !in.Prefer || in.Percentage != 25 {
		t.Errorf("when it is time: %+v", in)
	}
	if at(62 * time.Second).Prefer {
		t.Error("twice")
	}
	b.preferring = true // some are on their way
	if in := at(63 * time.Second); !in.Prefer || in.Percentage != 0 {
		t.Errorf("until all are back: %+v", in)
	}
	b.preferring = false
	p.broker(2, "", false)
	at(64 * time.Second)
	p.broker(2, "", true)
	if at(65 * time.Second).Prefer {
		t.Error("at the moment it comes back")
	}
	if !at(65*time.Second + preferSoon).Prefer {
		t.Error("soon after it came back")
	}
	off := p.balancer(map[string]string{"auto.leader.rebalance.enable": "false"})
	if err := off.begin(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	in := Input{Image: p.live.Current()}
	if off.whenToPrefer(&in, now.Add(time.Hour)); in.Prefer {
		t.Error("though auto.leader.rebalance.enable is false")
	}
}

// Leaders that are not the preferred ones are given back by a cluster that nobody asks for it.
func TestLeadersGoBack(t *testing.T) {
	c := newMachines(t)
	c.properties = map[string]string{"auto.leader.rebalance.enable": "true", "leader.imbalance.check.interval.seconds": "1", "leader.imbalance.per.broker.percentage": "10"}
	c.start(1)
	c.start(2)
	c.until("all know each other", func() bool { return len(c.alive[1].image.Current().Registered()) == 2 })
	keys := c.create(topic.NewTopic{Name: "t", Partitions: -1, Replication: -1, Replicas: []ids{{1, 2}}})
	cl := &client{c: c, key: keys[0], producer: 1}
	if !cl.write() {
		t.Fatal("nothing was written")
	}
	if err := c.alive[1].topics.Reassign(t.Context(), topic.Reassignment{Topic: "t", Replicas: ids{2, 1}}); err != nil {
		t.Fatal(err)
	}
	c.until("broker 2 leads", func() bool {
		_, err := c.alive[2].Leaders().Get(keys[0])
		return err == nil
	})
	c.until("it is counted", func() bool { s := c.status(); return s.Moved == 1 && s.Moving == 0 })
	cl.check()
}

// Rates follow what brokers say, and forget what moved or is not led any more.
func TestRates(t *testing.T) {
	m := newMeter()
	k := spotKey{metadata.TopicID{1}, 0}
	now := time.Now()
	say := func(epoch metadata.LeaderEpoch, bytes int64) float64 {
		now = now.Add(10 * time.Second)
		m.take(now, []partition.Traffic{{Topic: k.topic, Epoch: epoch, In: bytes / 2, Out: bytes - bytes/2}})
		return m.rates[k]
	}
	for i, step := range []struct {
		epoch metadata.LeaderEpoch
		bytes int64
		want  float64
	}{{1, 1000, 0}, {1, 2000, 50}, {1, 2000, 25}, {2, 0, 25}, {2, 1000, 62.5}, {2, 0, 62.5}} {
		if got := say(step.epoch, step.bytes); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	m.moved[k] = now
	m.take(now.Add(time.Second), nil)
	if m.rates[k] == 0 {
		t.Error("a broker that does not answer once loses its rates")
	}
	m.take(now.Add(rateKept+time.Second), nil)
	if len(m.rates)+len(m.last)+len(m.moved) > 0 {
		t.Errorf("kept for ever: %+v", m)
	}
}
