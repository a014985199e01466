package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"weir/kafka/configdef"
	"weir/kafka/ownership"
	"weir/node"
	"weir/storage/stream"
)

// brokerMetrics shows what the parts below the broker count. It is their only collector; what is above registers its own.
type brokerMetrics struct {
	owner  *ownership.Owner
	budget budget
	slow   atomic.Bool // the disk
}

// newRegistry holds all metrics of a broker process.
func newRegistry(m *brokerMetrics) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Describe implements prometheus.Collector. Nothing is described: Collect always makes the same metrics.
func (m *brokerMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *brokerMetrics) Collect(out chan<- prometheus.Metric) {
	send := func(kind prometheus.ValueType, name, help string, v float64, labels ...string) {
		var keys, values []string
		for i := 0; i < len(labels); i += 2 {
			keys, values = append(keys, labels[i]), append(values, labels[i+1])
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("weir_"+name, help, keys, nil), kind, v, values...)
	}
	gauge := func(name, help string, v int64) { send(prometheus.GaugeValue, name, help, float64(v)) }
	counter := func(name, help string, v int64) { send(prometheus.CounterValue, name, help, float64(v)) }
	limit := func(budget string, v int64) {
		send(prometheus.GaugeValue, "budget_limit_bytes", "What parts of the broker may take.", float64(v), "budget", budget)
	}
	limit("memory", m.budget.memory)
	limit("tail", m.budget.tail)
	limit("index", m.budget.index)
	limit("extents", m.budget.extents)
	limit("journal", m.budget.journal)

	s := m.owner.StreamStats()
	counter("stream_commits_total", "Group commits.", s.Commits)
	counter("stream_entries_total", "Entries that became durable.", s.Entries)
	counter("stream_payload_bytes_total", "Bytes of batches that became durable.", s.Bytes)
	gauge("stream_queued_bytes", "Bytes of batches that are not durable yet.", s.Queued)
	gauge("stream_tail_bytes", "Memory of what was appended last.", s.Cached)
	m.collectPulse(out)
	slow := int64(0)
	if m.slow.Load() {
		slow = 1
	}
	gauge("disk_slow", "1 while the disk is too slow.", slow)

	v := m.owner.MoveStats()
	gauge("moves_copying_partitions", "Partitions that are being copied to this broker.", v.Copying)
	counter("moves_taken_over_total", "Partitions that this broker copied and leads since.", v.TakenOver)
	counter("moves_forgotten_total", "Partitions that others took over, and whose data this broker let go.", v.Forgotten)
	counter("moves_taken_back_total", "Hand-overs that the other broker did not finish.", v.TakenBack)
	counter("moves_failed_total", "Attempts at moving a partition that failed and are made again.", v.Failed)
	counter("moves_copied_bytes_total", "Bytes of batches that this broker copied from others.", v.Copied)

	t := m.owner.Tiers().Stats()
	gauge("tier_journal_bytes", "Journal kept on disk.", t.JournalBytes)
	gauge("tier_unflushed_bytes", "Journal files with data that was not flushed.", t.UnflushedBytes)
	counter("tier_checkpoints_total", "Checkpoints published.", t.Checkpoints)
	send(prometheus.GaugeValue, "tier_checkpoint_age_seconds", "Since the newest checkpoint was begun.", t.CheckpointAge.Seconds())
	counter("tier_flushed_bytes_total", "Bytes moved out of the journal.", t.FlushedBytes)
	counter("tier_promoted_bytes_total", "Bytes moved out of bundles.", t.PromotedBytes)
	counter("tier_merged_bytes_total", "Bytes of segments merged.", t.MergedBytes)
	counter("tier_retained_total", "Log starts moved by retention.", t.RetainedStart)
	counter("tier_collected_total", "Containers deleted.", t.Collected)
	counter("tier_scrubbed_bytes_total", "Bytes read by the scrubber.", t.Scrubbed)
	gauge("tier_pieces", "Pieces of partitions in containers.", t.Pieces)
	gauge("tier_containers", "Containers.", t.Containers)
	gauge("tier_container_bytes", "Containers on disk.", t.ContainerBytes)
	gauge("tier_orphans", "Containers that wait to be deleted.", t.Orphans)
	counter("tier_errors_total", "Steps that failed.", t.Errors)
	gauge("tier_stuck_partitions", "Partitions whose data cannot be moved.", t.Stuck)
	gauge("tier_damaged_containers", "Containers in which damage was found.", t.Damaged)
	held := int64(0)
	if t.Held {
		held = 1
	}
	gauge("tier_retention_held", "1 while retention holds back because the clock jumped.", held)
}

func (m *brokerMetrics) collectPulse(out chan<- prometheus.Metric) {
	p := m.owner.StreamPulse()
	buckets := make(map[float64]uint64, stream.PulseBuckets)
	n := uint64(0)
	for i, took := range p.Took {
		n += uint64(took)
		if i < stream.PulseBuckets-1 {
			buckets[float64(int64(1)<<i)/1e6] = n
		}
	}
	out <- prometheus.MustNewConstHistogram(
		prometheus.NewDesc("weir_stream_commit_seconds", "Time from a commit's write until it is durable.", nil, nil), n, p.Seconds, buckets)
}

// metricsPort is where Amazon MSK's open monitoring shows a broker's metrics.
const metricsPort = 11001

// serveMetrics shows the metrics at the broker's own address, to this machine only, until ctx ends. A port that others have is no reason not to
// serve clients.
func serveMetrics(ctx context.Context, h *node.Handover, log *slog.Logger, r *prometheus.Registry) {
	host := h.Endpoints[0].Host
	if addr, err := netip.ParseAddr(host); err != nil || !addr.IsLoopback() {
		return
	}
	address := net.JoinHostPort(host, strconv.Itoa(metricsPort))
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		log.Warn("metrics are not shown", "address", address, "err", err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	if err := serveHTTP(ctx, l, srv); err != nil && !errors.Is(err, context.Canceled) {
		log.Warn("metrics are not shown any more", "address", address, "err", err)
	}
}

// retainInterval is how often retention looks: each 30 s, or more often if the cluster's configuration says so.
func retainInterval(properties map[string]string) time.Duration {
	every := configdef.Layers{Static: properties}.BrokerInt("log.retention.check.interval.ms")
	return time.Duration(min(every, 30_000)) * time.Millisecond
}
