package peer

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// compactionLimit bounds what a cleaner is waited for: it looks each 15 s (log.cleaner.backoff.ms) for what has left the active segment, or the journal
// (segment.ms).
const compactionLimit = 4 * time.Minute

// TestCompaction reads a compacted topic from its first offset with the Java client and librdkafka, while it is produced to and compacted, and after
// that: whoever reads to the end has the producer's table, and no older value after a newer one on the way. The last record of each partition says that it
// is the last.
func TestCompaction(t *testing.T) {
	t.Parallel()
	cluster.OnEach(t, func(t *testing.T, c cluster.Cluster) {
		t.Parallel() // cleaners are waited for most of the time
		w := newTableWriter(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var producing sync.WaitGroup
		producing.Go(func() { w.run(ctx) })
		cluster.Eventually(t, compactionLimit, func() error {
			if sent, left := w.count(t); sent == 0 || left > sent/2 {
				return fmt.Errorf("%d of %d records are left", left, sent)
			}
			return nil
		})
		// These begin to read now, and another cleaning comes before they are done.
		readers := compactionReaders(t, c)
		var during []*cluster.Process
		for _, r := range readers {
			during = append(during, cluster.Spawn(t, nil, r.argv...))
		}
		sentBefore, _ := w.count(t)
		cluster.Eventually(t, compactionLimit, func() error {
			if sent, left := w.count(t); left > (sent-sentBefore)*3/4 || sent < sentBefore+2000 {
				return fmt.Errorf("%d of %d records are left", left, sent)
			}
			return nil
		})
		cancel()
		producing.Wait()
		w.end(t)
		want := w.result(t)
		for i, r := range readers {
			checkTable(t, r.name+" while the topic is compacted", r.output(t, during[i]), want)
		}
		var after []*cluster.Process
		for _, r := range readers {
			after = append(after, cluster.Spawn(t, nil, r.argv...))
		}
		for i, r := range readers {
			checkTable(t, r.name, r.output(t, after[i]), want)
		}
		sent, left := w.count(t)
		t.Logf("%d of %d records are left for %d keys", left, sent, len(want))
	})
}

const (
	compactionTopic      = "table"
	compactionPartitions = 2
	roundRecords         = 100
)

// tableWriter produces values of few keys for ever.
type tableWriter struct {
	clients   []*kgo.Client
	last      *kgo.Client // of the last records
	bootstrap []string

	mu    sync.Mutex
	sent  int
	table map[string]string // what was acknowledged last
	err   error
}

func newTableWriter(t *testing.T, c cluster.Cluster) *tableWriter {
	t.Helper()
	w := &tableWriter{table: map[string]string{}, bootstrap: strings.Split(c.Bootstrap(), ",")}
	client := func(opts ...kgo.Opt) *kgo.Client {
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(w.bootstrap...), kgo.DefaultProduceTopic(compactionTopic))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	configs := map[string]*string{}
	for k, v := range map[string]string{
		"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "5000",
		"delete.retention.ms": "600000", "file.delete.delay.ms": "1000",
	} {
		configs[k] = kadm.StringPtr(v)
	}
	if _, err := kadm.NewClient(client()).CreateTopic(t.Context(), compactionPartitions, int16(c.Replicas()), configs, compactionTopic); err != nil {
		t.Fatal(err)
	}
	for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		w.clients = append(w.clients, client(kgo.ProducerBatchCompression(codec)))
	}
	w.last = client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return w
}

// endPrefix begins the keys of the last records.
const endPrefix = "end-"

// endKey is the key of a partition's last record.
func endKey(partition int) string { return endPrefix + strconv.Itoa(partition) }

// end closes each partition with a record that says so.
func (w *tableWriter) end(t *testing.T) {
	t.Helper()
	for p := range compactionPartitions {
		key, value := endKey(p), "0-"
		if err := w.last.ProduceSync(t.Context(), &kgo.Record{Partition: int32(p), Key: []byte(key), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatalf("produce the last record: %v", err)
		}
		w.table[key] = value
	}
}

// run produces until ctx ends. Rounds follow each other, so a key's values grow.
func (w *tableWriter) run(ctx context.Context) {
	rng := rand.New(rand.NewPCG(1, 2))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for round := 0; ctx.Err() == nil; round++ {
		var records []*kgo.Record
		values := map[string]string{}
		for i := range roundRecords {
			key, value := fmt.Sprint("key-", rng.IntN(40)), strconv.Itoa(round*roundRecords+i)
			r := &kgo.Record{Key: []byte(key), Value: []byte(value + strings.Repeat("-", 100))}
			if rng.IntN(20) == 0 {
				r.Value = nil
			}
			values[key] = string(r.Value)
			records = append(records, r)
		}
		// What was begun is brought to its end: the table says what was acknowledged.
		err := w.clients[round%len(w.clients)].ProduceSync(context.WithoutCancel(ctx), records...).FirstErr()
		w.mu.Lock()
		maps.Copy(w.table, values)
		w.sent += len(records)
		w.err = err
		w.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// result is the table that a reader must have.
func (w *tableWriter) result(t *testing.T) map[string]string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		t.Fatalf("produce: %v", w.err)
	}
	want := map[string]string{}
	for k, v := range w.table {
		if v != "" {
			want[k] = v
		}
	}
	return want
}

// count reads the topic from its start to its end of now, and returns how many records were acknowledged before that, and how many there are.
func (w *tableWriter) count(t *testing.T) (sent, left int) {
	t.Helper()
	w.mu.Lock()
	sent, err := w.sent, w.err
	w.mu.Unlock()
	if err != nil {
		t.Fatalf("produce: %v", err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.bootstrap...), kgo.ConsumeTopics(compactionTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, compactionTopic)
	if err != nil {
		t.Fatal(err)
	}
	next := map[int32]int64{}
	done := func() bool {
		for p, end := range ends[compactionTopic] {
			if next[p] < end.Offset {
				return false
			}
		}
		return true
	}
	// The very last records may have been compacted away, so the end may also be where nothing comes for a moment.
	for !done() {
		poll, stop := context.WithTimeout(ctx, 2*time.Second)
		fs := cl.PollFetches(poll)
		stop()
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d records read, up to %v of %v: %v", left, next, ends, err)
		}
		if fs.NumRecords() == 0 {
			break
		}
		fs.EachRecord(func(r *kgo.Record) {
			if r.Offset < next[r.Partition] {
				t.Errorf("offset %d of partition %d after %d", r.Offset, r.Partition, next[r.Partition]-1)
			}
			next[r.Partition] = r.Offset + 1
			left++
		})
	}
	return sent, left
}

// compactionReader is a program that reads the topic from its start.
type compactionReader struct {
	name string
	argv []string
	ends bool // by itself, behind the last records, and says ok
}

func compactionReaders(t *testing.T, c cluster.Cluster) []compactionReader {
	t.Helper()
	return []compactionReader{
		{
			"the Java client",
			cluster.KafkaTool(t, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", c.Bootstrap(), "--topic", compactionTopic, "--from-beginning",
				"--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true", "--formatter-property", "print.key=true"),
			false,
		},
		{
			"librdkafka",
			[]string{cluster.Python(t), filepath.Join(cluster.Root(), "test", "peer", "compaction.py"), c.Bootstrap(), compactionTopic, endPrefix},
			true,
		},
	}
}

// output is what a reader printed up to the last records.
func (r compactionReader) output(t *testing.T, p *cluster.Process) string {
	t.Helper()
	cluster.Eventually(t, cluster.RunLimit, func() error {
		out := p.Stdout()
		for i := range compactionPartitions {
			if !strings.Contains(out, "\t"+endKey(i)+"\t") {
				select {
				case <-p.Exited():
					t.Fatalf("%s ended before the last record of partition %d: %s", r.name, i, p.Stderr())
				default:
				}
				return fmt.Errorf("%s has not printed the last record of partition %d: %s", r.name, i, p.Stderr())
			}
		}
		return nil
	})
	if !r.ends {
		p.Signal(syscall.SIGTERM)
	}
	code := p.Wait(t, cluster.RunLimit)
	out := p.Stdout()
	if r.ends {
		var ok bool
		if out, ok = strings.CutSuffix(out, "ok\n"); !ok || code != 0 {
			t.Fatalf("%s did not end with ok: exit code %d, %s", r.name, code, p.Stderr())
		}
	}
	return out
}

type tableRecord struct {
	partition  int
	offset     int64
	key, value string // null is "null"
}

// parseTable reads lines such as "Partition:0	Offset:12	key	value", or without the words.
func parseTable(out string) (rs []tableRecord, err error) {
	for line := range strings.Lines(out) {
		r, err := parseTableRecord(strings.NewReplacer("Partition:", "", "Offset:", "").Replace(line))
		if err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs, nil
}

func parseTableRecord(line string) (r tableRecord, err error) {
	f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if len(f) != 4 {
		return r, fmt.Errorf("%q is not a record", line)
	}
	if r.partition, err = strconv.Atoi(f[0]); err != nil {
		return r, err
	}
	if r.offset, err = strconv.ParseInt(f[1], 10, 64); err != nil {
		return r, err
	}
	r.key, r.value = f[2], f[3]
	return r, nil
}

// checkTable checks what a reader printed.
func checkTable(t *testing.T, who, out string, want map[string]string) {
	t.Helper()
	rs, err := parseTable(out)
	if err != nil {
		t.Errorf("%s: %v", who, err)
		return
	}
	next := map[int]int64{}
	newest := map[string]int{}
	got := map[string]string{}
	for _, r := range rs {
		if r.offset < next[r.partition] {
			t.Errorf("%s: offset %d of partition %d after %d", who, r.offset, r.partition, next[r.partition]-1)
		}
		next[r.partition] = r.offset + 1
		if r.value == "null" {
			delete(got, r.key)
			continue
		}
		number, _, _ := strings.Cut(r.value, "-")
		n, err := strconv.Atoi(number)
		if before, ok := newest[r.key]; err != nil || ok && n <= before {
			t.Errorf("%s: %s has value %d after %d: %v", who, r.key, n, before, err)
		}
		newest[r.key], got[r.key] = n, r.value
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s read %d records; the table has %d keys, want %d", who, len(rs), len(got), len(want))
		for k := range want {
			if got[k] != want[k] {
				t.Errorf("%s: %s is %.12q, want %.12q", who, k, got[k], want[k])
				break
			}
		}
	}
}
