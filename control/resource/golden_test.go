package resource

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/metadata"
)

// TestRecordsOfEarlierReleasesDecode: testdata/cluster-before-updates.json is a cluster's record as it was written when there were no updates.
// What it says must be where it is looked for now, and must stay when the record is written again.
func TestRecordsOfEarlierReleasesDecode(t *testing.T) {
	data, err := os.ReadFile("testdata/cluster-before-updates.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := metadata.Decode[Cluster](metadata.KV{Value: data})
	if err != nil {
		t.Fatal(err)
	}
	want := Security{ClientBroker: "PLAINTEXT", ClientAuthentication: &ClientAuthentication{SCRAM: new(false), IAM: new(false), Unauthenticated: new(true)}}
	if diff := cmp.Diff(want, c.Security); diff != "" {
		t.Errorf("security (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Logging{Broker: []LogDestination{{Kind: LogToCloudWatch}, {Kind: LogToS3, Target: "logs", Prefix: "p/"}}}, c.Logging); diff != "" {
		t.Errorf("logging (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&Throughput{}, c.Throughput); diff != "" {
		t.Errorf("throughput (-want +got):\n%s", diff)
	}
	if c.Kind() != metadata.Standard || c.State != Active || len(c.Nodes) != 3 || c.Brokers != 3 || !c.InCluster || c.Stopped || c.Nodes[2].Node == "" {
		t.Errorf("cluster %+v", c)
	}
	again, err := metadata.Decode[Cluster](metadata.KV{Value: metadata.Encode(c)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, again); diff != "" {
		t.Errorf("written and read again (-first +again):\n%s", diff)
	}
	var fields map[string]any
	if err := json.Unmarshal(metadata.Encode(c), &fields); err != nil || fields["settings"] != nil || fields["clientBroker"] != nil {
		t.Errorf("the new record still has the old fields: %v, %v", fields, err)
	}
}
