package configdef

const maxLong = "9223372036854775807"

const cleanup Effect = "Stored; takes effect with retention and compaction, which are not built yet. Records without a key are refused already if it names compact."

var compressionTypes = []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}

// topicConfigs must be sorted by name.
var topicConfigs = []Config{
	{
		Name: "cleanup.policy", Type: List, Default: "delete", OneOf: []string{"compact", "delete"}, Synonyms: from("log.cleanup.policy"),
		Effect: cleanup, Doc: "Whether old records are deleted after their retention (delete), superseded ones are compacted away (compact), or both.",
	},
	{
		Name: "compression.gzip.level", Type: Int, Default: "-1", Bounds: betweenOr(1, 9, -1), Synonyms: from("compression.gzip.level"),
		Effect: Always + " Batches keep the producer's compression.", Doc: "Level for compression.type=gzip; -1 is the codec's default.",
	},
	{
		Name: "compression.lz4.level", Type: Int, Default: "9", Bounds: between(1, 17), Synonyms: from("compression.lz4.level"),
		Effect: Always + " Batches keep the producer's compression.", Doc: "Level for compression.type=lz4.",
	},
	{
		Name: "compression.type", Type: String, Default: "producer", OneOf: compressionTypes, Only: []string{"producer"},
		Why: "Weir keeps batches as the producer compressed them and does not recompress", Synonyms: from("compression.type"),
		Doc: "The codec that batches are stored with; producer keeps what was sent.",
	},
	{
		Name: "compression.zstd.level", Type: Int, Default: "3", Bounds: between(-131072, 22), Synonyms: from("compression.zstd.level"),
		Effect: Always + " Batches keep the producer's compression.", Doc: "Level for compression.type=zstd.",
	},
	{
		Name: "delete.retention.ms", Type: Long, Default: "86400000", Bounds: atLeast(0), Synonyms: from("log.cleaner.delete.retention.ms"),
		Effect: Compaction, Doc: "How long a compacted topic keeps tombstones, so that readers see them.",
	},
	{
		Name: "file.delete.delay.ms", Type: Long, Default: "60000", Bounds: atLeast(0), Synonyms: from("log.segment.delete.delay.ms"),
		Effect: Storage, Doc: "How long a file is kept after it was deleted from the log.",
	},
	{
		Name: "flush.messages", Type: Long, Default: maxLong, Bounds: atLeast(1), Synonyms: from("log.flush.interval.messages"),
		Effect: Always + " Every acknowledged record is on stable storage.", Doc: "Records after which the log is forced to disk.",
	},
	{
		Name: "flush.ms", Type: Long, Default: maxLong, Bounds: atLeast(0), Synonyms: from("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
		Effect: Always + " Every acknowledged record is on stable storage.", Doc: "Time after which the log is forced to disk.",
	},
	{
		Name: "follower.replication.throttled.replicas", Type: List, Default: "", Effect: Replication,
		Doc: "Replicas whose replication is throttled on the follower's side: partition:broker pairs, or *.",
	},
	{
		Name: "index.interval.bytes", Type: Int, Default: "4096", Bounds: atLeast(0), Synonyms: from("log.index.interval.bytes"),
		Effect: Storage, Doc: "Bytes between two entries of the offset index.",
	},
	{
		Name: "leader.replication.throttled.replicas", Type: List, Default: "", Effect: Replication,
		Doc: "Replicas whose replication is throttled on the leader's side: partition:broker pairs, or *.",
	},
	{
		Name: "local.retention.bytes", Type: Long, Default: "-2", Bounds: atLeast(-2), Synonyms: from("log.local.retention.bytes"),
		Effect: Tiering, Doc: "Bytes of a tiered partition that stay on the broker; -2 means retention.bytes.",
	},
	{
		Name: "local.retention.ms", Type: Long, Default: "-2", Bounds: atLeast(-2), Synonyms: from("log.local.retention.ms"),
		Effect: Tiering, Doc: "Time that records of a tiered partition stay on the broker; -2 means retention.ms.",
	},
	{
		Name: "max.compaction.lag.ms", Type: Long, Default: maxLong, Bounds: atLeast(1), Synonyms: from("log.cleaner.max.compaction.lag.ms"),
		Effect: Compaction, Doc: "The longest time a record stays out of compaction.",
	},
	{
		Name: "max.message.bytes", Type: Int, Default: "1048588", Bounds: atLeast(0), Synonyms: from("message.max.bytes"),
		Doc: "The largest record batch, compressed, that the topic accepts.",
	},
	{
		Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000", Bounds: atLeast(0),
		Synonyms: from("log.message.timestamp.after.max.ms"), Doc: "How far a record's timestamp may lie in the future (CreateTime only).",
	},
	{
		Name: "message.timestamp.before.max.ms", Type: Long, Default: maxLong, Bounds: atLeast(0),
		Synonyms: from("log.message.timestamp.before.max.ms"), Doc: "How far a record's timestamp may lie in the past (CreateTime only).",
	},
	{
		Name: "message.timestamp.type", Type: String, Default: "CreateTime", OneOf: []string{"CreateTime", "LogAppendTime"},
		Synonyms: from("log.message.timestamp.type"), Doc: "Whether records keep the producer's timestamps or get the broker's.",
	},
	{
		Name: "min.cleanable.dirty.ratio", Type: Double, Default: "0.5", Bounds: between(0, 1), Synonyms: from("log.cleaner.min.cleanable.ratio"),
		Effect: Compaction, Doc: "Share of the log that must be uncompacted before it is compacted.",
	},
	{
		Name: "min.compaction.lag.ms", Type: Long, Default: "0", Bounds: atLeast(0), Synonyms: from("log.cleaner.min.compaction.lag.ms"),
		Effect: Compaction, Doc: "How long a record stays out of compaction.",
	},
	{
		Name: "min.insync.replicas", Type: Int, Default: "1", Bounds: atLeast(1), Synonyms: from("min.insync.replicas"),
		Effect: Always + " An acknowledged record is on stable storage, and all replicas count as in sync.",
		Doc:    "Replicas that must have a record before acks=all is answered.",
	},
	{
		Name: "preallocate", Type: Boolean, Default: "false", Synonyms: from("log.preallocate"), Effect: Storage,
		Doc: "Whether a segment's file is allocated in full when it is created.",
	},
	{
		Name: "remote.log.copy.disable", Type: Boolean, Default: "false", Effect: Tiering,
		Doc: "Whether a tiered topic stops copying to remote storage.",
	},
	{
		Name: "remote.log.delete.on.disable", Type: Boolean, Default: "false", Effect: Tiering,
		Doc: "Whether the remote data is deleted when tiered storage is turned off for the topic.",
	},
	{
		Name: "remote.storage.enable", Type: Boolean, Default: "false", Only: []string{"false"}, Why: "tiered storage is not built yet",
		Doc: "Whether the topic's older data moves to tiered storage.",
	},
	{
		Name: "retention.bytes", Type: Long, Default: "-1", Synonyms: from("log.retention.bytes"), Effect: Retention,
		Doc: "Bytes a partition keeps before the oldest are deleted; -1 is no limit.",
	},
	{
		Name: "retention.ms", Type: Long, Default: "604800000", Bounds: atLeast(-1), Effect: Retention,
		Synonyms: join(from("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")),
		Doc:      "Time a record is kept; -1 is for ever.",
	},
	{
		Name: "segment.bytes", Type: Int, Default: "1073741824", Bounds: atLeast(1048576), Synonyms: from("log.segment.bytes"),
		Effect: Retention, Doc: "Size of a segment: what retention and compaction work on.",
	},
	{
		Name: "segment.index.bytes", Type: Int, Default: "10485760", Bounds: atLeast(4), Synonyms: from("log.index.size.max.bytes"),
		Effect: Storage, Doc: "Size of a segment's index.",
	},
	{
		Name: "segment.jitter.ms", Type: Long, Default: "0", Bounds: atLeast(0), Effect: Retention,
		Synonyms: join(from("log.roll.jitter.ms"), hours("log.roll.jitter.hours")), Doc: "Largest random time taken off segment.ms.",
	},
	{
		Name: "segment.ms", Type: Long, Default: "604800000", Bounds: atLeast(1), Effect: Retention,
		Synonyms: join(from("log.roll.ms"), hours("log.roll.hours")), Doc: "Time after which a segment is closed even if it is not full.",
	},
	{
		Name: "unclean.leader.election.enable", Type: Boolean, Default: "false", Synonyms: from("unclean.leader.election.enable"),
		Effect: Replication, Doc: "Whether a replica that is not in sync may become leader, losing records.",
	},
}
