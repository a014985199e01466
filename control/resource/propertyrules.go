package resource

import (
	"fmt"
	"slices"
	"strings"

	"weir/metadata"
)

// What Amazon MSK says of server.properties beyond what Kafka says (kafka/configdef): which properties a configuration may set, within which ranges, for
// which kinds of clusters and which Kafka versions. docs/adr/0013 says where Weir allows more.

// propertyRule is what holds for one property.
type propertyRule struct {
	name string
	// within is the service's range of a number, where it is narrower than Kafka's.
	within *[2]int64
	// oneOf are the values that the service takes, where Kafka takes any.
	oneOf []string
}

// StandardProperties are what MSK lets a configuration of Standard clusters set: a closed list there.
func StandardProperties() []string {
	return []string{
		"allow.everyone.if.no.acl.found", "auto.create.topics.enable", "compression.type", "connections.max.idle.ms", "default.replication.factor",
		"delete.topic.enable", "group.initial.rebalance.delay.ms", "group.max.session.timeout.ms", "group.min.session.timeout.ms",
		"leader.imbalance.per.broker.percentage", "log.cleaner.delete.retention.ms", "log.cleaner.min.cleanable.ratio", "log.cleanup.policy",
		"log.flush.interval.messages", "log.flush.interval.ms", "log.message.timestamp.after.max.ms", "log.message.timestamp.before.max.ms",
		"log.message.timestamp.difference.max.ms", "log.message.timestamp.type", "log.retention.bytes", "log.retention.hours", "log.retention.minutes",
		"log.retention.ms", "log.roll.ms", "log.segment.bytes", "max.incremental.fetch.session.cache.slots", "message.max.bytes", "min.insync.replicas",
		"num.io.threads", "num.network.threads", "num.partitions", "num.recovery.threads.per.data.dir", "num.replica.fetchers", "offsets.retention.minutes",
		"offsets.topic.replication.factor", "replica.fetch.max.bytes", "replica.fetch.response.max.bytes", "replica.lag.time.max.ms",
		"replica.selector.class", "replica.socket.receive.buffer.bytes", "socket.receive.buffer.bytes", "socket.request.max.bytes",
		"socket.send.buffer.bytes", "transaction.max.timeout.ms", "transaction.state.log.min.isr", "transaction.state.log.replication.factor",
		"transactional.id.expiration.ms", "unclean.leader.election.enable", "zookeeper.connection.timeout.ms", "zookeeper.session.timeout.ms",
	}
}

// TieredProperties are what MSK's tiered versions add to StandardProperties.
func TieredProperties() []string {
	return []string{"log.local.retention.bytes", "log.local.retention.ms", "remote.log.reader.threads"}
}

// DefaultOnlyProperties are in MSK's default configuration and not on its list for configurations.
func DefaultOnlyProperties() []string {
	return []string{"auto.leader.rebalance.enable", "zookeeper.set.acl"}
}

// ExpressProperties are what MSK lets a configuration of Express clusters set.
func ExpressProperties() []string {
	return []string{
		"allow.everyone.if.no.acl.found", "auto.create.topics.enable", "compression.type", "connections.max.idle.ms", "delete.topic.enable",
		"group.initial.rebalance.delay.ms", "group.max.session.timeout.ms", "leader.imbalance.per.broker.percentage", "log.cleanup.policy",
		"log.message.timestamp.after.max.ms", "log.message.timestamp.before.max.ms", "log.message.timestamp.type", "log.retention.bytes",
		"log.retention.ms", "max.connections.per.ip", "max.incremental.fetch.session.cache.slots", "message.max.bytes", "num.partitions",
		"offsets.retention.minutes", "replica.fetch.max.bytes", "replica.selector.class", "socket.receive.buffer.bytes", "socket.request.max.bytes",
		"socket.send.buffer.bytes", "transaction.max.timeout.ms", "transactional.id.expiration.ms",
	}
}

// ExpressDynamicProperties are what MSK lets clients of Express clusters set at run time (AlterConfigs), beside those of ExpressProperties.
func ExpressDynamicProperties() []string {
	return []string{
		"advertised.listeners", "log.cleaner.delete.retention.ms", "log.cleaner.max.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms",
		"max.connection.creation.rate", "max.connections", "max.connections.per.ip.overrides", "producer.id.expiration.ms",
	}
}

// ExpressFixedProperties are what Express clusters show and nobody sets.
func ExpressFixedProperties() []string {
	return []string{
		"broker.id", "broker.rack", "default.replication.factor", "fetch.max.bytes", "group.max.size", "inter.broker.listener.name", "listeners",
		"min.insync.replicas", "num.io.threads", "num.network.threads", "offsets.topic.replication.factor", "replica.fetch.response.max.bytes",
		"request.timeout.ms", "transaction.state.log.min.isr", "transaction.state.log.replication.factor", "unclean.leader.election.enable",
	}
}

// listed tells whether MSK lets clusters of the kind, or of any kind if it is empty, set the property.
func listed(name string, k metadata.ClusterKind) bool {
	express := slices.Contains(ExpressProperties(), name) || slices.Contains(ExpressDynamicProperties(), name)
	standard := slices.Contains(StandardProperties(), name) || slices.Contains(TieredProperties(), name) || slices.Contains(DefaultOnlyProperties(), name)
	switch k {
	case metadata.Express:
		return express
	case metadata.Standard:
		return standard
	case metadata.Serverless:
		return false
	}
	return express || standard
}

// RunTimeProperties are documented by MSK as set at run time only.
func RunTimeProperties() []string {
	return []string{"listener.name.client_iam.max.connections", "listener.name.client_iam_public.max.connections"}
}

// notInFiles are what Kafka reads from AlterConfigs only, never from server.properties.
func notInFiles(name string) bool {
	switch name {
	case "follower.replication.throttled.rate", "leader.replication.throttled.rate", "replica.alter.log.dirs.io.max.bytes.per.second":
		return true
	}
	return slices.Contains(RunTimeProperties(), name)
}

// ownSegments are prefixes of what decides about segments, which Express clusters do by themselves.
func ownSegments(name string) bool {
	for _, p := range []string{"log.segment.", "log.roll.", "log.index.", "log.preallocate", "log.flush.", "log.local.", "log.remote.", "remote."} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// ruleOf is what the service says of the values of the property.
func ruleOf(name string) propertyRule {
	for _, r := range []propertyRule{
		{name: "replica.lag.time.max.ms", within: &[2]int64{10_000, 30_000}},
		{name: "zookeeper.session.timeout.ms", within: &[2]int64{6_000, 18_000}},
		{name: "replica.selector.class", oneOf: []string{"org.apache.kafka.common.replica.RackAwareReplicaSelector"}},
	} {
		if r.name == name {
			return r
		}
	}
	return propertyRule{name: name}
}

// span is the Kafka versions that have a property: from since on, and before until. Empty is without that end. prefix is of names.
type span struct{ prefix, since, until string }

// spans returns what is known of properties that not all versions have. The first whose prefix fits a name is it.
func spans() []span {
	return []span{
		{"compression.gzip.level", "3.8", ""},
		{"compression.lz4.level", "3.8", ""},
		{"compression.zstd.level", "3.8", ""},
		{"controller.quota.window.", "2.7", ""},
		{"fetch.max.bytes", "2.5", ""},
		{"group.consumer.", "3.7", ""},
		{"group.max.size", "2.2", ""},
		{"group.share.", "4.0", ""},
		{"group.streams.", "4.1", ""},
		{"log.cleaner.max.compaction.lag.ms", "2.3", ""},
		{"log.message.timestamp.after.max.ms", "3.6", ""},
		{"log.message.timestamp.before.max.ms", "3.6", ""},
		{"log.message.timestamp.difference.max.ms", "", "4.0"},
		{"max.connection.creation.rate", "2.7", ""},
		{"max.connections.per.ip", "", ""},
		{"max.connections", "2.3", ""},
		{"replica.selector.class", "2.4", ""},
		{"share.coordinator.", "4.0", ""},
		{"telemetry.max.bytes", "3.7", ""},
		{"zookeeper.", "", "4.0"},
		{"log.local.retention.", "3.6", ""},
		{"remote.", "3.6", ""},
	}
}

func spanOf(name string) span {
	for _, s := range spans() {
		if strings.HasPrefix(name, s.prefix) {
			return s
		}
	}
	return span{}
}

// String is the versions in words, for "that Kafka has ...".
func (s span) String() string {
	switch {
	case s.since != "" && s.until != "":
		return "from " + s.since + " to before " + s.until
	case s.since != "":
		return "from " + s.since + " on"
	case s.until != "":
		return "before " + s.until
	}
	return ""
}

// has tells whether the version has what the span is about.
func (s span) has(v KafkaVersion) bool {
	compare := func(with string) int { return slices.Compare(v.numbers(), KafkaVersion{Name: with}.numbers()) }
	if s.since != "" && compare(s.since) < 0 && !(v.Tiered() && s.since == "3.6" && !strings.HasPrefix(s.prefix, "log.message.")) {
		return false
	}
	return s.until == "" || compare(s.until) < 0
}

// missing says why a cluster of the version cannot set the property; empty if it can.
func missing(name string, v KafkaVersion) string {
	s := spanOf(name)
	switch {
	case !s.has(v):
		return fmt.Sprintf("Kafka %s has no such property: it is there %s.", v.Name, s)
	case strings.HasPrefix(name, "zookeeper.") && v.KRaft():
		return fmt.Sprintf("Clusters of version %s run without ZooKeeper. Remove the line.", v.Name)
	}
	return ""
}

// refusedByKind says why a cluster of the kind cannot set the property; empty if it can.
func refusedByKind(name string, k metadata.ClusterKind) string {
	switch {
	case k != metadata.Express:
	case name == "log.message.timestamp.difference.max.ms":
		return "Express clusters have log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms instead."
	case slices.Contains(ExpressFixedProperties(), name):
		return "Express clusters set it themselves. Remove the line."
	case ownSegments(name):
		return "Express clusters manage their segments and storage themselves. Remove the line."
	}
	return ""
}
