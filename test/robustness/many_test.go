package robustness

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// What section 14 of the storage engine's design allows a broker that leads 10,000 partitions.
const (
	manyTopics, manyPartitions = 100, 100 // a topic

	manyMemoryMax     = 20 << 20 // more than a broker without partitions, beside what their producers take
	manyRestartMax    = 2 * time.Second
	manyGoroutinesMax = 200 // whatever the partitions
	manyFilesMax      = 100
	manyIdleCoresMax  = 0.1
)

// TestTenThousandPartitions gives one broker 10,000 partitions: that costs no goroutine and no file for each, memory and a restart within their bounds, and
// a record is acknowledged as fast as with one.
func TestTenThousandPartitions(t *testing.T) {
	w := cluster.StartWeir(t, cluster.Options{Brokers: 1})
	address := w.Bootstrap()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	client := func() *kgo.Client {
		t.Helper()
		cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableIdempotentWrite(),
			kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MetadataMinAge(50*time.Millisecond),
			kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	create := func(cl *kgo.Client, topics int, prefix string) {
		t.Helper()
		var names []string
		for i := range topics {
			names = append(names, fmt.Sprint(prefix, i))
		}
		began := time.Now()
		resp, err := kadm.NewClient(cl).CreateTopics(ctx, manyPartitions, 1, nil, names...)
		if err == nil {
			err = resp.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d topics with %d partitions created in %v", topics, manyPartitions, time.Since(began).Round(time.Millisecond))
	}
	acknowledge := func(cl *kgo.Client, prefix string, topics int, n int) (p50, p99 time.Duration) {
		t.Helper()
		value := make([]byte, 1024)
		took := make([]time.Duration, n)
		for i := range took {
			r := &kgo.Record{Topic: fmt.Sprint(prefix, rand.IntN(topics)), Partition: rand.Int32N(manyPartitions), Value: value}
			began := time.Now()
			if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		return took[n/2], took[n*99/100]
	}

	cl := client()
	create(cl, 1, "few-")
	acknowledge(cl, "few-", 1, 200)
	fewP50, fewP99 := acknowledge(cl, "few-", 1, 1000)
	// restart returns how long it took; and if the processes had to wait for processors that others kept busy, what the broker used of one instead.
	restart := func() (cl *kgo.Client, wall, own time.Duration) {
		t.Helper()
		others := []int{os.Getpid(), w.Process.PID()}
		waited := -queued(t, others...)
		began := time.Now()
		w.KillBroker(t, w.Brokers()[0])
		cl = client()
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "few-0", Value: []byte("first")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		wall = time.Since(began)
		if waited += queued(t, append(others, w.Brokers()[0])...); waited > wall/2 {
			return cl, wall, processorTime(t, w)
		}
		return cl, wall, wall
	}
	cl, fewRestart, _ := restart()
	few := examineBroker(t, w, address)

	create(cl, manyTopics, "many-")
	began := time.Now()
	for i := range manyTopics {
		for p := range int32(manyPartitions) {
			cl.Produce(ctx, &kgo.Record{Topic: fmt.Sprint("many-", i), Partition: p, Value: make([]byte, 1024)}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("first record of each of %d partitions in %v", manyTopics*manyPartitions, time.Since(began).Round(time.Millisecond))
	manyP50, manyP99 := acknowledge(cl, "many-", manyTopics, 2000)
	grown := examineBroker(t, w, address)
	_, manyRestart, manyOwn := restart()
	// What starting took is given back when the broker serves, which may be after its first answer.
	cluster.Eventually(t, time.Minute, func() error {
		if more := residentBytes(t, w) - few.rss; more > manyMemoryMax {
			return fmt.Errorf("%d partitions cost %.1f MiB, %d are allowed", manyTopics*manyPartitions, more/(1<<20), manyMemoryMax>>20)
		}
		return nil
	})
	many := examineBroker(t, w, address)
	_, again, againOwn := restart() // with the checkpoint that the first one began with
	var idle float64
	cluster.Eventually(t, time.Minute, func() error { // what follows a start takes a while
		if idle = idleCores(t, w, 3*time.Second); idle > manyIdleCoresMax {
			return fmt.Errorf("%.3f cores while idle", idle)
		}
		return nil
	})

	t.Logf("memory: %.1f MiB with %d partitions, %.1f MiB with %d after a restart, %.1f MiB before it",
		few.mib(), manyPartitions, many.mib(), manyTopics*manyPartitions, grown.mib())
	t.Logf("restart after kill -9, to the first acknowledged record: %v with %d partitions, %v and %v with %d, or %v and %v if the machine was busy",
		fewRestart.Round(time.Millisecond), manyPartitions, manyRestart.Round(time.Millisecond), again.Round(time.Millisecond), manyTopics*manyPartitions,
		manyOwn.Round(time.Millisecond), againOwn.Round(time.Millisecond))
	t.Logf("acknowledged: p50 %v, p99 %v with %d partitions; p50 %v, p99 %v with %d", fewP50, fewP99, manyPartitions, manyP50, manyP99, manyTopics*manyPartitions)
	t.Logf("%d goroutines, %d files, %.3f cores while idle", int(many.goroutines), int(many.files), idle)
	if least := min(manyOwn, againOwn); least > manyRestartMax {
		t.Errorf("a restart took %v, %v is allowed", least, manyRestartMax)
	}
	if many.goroutines > manyGoroutinesMax || grown.goroutines > manyGoroutinesMax {
		t.Errorf("%d goroutines, %d before the restart", int(many.goroutines), int(grown.goroutines))
	}
	if many.files > manyFilesMax || grown.files > manyFilesMax {
		t.Errorf("%d files, %d before the restart", int(many.files), int(grown.files))
	}
}

// brokerState is what a broker says of itself, and the system of its memory.
type brokerState struct {
	rss, goroutines, files float64
}

func (s brokerState) mib() float64 { return s.rss / (1 << 20) }

// idleCores is how many processors the broker keeps busy for d, while nobody asks it for anything, its metrics included.
func idleCores(t *testing.T, w *cluster.Weir, d time.Duration) float64 {
	t.Helper()
	before := processorTime(t, w)
	<-time.After(d)
	return (processorTime(t, w) - before).Seconds() / d.Seconds()
}

// processorTime is what the broker has used so far.
func processorTime(t *testing.T, w *cluster.Weir) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.Brokers()[0]))
	if err != nil {
		cluster.Unavailable(t, "needs /proc: %v", err)
	}
	// Behind the command's name: user and system time are the 12th and 13th field, in ticks of 1/100 s.
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	var sum time.Duration
	for _, f := range fields[11:13] {
		ticks, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(ticks) * 10 * time.Millisecond
	}
	return sum
}

// queued is how long the threads of processes have waited for a processor since they began: on a busy machine that is most of the time.
func queued(t *testing.T, pids ...int) time.Duration {
	t.Helper()
	var sum time.Duration
	for _, pid := range pids {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range threads {
			stat, err := os.ReadFile(path)
			if err != nil {
				continue // a thread that has ended
			}
			// Time on a processor, time in its queue, both in nanoseconds, and how often.
			if f := strings.Fields(string(stat)); len(f) == 3 {
				n, err := strconv.ParseInt(f[1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				sum += time.Duration(n)
			}
		}
	}
	return sum
}

// residentBytes is the memory of the first broker's process.
func residentBytes(t *testing.T, w *cluster.Weir) float64 {
	t.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", w.Brokers()[0]))
	if err != nil {
		cluster.Unavailable(t, "needs /proc: %v", err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(statm))[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * float64(os.Getpagesize())
}

func examineBroker(t *testing.T, w *cluster.Weir, address string) brokerState {
	t.Helper()
	s := brokerState{rss: residentBytes(t, w)}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, time.Minute, func() error { return s.scrape(t.Context(), "http://"+net.JoinHostPort(host, "11001")+"/metrics") })
	return s
}

// scrape reads what the broker says.
func (s *brokerState) scrape(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	wanted := map[string]*float64{"go_goroutines": &s.goroutines, "process_open_fds": &s.files}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if to := wanted[name]; to != nil {
			if *to, err = strconv.ParseFloat(value, 64); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			delete(wanted, name)
		}
	}
	if err := lines.Err(); err != nil || len(wanted) > 0 {
		return fmt.Errorf("%s: metrics without %v: %v", resp.Status, slices.Collect(maps.Keys(wanted)), err)
	}
	return nil
}
