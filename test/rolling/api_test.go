package rolling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"weir/test/cluster"
)

// operationLimit bounds every operation: three brokers restart in it, on a machine that has much else to do.
const operationLimit = 5 * time.Minute

// api is the demo cluster as its owner sees it.
type api struct {
	*kafka.Client
	w   *cluster.Weir
	arn *string
}

func newAPI(t *testing.T, w *cluster.Weir) *api {
	t.Helper()
	a := &api{w: w, Client: kafka.NewFromConfig(aws.Config{
		Region:           w.Getenv("AWS_REGION"),
		BaseEndpoint:     aws.String(w.Getenv("AWS_ENDPOINT_URL")),
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: w.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: w.Getenv("AWS_SECRET_ACCESS_KEY")}, nil
		}),
	})}
	clusters, err := a.ListClustersV2(t.Context(), &kafka.ListClustersV2Input{})
	if err != nil || len(clusters.ClusterInfoList) != 1 {
		t.Fatalf("ListClustersV2 = %+v, %v, want one cluster", clusters, err)
	}
	a.arn = clusters.ClusterInfoList[0].ClusterArn
	return a
}

// describe is the cluster as it is now.
func (a *api) describe(ctx context.Context) (*types.Cluster, error) {
	d, err := a.DescribeClusterV2(ctx, &kafka.DescribeClusterV2Input{ClusterArn: a.arn})
	if err != nil {
		return nil, err
	}
	return d.ClusterInfo, nil
}

// version is the currentVersion that an update has to name.
func (a *api) version(t *testing.T) *string {
	t.Helper()
	c, err := a.describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c.CurrentVersion
}

// await waits for the end of an operation and of the cluster's being updated, and fails the test if it did not succeed.
func (a *api) await(t *testing.T, operation *string) {
	t.Helper()
	cluster.Eventually(t, operationLimit, func() error {
		d, err := a.DescribeClusterOperationV2(t.Context(), &kafka.DescribeClusterOperationV2Input{ClusterOperationArn: operation})
		if err != nil {
			return err
		}
		state := aws.ToString(d.ClusterOperationInfo.OperationState)
		if strings.HasSuffix(state, "_FAILED") {
			t.Fatalf("operation %s failed: %+v", aws.ToString(operation), d.ClusterOperationInfo.ErrorInfo)
		}
		if !strings.HasSuffix(state, "_COMPLETE") {
			return fmt.Errorf("the operation is %s", state)
		}
		c, err := a.describe(t.Context())
		if err == nil && c.State != types.ClusterStateActive {
			err = errors.New("the cluster is " + string(c.State))
		}
		return err
	})
}

// reboot restarts a broker and waits until it serves again.
func (a *api) reboot(t *testing.T, broker string) {
	t.Helper()
	var operation *string
	// A broker that was killed a moment ago may yet put the cluster into HEALING, in which nothing is rebooted.
	cluster.Eventually(t, operationLimit, func() error {
		r, err := a.RebootBroker(t.Context(), &kafka.RebootBrokerInput{ClusterArn: a.arn, BrokerIds: []string{broker}})
		if err != nil {
			return fmt.Errorf("reboot broker %s: %w", broker, err)
		}
		operation = r.ClusterOperationArn
		return nil
	})
	a.await(t, operation)
}
