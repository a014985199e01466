package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"weir/test/bench/load"
)

// endToEnd offers 5 MB/s in records of 1 KiB, which is far below what either system can take.
func endToEnd(name string, linger time.Duration) func(*turn) {
	return func(b *turn) {
		const partitions, rate = 12, 5_000
		topic, _ := b.topic(partitions)
		b.quiet(5 * time.Second)
		var before usage
		var begin time.Time
		stop := func() {}
		d, err := load.EndToEnd{
			Bootstrap: b.seeds, Topic: topic, Partitions: partitions, ValueBytes: kib, Rate: rate, Linger: linger,
			Lead: 2 * time.Second, Duration: length(8 * time.Second),
		}.Run(b.ctx, func() { stop = b.profile(); before, begin = b.usage(), time.Now() })
		if err != nil {
			b.t.Fatal(err)
		}
		cpu, wall := b.usage().cpu-before.cpu, time.Since(begin)
		stop()
		b.got[name+".cores"] = cpu.Seconds() / wall.Seconds()
		b.got[name+".p50_ms"] = ms(d.Latency.Quantile(0.5))
		b.got[name+".p99_ms"] = ms(d.Latency.Quantile(0.99))
		b.got[name+".p999_ms"] = ms(d.Latency.Quantile(0.999))
		b.got[name+".ack_p50_ms"] = ms(d.Ack.Quantile(0.5))
		b.got[name+".ack_p99_ms"] = ms(d.Ack.Quantile(0.99))
		b.got[name+".late_ms"] = ms(d.Late)
		b.drop(topic)
	}
}

// idle has 700 clients that do next to nothing.
func idle(b *turn) {
	silent, _ := b.topic(50)
	busy, _ := b.topic(12)
	b.quiet(5 * time.Second)
	connected := b.usage()
	var before, after usage
	var begin time.Time
	var wall time.Duration
	acks, err := load.Idle{
		Bootstrap: b.seeds, Silent: silent, SilentParts: 50, Busy: busy, BusyParts: 12, Consumers: 500, Producers: 200,
		Lead: 3 * time.Second, Duration: length(8 * time.Second),
	}.Run(b.ctx, func() { before, begin = b.usage(), time.Now() }, func() { after, wall = b.usage(), time.Since(begin) })
	if err != nil {
		b.t.Fatal(err)
	}
	b.got["idle.cores"] = (after.cpu - before.cpu).Seconds() / wall.Seconds()
	b.got["idle.ack_p50_ms"] = ms(acks.Quantile(0.5))
	b.got["idle.ack_p99_ms"] = ms(acks.Quantile(0.99))
	b.got["idle.rss_mb"] = float64(after.rssBytes-connected.rssBytes) / 1e6
	b.drop(silent, busy)
}

// create makes topics of one partition: 1,000 in one request, then one by one.
func create(b *turn) {
	admin := kadm.NewClient(b.admin)
	make := func(names ...string) time.Duration {
		begin := time.Now()
		responses, err := admin.CreateTopics(b.ctx, 1, 1, nil, names...)
		took := time.Since(begin)
		if err := errors.Join(err, responses.Error()); err != nil {
			b.t.Fatalf("create %d topics: %v", len(names), err)
		}
		return took
	}
	var one, many []string
	for n := range 20 {
		one = append(one, fmt.Sprintf("one-%d", n))
	}
	for n := range 1000 {
		many = append(many, fmt.Sprintf("many-%d", n))
	}
	b.quiet(5 * time.Second)
	var took []time.Duration
	for _, name := range one {
		took = append(took, make(name))
	}
	slices.Sort(took)
	b.got["create.one_ms"] = ms(took[len(took)/2])
	b.got["create.thousand_ms"] = ms(make(many...))
	b.drop(one...)
	b.drop(many...)
	b.quiet(5 * time.Second)
}

// memory takes down what the processes hold.
func memory(name string, settle time.Duration) func(*turn) {
	return func(b *turn) {
		<-time.After(settle)
		all := b.usage()
		var broker usage
		for _, pid := range b.system.brokers() {
			u, err := measure(pid)
			if err != nil {
				b.t.Fatal(err)
			}
			broker = broker.plus(u)
		}
		b.got[name+".all_pss_mb"] = float64(all.pssBytes) / 1e6
		b.got[name+".broker_rss_mb"] = float64(broker.rssBytes) / 1e6
		b.got[name+".broker_pss_mb"] = float64(broker.pssBytes) / 1e6
	}
}

// after is the price of what is left to do when a load ends: the CPU time of the half minute that follows it, beyond that of idling.
func after(b *turn) {
	s := blast{batch: 64 * kib}.withDefaults()
	topic, targets := b.topic(s.partitions)
	p := s.send(b, targets, s.duration, 1_500*mb)
	cpu, _ := b.measure(func() { <-time.After(30 * time.Second) })
	b.got["after.cpu_gb"] = cpu.Seconds() / (float64(p.Payload) / 1e9)
	b.got["after.cpu_s"] = cpu.Seconds()
	b.drop(topic)
}
