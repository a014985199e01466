package bench

import (
	"regexp"
	"strconv"
	"time"

	"weir/test/bench/load"
	"weir/test/cluster"
)

// flood measures produce through franz-go.
func flood(name string, batch int32, value int) func(*turn) {
	return func(b *turn) {
		topic, _ := b.topic(12)
		run := func(d time.Duration) *load.Produced {
			p, err := load.Flood{Bootstrap: b.seeds, Topic: topic, BatchBytes: batch, ValueBytes: value, Duration: d}.Run(b.ctx)
			if err != nil {
				b.t.Fatal(err)
			}
			return p
		}
		run(time.Second)
		var p *load.Produced
		cpu, _ := b.measure(func() { p = run(length(5 * time.Second)) })
		gb := float64(p.Payload) / 1e9
		b.got[name+".cpu_gb"] = cpu.Seconds() / gb
		b.got[name+".mbs"] = p.MBps()
		b.got[name+".cpu_rec_us"] = cpu.Seconds() * 1e6 / float64(p.Records)
		b.drop(topic)
		b.quiet(2 * time.Second)
	}
}

// What the perf tools print.
var (
	producerLine = regexp.MustCompile(`(\d+) records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\).*?([\d.]+) ms 50th, .*?([\d.]+) ms 99th`)
	consumerLine = regexp.MustCompile(`(?m)^\d{4}-[^,]*, [^,]*, ([\d.]+), ([\d.]+), (\d+), `)
)

// perfTools runs Apache Kafka's kafka-producer-perf-test and kafka-consumer-perf-test, by their main classes. They are bound by their own CPU time
// on two cores: what they show is the broker's.
func perfTools(b *turn) {
	const records = 500_000
	topic, _ := b.topic(12)
	java := []string{"java", "-Xmx512m", "-cp", cluster.Jars(b.t, "kafka-tools")}
	tool := func(class string, args ...string) (out string, cpu time.Duration) {
		cpu, _ = b.measure(func() { out = cluster.Run(b.t, nil, append(append(java[:len(java):len(java)], class), args...)...) })
		return out, cpu
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			b.t.Fatalf("%q in the output of a perf tool: %v", s, err)
		}
		return v
	}
	const gb = records * 1024 / 1e9

	out, cpu := tool("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", strconv.Itoa(records), "--record-size", "1024",
		"--throughput", "-1", "--bootstrap-server", b.seeds, "--command-property", "acks=all", "linger.ms=5")
	all := producerLine.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		b.t.Fatalf("no result in the output of ProducerPerformance:\n%s", out)
	}
	m := all[len(all)-1]
	b.got["perftools.produce_mib_s"], b.got["perftools.produce_cpu_gb"] = number(m[3]), cpu.Seconds()/gb
	b.got["perftools.produce_p50_ms"], b.got["perftools.produce_p99_ms"] = number(m[4]), number(m[5])

	out, cpu = tool("org.apache.kafka.tools.ConsumerPerformance", "--topic", topic, "--num-records", strconv.Itoa(records),
		"--bootstrap-server", b.seeds, "--timeout", "60000")
	m = consumerLine.FindStringSubmatch(out)
	if m == nil {
		b.t.Fatalf("no result in the output of ConsumerPerformance:\n%s", out)
	}
	if number(m[3]) != records {
		b.t.Errorf("the consumer has %s records of %d", m[3], records)
	}
	b.got["perftools.consume_mib_s"], b.got["perftools.consume_cpu_gb"] = number(m[2]), cpu.Seconds()/gb
	ends := b.ends(topic)
	if ends != records {
		b.t.Errorf("the topic has %d records of %d", ends, records)
	}
	b.drop(topic)
}
