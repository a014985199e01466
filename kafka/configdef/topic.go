package configdef

const maxLong = "9223372036854775807"

var compressionTypes = []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}

// Why some values are refused, and what to do.
const (
	whyDecompress = "single records of compressed batches have no limit of their own; leave it unset and bound batches with max.message.bytes"
	whyIndex      = "the index has an entry for each 32 KiB of whole batches, whatever the topic; leave it unset"
	whyIndexSize  = "the index of the largest possible segment takes less than 2 MiB, and segments are not closed early for a smaller one; leave it unset, or bound segments with segment.bytes"
	whyTiered     = "tiered storage is not built yet; leave it unset"
	whyShare      = "records that share groups give up are not copied to another topic; leave it unset"
)

// What the engine does where Kafka has segments.
const (
	retentionUnits = "Data go by whole pieces: what one produce request or one commit wrote while it is in the journal, a merged chunk later."
	retentionTime  = "A piece goes within half a minute of its newest record getting too old. " + retentionUnits +
		" Pieces are not merged to span more than a quarter of the time. Timestamps in the future count as the time of appending."
	retentionBytes = "At least so many bytes stay; the oldest piece without which that still holds goes within half a minute. " + retentionUnits
	segmentBytes   = "No stored segment grows larger by merging; nor does any beyond 1 GiB. Retention does not wait for a segment to fill. Data of compacted " +
		"topics leave the journal, where they are not compacted, when there are so many."
	segmentTime = "Retention does not wait for segments to close. On topics with cleanup.policy=delete, no merging makes a piece that spans more than this. " +
		"Data of compacted topics leave the journal, where they are not compacted, after this time at the latest, or after max.compaction.lag.ms."
	segmentJitter = "Each partition takes a share of it, always the same, off segment.ms."
	replicas      = "Holds for any value: an acknowledged record is on stable storage. acks=all is taken for as long as the partition's leader lives, however few replicas are in sync."
	unclean       = "Holds for any value: no leader is ever elected that lacks acknowledged records."
	preallocate   = "Holds for any value: journal files are allocated in full before they are written to, and segments are written once and whole."
	deleteDelay   = "How long a segment that nothing refers to any more stays; bundles, which many topics share, stay for a minute."
	cleanupPolicy = "An empty list keeps everything until DeleteRecords. If it names compact, records without a key are refused."
)

// topicConfigs must be sorted by name.
var topicConfigs = []Config{
	{
		Name: "cleanup.policy", Type: List, Default: "delete", OneOf: []string{"compact", "delete"}, Synonyms: from("log.cleanup.policy"),
		Effect: cleanupPolicy,
		Doc:    "Whether old records are deleted after their retention (delete), superseded ones are compacted away (compact), or both.",
	},
	{
		Name: "compression.gzip.level", Type: Int, Default: "-1", Bounds: betweenOr(1, 9, -1), Synonyms: from("compression.gzip.level"),
		Doc: "Level for compression.type=gzip; -1 is the codec's default.",
	},
	{
		Name: "compression.lz4.level", Type: Int, Default: "9", Bounds: between(1, 17), Synonyms: from("compression.lz4.level"),
		Effect: "9, the default, stands for the fast compressor, as in Kafka. The codec has nine levels; more count as the highest.",
		Doc:    "Level for compression.type=lz4.",
	},
	{
		Name: "compression.type", Type: String, Default: "producer", OneOf: compressionTypes, Synonyms: from("compression.type"),
		Effect: "Batches that have another codec are decompressed, checked and compressed anew; of those that have it already nothing is looked into, unless weir.validate.compressed is set.",
		Doc:    "The codec that batches are stored with; producer keeps what was sent.",
	},
	{
		Name: "compression.zstd.level", Type: Int, Default: "3", Bounds: between(-131072, 22), Synonyms: from("compression.zstd.level"),
		Effect: "The codec has four levels; the nearest is taken.",
		Doc:    "Level for compression.type=zstd.",
	},
	{
		Name: "delete.retention.ms", Type: Long, Default: "86400000", Bounds: atLeast(0), Synonyms: from("log.cleaner.delete.retention.ms"),
		Doc: "How long a compacted topic keeps tombstones, so that readers see them.",
	},
	{
		Name: "errors.deadletterqueue.group.enable", Type: Boolean, Default: "false", Only: []string{"false"}, Why: whyShare,
		Doc: "Whether share groups may write records that they cannot deliver to this topic.",
	},
	{
		Name: "file.delete.delay.ms", Type: Long, Default: "60000", Bounds: atLeast(0), Synonyms: from("log.segment.delete.delay.ms"),
		Effect: deleteDelay,
		Doc:    "How long a file is kept after it was deleted from the log.",
	},
	{
		Name: "flush.messages", Type: Long, Default: maxLong, Bounds: atLeast(1), Synonyms: from("log.flush.interval.messages"),
		Effect: Flushed,
		Doc:    "Records after which the log is forced to disk.",
	},
	{
		Name: "flush.ms", Type: Long, Default: maxLong, Bounds: atLeast(0), Synonyms: from("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
		Effect: Flushed,
		Doc:    "Time after which the log is forced to disk.",
	},
	{
		Name: "follower.replication.throttled.replicas", Type: List, Default: "",
		Doc: "Replicas whose replication is throttled on the follower's side: partition:broker pairs, or *.",
	},
	{
		Name: "index.interval.bytes", Type: Int, Default: "4096", Bounds: atLeast(0), Synonyms: from("log.index.interval.bytes"),
		Only: []string{"4096"}, Why: whyIndex,
		Doc: "Bytes between two entries of the offset index.",
	},
	{
		Name: "leader.replication.throttled.replicas", Type: List, Default: "",
		Doc: "Replicas whose replication is throttled on the leader's side: partition:broker pairs, or *.",
	},
	{
		Name: "local.retention.bytes", Type: Long, Default: "-2", Bounds: atLeast(-2), Synonyms: from("log.local.retention.bytes"),
		Only: []string{"-2"}, Why: whyTiered,
		Doc: "Bytes of a tiered partition that stay on the broker; -2 means retention.bytes.",
	},
	{
		Name: "local.retention.ms", Type: Long, Default: "-2", Bounds: atLeast(-2), Synonyms: from("log.local.retention.ms"),
		Only: []string{"-2"}, Why: whyTiered,
		Doc: "Time that records of a tiered partition stay on the broker; -2 means retention.ms.",
	},
	{
		Name: "max.compaction.lag.ms", Type: Long, Default: maxLong, Bounds: atLeast(1), Synonyms: from("log.cleaner.max.compaction.lag.ms"),
		Doc: "The longest time a record stays out of compaction.",
	},
	{
		Name: "max.decompressed.message.bytes", Type: Int, Default: "2147483639", Bounds: between(1, 2147483639),
		Synonyms: from("max.decompressed.message.bytes"), Only: []string{"2147483639"}, Why: whyDecompress,
		Doc: "The largest record, decompressed, that the topic accepts.",
	},
	{
		Name: "max.message.bytes", Type: Int, Default: "1048588", Bounds: atLeast(0), Synonyms: from("message.max.bytes"),
		Doc: "The largest record batch, compressed, that the topic accepts.",
	},
	{
		Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000", Bounds: atLeast(0),
		Synonyms: from("log.message.timestamp.after.max.ms", "log.message.timestamp.difference.max.ms"), Doc: "How far a record's timestamp may lie in the future (CreateTime only).",
	},
	{
		Name: "message.timestamp.before.max.ms", Type: Long, Default: maxLong, Bounds: atLeast(0),
		Synonyms: from("log.message.timestamp.before.max.ms", "log.message.timestamp.difference.max.ms"), Doc: "How far a record's timestamp may lie in the past (CreateTime only).",
	},
	{
		Name: "message.timestamp.type", Type: String, Default: "CreateTime", OneOf: []string{"CreateTime", "LogAppendTime"},
		Synonyms: from("log.message.timestamp.type"), Doc: "Whether records keep the producer's timestamps or get the broker's.",
	},
	{
		Name: "min.cleanable.dirty.ratio", Type: Double, Default: "0.5", Bounds: between(0, 1), Synonyms: from("log.cleaner.min.cleanable.ratio"),
		Doc: "Share of the log that must be uncompacted before it is compacted.",
	},
	{
		Name: "min.compaction.lag.ms", Type: Long, Default: "0", Bounds: atLeast(0), Synonyms: from("log.cleaner.min.compaction.lag.ms"),
		Doc: "How long a record stays out of compaction.",
	},
	{
		Name: "min.insync.replicas", Type: Int, Default: "1", Bounds: atLeast(1), Synonyms: from("min.insync.replicas"),
		Effect: replicas,
		Doc:    "Replicas that must have a record before acks=all is answered.",
	},
	{
		Name: "preallocate", Type: Boolean, Default: "false", Synonyms: from("log.preallocate"),
		Effect: preallocate,
		Doc:    "Whether a segment's file is allocated in full when it is created.",
	},
	{
		Name: "remote.copy.lag.bytes", Type: Long, Default: "-1", Bounds: atLeast(-1), Synonyms: from("log.remote.copy.lag.bytes"),
		Only: []string{"-1"}, Why: whyTiered,
		Doc: "Newer bytes that a tiered segment waits for before it is copied to remote storage; -1 means local.retention.bytes.",
	},
	{
		Name: "remote.copy.lag.ms", Type: Long, Default: "0", Bounds: atLeast(-1), Synonyms: from("log.remote.copy.lag.ms"),
		Only: []string{"0"}, Why: whyTiered,
		Doc: "Time that a tiered segment waits before it is copied to remote storage; -1 means local.retention.ms.",
	},
	{
		Name: "remote.log.copy.disable", Type: Boolean, Default: "false",
		Only: []string{"false"}, Why: whyTiered,
		Doc: "Whether a tiered topic stops copying to remote storage.",
	},
	{
		Name: "remote.log.delete.on.disable", Type: Boolean, Default: "false",
		Only: []string{"false"}, Why: whyTiered,
		Doc: "Whether the remote data is deleted when tiered storage is turned off for the topic.",
	},
	{
		Name: "remote.storage.enable", Type: Boolean, Default: "false",
		Only: []string{"false"}, Why: whyTiered,
		Doc: "Whether the topic's older data moves to tiered storage.",
	},
	{
		Name: "retention.bytes", Type: Long, Default: "-1", Synonyms: from("log.retention.bytes"),
		Effect: retentionBytes,
		Doc:    "Bytes a partition keeps before the oldest are deleted; -1 is no limit.",
	},
	{
		Name: "retention.ms", Type: Long, Default: "604800000", Bounds: atLeast(-1), Synonyms: join(from("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")),
		Effect: retentionTime,
		Doc:    "Time a record is kept; -1 is for ever.",
	},
	{
		Name: "segment.bytes", Type: Int, Default: "1073741824", Bounds: atLeast(1048576), Synonyms: from("log.segment.bytes"),
		Effect: segmentBytes,
		Doc:    "The largest size of a segment.",
	},
	{
		Name: "segment.index.bytes", Type: Int, Default: "10485760", Bounds: atLeast(4), Synonyms: from("log.index.size.max.bytes"),
		Within: atLeast(2 << 20), Why: whyIndexSize,
		Doc: "Size of a segment's index.",
	},
	{
		Name: "segment.jitter.ms", Type: Long, Default: "0", Bounds: atLeast(0), Synonyms: join(from("log.roll.jitter.ms"), hours("log.roll.jitter.hours")),
		Effect: segmentJitter,
		Doc:    "Largest random time taken off segment.ms.",
	},
	{
		Name: "segment.ms", Type: Long, Default: "604800000", Bounds: atLeast(1), Synonyms: join(from("log.roll.ms"), hours("log.roll.hours")),
		Effect: segmentTime,
		Doc:    "Time after which a segment is closed even if it is not full.",
	},
	{
		Name: "unclean.leader.election.enable", Type: Boolean, Default: "false", Synonyms: from("unclean.leader.election.enable"),
		Effect: unclean,
		Doc:    "Whether a replica that is not in sync may become leader, losing records.",
	},
	{
		Name: "weir.validate.compressed", Type: Boolean, Default: "false", Synonyms: from("weir.validate.compressed"),
		Effect: "Weir's own. Without it the records of compressed batches are stored as they were sent, which costs a tenth to a twentieth of the time.",
		Doc:    "Whether compressed batches are decompressed when they are produced, and refused if their records are not what their header says.",
	},
}
