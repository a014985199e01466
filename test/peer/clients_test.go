package peer

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"weir/test/cluster"
)

// TestClients runs every client's script against a fresh Apache Kafka and then a fresh `weir up`.
func TestClients(t *testing.T) {
	scripts := []struct {
		name string
		run  func(*testing.T, cluster.Cluster)
	}{
		{"franz-go", franzGo},
		{"librdkafka", librdkafka},
		{"kafkajs", kafkaJS},
		{"kafka-topics", topicCommands},
		{"kafka-console", consoleClients},
		{"kafka-verifiable", verifiableGroup},
		{"kafka-perf", perfTools},
	}
	cluster.OnEach(t, func(t *testing.T, c cluster.Cluster) {
		for _, s := range scripts {
			t.Run(s.name, func(t *testing.T) { s.run(t, c) })
		}
	})
}

func librdkafka(t *testing.T, c cluster.Cluster) {
	script := filepath.Join(cluster.Root(), "test", "peer", "librdkafka.py")
	wantOK(t, cluster.Run(t, nil, cluster.Python(t), script, c.Bootstrap(), "from-librdkafka", strconv.Itoa(c.Replicas())))
}

func kafkaJS(t *testing.T, c cluster.Cluster) {
	script := filepath.Join(cluster.Root(), "test", "peer", "kafkajs.js")
	env := []string{"NODE_PATH=" + cluster.NodeModules(t), "KAFKAJS_NO_PARTITIONER_WARNING=1"}
	wantOK(t, cluster.Run(t, env, "node", script, c.Bootstrap(), "from-kafkajs", strconv.Itoa(c.Replicas())))
}

// wantOK checks a script's last word: it prints ok when it came to its end.
func wantOK(t *testing.T, out string) {
	t.Helper()
	if !strings.HasSuffix(out, "ok\n") {
		t.Errorf("the script did not end with ok:\n%s", out)
	}
}
