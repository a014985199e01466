package daemon

import (
	"runtime"
	"strconv"
	"time"

	"weir/kafka/image"
	"weir/kafka/jmx"
	"weir/kafka/ownership"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/stream"
)

// kafkaMetrics adds what the parts below the broker know to the metrics with Kafka's names. What they mean in Weir is in docs/guide/metrics.md.
type kafkaMetrics struct {
	broker metadata.BrokerID
	owner  *ownership.Owner
	image  *image.Live

	flushes *jmx.Meter
	flush   *jmx.Histogram
	pulse   stream.Pulse // at the last tick

	idle jmx.Average // share of the processors that the process left idle
	cpu  time.Duration
	at   time.Time
}

const (
	flushFamily     = "kafka_log_LogFlushStats"
	logFamily       = "kafka_log_Log_Value"
	partitionFamily = "kafka_cluster_Partition_Value"
	replicaFamily   = "kafka_server_ReplicaManager"
	controlFamily   = "kafka_controller_KafkaController_Value"
)

// showKafkaMetrics begins to add to r.
func showKafkaMetrics(r *jmx.Registry, broker metadata.BrokerID, owner *ownership.Owner, live *image.Live) {
	m := &kafkaMetrics{
		broker: broker, owner: owner, image: live,
		flushes: new(jmx.Meter), flush: jmx.Millis(),
	}
	r.OnTick(m.tick)
	r.Source(m.collect)
}

// tick takes what the journal's pulse says since the last one. The pulse knows times to a factor of two only.
func (m *kafkaMetrics) tick(now time.Time) {
	p := m.owner.StreamPulse()
	for i, n := range p.Took {
		if n -= m.pulse.Took[i]; n > 0 {
			m.flushes.Mark(n)
			m.flush.RecordMany(3<<i>>2, n) // the middle between 2^(i-1) and 2^i
		}
	}
	m.pulse = p
	m.flushes.Ticked(now)
	m.flush.Ticked()

	cpu := processTime()
	if past := now.Sub(m.at); !m.at.IsZero() && past > 0 {
		busy := float64(cpu-m.cpu) / float64(past) / float64(runtime.GOMAXPROCS(0))
		m.idle.Take(min(max(1-busy, 0), 1))
	}
	m.cpu, m.at = cpu, now
}

func (m *kafkaMetrics) collect(s *jmx.Samples) {
	s.Timer(m.flushes, m.flush, flushFamily, "name", "LogFlushRateAndTimeMs")
	s.Average(&m.idle, "kafka_server_KafkaRequestHandlerPool", "name", "RequestHandlerAvgIdlePercent")
	s.Add("kafka_network_SocketServer_Value", m.idle.LastMinute(), "name", "NetworkProcessorAvgIdlePercent")
	s.Add("kafka_network_Processor_Value", m.idle.LastMinute(), "name", "IdlePercent", "networkProcessor", "0")
	s.Add("kafka_server_KafkaServer_Value", 3, "name", "BrokerState") // RUNNING: who answers a scrape is
	m.collectLogs(s)
	m.collectCluster(s)
	t := m.owner.Tiers().Stats()
	s.Add("kafka_log_LogCleanerManager_Value", float64(t.Stuck), "name", "uncleanable-partitions-count")
	for family, names := range map[string][]string{
		"kafka_log_LogManager_Value":               {"OfflineLogDirectoryCount"},
		"kafka_log_LogCleaner_Value":               {"DeadThreadCount"},
		"kafka_server_ReplicaFetcherManager_Value": {"MaxLag", "MinFetchRate", "DeadThreadCount", "FailedPartitionsCount"},
	} {
		for _, name := range names {
			labels := []string{"name", name}
			if family == "kafka_server_ReplicaFetcherManager_Value" {
				labels = append(labels, "clientId", "Replica")
			}
			s.Add(family, 0, labels...)
		}
	}
}

// collectLogs adds the partitions that are led here.
func (m *kafkaMetrics) collectLogs(s *jmx.Samples) {
	img := m.image.Current()
	led := m.owner.Leaders().All()
	for _, p := range led {
		t, ok := img.TopicByID(p.Key().Topic)
		if !ok || int(p.Key().Index) >= len(t.Partitions) {
			continue
		}
		var size partition.Size
		var start, end, stable int64
		segments := 1 // the journal
		if !p.View(func(st *stream.PartitionState) {
			size.Measure(st)
			start, end, stable = st.LogStart, st.End, st.LastStable()
			segments += len(st.Pieces)
		}) {
			continue
		}
		index := strconv.Itoa(int(p.Key().Index))
		value := func(family, name string, v float64) {
			s.Add(family, v, "name", name, "topic", t.Name, "partition", index)
		}
		value(logFamily, "Size", float64(size.Bytes))
		value(logFamily, "LogStartOffset", float64(start))
		value(logFamily, "LogEndOffset", float64(end))
		value(logFamily, "NumLogSegments", float64(segments))
		assigned := &t.Partitions[p.Key().Index]
		inSync := image.InSync(assigned, serves(img))
		value(partitionFamily, "ReplicasCount", float64(len(assigned.Replicas)))
		value(partitionFamily, "InSyncReplicasCount", float64(len(inSync)))
		under := 0.
		if underReplicated(assigned, inSync) {
			under = 1
		}
		value(partitionFamily, "UnderReplicated", under)
		value(partitionFamily, "LastStableOffsetLag", float64(end-stable))
		for _, never := range []string{"UnderMinIsr", "AtMinIsr"} {
			value(partitionFamily, never, 0)
		}
	}
	s.Add(replicaFamily+"_Value", float64(len(led)), "name", "LeaderCount")
}

// serves tells of a broker whether it does.
func serves(img *image.Image) func(metadata.BrokerID) bool {
	return func(b metadata.BrokerID) bool { s, ok := img.Broker(b); return ok && s.Ready }
}

// underReplicated tells whether replicas are missing, other than those that a reassignment is adding.
func underReplicated(p *metadata.PartitionAssignment, inSync []metadata.BrokerID) bool {
	return len(inSync) < len(p.Replicas)-len(p.Adding)
}

// collectCluster adds what the metadata say. As one of Kafka's controllers is active, one broker counts what is the cluster's: that which clients are told
// is the controller.
func (m *kafkaMetrics) collectCluster(s *jmx.Samples) {
	img := m.image.Current()
	controller, ok := img.Controller()
	active := ok && controller.Broker == m.broker
	ready := make(map[metadata.BrokerID]bool)
	for _, b := range img.Brokers {
		ready[b.Broker] = b.Ready
	}
	var partitions, offline, strayed, ours, moving, under int
	for _, t := range img.Topics() {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			partitions++
			if !ready[p.Leader] {
				offline++
			}
			if len(p.Replicas) > 0 && p.Leader != p.Replicas[0] {
				strayed++
			}
			for _, r := range p.Replicas {
				if r == m.broker {
					ours++
				}
			}
			if p.Leader != m.broker {
				continue
			}
			if len(p.Adding)+len(p.Removing) > 0 {
				moving++
			}
			if underReplicated(p, image.InSync(p, serves(img))) {
				under++
			}
		}
	}
	alive := 0
	for _, r := range ready {
		if r {
			alive++
		}
	}
	replica := func(name string, v int) { s.Add(replicaFamily+"_Value", float64(v), "name", name) }
	replica("PartitionCount", ours)
	replica("ReassigningPartitions", moving)
	replica("UnderReplicatedPartitions", under)
	for _, never := range []string{"UnderMinIsrPartitionCount", "AtMinIsrPartitionCount", "OfflineReplicaCount"} {
		replica(never, 0)
	}
	var never jmx.Meter
	for _, name := range []string{"IsrShrinksPerSec", "IsrExpandsPerSec", "FailedIsrUpdatesPerSec"} {
		s.Meter(&never, replicaFamily, "name", name)
	}
	s.Meter(&never, "kafka_controller_ControllerStats", "name", "UncleanLeaderElectionsPerSec")
	for name, v := range map[string]int{
		"ActiveControllerCount": 1, "GlobalTopicCount": img.TopicCount(), "GlobalPartitionCount": partitions, "OfflinePartitionsCount": offline,
		"PreferredReplicaImbalanceCount": strayed, "ActiveBrokerCount": alive, "FencedBrokerCount": len(ready) - alive, "MetadataErrorCount": 0,
	} {
		if !active {
			v = 0
		}
		s.Add(controlFamily, float64(v), "name", name)
	}
}
