package resource

import (
	"strings"
	"testing"

	"weir/metadata"
)

func TestServerlessARNs(t *testing.T) {
	id, _ := NewClusterUUID()
	c := Cluster{UUID: id, Name: "s", Account: "1", Region: "r", Type: metadata.Serverless}
	arn := c.ARN()
	if !strings.HasSuffix(arn, ":cluster/s/"+id+"-s1") {
		t.Errorf("ARN %s", arn)
	}
	ref, ok := ParseClusterARN(arn)
	if !ok || !ref.Serverless || ref.UUID != id {
		t.Errorf("parsed: %+v %v", ref, ok)
	}
	op := NewUUID()
	if ref, parsed, ok := ParseOperationARN(c.OperationARN(op)); !ok || !ref.Serverless || parsed != op {
		t.Errorf("operation: %+v %s %v", ref, parsed, ok)
	}
	c.Type = metadata.Standard
	if ref, ok := ParseClusterARN(c.ARN()); !ok || ref.Serverless {
		t.Errorf("of a provisioned cluster: %+v %v", ref, ok)
	}
	for _, bad := range []string{"-s", "-s2", "-S1", "-2", ""} {
		if _, ok := ParseClusterARN(strings.TrimSuffix(c.ARN(), "-1") + bad); ok {
			t.Errorf("%q is taken for a generation", bad)
		}
	}
}

func TestLimitsTag(t *testing.T) {
	for value, want := range map[string]metadata.LimitsProfile{"": "", "on": "", "off": metadata.LimitsOff, "2022": metadata.Limits2022} {
		if got, err := ParseLimits(map[string]string{LimitsTag: value}); got != want || err != nil {
			t.Errorf("%q: %q, %v", value, got, err)
		}
	}
	if _, err := ParseLimits(map[string]string{LimitsTag: "none"}); err == nil || !strings.Contains(err.Error(), "on, off or 2022") {
		t.Errorf("%v", err)
	}
	c := Cluster{Type: metadata.Serverless, Tags: map[string]string{LimitsTag: "off"}}
	if got := c.DesiredSettings(nil).Limits; got != metadata.LimitsOff {
		t.Errorf("the settings say %q", got)
	}
}

// The service chooses three replicas, in however many zones the clients are.
func TestServerlessProperties(t *testing.T) {
	c := Cluster{Type: metadata.Serverless, InstanceType: ServerlessInstanceType, KafkaVersion: ServerlessKafkaVersion, Subnets: make([]ClientSubnet, 2)}
	p := DefaultProperties(&c)
	for name, want := range map[string]string{
		"default.replication.factor": "3", "min.insync.replicas": "2", "offsets.topic.replication.factor": "3",
		"unclean.leader.election.enable": "false", "log.retention.bytes": "268435456000", "auto.create.topics.enable": "false",
	} {
		if p[name] != want {
			t.Errorf("%s is %q, want %q", name, p[name], want)
		}
	}
}

// Every call of the table is either possible on serverless clusters or listed as not.
func TestServerlessActionsAreOfTheTable(t *testing.T) {
	known := make(map[Action]bool)
	for _, r := range Rules() {
		known[r.Action] = true
		if !KindAllows(metadata.Standard, r.Action) {
			t.Errorf("Standard clusters do not know %q", r.Action)
		}
	}
	for _, a := range serverlessActions() {
		if !known[a] {
			t.Errorf("no such action: %q", a)
		}
	}
	for _, a := range []Action{ActionListNodes, ActionReboot, ActionReadTopics, ActionUpdateSecurity, ActionWriteSecrets} {
		if KindAllows(metadata.Serverless, a) {
			t.Errorf("serverless clusters know %q", a)
		}
	}
}
