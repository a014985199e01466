package examples

import (
	"path/filepath"
	"strings"
	"testing"

	"weir/test/cluster"
)

// TestPublicData streams the public data sets through the demo cluster; the program itself compares every record with its source.
func TestPublicData(t *testing.T) {
	cluster.OnEach(t, func(t *testing.T, c cluster.Cluster) {
		env := []string{
			"WEIR_BOOTSTRAP=" + c.Bootstrap(), "NODE_PATH=" + cluster.NodeModules(t), "KAFKAJS_NO_PARTITIONER_WARNING=1",
		}
		out := cluster.Run(t, env, "node", filepath.Join(cluster.Root(), "examples", "public-data", "stream.js"))
		if got := strings.Count(out, "complete and in order"); got != 4 {
			t.Errorf("%d of 4 data sets came back:\n%s", got, out)
		}
		t.Log("\n" + out)
	})
}
