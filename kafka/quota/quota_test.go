package quota

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The order in which Kafka looks limits up: each row takes the strongest one away from the table.
func TestTheStrongestLimitHolds(t *testing.T) {
	steps := []struct{ key, bucket Entity }{
		{Entity{One("u"), One("c")}, Entity{One("u"), One("c")}},
		{Entity{One("u"), Any()}, Entity{One("u"), One("c")}},
		{Entity{User: One("u")}, Entity{User: One("u")}},
		{Entity{Any(), One("c")}, Entity{One("u"), One("c")}},
		{Entity{Any(), Any()}, Entity{One("u"), One("c")}},
		{Entity{User: Any()}, Entity{User: One("u")}},
		{Entity{Client: One("c")}, Entity{Client: One("c")}},
		{Entity{Client: Any()}, Entity{Client: One("c")}},
	}
	table := Table{Entity{User: One("other")}: {Produce: 999}, Entity{One("u"), One("other")}: {Produce: 999}, Entity{Client: One("other")}: {Produce: 999}}
	for i, s := range steps {
		table[s.key] = Limits{Produce: float64(i + 1)}
	}
	produced := func(l *Limits) float64 { return l.Produce }
	for i, s := range steps {
		if rate, bucket := table.find("u", "c", produced); rate != float64(i+1) || bucket != s.bucket {
			t.Errorf("step %d: rate %v of %+v", i+1, rate, bucket)
		}
		// A limit of another kind does not hide the weaker ones.
		table[s.key] = Limits{Fetch: 1}
	}
	if rate, _ := table.find("u", "c", produced); rate != 0 {
		t.Errorf("no limit is left, but %v holds", rate)
	}
}

func TestPausesKeepTheRate(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := New(func() time.Time { return now })
	if d := q.Produced("u", "c", 1<<40); d != 0 {
		t.Errorf("without limits: %v", d)
	}
	q.Configure(Table{Entity{Client: Any()}: {Produce: 1000}})
	began := now
	sent := int64(0)
	for range 200 {
		sent += 700
		now = now.Add(q.Produced("u", "c", 700))
	}
	took := now.Sub(began)
	if want := time.Duration(float64(sent-1000) / 1000 * float64(time.Second)); took < want-time.Second/1000 || took > want+time.Second/1000 {
		t.Errorf("%d bytes at 1000/s took %v, want %v", sent, took, want)
	}
	if d := q.Produced("u", "other", 700); d != 0 {
		t.Errorf("another client id has to pause %v", d)
	}
	if d := q.Fetched("u", "c", 1<<40); d != 0 {
		t.Errorf("fetching is not limited, but pauses %v", d)
	}
	if d := q.Produced("u", "c", 1<<40); d != pauseMax {
		t.Errorf("the longest pause is %v", d)
	}
	q.Configure(nil)
	if d := q.Produced("u", "c", 1<<40); d != 0 {
		t.Errorf("limits were removed, but it pauses %v", d)
	}
}

// Clients that take a new id for each connection do not fill the memory.
func TestFullBucketsAreDropped(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := New(func() time.Time { return now })
	q.Configure(Table{Entity{Client: Any()}: {Produce: 1000}})
	q.Produced("", "in debt", 30_000)
	for i := range 100_000 {
		now = now.Add(time.Millisecond)
		q.Produced("", fmt.Sprint("client ", i), 10)
	}
	if n := q.Buckets(); n > 2*sweepLeast {
		t.Errorf("%d buckets", n)
	}
	now = now.Add(-80 * time.Second) // a clock that goes back gives and takes nothing
	if d := q.Produced("", "in debt", 1); d != 0 && d > pauseMax {
		t.Errorf("it pauses %v", d)
	}
}

func TestSetAndRecord(t *testing.T) {
	for _, tt := range []struct {
		key   string
		value float64
		want  string
	}{
		{ProduceKey, 1, ""},
		{FetchKey, 1 << 30, ""},
		{ProduceKey, 0, "Quota producer_byte_rate must be greater than 0"},
		{ProduceKey, -1, "Quota producer_byte_rate must be greater than 0"},
		{ProduceKey, math.NaN(), "Quota producer_byte_rate must be greater than 0"},
		{ProduceKey, math.Inf(1), "Quota producer_byte_rate must be greater than 0"},
		{FetchKey, 1.5, "consumer_byte_rate must be a whole number"},
		{RequestKey, 50, "the quota request_percentage is not built yet; producer_byte_rate and consumer_byte_rate are"},
		{"nope", 1, "Invalid configuration key nope"},
	} {
		var l Limits
		got := ""
		if err := l.Set(tt.key, tt.value, false); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s=%v: got %q, want %q", tt.key, tt.value, got, tt.want)
		}
	}
	table := Table{
		{Client: Any()}: {Produce: 5}, {Client: One("c")}: {Fetch: 6}, {User: Any(), Client: One("c")}: {Produce: 7, Fetch: 8}, {User: One("u")}: {Fetch: 9},
	}
	r := table.Record()
	if diff := cmp.Diff(table, FromRecord(&r)); diff != "" {
		t.Error(diff)
	}
}
