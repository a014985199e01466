package broker

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"weir/kafka/jmx"
	"weir/metadata"
)

// collectKafka adds what the broker knows of its own state to a scrape of the metrics with Kafka's names.
func (b *Broker) collectKafka(s *jmx.Samples) {
	img := b.image.Current()
	b.kafka.eachTopic(func(id metadata.TopicID, m *topicMetrics) {
		t, ok := img.TopicByID(id)
		if !ok {
			return
		}
		for name, meter := range m.meters() {
			s.Meter(meter, topicFamily, "name", name, "topic", t.Name)
		}
	})
	b.collectQueues(s)
	b.collectGroups(s)
}

// collectQueues adds what waits.
func (b *Broker) collectQueues(s *jmx.Samples) {
	waiting := 0
	b.mu.Lock()
	for c := range b.conns {
		waiting += len(c.queue)
	}
	b.mu.Unlock()
	s.Add("kafka_network_RequestChannel_Value", 0, "name", "RequestQueueSize") // handlers run as soon as their request is read
	s.Add("kafka_network_RequestChannel_Value", float64(waiting), "name", "ResponseQueueSize")
	s.Add("kafka_network_RequestChannel_Value", float64(waiting), "name", "ResponseQueueSize", "processor", networkThread)

	fetches := valueOf(b.metrics.fetchWaiting)
	for op, n := range map[string]float64{"Fetch": fetches, "Produce": 0, "Heartbeat": 0, "Rebalance": 0, "topic": 0, "ElectLeader": 0, "DeleteRecords": 0} {
		s.Add(purgatoryValue, n, "name", "PurgatorySize", "delayedOperation", op)
		s.Add(purgatoryValue, n, "name", "NumDelayedOperations", "delayedOperation", op)
	}
	s.Add("kafka_server_FetchSessionCache_Value", valueOf(b.metrics.fetchSessions), "name", "NumIncrementalFetchSessions")
	s.Add("kafka_server_FetchSessionCache_Value", valueOf(b.metrics.sessionSlots), "name", "NumIncrementalFetchPartitionsCached")
	used := valueOf(b.metrics.requestBytes) + valueOf(b.metrics.produceBytes)
	s.Add("kafka_network_SocketServer_Value", float64(b.requestBudget.max+b.produceBudget.max)-used, "name", "MemoryPoolAvailable")
	s.Add("kafka_network_SocketServer_Value", used, "name", "MemoryPoolUsed")
	idle := int64(0)
	b.kafka.eachListener(func(_ string, l *listenerMetrics) { idle += l.idle.Load() })
	s.Add("kafka_network_SocketServer_Value", float64(idle), "name", "ExpiredConnectionsKilledCount")
	b.kafka.eachListener(func(name string, _ *listenerMetrics) {
		s.Add("kafka_network_Acceptor_OneMinuteRate", 0, "name", "AcceptorBlockedPercent", "listener", name)
	})
}

// valueOf is what a gauge shows.
func valueOf(g prometheus.Gauge) float64 {
	var m dto.Metric
	if err := g.Write(&m); err != nil {
		return 0
	}
	return m.GetGauge().GetValue()
}

// scrapeTime bounds how long a scrape waits for the coordinator of groups.
const scrapeTime = 2 * time.Second

// collectGroups adds the groups that this broker coordinates, by state. Of the names, NumGroups is of all kinds of groups, as in Kafka; the states are those
// of the classic protocol.
func (b *Broker) collectGroups(s *jmx.Samples) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime) //nolint:forbidigo // a scrape has no context
	defer cancel()
	groups, _ := b.groups.List(ctx, nil, nil) // while some are loaded, the others count
	states := map[string]int{"Stable": 0, "PreparingRebalance": 0, "CompletingRebalance": 0, "Dead": 0, "Empty": 0}
	types := map[string]int{"classic": 0, "consumer": 0, "share": 0, "streams": 0}
	for _, g := range groups {
		if _, ok := states[g.State]; ok && g.Type != "share" {
			states[g.State]++
		}
		types[g.Type]++
	}
	const family = "kafka_coordinator_group_GroupMetadataManager_Value"
	s.Add(family, float64(len(groups)), "name", "NumGroups")
	for state, n := range states {
		s.Add(family, float64(n), "name", "NumGroups"+state)
	}
	for kind, n := range types {
		s.Add("kafka_server_group_coordinator_metrics_group_count", float64(n), "protocol", kind)
	}
}
