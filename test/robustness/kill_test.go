package robustness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// TestKafkaPassesTheSameCheck: the load and the check on Apache Kafka first. Killing a process loses nothing there either.
func TestKafkaPassesTheSameCheck(t *testing.T) {
	t.Parallel()
	if os.Getenv("WEIR_TEST_SYSTEMS") == "weir" {
		t.Skip("only Weir is asked for")
	}
	k := cluster.StartKafka(t)
	underLoad(t, k, 1, func(int) {
		k.Process.Kill()
		k.Start(t)
		k.AwaitReady(t) // a JVM takes its time
	})
}

// restless makes brokers move data all the time, so that kills meet every step of it.
const restless = "checkpoint-interval=300ms,flush-age=500ms,flush-idle-bytes=1,own-bytes=64KiB,tiny-bytes=16KiB,promote-age=2s,merge-count=2," +
	"collect-interval=1s,delete-delay=1s,tick=50ms"

// TestKilledBrokersLoseNothing kills one broker process after the other; its node starts it again.
func TestKilledBrokersLoseNothing(t *testing.T) {
	t.Parallel()
	w := cluster.StartWeir(t, cluster.Options{Storage: restless})
	underLoad(t, w, kills(t, "WEIR_TEST_BROKER_KILLS", 100), func(int) {
		pids := w.Brokers()
		victim := pids[rand.IntN(len(pids))]
		w.KillBroker(t, victim)
		cluster.Eventually(t, recoveryLimit, func() error {
			if now := w.Brokers(); len(now) != 3 || slices.Contains(now, victim) {
				return fmt.Errorf("broker processes after the end of %d: %v, want 3 others", victim, now)
			}
			return nil
		})
	})
	examine(t, w)
}

// TestKilledWeirUpLosesNothing kills `weir up` itself: alone in every even cycle, so that the next start finds the brokers at
// work, and together with its brokers in every odd one.
func TestKilledWeirUpLosesNothing(t *testing.T) {
	t.Parallel()
	w := cluster.StartWeir(t, cluster.Options{Storage: restless})
	underLoad(t, w, kills(t, "WEIR_TEST_UP_KILLS", 10), func(cycle int) {
		brokers := w.Brokers()
		w.KillAll()
		if cycle%2 == 1 {
			for _, pid := range brokers {
				w.KillBroker(t, pid)
			}
		}
		w.Start(t)
		w.AwaitReady(t)
	})
	examine(t, w)
}

// examine stops all and has what is on the disk checked, byte by byte: kills leave nothing that is wrong.
func examine(t *testing.T, w *cluster.Weir) {
	t.Helper()
	if t.Failed() {
		return
	}
	w.Stop(t)
	report := w.Command(t, "doctor") // fails the test if it finds anything
	t.Logf("weir doctor:\n%s", report)
	if strings.Count(report, ": healthy (") != w.Replicas() {
		t.Error("not every broker was found healthy")
	}
}

func kills(t *testing.T, name string, otherwise int) int {
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

// underLoad runs kill n times under load, each time waiting until every partition acknowledges records again, and then checks it all.
func underLoad(t *testing.T, c cluster.Cluster, n int, kill func(cycle int)) {
	t.Helper()
	bootstrap := strings.Split(c.Bootstrap(), ",")
	createTopic(t, c, bootstrap)
	l := newLoad()
	stop := l.start(t, bootstrap)
	defer stop()
	// advance waits until every partition has acknowledged more than it has now: by then nothing counts that was on its way already.
	advance := func() {
		t.Helper()
		before := l.progress()
		cluster.Eventually(t, recoveryLimit, func() error { return l.behind(before) })
	}
	advance()
	stalls := make([]time.Duration, 0, n)
	for cycle := range n {
		start := time.Now()
		kill(cycle)
		advance()
		stalls = append(stalls, time.Since(start))
		if t.Failed() {
			return
		}
		// Some kills come while the brokers catch up, some under steady load.
		<-time.After(time.Duration(rand.IntN(100)) * time.Millisecond)
	}
	stop()
	l.report(t, readBack(t, bootstrap))
	slices.Sort(stalls)
	t.Logf("%d kills; after a kill every partition acknowledged again within %v (median), %v (p95), %v (longest)", n,
		stalls[len(stalls)/2].Round(time.Millisecond), stalls[len(stalls)*95/100].Round(time.Millisecond), stalls[len(stalls)-1].Round(time.Millisecond))
}

func createTopic(t *testing.T, c cluster.Cluster, bootstrap []string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, int16(c.Replicas()), nil, topic); err != nil {
		t.Fatal(fmt.Errorf("create the topic: %w", err))
	}
}
