package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/checker"
	"weir/test/cluster"
)

// number of the environment, or what is used otherwise.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// restless makes brokers move data all the time, so that faults meet every step of it.
const restless = "checkpoint-interval=300ms,flush-age=500ms,flush-idle-bytes=1,own-bytes=64KiB,tiny-bytes=16KiB,promote-age=2s,merge-count=2," +
	"collect-interval=1s,delete-delay=1s,tick=50ms"

// TestHealthyRunsAreClean: without any fault there is nothing to find, in Apache Kafka and in Weir. Locks of share groups are judged here.
func TestHealthyRunsAreClean(t *testing.T) {
	cluster.OnEach(t, func(t *testing.T, c cluster.Cluster) {
		t.Parallel()
		r := newRun(c, uint64(setting(t, "CHAOS_SEED", 1)))
		r.judge(t, r.play(t, c, time.Duration(setting(t, "CHAOS_HEALTHY_SECONDS", 15))*time.Second, nil))
	})
}

// TestChaos is the same with faults: always the same ones, unless more than one run is asked for, or a seed.
func TestChaos(t *testing.T) {
	otherwise := 1
	if os.Getenv("CHAOS_RUNS") != "" {
		otherwise = int(time.Now().Unix() % 100_000)
	}
	seed := uint64(setting(t, "CHAOS_SEED", otherwise))
	for i := range uint64(setting(t, "CHAOS_RUNS", 1)) {
		t.Run(fmt.Sprintf("seed=%d", seed+i), func(t *testing.T) {
			w := cluster.StartWeir(t, cluster.Options{Storage: restless})
			r := newRun(w, seed+i)
			r.judge(t, r.play(t, w, time.Duration(setting(t, "CHAOS_SECONDS", 120))*time.Second, func(ctx context.Context) {
				for _, line := range r.nemesis(ctx, t, w) {
					t.Log(line)
				}
			}))
		})
	}
}

// play runs all clients for some time, and the faults beside them; then it lets them come to an end and reads everything. The History has no final log if
// that could not be read, which the log then says.
func (r *run) play(t *testing.T, c cluster.Cluster, length time.Duration, faults func(context.Context)) *checker.History {
	t.Helper()
	r.createTopics(t, c.Replicas())
	r.configureShare(t)
	source, stopSource := context.WithCancel(t.Context())
	sink, stopSink := context.WithCancel(t.Context())
	defer stopSource()
	defer stopSink()
	var sources, sinks sync.WaitGroup
	for i := range 2 {
		r.lives(source, &sources, fmt.Sprint("sender-", i), r.sender(plain))
		r.lives(source, &sources, fmt.Sprint("transactor-", i), r.transactor(fmt.Sprint("transactor-", i)))
		for stage := range stages {
			id := fmt.Sprintf("worker-%d-%d", stage, i)
			r.lives(sink, &sinks, id, r.worker(stage, id))
		}
		r.lives(sink, &sinks, fmt.Sprint("classic-", i), r.member("classic", kgo.Balancers(kgo.CooperativeStickyBalancer())))
		r.lives(sink, &sinks, fmt.Sprint("consumer-", i), r.member("consumer", kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer()))
		r.lives(sink, &sinks, fmt.Sprint("sharer-", i), r.sharer)
	}
	r.lives(source, &sources, "sender-pipe", r.sender(pipe(0)))
	r.lives(source, &sources, "sender-shared", r.sender(shared))
	r.lives(sink, &sinks, "reader-plain", r.reader(plain, false))
	r.lives(sink, &sinks, "reader-txns", r.reader(txns, false))
	r.lives(sink, &sinks, "reader-dirty", r.reader(txns, true))
	r.lives(sink, &sinks, "surveyor-plain", r.surveyor(plain))
	r.lives(sink, &sinks, "surveyor-txns", r.surveyor(txns))
	r.lives(sink, &sinks, "auditor", r.auditor("classic", "consumer"))

	running, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	if faults != nil {
		faults(running)
	} else {
		<-running.Done()
	}
	stopSource()
	sources.Wait()
	r.drain(t)
	stopSink()
	sinks.Wait()

	h := &checker.History{
		Ops: r.rec.Ops(), Dense: map[checker.Partition]bool{}, Pipes: map[checker.Partition][]checker.Partition{}, Drained: map[string][]checker.Partition{},
	}
	all := []string{plain, txns, shared}
	for s := range stages + 1 {
		all = append(all, pipe(s))
	}
	var err error
	if h.Final, err = r.final(t.Context(), all...); err != nil {
		t.Log(err)
	}
	if faults == nil {
		h.LockFor = 30 * time.Second // as the broker's default
	}
	for p := range int32(partitions) {
		for _, topic := range []string{plain, shared, pipe(0)} {
			h.Dense[partitionOf(topic, p)] = true
		}
		h.Drained[shareGroup] = append(h.Drained[shareGroup], partitionOf(shared, p))
		for s := range stages {
			for q := range int32(partitions) {
				h.Pipes[partitionOf(pipe(s), p)] = append(h.Pipes[partitionOf(pipe(s), p)], partitionOf(pipe(s+1), q))
			}
		}
	}
	return h
}

// judge fails the test for every anomaly, keeps the history of a run that has any, and says how much was looked at.
func (r *run) judge(t *testing.T, h *checker.History) *checker.Report {
	t.Helper()
	report, err := checker.Check(h)
	if err != nil {
		t.Fatal(err)
	}
	const shown = 5 // of each kind
	kinds := map[string]int{}
	for _, a := range report.Anomalies {
		if kinds[a.Name]++; kinds[a.Name] <= shown {
			t.Error(a)
		}
	}
	for name, n := range kinds {
		if n > shown {
			t.Errorf("%s: %d in all", name, n)
		}
	}
	t.Log(report)
	for what, n := range map[string]int{
		"writes": report.Writes, "reads": report.Reads, "transactions": report.Transactions, "commits": report.Commits, "settled": report.Settled,
	} {
		if n == 0 {
			t.Errorf("there were no %s: the check says nothing of them", what)
		}
	}
	for text, n := range r.surprises {
		t.Logf("%d times: %s", n, text)
	}
	if len(report.Anomalies) > 0 {
		t.Logf("the history is in %s", r.keep(t, h))
	}
	return report
}

func (r *run) keep(t *testing.T, h *checker.History) string {
	t.Helper()
	path := filepath.Join(cluster.Root(), "build", "test", fmt.Sprintf("chaos-%d.jsonl", r.seed))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := h.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return path
}
