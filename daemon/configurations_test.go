package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	msk "github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerPIDs are the processes of the demo cluster's brokers.
func (r *running) brokerPIDs(cfg Config) map[int32]int {
	r.t.Helper()
	pids := make(map[int32]int)
	for _, c := range r.status(cfg).Clusters {
		for _, b := range c.Brokers {
			pids[b.ID] = b.PID
		}
	}
	return pids
}

// useConfiguration makes the cluster use a revision and waits until it is ACTIVE again, as Terraform does by the operation.
func useConfiguration(t *testing.T, client *msk.Client, cluster, configuration string, revision int64) {
	t.Helper()
	c, err := client.DescribeCluster(t.Context(), &msk.DescribeClusterInput{ClusterArn: &cluster})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.UpdateClusterConfiguration(t.Context(), &msk.UpdateClusterConfigurationInput{
		ClusterArn: &cluster, CurrentVersion: c.ClusterInfo.CurrentVersion,
		ConfigurationInfo: &types.ConfigurationInfo{Arn: &configuration, Revision: aws.Int64(revision)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; <-time.After(50 * time.Millisecond) {
		op, err := client.DescribeClusterOperation(t.Context(), &msk.DescribeClusterOperationInput{ClusterOperationArn: out.ClusterOperationArn})
		if err != nil {
			t.Fatal(err)
		}
		switch state := aws.ToString(op.ClusterOperationInfo.OperationState); {
		case state == "UPDATE_COMPLETE":
			return
		case state == "UPDATE_FAILED":
			t.Fatalf("the update failed: %+v", op.ClusterOperationInfo.ErrorInfo)
		case time.Now().After(deadline):
			t.Fatalf("the update is in state %s", state)
		}
	}
}

// TestConfigurationReachesBrokers makes a configuration, gives it to a running cluster, and looks with a Kafka client at what holds: a live property at once
// and by the same processes, a read-only one after a rolling restart, both shown as coming from the static file.
func TestConfigurationReachesBrokers(t *testing.T) {
	cfg := testConfig(t)
	r := startUp(t, cfg)
	api, cluster := r.sdk(cfg)
	ctx := t.Context()
	admin := kadm.NewClient(freshClient(t, r.cluster().Bootstrap))
	// holds waits until all brokers show the value, from the static file.
	holds := func(name, value string) {
		t.Helper()
		soon(t, "brokers have "+name+"="+value, func() bool {
			res, err := admin.DescribeBrokerConfigs(ctx, 1, 2, 3)
			if err != nil || len(res) != 3 {
				return false
			}
			for _, b := range res {
				found := false
				for _, c := range b.Configs {
					found = found || c.Key == name && c.MaybeValue() == value && c.Source == kmsg.ConfigSourceStaticBrokerConfig
				}
				if b.Err != nil || !found {
					return false
				}
			}
			return true
		})
	}
	holds("num.partitions", "1") // MSK's default configuration

	made, err := api.CreateConfiguration(ctx, &msk.CreateConfigurationInput{
		Name: aws.String("mine"), KafkaVersions: []string{"4.2.x.kraft"}, ServerProperties: []byte("message.max.bytes = 2000000\nlog.retention.ms = 86400000\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	before := r.brokerPIDs(cfg)
	useConfiguration(t, api, cluster, *made.Arn, 1)
	holds("message.max.bytes", "2000000")
	holds("log.retention.ms", "86400000")
	for id, pid := range r.brokerPIDs(cfg) {
		if before[id] != pid {
			t.Errorf("broker %d was process %d and is %d; nothing that changed needs a restart", id, before[id], pid)
		}
	}

	updated, err := api.UpdateConfiguration(ctx, &msk.UpdateConfigurationInput{Arn: made.Arn, ServerProperties: []byte("num.partitions = 3\nauto.create.topics.enable=true")})
	if err != nil || *updated.LatestRevision.Revision != 2 {
		t.Fatal(updated, err)
	}
	useConfiguration(t, api, cluster, *made.Arn, 2)
	holds("num.partitions", "3")
	soon(t, "what the new revision does not set has its default", func() bool {
		res, err := admin.DescribeBrokerConfigs(ctx, 1)
		if err != nil || len(res) != 1 {
			return false
		}
		for _, c := range res[0].Configs {
			if c.Key == "message.max.bytes" {
				return c.MaybeValue() == "1048588" && c.Source == kmsg.ConfigSourceDefaultConfig
			}
		}
		return false
	})
	soon(t, "each broker is another process, as num.partitions needs a restart", func() bool { // which the node reports a moment after the fact
		for id, pid := range r.brokerPIDs(cfg) {
			if before[id] == pid {
				return false
			}
		}
		return true
	})
	// The effect: a topic that a client just uses has three partitions.
	producer := client(t, r.cluster().Bootstrap, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(-1))
	if err := producer.ProduceSync(ctx, &kgo.Record{Topic: "made-by-use", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	soon(t, "the topic has three partitions, whichever broker is asked", func() bool {
		ts, err := admin.ListTopics(ctx, "made-by-use")
		return err == nil && len(ts["made-by-use"].Partitions) == 3
	})

	if _, err := api.DeleteConfiguration(ctx, &msk.DeleteConfigurationInput{Arn: made.Arn}); err == nil || !strings.Contains(err.Error(), "Configuration is in use by one or more clusters.") {
		t.Errorf("deleting it while the cluster has it: %v", err)
	}
}
