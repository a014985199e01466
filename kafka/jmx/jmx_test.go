package jmx

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// scrape returns the samples by name and label values.
func scrape(t *testing.T, r *Registry) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(r)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			if m.GetUntyped() == nil {
				t.Errorf("%s is not untyped", name)
			}
			got[name] = m.GetUntyped().GetValue()
		}
	}
	return got
}

func near(got, want, share float64) bool { return math.Abs(got-want) <= share*math.Abs(want)+1e-9 }

func TestRatesFollowWhatComes(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := New(func() time.Time { return now })
	m := r.Meter("kafka_server_BrokerTopicMetrics", "name", "BytesInPerSec")
	if r.Meter("kafka_server_BrokerTopicMetrics", "name", "BytesInPerSec") != m {
		t.Fatal("the same meter is made twice")
	}
	run := func(d time.Duration, perSecond int64) {
		for range int(d / Tick) {
			m.Mark(perSecond * int64(Tick.Seconds()))
			now = now.Add(Tick)
			r.Tick()
		}
	}
	rate := func(attribute string) float64 {
		return scrape(t, r)["kafka_server_BrokerTopicMetrics_"+attribute+" name=BytesInPerSec"]
	}
	run(Tick, 1000)
	for _, attribute := range []string{"OneMinuteRate", "FiveMinuteRate", "FifteenMinuteRate", "MeanRate"} {
		if got := rate(attribute); !near(got, 1000, 0.001) {
			t.Errorf("%s begins with %v", attribute, got)
		}
	}
	run(time.Hour, 1000)
	run(time.Minute, 0)
	for attribute, want := range map[string]float64{
		"OneMinuteRate": 1000 / math.E, "FiveMinuteRate": 1000 * math.Exp(-1./5), "FifteenMinuteRate": 1000 * math.Exp(-1./15),
	} {
		if got := rate(attribute); !near(got, want, 0.001) {
			t.Errorf("a minute of silence: %s is %v, want %v", attribute, got, want)
		}
	}
	if got := rate("Count"); got != 1000*3605 {
		t.Errorf("count %v", got)
	}
}

func TestPercentilesAreNear(t *testing.T) {
	r := New(nil)
	h := r.Histogram(Millis, "f", "request", "Produce")
	rng := rand.New(rand.NewPCG(1, 2))
	var all []float64
	sum, squares := 0.0, 0.0
	for range 20_000 {
		v := int64(math.Exp(rng.NormFloat64()*2 + 7))
		h.Record(v)
		all = append(all, float64(v)/1000)
		sum += float64(v) / 1000
		squares += float64(v) / 1000 * float64(v) / 1000
	}
	slices.Sort(all)
	got := scrape(t, r)
	n := float64(len(all))
	for _, p := range percentiles {
		if want := all[int(p.share*n)]; !near(got["f_"+p.name+" request=Produce"], want, 1./14) {
			t.Errorf("%s: %v, want %v", p.name, got["f_"+p.name+" request=Produce"], want)
		}
	}
	mean := sum / n
	for name, want := range map[string]float64{"Count": n, "Mean": mean, "Max": all[len(all)-1], "Min": all[0], "StdDev": math.Sqrt(squares/n - mean*mean)} {
		if !near(got["f_"+name+" request=Produce"], want, 0.05) {
			t.Errorf("%s: %v, want %v", name, got["f_"+name+" request=Produce"], want)
		}
	}
}

// What is older than a few minutes hardly counts for percentiles.
func TestPercentilesForget(t *testing.T) {
	r := New(nil)
	h := r.Histogram(Millis, "f")
	for range 1000 {
		h.Observe(time.Second)
	}
	for range 120 { // ten minutes
		r.Tick()
		h.Observe(time.Millisecond)
	}
	got := scrape(t, r)
	if got["f_95thPercentile"] > 2 || got["f_Max"] != 1000 {
		t.Errorf("95%% are below %v ms, the longest took %v ms", got["f_95thPercentile"], got["f_Max"])
	}
	h.Fill(11_120)
	if got := scrape(t, r); got["f_50thPercentile"] != 0 || got["f_Min"] != 0 || got["f_Count"] != 11_120 {
		t.Errorf("zeros: %v", got)
	}
}

func TestBucketsCoverEverything(t *testing.T) {
	for _, v := range []int64{0, 1, 15, 16, 17, 31, 32, 1000, 1 << 20, 1<<40 + 12345, math.MaxInt64} {
		b := bucketOf(v)
		if b < 0 || b >= bucketsMax {
			t.Fatalf("%d is in bucket %d", v, b)
		}
		if v < 1<<43 && !near(middle(b), float64(v), 1./14) {
			t.Errorf("%d is shown as %v", v, middle(b))
		}
	}
	h := Millis()
	h.Record(-5)
	if h.min.Load() != 1 || h.sum.Load() != 0 {
		t.Error("less than nothing")
	}
}

func TestAverage(t *testing.T) {
	var a Average
	r := New(nil)
	r.Source(func(s *Samples) { s.Average(&a, "idle") })
	a.Take(1)
	if a.LastMinute() != 1 {
		t.Errorf("begins with %v", a.LastMinute())
	}
	for range 12 {
		a.Take(0)
	}
	if got := scrape(t, r)["idle_OneMinuteRate"]; !near(got, 1/math.E, 0.001) {
		t.Errorf("a minute later: %v", got)
	}
}

func TestRunTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(nil)
		m := r.Meter("m")
		ticks := 0
		r.OnTick(func(time.Time) { ticks++ })
		ctx, cancel := context.WithCancel(t.Context())
		var ended error
		var wg sync.WaitGroup
		wg.Go(func() { ended = r.Run(ctx) })
		m.Mark(100)
		time.Sleep(time.Minute + time.Second)
		cancel()
		wg.Wait()
		if ticks != 12 || !errors.Is(ended, context.Canceled) {
			t.Errorf("%d ticks, %v", ticks, ended)
		}
		if got := scrape(t, r)["m_OneMinuteRate"]; got <= 0 || got > 20 {
			t.Errorf("rate %v", got)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	r := New(nil)
	r.Source(func(s *Samples) { s.Add("source", 1, "a", "b") })
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 2000 {
				r.Meter("m", "i", string(rune('a'+j%3))).Mark(1)
				r.Histogram(Millis, "h").Record(int64(i * j))
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			r.Tick()
			scrape(t, r)
		}
	})
	wg.Wait()
	if got := scrape(t, r); got["h_Count"] != 8000 || got["source a=b"] != 1 {
		t.Errorf("%v of 8000", got["h_Count"])
	}
}

func BenchmarkMark(b *testing.B) {
	var m Meter
	b.ReportAllocs()
	for b.Loop() {
		m.Mark(1)
	}
}

func BenchmarkRecord(b *testing.B) {
	h := Millis()
	b.ReportAllocs()
	for b.Loop() {
		h.Record(1234)
	}
}
