package configdef

// What there is instead of Kafka's controllers.
const (
	Quorum  Effect = "No effect: metadata are kept in etcd, without controllers among the brokers."
	Session Effect = "No effect: a broker's session is a lease of metadata whose time is fixed."
)

const (
	whyNode   = "a broker is told by its node; leave it unset"
	whyVoters = "there are no controllers among the brokers; leave it unset"
)

// nodeBrokerConfigs are what the node tells a broker. Whatever else they were set to would not hold.
var nodeBrokerConfigs = unset(whyNode, []Config{
	{Name: "log.dir", Type: List, Default: "/tmp/kafka-logs", Doc: "The log directory, if log.dirs is not set."},
	{Name: "log.dirs", Type: List, Null: true, Doc: "The log directories; a broker has one."},
	{Name: "metadata.log.dir", Type: String, Null: true, Doc: "Where the log of metadata is; the first log directory if not set."},
	{Name: "node.id", Type: Int, Null: true, Bounds: atLeast(0), Doc: "The broker's number."},
	{Name: "process.roles", Type: List, Null: true, Doc: "What the process is: brokers are nothing else."},
})

// voterBrokerConfigs say where controllers are.
var voterBrokerConfigs = unset(whyVoters, []Config{
	{Name: "controller.listener.names", Type: List, Null: true, Doc: "The listeners of controllers."},
	{Name: "controller.quorum.auto.join.enable", Type: Boolean, Default: "false", Doc: "Whether a new controller joins the quorum by itself."},
	{Name: "controller.quorum.bootstrap.servers", Type: List, Default: "", Doc: "Addresses at which the quorum is found."},
	{Name: "controller.quorum.voters", Type: List, Default: "", Doc: "The members of a quorum that does not change."},
	{Name: "early.start.listeners", Type: List, Null: true, Doc: "Listeners that open before authorization is ready."},
})

// quorumBrokerConfigs tune the quorum and the log of metadata.
var quorumBrokerConfigs = doing(Quorum, []Config{
	{Name: "broker.heartbeat.interval.ms", Type: Int, Default: "2000", Effect: Session, Doc: "How often a broker tells the controller that it lives."},
	{Name: "broker.session.timeout.ms", Type: Int, Default: "9000", Effect: Session, Doc: "How long a broker may be silent before it counts as dead."},
	{Name: "controller.quorum.append.linger.ms", Type: Int, Default: "25", Bounds: atLeast(0), Doc: "How long appends to the log of metadata are gathered."},
	{Name: "controller.quorum.election.backoff.max.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Doc: "The longest pause between elections of a controller."},
	{Name: "controller.quorum.election.timeout.ms", Type: Int, Default: "1000", Bounds: atLeast(0), Doc: "How long an election of a controller may take."},
	{Name: "controller.quorum.fetch.max.bytes", Type: Int, Default: "1048576", Bounds: atLeast(1), Doc: "The most bytes of metadata in an answer of the leader."},
	{Name: "controller.quorum.fetch.snapshot.max.bytes", Type: Int, Default: "1048576", Bounds: atLeast(1), Doc: "The most bytes of a snapshot of metadata in an answer."},
	{Name: "controller.quorum.fetch.timeout.ms", Type: Int, Default: "2000", Bounds: atLeast(0), Doc: "How long a member of the quorum waits for its leader before it asks for an election."},
	{Name: "controller.quorum.request.timeout.ms", Type: Int, Default: "2000", Bounds: atLeast(0), Doc: "How long members of the quorum wait for each other's answers."},
	{Name: "controller.quorum.retry.backoff.ms", Type: Int, Default: "20", Bounds: atLeast(0), Doc: "How long they wait before they ask again."},
	{Name: "controller.socket.timeout.ms", Type: Int, Default: "30000", Doc: "How long brokers wait for an answer of the controller."},
	{Name: "initial.broker.registration.timeout.ms", Type: Int, Default: "60000", Effect: Session, Doc: "How long the first registration of a broker may take."},
	{Name: "metadata.log.max.record.bytes.between.snapshots", Type: Long, Default: "20971520", Bounds: atLeast(1), Doc: "Bytes of metadata after which a snapshot is written."},
	{Name: "metadata.log.max.snapshot.interval.ms", Type: Long, Default: "3600000", Bounds: atLeast(0), Doc: "Time after which a snapshot is written."},
	{Name: "metadata.log.segment.bytes", Type: Int, Default: "1073741824", Bounds: atLeast(8388608), Doc: "The largest size of a segment of the log of metadata."},
	{Name: "metadata.log.segment.ms", Type: Long, Default: "604800000", Doc: "Time after which such a segment is closed."},
	{Name: "metadata.max.idle.interval.ms", Type: Int, Default: "500", Bounds: atLeast(0), Doc: "How often the log of metadata gets a record when nothing else happens."},
	{Name: "metadata.max.retention.bytes", Type: Long, Default: "104857600", Doc: "The size from which metadata that a snapshot has are deleted."},
	{Name: "metadata.max.retention.ms", Type: Long, Default: "604800000", Doc: "The age from which they are."},
})
