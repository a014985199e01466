package bench

import (
	"time"

	"weir/test/bench/load"
)

// What restarts find.
const (
	touched      = 5000
	touchedBytes = 2 << 30
)

// touch writes to 5,000 partitions that nothing was written to before.
func touch(b *turn) { b.touch("touch", touched, touchedBytes) }

func (b *turn) touch(name string, partitions int, bytes int64) (string, []load.Target, blast) {
	s := blast{batch: 64 * kib, partitions: partitions}.withDefaults()
	topic, targets := b.topic(partitions)
	b.quiet(5 * time.Second)
	var p *load.Produced
	cpu, _ := b.measure(func() { p = s.send(b, targets, 4*time.Minute, bytes) })
	b.produced(name, p, cpu)
	return topic, targets, s
}

// restart fills partitions and starts the system anew, after a clean stop and after kill -9 of all its processes. Nothing may be lost.
func restart(name, touch string, partitions int, bytes int64) func(*turn) {
	return func(b *turn) {
		topic, _, s := b.touch(touch, partitions, bytes)
		memory("memory_after", 0)(b)
		end := b.ends(topic)

		begin := time.Now()
		b.admin.Close()
		b.system.stop(b.t)
		b.got[name+".stop_s"] = time.Since(begin).Seconds()
		b.again(name+".clean", topic)
		if got := b.ends(topic); got < end {
			b.t.Errorf("%d records after a clean restart, %d before", got, end)
		}

		// What is written since the clean stop is what a start after a crash finds unfinished.
		s.send(b, b.leaders(topic), 20*time.Second, bytes/8)
		end = b.ends(topic)
		b.admin.Close()
		b.system.kill(b.t)
		b.again(name+".kill", topic)
		if got := b.ends(topic); got < end {
			b.t.Errorf("%d records after kill -9, %d before", got, end)
		}
		b.drop(topic)
	}
}

func (b *turn) leaders(topic string) []load.Target {
	targets, err := load.Leaders(b.ctx, b.admin, topic)
	if err != nil {
		b.t.Fatal(err)
	}
	return targets
}

// ends is the sum of a topic's end offsets.
func (b *turn) ends(topic string) int64 {
	ends, err := load.EndOffsets(b.ctx, b.admin, topic)
	if err != nil {
		b.t.Fatal(err)
	}
	var sum int64
	for _, end := range ends {
		sum += end
	}
	return sum
}

// again starts the system and measures the way to the next acknowledged record of the topic, and until all its partitions are served.
func (b *turn) again(name, topic string) {
	begin := time.Now()
	b.system.start(b.t)
	b.firstRecord(topic, false)
	b.got[name+"_s"] = time.Since(begin).Seconds()
	b.got[name+"_cpu_s"] = b.usage().cpu.Seconds()
	b.leaders(topic)
	b.got[name+"_all_s"] = time.Since(begin).Seconds()
}
