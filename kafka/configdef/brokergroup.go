package configdef

// What the coordinators do with their configs so far. Whoever builds one changes its rows.
const (
	AssignmentInterval = "An upper bound of at most 100 ms: assignments of a group are that far apart, or this if it is less."
	AtStart            = "What server.properties said when the broker started; a dynamic value is kept and shown."
	StreamsDelay       = "An upper bound of at most 250 ms: the first tasks are given out when no more members came for 50 ms, or after this if it is less."
	StreamsTags        = "Members that lack a tag are told so; the assignor sticky of Apache Kafka 4.4 does not look at tags, and neither does Weir's."
	DeadLetters        = "No effect yet: records that were given up are not copied to another topic."
	Batching           = "No effect: changes are gathered while the last commit is in flight, as all appends are."
	Custom             = "a broker runs no code of yours; leave it unset"
)

// groupBrokerConfigs are broker configs of the group coordinator: the defaults of groups, and what groups may set themselves.
var groupBrokerConfigs = []Config{
	{Name: "group.consumer.assignment.interval.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Mode: ClusterWide, AtStart: true, Effect: AssignmentInterval + " " + AtStart, Doc: "Default of the group config consumer.assignment.interval.ms."},
	{Name: "group.consumer.assignors", Type: List, Default: "uniform,range", OneOf: []string{"uniform", "range"}, Doc: "The assignors that members may ask for; the first is the default."},
	{Name: "group.consumer.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Effect: "An upper bound: with few members on a broker, and while a group rebalances, members are told to come sooner.", Doc: "Default of the group config consumer.heartbeat.interval.ms."},
	{Name: "group.consumer.max.assignment.interval.ms", Type: Int, Default: "15000", Bounds: atLeast(0), Effect: AssignmentInterval, Doc: "The most that groups may set."},
	{Name: "group.consumer.max.heartbeat.interval.ms", Type: Int, Default: "15000", Bounds: atLeast(1), Doc: "The most that groups may set."},
	{Name: "group.consumer.max.session.timeout.ms", Type: Int, Default: "60000", Bounds: atLeast(1), Doc: "The most that groups may set."},
	{Name: "group.consumer.max.size", Type: Int, Default: "2147483647", Bounds: atLeast(1), Doc: "The most members a group of KIP-848 may have."},
	{Name: "group.consumer.migration.policy", Type: String, Default: "bidirectional", OneOf: []string{"bidirectional", "upgrade", "downgrade", "disabled"}, Doc: "Whether a group with members may change between the classic protocol and that of KIP-848."},
	{Name: "group.consumer.min.assignment.interval.ms", Type: Int, Default: "0", Bounds: atLeast(0), Effect: AssignmentInterval, Doc: "The least that groups may set."},
	{Name: "group.consumer.min.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Doc: "The least that groups may set."},
	{Name: "group.consumer.min.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Doc: "The least that groups may set."},
	{Name: "group.consumer.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Doc: "Default of the group config consumer.session.timeout.ms."},
	{Name: "group.coordinator.append.linger.ms", Type: Int, Default: "-1", Bounds: atLeast(-1), Effect: Batching, Doc: "How long changes of groups are gathered before they are written."},
	{Name: "group.coordinator.rebalance.protocols", Type: List, Default: "classic,consumer,streams", OneOf: []string{"classic", "consumer", "share", "streams"}, Effect: "No effect: all are served.", Doc: "The protocols of groups that are enabled."},
	{Name: "group.coordinator.threads", Type: Int, Default: "4", Bounds: atLeast(1), Effect: Threads, Doc: "Threads of the group coordinator."},
}

// shareBrokerConfigs are broker configs of share groups and their coordinator.
var shareBrokerConfigs = []Config{
	{Name: "errors.deadletterqueue.auto.create.topics.enable", Type: Boolean, Default: "false", Mode: ClusterWide, Effect: DeadLetters, Doc: "Whether the topic of given-up records is created."},
	{Name: "errors.deadletterqueue.topic.name.prefix", Type: String, Default: "dlq.", Mode: ClusterWide, Effect: DeadLetters, Doc: "How the names of topics of given-up records begin."},
	{Name: "group.share.assignment.interval.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Mode: ClusterWide, Effect: AssignmentInterval, Doc: "Default of the group config share.assignment.interval.ms."},
	{Name: "group.share.max.assignment.interval.ms", Type: Int, Default: "15000", Bounds: atLeast(0), Effect: AssignmentInterval, Doc: "The most that groups may set."},
	{Name: "group.share.min.assignment.interval.ms", Type: Int, Default: "0", Bounds: atLeast(0), Effect: AssignmentInterval, Doc: "The least that groups may set."},
	{Name: "share.coordinator.append.linger.ms", Type: Int, Default: "-1", Bounds: atLeast(-1), Effect: Batching, Doc: "How long changes of share groups are gathered before they are written."},
	{Name: "share.coordinator.threads", Type: Int, Default: "1", Bounds: atLeast(1), Effect: Threads, Doc: "Threads of the share coordinator."},
}

// streamsBrokerConfigs are broker configs of streams groups.
var streamsBrokerConfigs = []Config{
	{Name: "group.streams.assignment.interval.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Mode: ClusterWide, AtStart: true, Effect: AtStart + " What a group sets itself counts at once.", Doc: "Default of the group config streams.assignment.interval.ms."},
	{Name: "group.streams.assignors", Type: List, Default: "sticky", Only: []string{"sticky"}, Why: Custom, Doc: "The assignors that streams groups may name; the first is the default."},
	{Name: "group.streams.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Effect: "An upper bound: with few members on a broker, and while a group rebalances, members are told to come sooner.", Doc: "Default of the group config streams.heartbeat.interval.ms."},
	{Name: "group.streams.initial.rebalance.delay.ms", Type: Int, Default: "3000", Bounds: atLeast(0), Effect: StreamsDelay, Doc: "Default of the group config streams.initial.rebalance.delay.ms."},
	{Name: "group.streams.max.assignment.interval.ms", Type: Int, Default: "15000", Bounds: atLeast(0), Doc: "The most that groups may set."},
	{Name: "group.streams.max.heartbeat.interval.ms", Type: Int, Default: "15000", Bounds: atLeast(1), Doc: "The most that groups may set."},
	{Name: "group.streams.max.session.timeout.ms", Type: Int, Default: "60000", Bounds: atLeast(1), Doc: "The most that groups may set."},
	{Name: "group.streams.max.size", Type: Int, Default: "2147483647", Bounds: atLeast(1), Doc: "The most members a streams group may have."},
	{Name: "group.streams.max.standby.replicas", Type: Int, Default: "2", Bounds: atLeast(0), Doc: "The most that groups may set."},
	{Name: "group.streams.min.assignment.interval.ms", Type: Int, Default: "0", Bounds: atLeast(0), Doc: "The least that groups may set."},
	{Name: "group.streams.min.heartbeat.interval.ms", Type: Int, Default: "5000", Bounds: atLeast(1), Doc: "The least that groups may set."},
	{Name: "group.streams.min.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Doc: "The least that groups may set."},
	{Name: "group.streams.num.standby.replicas", Type: Int, Default: "0", Bounds: atLeast(0), Doc: "Default of the group config streams.num.standby.replicas."},
	{Name: "group.streams.rack.aware.assignment.tags", Type: List, Default: "", Effect: StreamsTags, Doc: "Default of the group config streams.rack.aware.assignment.tags."},
	{Name: "group.streams.session.timeout.ms", Type: Int, Default: "45000", Bounds: atLeast(1), Doc: "Default of the group config streams.session.timeout.ms."},
	{Name: "group.streams.topology.description.plugin.class", Type: Class, Null: true, Only: []string{}, Why: Custom, Doc: "What keeps the descriptions of topologies."},
}

// transactionBrokerConfigs are broker configs of the transaction coordinator, beside those in broker.go.
var transactionBrokerConfigs = []Config{
	{Name: "transaction.abort.timed.out.transaction.cleanup.interval.ms", Type: Int, Default: "10000", Bounds: atLeast(1), Effect: "No effect: a transaction is aborted when its time is up.", Doc: "How often transactions are looked for that timed out."},
	{Name: "transaction.partition.verification.enable", Type: Boolean, Default: "true", Mode: ClusterWide, Effect: "No effect: transactions are always verified.", Doc: "Whether a transactional batch is appended only after its coordinator said that the partition is part of the transaction (KIP-890)."},
	{Name: "transaction.remove.expired.transaction.cleanup.interval.ms", Type: Int, Default: "3600000", Bounds: atLeast(1), Doc: "How often transactional ids are looked for that expired."},
	{Name: "transaction.state.log.segment.bytes", Type: Int, Default: "104857600", Bounds: atLeast(1), Doc: "segment.bytes of the transaction topic, when it is created."},
	{Name: "transaction.two.phase.commit.enable", Type: Boolean, Default: "false", Only: []string{"false"}, Why: "two-phase commit is not built; leave it unset", Doc: "Whether producers may take part in transactions that another system coordinates (KIP-939)."},
}

// clientBrokerConfigs are broker configs of what clients tell of themselves.
var clientBrokerConfigs = []Config{
	{Name: "telemetry.max.bytes", Type: Int, Default: "1048576", Bounds: atLeast(1), Doc: "The most bytes of metrics that a client may push at once, as they are sent."},
}
