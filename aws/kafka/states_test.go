package kafka

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	gen "weir/awsapi/gen/kafka"
	"weir/control/dataplane"
	"weir/control/resource"
)

var update = flag.Bool("update", false, "write docs/guide/states.md from the table of states")

// stateless are the operations that are about no cluster, or about one that is not there yet.
func stateless() []string {
	return []string{
		"CreateCluster", "CreateClusterV2", "ListClusters", "ListClustersV2", "ListKafkaVersions", "ListVpcConnections",
		"CreateConfiguration", "DeleteConfiguration", "DescribeConfiguration", "DescribeConfigurationRevision", "ListConfigurationRevisions",
		"ListConfigurations", "UpdateConfiguration",
		// Replicators are about two clusters, and not built.
		"CreateReplicator", "DeleteReplicator", "DescribeReplicator", "ListReplicators", "UpdateReplicationInfo",
	}
}

// examples are requests that are in order, or near enough to get as far as the cluster's state. version is the cluster's current one.
func examples(arn, version string) map[string]any {
	operation := strings.Replace(arn, ":cluster/", ":cluster-operation/", 1) + "/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11"
	connection := "arn:aws:kafka:us-east-1:000000000000:vpc-connection/000000000000/orders/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11"
	channel := "arn:aws:kafka:us-east-1:000000000000:channel/orders/0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11"
	secret := "arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_a-abcdef"
	topic := new("t")
	return map[string]any{
		"DescribeCluster":              &gen.DescribeClusterInput{ClusterArn: &arn},
		"DescribeClusterV2":            &gen.DescribeClusterV2Input{ClusterArn: &arn},
		"ListClusterOperations":        &gen.ListClusterOperationsInput{ClusterArn: &arn},
		"ListClusterOperationsV2":      &gen.ListClusterOperationsV2Input{ClusterArn: &arn},
		"DescribeClusterOperation":     &gen.DescribeClusterOperationInput{ClusterOperationArn: &operation},
		"DescribeClusterOperationV2":   &gen.DescribeClusterOperationV2Input{ClusterOperationArn: &operation},
		"GetCompatibleKafkaVersions":   &gen.GetCompatibleKafkaVersionsInput{ClusterArn: &arn},
		"TagResource":                  &gen.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"a": "b"}},
		"UntagResource":                &gen.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"a"}},
		"ListTagsForResource":          &gen.ListTagsForResourceInput{ResourceArn: &arn},
		"GetBootstrapBrokers":          &gen.GetBootstrapBrokersInput{ClusterArn: &arn},
		"ListNodes":                    &gen.ListNodesInput{ClusterArn: &arn},
		"DeleteCluster":                &gen.DeleteClusterInput{ClusterArn: &arn},
		"RebootBroker":                 &gen.RebootBrokerInput{ClusterArn: &arn, BrokerIds: []string{"1"}},
		"UpdateBrokerCount":            &gen.UpdateBrokerCountInput{ClusterArn: &arn, CurrentVersion: &version, TargetNumberOfBrokerNodes: new(int32(6))},
		"UpdateBrokerType":             &gen.UpdateBrokerTypeInput{ClusterArn: &arn, CurrentVersion: &version, TargetInstanceType: new("kafka.m7g.xlarge")},
		"UpdateStorage":                &gen.UpdateStorageInput{ClusterArn: &arn, CurrentVersion: &version, StorageMode: gen.StorageModeTiered},
		"UpdateClusterKafkaVersion":    &gen.UpdateClusterKafkaVersionInput{ClusterArn: &arn, CurrentVersion: &version, TargetKafkaVersion: new("3.8.x")},
		"UpdateMonitoring":             &gen.UpdateMonitoringInput{ClusterArn: &arn, CurrentVersion: &version, EnhancedMonitoring: gen.EnhancedMonitoringPerBroker},
		"UpdateSecurity":               &gen.UpdateSecurityInput{ClusterArn: &arn, CurrentVersion: &version, ClientAuthentication: new(iamOn())},
		"UpdateRebalancing":            &gen.UpdateRebalancingInput{ClusterArn: &arn, CurrentVersion: &version, Rebalancing: &gen.Rebalancing{Status: gen.RebalancingStatusActive}},
		"ListTopics":                   &gen.ListTopicsInput{ClusterArn: &arn},
		"DescribeTopic":                &gen.DescribeTopicInput{ClusterArn: &arn, TopicName: topic},
		"DescribeTopicPartitions":      &gen.DescribeTopicPartitionsInput{ClusterArn: &arn, TopicName: topic},
		"CreateTopic":                  &gen.CreateTopicInput{ClusterArn: &arn, TopicName: topic, PartitionCount: new(int32(1)), ReplicationFactor: new(int32(3))},
		"UpdateTopic":                  &gen.UpdateTopicInput{ClusterArn: &arn, TopicName: topic, PartitionCount: new(int32(2))},
		"DeleteTopic":                  &gen.DeleteTopicInput{ClusterArn: &arn, TopicName: topic},
		"ListChannels":                 &gen.ListChannelsInput{ClusterArn: &arn},
		"DescribeChannel":              &gen.DescribeChannelInput{ClusterArn: &arn, ChannelArn: &channel},
		"CreateChannel":                &gen.CreateChannelInput{ClusterArn: &arn, ChannelName: new("c")},
		"UpdateChannel":                &gen.UpdateChannelInput{ClusterArn: &arn, ChannelArn: &channel},
		"DeleteChannel":                &gen.DeleteChannelInput{ClusterArn: &arn, ChannelArn: &channel},
		"GetClusterPolicy":             &gen.GetClusterPolicyInput{ClusterArn: &arn},
		"PutClusterPolicy":             &gen.PutClusterPolicyInput{ClusterArn: &arn, Policy: new(goodPolicy)},
		"DeleteClusterPolicy":          &gen.DeleteClusterPolicyInput{ClusterArn: &arn},
		"DescribeVpcConnection":        &gen.DescribeVpcConnectionInput{Arn: &connection},
		"ListClientVpcConnections":     &gen.ListClientVpcConnectionsInput{ClusterArn: &arn},
		"CreateVpcConnection":          &gen.CreateVpcConnectionInput{TargetClusterArn: &arn, Authentication: new("SASL_IAM"), VpcId: new("vpc-0")},
		"RejectClientVpcConnection":    &gen.RejectClientVpcConnectionInput{ClusterArn: &arn, VpcConnectionArn: &connection},
		"DeleteVpcConnection":          &gen.DeleteVpcConnectionInput{Arn: &connection},
		"ListScramSecrets":             &gen.ListScramSecretsInput{ClusterArn: &arn},
		"BatchAssociateScramSecret":    &gen.BatchAssociateScramSecretInput{ClusterArn: &arn, SecretArnList: []string{secret}},
		"BatchDisassociateScramSecret": &gen.BatchDisassociateScramSecretInput{ClusterArn: &arn, SecretArnList: []string{secret}},
		"UpdateBrokerStorage": &gen.UpdateBrokerStorageInput{ClusterArn: &arn, CurrentVersion: &version, TargetBrokerEBSVolumeInfo: []gen.BrokerEBSVolumeInfo{
			{KafkaBrokerNodeId: new("All"), VolumeSizeGB: new(int32(200))},
		}},
		"UpdateConnectivity": &gen.UpdateConnectivityInput{ClusterArn: &arn, CurrentVersion: &version, ConnectivityInfo: &gen.ConnectivityInfo{
			NetworkType: gen.NetworkTypeDual,
		}},
		"UpdateClusterConfiguration": &gen.UpdateClusterConfigurationInput{ClusterArn: &arn, CurrentVersion: &version, ConfigurationInfo: &gen.ConfigurationInfo{
			Arn: new(noConfiguration), Revision: new(int64(1)),
		}},
	}
}

// call calls an operation by name.
func (a *account) call(operation string, in any) error {
	f := reflect.ValueOf(a.Service).Elem().FieldByName(operation)
	err, _ := f.Call([]reflect.Value{reflect.ValueOf(a.ctx), reflect.ValueOf(in)})[1].Interface().(error)
	return err
}

// Every operation that is built, in every state: it is refused because of the state where the table says so, and nowhere else.
func TestStatesDecideWhatIsAllowed(t *testing.T) {
	a := newAccount(t)
	a.Service = New(a.store, Deps{Brokers: dataplane.New(dataplane.Config{}, slog.New(slog.DiscardHandler))}) // of clusters without addresses
	arn := a.create("orders")
	var fresh resource.Cluster
	a.set(arn, func(c *resource.Cluster) { fresh = *c })
	rules := map[string]resource.Rule{}
	for _, r := range resource.Rules() {
		for _, operation := range r.Calls {
			rules[operation] = r
		}
	}
	inputs := examples(arn, fresh.CurrentVersion)
	service := reflect.ValueOf(a.Service).Elem()
	tried := 0
	for i := range service.NumField() {
		operation := service.Type().Field(i).Name
		rule, known := rules[operation]
		if slices.Contains(stateless(), operation) != !known {
			t.Errorf("%s must be in the table of states (resource.Rules) or among those that no state decides about", operation)
		}
		if !known || service.Field(i).IsNil() {
			continue
		}
		in, ok := inputs[operation]
		if !ok {
			t.Errorf("%s is built and has no example request here", operation)
			continue
		}
		for _, s := range resource.ClusterStates() {
			a.set(arn, func(c *resource.Cluster) {
				*c = fresh
				c.State, c.Operation = s, ""
			})
			err := a.call(operation, in)
			got := refusalOf(err)
			refused := strings.EqualFold(strings.TrimPrefix(got.parameter, "target"), "clusterArn") && strings.HasSuffix(got.message, fmt.Sprintf(" in %s state.", s))
			if refused != !slices.Contains(rule.States, s) || refused && got.code != "BadRequestException" {
				t.Errorf("%s in %s: %v", operation, s, err)
			}
			if refused && !strings.HasPrefix(got.message, "You can't ") {
				t.Errorf("%s in %s: %q is not how the service says it", operation, s, got.message)
			}
			tried++
		}
	}
	t.Logf("%d calls", tried)
}

// The refusals whose words are the service's own.
func TestRefusalsInTheWordsOfTheService(t *testing.T) {
	for action, want := range map[resource.Action]string{
		resource.ActionBootstrapBrokers: "You can't get bootstrap broker nodes for a cluster in FAILED state.",
		resource.ActionDelete:           "You can't delete cluster in FAILED state.",
	} {
		if got := refusalOf(refused(action, resource.Failed)); got != (refusal{"BadRequestException", "clusterArn", want}) {
			t.Errorf("%+v", got)
		}
	}
}

// docs/guide/states.md is written from the table that decides.
func TestStatesGuide(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "guide", "states.md")
	want := statesGuide()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (%v): run go test ./aws/kafka -run TestStatesGuide -update", file, err)
	}
}

func statesGuide() string {
	var b strings.Builder
	b.WriteString(`# States of a cluster, and what may be done in them

A cluster is in one of the states of MSK's API. What a state allows is decided by one table (` + "`resource.Rules`" + ` in control/resource/state.go), from which this
page is written; a test tries every operation that is built in every state.

| state | what it means | clients |
|---|---|---|
| CREATING | brokers are placed and started | not yet |
| ACTIVE | nothing is going on | served |
| UPDATING | an operation changes the cluster; ` + "`activeOperationArn`" + ` names it | served: brokers that restart hand their partitions over first |
| REBOOTING_BROKER | one broker restarts because of RebootBroker | served |
| MAINTENANCE | the cluster is stopped: ` + "`stateInfo.code`" + ` is ` + "`Stopped`" + `. Weir has no other maintenance | not served |
| HEALING | a broker is down and is being started again; ` + "`stateInfo`" + ` says which, why, and what is done about it | served, except for what that broker leads until others take it over |
| FAILED | it could not be made or deleted; ` + "`stateInfo`" + ` says why. It can be deleted | not served |
| DELETING | brokers and data are removed; afterwards the cluster is not found | not served |

What a state does not allow is refused with a BadRequestException (400) for ` + "`clusterArn`" + ` that names the state, such as "You can't delete cluster in
DELETING state.", and nothing is changed.

## The table

`)
	states := resource.ClusterStates()
	b.WriteString("| action | operations |")
	for _, s := range states {
		b.WriteString(" " + string(s) + " |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(states)) + "\n")
	for _, r := range resource.Rules() {
		b.WriteString("| " + string(r.Action) + " | " + strings.Join(r.Calls, ", ") + " |")
		for _, s := range states {
			if slices.Contains(r.States, s) {
				b.WriteString(" yes |")
			} else {
				b.WriteString(" - |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(`
StopCluster, StartCluster and DescribeOperationProgress are Weir's own (docs/guide/operations.md); all others are MSK's. Operations that are not in the table concern
no cluster or, like CreateCluster, one that is not there yet.

## Where it differs from MSK

- A cluster in HEALING can be deleted. At AWS somebody else repairs the machine; here a broker that can never start again would make its cluster
  undeletable.
- A stopped cluster can be deleted. MSK has no stopped clusters.
- Topics can be looked at whenever brokers serve, not only in ACTIVE.
- An update of a cluster that is UPDATING or REBOOTING_BROKER waits for its turn instead of being refused, if its sender asks for that with the header
  ` + "`X-Weir-Queue: true`" + ` (docs/guide/operations.md). It is checked at once, against what the cluster will be by then.
`)
	return b.String()
}
