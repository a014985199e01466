package upstream

import (
	"strconv"
	"testing"
	"time"

	"weir/test/cluster"
)

// TestKgo runs franz-go's integration tests: chains of consumers that pass records on through classic, KIP-848 and share groups and
// through transactions while members come and go, and the cases of its issues.
func TestKgo(t *testing.T) {
	systems := onWeir()
	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			var c cluster.Cluster
			if system == "kafka" {
				// As the suite's own workflow sets it.
				c = cluster.StartKafka(t, "share.coordinator.state.topic.num.partitions=5", "group.share.delivery.count.limit=10",
					"auto.create.topics.enable=true")
			} else {
				c = cluster.StartWeir(t, cluster.Options{})
				cluster.NewestFeatures(t, c)
			}
			run(t, suite{
				pkg: "github.com/twmb/franz-go/pkg/kgo",
				env: []string{
					"KGO_SEEDS=" + c.Bootstrap(), "KGO_TEST_RF=" + strconv.Itoa(c.Replicas()), "KGO_TEST_RECORDS=" + kgoRecords,
					"KGO_TEST_MAX_TOPIC_PARTS=7", "KGO_TEST_STABLE_FETCH=true", "KGO_LOG_LEVEL=none",
				},
				limit: 10 * time.Minute,
				mutes: map[string]string{
					"TestSCRAMAuth":                            "needs listeners with SASL",
					"TestSCRAMAuthBadCredentials":              "needs listeners with SASL",
					"TestIssueProduceBrokerTooOldFailsRecords": "needs a broker that is older than what it tests",
				},
			})
		})
	}
}

// kgoRecords is how many records go through each chain: 500,000 by the suite's own choice.
const kgoRecords = "20000"
