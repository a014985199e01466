package telemetry

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// series is one number of one client, as it is shown.
type series struct {
	name  string
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value float64
	text  []string // values of desc's labels
}

// nameKind says what series of a name are: Prometheus takes a name for one kind only.
type nameKind struct {
	kind  prometheus.ValueType
	users int
}

// keepLocked adds what was pushed to the client's series.
func (c *Clients) keepLocked(in *instance, points []point) {
	for i := range points {
		p := &points[i]
		kind := prometheus.GaugeValue
		if p.count {
			p.name, kind = strings.TrimSuffix(p.name, "_total")+"_total", prometheus.CounterValue
		}
		p.labels = in.labels(p.labels)
		key := p.key()
		s, ok := in.series[key]
		if !ok {
			s = c.addLocked(in, p, kind)
		}
		if s == nil || s.kind != kind {
			c.metrics.dropped.Inc()
			continue
		}
		in.series[key] = s
		if p.delta {
			s.value += p.value
		} else {
			s.value = p.value
		}
	}
}

// The labels that each series of a client has. What it pushed under the names of the first two is left out; client_id it may know better.
const instanceLabel, softwareLabel, clientLabel = "client_instance_id", "client_software_name", "client_id"

// labels are those that a series of the client is shown with, sorted.
func (in *instance) labels(pushed []label) []label {
	all := []label{{instanceLabel, kafkaUUID(in.instance)}, {softwareLabel, printable(in.SoftwareName)}}
	known := false
	for _, l := range pushed {
		if l.name != instanceLabel && l.name != softwareLabel {
			all = append(all, l)
		}
		known = known || l.name == clientLabel
	}
	if !known {
		all = append(all, label{clientLabel, printable(in.ID)})
	}
	slices.SortFunc(all, func(a, b label) int { return strings.Compare(a.name, b.name) })
	return all
}

// key tells the series of a client apart: two that Prometheus takes for one must have the same key.
func (p *point) key() string {
	var b strings.Builder
	b.WriteString(p.name)
	for _, l := range p.labels {
		b.WriteByte(0)
		b.WriteString(l.name)
		b.WriteByte(1)
		b.WriteString(l.value)
	}
	return b.String()
}

// addLocked makes a series, nil if there is no room for it. It takes the room of the client that was not heard of for longest.
func (c *Clients) addLocked(in *instance, p *point, kind prometheus.ValueType) *series {
	if len(in.series) >= SeriesPerClientMax {
		return nil
	}
	if k, ok := c.kinds[p.name]; ok && k.kind != kind {
		return nil
	}
	for c.series >= SeriesMax {
		oldest, _ := c.recent.Back().Value.(*instance)
		if oldest == in {
			return nil
		}
		c.removeLocked(oldest)
		c.metrics.evicted.Inc()
	}
	var names, values []string
	for _, l := range p.labels {
		names, values = append(names, l.name), append(values, l.value)
	}
	k := c.kinds[p.name]
	c.kinds[p.name] = nameKind{kind, k.users + 1}
	c.series++
	return &series{name: p.name, desc: prometheus.NewDesc(p.name, "Pushed by clients (KIP-714).", names, nil), kind: kind, text: values}
}

// printable is text of a client as a label may have it.
func printable(s string) string { return strings.ToValidUTF8(s[:min(len(s), textBytesMax)], "") }

// forgetLocked gives a series' room back.
func (c *Clients) forgetLocked(s *series) {
	c.series--
	k := c.kinds[s.name]
	if k.users--; k.users == 0 {
		delete(c.kinds, s.name)
	} else {
		c.kinds[s.name] = k
	}
}

// Describe implements prometheus.Collector. Nothing is described: clients decide what there is.
func (c *Clients) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Clients) Collect(out chan<- prometheus.Metric) {
	for _, m := range c.collect() {
		out <- m
	}
}

func (c *Clients) collect() []prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expireLocked(time.Now())
	all := []prometheus.Metric{
		prometheus.MustNewConstMetric(c.metrics.clientsDesc, prometheus.GaugeValue, float64(len(c.byID))),
		prometheus.MustNewConstMetric(c.metrics.seriesDesc, prometheus.GaugeValue, float64(c.series)),
	}
	for _, in := range c.byID {
		for _, s := range in.series {
			if m, err := prometheus.NewConstMetric(s.desc, s.kind, s.value, s.text...); err == nil {
				all = append(all, m)
			}
		}
	}
	return all
}

// metrics of the package itself.
type metrics struct {
	pushes                      *prometheus.CounterVec // result
	throttled, dropped, evicted prometheus.Counter
	clientsDesc, seriesDesc     *prometheus.Desc
}

func newMetrics(r prometheus.Registerer) metrics {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "weir", Subsystem: "telemetry", Name: name, Help: help}
	}
	m := metrics{
		pushes:      prometheus.NewCounterVec(opts("pushes_total", "Pushes of clients' metrics, by what became of them."), []string{"result"}),
		throttled:   prometheus.NewCounter(opts("throttled_total", "Requests about clients' metrics that came too early.")),
		dropped:     prometheus.NewCounter(opts("series_dropped_total", "Numbers that were pushed and not kept, because a client has too many or its name is of another kind.")),
		evicted:     prometheus.NewCounter(opts("clients_evicted_total", "Clients whose series went to make room.")),
		clientsDesc: prometheus.NewDesc("weir_telemetry_clients", "Clients that ask what metrics to push.", nil, nil),
		seriesDesc:  prometheus.NewDesc("weir_telemetry_series", "Series of clients' metrics.", nil, nil),
	}
	if r != nil {
		r.MustRegister(m.pushes, m.throttled, m.dropped, m.evicted)
	}
	return m
}
