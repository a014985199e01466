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

	full  bool // not in the standard set
	flush bool // also on Kafka that flushes each append
	weir  bool // on Weir only
	once  bool // in the first round of a set only: it takes long
	alone bool // part of another case of the sets
}

func (c benchCase) runs(b *turn, round int) bool {
	return b.single || !c.alone && (!c.weir || b.name == onWeir) && (b.name != onFlush || c.flush) && (round == 0 || !c.once)
}

const (
	kib = 1 << 10
	mb  = 1_000_000
)

// cases are all there are, in the order in which they run on one system.
func cases() []benchCase {
	return slices.Concat(standard(), coordination(), extra(), []benchCase{
		{name: "after", what: "CPU time of the 30 s after a load", run: after, once: true, weir: true},
		{name: "touch", what: "the first 2 GiB of 5,000 partitions, in 64 KiB batches", run: touch, alone: true},
		{
			name: "restart", what: "touch; memory; restarts, clean and after kill -9", once: true,
			run: restart("restart", "touch", touched, touchedBytes),
		},
		{
			name: "restart1k", what: "the same with 1,000 partitions", once: true, full: true,
			run: restart("restart1k", "touch1k", 1000, touchedBytes),
		},
		{
			name: "restart10k", what: "the same with 10,000 partitions", once: true, full: true,
			run: restart("restart10k", "touch10k", 10_000, touchedBytes),
		},
	})
}

// standard are the cases of the table.
func standard() []benchCase {
	return []benchCase{
		{name: "memory", what: "memory of the processes once started", run: memory("memory_idle", 4*time.Second)},
		{name: "warm", what: "load that is not measured, for a just-in-time compiler's sake", run: warmUp, flush: true},
		{name: "blast64", what: "64 KiB batches of 1 KiB records, 12 partitions", run: produce("blast64", blast{batch: 64 * kib}), flush: true},
		{name: "blast16", what: "16 KiB batches", run: produce("blast16", blast{batch: 16 * kib}), flush: true},
		{name: "lz4", what: "16 KiB batches, lz4", run: produce("lz4", blast{batch: 16 * kib, codec: load.LZ4})},
		{name: "zstd", what: "16 KiB batches, zstd", run: produce("zstd", blast{batch: 16 * kib, codec: load.Zstd})},
		{name: "single", what: "one record of 1 KiB a request", run: produce("single", blast{batch: 1, perRequest: 1}), flush: true},
		{name: "many", what: "16 KiB batches, 1,000 partitions", run: produce("many", blast{batch: 16 * kib, partitions: 1000, touch: true})},
		{name: "tail", what: "16 KiB batches, consumed as they come", run: tail},
		{name: "read", what: "1 GB consumed from warm files, then from cold ones", run: reading},
		{name: "e2e", what: "5 MB/s without linger, from due to consumed", run: endToEnd("e2e", 0), flush: true},
		{name: "idle", what: "500 idle consumers, 200 producers of a record a second", run: idle},
		{name: "create", what: "1,000 topics in one request; one topic", run: create},
	}
}

// extra are the cases of the full set alone.
func extra() []benchCase {
	var more []benchCase
	for _, c := range []struct {
		name, what string
		load       blast
	}{
		{"b100", "100 B records in 16 KiB batches", blast{batch: 16 * kib, value: 100}},
		{"b1m", "1 MiB batches (less their framing), one a request", blast{batch: 1_000_000, perRequest: 1}},
		{"one", "16 KiB batches, 1 partition", blast{batch: 16 * kib, partitions: 1}},
		{"many10k", "16 KiB batches, 10,000 partitions", blast{batch: 16 * kib, partitions: 10_000, touch: true}},
		{"conns1", "16 KiB batches, 1 connection", blast{batch: 16 * kib, conns: 1}},
		{"conns50", "16 KiB batches, 50 connections, 1 in flight on each", blast{batch: 16 * kib, conns: 50, inFlight: 1}},
		{"conns500", "16 KiB batches, 500 connections, 1 in flight on each", blast{batch: 16 * kib, conns: 500, inFlight: 1}},
		{"single50", "one record a request, 50 connections, 1 in flight on each", blast{batch: 1, perRequest: 1, conns: 50, inFlight: 1}},
		{"idempotent", "16 KiB batches of idempotent producers", blast{batch: 16 * kib, idempotent: true}},
	} {
		more = append(more, benchCase{name: c.name, what: c.what, run: produce(c.name, c.load), full: true, flush: c.name == "b100" || c.name == "b1m"})
	}
	return append(
		more,
		benchCase{name: "linger", what: "5 MB/s with linger 5 ms, from due to consumed", run: endToEnd("linger", 5*time.Millisecond), full: true},
		benchCase{name: "franz16", what: "franz-go, 1 KiB records, 16 KiB batches", run: flood("franz16", 16*kib, kib), full: true, flush: true},
		benchCase{name: "franz1m", what: "franz-go, 1 KiB records, batches of up to 1 MB", run: flood("franz1m", 1_000_000, kib), full: true, flush: true},
		benchCase{name: "franz100", what: "franz-go, 100 B records, 16 KiB batches", run: flood("franz100", 16*kib, 100), full: true},
		benchCase{name: "perftools", what: "Apache Kafka's own producer and consumer perf tools", run: perfTools, full: true},
	)
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
			return nil, fmt.Errorf("no case %q; there are:\n%s", name, list())
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// list names the cases.
func list() string {
	var b strings.Builder
	for _, c := range cases() {
		fmt.Fprintf(&b, "  %-10s %s\n", c.name, c.what)
	}
	return b.String()
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
	touch      bool          // each partition once before anything is measured
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
	return s.run(b, load.Blast{Targets: targets, Duration: duration, Bytes: bytes})
}

func (s blast) run(b *turn, l load.Blast) *load.Produced {
	b.t.Helper()
	batch, err := load.NewBatch(s.batch, s.value, s.codec)
	if err != nil {
		b.t.Fatal(err)
	}
	l.Connections, l.InFlight, l.PerRequest, l.Batch = s.conns, s.inFlight, s.perRequest, batch
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
		if s.touch {
			s.send(b, targets, 2*time.Minute, int64(s.partitions*s.batch*s.conns))
		}
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
