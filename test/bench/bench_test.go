package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/bench/limits"
	"weir/test/bench/load"
	"weir/test/cluster"
)

// What is measured; see the package comment.
var (
	set      = flag.String("set", "", "standard or full: the cases to run, beside Apache Kafka")
	only     = flag.String("case", "", "comma-separated cases to run instead; -case list names them")
	on       = flag.String("system", "", "comma-separated systems to run on: "+strings.Join(allSystems, ", "))
	rounds   = flag.Int("rounds", 0, "how often each system takes its turn")
	write    = flag.String("write", "", "file that the tables are written to")
	perfFile = flag.String("perf", "", "record a profile of the broker with perf into this file while a case is measured")
	within   = flag.Duration("within", 0, "leave out turns of later rounds that would not end in this time")
	seconds  = flag.Float64("seconds", 0, "measure loads for this long instead")
)

var allSystems = []string{onKafka, onFlush, onWeir}

// results are the figures of one system's turn, by name.
type results map[string]float64

// turn is one system's turn in the benchmark: it is started on an empty directory, goes through the cases and is stopped.
type turn struct {
	t      *testing.T
	ctx    context.Context
	name   string // of the system
	system system
	full   bool
	single bool // not in a set: nothing but the cases asked for
	admin  *kgo.Client
	seeds  string // bootstrap
	topics int    // made so far
	got    results
}

func TestBench(t *testing.T) {
	if *set == "" && *only == "" {
		t.Skip("a benchmark: run make bench")
	}
	if *only == "list" {
		t.Log("\n" + list())
		return
	}
	debug.SetGCPercent(400) // the loads of real clients run in this process, beside what they measure
	chosen, err := choose(*set, *only)
	if err != nil {
		t.Fatal(err)
	}
	systems, n := allSystems, *rounds
	switch {
	case *on != "":
		systems = strings.Split(*on, ",")
	case *only != "":
		systems = []string{onWeir}
	}
	if n == 0 {
		n = 1
		if *only == "" {
			n = 2
		}
	}
	if err := measureAgainst(t, systems, chosen, n); err != nil {
		t.Fatal(err)
	}
}

// measureAgainst has the systems take turns, prints what they showed and writes it if that was asked for.
func measureAgainst(t *testing.T, systems []string, chosen []benchCase, rounds int) error {
	t.Helper()
	cluster.Binary(t) // compiling it is not part of anything
	report := newReport()
	probe := func() error {
		if *only != "" {
			return nil
		}
		m, err := limits.Measure(t.TempDir())
		report.limits = append(report.limits, m)
		return err
	}
	if err := probe(); err != nil {
		return err
	}
	for round := range rounds {
		for _, name := range systems {
			// Another round takes about as long as the one before, less what runs once.
			if round > 0 && *within > 0 && time.Since(report.begin)+report.times[name]/time.Duration(2*round) > *within {
				report.skipped = append(report.skipped, fmt.Sprintf("round %d of %s is left out, to end within %v", round+1, name, *within))
				t.Log(report.skipped[len(report.skipped)-1])
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", name, round), func(t *testing.T) {
				begin := time.Now()
				got := results{}
				defer func() { report.add(name, got, time.Since(begin)) }() // whatever there is of it
				runTurn(t, name, round, chosen, got)
			})
		}
	}
	if *only != "" {
		t.Log("\n" + report.ratios() + "\n" + report.figures(systems))
		return nil
	}
	if err := probe(); err != nil {
		return err
	}
	text := report.markdown(t, systems)
	t.Log("\n" + text)
	if *write == "" || t.Failed() {
		return nil
	}
	return os.WriteFile(*write, []byte(text), 0o644)
}

// runTurn takes one system through the cases; figures go to got. The end of the test stops the system.
func runTurn(t *testing.T, name string, round int, chosen []benchCase, got results) {
	t.Helper()
	syscall.Sync() // what an earlier turn left dirty is not this one's to write
	b := &turn{t: t, ctx: t.Context(), name: name, system: newSystem(t, name), full: *set == "full", single: *only != "", got: got}
	b.start()
	defer func() { b.admin.Close() }()
	for _, c := range chosen {
		if !c.runs(b, round) {
			continue
		}
		begin := time.Now()
		before := maps.Clone(b.got)
		c.run(b)
		if t.Failed() {
			t.FailNow()
		}
		t.Logf("%s: %v%s", c.name, time.Since(begin).Round(100*time.Millisecond), b.got.since(before))
	}
}

// since prints the figures that are not in before, or differ.
func (r results) since(before results) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if old, ok := before[name]; !ok || old != r[name] {
			fmt.Fprintf(&b, "  %s=%.4g", name, r[name])
		}
	}
	return b.String()
}

// start starts the system on its empty directory and measures the way to the first acknowledged record.
func (b *turn) start() {
	begin := time.Now()
	b.system.start(b.t)
	b.firstRecord("first", true)
	b.got["start.s"] = time.Since(begin).Seconds()
	b.got["start.cpu_s"] = b.usage().cpu.Seconds()
}

// firstRecord waits until a record is acknowledged, trying without pause from the moment on that a broker accepts connections.
func (b *turn) firstRecord(topic string, create bool) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Minute)
	defer cancel()
	b.seeds = b.system.bootstrap(b.t)
	for !cluster.Listening(ctx, strings.Split(b.seeds, ",")[0]) {
		if ctx.Err() != nil {
			b.t.Fatal("no broker accepts connections")
		}
		<-time.After(2 * time.Millisecond)
	}
	var err error
	b.admin, err = kgo.NewClient(kgo.SeedBrokers(strings.Split(b.seeds, ",")...), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(0), kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.UnknownTopicRetries(-1))
	if err != nil {
		b.t.Fatal(err)
	}
	for create {
		_, err := kadm.NewClient(b.admin).CreateTopic(ctx, 1, 1, nil, topic)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			b.t.Fatalf("create the topic: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
	if err := b.admin.ProduceSync(ctx, kgo.StringRecord("first")).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// usage is that of all processes of the system.
func (b *turn) usage() usage {
	u, err := measureAll(b.system.tree())
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// measure returns the CPU time that the system takes while f runs, and how long that was.
func (b *turn) measure(f func()) (cpu, wall time.Duration) {
	stop := b.profile()
	before, begin := b.usage(), time.Now()
	f()
	wall, cpu = time.Since(begin), b.usage().cpu-before.cpu
	stop()
	return cpu, wall
}

// profile starts perf on the broker if that was asked for.
func (b *turn) profile() (stop func()) {
	if *perfFile == "" {
		return func() {}
	}
	p := cluster.Spawn(b.t, nil, "perf", "record", "-q", "-g", "-F", "499", "-o", *perfFile, "-p", fmt.Sprint(b.system.brokers()[0]))
	<-time.After(300 * time.Millisecond) // it attaches meanwhile
	return func() {
		p.Signal(os.Interrupt)
		<-p.Exited()
		b.t.Logf("profile: perf report -i %s --no-children\n%s", *perfFile, p.Stderr())
	}
}

// quiet has everything written that is dirty and waits until the system does next to nothing, for at most limit.
func (b *turn) quiet(limit time.Duration) {
	syscall.Sync()
	const look = 250 * time.Millisecond
	last := b.usage().cpu
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		<-time.After(look)
		now := b.usage().cpu
		if now-last <= look/12 { // two ticks, or 0.08 cores
			return
		}
		last = now
	}
}

// topic makes a topic of this turn's own.
func (b *turn) topic(partitions int) (string, []load.Target) {
	b.topics++
	name := fmt.Sprintf("bench-%d", b.topics)
	targets, err := load.CreateTopic(b.ctx, b.admin, name, partitions)
	if err != nil {
		b.t.Fatal(err)
	}
	return name, targets
}

// drop deletes topics.
func (b *turn) drop(names ...string) {
	responses, err := kadm.NewClient(b.admin).DeleteTopics(b.ctx, names...)
	if err := errors.Join(err, responses.Error()); err != nil {
		b.t.Fatalf("delete topics: %v", err)
	}
}

// length is how long a load is measured: by default, or as -seconds says.
func length(byDefault time.Duration) time.Duration {
	if *seconds > 0 {
		return time.Duration(*seconds * float64(time.Second))
	}
	return byDefault
}
