package streams

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

const (
	partitions = 4
	words      = 12
	// drainLimit is how long the application may take to finish after the faults: brokers come back, transactions of killed
	// instances time out, stores are restored.
	drainLimit = 4 * time.Minute
)

// protocols are those of the application's group. A killed application is found dead soon in classic only, where the client says how soon: in streams
// groups (KIP-1071) it is not killed, as that costs the test 45 s.
var protocols = []struct {
	name     string
	killApp  bool
	duration time.Duration
}{{"classic", true, 14 * time.Second}, {"streams", false, 14 * time.Second}}

// TestApacheKafka: without faults, to know that the application and the check are right.
func TestApacheKafka(t *testing.T) {
	t.Parallel()
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, cluster.StartKafka(t, cluster.LikeMSK()...), p.name)
			s.feed(t, 3*time.Second, nil)
			s.check(t)
		})
	}
}

// TestKilledBrokers kills a broker every few seconds, and once the application too.
func TestKilledBrokers(t *testing.T) {
	t.Parallel()
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			killBrokers(t, p.name, p.duration, p.killApp)
		})
	}
}

func killBrokers(t *testing.T, protocol string, length time.Duration, killApp bool) {
	w := cluster.StartWeir(t, cluster.Options{})
	s := start(t, w, protocol)
	kills := 0
	s.feed(t, length, func() {
		kills++
		if pids := w.Brokers(); len(pids) > 0 {
			victim := pids[rand.IntN(len(pids))]
			if err := syscall.Kill(victim, syscall.SIGKILL); err != nil && err != syscall.ESRCH { //nolint:errorlint // a bare errno
				t.Errorf("kill -9 %d: %v", victim, err)
			}
		}
		if killApp && kills == 4 {
			s.app.Kill()
			s.run(t)
		}
	})
	s.check(t)
	t.Logf("%d kills of brokers", kills)
}

// story is the application with what went in.
type story struct {
	cluster  cluster.Cluster
	protocol string
	app      *cluster.Process
	state    string
	client   *kgo.Client
	counts   map[string]int // of each word
	orders   int
}

func start(t *testing.T, c cluster.Cluster, protocol string) *story {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.Bootstrap(), ",")...), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	made, err := kadm.NewClient(cl).CreateTopics(ctx, partitions, int16(c.Replicas()), nil, "words", "counts", "orders", "payments", "joined")
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		t.Fatalf("create the topics: %v", err)
	}
	s := &story{cluster: c, protocol: protocol, state: t.TempDir(), client: cl, counts: map[string]int{}}
	s.run(t)
	return s
}

// run starts the application. It is killed at the end of the test.
func (s *story) run(t *testing.T) {
	t.Helper()
	source := filepath.Join(cluster.Root(), "test", "streams", "App.java")
	s.app = cluster.Spawn(t, nil, "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", cluster.Jars(t, "kafka-streams"),
		source, s.cluster.Bootstrap(), s.protocol, s.state)
}

// feed writes inputs for some time, and calls fault every three seconds.
func (s *story) feed(t *testing.T, length time.Duration, fault func()) {
	t.Helper()
	end := time.NewTimer(length)
	defer end.Stop()
	tick, strike := time.NewTicker(20*time.Millisecond), time.NewTicker(3*time.Second)
	defer tick.Stop()
	defer strike.Stop()
	send := func(topic, key, value string) {
		s.client.Produce(context.Background(), &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("input for %s was not taken: %v", topic, err)
			}
		})
	}
	for running := true; running; {
		select {
		case <-end.C:
			running = false
		case <-strike.C:
			if fault != nil {
				fault()
			}
		case <-tick.C:
			for range 4 {
				word := fmt.Sprint("word-", rand.IntN(words))
				s.counts[word]++
				send("words", "", word)
			}
			key := fmt.Sprint("order-", s.orders)
			s.orders++
			send("orders", key, "o")
			send("payments", key, "p")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.client.Flush(ctx); err != nil {
		t.Fatalf("inputs are still unanswered: %v", err)
	}
}

// check reads the outputs until they are complete, and looks at each record.
func (s *story) check(t *testing.T) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.cluster.Bootstrap(), ",")...), kgo.ConsumeTopics("counts", "joined"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	total := 0
	for _, n := range s.counts {
		total += n
	}
	ctx, cancel := context.WithTimeout(t.Context(), drainLimit)
	defer cancel()
	counted, joined, wrong := map[string]int{}, map[string]bool{}, 0
	read := func(ctx context.Context) int {
		fetches := cl.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			key := string(r.Key)
			switch r.Topic {
			case "counts": // in order: a word's counts are all in one partition
				if n := int(binary.BigEndian.Uint64(r.Value)); n != counted[key]+1 {
					wrong++
					t.Errorf("%s: count %d after %d, at %s-%d@%d", key, n, counted[key], r.Topic, r.Partition, r.Offset)
				}
				counted[key]++
			case "joined":
				if joined[key] {
					wrong++
					t.Errorf("%s came out twice", key)
				}
				joined[key] = true
			}
		})
		return fetches.NumRecords()
	}
	sum := func() (n int) {
		for _, c := range counted {
			n += c
		}
		return n
	}
	for sum() < total || len(joined) < s.orders {
		read(ctx)
		if ctx.Err() != nil || wrong > 10 {
			t.Fatalf("after %v there are %d counts of %d words, and %d of %d orders joined\n%s\n%s", drainLimit, sum(), total, len(joined), s.orders,
				s.app.Stdout(), s.app.Stderr())
		}
	}
	s.app.Signal(syscall.SIGTERM)
	s.app.Wait(t, 2*time.Minute)
	// Nothing more may come: the application has ended, so what it wrote is committed or never will be.
	rest, done := context.WithTimeout(ctx, time.Second)
	defer done()
	for rest.Err() == nil {
		read(rest)
	}
	for word, n := range s.counts {
		if counted[word] != n {
			t.Errorf("%s was counted %d times, and was sent %d times", word, counted[word], n)
		}
	}
	t.Logf("%d words counted and %d orders joined, each exactly once", total, s.orders)
}
