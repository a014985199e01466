package rolling

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// An operation is a change of the cluster: start asks for it and returns the operation's ARN.
type operation struct {
	name  string
	start func(t *testing.T, a *api, version *string) (*string, error)
}

// operations are all, in an order in which each is possible: what goes up comes down again. Stopping a cluster is none of them, as nobody is served then.
func operations() []operation {
	return []operation{
		{"reboot-1", reboot("1")},
		{"reboot-2", reboot("2")},
		{"reboot-3", reboot("3")},
		{"type-up", brokerType("kafka.m5.xlarge")},
		{"type-down", brokerType("kafka.m5.large")},
		{"configuration-dynamic", configuration("dynamic", "log.retention.ms=86400000\n")},
		{"configuration-static", configuration("static", "log.retention.ms=86400000\ngroup.initial.rebalance.delay.ms=2000\n")},
		{"version-up", kafkaVersion("3.9.x")},
		{"version-back", kafkaVersion("3.8.x")},
		{"storage-grow", brokerStorage(200)},
		{"count-up", brokerCount(6)},
		{"count-down", brokerCount(3)},
		{"rebalancing", func(t *testing.T, a *api, version *string) (*string, error) {
			r, err := a.UpdateRebalancing(t.Context(), &kafka.UpdateRebalancingInput{
				ClusterArn: a.arn, CurrentVersion: version, Rebalancing: &types.Rebalancing{Status: types.RebalancingStatusActive},
			})
			return arnOf(r, err, func() *string { return r.ClusterOperationArn })
		}},
		{"monitoring", func(t *testing.T, a *api, version *string) (*string, error) {
			r, err := a.UpdateMonitoring(t.Context(), &kafka.UpdateMonitoringInput{
				ClusterArn: a.arn, CurrentVersion: version, EnhancedMonitoring: types.EnhancedMonitoringPerTopicPerBroker,
			})
			return arnOf(r, err, func() *string { return r.ClusterOperationArn })
		}},
		{"security", func(t *testing.T, a *api, version *string) (*string, error) {
			r, err := a.UpdateSecurity(t.Context(), &kafka.UpdateSecurityInput{
				ClusterArn: a.arn, CurrentVersion: version,
				EncryptionInfo: &types.EncryptionInfo{EncryptionInTransit: &types.EncryptionInTransit{ClientBroker: types.ClientBrokerTlsPlaintext}},
				ClientAuthentication: &types.ClientAuthentication{
					Unauthenticated: &types.Unauthenticated{Enabled: aws.Bool(true)}, Sasl: &types.Sasl{Iam: &types.Iam{Enabled: aws.Bool(true)}},
				},
			})
			return arnOf(r, err, func() *string { return r.ClusterOperationArn })
		}},
		{"connectivity", func(t *testing.T, a *api, version *string) (*string, error) {
			r, err := a.UpdateConnectivity(t.Context(), &kafka.UpdateConnectivityInput{
				ClusterArn: a.arn, CurrentVersion: version, ConnectivityInfo: &types.ConnectivityInfo{VpcConnectivity: &types.VpcConnectivity{
					ClientAuthentication: &types.VpcConnectivityClientAuthentication{
						Sasl: &types.VpcConnectivitySasl{Iam: &types.VpcConnectivityIam{Enabled: aws.Bool(true)}},
					},
				}},
			})
			return arnOf(r, err, func() *string { return r.ClusterOperationArn })
		}},
	}
}

// arnOf is the operation of an answer, if there is one.
func arnOf[R any](r *R, err error, arn func() *string) (*string, error) {
	if err != nil || r == nil {
		return nil, err
	}
	return arn(), nil
}

func reboot(broker string) func(*testing.T, *api, *string) (*string, error) {
	return func(t *testing.T, a *api, _ *string) (*string, error) {
		r, err := a.RebootBroker(t.Context(), &kafka.RebootBrokerInput{ClusterArn: a.arn, BrokerIds: []string{broker}})
		return arnOf(r, err, func() *string { return r.ClusterOperationArn })
	}
}

func brokerType(to string) func(*testing.T, *api, *string) (*string, error) {
	return func(t *testing.T, a *api, version *string) (*string, error) {
		r, err := a.UpdateBrokerType(t.Context(), &kafka.UpdateBrokerTypeInput{ClusterArn: a.arn, CurrentVersion: version, TargetInstanceType: &to})
		return arnOf(r, err, func() *string { return r.ClusterOperationArn })
	}
}

func kafkaVersion(to string) func(*testing.T, *api, *string) (*string, error) {
	return func(t *testing.T, a *api, version *string) (*string, error) {
		r, err := a.UpdateClusterKafkaVersion(t.Context(), &kafka.UpdateClusterKafkaVersionInput{
			ClusterArn: a.arn, CurrentVersion: version, TargetKafkaVersion: &to,
		})
		return arnOf(r, err, func() *string { return r.ClusterOperationArn })
	}
}

func brokerStorage(gigabytes int32) func(*testing.T, *api, *string) (*string, error) {
	return func(t *testing.T, a *api, version *string) (*string, error) {
		r, err := a.UpdateBrokerStorage(t.Context(), &kafka.UpdateBrokerStorageInput{
			ClusterArn: a.arn, CurrentVersion: version,
			TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: aws.String("All"), VolumeSizeGB: &gigabytes}},
		})
		return arnOf(r, err, func() *string { return r.ClusterOperationArn })
	}
}

func brokerCount(to int32) func(*testing.T, *api, *string) (*string, error) {
	return func(t *testing.T, a *api, version *string) (*string, error) {
		r, err := a.UpdateBrokerCount(t.Context(), &kafka.UpdateBrokerCountInput{ClusterArn: a.arn, CurrentVersion: version, TargetNumberOfBrokerNodes: &to})
		return arnOf(r, err, func() *string { return r.ClusterOperationArn })
	}
}

func configuration(name, properties string) func(*testing.T, *api, *string) (*string, error) {
	return func(t *testing.T, a *api, version *string) (*string, error) {
		c, err := a.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{Name: aws.String("rolling-" + name), ServerProperties: []byte(properties)})
		if err != nil {
			return nil, err
		}
		r, err := a.UpdateClusterConfiguration(t.Context(), &kafka.UpdateClusterConfigurationInput{
			ClusterArn: a.arn, CurrentVersion: version,
			ConfigurationInfo: &types.ConfigurationInfo{Arn: c.Arn, Revision: c.LatestRevision.Revision},
		})
		return arnOf(r, err, func() *string { return r.ClusterOperationArn })
	}
}

// TestOperationsUnderLoad does one operation after the other while clients of three kinds send and read.
func TestOperationsUnderLoad(t *testing.T) {
	w := cluster.StartWeir(t, cluster.Options{})
	a := newAPI(t, w)
	createTopic(t, w)
	l := startLoad(t, w)
	chosen := operations()
	if names := os.Getenv("WEIR_TEST_ROLLING"); names != "" {
		chosen = slices.DeleteFunc(chosen, func(o operation) bool { return !slices.Contains(strings.Split(names, ","), o.name) })
	}
	for _, o := range chosen {
		var took time.Duration
		waits := l.during(t, func() {
			began := time.Now()
			arn, err := o.start(t, a, a.version(t))
			if err != nil {
				t.Fatalf("%s: %v", o.name, err)
			}
			a.await(t, arn)
			took = time.Since(began)
		})
		t.Logf("%-22s %8v; longest waits: %s", o.name, took.Round(time.Millisecond), waits)
		if t.Failed() {
			t.Fatalf("%s is not to be noticed", o.name)
		}
	}
	l.follow(t)
	l.stop()
	l.check(t, w.Bootstrap())
}

func createTopic(t *testing.T, w *cluster.Weir) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(w.Bootstrap(), ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	resp, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 3, nil, topic)
	if err = errors.Join(err, resp.Err); err != nil {
		t.Fatal(err)
	}
}
