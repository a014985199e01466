package resource

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/kafka/configdef"
	"weir/metadata"
)

func TestStateTable(t *testing.T) {
	tests := []struct {
		state ClusterState
		// allowed are some that say something; not what must not be.
		allowed, not []Action
	}{
		{Creating, []Action{ActionDescribe, ActionTag}, []Action{ActionDelete, ActionBootstrapBrokers, ActionListNodes, ActionUpdateCount, ActionReadTopics}},
		{Active, []Action{ActionDelete, ActionReboot, ActionUpdateCount, ActionUpdateSecurity, ActionStop, ActionWriteTopics}, []Action{ActionStart}},
		{Updating, []Action{ActionBootstrapBrokers, ActionListNodes, ActionReadTopics}, []Action{ActionDelete, ActionUpdateType, ActionReboot, ActionWriteTopics}},
		{RebootingBroker, []Action{ActionBootstrapBrokers, ActionListNodes}, []Action{ActionDelete, ActionReboot, ActionStop}},
		{Maintenance, []Action{ActionStart, ActionDelete, ActionBootstrapBrokers}, []Action{ActionStop, ActionUpdateStorage, ActionReadTopics}},
		{Healing, []Action{ActionDelete, ActionBootstrapBrokers, ActionListNodes}, []Action{ActionReboot, ActionUpdateConfig}},
		{Failed, []Action{ActionDelete, ActionListNodes, ActionBootstrapBrokers}, []Action{ActionUpdateCount, ActionReboot}},
		{Deleting, []Action{ActionListNodes, ActionDescribe}, []Action{ActionDelete, ActionBootstrapBrokers}},
		{"OF_A_NEWER_VERSION", nil, []Action{ActionDescribe, ActionDelete}},
	}
	for _, tt := range tests {
		for _, a := range tt.allowed {
			if !tt.state.Allows(a) {
				t.Errorf("%s does not allow %s", tt.state, a)
			}
		}
		for _, a := range tt.not {
			if tt.state.Allows(a) {
				t.Errorf("%s allows %s", tt.state, a)
			}
		}
	}
	seen := make(map[Action]bool)
	for _, r := range Rules() {
		if seen[r.Action] || len(r.Calls) == 0 || len(r.States) == 0 {
			t.Errorf("rule %+v: twice, or without calls or states", r)
		}
		seen[r.Action] = true
	}
	for _, op := range OperationTypes() {
		if a := op.Action(); !seen[a] && op != OpCreate {
			t.Errorf("the table has no rule for %s", op)
		}
		if len(op.Steps()) == 0 {
			t.Errorf("%s has no steps", op)
		}
	}
}

func TestKeysComeApartAsTheyWerePut(t *testing.T) {
	s := Scope{Account: "000000000000", Region: "us-east-1"}
	if got, uuid, ok := ParseClusterKey(s.ClusterKey("u")); !ok || got != s || uuid != "u" {
		t.Errorf("cluster key: %v %q %v", got, uuid, ok)
	}
	if got, cluster, id, ok := ParseOperationKey(s.OperationKey("u", "o")); !ok || got != s || cluster != "u" || id != "o" {
		t.Errorf("operation key: %v %q %q %v", got, cluster, id, ok)
	}
	for _, key := range []string{s.ClusterNameKey("u"), s.ClustersPrefix(), s.OperationKey("u", "o"), metadata.TopicKey("u", "t"), ""} {
		if _, _, ok := ParseClusterKey(key); ok {
			t.Errorf("%q was taken for the key of a cluster", key)
		}
	}
	tests := []struct {
		key, node, cluster string
		ok                 bool
	}{
		{NodeKey("n"), "n", "", true},
		{BrokerSpecKey("n", "u", "1"), "n", "u", true},
		{BrokerStatusKey("n", "u", "1"), "n", "u", true},
		{metadata.NodePrefix("n") + "other", "", "", false},
		{metadata.NodePrefix("n") + "other/u/1", "", "", false},
		{s.ClusterKey("u"), "", "", false},
	}
	for _, tt := range tests {
		if node, cluster, ok := ParseNodeKey(tt.key); node != tt.node || cluster != tt.cluster || ok != tt.ok {
			t.Errorf("%s: %q %q %v", tt.key, node, cluster, ok)
		}
	}
}

func TestARNs(t *testing.T) {
	id, kafkaID := NewClusterUUID()
	c := &Cluster{UUID: id, Name: "orders-1", Account: "000000000000", Region: "us-east-1"}
	if want := "arn:aws:kafka:us-east-1:000000000000:cluster/orders-1/" + id + "-1"; c.ARN() != want {
		t.Errorf("ARN %s, want %s", c.ARN(), want)
	}
	ref, ok := ParseClusterARN(c.ARN())
	if want := (ClusterRef{Scope: c.Scope(), Name: "orders-1", UUID: id}); !ok || ref != want {
		t.Errorf("parsed %+v, %v", ref, ok)
	}
	op := NewUUID()
	ref, got, ok := ParseOperationARN(c.OperationARN(op))
	if !ok || ref.UUID != id || got != op {
		t.Errorf("operation: %+v %s %v", ref, got, ok)
	}
	if len(kafkaID) != 22 || strings.ContainsAny(kafkaID, "+/=") || kafkaID[0] == '-' {
		t.Errorf("Kafka's cluster id %q", kafkaID)
	}
	for _, bad := range []string{
		"", "arn", c.ARN() + "/x", strings.ToUpper(c.ARN()), strings.TrimSuffix(c.ARN(), "1") + "2", strings.TrimSuffix(c.ARN(), "-1"),
		strings.Replace(c.ARN(), "orders-1", "", 1), strings.Replace(c.ARN(), "us-east-1", "us/east-1", 1), strings.Replace(c.ARN(), "us-east-1", "", 1),
		strings.Replace(c.ARN(), ":aws:", ":aws-cn:", 1), strings.Replace(c.ARN(), ":kafka:", ":s3:", 1),
		strings.Replace(c.ARN(), id, "{"+id+"}", 1),
	} {
		if ref, ok := ParseClusterARN(bad); ok {
			t.Errorf("%q was taken for %+v", bad, ref)
		}
	}
}

// FuzzParseARN: whatever parses prints as it was, and cannot reach out of its place in the key space.
func FuzzParseARN(f *testing.F) {
	f.Add("arn:aws:kafka:us-east-1:000000000000:cluster/orders/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11-1")
	f.Add("arn:aws:kafka:us-east-1:000000000000:cluster-operation/o/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11-1/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11")
	f.Add("arn:aws:kafka:::cluster//-1")
	f.Fuzz(func(t *testing.T, text string) {
		if ref, ok := ParseClusterARN(text); ok {
			c := Cluster{UUID: ref.UUID, Name: ref.Name, Account: ref.Account, Region: ref.Region}
			if c.ARN() != text {
				t.Errorf("%q came back as %q", text, c.ARN())
			}
			if s, id, ok := ParseClusterKey(c.Key()); !ok || s != ref.Scope || id != ref.UUID {
				t.Errorf("key %q of %q", c.Key(), text)
			}
		}
		if ref, id, ok := ParseOperationARN(text); ok {
			if _, cluster, got, ok := ParseOperationKey(ref.Scope.OperationKey(ref.UUID, id)); !ok || cluster != ref.UUID || got != id {
				t.Errorf("operation key of %q", text)
			}
		}
	})
}

func TestVersionStringsAreOpaqueAndNew(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		v := NewVersion()
		if len(v) != 14 || v[0] != 'K' || strings.Trim(v[1:], versionAlphabet) != "" || seen[v] {
			t.Fatalf("version %q", v)
		}
		seen[v] = true
	}
}

func TestKafkaVersions(t *testing.T) {
	for name, want := range map[string]bool{
		"3.9.x": false, "3.9.x.kraft": true, "4.0.x": true, "4.1.x.kraft": true, "2.8.2.tiered": false, "1.1.1": false,
	} {
		v, ok := LookupKafkaVersion(name)
		if !ok || v.KRaft() != want {
			t.Errorf("%s: known %v, KRaft %v", name, ok, v.KRaft())
		}
	}
	names := func(vs []KafkaVersion) (out []string) {
		for _, v := range vs {
			out = append(out, v.Name)
		}
		return out
	}
	for name, want := range map[string][]string{
		"3.6.0": {"3.8.x", "3.9.x"}, "3.8.x": {"3.9.x"}, "3.9.x": nil,
		"3.9.x.kraft": {"4.0.x", "4.0.x.kraft", "4.1.x", "4.1.x.kraft", "4.2.x", "4.2.x.kraft"},
		"4.2.x.kraft": nil,
	} {
		v, _ := LookupKafkaVersion(name)
		if diff := cmp.Diff(want, names(v.Compatible())); diff != "" {
			t.Errorf("targets of %s (-want +got):\n%s", name, diff)
		}
	}
	if v, ok := LookupKafkaVersion(DefaultKafkaVersion); !ok || v.Deprecated {
		t.Errorf("default version: %+v, %v", v, ok)
	}
}

func TestDefaultPropertiesFitTheZones(t *testing.T) {
	subnets := []ClientSubnet{{ZoneID: "a"}, {ZoneID: "b"}, {ZoneID: "c"}}
	for zones, want := range map[int][2]string{1: {"1", "1"}, 2: {"2", "1"}, 3: {"3", "2"}} {
		for _, size := range InstanceTypes() {
			p := DefaultProperties(&Cluster{Subnets: subnets[:zones], InstanceType: size.Name})
			if p["default.replication.factor"] != want[0] || p["min.insync.replicas"] != want[1] || p["offsets.topic.replication.factor"] != want[0] {
				t.Errorf("%d zones of %s: %v", zones, size.Name, p)
			}
			for name, value := range p {
				if err := configdef.ValidateBroker(name, value); err != nil {
					t.Errorf("%s: %v", size.Name, err)
				}
			}
		}
	}
}

func TestZoneIDs(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "use1-az1", "ap-northeast-2": "apne2-az1", "ap-southeast-1": "apse1-az1", "us-gov-west-1": "usgw1-az1",
		"eu-central-1": "euc1-az1", "me-south-1": "mes1-az1", "local": "local-az1",
	} {
		if z := Zones(region); len(z) != 3 || z[0].ID != want || z[0].Name != region+"a" {
			t.Errorf("%s: %+v", region, z)
		}
	}
}

func TestOperationsGoThroughTheirStepsInOrder(t *testing.T) {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	op := NewOperation(OpReboot, "u", "r", at(0))
	if op.State != OpPending || op.Current() != at(0) {
		t.Errorf("new: %+v", op)
	}
	first := op.Complete(at(1), StepInitialize)
	if first.State != OpRebootInProgress || !first.Done(StepInitialize) || first.Current() != at(1) || op.Steps[0].Status != StepPending {
		t.Errorf("after the first step: %+v; the original: %+v", first, op)
	}
	again := first.Complete(at(2), StepInitialize) // a step that is done stays as it is
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("completing twice (-first +again):\n%s", diff)
	}
	done := first.Complete(at(3), StepRebootBroker, StepFinalize)
	if done.State != OpRebootComplete || done.Ended != at(3) || done.Steps[1].Ended != at(3) {
		t.Errorf("done: %+v", done)
	}
	failed := first.Fail(at(4), StateInfo{Code: "C", Message: "m"})
	if failed.State != OpRebootFailed || failed.Steps[1].Status != StepFailed || failed.Steps[2].Status != StepPending || failed.Error.Code != "C" {
		t.Errorf("failed: %+v", failed)
	}
}

func TestBootstrapNamesOneBrokerPerZone(t *testing.T) {
	c := &Cluster{}
	for i, zone := range []string{"a", "a", "b", "a", "c", "b"} {
		c.Nodes = append(c.Nodes, BrokerNode{
			Broker: metadata.BrokerID(i + 1), ZoneID: zone,
			Endpoints: []metadata.Endpoint{{Name: "CLIENT", Port: int32(i + 1)}, {Name: "CLIENT_SECURE", Port: int32(10 * (i + 1))}},
		})
	}
	var got []int32
	for _, e := range c.BootstrapEndpoints("CLIENT") {
		got = append(got, e.Port)
	}
	if diff := cmp.Diff([]int32{1, 3, 5}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.Nodes = c.Nodes[:2]
	if got := c.BootstrapEndpoints("CLIENT"); len(got) != 2 {
		t.Errorf("of one zone: %v", got)
	}
	if got := c.BootstrapEndpoints("CLIENT_IAM"); len(got) != 0 {
		t.Errorf("of a listener that no broker has: %v", got)
	}
}
