package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"weir/test/bench/limits"
)

// report collects the figures of all turns.
type report struct {
	turns   map[string][]results // by system
	times   map[string]time.Duration
	skipped []string
	limits  []limits.Machine // before and after
	begin   time.Time
	load    string // average, before
}

func newReport() *report {
	return &report{turns: map[string][]results{}, times: map[string]time.Duration{}, begin: time.Now(), load: loadAverage()}
}

func (r *report) add(system string, got results, took time.Duration) {
	r.turns[system] = append(r.turns[system], got)
	r.times[system] += took
}

// figure is the distribution of one figure on one system over the rounds.
type figure struct {
	least, median, most float64
	n                   int
}

func (r *report) figure(system, name string) (figure, bool) {
	var all []float64
	for _, got := range r.turns[system] {
		if v, ok := got[name]; ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return figure{}, false
	}
	return distribution(all), true
}

func distribution(all []float64) figure {
	slices.Sort(all)
	n := len(all)
	return figure{all[0], (all[(n-1)/2] + all[n/2]) / 2, all[n-1], n}
}

// row is a line of the table of ratios.
type row struct {
	what   string
	figure string
	unit   string
	// What Weir's figure is to be, as a multiple of Kafka's: at most that where least is the best, at least that where most is. 0 is no target.
	ofKafka, ofFlush float64
	most             bool
	limit            func(*report, limits.Machine) float64 // of the machine, in the figure's unit; nil where none is known
}

// rows are the figures that the engine is built for, with their targets.
func rows() []row {
	produce := func(_ *report, m limits.Machine) float64 { return m.Produce() }
	compressed := func(name string) func(*report, limits.Machine) float64 {
		return func(r *report, m limits.Machine) float64 {
			ratio, _ := r.figure(onWeir, name+".wire")
			return m.Produce() * ratio.median
		}
	}
	write := func(_ *report, m limits.Machine) float64 { return min(m.Write(), m.Receive.MBps) }
	// A record end to end is at least a request, a sync and an answer.
	delivery := func(roundTrip, sync time.Duration) float64 { return ms(roundTrip + sync) }
	return []row{
		{what: "broker CPU per GB produced, 64 KiB batches, 12 partitions", figure: "blast64.cpu_gb", unit: "s", ofKafka: 1. / 3, ofFlush: 1. / 6, limit: produce},
		{what: "the same, 16 KiB batches", figure: "blast16.cpu_gb", unit: "s", ofKafka: 1. / 4, ofFlush: 1. / 12, limit: produce},
		{what: "the same, lz4", figure: "lz4.cpu_gb", unit: "s", ofKafka: 1. / 8, limit: compressed("lz4")},
		{what: "the same, zstd", figure: "zstd.cpu_gb", unit: "s", ofKafka: 1. / 15, limit: compressed("zstd")},
		{
			what: "broker CPU per one-record request", figure: "single.cpu_req_us", unit: "us", ofKafka: 1. / 8, ofFlush: 1. / 15,
			limit: func(_ *report, m limits.Machine) float64 { return float64(m.RoundTrip.CPU) / 1e3 },
		},
		{what: "broker CPU per GB, 16 KiB batches, 1,000 partitions", figure: "many.cpu_gb", unit: "s", ofKafka: 1. / 8, limit: produce},
		{what: "produce throughput, 64 KiB batches", figure: "blast64.mbs", unit: "MB/s", ofKafka: 1.5, ofFlush: 5, most: true, limit: write},
		{
			what: "produce requests a second, one record each", figure: "single.reqs", unit: "/s", ofKafka: 4, ofFlush: 12, most: true,
			limit: func(_ *report, m limits.Machine) float64 { return float64(time.Second) / float64(m.RoundTrip.CPU) },
		},
		{what: "first touch of 5,000 partitions", figure: "touch.mbs", unit: "MB/s", ofKafka: 20, most: true, limit: write},
		{
			what: "broker CPU per GB consumed, tail beside a producer", figure: "tail.cpu_gb", unit: "s", ofKafka: 1. / 3,
			limit: func(_ *report, m limits.Machine) float64 { return m.Produce() + m.Send.CPUPerGB },
		},
		{
			what: "... from warm files", figure: "warmread.cpu_gb", unit: "s", ofKafka: 1 / 1.5,
			limit: func(_ *report, m limits.Machine) float64 { return m.Sendfile.CPUPerGB },
		},
		{
			what: "... from cold (evicted) files", figure: "coldread.cpu_gb", unit: "s", ofKafka: 1. / 2,
			limit: func(_ *report, m limits.Machine) float64 { return m.Sendfile.CPUPerGB + m.ColdRead.CPUPerGB },
		},
		{
			what: "end to end at 5 MB/s, no linger: p50", figure: "e2e.p50_ms", unit: "ms", ofKafka: 1. / 3, ofFlush: 1. / 8,
			limit: func(_ *report, m limits.Machine) float64 { return delivery(m.RoundTrip.P50, m.Sync.P50) },
		},
		{
			what: "... p99", figure: "e2e.p99_ms", unit: "ms", ofKafka: 1. / 10, ofFlush: 1. / 15,
			limit: func(_ *report, m limits.Machine) float64 { return delivery(m.RoundTrip.P99, m.Sync.P99) },
		},
		{
			what: "broker cores for that", figure: "e2e.cores", ofKafka: 1. / 6, // a produce and a fetch for each of 5,000 records a second
			limit: func(_ *report, m limits.Machine) float64 { return 10_000 * m.RoundTrip.CPU.Seconds() },
		},
		{
			what: "500 idle consumers + 200 producers at 1/s: cores", figure: "idle.cores", ofKafka: 1. / 8, // two fetches a second each
			limit: func(_ *report, m limits.Machine) float64 { return 1_200 * m.RoundTrip.CPU.Seconds() },
		},
		{what: "10 members join a group, classic", figure: "join.classic_10_s", unit: "s", ofKafka: 0.15 / 6},
		{what: "... KIP-848", figure: "join.consumer_10_s", unit: "s", ofKafka: 0.5 / 10.1},
		{what: "an 11th joins, classic", figure: "join.classic_11th_s", unit: "s", ofKafka: 1},
		{what: "... KIP-848", figure: "join.consumer_11th_s", unit: "s", ofKafka: 1. / 5},
		{what: "1,000 members join a group, classic", figure: "join1k.classic_s", unit: "s"},
		{what: "... KIP-848", figure: "join1k.consumer_s", unit: "s"},
		{what: "500 groups of one member start, classic", figure: "groups.classic_s", unit: "s"},
		{what: "... KIP-848", figure: "groups.consumer_s", unit: "s"},
		{what: "transactions of 10 records a second, one producer", figure: "txn.one_s", unit: "/s", ofKafka: 1200. / 66, most: true},
		{what: "... ten producers", figure: "txn.ten_s", unit: "/s"},
		{what: "1,000 transactional producers, their first transaction", figure: "txn1k.first_s", unit: "s"},
		{what: "... memory for them (RSS of all processes)", figure: "txn1k.rss_mb", unit: "MB"},
		{what: "memory idle, the broker (RSS)", figure: "memory_idle.broker_rss_mb", unit: "MB", ofKafka: 1. / 15},
		{what: "... with the control plane (PSS of all processes)", figure: "memory_idle.all_pss_mb", unit: "MB", ofKafka: 1. / 15},
		{what: "memory after the whole run, the broker (RSS)", figure: "memory_after.broker_rss_mb", unit: "MB", ofKafka: 1. / 8},
		{what: "... with the control plane (PSS of all processes)", figure: "memory_after.all_pss_mb", unit: "MB", ofKafka: 1. / 8},
		{what: "CPU from start to the first acknowledged record", figure: "start.cpu_s", unit: "s", ofKafka: 1. / 50},
		{what: "create 1,000 topics in one request", figure: "create.thousand_ms", unit: "ms", ofKafka: 1. / 10},
		{
			what: "create one topic", figure: "create.one_ms", unit: "ms", ofKafka: 1. / 20,
			limit: func(_ *report, m limits.Machine) float64 { return delivery(m.RoundTrip.P50, m.Sync.P50) },
		},
		{what: "restart, 5,000 partitions, 2 GiB: clean", figure: "restart.clean_s", unit: "s", ofKafka: 1. / 50},
		{what: "... after kill -9", figure: "restart.kill_s", unit: "s", ofKafka: 1. / 50},
	}
}

// met says whether Weir's figure is as good as of, a multiple of Kafka's.
func (w row) met(weir, kafka, of float64) bool {
	if w.most {
		return weir >= kafka*of
	}
	return weir <= kafka*of
}

// versus prints the ratio, the target and whether it is met.
func (w row) versus(weir, kafka figure, of float64) string {
	if weir.n == 0 || kafka.n == 0 || kafka.median == 0 || weir.median == 0 {
		return "- | | "
	}
	ratio := multiple(weir.median / kafka.median)
	if of == 0 {
		return ratio + " | | "
	}
	sign, verdict := "≤", "no"
	if w.most {
		sign = "≥"
	}
	if w.met(weir.median, kafka.median, of) {
		verdict = "yes"
	}
	return fmt.Sprintf("%s | %s %s | %s ", ratio, sign, multiple(of), verdict)
}

// multiple prints 0.25 as 1/4 and 4 as 4 x.
func multiple(v float64) string {
	if v < 0.95 {
		return "1/" + strings.TrimSuffix(fmt.Sprintf("%.1f", 1/v), ".0")
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " x"
}

// ratios prints the table of the targets.
func (r *report) ratios() string {
	var b strings.Builder
	b.WriteString("| figure | Kafka | Kafka, flush | Weir | Weir / Kafka | target | met | Weir / flush | target | met | machine's limit | share |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	best := r.machine()
	for _, w := range rows() {
		kafka, _ := r.figure(onKafka, w.figure)
		flush, _ := r.figure(onFlush, w.figure)
		weir, _ := r.figure(onWeir, w.figure)
		if kafka.n+flush.n+weir.n == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s| %s| %s|\n", w.what, show(kafka, w.unit), show(flush, w.unit), show(weir, w.unit),
			w.versus(weir, kafka, w.ofKafka), w.versus(weir, flush, w.ofFlush), w.share(r, best, weir))
	}
	return b.String()
}

// share prints the machine's limit and how near Weir comes to it.
func (w row) share(r *report, m *limits.Machine, weir figure) string {
	if w.limit == nil || m == nil || weir.n == 0 || weir.median == 0 {
		return "| "
	}
	limit := w.limit(r, *m)
	share := limit / weir.median
	if w.most {
		share = weir.median / limit
	}
	return fmt.Sprintf("%s | %.0f%% ", show(figure{median: limit, n: 1}, w.unit), 100*share)
}

func show(f figure, unit string) string {
	if f.n == 0 {
		return ""
	}
	return strings.TrimSpace(number(f.median) + " " + unit)
}

func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.2g", v)
	}
}

// machine is the best of each limit; nil if none was measured.
func (r *report) machine() *limits.Machine {
	if len(r.limits) == 0 {
		return nil
	}
	best := r.limits[0]
	for _, m := range r.limits[1:] {
		best = best.Best(m)
	}
	return &best
}

// figures prints everything that was measured.
func (r *report) figures(systems []string) string {
	names := map[string]bool{}
	for _, turns := range r.turns {
		for _, got := range turns {
			for k := range got {
				names[k] = true
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| figure | %s |\n|---|%s\n", strings.Join(systems, " | "), strings.Repeat("---|", len(systems)))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&b, "| %s ", name)
		for _, s := range systems {
			f, ok := r.figure(s, name)
			switch {
			case !ok:
				b.WriteString("| ")
			case f.n == 1:
				fmt.Fprintf(&b, "| %s ", number(f.median))
			default:
				fmt.Fprintf(&b, "| %s [%s..%s] ", number(f.median), number(f.least), number(f.most))
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}
