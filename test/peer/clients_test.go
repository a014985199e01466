package peer

import (
	"strings"
	"testing"

	"weir/test/cluster"
)

// TestTools runs the scripts of Apache Kafka's tools against a fresh Apache Kafka and then a fresh `weir up`.
func TestTools(t *testing.T) {
	scripts := []struct {
		name string
		run  func(*testing.T, cluster.Cluster)
	}{
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

// wantOK checks a script's last word: it prints ok when it came to its end.
func wantOK(t *testing.T, out string) {
	t.Helper()
	if !strings.HasSuffix(out, "ok\n") {
		t.Errorf("the script did not end with ok:\n%s", out)
	}
}
