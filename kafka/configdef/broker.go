package configdef

import (
	"slices"
	"strings"
)

const whyCleaner = "compaction is one task with buffers of its own; leave it unset"

// kafkaProtocols is what Kafka takes for listener.security.protocol.map when it is not set.
const kafkaProtocols = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"

// brokerConfigs are all broker configs, sorted by name: those that Apache Kafka describes, and a few more (Unlisted). The tables are in the files broker*.go.
var brokerConfigs = sorted(generalBrokerConfigs, groupBrokerConfigs, shareBrokerConfigs, streamsBrokerConfigs, transactionBrokerConfigs, clientBrokerConfigs,
	nodeBrokerConfigs, voterBrokerConfigs, quorumBrokerConfigs, tlsBrokerConfigs, authBrokerConfigs, saslBrokerConfigs, remoteBrokerConfigs, tieredBrokerConfigs,
	pluginBrokerConfigs, otherRefusedBrokerConfigs, engineBrokerConfigs)

func sorted(tables ...[]Config) []Config {
	all := slices.Concat(tables...)
	slices.SortFunc(all, func(a, b Config) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// unset is rows that accept their default and nothing else.
func unset(why string, rows []Config) []Config {
	for i := range rows {
		rows[i].Only, rows[i].Why = []string{}, why
	}
	return rows
}

// doing is rows with an effect, but for those that have one of their own.
func doing(e Effect, rows []Config) []Config {
	for i := range rows {
		if rows[i].Effect == Applied {
			rows[i].Effect = e
		}
	}
	return rows
}

// generalBrokerConfigs are those of what most clusters set.
var generalBrokerConfigs = []Config{
	{Name: "advertised.listeners", Type: List, Null: true, Only: []string{}, Why: whyNode, Doc: "The addresses that clients are told."},
	{Name: "allow.everyone.if.no.acl.found", Type: Boolean, Default: "false", Unlisted: true, Effect: "No effect yet: no access is refused, whatever it says.", Doc: "Whether a resource without ACLs is open to all."},
	{Name: "auto.create.topics.enable", Type: Boolean, Default: "true", Doc: "Whether asking for a missing topic creates it."},
	{Name: "auto.leader.rebalance.enable", Type: Boolean, Default: "true", Effect: Leadership, Doc: "Whether leadership moves back to preferred leaders by itself."},
	{Name: "background.threads", Type: Int, Default: "10", Bounds: atLeast(1), Mode: ClusterWide, Effect: Threads, Doc: "Threads for background work."},
	{Name: "broker.id", Type: Int, Default: "-1", Only: []string{}, Why: whyNode, Doc: "The broker's number."},
	{Name: "broker.rack", Type: String, Null: true, Only: []string{}, Why: whyNode, Doc: "The availability zone's id."},
	{Name: "compression.gzip.level", Type: Int, Default: "-1", Bounds: betweenOr(1, 9, -1), Mode: ClusterWide, Doc: "Default of the topic config."},
	{Name: "compression.lz4.level", Type: Int, Default: "9", Bounds: between(1, 17), Mode: ClusterWide, Doc: "Default of the topic config."},
	{Name: "compression.type", Type: String, Default: "producer", OneOf: compressionTypes, Mode: ClusterWide, Doc: "Default of the topic config."},
	{Name: "compression.zstd.level", Type: Int, Default: "3", Bounds: between(-131072, 22), Mode: ClusterWide, Doc: "Default of the topic config."},
	{Name: "connections.max.idle.ms", Type: Long, Default: "600000", Doc: "Idle connections are closed after this time."},
	{Name: "controlled.shutdown.enable", Type: Boolean, Default: "true", Effect: Always, Doc: "Whether a stopping broker hands over first."},
	{Name: "controller.quota.window.num", Type: Int, Default: "11", Bounds: atLeast(1), Doc: "Seconds' worth of partitions that a client with a controller_mutation_rate may make or delete at once, in windows."},
	{Name: "controller.quota.window.size.seconds", Type: Int, Default: "1", Bounds: atLeast(1), Doc: "Length of such a window."},
	{Name: "custom.advertised.listeners", Type: String, Null: true, Unlisted: true, Only: []string{}, Why: "addresses that are told to clients are those that brokers listen on; leave it unset", Doc: "Amazon MSK's: names and ports of brokers that clients are told, listener by listener."},
	{Name: "default.replication.factor", Type: Int, Default: "1", Doc: "Replication factor of topics that do not name one."},
	{Name: "delete.topic.enable", Type: Boolean, Default: "true", Doc: "Whether topics can be deleted."},
	{Name: "fetch.max.bytes", Type: Int, Default: "57671680", Bounds: atLeast(1024), Doc: "The most bytes a fetch response holds, whatever the client asks for."},
	{Name: "follower.replication.throttled.rate", Type: Long, Default: maxLong, Bounds: atLeast(0), Mode: ClusterWide, Unlisted: true, Doc: "Bytes a second at which the broker copies each partition that moves to it and that its topic's follower.replication.throttled.replicas name."},
	{Name: "group.initial.rebalance.delay.ms", Type: Int, Default: "3000", Effect: "Upper bound: the first rebalance of an empty group ends as soon as no member joined for 50 ms.", Doc: "How long the first rebalance of an empty group waits for more members."},
	{Name: "group.max.session.timeout.ms", Type: Int, Default: "1800000", Doc: "The longest session timeout a member may ask for."},
	{Name: "group.max.size", Type: Int, Default: "2147483647", Bounds: atLeast(1), Doc: "The most members a group may have."},
	{Name: "group.min.session.timeout.ms", Type: Int, Default: "6000", Doc: "The shortest session timeout a member may ask for."},
	{Name: "group.share.assignors", Type: List, Default: "simple", OneOf: []string{"simple"}, Doc: "Assignors of share groups; the first is used."},
	{Name: "group.share.delivery.count.limit", Type: Int, Default: "5", Bounds: between(2, 10), Doc: "How often a share group may be given a record."},
	{Name: "group.share.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Effect: "An upper bound: with few members on a broker, and while a group rebalances, members are told to come sooner.", Doc: "How often members of share groups send heartbeats."},
	{Name: "group.share.max.delivery.count.limit", Type: Int, Default: "10", Bounds: between(5, 25), Doc: "The largest value of share.delivery.count.limit of a group."},
	{Name: "group.share.max.heartbeat.interval.ms", Type: Int, Default: "15000", Bounds: atLeast(1), Doc: "The largest value of share.heartbeat.interval.ms of a group."},
	{Name: "group.share.max.partition.max.record.locks", Type: Int, Default: "4000", Bounds: between(2000, 10000), Doc: "The largest value of share.partition.max.record.locks of a group."},
	{Name: "group.share.max.record.lock.duration.ms", Type: Int, Default: "60000", Bounds: between(30000, 3600000), Doc: "The largest value of share.record.lock.duration.ms of a group."},
	{Name: "group.share.max.session.timeout.ms", Type: Int, Default: "60000", Bounds: atLeast(1), Doc: "The largest value of share.session.timeout.ms of a group."},
	{Name: "group.share.max.share.sessions", Type: Int, Default: "2000", Bounds: atLeast(1), Doc: "The most share sessions of a broker."},
	{Name: "group.share.max.size", Type: Int, Default: "200", Bounds: between(1, 1000), Doc: "The most members a share group may have."},
	{Name: "group.share.min.delivery.count.limit", Type: Int, Default: "2", Bounds: between(2, 5), Doc: "The least value of share.delivery.count.limit of a group."},
	{Name: "group.share.min.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Doc: "The least value of share.heartbeat.interval.ms of a group."},
	{Name: "group.share.min.partition.max.record.locks", Type: Int, Default: "100", Bounds: between(100, 2000), Doc: "The least value of share.partition.max.record.locks of a group."},
	{Name: "group.share.min.record.lock.duration.ms", Type: Int, Default: "15000", Bounds: between(1000, 30000), Doc: "The least value of share.record.lock.duration.ms of a group."},
	{Name: "group.share.min.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Doc: "The least value of share.session.timeout.ms of a group."},
	{Name: "group.share.partition.max.record.locks", Type: Int, Default: "2000", Bounds: between(100, 10000), Doc: "How many records of a partition a share group may have in flight."},
	{Name: "group.share.record.lock.duration.ms", Type: Int, Default: "30000", Bounds: between(1000, 3600000), Doc: "How long a member of a share group has a record for itself."},
	{Name: "group.share.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Doc: "How long a member of a share group may be silent."},
	{Name: "inter.broker.listener.name", Type: String, Null: true, Effect: Replication, Doc: "The listener that brokers use among each other."},
	{Name: "leader.imbalance.check.interval.seconds", Type: Long, Default: "300", Bounds: atLeast(1), Effect: Leadership, Doc: "How often leader balance is checked."},
	{Name: "leader.imbalance.per.broker.percentage", Type: Int, Default: "10", Unlisted: true, Effect: Leadership, Doc: "Imbalance above which leadership moves back."},
	{Name: "leader.replication.throttled.rate", Type: Long, Default: maxLong, Bounds: atLeast(0), Mode: ClusterWide, Unlisted: true, Doc: "Bytes a second at which each partition that moves away is copied from the broker, if its topic's leader.replication.throttled.replicas name it."},
	{Name: "listener.name.client_iam.max.connections", Type: Int, Default: "2147483647", Bounds: atLeast(0), Mode: ClusterWide, Unlisted: true, Effect: NoListener, Doc: "The most connections of the listener of IAM authentication."},
	{Name: "listener.name.client_iam_public.max.connections", Type: Int, Default: "2147483647", Bounds: atLeast(0), Mode: ClusterWide, Unlisted: true, Effect: NoListener, Doc: "The most connections of its public twin."},
	{Name: "listener.security.protocol.map", Type: String, Default: kafkaProtocols, Mode: PerBroker, Only: []string{}, Why: whyNode, Doc: "Listener names and their security protocols."},
	{Name: "listeners", Type: List, Default: "PLAINTEXT://:9092", Mode: PerBroker, Only: []string{}, Why: whyNode, Doc: "The addresses that the broker listens on."},
	{Name: "log.cleaner.backoff.ms", Type: Long, Default: "15000", Bounds: atLeast(0), Mode: ClusterWide, Doc: "How long the cleaner rests when there is nothing to clean."},
	{Name: "log.cleaner.dedupe.buffer.size", Type: Long, Default: "134217728", Check: checkMap, Mode: ClusterWide, Effect: "An upper bound: the map takes a tenth of the broker's memory at most, and grows as it has to.", Doc: "Memory for compaction's key map."},
	{Name: "log.cleaner.delete.retention.ms", Type: Long, Default: "86400000", Bounds: atLeast(0), Mode: ClusterWide, Doc: "Default of the topic config delete.retention.ms."},
	{Name: "log.cleaner.enable", Type: Boolean, Default: "true", Only: []string{"true"}, Why: "compacted topics are always compacted; leave it unset, and give topics that should not be another cleanup.policy", Doc: "Whether compacted topics are compacted."},
	{Name: "log.cleaner.io.buffer.load.factor", Type: Double, Default: "0.9", Mode: ClusterWide, Within: between(0.1, 0.95), Why: "the map of keys works within these; leave it unset", Doc: "How full the key map may get."},
	{Name: "log.cleaner.io.buffer.size", Type: Int, Default: "524288", Bounds: atLeast(0), Mode: ClusterWide, Only: []string{"524288"}, Why: whyCleaner, Doc: "Memory for the cleaner's reads and writes."},
	{Name: "log.cleaner.io.max.bytes.per.second", Type: Double, Default: "1.7976931348623157E308", Mode: ClusterWide, Doc: "Limit on the cleaner's reads and writes."},
	{Name: "log.cleaner.max.compaction.lag.ms", Type: Long, Default: maxLong, Bounds: atLeast(1), Mode: ClusterWide, Doc: "Default of the topic config max.compaction.lag.ms."},
	{Name: "log.cleaner.min.cleanable.ratio", Type: Double, Default: "0.5", Bounds: between(0, 1), Mode: ClusterWide, Doc: "Default of the topic config min.cleanable.dirty.ratio."},
	{Name: "log.cleaner.min.compaction.lag.ms", Type: Long, Default: "0", Bounds: atLeast(0), Mode: ClusterWide, Doc: "Default of the topic config min.compaction.lag.ms."},
	{Name: "log.cleaner.threads", Type: Int, Default: "1", Bounds: atLeast(0), Mode: ClusterWide, Only: []string{"1"}, Why: whyCleaner, Doc: "Threads that compact."},
	{Name: "log.cleanup.policy", Type: List, Default: "delete", OneOf: []string{"compact", "delete"}, Mode: ClusterWide, Effect: cleanupPolicy, Doc: "Default of the topic config cleanup.policy."},
	{Name: "log.flush.interval.messages", Type: Long, Default: maxLong, Bounds: atLeast(1), Mode: ClusterWide, Effect: Flushed, Doc: "Default of the topic config flush.messages."},
	{Name: "log.flush.interval.ms", Type: Long, Null: true, Mode: ClusterWide, Synonyms: from("log.flush.interval.ms", "log.flush.scheduler.interval.ms"), Effect: Flushed, Doc: "Default of the topic config flush.ms."},
	{Name: "log.flush.scheduler.interval.ms", Type: Long, Default: maxLong, Effect: Flushed, Doc: "How often the log is checked for what must be flushed."},
	{Name: "log.index.interval.bytes", Type: Int, Default: "4096", Bounds: atLeast(0), Mode: ClusterWide, Only: []string{"4096"}, Why: whyIndex, Doc: "Default of the topic config index.interval.bytes."},
	{Name: "log.index.size.max.bytes", Type: Int, Default: "10485760", Bounds: atLeast(4), Mode: ClusterWide, Within: atLeast(2 << 20), Why: whyIndexSize, Doc: "Default of the topic config segment.index.bytes."},
	{Name: "log.local.retention.bytes", Type: Long, Default: "-2", Bounds: atLeast(-2), Mode: ClusterWide, Only: []string{"-2"}, Why: whyTiered, Doc: "Default of the topic config local.retention.bytes."},
	{Name: "log.local.retention.ms", Type: Long, Default: "-2", Bounds: atLeast(-2), Mode: ClusterWide, Only: []string{"-2"}, Why: whyTiered, Doc: "Default of the topic config local.retention.ms."},
	{Name: "log.message.timestamp.after.max.ms", Type: Long, Default: "3600000", Bounds: atLeast(0), Mode: ClusterWide, Doc: "Default of the topic config message.timestamp.after.max.ms."},
	{Name: "log.message.timestamp.before.max.ms", Type: Long, Default: maxLong, Bounds: atLeast(0), Mode: ClusterWide, Doc: "Default of the topic config message.timestamp.before.max.ms."},
	{Name: "log.message.timestamp.difference.max.ms", Type: Long, Default: maxLong, Bounds: atLeast(0), Mode: ClusterWide, Unlisted: true, Doc: "Stands in for log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms where they are not set: what they were in one before Kafka 3.6."},
	{Name: "log.message.timestamp.type", Type: String, Default: "CreateTime", OneOf: []string{"CreateTime", "LogAppendTime"}, Mode: ClusterWide, Doc: "Default of the topic config message.timestamp.type."},
	{Name: "log.preallocate", Type: Boolean, Default: "false", Mode: ClusterWide, Effect: preallocate, Doc: "Default of the topic config preallocate."},
	{Name: "log.remote.copy.lag.bytes", Type: Long, Default: "-1", Bounds: atLeast(-1), Mode: ClusterWide, Only: []string{"-1"}, Why: whyTiered, Doc: "Default of the topic config remote.copy.lag.bytes."},
	{Name: "log.remote.copy.lag.ms", Type: Long, Default: "0", Bounds: atLeast(-1), Mode: ClusterWide, Only: []string{"0"}, Why: whyTiered, Doc: "Default of the topic config remote.copy.lag.ms."},
	{Name: "log.retention.bytes", Type: Long, Default: "-1", Mode: ClusterWide, Effect: retentionBytes, Doc: "Default of the topic config retention.bytes."},
	{Name: "log.retention.check.interval.ms", Type: Long, Default: "300000", Bounds: atLeast(1), Effect: "An upper bound: it is checked each 30 s, or more often if this is less.", Doc: "How often logs are checked for what may be deleted."},
	{Name: "log.retention.hours", Type: Int, Default: "168", Check: checkRetention, Effect: retentionTime, Doc: "Retention in hours, if neither log.retention.ms nor log.retention.minutes is set."},
	{Name: "log.retention.minutes", Type: Int, Null: true, Check: checkRetention, Synonyms: from("log.retention.minutes", "log.retention.hours"), Effect: retentionTime, Doc: "Retention in minutes, if log.retention.ms is not set."},
	{Name: "log.retention.ms", Type: Long, Null: true, Mode: ClusterWide, Check: checkRetention, Synonyms: from("log.retention.ms", "log.retention.minutes", "log.retention.hours"), Effect: retentionTime, Doc: "Default of the topic config retention.ms."},
	{Name: "log.roll.hours", Type: Int, Default: "168", Bounds: atLeast(1), Effect: segmentTime, Doc: "Hours after which a segment is closed, if log.roll.ms is not set."},
	{Name: "log.roll.jitter.hours", Type: Int, Default: "0", Bounds: atLeast(0), Effect: segmentJitter, Doc: "Largest random time taken off log.roll.hours."},
	{Name: "log.roll.jitter.ms", Type: Long, Null: true, Mode: ClusterWide, Bounds: atLeast(0), Synonyms: from("log.roll.jitter.ms", "log.roll.jitter.hours"), Effect: segmentJitter, Doc: "Default of the topic config segment.jitter.ms."},
	{Name: "log.roll.ms", Type: Long, Null: true, Mode: ClusterWide, Bounds: atLeast(1), Synonyms: from("log.roll.ms", "log.roll.hours"), Effect: segmentTime, Doc: "Default of the topic config segment.ms."},
	{Name: "log.segment.bytes", Type: Int, Default: "1073741824", Bounds: atLeast(1048576), Mode: ClusterWide, Effect: segmentBytes, Doc: "Default of the topic config segment.bytes."},
	{Name: "log.segment.delete.delay.ms", Type: Long, Default: "60000", Bounds: atLeast(0), Mode: ClusterWide, Effect: deleteDelay, Doc: "Default of the topic config file.delete.delay.ms."},
	{Name: "max.connection.creation.rate", Type: Int, Default: "2147483647", Bounds: atLeast(0), Mode: ClusterWide, Effect: "Connections above the rate wait to be accepted, up to a window of quota.window.size.seconds each.", Doc: "New connections a second."},
	{Name: "max.connections", Type: Int, Default: "2147483647", Bounds: atLeast(0), Mode: ClusterWide, Effect: "Connections above it wait to be accepted. A broker's own bound is 10,000 (and 3,000 a listener), above which they are closed.", Doc: "The most connections."},
	{Name: "max.connections.per.ip", Type: Int, Default: "2147483647", Bounds: atLeast(0), Mode: ClusterWide, Effect: "Connections above it are closed. A broker's own bound is 256 for each address but those of its own machine.", Doc: "The most connections from one address."},
	{Name: "max.connections.per.ip.overrides", Type: String, Default: "", Mode: ClusterWide, Check: checkOverrides, Effect: "Addresses are numeric. The broker's own bound holds as well.", Doc: "Exceptions from max.connections.per.ip: address:limit pairs."},
	{Name: "max.decompressed.message.bytes", Type: Int, Default: "2147483639", Bounds: between(1, 2147483639), Mode: ClusterWide, Only: []string{"2147483639"}, Why: whyDecompress, Doc: "Default of the topic config."},
	{Name: "max.incremental.fetch.session.cache.slots", Type: Int, Default: "1000", Bounds: atLeast(0), Doc: "The most fetch sessions."},
	{Name: "max.request.partition.size.limit", Type: Int, Default: "2000", Bounds: atLeast(1), Only: []string{"2000"}, Why: "the limit is fixed; leave it unset", Doc: "The most partitions in one answer to DescribeTopicPartitions."},
	{Name: "message.max.bytes", Type: Int, Default: "1048588", Bounds: atLeast(0), Mode: ClusterWide, Doc: "Default of the topic config max.message.bytes."},
	{Name: "min.insync.replicas", Type: Int, Default: "1", Bounds: atLeast(1), Mode: ClusterWide, Effect: replicas, Doc: "Default of the topic config."},
	{Name: "num.io.threads", Type: Int, Default: "8", Bounds: atLeast(1), Mode: ClusterWide, Effect: Threads, Doc: "Threads that handle requests."},
	{Name: "num.network.threads", Type: Int, Default: "3", Bounds: atLeast(1), Mode: ClusterWide, Effect: Threads, Doc: "Threads that read and write connections."},
	{Name: "num.partitions", Type: Int, Default: "1", Bounds: atLeast(1), Doc: "Partitions of topics that do not name a count."},
	{Name: "num.recovery.threads.per.data.dir", Type: Int, Default: "2", Bounds: atLeast(1), Mode: ClusterWide, Effect: Threads, Doc: "Threads that recover logs at start."},
	{Name: "num.replica.fetchers", Type: Int, Default: "1", Bounds: atLeast(1), Mode: ClusterWide, Effect: Replication, Doc: "Threads that replicate."},
	{Name: "offset.metadata.max.bytes", Type: Int, Default: "4096", Doc: "The most bytes of metadata with a committed offset."},
	{Name: "offsets.commit.timeout.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Doc: "How long an offset commit may take to become durable."},
	{Name: "offsets.retention.check.interval.ms", Type: Long, Default: "600000", Bounds: atLeast(1), Doc: "How often committed offsets are checked for what expired."},
	{Name: "offsets.retention.minutes", Type: Int, Default: "10080", Bounds: atLeast(1), Doc: "How long the offsets of a group without members are kept."},
	{Name: "offsets.topic.compression.codec", Type: Int, Default: "0", Only: []string{"0"}, Why: "offsets are stored uncompressed; leave it unset", Doc: "Codec of the offsets topic."},
	{Name: "offsets.topic.num.partitions", Type: Int, Default: "50", Bounds: atLeast(1), Doc: "Partitions of the offsets topic, when it is created."},
	{Name: "offsets.topic.replication.factor", Type: Short, Default: "3", Bounds: atLeast(1), Doc: "Replication factor of the offsets topic; at most the number of brokers is used."},
	{Name: "offsets.topic.segment.bytes", Type: Int, Default: "104857600", Bounds: atLeast(1048576), Doc: "segment.bytes of the offsets topic, when it is created."},
	{Name: "producer.id.expiration.ms", Type: Int, Default: "86400000", Bounds: atLeast(1), Mode: ClusterWide, Only: []string{"86400000"}, Why: "the time is part of what a log's replay computes, and fixed; leave it unset", Doc: "How long an idle producer's sequences are remembered."},
	{Name: "queued.max.requests", Type: Int, Default: "500", Bounds: atLeast(1), Effect: Threads, Doc: "Requests that may wait for a thread."},
	{Name: "quota.window.num", Type: Int, Default: "11", Bounds: atLeast(1), Doc: "Windows over which clients' rates are measured, one of which is being filled."},
	{Name: "quota.window.size.seconds", Type: Int, Default: "1", Bounds: atLeast(1), Doc: "Length of such a window."},
	{Name: "replica.alter.log.dirs.io.max.bytes.per.second", Type: Long, Default: maxLong, Bounds: atLeast(0), Mode: ClusterWide, Unlisted: true, Effect: "No effect: a broker has one log directory.", Doc: "Bytes a second at which replicas move between log directories."},
	{Name: "replica.fetch.max.bytes", Type: Int, Default: "1048576", Bounds: atLeast(0), Effect: Replication, Doc: "Bytes a follower fetches for a partition."},
	{Name: "replica.fetch.response.max.bytes", Type: Int, Default: "10485760", Bounds: atLeast(0), Effect: Replication, Doc: "Bytes a follower fetches at once."},
	{Name: "replica.lag.time.max.ms", Type: Long, Default: "30000", Effect: Replication, Doc: "How long a follower may lag and stay in sync."},
	{Name: "replica.selector.class", Type: String, Null: true, Effect: "No effect yet: reads go to the leader.", Doc: "How a replica to read from is chosen."},
	{Name: "replica.socket.receive.buffer.bytes", Type: Int, Default: "65536", Effect: Replication, Doc: "Receive buffer of replication connections."},
	{Name: "request.timeout.ms", Type: Int, Default: "30000", Effect: Replication, Doc: "How long a broker waits for another's answer."},
	{Name: "share.coordinator.snapshot.update.records.per.snapshot", Type: Int, Default: "500", Bounds: between(0, 500), Doc: "How many updates of a share partition are written between two snapshots of it."},
	{Name: "share.coordinator.state.topic.min.isr", Type: Short, Default: "2", Bounds: atLeast(1), Doc: "min.insync.replicas of the share group state topic, when it is created."},
	{Name: "share.coordinator.state.topic.num.partitions", Type: Int, Default: "50", Bounds: atLeast(1), Doc: "Partitions of the share group state topic, when it is created."},
	{Name: "share.coordinator.state.topic.replication.factor", Type: Short, Default: "3", Bounds: atLeast(1), Doc: "Replication factor of the share group state topic; at most the number of brokers is used."},
	{Name: "share.coordinator.state.topic.segment.bytes", Type: Int, Default: "104857600", Bounds: atLeast(1048576), Doc: "segment.bytes of the share group state topic, when it is created."},
	{Name: "share.coordinator.write.timeout.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Doc: "How long a write of share group state may take."},
	{Name: "socket.receive.buffer.bytes", Type: Int, Default: "102400", Bounds: atLeast(-1), Effect: "No effect: the system tunes the buffer.", Doc: "Receive buffer of connections; -1 is the system's default."},
	{Name: "socket.request.max.bytes", Type: Int, Default: "104857600", Bounds: atLeast(1), Doc: "The largest request."},
	{Name: "socket.send.buffer.bytes", Type: Int, Default: "102400", Bounds: atLeast(-1), Effect: "No effect: the system tunes the buffer.", Doc: "Send buffer of connections; -1 is the system's default."},
	{Name: "transaction.max.timeout.ms", Type: Int, Default: "900000", Bounds: atLeast(1), Doc: "The longest transaction timeout a producer may ask for."},
	{Name: "transaction.state.log.min.isr", Type: Int, Default: "2", Bounds: atLeast(1), Doc: "min.insync.replicas of the transaction topic."},
	{Name: "transaction.state.log.num.partitions", Type: Int, Default: "50", Bounds: atLeast(1), Doc: "Partitions of the transaction topic."},
	{Name: "transaction.state.log.replication.factor", Type: Short, Default: "3", Bounds: atLeast(1), Doc: "Replication factor of the transaction topic."},
	{Name: "transactional.id.expiration.ms", Type: Int, Default: "604800000", Bounds: atLeast(1), Doc: "How long an idle transactional id is remembered."},
	{Name: "unclean.leader.election.enable", Type: Boolean, Default: "false", Mode: ClusterWide, Effect: unclean, Doc: "Default of the topic config."},
	{Name: "zookeeper.connection.timeout.ms", Type: Int, Null: true, Unlisted: true, Effect: NoZooKeeper, Doc: "How long connecting to ZooKeeper may take."},
	{Name: "zookeeper.session.timeout.ms", Type: Int, Default: "18000", Unlisted: true, Effect: NoZooKeeper, Doc: "How long ZooKeeper takes a silent broker for alive."},
	{Name: "zookeeper.set.acl", Type: Boolean, Default: "false", Unlisted: true, Effect: NoZooKeeper, Doc: "Whether what is kept in ZooKeeper is open to brokers only."},
	{Name: "weir.validate.compressed", Type: Boolean, Default: "false", Mode: ClusterWide, Doc: "Default of the topic config."},
}
