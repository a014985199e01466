package configdef

// What Weir has instead of parts of Kafka's broker.
const (
	Purgatory   Effect = "No effect: what waits is forgotten as soon as it is answered."
	Peers       Effect = "No effect: brokers ask each other with times of their own."
	OneDir      Effect = "No effect: a broker has one log directory."
	Checkpoints Effect = "No effect: the journal and its checkpoints hold all offsets."
	Loading     Effect = "No effect: logs are read in pieces of Weir's own size."
	Unsampled   Effect = "No effect: metrics are counted without samples, for Prometheus to read."
	Unbuffered  Effect = "No effect: buffers of changes are not kept."
	Unwindowed  Effect = "No effect: the rates are kept evenly, without windows."
	DirFailure  Effect = "No effect: a broker whose log directory fails ends at once."
	Budgets     Effect = "No effect: requests in flight have a bound of their own, see the guide's limits."
	Backlog     Effect = "No effect: the system's bound holds."
)

const (
	whyOneDir  = "a broker has one log directory; leave it unset"
	whyLiteral = "values are taken as they are written; leave it unset"
	whyPlain   = "the state is stored uncompressed; leave it unset"
)

// pluginBrokerConfigs name code that a broker would have to load.
var pluginBrokerConfigs = unset(Custom, []Config{
	{Name: "alter.config.policy.class.name", Type: Class, Null: true, Doc: "What decides whether configs may be changed."},
	{Name: "client.quota.callback.class", Type: Class, Null: true, Doc: "What decides clients' quotas."},
	{Name: "create.topic.policy.class.name", Type: Class, Null: true, Doc: "What decides whether topics may be made."},
	{Name: "kafka.metrics.reporters", Type: List, Default: "", Doc: "What else is told the metrics of the broker's own kind."},
	{Name: "metric.reporters", Type: List, Default: "org.apache.kafka.common.metrics.JmxReporter", Mode: ClusterWide, Doc: "What is told the metrics."},
})

// otherRefusedBrokerConfigs are refused for reasons of their own.
var otherRefusedBrokerConfigs = []Config{
	{Name: "config.providers", Type: List, Default: "", Mode: ClusterWide, Only: []string{}, Why: whyLiteral, Doc: "What values are looked up in that name another place."},
	{Name: "cordoned.log.dirs", Type: List, Default: "", Mode: PerBroker, Only: []string{}, Why: whyOneDir, Doc: "Log directories that get no new partitions."},
	{Name: "share.coordinator.state.topic.compression.codec", Type: Int, Default: "0", Only: []string{"0"}, Why: whyPlain, Doc: "Codec of the share group state topic."},
}

// engineBrokerConfigs tune what works in another way here.
var engineBrokerConfigs = []Config{
	{Name: "add.partitions.to.txn.retry.backoff.max.ms", Type: Int, Default: "100", Bounds: atLeast(0), Effect: Peers, Doc: "How long adding a partition to a transaction is tried again."},
	{Name: "add.partitions.to.txn.retry.backoff.ms", Type: Int, Default: "20", Bounds: atLeast(1), Effect: Peers, Doc: "The pause between such tries."},
	{Name: "alter.log.dirs.replication.quota.window.num", Type: Int, Default: "11", Bounds: atLeast(1), Effect: OneDir, Doc: "Windows over which the rate of moves between directories is measured."},
	{Name: "alter.log.dirs.replication.quota.window.size.seconds", Type: Int, Default: "1", Bounds: atLeast(1), Effect: OneDir, Doc: "Length of such a window."},
	{Name: "delete.records.purgatory.purge.interval.requests", Type: Int, Default: "1", Effect: Purgatory, Doc: "Answered requests to delete records after which those that wait are gone through."},
	{Name: "fetch.purgatory.purge.interval.requests", Type: Int, Default: "1000", Effect: Purgatory, Doc: "Answered fetches after which those that wait are gone through."},
	{Name: "group.coordinator.background.threads", Type: Int, Default: "2", Bounds: atLeast(1), Effect: Threads, Doc: "Threads for slow work of the group coordinator."},
	{Name: "group.coordinator.cached.buffer.max.bytes", Type: Int, Default: "1048588", Bounds: atLeast(524288), Mode: ClusterWide, Effect: Unbuffered, Doc: "The largest buffer that the group coordinator keeps for its next change."},
	{Name: "kafka.metrics.polling.interval.secs", Type: Int, Default: "10", Bounds: atLeast(1), Effect: Unsampled, Doc: "How often reporters of metrics look."},
	{Name: "log.dir.failure.timeout.ms", Type: Long, Default: "30000", Bounds: atLeast(1), Effect: DirFailure, Doc: "How long a broker goes on that cannot tell of a failed directory."},
	{Name: "log.flush.offset.checkpoint.interval.ms", Type: Int, Default: "60000", Bounds: atLeast(0), Effect: Checkpoints, Doc: "How often the place is noted from which a log must be recovered."},
	{Name: "log.flush.start.offset.checkpoint.interval.ms", Type: Int, Default: "60000", Bounds: atLeast(0), Effect: Checkpoints, Doc: "How often log starts are noted."},
	{Name: "metrics.num.samples", Type: Int, Default: "2", Bounds: atLeast(1), Effect: Unsampled, Doc: "Samples that a metric is made of."},
	{Name: "metrics.recording.level", Type: String, Default: "INFO", Effect: Unsampled, Doc: "How many of the metrics are recorded."},
	{Name: "metrics.sample.window.ms", Type: Long, Default: "30000", Bounds: atLeast(1), Effect: Unsampled, Doc: "How long a sample is."},
	{Name: "num.replica.alter.log.dirs.threads", Type: Int, Null: true, Effect: OneDir, Doc: "Threads that move replicas between log directories."},
	{Name: "offsets.load.buffer.size", Type: Int, Default: "5242880", Bounds: atLeast(1), Effect: Loading, Doc: "Bytes of committed offsets that are read at once."},
	{Name: "producer.purgatory.purge.interval.requests", Type: Int, Default: "1000", Effect: Purgatory, Doc: "Answered produce requests after which those that wait are gone through."},
	{Name: "queued.max.request.bytes", Type: Long, Default: "-1", Effect: Budgets, Doc: "Bytes of requests that may wait; -1 is no limit."},
	{Name: "replica.fetch.backoff.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Effect: Replication, Doc: "How long a follower rests after an error."},
	{Name: "replica.fetch.min.bytes", Type: Int, Default: "1", Effect: Replication, Doc: "Bytes that a follower's fetch waits for."},
	{Name: "replica.fetch.wait.max.ms", Type: Int, Default: "500", Effect: Replication, Doc: "How long a follower's fetch waits."},
	{Name: "replica.high.watermark.checkpoint.interval.ms", Type: Long, Default: "5000", Effect: Checkpoints, Doc: "How often high watermarks are noted."},
	{Name: "replica.socket.timeout.ms", Type: Int, Default: "30000", Effect: Peers, Doc: "How long a follower waits for an answer."},
	{Name: "replication.quota.window.num", Type: Int, Default: "11", Bounds: atLeast(1), Effect: Unwindowed, Doc: "Windows over which the rate of throttled replicas is measured."},
	{Name: "replication.quota.window.size.seconds", Type: Int, Default: "1", Bounds: atLeast(1), Effect: Unwindowed, Doc: "Length of such a window."},
	{Name: "share.coordinator.cached.buffer.max.bytes", Type: Int, Default: "1048588", Bounds: atLeast(524288), Mode: ClusterWide, Effect: Unbuffered, Doc: "The largest buffer that the share coordinator keeps for its next change."},
	{Name: "share.coordinator.load.buffer.size", Type: Int, Default: "5242880", Bounds: atLeast(1), Effect: Loading, Doc: "Bytes of share group state that are read at once."},
	{Name: "share.fetch.purgatory.purge.interval.requests", Type: Int, Default: "1000", Effect: Purgatory, Doc: "Answered share fetches after which those that wait are gone through."},
	{Name: "socket.connection.setup.timeout.max.ms", Type: Long, Default: "30000", Effect: Peers, Doc: "How long connecting to another broker may take at most, after several tries."},
	{Name: "socket.connection.setup.timeout.ms", Type: Long, Default: "10000", Effect: Peers, Doc: "How long the first try may take."},
	{Name: "socket.listen.backlog.size", Type: Int, Default: "50", Bounds: atLeast(1), Effect: Backlog, Doc: "Connections that may wait to be accepted."},
	{Name: "transaction.state.log.load.buffer.size", Type: Int, Default: "5242880", Bounds: atLeast(1), Effect: Loading, Doc: "Bytes of the transaction topic that are read at once."},
}
