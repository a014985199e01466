package broker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// metrics of one broker. None has a label per client or topic.
type metrics struct {
	requests [keysMax]prometheus.Counter // by api, resolved once
	seconds  [keysMax]prometheus.Observer

	bytesIn, bytesOut           prometheus.Counter
	connections                 prometheus.Gauge
	accepted                    prometheus.Counter
	refused                     *prometheus.CounterVec // reason
	connectionsWaited           prometheus.Counter
	malformed, panics           prometheus.Counter
	unsupported, slowClients    prometheus.Counter
	produceBytes, requestBytes  prometheus.Gauge
	fetchBytes                  prometheus.Gauge
	fetchWaiting                prometheus.Gauge
	fetchSessions, sessionSlots prometheus.Gauge
	sessionsEvicted             prometheus.Counter
	errors                      *prometheus.CounterVec // code, of errors that had none

	journalShare, produceHeld prometheus.Gauge
	journalRefused            prometheus.Counter
	volumeUsed, volumeLimit   prometheus.Gauge
	volumeLevel               prometheus.Gauge
	volumeRefused             prometheus.Counter
	throttled                 *prometheus.CounterVec // why
	throttledSeconds          prometheus.Counter
	budgets                   *prometheus.GaugeVec   // budget
	budgetWaits               *prometheus.CounterVec // budget
}

func newMetrics(r prometheus.Registerer, rows []api) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return register(r, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "weir", Subsystem: "broker", Name: name, Help: help}))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return register(r, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "weir", Subsystem: "broker", Name: name, Help: help}))
	}
	m := &metrics{
		bytesIn:          counter("received_bytes_total", "Bytes of requests."),
		bytesOut:         counter("sent_bytes_total", "Bytes of responses."),
		connections:      gauge("connections", "Open client connections."),
		accepted:         counter("connections_accepted_total", "Connections that were accepted."),
		malformed:        counter("requests_malformed_total", "Connections closed for bytes that are not a request."),
		unsupported:      counter("requests_unsupported_total", "Connections closed for an API key or version that is not served."),
		panics:           counter("panics_total", "Handlers that panicked; each cost its connection."),
		slowClients:      counter("connections_slow_total", "Connections closed because a frame came or went too slowly."),
		produceBytes:     gauge("produce_inflight_bytes", "Bytes of produce requests that are not yet durable."),
		requestBytes:     gauge("request_inflight_bytes", "Bytes of other requests in hand."),
		fetchBytes:       gauge("fetch_inflight_bytes", "Bytes reserved for records of fetch responses."),
		fetchWaiting:     gauge("fetch_waiting_requests", "Fetch requests that wait for records."),
		fetchSessions:    gauge("fetch_sessions", "Incremental fetch sessions (KIP-227)."),
		sessionSlots:     gauge("fetch_session_partitions", "Partitions in fetch sessions."),
		sessionsEvicted:  counter("fetch_sessions_evicted_total", "Fetch sessions that lost their slot to another one."),
		journalShare:     gauge("journal_ratio", "Journal kept, as a share of its limit."),
		produceHeld:      gauge("produce_held_requests", "Produce requests whose bodies wait unread until the journal has room."),
		journalRefused:   counter("produce_journal_refused_total", "Produce requests refused because the journal was at its limit."),
		volumeUsed:       gauge("volume_used_bytes", "What the broker keeps on its disk: journal and containers."),
		volumeLimit:      gauge("volume_limit_bytes", "Size of the broker's volume; 0 without one."),
		volumeLevel:      gauge("volume_level", "How full the volume is: 1 from 60 % on, 2 from 80 % on, 3 when records are refused."),
		volumeRefused:    counter("produce_volume_refused_total", "Produce requests refused because the volume was full."),
		throttledSeconds: counter("throttled_seconds_total", "Pauses that clients were told to make."),
		throttled: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "weir", Subsystem: "broker",
			Name: "throttled_requests_total", Help: "Requests answered with a throttle time.",
		}, []string{"why"})),
		budgets: register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "weir", Subsystem: "broker",
			Name: "budget_limit_bytes", Help: "What requests in hand may take together.",
		}, []string{"budget"})),
		budgetWaits: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "weir", Subsystem: "broker",
			Name: "budget_waits_total", Help: "Requests that waited because a budget was used up.",
		}, []string{"budget"})),
		refused: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "weir", Subsystem: "broker",
			Name: "connections_refused_total", Help: "Connections closed at once because of a limit.",
		}, []string{"limit"})),
		connectionsWaited: counter("connections_waited_total", "Connections that waited to be accepted because there were max.connections."),
		errors: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "weir", Subsystem: "broker",
			Name: "errors_unexpected_total", Help: "Failures answered with UNKNOWN_SERVER_ERROR.",
		}, []string{"api"})),
	}
	requests := register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "weir", Subsystem: "broker",
		Name: "requests_total", Help: "Requests by API.",
	}, []string{"api"}))
	seconds := register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "weir", Subsystem: "broker",
		Name: "request_seconds", Help: "Time from the last byte of a request to the last byte of its response, waiting included.",
		Buckets: []float64{.0001, .0003, .001, .003, .01, .03, .1, .3, 1, 3, 10},
	}, []string{"api"}))
	for _, a := range rows {
		m.requests[a.key] = requests.WithLabelValues(kmsg.NameForKey(a.key))
		m.seconds[a.key] = seconds.WithLabelValues(kmsg.NameForKey(a.key))
	}
	return m
}

func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r != nil {
		r.MustRegister(c)
	}
	return c
}

// served counts one answered request.
func (m *metrics) served(key int16, took time.Duration) {
	m.requests[key].Inc()
	m.seconds[key].Observe(took.Seconds())
}
