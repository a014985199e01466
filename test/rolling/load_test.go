package rolling

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

const (
	topic      = "rolling"
	partitions = 12
	// perSecond is what each client sends: enough that every partition has something in flight at most times.
	perSecond = 300
)

// place is where a record is.
type place struct {
	partition int32
	offset    int64
}

// load is the clients, and what they were told.
type load struct {
	mu    sync.Mutex
	acked map[string]place            // by value
	seen  map[string]map[place]string // by client
	worst map[string]*stall           // by client, since the last reset
	errs  []error

	stops []func()
}

// stall is how long a client had to wait.
type stall struct {
	ack  time.Duration // longest time from a send to its acknowledgement
	read time.Duration // longest time between two records of one partition
	last map[int32]time.Time
	acks int
}

func startLoad(t *testing.T, w *cluster.Weir) *load {
	t.Helper()
	l := &load{acked: map[string]place{}, seen: map[string]map[place]string{}, worst: map[string]*stall{}}
	bootstrap := w.Bootstrap()
	classes := t.TempDir()
	jars := cluster.Jars(t, "kafka-clients-4.4")
	folder := filepath.Join(cluster.Root(), "test", "rolling", "clients")
	cluster.Run(t, nil, "javac", "-nowarn", "-d", classes, "-cp", jars, filepath.Join(folder, "Rolling.java"))
	l.program(t, "java", bootstrap, "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes+":"+jars, "Rolling")
	l.program(t, "librdkafka", bootstrap, cluster.Python(t), filepath.Join(folder, "librdkafka.py"))
	l.franz(t, "franz-go", bootstrap)
	t.Cleanup(l.stop)
	cluster.Eventually(t, 3*time.Minute, func() error { return l.missing(nil) })
	return l
}

// stop ends the clients, once all that they sent has its answer.
func (l *load) stop() {
	for _, stop := range l.stops {
		stop()
	}
	l.stops = nil
}

func (l *load) client(name string) *stall {
	s := l.worst[name]
	if s == nil {
		s = &stall{last: map[int32]time.Time{}}
		l.worst[name], l.seen[name] = s, map[place]string{}
	}
	return s
}

// program starts a client that is a process of its own and prints what it is told.
func (l *load) program(t *testing.T, name, bootstrap string, argv ...string) {
	t.Helper()
	argv = append(argv, bootstrap, topic, name, strconv.Itoa(partitions), strconv.Itoa(perSecond))
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // it ends with its input
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = errs
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { l.listen(name, out) })
	l.stops = append(l.stops, func() {
		in.Close()
		late := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
		reading.Wait()
		err := cmd.Wait()
		late.Stop()
		if err != nil {
			said, _ := os.ReadFile(errs.Name()) // whatever there is
			t.Errorf("%s: %v\n%s", name, err, said)
		}
		errs.Close()
	})
}

func (l *load) listen(name string, out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 5 && f[0] == "A":
			micros, _ := strconv.ParseInt(f[4], 10, 64)
			l.ack(name, placeOf(f), f[3], time.Duration(micros)*time.Microsecond)
		case len(f) == 4 && f[0] == "R":
			l.see(name, placeOf(f), f[3])
		default:
			l.fail(fmt.Errorf("%s: %s", name, lines.Text()))
		}
	}
}

func placeOf(f []string) place {
	p, _ := strconv.ParseInt(f[1], 10, 32)
	o, _ := strconv.ParseInt(f[2], 10, 64)
	return place{int32(p), o}
}

// franz is a client in this process.
func (l *load) franz(t *testing.T, name, bootstrap string) {
	t.Helper()
	from := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		from[p] = kgo.NewOffset().At(0)
	}
	open := func(opts ...kgo.Opt) *kgo.Client {
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(bootstrap, ",")...))...)
		if err != nil {
			t.Fatal(err)
		}
		return cl
	}
	producer := open(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(2*time.Millisecond), kgo.StopProducerOnDataLossDetected())
	reader := open(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	sending, stopSending := context.WithCancel(context.Background())
	reading, stopReading := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Second / perSecond)
		defer tick.Stop()
		for n := 0; sending.Err() == nil; n++ {
			<-tick.C
			value, sent := fmt.Sprintf("%s/%d", name, n), time.Now()
			producer.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: int32(n % partitions), Value: []byte(value)}, func(r *kgo.Record, err error) {
				if err != nil {
					l.fail(fmt.Errorf("%s: %s: %w", name, value, err))
					return
				}
				l.ack(name, place{r.Partition, r.Offset}, value, time.Since(sent))
			})
		}
	})
	running.Go(func() {
		for reading.Err() == nil {
			f := reader.PollFetches(reading)
			f.EachRecord(func(r *kgo.Record) { l.see(name, place{r.Partition, r.Offset}, string(r.Value)) })
			f.EachError(func(_ string, p int32, err error) {
				if errors.Is(err, kerr.OffsetOutOfRange) {
					l.fail(fmt.Errorf("%s: reader: partition %d: %w", name, p, err))
				}
			})
		}
	})
	l.stops = append(l.stops, func() {
		stopSending()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if err := producer.Flush(ctx); err != nil {
			l.fail(fmt.Errorf("%s: flush: %w", name, err))
		}
		stopReading()
		running.Wait()
		producer.Close()
		reader.Close()
	})
}

func (l *load) ack(name string, at place, value string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[value] = at
	s := l.client(name)
	s.acks++
	s.ack = max(s.ack, took)
}

func (l *load) see(name string, at place, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, now := l.client(name), time.Now()
	if last, ok := s.last[at.partition]; ok {
		s.read = max(s.read, now.Sub(last))
	}
	s.last[at.partition] = now
	if before, ok := l.seen[name][at]; ok && before != value {
		l.errs = append(l.errs, fmt.Errorf("%s: %v was read as %s and then as %s", name, at, before, value))
	}
	l.seen[name][at] = value
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// clients are how many different ones there are.
const clients = 3

// counts is how many sends of each client were acknowledged.
func (l *load) counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[string]int{}
	for name, s := range l.worst {
		n[name] = s.acks
	}
	return n
}

// missing says which clients have had less than two rounds of acknowledgements since before.
func (l *load) missing(before map[string]int) error {
	now := l.counts()
	if len(now) < clients {
		return fmt.Errorf("only %v send", slices.Sorted(maps.Keys(now)))
	}
	for name, n := range now {
		if n < before[name]+2*partitions {
			return fmt.Errorf("%s has had %d acknowledgements, want %d", name, n, before[name]+2*partitions)
		}
	}
	return nil
}

// during runs f under load, and says what each client had to wait meanwhile. What failed fails the test at once.
func (l *load) during(t *testing.T, f func()) string {
	t.Helper()
	l.mu.Lock()
	for _, s := range l.worst {
		s.ack, s.read = 0, 0
	}
	l.mu.Unlock()
	f()
	before := l.counts()
	cluster.Eventually(t, 3*time.Minute, func() error { return l.missing(before) })
	l.mu.Lock()
	defer l.mu.Unlock()
	var said []string
	for _, name := range slices.Sorted(maps.Keys(l.worst)) {
		s := l.worst[name]
		said = append(said, fmt.Sprintf("%s send %v read %v", name, s.ack.Round(time.Millisecond), s.read.Round(time.Millisecond)))
	}
	for _, err := range l.errs {
		t.Error(err)
	}
	l.errs = nil
	return strings.Join(said, ", ")
}

// follow waits until every reader gets every partition's records again: one whose metadata were too old may take some seconds for its own next look.
func (l *load) follow(t *testing.T) {
	t.Helper()
	began := time.Now()
	cluster.Eventually(t, 3*time.Minute, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for name, s := range l.worst {
			for p := range int32(partitions) {
				if s.last[p].Before(began) {
					return fmt.Errorf("%s has read nothing of partition %d since %v", name, p, began)
				}
			}
		}
		return nil
	})
	t.Logf("all readers follow after %v", time.Since(began).Round(time.Millisecond))
}

// check reads the topic with a new client and compares it with what the others were told.
func (l *load) check(t *testing.T, bootstrap string) {
	t.Helper()
	log := readBack(t, bootstrap)
	where := map[string]place{}
	for at, value := range log {
		if other, twice := where[value]; twice {
			t.Errorf("%s is there twice: at %v and %v", value, other, at)
		}
		where[value] = at
	}
	lost := 0
	for value, at := range l.acked {
		if log[at] != value {
			lost++
			t.Errorf("%s was acknowledged at %v, where %q is", value, at, log[at])
		}
	}
	for name, seen := range l.seen {
		for at, value := range seen {
			if log[at] != value {
				t.Errorf("%s read %s at %v, where %q is", name, value, at, log[at])
			}
		}
		if len(seen) == 0 {
			t.Errorf("%s has read nothing", name)
		}
	}
	t.Logf("%d records acknowledged, %d in the log, %d lost", len(l.acked), len(log), lost)
}

func readBack(t *testing.T, bootstrap string) map[place]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	from := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		from[p] = kgo.NewOffset().AtStart()
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil || ends.Error() != nil {
		t.Fatal(err, ends.Error())
	}
	var want int64
	ends.Each(func(o kadm.ListedOffset) { want += o.Offset })
	log := map[place]string{}
	for int64(len(log)) < want {
		f := cl.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatalf("read back %d of %d records: %v", len(log), want, err)
		}
		f.EachRecord(func(r *kgo.Record) { log[place{r.Partition, r.Offset}] = string(r.Value) })
	}
	return log
}
