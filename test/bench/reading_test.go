package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"weir/test/bench/limits"
	"weir/test/bench/load"
)

// readBytes is what is written to be read again and again.
func (b *turn) readBytes() int64 {
	if b.full {
		return 2_000 * mb
	}
	return 1_000 * mb
}

// tail has consumers keep up with producers; the CPU time is that of taking a GB in and giving it out.
func tail(b *turn) {
	s := blast{batch: 16 * kib}.withDefaults()
	topic, targets := b.topic(s.partitions)
	run := func(duration time.Duration, bytes int64) (*load.Produced, *load.Drained) {
		wait := b.drain(topic, targets, false)
		p := s.send(b, targets, duration, bytes)
		return p, wait()
	}
	_, _ = run(s.lead, s.bytes/4)
	b.drop(topic)
	topic, targets = b.topic(s.partitions)
	var p *load.Produced
	var d *load.Drained
	cpu, _ := b.measure(func() { p, d = run(s.duration, 1_500*mb) })
	b.got["tail.cpu_gb"] = cpu.Seconds() / (float64(d.Payload) / 1e9)
	b.got["tail.mbs"] = d.MBps()
	b.got["tail.ack_p99_ms"] = ms(p.Ack.Quantile(0.99))
	b.drop(topic)
	b.quiet(2 * time.Second)
}

// drain starts consumers at the topic's beginning. They end at its end as it is now, or as it is once wait is called.
func (b *turn) drain(topic string, targets []load.Target, now bool) (wait func() *load.Drained) {
	d := &load.Drain{Targets: targets, ValueBytes: kib}
	setEnd := func() {
		ends, err := load.EndOffsets(b.ctx, b.admin, topic)
		if err != nil {
			b.t.Error(err)
		}
		d.SetEnd(ends)
	}
	if now {
		setEnd()
	}
	type outcome struct {
		got *load.Drained
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		got, err := d.Run(b.ctx)
		done <- outcome{got, err}
	}()
	return func() *load.Drained {
		if !now {
			setEnd()
		}
		o := <-done
		if o.err != nil {
			b.t.Fatalf("drain %s: %v", topic, o.err)
		}
		return o.got
	}
}

// reading consumes what is in files: those in the page cache, and those that are not.
func reading(b *turn) {
	s := blast{batch: 64 * kib}.withDefaults()
	topic, targets := b.topic(s.partitions)
	s.send(b, targets, 30*time.Second, b.readBytes())
	b.quiet(8 * time.Second)
	once := func() *load.Drained {
		wait := b.drain(topic, targets, true)
		return wait()
	}
	once()
	const times = 3
	var sum load.Drained
	cpu, _ := b.measure(func() {
		for range times {
			got := once()
			sum.Payload += got.Payload
			sum.Elapsed += got.Elapsed
		}
	})
	b.got["warmread.cpu_gb"] = cpu.Seconds() / (float64(sum.Payload) / 1e9)
	b.got["warmread.mbs"] = sum.MBps()

	if err := limits.Evict(b.system.dir()); err != nil {
		b.t.Fatalf("drop files from the page cache: %v", err)
	}
	var d *load.Drained
	before := b.diskRead()
	cpu, _ = b.measure(func() { d = once() })
	b.got["coldread.cpu_gb"] = cpu.Seconds() / (float64(d.Payload) / 1e9)
	b.got["coldread.mbs"] = d.MBps()
	b.got["coldread.from_disk"] = float64(b.diskRead()-before) / float64(d.Wire)
	b.drop(topic)
}

// diskRead is how many bytes the brokers have had read from the disk.
func (b *turn) diskRead() int64 {
	var sum int64
	for _, pid := range b.system.brokers() {
		io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		if err != nil {
			b.t.Fatal(err)
		}
		for line := range strings.Lines(string(io)) {
			if v, ok := strings.CutPrefix(line, "read_bytes: "); ok {
				n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
				if err != nil {
					b.t.Fatalf("/proc/%d/io: %v", pid, err)
				}
				sum += n
			}
		}
	}
	return sum
}
