package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// takeoverDeadline bounds what these tests wait for. What they wait for takes seconds.
const takeoverDeadline = 5 * time.Minute

// writers write to every partition of a topic all the time, and remember what was acknowledged where.
type writers struct {
	t     *testing.T
	topic string
	stop  func()

	mu    sync.Mutex
	acked []map[int64]string // by partition and offset
	newer chan struct{}      // closed, and replaced, with each acknowledgement
}

func startWriters(t *testing.T, bootstrap, topic string, partitions int) *writers {
	t.Helper()
	w := &writers{t: t, topic: topic, acked: make([]map[int64]string, partitions), newer: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for p := range partitions {
		w.acked[p] = make(map[int64]string)
		cl := client(t, bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordRetries(1<<30), kgo.MetadataMinAge(50*time.Millisecond),
			kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }))
		group.Go(func() { w.write(ctx, cl, int32(p)) })
	}
	w.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(w.stop)
	return w
}

func (w *writers) write(ctx context.Context, cl *kgo.Client, p int32) {
	for n := 0; ctx.Err() == nil; n++ {
		value := fmt.Sprintf("%d-%d", p, n)
		r, err := cl.ProduceSync(ctx, &kgo.Record{Topic: w.topic, Partition: p, Value: []byte(value)}).First()
		if err != nil {
			if ctx.Err() == nil {
				w.t.Errorf("partition %d: %v", p, err)
			}
			return
		}
		w.mu.Lock()
		if was, ok := w.acked[p][r.Offset]; ok {
			w.t.Errorf("partition %d: offset %d was given to %q and to %q", p, r.Offset, was, value)
		}
		w.acked[p][r.Offset] = value
		close(w.newer)
		w.newer = make(chan struct{})
		w.mu.Unlock()
	}
}

// counts are how many records were acknowledged, by partition.
func (w *writers) counts() ([]int, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := make([]int, len(w.acked))
	for p := range w.acked {
		n[p] = len(w.acked[p])
	}
	return n, w.newer
}

// awaitAll waits until each partition has acknowledged two records more: the first may have been on its way.
func (w *writers) awaitAll() {
	w.t.Helper()
	before, _ := w.counts()
	deadline := time.NewTimer(takeoverDeadline)
	defer deadline.Stop()
	for {
		now, newer := w.counts()
		behind := 0
		for p := range now {
			if now[p] < before[p]+2 {
				behind++
			}
		}
		if behind == 0 {
			return
		}
		select {
		case <-newer:
		case <-deadline.C:
			w.t.Fatalf("topic %s: %d of %d partitions acknowledge nothing", w.topic, behind, len(now))
		}
	}
}

// check reads everything, and looks for what was acknowledged.
func (w *writers) check(bootstrap string) {
	w.t.Helper()
	w.stop()
	ctx, cancel := context.WithTimeout(w.t.Context(), takeoverDeadline)
	defer cancel()
	cl := client(w.t, bootstrap, kgo.ConsumeTopics(w.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	left := 0
	for p := range w.acked {
		left += len(w.acked[p])
	}
	for total := left; ; {
		if left == 0 {
			w.t.Logf("topic %s: %d acknowledged records are there", w.topic, total)
			return
		}
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			w.t.Fatalf("topic %s: %d acknowledged records did not come: %v", w.topic, left, fs.Errors())
		}
		fs.EachRecord(func(r *kgo.Record) {
			if want, ok := w.acked[r.Partition][r.Offset]; ok {
				left--
				if string(r.Value) != want {
					w.t.Errorf("topic %s partition %d offset %d: %q, was acknowledged as %q", w.topic, r.Partition, r.Offset, r.Value, want)
				}
			}
		})
	}
}

// until waits for a status that satisfies ok.
func (r *running) until(cfg Config, what string, ok func(*ClusterStatus) bool) ClusterStatus {
	r.t.Helper()
	var s Status
	var err error
	for deadline := time.Now().Add(takeoverDeadline); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if s, err = ReadStatus(r.t.Context(), cfg.Data); err == nil && len(s.Clusters) == 1 && ok(&s.Clusters[0]) {
			return s.Clusters[0]
		}
	}
	r.t.Fatalf("not in time: %s; status %+v, %v", what, s, err)
	return ClusterStatus{}
}

// leaders says how many partitions of all topics each broker leads.
func leaders(t *testing.T, adm *kadm.Client) map[int32]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), takeoverDeadline)
	defer cancel()
	for {
		all, err := adm.ListTopicsWithInternal(ctx)
		if err == nil {
			n := make(map[int32]int)
			for _, d := range all {
				for _, p := range d.Partitions {
					n[p.Leader]++
				}
			}
			return n
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

func awaitLeaders(t *testing.T, adm *kadm.Client, what string, ok func(map[int32]int) bool) {
	t.Helper()
	var n map[int32]int
	for deadline := time.Now().Add(takeoverDeadline); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if n = leaders(t, adm); ok(n) {
			return
		}
	}
	t.Fatalf("not in time: %s; leaders are %v", what, n)
}

func directoryOf(t *testing.T, cfg Config, b int) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(cfg.Data, "clusters", "*", "broker-"+strconv.Itoa(b)))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("directories of broker %d: %v, %v", b, dirs, err)
	}
	return dirs[0]
}

// A broker that ends and cannot be started again has its partitions taken over by the others, so that each acknowledges again while it is still down. When it can be started it
// serves, and leads again.
func TestOthersTakeOverWhatABrokerLed(t *testing.T) {
	cfg := testConfig(t)
	r := startUp(t, cfg, func(u *Up) { u.control.TakeOverAfter = time.Second })
	bootstrap := r.cluster().Bootstrap
	adm := kadm.NewClient(client(t, bootstrap, kgo.MetadataMinAge(50*time.Millisecond)))
	ctx := t.Context()
	if _, err := adm.CreateTopic(ctx, 6, 3, map[string]*string{"min.insync.replicas": new("2")}, "orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.CreateTopic(ctx, 3, 1, nil, "alone"); err != nil {
		t.Fatal(err)
	}
	orders, alone := startWriters(t, bootstrap, "orders", 6), startWriters(t, bootstrap, "alone", 3)
	orders.awaitAll()
	alone.awaitAll()
	committed := commitGroups(t, bootstrap)
	const victim = 2
	if n := leaders(t, adm); n[victim] == 0 {
		t.Fatalf("broker %d leads nothing: %v", victim, n)
	}

	way := filepath.Join(directoryOf(t, cfg, victim), obstacle)
	if err := os.WriteFile(way, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := syscall.Kill(r.cluster().Brokers[victim-1].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	orders.awaitAll()
	alone.awaitAll()
	t.Logf("every partition acknowledges again after %v", time.Since(began).Round(10*time.Millisecond))
	checkGroups(t, bootstrap, committed)
	r.until(cfg, "HEALING says that others lead", func(c *ClusterStatus) bool {
		return c.State == "HEALING" && strings.Contains(c.StateInfo, "Broker 2 has not served since") &&
			strings.Contains(c.StateInfo, "something is in the way") && strings.Contains(c.StateInfo, "Other brokers lead its partitions")
	})
	awaitLeaders(t, adm, "nobody waits for the broker", func(n map[int32]int) bool { return n[victim] == 0 && n[-1] == 0 })

	if err := os.Remove(way); err != nil {
		t.Fatal(err)
	}
	r.until(cfg, "ACTIVE again", func(c *ClusterStatus) bool {
		return c.State == "ACTIVE" && c.Brokers[victim-1].Ready && c.StateInfo == ""
	})
	t.Logf("the broker serves %v after it ended", time.Since(began).Round(10*time.Millisecond))
	awaitLeaders(t, adm, "the broker leads again", func(n map[int32]int) bool { return n[victim] > 0 })
	orders.awaitAll()
	alone.awaitAll()
	checkGroups(t, bootstrap, committed)
	orders.check(bootstrap)
	alone.check(bootstrap)
}

// groupsInAll is how many groups it takes for each broker to coordinate some.
const groupsInAll = 12

// commitGroups commits an offset for each of some groups, which different brokers coordinate.
func commitGroups(t *testing.T, bootstrap string) map[string]int64 {
	t.Helper()
	committed := make(map[string]int64)
	for i := range groupsInAll {
		group := fmt.Sprintf("group-%d", i)
		var os kadm.Offsets
		os.Add(kadm.Offset{Topic: "orders", Partition: 0, At: int64(i), LeaderEpoch: -1})
		retried(t, bootstrap, "commit of "+group, func(ctx context.Context, adm *kadm.Client) error { return adm.CommitAllOffsets(ctx, group, os) })
		committed[group] = int64(i)
	}
	return committed
}

func checkGroups(t *testing.T, bootstrap string, committed map[string]int64) {
	t.Helper()
	for group, want := range committed {
		retried(t, bootstrap, "offset of "+group, func(ctx context.Context, adm *kadm.Client) error {
			got, err := adm.FetchOffsets(ctx, group)
			if err != nil {
				return err
			}
			o, ok := got.Lookup("orders", 0)
			if !ok || o.Err != nil {
				return errors.Join(o.Err, fmt.Errorf("no offset: %v", got))
			}
			if o.At != want {
				t.Errorf("%s: offset %d, committed was %d", group, o.At, want)
			}
			return nil
		})
	}
}

// retried tries until it works: brokers that change places answer that they do for a while. Each time it is another client that tries, since this library asks
// the coordinator that it knows for minutes.
func retried(t *testing.T, bootstrap, what string, fn func(context.Context, *kadm.Client) error) {
	t.Helper()
	for deadline := time.Now().Add(takeoverDeadline); ; <-time.After(50 * time.Millisecond) {
		cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err = fn(ctx, kadm.NewClient(cl))
		cancel()
		cl.Close()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// A broker's process that is stopped loses its session and is killed by its node, which starts it anew: nobody has to look for it.
func TestStoppedProcessIsFoundAndStartedAnew(t *testing.T) {
	cfg := testConfig(t)
	r := startUp(t, cfg)
	bootstrap := r.cluster().Bootstrap
	adm := kadm.NewClient(client(t, bootstrap))
	if _, err := adm.CreateTopic(t.Context(), 6, 3, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	orders := startWriters(t, bootstrap, "orders", 6)
	orders.awaitAll()
	victim := r.cluster().Brokers[2]
	began := time.Now()
	if err := syscall.Kill(victim.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	orders.awaitAll()
	t.Logf("every partition acknowledges again after %v", time.Since(began).Round(10*time.Millisecond))
	c := r.until(cfg, "another process serves", func(c *ClusterStatus) bool { return c.Brokers[2].Ready && c.Brokers[2].PID != victim.PID })
	if b := c.Brokers[2]; !strings.Contains(b.LastExit, "no session for") || b.Address != victim.Address {
		t.Errorf("broker is %+v, was %+v", b, victim)
	}
	orders.check(bootstrap)
}
