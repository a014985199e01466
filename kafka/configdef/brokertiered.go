package configdef

// Tiered is the effect of what tunes tiered storage.
const Tiered Effect = "No effect yet: tiered storage is not built."

// remoteBrokerConfigs turn tiered storage on, and say what code it is.
var remoteBrokerConfigs = unset(whyTiered, []Config{
	{Name: "follower.fetch.last.tiered.offset.enable", Type: Boolean, Default: "false", Mode: ClusterWide, Doc: "Whether a new follower begins behind what is tiered."},
	{Name: "remote.log.metadata.manager.class.name", Type: String, Default: "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager", Doc: "What keeps the metadata of tiered segments."},
	{Name: "remote.log.metadata.manager.class.path", Type: String, Null: true, Doc: "Where that code is."},
	{Name: "remote.log.metadata.manager.impl.prefix", Type: String, Default: "rlmm.config.", Doc: "How the names of its own configs begin."},
	{Name: "remote.log.metadata.manager.listener.name", Type: String, Null: true, Doc: "The listener that it uses."},
	{Name: "remote.log.storage.manager.class.name", Type: String, Null: true, Doc: "What keeps tiered segments."},
	{Name: "remote.log.storage.manager.class.path", Type: String, Null: true, Doc: "Where that code is."},
	{Name: "remote.log.storage.manager.impl.prefix", Type: String, Default: "rsm.config.", Doc: "How the names of its own configs begin."},
	{Name: "remote.log.storage.system.enable", Type: Boolean, Default: "false", Doc: "Whether topics can have tiered storage."},
})

// tieredBrokerConfigs tune tiered storage.
var tieredBrokerConfigs = doing(Tiered, []Config{
	{Name: "remote.fetch.max.wait.ms", Type: Int, Default: "500", Bounds: atLeast(1), Mode: ClusterWide, Doc: "How long a fetch waits for tiered data."},
	{Name: "remote.list.offsets.request.timeout.ms", Type: Long, Default: "30000", Bounds: atLeast(1), Mode: ClusterWide, Doc: "How long a look-up of offsets waits for tiered data."},
	{Name: "remote.log.index.file.cache.total.size.bytes", Type: Long, Default: "1073741824", Bounds: atLeast(1), Mode: ClusterWide, Doc: "Bytes of indexes of tiered segments that are kept on the broker."},
	{Name: "remote.log.manager.copier.thread.pool.size", Type: Int, Default: "10", Bounds: atLeast(1), Mode: ClusterWide, Doc: "Threads that copy segments."},
	{Name: "remote.log.manager.copy.max.bytes.per.second", Type: Long, Default: maxLong, Bounds: atLeast(1), Mode: ClusterWide, Doc: "Limit on copying."},
	{Name: "remote.log.manager.copy.quota.window.num", Type: Int, Default: "11", Bounds: atLeast(1), Doc: "Windows over which the rate of copying is measured."},
	{Name: "remote.log.manager.copy.quota.window.size.seconds", Type: Int, Default: "1", Bounds: atLeast(1), Doc: "Length of such a window."},
	{Name: "remote.log.manager.expiration.thread.pool.size", Type: Int, Default: "10", Bounds: atLeast(1), Mode: ClusterWide, Doc: "Threads that delete tiered segments."},
	{Name: "remote.log.manager.fetch.max.bytes.per.second", Type: Long, Default: maxLong, Bounds: atLeast(1), Mode: ClusterWide, Doc: "Limit on reading."},
	{Name: "remote.log.manager.fetch.quota.window.num", Type: Int, Default: "11", Bounds: atLeast(1), Doc: "Windows over which the rate of reading is measured."},
	{Name: "remote.log.manager.fetch.quota.window.size.seconds", Type: Int, Default: "1", Bounds: atLeast(1), Doc: "Length of such a window."},
	{Name: "remote.log.manager.follower.thread.pool.size", Type: Int, Default: "2", Bounds: atLeast(1), Mode: ClusterWide, Doc: "Threads that work for followers of tiered partitions."},
	{Name: "remote.log.manager.task.interval.ms", Type: Long, Default: "30000", Bounds: atLeast(1), Doc: "How often it is looked for what should be copied or deleted."},
	{Name: "remote.log.manager.thread.pool.size", Type: Int, Default: "2", Bounds: atLeast(1), Doc: "Threads that do anything else."},
	{Name: "remote.log.metadata.custom.metadata.max.bytes", Type: Int, Default: "128", Bounds: atLeast(0), Doc: "The most bytes that the keeper of segments may add to the metadata of one."},
	{Name: "remote.log.reader.max.pending.tasks", Type: Int, Default: "100", Bounds: atLeast(1), Doc: "Reads of tiered data that may wait for a thread."},
	{Name: "remote.log.reader.threads", Type: Int, Default: "10", Bounds: atLeast(1), Mode: ClusterWide, Doc: "Threads that read tiered data."},
})
