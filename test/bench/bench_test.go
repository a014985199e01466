package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// round is what one round of one system showed.
type round struct {
	first    time.Duration // process start to first acknowledged record, empty state
	firstCPU time.Duration // CPU time of all processes until then
	restart  time.Duration // the same with topics and records present, after a clean stop
	stop     time.Duration
	broker   usage // one idle broker
	tree     usage // all idle processes
}

const (
	topics          = 10
	partitions      = 6
	recordsPerTopic = 2000
	// settle is how long a started system is left alone before its memory is measured.
	settle = 8 * time.Second
)

// TestBesideKafka measures both systems in turns: A B A B.
func TestBesideKafka(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("WEIR_BENCH_ROUNDS"))
	if err != nil || rounds < 1 {
		t.Skip("a benchmark: run make bench")
	}
	load := loadAverage()
	var kafka, weir []round
	for n := range rounds {
		t.Run(fmt.Sprintf("kafka/%d", n), func(t *testing.T) {
			kafka = append(kafka, measureRound(t, kafkaSystem{cluster.NewKafka(t)}))
		})
		t.Run(fmt.Sprintf("weir/%d", n), func(t *testing.T) {
			weir = append(weir, measureRound(t, weirSystem{cluster.NewWeir(t, cluster.Options{})}))
		})
	}
	if t.Failed() || len(kafka) != rounds || len(weir) != rounds { // -run may have chosen one system
		return
	}
	text := table(kafka, weir) + "\n" + machine(t, rounds, load)
	t.Log("\n" + text)
	if path := os.Getenv("WEIR_BENCH_WRITE"); path != "" {
		if err := os.WriteFile(path, []byte("# Benchmarks\n\nWritten by `make bench`.\n\n## Start and idle memory beside Apache Kafka\n\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func measureRound(t *testing.T, s system) round {
	t.Helper()
	var r round
	begin := time.Now()
	s.start(t)
	cl := firstRecord(t, s, "first", true)
	r.first = time.Since(begin)
	u, err := measureAll(s.tree())
	if err != nil {
		t.Fatal(err)
	}
	r.firstCPU = u.cpu
	fill(t, cl)
	cl.Close()

	<-time.After(settle)
	if r.tree, err = measureAll(s.tree()); err != nil {
		t.Fatal(err)
	}
	var each []usage
	for _, pid := range s.brokers() {
		u, err := measure(pid)
		if err != nil {
			t.Fatal(err)
		}
		each = append(each, u)
	}
	slices.SortFunc(each, func(a, b usage) int { return int(a.pssBytes - b.pssBytes) })
	r.broker = each[len(each)/2]

	begin = time.Now()
	s.stop(t)
	r.stop = time.Since(begin)
	begin = time.Now()
	s.start(t)
	cl = firstRecord(t, s, "first", false)
	r.restart = time.Since(begin)
	cl.Close()
	s.stop(t)
	t.Logf("first record %v (%v CPU), restart %v, broker %s, all %s", r.first.Round(time.Millisecond), r.firstCPU,
		r.restart.Round(time.Millisecond), mib(r.broker.pssBytes), mib(r.tree.pssBytes))
	return r
}

// firstRecord waits until a record is acknowledged, trying without pause from the moment on that brokers accept connections.
func firstRecord(t *testing.T, s system, topic string, create bool) *kgo.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	bootstrap := s.bootstrap(t)
	for !cluster.Listening(ctx, strings.Split(bootstrap, ",")[0]) {
		if ctx.Err() != nil {
			t.Fatal("no broker accepts connections")
		}
		<-time.After(2 * time.Millisecond)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(0), kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	for create {
		_, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, topic)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("create the topic: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
	if err := cl.ProduceSync(ctx, kgo.StringRecord("first")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return cl
}

// fill makes the topics that the restart finds.
func fill(t *testing.T, cl *kgo.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var names []string
	for n := range topics {
		names = append(names, fmt.Sprintf("topic-%d", n))
	}
	responses, err := kadm.NewClient(cl).CreateTopics(ctx, partitions, 1, nil, names...)
	if err := errors.Join(err, responses.Error()); err != nil {
		t.Fatal(err)
	}
	var records []*kgo.Record
	for n := range topics * recordsPerTopic {
		records = append(records, &kgo.Record{Topic: names[n%topics], Value: make([]byte, 500)})
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// table prints the medians of both and how many times Kafka takes what Weir takes.
func table(kafka, weir []round) string {
	rows := []struct {
		name  string
		value func(round) float64
		show  func(float64) string
	}{
		{"start, empty state, to the first acknowledged record", func(r round) float64 { return float64(r.first) }, duration},
		{"CPU time until then, all processes", func(r round) float64 { return float64(r.firstCPU) }, duration},
		{
			fmt.Sprintf("restart with %d topics of %d partitions, to the next acknowledged record", topics+1, partitions),
			func(r round) float64 { return float64(r.restart) }, duration,
		},
		{"clean stop", func(r round) float64 { return float64(r.stop) }, duration},
		{"memory of one idle broker (PSS)", func(r round) float64 { return float64(r.broker.pssBytes) }, size},
		{"memory of one idle broker (RSS)", func(r round) float64 { return float64(r.broker.rssBytes) }, size},
		{"memory of all processes, idle (PSS; Weir: 3 brokers, control plane, etcd)", func(r round) float64 { return float64(r.tree.pssBytes) }, size},
	}
	var b strings.Builder
	b.WriteString("| figure | Apache Kafka | Weir | Kafka / Weir |\n|---|---|---|---|\n")
	for _, row := range rows {
		k, w := spread(kafka, row.value), spread(weir, row.value)
		fmt.Fprintf(&b, "| %s | %s [%s..%s] | %s [%s..%s] | %.1f |\n", row.name, row.show(k.median), row.show(k.least), row.show(k.most),
			row.show(w.median), row.show(w.least), row.show(w.most), k.median/max(w.median, 1))
	}
	return b.String()
}

type distribution struct{ least, median, most float64 }

func spread(rounds []round, value func(round) float64) distribution {
	var all []float64
	for _, r := range rounds {
		all = append(all, value(r))
	}
	slices.Sort(all)
	n := len(all)
	return distribution{all[0], (all[(n-1)/2] + all[n/2]) / 2, all[n-1]}
}

func duration(d float64) string {
	if d < float64(time.Second) {
		return fmt.Sprintf("%.0f ms", d/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d/float64(time.Second))
}

func size(b float64) string { return mib(int64(b)) }

func mib(b int64) string { return fmt.Sprintf("%.1f MiB", float64(b)/(1<<20)) }

// machine says what the figures were measured on.
func machine(t *testing.T, rounds int, load string) string {
	t.Helper()
	model := "unknown processor"
	if cpuinfo, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(cpuinfo); m != nil {
			model = string(m[1])
		}
	}
	java, err := exec.CommandContext(t.Context(), "java", "-version").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(java), "\n")
	kafka := "of test/tools/kafka/pom.xml"
	if pom, err := os.ReadFile(cluster.Root() + "/test/tools/kafka/pom.xml"); err == nil {
		if m := regexp.MustCompile(`kafka_2\.13</artifactId>\s*<version>(.*)</version>`).FindSubmatch(pom); m != nil {
			kafka = string(m[1])
		}
	}
	return fmt.Sprintf(`Medians [least..most] of %d rounds in turns on %s, %d cores (%s), %s, %s; load average before: %s.
Apache Kafka %s from its Maven packages: one node in KRaft's combined mode, the settings and JVM flags of its distribution, formatted beforehand.
Weir: the built binary, `+"`weir up`"+` with its demo cluster of three brokers. Both acknowledge to the same client (franz-go, acks=all);
Weir after fdatasync, Kafka from the page cache. The first record includes creating its topic.
`, rounds, time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), model, runtime.Version(), version, load, kafka)
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:1], " ")
}
