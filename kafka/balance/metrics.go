package balance

import "github.com/prometheus/client_golang/prometheus"

// metrics of the balancer. Only the controller's say something.
type metrics struct {
	moving, remaining prometheus.Gauge
	done, calledOff   prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return register(r, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "weir", Subsystem: "balance", Name: name, Help: help}))
	}
	counter := func(name, help string) prometheus.Counter {
		return register(r, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "weir", Subsystem: "balance", Name: name, Help: help}))
	}
	return &metrics{
		moving:    gauge("moving_partitions", "Partitions that are being moved to balance the cluster; the controller counts them."),
		remaining: gauge("remaining_partitions", "Partitions that are still to leave brokers that are emptied, or to be spread; the controller counts them."),
		done:      counter("moves_total", "Partitions that this broker, as the controller, had moved."),
		calledOff: counter("moves_called_off_total", "Moves that ended without a new leader."),
	}
}

// rest is for a broker that is not the controller.
func (m *metrics) rest() {
	m.moving.Set(0)
	m.remaining.Set(0)
}

func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r != nil {
		r.MustRegister(c)
	}
	return c
}
