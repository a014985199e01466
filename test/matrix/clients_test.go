package matrix

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"weir/test/cluster"
)

// A client is a column of the matrix.
type client struct {
	name    string
	library string // what it is, by its name in its registry
	command func(t *testing.T) (env, argv []string)
	lacks   map[string]string // feature -> why the client cannot
}

// lacks puts one reason behind several features.
func lacks(pairs ...any) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		for _, f := range pairs[i+1].([]string) {
			m[f] = pairs[i].(string)
		}
	}
	return m
}

var (
	serverGroups = []string{"kip848", "kip848-regex"}
	share        = []string{"share"}
	transactions = []string{"txn-commit", "txn-abort", "txn-fencing", "txn-offsets"}
)

// clients are all columns.
func clients() []client {
	return []client{
		{
			name: "java-2.8", library: "Java, org.apache.kafka:kafka-clients", command: javaProgram("kafka-clients-2.8"),
			lacks: lacks("older than KIP-848", serverGroups, "older than share groups", share),
		},
		{
			name: "java-3.9", library: "Java, org.apache.kafka:kafka-clients", command: javaProgram("kafka-clients-3.9"),
			lacks: lacks("its KIP-848 has no patterns for the broker yet", []string{"kip848-regex"}, "older than share groups", share),
		},
		{name: "java-4.4", library: "Java, org.apache.kafka:kafka-clients", command: javaProgram("kafka-clients-4.4")},
		{name: "franz-go", library: "Go, github.com/twmb/franz-go", command: goProgram("franzgo")},
		{
			name: "sarama", library: "Go, github.com/IBM/sarama", command: goProgram("sarama"),
			lacks: lacks("the classic group protocol only", serverGroups, "no share groups", share),
		},
		{
			name: "kafka-go", library: "Go, github.com/segmentio/kafka-go", command: goProgram("kafkago"),
			lacks: lacks("its Writer is neither idempotent nor transactional", append([]string{"idempotent"}, transactions...),
				"no cooperative assignor", []string{"cooperative"}, "no group.instance.id for its consumers", []string{"static"},
				"the classic group protocol only", serverGroups, "no share groups", share, "no DeleteRecords", []string{"admin-records"}),
		},
		{
			name: "librdkafka-go", library: "Go binding of librdkafka, github.com/confluentinc/confluent-kafka-go", command: goProgram("librdkafka"),
			lacks: lacks("no share groups in this version", share),
		},
		{name: "librdkafka-python", library: "Python wheel of librdkafka, confluent-kafka", command: pythonProgram("librdkafka.py")},
		{
			name: "kafka-python", library: "Python, kafka-python", command: pythonProgram("kafka_python.py"),
			lacks: lacks("the classic group protocol only", serverGroups, "no share groups", share),
		},
		{
			name: "aiokafka", library: "Python, aiokafka", command: pythonProgram("aio_kafka.py"),
			lacks: lacks("no cooperative assignor", []string{"cooperative"}, "the classic group protocol only", serverGroups,
				"no share groups", share, "no DeleteGroups", []string{"admin-groups"}),
		},
		{
			name: "kafkajs", library: "Node.js, kafkajs", command: nodeProgram("kafkajs.js"),
			lacks: lacks("no cooperative assignor", []string{"cooperative"}, "no group.instance.id", []string{"static"},
				"the classic group protocol only", serverGroups, "no share groups", share),
		},
		{
			name: "rskafka", library: "Rust, rskafka", command: rustProgram,
			lacks: lacks("no groups, transactions or share groups", append(slices.Concat(serverGroups, share, transactions), "group", "cooperative", "static",
				"admin-groups", "admin-offsets"), "not idempotent", []string{"idempotent"}, "of administration, topics and records only",
				[]string{"admin-configs", "admin-partitions", "admin-cluster"}),
		},
	}
}

// goProgram is one of the programs of test/matrix/go, built here.
func goProgram(name string) func(t *testing.T) (env, argv []string) {
	return func(t *testing.T) ([]string, []string) {
		cluster.Built(t, "go")
		binary := filepath.Join(cluster.Root(), "build", "tools", "matrix", name)
		cluster.Run(t, nil, "go", "-C", filepath.Join(cluster.Root(), "test", "matrix", "go"), "build", "-o", binary, "./"+name)
		return nil, []string{binary}
	}
}

// javaProgram is test/matrix/java with one version of the library. It is compiled once, with the oldest, and what is newer with the newest.
func javaProgram(jars string) func(t *testing.T) (env, argv []string) {
	return func(t *testing.T) ([]string, []string) {
		sources := filepath.Join(cluster.Root(), "test", "matrix", "java")
		classes := filepath.Join(cluster.Root(), "build", "tools", "matrix", "java")
		compiled.Do(func() {
			if err := os.MkdirAll(classes, 0o755); err != nil {
				t.Fatal(err)
			}
			cluster.Run(t, nil, "javac", "-nowarn", "-d", classes, "-cp", cluster.Jars(t, "kafka-clients-2.8"), filepath.Join(sources, "Matrix.java"))
			cluster.Run(t, nil, "javac", "-nowarn", "-d", classes, "-cp", classes+":"+cluster.Jars(t, "kafka-clients-4.4"), filepath.Join(sources, "Newer.java"))
		})
		return nil, []string{
			"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classes + ":" + cluster.Jars(t, jars), "Matrix",
		}
	}
}

// compiled is done when the Java sources are.
var compiled sync.Once

// pythonProgram is one of the programs of test/matrix/python.
func pythonProgram(name string) func(t *testing.T) (env, argv []string) {
	return func(t *testing.T) ([]string, []string) {
		return nil, []string{cluster.Python(t), filepath.Join(cluster.Root(), "test", "matrix", "python", name)}
	}
}

// nodeProgram is one of the programs of test/matrix/node.
func nodeProgram(name string) func(t *testing.T) (env, argv []string) {
	return func(t *testing.T) ([]string, []string) {
		return []string{"NODE_PATH=" + cluster.NodeModules(t), "KAFKAJS_NO_PARTITIONER_WARNING=1"},
			[]string{"node", filepath.Join(cluster.Root(), "test", "matrix", "node", name)}
	}
}

// rustProgram is test/matrix/rust, built here.
func rustProgram(t *testing.T) (env, argv []string) {
	cluster.Built(t, "rust")
	target := filepath.Join(cluster.Root(), "build", "tools", "rust")
	cluster.Run(t, nil, "cargo", "build", "--quiet", "--locked", "--offline", "--target-dir", target,
		"--manifest-path", filepath.Join(cluster.Root(), "test", "matrix", "rust", "Cargo.toml"))
	return nil, []string{filepath.Join(target, "debug", "matrix")}
}
