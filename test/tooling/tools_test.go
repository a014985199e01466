package tooling

// mains are the tools that scripts run, by the names of the distribution's own scripts.
var mains = map[string]string{ //nolint:gochecknoglobals // a table
	"kafka-acls":                      "org.apache.kafka.tools.AclCommand",
	"kafka-broker-api-versions":       "org.apache.kafka.tools.BrokerApiVersionsCommand",
	"kafka-client-metrics":            "org.apache.kafka.tools.ClientMetricsCommand",
	"kafka-cluster":                   "org.apache.kafka.tools.ClusterTool",
	"kafka-configs":                   "kafka.admin.ConfigCommand",
	"kafka-console-consumer":          "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"kafka-console-producer":          "org.apache.kafka.tools.ConsoleProducer",
	"kafka-console-share-consumer":    "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
	"kafka-consumer-groups":           "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"kafka-consumer-perf-test":        "org.apache.kafka.tools.ConsumerPerformance",
	"kafka-delegation-tokens":         "org.apache.kafka.tools.DelegationTokenCommand",
	"kafka-delete-records":            "org.apache.kafka.tools.DeleteRecordsCommand",
	"kafka-e2e-latency":               "org.apache.kafka.tools.EndToEndLatency",
	"kafka-features":                  "org.apache.kafka.tools.FeatureCommand",
	"kafka-get-offsets":               "org.apache.kafka.tools.GetOffsetShell",
	"kafka-groups":                    "org.apache.kafka.tools.GroupsCommand",
	"kafka-leader-election":           "org.apache.kafka.tools.LeaderElectionCommand",
	"kafka-log-dirs":                  "org.apache.kafka.tools.LogDirsCommand",
	"kafka-metadata-quorum":           "org.apache.kafka.tools.MetadataQuorumCommand",
	"kafka-producer-perf-test":        "org.apache.kafka.tools.ProducerPerformance",
	"kafka-reassign-partitions":       "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
	"kafka-replica-verification":      "org.apache.kafka.tools.ReplicaVerificationTool",
	"kafka-share-consumer-perf-test":  "org.apache.kafka.tools.ShareConsumerPerformance",
	"kafka-share-groups":              "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
	"kafka-streams-application-reset": "org.apache.kafka.tools.StreamsResetter",
	"kafka-streams-groups":            "org.apache.kafka.tools.streams.StreamsGroupCommand",
	"kafka-topics":                    "org.apache.kafka.tools.TopicCommand",
	"kafka-transactions":              "org.apache.kafka.tools.TransactionsCommand",
	"kafka-verifiable-consumer":       "org.apache.kafka.tools.VerifiableConsumer",
	"kafka-verifiable-producer":       "org.apache.kafka.tools.VerifiableProducer",
	"kafka-verifiable-share-consumer": "org.apache.kafka.tools.VerifiableShareConsumer",
}

// ownJVM are the tools that end their work in a hook of the JVM's shutdown, so that they need one of their own.
var ownJVM = map[string]bool{"kafka-verifiable-producer": true} //nolint:gochecknoglobals // a table

// notApplicable are the distribution's other scripts, and why there is nothing to run of them against a cluster.
var notApplicable = map[string]string{ //nolint:gochecknoglobals // a table
	"kafka-dump-log":       "reads the files of a broker's log directory, never a broker; Weir's own format has weir dump",
	"kafka-storage":        "formats log directories before a broker starts",
	"kafka-metadata-shell": "reads the files of a metadata log",
	"kafka-jmx":            "speaks JMX to a JVM; Weir has none, and its metrics endpoint has the names",
	"trogdor":              "injects faults into machines through agents of its own",
	"kafka-server-start":   "starts a broker",
	"kafka-server-stop":    "stops a broker's process",
	"kafka-run-class":      "starts a JVM for the others",
	"connect-distributed":  "a worker of Kafka Connect, a client of a cluster: its own issue",
	"connect-standalone":   "a worker of Kafka Connect, a client of a cluster: its own issue",
	"connect-mirror-maker": "a worker of Kafka Connect, a client of a cluster: its own issue",
	"connect-plugin-path":  "reads the files of Connect's plugins",
	"windows":              "the same scripts for another shell",
}

// otherClasses are the main classes of the tools' jar for which there is nothing to run against a cluster, and why.
var otherClasses = map[string]string{ //nolint:gochecknoglobals // a table
	"org.apache.kafka.tools.DumpLogSegments":            "kafka-dump-log: see above",
	"org.apache.kafka.tools.JmxTool":                    "kafka-jmx: see above",
	"org.apache.kafka.tools.ConnectPluginPath":          "connect-plugin-path: see above",
	"org.apache.kafka.tools.OAuthCompatibilityTool":     "speaks to a provider of OAuth tokens; no script ships for it",
	"org.apache.kafka.tools.LogCompactionTester":        "a test of Kafka's own; test/peer has one for compaction",
	"org.apache.kafka.tools.ClientCompatibilityTest":    "a test of Kafka's own; test/matrix has clients of many versions",
	"org.apache.kafka.tools.TransactionalMessageCopier": "a client of Kafka's own system tests",
}
