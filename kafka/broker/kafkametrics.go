package broker

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/jmx"
	"weir/metadata"
)

// The metrics with Kafka's names, beside those of metrics.go. docs/guide/metrics.md says what each means here. What a request costs is a few additions;
// names are looked up once for each API and each topic.

// Families of metrics, as the JMX exporter names them.
const (
	requestFamily  = "kafka_network_RequestMetrics"
	topicFamily    = "kafka_server_BrokerTopicMetrics"
	socketFamily   = "kafka_server_socket_server_metrics_"
	fetchRequests  = "Fetch"
	consumerFetch  = "FetchConsumer"
	followerFetch  = "FetchFollower"
	networkThread  = "0" // Weir has no network threads: what Kafka says of each is said once
	purgatoryValue = "kafka_server_DelayedOperationPurgatory_Value"
)

// kafkaMetrics of one broker.
type kafkaMetrics struct {
	registry *jmx.Registry
	requests [keysMax]atomic.Pointer[requestMetrics]
	all      *topicMetrics
	topics   [topicShards]topicShard

	mu        sync.Mutex
	listeners map[string]*listenerMetrics
}

func newKafkaMetrics(r prometheus.Registerer) *kafkaMetrics {
	k := &kafkaMetrics{registry: jmx.New(nil), all: new(topicMetrics), listeners: make(map[string]*listenerMetrics)}
	k.registry.OnTick(k.tick)
	k.registry.Source(k.collect)
	register(r, prometheus.Collector(k.registry))
	return k
}

// KafkaMetrics is where the metrics with Kafka's names are, for who knows what the broker does not.
func (b *Broker) KafkaMetrics() *jmx.Registry { return b.kafka.registry }

// requestMetrics are those of one API.
type requestMetrics struct {
	key      int16
	name     string
	versions [versionsMax]atomic.Pointer[jmx.Meter] // requests of each version

	total, local, remote, turn, queue, send, throttle, bytes *jmx.Histogram
}

// versionsMax bounds the versions that are counted apart; those of Kafka are below 20.
const versionsMax = 32

// request returns the metrics of an API.
func (k *kafkaMetrics) request(key int16) *requestMetrics {
	if m := k.requests[key].Load(); m != nil {
		return m
	}
	m := &requestMetrics{
		key: key, name: kmsg.NameForKey(key),
		total: jmx.Millis(), local: jmx.Millis(), remote: jmx.Millis(), turn: jmx.Millis(), queue: jmx.Millis(), send: jmx.Millis(), throttle: jmx.Millis(),
		bytes: jmx.NewHistogram(1),
	}
	if !k.requests[key].CompareAndSwap(nil, m) {
		return k.requests[key].Load()
	}
	return m
}

// read counts a request that was read.
func (k *kafkaMetrics) read(key, version int16, bytes int) {
	m := k.request(key)
	at := &m.versions[min(max(version, 0), versionsMax-1)]
	meter := at.Load()
	if meter == nil {
		at.CompareAndSwap(nil, new(jmx.Meter))
		meter = at.Load()
	}
	meter.Mark(1)
	m.bytes.Record(int64(bytes))
}

// phases are where a request's time went. Those that are 0 are not recorded; tick makes up for it.
type phases struct {
	local  time.Duration // its handler
	remote time.Duration // waiting for the disk, or for records
	turn   time.Duration // waiting for the handler's turn, where it runs when the answer's turn comes
	queue  time.Duration // the answer waiting for its turn
	send   time.Duration // to write it
	total  time.Duration
}

func (k *kafkaMetrics) served(key int16, p *phases) {
	m := k.request(key)
	m.total.Observe(p.total)
	for _, x := range [...]struct {
		h *jmx.Histogram
		d time.Duration
	}{{m.local, p.local}, {m.remote, p.remote}, {m.turn, p.turn}, {m.queue, p.queue}, {m.send, p.send}} {
		if x.d > 0 {
			x.h.Observe(x.d)
		}
	}
}

// failed counts an error that a client is told. Errors are rare, so the name may be looked up.
func (k *kafkaMetrics) failed(key int16, code *kerr.Error) {
	k.registry.Meter(requestFamily, "name", "ErrorsPerSec", "request", kmsg.NameForKey(key), "error", code.Message).Mark(1)
}

// histograms are the phases by Kafka's names.
func (m *requestMetrics) histograms() map[string]*jmx.Histogram {
	return map[string]*jmx.Histogram{
		"TotalTimeMs": m.total, "LocalTimeMs": m.local, "RemoteTimeMs": m.remote, "RequestQueueTimeMs": m.turn, "ResponseQueueTimeMs": m.queue,
		"ResponseSendTimeMs": m.send, "ThrottleTimeMs": m.throttle, "RequestBytes": m.bytes,
	}
}

func (m *requestMetrics) collect(s *jmx.Samples, name string) {
	for n, h := range m.histograms() {
		s.Histogram(h, requestFamily, "name", n, "request", name)
	}
	for v := range m.versions {
		if meter := m.versions[v].Load(); meter != nil {
			s.Meter(meter, requestFamily, "name", "RequestsPerSec", "request", name, "version", strconv.Itoa(v))
		}
	}
}

// topicMetrics are those of a topic, or of all. Fields are in the order of topicNames.
type topicMetrics struct {
	messagesIn, bytesIn, bytesOut, bytesRejected, produces, fetches, failedProduces, failedFetches, conversions jmx.Meter
}

func (m *topicMetrics) meters() map[string]*jmx.Meter {
	return map[string]*jmx.Meter{
		"MessagesInPerSec": &m.messagesIn, "BytesInPerSec": &m.bytesIn, "BytesOutPerSec": &m.bytesOut, "BytesRejectedPerSec": &m.bytesRejected,
		"TotalProduceRequestsPerSec": &m.produces, "TotalFetchRequestsPerSec": &m.fetches, "FailedProduceRequestsPerSec": &m.failedProduces,
		"FailedFetchRequestsPerSec": &m.failedFetches, "ProduceMessageConversionsPerSec": &m.conversions,
	}
}

// unused are names of Kafka's for what Weir does not do. They are 0 for all topics together.
func unusedMeters() []string {
	return []string{
		"ReplicationBytesInPerSec", "ReplicationBytesOutPerSec", "ReassignmentBytesInPerSec", "ReassignmentBytesOutPerSec", "FetchMessageConversionsPerSec",
		"NoKeyCompactedTopicRecordsPerSec", "InvalidMagicNumberRecordsPerSec", "InvalidMessageCrcRecordsPerSec", "InvalidOffsetOrSequenceRecordsPerSec",
	}
}

// Topics are looked up without a lock and entered by copying a shard.
const topicShards = 256

type topicShard struct {
	mu    sync.Mutex // of writers
	known atomic.Pointer[map[metadata.TopicID]*topicMetrics]
}

func shardOf(id metadata.TopicID) int { return int(id[0]^id[7]^id[15]) & (topicShards - 1) }

// topic returns the metrics of a topic.
func (k *kafkaMetrics) topic(id metadata.TopicID) *topicMetrics {
	s := &k.topics[shardOf(id)]
	if known := s.known.Load(); known != nil {
		if m := (*known)[id]; m != nil {
			return m
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[metadata.TopicID]*topicMetrics)
	if known := s.known.Load(); known != nil {
		if m := (*known)[id]; m != nil {
			return m
		}
		maps.Copy(next, *known)
	}
	m := new(topicMetrics)
	next[id] = m
	s.known.Store(&next)
	return m
}

// forget drops topics that do not exist any more.
func (k *kafkaMetrics) forget(img *image.Image) {
	for i := range k.topics {
		s := &k.topics[i]
		s.mu.Lock()
		if known := s.known.Load(); known != nil {
			next := maps.Clone(*known)
			maps.DeleteFunc(next, func(id metadata.TopicID, _ *topicMetrics) bool { _, ok := img.TopicByID(id); return !ok })
			if len(next) != len(*known) {
				s.known.Store(&next)
			}
		}
		s.mu.Unlock()
	}
}

// eachTopic calls fn for all that are known.
func (k *kafkaMetrics) eachTopic(fn func(metadata.TopicID, *topicMetrics)) {
	for i := range k.topics {
		if known := k.topics[i].known.Load(); known != nil {
			for id, m := range *known {
				fn(id, m)
			}
		}
	}
}

// listenerMetrics are those of the connections of one listener.
type listenerMetrics struct {
	connections                                  atomic.Int64
	created, closed, requests, bytesIn, bytesOut jmx.Meter
	idle                                         atomic.Int64 // closed because they were
}

func (k *kafkaMetrics) listener(name string) *listenerMetrics {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.listeners[name]
	if l == nil {
		l = new(listenerMetrics)
		k.listeners[name] = l
	}
	return l
}

func (l *listenerMetrics) meters() map[string]*jmx.Meter {
	return map[string]*jmx.Meter{
		"connection_creation": &l.created, "connection_close": &l.closed, "request": &l.requests, "incoming_byte": &l.bytesIn, "outgoing_byte": &l.bytesOut,
	}
}

func (k *kafkaMetrics) eachListener(fn func(string, *listenerMetrics)) {
	k.mu.Lock()
	listeners := maps.Clone(k.listeners)
	k.mu.Unlock()
	for name, l := range listeners {
		fn(name, l)
	}
}

// tick brings up to date what the registry does not know of by name.
func (k *kafkaMetrics) tick(now time.Time) {
	for i := range k.requests {
		m := k.requests[i].Load()
		if m == nil {
			continue
		}
		for v := range m.versions {
			if meter := m.versions[v].Load(); meter != nil {
				meter.Ticked(now)
			}
		}
		for _, h := range m.histograms() {
			h.Ticked()
		}
		m.fill()
	}
	for _, meter := range k.all.meters() {
		meter.Ticked(now)
	}
	k.eachTopic(func(_ metadata.TopicID, m *topicMetrics) {
		for _, meter := range m.meters() {
			meter.Ticked(now)
		}
	})
	k.eachListener(func(_ string, l *listenerMetrics) {
		for _, meter := range l.meters() {
			meter.Ticked(now)
		}
	})
}

// fill records the phases that took no time.
func (m *requestMetrics) fill() {
	served := m.total.Count()
	for _, h := range [...]*jmx.Histogram{m.local, m.remote, m.turn, m.queue, m.send, m.throttle} {
		h.Fill(served)
	}
}

// collect adds what the registry does not know of by name, but for what needs the broker.
func (k *kafkaMetrics) collect(s *jmx.Samples) {
	for i := range k.requests {
		m := k.requests[i].Load()
		if m == nil {
			continue
		}
		m.fill()
		m.collect(s, m.name)
		if m.name == fetchRequests {
			m.collect(s, consumerFetch) // no broker fetches from another
		}
	}
	for name, meter := range k.all.meters() {
		s.Meter(meter, topicFamily, "name", name)
	}
	var never jmx.Meter
	for _, name := range unusedMeters() {
		s.Meter(&never, topicFamily, "name", name)
	}
	k.eachListener(func(name string, l *listenerMetrics) {
		labels := []string{"listener", name, "networkProcessor", networkThread}
		value := func(attribute string, v float64) { s.Add(socketFamily+attribute, v, labels...) }
		value("connection_count", float64(l.connections.Load()))
		for of, meter := range l.meters() {
			value(of+"_total", float64(meter.Count()))
			value(of+"_rate", meter.OneMinuteRate())
		}
		value("response_total", float64(l.requests.Count()))
		value("response_rate", l.requests.OneMinuteRate())
		value("expired_connections_killed_count", float64(l.idle.Load()))
		for _, never := range []string{"successful_authentication_total", "failed_authentication_total", "successful_reauthentication_total", "failed_reauthentication_total"} {
			value(never, 0)
		}
	})
}
