package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"weir/control/resource"
	"weir/internal/leak"
	"weir/metadata"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// memTopic is a topic in memory. An empty value is a marker or what compaction took: an offset without a record.
type memTopic struct {
	mu         sync.Mutex
	partitions [][]string
	perRead    int // records that one read returns at most; 0: all
	err        error
}

func (m *memTopic) append(partition int, values ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.partitions) <= partition {
		m.partitions = append(m.partitions, nil)
	}
	m.partitions[partition] = append(m.partitions[partition], values...)
}

func (m *memTopic) Partitions(context.Context) (int32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int32(len(m.partitions)), m.err
}

func (m *memTopic) End(_ context.Context, p int32) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.partitions[p])), m.err
}

func (m *memTopic) Read(_ context.Context, p int32, from, until int64, _ int) ([]Record, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, 0, m.err
	}
	if m.perRead > 0 {
		until = min(until, from+int64(m.perRead))
	}
	var rs []Record
	for i := from; i < until; i++ {
		if v := m.partitions[p][i]; v != "" {
			rs = append(rs, Record{Offset: i, Time: time.UnixMilli(i).UTC(), Value: []byte(v)})
		}
	}
	return rs, until, nil
}

var errCrash = errors.New("the process is gone")

// memSink is a store in memory that ends the process before or after a put, when a test says so.
type memSink struct {
	mu      sync.Mutex
	objects map[string]Object // by bucket/key
	puts    int
	refuse  error
	crash   func(step string) bool
}

func newSink() *memSink { return &memSink{objects: make(map[string]Object)} }

func (s *memSink) Check(context.Context, string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refuse
}

func (s *memSink) Stat(_ context.Context, bucket, key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return "", s.refuse
	}
	o, ok := s.objects[bucket+"/"+key]
	if ok && o.Mark == "" {
		return "?", nil
	}
	return o.Mark, nil
}

func (s *memSink) Put(_ context.Context, o Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	if s.crash != nil && s.crash("before put") {
		return errCrash
	}
	s.puts++
	o.Body = slices.Clone(o.Body)
	s.objects[o.Bucket+"/"+o.Key] = o
	if s.crash != nil && s.crash("after put") {
		return errCrash
	}
	return nil
}

// lines are the lines of all objects whose key has the prefix, in order of key.
func (s *memSink) lines(t *testing.T, prefix string) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, k := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		o := s.objects[k]
		var r io.Reader = strings.NewReader(string(o.Body))
		var err error
		switch o.Encoding {
		case "gzip":
			r, err = gzip.NewReader(r)
		case "zstd":
			r, err = zstd.NewReader(r)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")...)
	}
	return all
}

func channel(change func(*resource.Channel)) resource.Channel {
	c := resource.Channel{
		ID: "11111111-2222-3333-4444-555555555555", Name: "archive", Account: "000000000000", Region: "us-east-1", Cluster: "c1",
		Topic: "orders", Converter: "STRING", FreshnessSeconds: 600, State: resource.ChannelActive,
		Storage: resource.ChannelStorage{Bucket: "data"}, DeadLetter: resource.ChannelStorage{Bucket: "dead", Prefix: "errors/"},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func newStore(t *testing.T) *metadata.Mem {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

var noon = time.Date(2026, 2, 3, 12, 30, 0, 0, time.UTC)

func TestDeliveryStartsWhereTheChannelWasMade(t *testing.T) {
	topic, sink := &memTopic{}, newSink()
	topic.append(0, "old-1", "old-2")
	d := NewDeliverer(channel(nil), newStore(t), topic, sink)
	if err := d.Begin(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	topic.append(0, "new-1", "new-2")
	topic.append(1, "new partition") // came after the channel: from its start
	if err := d.Begin(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		if err := d.Deliver(t.Context(), p, noon); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"new-1", "new-2", "new partition"}, sink.lines(t, "data/")); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	want := []string{
		"data/orders/2026/02/03/12/11111111-2222-3333-4444-555555555555-0-00000000000000000002",
		"data/orders/2026/02/03/12/11111111-2222-3333-4444-555555555555-1-00000000000000000000",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(sink.objects))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	// Nothing new, nothing written.
	before := sink.puts
	if err := d.Deliver(t.Context(), 0, noon); err != nil || sink.puts != before {
		t.Errorf("%d puts for nothing, %v", sink.puts-before, err)
	}
}

func TestConverters(t *testing.T) {
	tests := []struct {
		converter string
		values    []string
		good      []string
		bad       []int64
	}{
		{"JSON", []string{"{\n \"a\": 1 }", "no", `"x"`, "{broken"}, []string{`{"a":1}`, `"x"`}, []int64{1, 3}},
		{"STRING", []string{"a", "\xff", "ä"}, []string{"a", "ä"}, []int64{1}},
		{"BYTE_ARRAY", []string{"a", "\xff"}, []string{"a", "\xff"}, nil},
	}
	for _, tt := range tests {
		topic, sink := &memTopic{}, newSink()
		topic.append(0, tt.values...)
		d := NewDeliverer(channel(func(c *resource.Channel) { c.Converter = tt.converter }), newStore(t), topic, sink)
		if err := errors.Join(d.Begin(t.Context(), false), d.Deliver(t.Context(), 0, noon)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.good, sink.lines(t, "data/")); diff != "" {
			t.Errorf("%s delivered (-want +got):\n%s", tt.converter, diff)
		}
		letters := sink.lines(t, "dead/errors/orders/")
		if len(letters) != len(tt.bad) {
			t.Errorf("%s: %d dead letters; want %d", tt.converter, len(letters), len(tt.bad))
			continue
		}
		for i, offset := range tt.bad {
			if !strings.Contains(letters[i], fmt.Sprintf(`"offset":%d,`, offset)) || strings.Contains(letters[i], tt.values[offset]+`"`) ||
				!strings.Contains(letters[i], `"errorCode":"CONVERSION_FAILED"`) {
				t.Errorf("%s: dead letter %s", tt.converter, letters[i])
			}
		}
	}
}

func TestCompression(t *testing.T) {
	for compression, end := range map[string]string{"NONE": "", "GZIP": ".gz", "ZSTD": ".zst"} {
		topic, sink := &memTopic{}, newSink()
		topic.append(0, "a", "b")
		c := channel(func(c *resource.Channel) { c.Storage.Compression, c.Storage.Class = compression, "GLACIER_IR" })
		d := NewDeliverer(c, newStore(t), topic, sink)
		if err := errors.Join(d.Begin(t.Context(), false), d.Deliver(t.Context(), 0, noon)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a", "b"}, sink.lines(t, "data/")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", compression, diff)
		}
		for key, o := range sink.objects {
			if !strings.HasSuffix(key, "0"+end) || o.Class != "GLACIER_IR" {
				t.Errorf("%s: key %s, class %s", compression, key, o.Class)
			}
		}
	}
}

// TestCrashesLoseAndDuplicateNothing ends the process at each of the writes of a delivery in turn, and lets another finish it.
func TestCrashesLoseAndDuplicateNothing(t *testing.T) {
	var want []string
	fill := func(topic *memTopic, from, to int) {
		for i := from; i < to; i++ {
			topic.append(0, fmt.Sprintf("r%02d", i))
		}
	}
	for i := range 20 {
		want = append(want, fmt.Sprintf("r%02d", i))
	}
	// Each delivery of three objects has writes of intent, puts (before, after) and writes of progress.
	for crashAt := 1; ; crashAt++ {
		topic, sink, store := &memTopic{perRead: 4}, newSink(), newStore(t)
		fill(topic, 0, 10)
		count, crashed := 0, false
		at := func(string) bool {
			count++
			if count == crashAt {
				crashed = true
			}
			return count >= crashAt && crashed
		}
		sink.crash = at
		store.SetFault(func(c metadata.Call) metadata.Fault {
			switch {
			case c.Method != "Commit":
				return metadata.Fault{}
			case at("before commit"):
				return metadata.Fault{Before: errCrash}
			case at("after commit"):
				return metadata.Fault{After: errCrash}
			}
			return metadata.Fault{}
		})
		d := NewDeliverer(channel(nil), store, topic, sink)
		err := errors.Join(d.Begin(t.Context(), false))
		if err == nil {
			err = d.Deliver(t.Context(), 0, noon)
		}
		if crashed != (err != nil) {
			t.Fatalf("crash %d: crashed %v, err %v", crashAt, crashed, err)
		}
		// The next process, an hour later, after more records came.
		store.SetFault(nil)
		sink.crash = nil
		fill(topic, 10, 20)
		d = NewDeliverer(channel(nil), store, topic, sink)
		if err := errors.Join(d.Begin(t.Context(), false), d.Deliver(t.Context(), 0, noon.Add(time.Hour))); err != nil {
			t.Fatalf("crash %d: the next process: %v", crashAt, err)
		}
		got := sink.lines(t, "data/")
		slices.Sort(got) // keys of the later hour may come first
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("crash %d (-want +got):\n%s", crashAt, diff)
		}
		if !crashed {
			t.Logf("%d crash points", crashAt-1)
			return
		}
	}
}

func TestRangesWithoutRecordsMakeNoObject(t *testing.T) {
	topic, sink, store := &memTopic{perRead: 2}, newSink(), newStore(t)
	topic.append(0, "", "", "", "a", "", "")
	d := NewDeliverer(channel(nil), store, topic, sink)
	if err := errors.Join(d.Begin(t.Context(), false), d.Deliver(t.Context(), 0, noon)); err != nil {
		t.Fatal(err)
	}
	c := channel(nil)
	p, _, _, err := resource.ReadChannelProgress(t.Context(), store, &c, 0)
	if err != nil || sink.puts != 1 || p.Next != 6 || p.Object != nil {
		t.Errorf("%d puts, progress %+v, %v", sink.puts, p, err)
	}
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	topic, sink := &memTopic{}, newSink()
	topic.append(0, "a")
	c := channel(func(c *resource.Channel) {
		c.Storage.KeyTemplate = "k-!{channel-id}-!{partition-id}-!{kafka-offset}"
	})
	key := "data/k-" + c.ID + "-0-00000000000000000000"
	sink.objects[key] = Object{Body: []byte("theirs")}
	d := NewDeliverer(c, newStore(t), topic, sink)
	if err := errors.Join(d.Begin(t.Context(), false), d.Deliver(t.Context(), 0, noon)); !errors.Is(err, ErrTaken) {
		t.Errorf("deliver: %v", err)
	}
	if string(sink.objects[key].Body) != "theirs" {
		t.Error("a foreign object was overwritten")
	}
}

func TestSecondDelivererStops(t *testing.T) {
	topic, sink, store := &memTopic{}, newSink(), newStore(t)
	topic.append(0, "a")
	c := channel(nil)
	d := NewDeliverer(c, store, topic, sink)
	if err := d.Begin(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	sink.crash = func(step string) bool { // while the first is at its put, another one moves the progress
		if step == "after put" {
			_, at, _, err := resource.ReadChannelProgress(t.Context(), store, &c, 0)
			if err == nil {
				err = d.commit(t.Context(), 0, at, resource.ChannelProgress{Next: 1, Sequence: 1})
			}
			if err != nil {
				t.Error(err)
			}
		}
		return false
	}
	if err := d.Deliver(t.Context(), 0, noon); !errors.Is(err, metadata.ErrConflict) {
		t.Errorf("deliver: %v; want a conflict", err)
	}
}

func TestTemplates(t *testing.T) {
	at := place{channel: "id", topic: "t", partition: 3, offset: 42, sequence: 7, at: noon}
	tests := []struct{ template, want, err string }{
		{"", "t/2026/02/03/12/id-3-00000000000000000042", ""},
		{"year=!{yyyy}/month=!{MM}/day=!{dd}/hour=!{HH}/", "year=2026/month=02/day=03/hour=12/id-3-00000000000000000042", ""},
		{"!{topic-name}", "t/id-3-00000000000000000042", ""},
		{"!{channel-id}/!{partition-id}/!{sequence-number}.json", "id/3/00000000000000000007.json", ""},
		{"!{channel-id}-!{partition-id}-!{kafka-offset}", "id-3-00000000000000000042", ""},
		{"!{sequence-number}", "00000000000000000007/id-3-00000000000000000042", ""},
		{"!{minute}", "", "!{minute} is not a token"},
		{"a!{yyyy", "", "!{yyyy/!{channel-id"},
		{strings.Repeat("x", 1000), "", "S3 takes 1024"},
	}
	for _, tt := range tests {
		got, err := at.expand(whole(tt.template))
		check := CheckTemplate("", tt.template, "t")
		if tt.err != "" {
			if check == nil || !strings.Contains(check.Error(), tt.err) {
				t.Errorf("%q: %v; want %s", tt.template, check, tt.err)
			}
			continue
		}
		if err != nil || check != nil || got != tt.want {
			t.Errorf("%q: %q, %v, %v; want %q", tt.template, got, err, check, tt.want)
		}
	}
}
