package jmx

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Registry holds meters and histograms by name, and asks others for values when it is scraped. It is safe for concurrent use.
type Registry struct {
	now func() time.Time

	mu      sync.Mutex
	known   map[string]*entry
	order   []*entry
	sources []func(*Samples)
	ticks   []func(time.Time)

	descMu sync.Mutex
	descs  map[string]*prometheus.Desc
}

type entry struct {
	family string
	labels []string
	meter  *Meter
	hist   *Histogram
}

// New returns an empty registry. now is time.Now if nil.
func New(now func() time.Time) *Registry {
	if now == nil {
		now = time.Now
	}
	return &Registry{now: now, known: make(map[string]*entry), descs: make(map[string]*prometheus.Desc)}
}

// Meter returns the meter of that family, which is <domain>_<type>, with these labels: names and values in turn. It is made if it is not there.
func (r *Registry) Meter(family string, labels ...string) *Meter {
	return r.entry(family, labels, func(e *entry) { e.meter = new(Meter) }).meter
}

// Histogram is Meter for a histogram that make makes.
func (r *Registry) Histogram(make func() *Histogram, family string, labels ...string) *Histogram {
	return r.entry(family, labels, func(e *entry) { e.hist = make() }).hist
}

func (r *Registry) entry(family string, labels []string, fill func(*entry)) *entry {
	key := family + "\x00" + strings.Join(labels, "\x00")
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.known[key]
	if e == nil {
		e = &entry{family: family, labels: slices.Clone(labels)}
		fill(e)
		r.known[key] = e
		r.order = append(r.order, e)
	}
	return e
}

// Source has fn add samples to each scrape. It must not call the registry's other methods.
func (r *Registry) Source(fn func(*Samples)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = append(r.sources, fn)
}

// OnTick has fn called with each tick.
func (r *Registry) OnTick(fn func(now time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ticks = append(r.ticks, fn)
}

// Run ticks until ctx ends, and returns its error.
func (r *Registry) Run(ctx context.Context) error {
	t := time.NewTicker(Tick)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			r.Tick()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Tick brings rates and percentiles up to date.
func (r *Registry) Tick() {
	r.mu.Lock()
	entries, ticks := r.order, r.ticks
	r.mu.Unlock()
	now := r.now()
	for _, e := range entries {
		if e.meter != nil {
			e.meter.tick(now)
		} else {
			e.hist.tick()
		}
	}
	for _, fn := range ticks {
		fn(now)
	}
}

// Describe implements prometheus.Collector. Nothing is described: what there is depends on what happened.
func (r *Registry) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r *Registry) Collect(out chan<- prometheus.Metric) {
	r.mu.Lock()
	entries, sources := r.order, r.sources
	r.mu.Unlock()
	s := &Samples{r: r, now: r.now(), out: out}
	for _, e := range entries {
		if e.meter != nil {
			e.meter.collect(s, e.family, e.labels)
		} else {
			e.hist.collect(s, e.family, e.labels)
		}
	}
	for _, fn := range sources {
		fn(s)
	}
}

// Samples are those of one scrape.
type Samples struct {
	r    *Registry
	now  time.Time
	out  chan<- prometheus.Metric
	name []byte // scratch

	timer bool // the histogram beside the meter has the count
}

// Add adds a sample. Labels are names and values in turn.
func (s *Samples) Add(name string, value float64, labels ...string) {
	values := make([]string, 0, len(labels)/2)
	for i := 1; i < len(labels); i += 2 {
		values = append(values, labels[i])
	}
	s.out <- prometheus.MustNewConstMetric(s.desc(name, labels), prometheus.UntypedValue, value, values...)
}

// Meter adds a meter that its owner ticks.
func (s *Samples) Meter(m *Meter, family string, labels ...string) { m.collect(s, family, labels) }

// Timer adds what Kafka's library calls a timer: how often something happened, in m, and how long it took, in h.
func (s *Samples) Timer(m *Meter, h *Histogram, family string, labels ...string) {
	s.timer = true
	m.collect(s, family, labels)
	s.timer = false
	h.collect(s, family, labels)
}

// Histogram adds a histogram under another name than the registry knows it by.
func (s *Samples) Histogram(h *Histogram, family string, labels ...string) {
	h.collect(s, family, labels)
}

// Ticked brings a meter up to date that no registry knows.
func (m *Meter) Ticked(now time.Time) { m.tick(now) }

func (s *Samples) desc(name string, labels []string) *prometheus.Desc {
	s.name = append(s.name[:0], name...)
	for i := 0; i < len(labels); i += 2 {
		s.name = append(append(s.name, 0), labels[i]...)
	}
	s.r.descMu.Lock()
	defer s.r.descMu.Unlock()
	d := s.r.descs[string(s.name)]
	if d == nil {
		names := make([]string, 0, len(labels)/2)
		for i := 0; i < len(labels); i += 2 {
			names = append(names, labels[i])
		}
		d = prometheus.NewDesc(name, "As Apache Kafka's "+name+".", names, nil)
		s.r.descs[string(s.name)] = d
	}
	return d
}
