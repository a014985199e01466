package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/test/bench/load"
)

// benchCase is one thing that is measured. Its figures are named CASE.FIGURE.
type benchCase struct {
	name string
	what string
	run  func(*turn)

	full   bool // not in the standard set
	flush  bool // also on Kafka that flushes each append
	once   bool // in the first round of a set only: it takes long
	hidden bool // prepares others
}

func (c benchCase) runs(b *turn, round int) bool {
	return b.single || (b.name != onFlush || c.flush) && (round == 0 || !c.once)
}

const (
	kib = 1 << 10
	mb  = 1_000_000
)

// cases are all there are, in the order in which they run on one system.
func cases() []benchCase {
	return []benchCase{
		{name: "warm", what: "load that is not measured, for a just-in-time compiler's sake", run: warmUp, flush: true, hidden: true},
		{name: "blast64", what: "64 KiB batches of 1 KiB records, 12 partitions", run: produce("blast64", blast{batch: 64 * kib}), flush: true},
		{name: "blast16", what: "16 KiB batches", run: produce("blast16", blast{batch: 16 * kib}), flush: true},
		{name: "lz4", what: "16 KiB batches, lz4", run: produce("lz4", blast{batch: 16 * kib, codec: load.LZ4})},
		{name: "zstd", what: "16 KiB batches, zstd", run: produce("zstd", blast{batch: 16 * kib, codec: load.Zstd})},
		{name: "single", what: "one record of 1 KiB a request", run: produce("single", blast{batch: 1, perRequest: 1}), flush: true},
		{name: "many", what: "16 KiB batches, 1,000 partitions", run: produce("many", blast{batch: 16 * kib, partitions: 1000})},
	}
}

func choose(set, only string) ([]benchCase, error) {
	all := cases()
	if only == "" {
		if set != "standard" && set != "full" {
			return nil, fmt.Errorf("no set %q: standard or full", set)
		}
		return slices.DeleteFunc(all, func(c benchCase) bool { return c.full && set != "full" }), nil
	}
	var chosen []benchCase
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(c benchCase) bool { return c.name == name })
		if i < 0 {
			var list strings.Builder
			for _, c := range all {
				fmt.Fprintf(&list, "\n  %-10s %s", c.name, c.what)
			}
			return nil, fmt.Errorf("no case %q; there are:%s", name, list.String())
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// blast is a produce load of pre-encoded requests; the zero values are what most cases have.
type blast struct {
	partitions int // 12
	batch      int // bytes before compression
	value      int // bytes of a record, 1 KiB
	codec      load.Codec
	perRequest int // batches in a request, 4
	conns      int // 4
	inFlight   int // 5
	idempotent bool
	lead       time.Duration // not measured
	duration   time.Duration
	bytes      int64
}

func (s blast) withDefaults() blast {
	s.partitions, s.value, s.perRequest = or(s.partitions, 12), or(s.value, kib), or(s.perRequest, 4)
	s.conns, s.inFlight, s.lead = or(s.conns, 4), or(s.inFlight, 5), or(s.lead, time.Second)
	s.duration, s.bytes = or(s.duration, length(4*time.Second)), or(s.bytes, 2_000*mb)
	return s
}

func or[T comparable](v, byDefault T) T {
	var zero T
	if v == zero {
		return byDefault
	}
	return v
}

// send runs the load on targets.
func (s blast) send(b *turn, targets []load.Target, duration time.Duration, bytes int64) *load.Produced {
	b.t.Helper()
	batch, err := load.NewBatch(s.batch, s.value, s.codec)
	if err != nil {
		b.t.Fatal(err)
	}
	l := load.Blast{
		Targets: targets, Connections: s.conns, InFlight: s.inFlight, Batch: batch, PerRequest: s.perRequest, Duration: duration, Bytes: bytes,
	}
	if s.idempotent {
		l.Idempotent = b.admin
	}
	p, err := l.Run(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// produce measures a blast on a topic of its own.
func produce(name string, s blast) func(*turn) {
	return func(b *turn) {
		s := s.withDefaults()
		topic, targets := b.topic(s.partitions)
		s.send(b, targets, s.lead, s.bytes/4)
		var p *load.Produced
		cpu, _ := b.measure(func() { p = s.send(b, targets, s.duration, s.bytes) })
		b.produced(name, p, cpu)
		b.drop(topic)
		b.quiet(2 * time.Second)
	}
}

func (b *turn) produced(name string, p *load.Produced, cpu time.Duration) {
	gb := float64(p.Payload) / 1e9
	for figure, v := range map[string]float64{
		"cpu_gb": cpu.Seconds() / gb, "mbs": p.MBps(), "reqs": float64(p.Requests) / p.Elapsed.Seconds(),
		"cpu_req_us": cpu.Seconds() * 1e6 / float64(p.Requests), "gb": gb, "wire": float64(p.Wire) / float64(p.Payload),
		"p50_ms": ms(p.Ack.Quantile(0.5)), "p99_ms": ms(p.Ack.Quantile(0.99)), "p999_ms": ms(p.Ack.Quantile(0.999)),
	} {
		b.got[name+"."+figure] = v
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// warmUp gives the JVM what it compiles its hot paths for. Weir is compiled already: it gets a little of it, for its caches.
func warmUp(b *turn) {
	long := 8 * time.Second
	if b.name == onWeir {
		long = time.Second
	}
	topic, targets := b.topic(12)
	big := blast{batch: 64 * kib}.withDefaults()
	big.send(b, targets, long, 3_000*mb)
	small := blast{batch: 16 * kib}.withDefaults()
	small.send(b, targets, long/4, 0)
	one := blast{batch: 1, perRequest: 1}.withDefaults()
	one.send(b, targets, long/4, 0)
	b.drop(topic)
	b.quiet(2 * time.Second)
}
