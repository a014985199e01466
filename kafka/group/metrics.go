package group

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics of one coordinator. None has a label per group or client.
type metrics struct {
	rebalances prometheus.Counter
	expelled   prometheus.Counter
	commits    prometheus.Counter
	expired    prometheus.Counter
	idsRefused prometheus.Counter

	groupsRefused prometheus.Counter

	assignSeconds prometheus.Histogram
}

// newMetrics registers the metrics with r; a nil r counts and shows nothing.
func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return promauto.With(r).NewCounter(prometheus.CounterOpts{Namespace: "weir", Subsystem: "group", Name: name, Help: help})
	}
	return &metrics{
		assignSeconds: promauto.With(r).NewHistogram(prometheus.HistogramOpts{
			Namespace: "weir", Subsystem: "group", Name: "assign_seconds", Help: "Time that the coordinator took to assign partitions to a group.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 8),
		}),
		rebalances:    counter("rebalances_total", "Join phases that ended in a new generation."),
		expelled:      counter("members_expired_total", "Members whose session timed out."),
		commits:       counter("offsets_committed_total", "Offsets that were committed."),
		expired:       counter("offsets_expired_total", "Offsets that were removed because nobody uses them."),
		groupsRefused: counter("groups_refused_total", "Joins and commits that would have begun a group beyond the limit."),
		idsRefused:    counter("member_ids_refused_total", "Clients that got no member id because too many are handed out and not used."),
	}
}
