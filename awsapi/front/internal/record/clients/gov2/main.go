// Command gov2 makes the calls of a recording with aws-sdk-go-v2.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"weir/awsapi/front/internal/echo"
)

func main() {
	if err := run(context.Background(), os.Getenv("AWS_ENDPOINT_URL")); err != nil { //nolint:forbidigo // this is a main
		fmt.Fprintln(os.Stderr, "gov2:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, "ok")
}

func run(ctx context.Context, endpoint string) error {
	root := echo.Root()
	cfg := aws.Config{
		Region: echo.Region, BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey.Reveal()}, nil
		}),
	}
	for _, calls := range []func(context.Context, aws.Config) error{callKafka, callSTS, callSecrets, callCloudWatch} {
		if err := calls(ctx, cfg); err != nil {
			return err
		}
	}
	return nil
}

const cluster = "arn:aws:kafka:us-east-1:000000000000:cluster/demo/11112222-3333-4444-5555-666677778888-1"

func callKafka(ctx context.Context, cfg aws.Config) error {
	c := kafka.NewFromConfig(cfg)
	arn := aws.String(cluster)
	tags := map[string]string{"team": "a&b=c d+é", "empty": ""}
	nodes := &types.BrokerNodeGroupInfo{
		InstanceType: aws.String("kafka.m5.large"), ClientSubnets: []string{"subnet-0a", "subnet-0b", "subnet-0c"},
		SecurityGroups: []string{}, StorageInfo: &types.StorageInfo{EbsStorageInfo: &types.EBSStorageInfo{VolumeSize: aws.Int32(100)}},
	}
	var errs []error
	note := func(_ any, err error) { errs = append(errs, err) }
	note(c.CreateCluster(ctx, &kafka.CreateClusterInput{
		ClusterName: aws.String("demo"), KafkaVersion: aws.String("3.9.x"),
		NumberOfBrokerNodes: aws.Int32(3), BrokerNodeGroupInfo: nodes, EnhancedMonitoring: types.EnhancedMonitoringPerBroker, Tags: tags,
	}))
	note(c.CreateClusterV2(ctx, &kafka.CreateClusterV2Input{ClusterName: aws.String("demo"), Tags: tags, Provisioned: &types.ProvisionedRequest{
		KafkaVersion: aws.String("3.9.x"), NumberOfBrokerNodes: aws.Int32(3), BrokerNodeGroupInfo: nodes,
		ClientAuthentication: &types.ClientAuthentication{
			Unauthenticated: &types.Unauthenticated{Enabled: aws.Bool(true)},
			Sasl:            &types.Sasl{Iam: &types.Iam{Enabled: aws.Bool(false)}},
		},
	}}))
	described, err := c.DescribeClusterV2(ctx, &kafka.DescribeClusterV2Input{ClusterArn: arn})
	note(described, err)
	if err == nil && (!described.ClusterInfo.CreationTime.Equal(echo.Time()) || *described.ClusterInfo.ClusterName != echo.Text) {
		note(nil, fmt.Errorf("described %+v", described.ClusterInfo))
	}
	note(c.ListClustersV2(ctx, &kafka.ListClustersV2Input{
		ClusterNameFilter: aws.String("de mo/+&=é"), ClusterTypeFilter: aws.String("PROVISIONED"),
		MaxResults: aws.Int32(5),
	}))
	note(c.CreateConfiguration(ctx, &kafka.CreateConfigurationInput{
		Name: aws.String("conf"), KafkaVersions: []string{"3.9.x"},
		ServerProperties: []byte("auto.create.topics.enable=false\nname=ü\n"),
	}))
	note(c.DescribeConfigurationRevision(ctx, &kafka.DescribeConfigurationRevisionInput{Arn: arn, Revision: aws.Int64(2)}))
	note(c.ListNodes(ctx, &kafka.ListNodesInput{ClusterArn: arn}))
	note(c.TagResource(ctx, &kafka.TagResourceInput{ResourceArn: arn, Tags: tags}))
	note(c.UntagResource(ctx, &kafka.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a", "b c", "d/e+f"}}))
	note(c.DescribeTopicPartitions(ctx, &kafka.DescribeTopicPartitionsInput{ClusterArn: arn, TopicName: aws.String("a.b-c_d")}))
	note(c.BatchDisassociateScramSecret(ctx, &kafka.BatchDisassociateScramSecretInput{
		ClusterArn:    arn,
		SecretArnList: []string{"arn:aws:secretsmanager:us-east-1:000000000000:secret:AmazonMSK_x"},
	}))
	note(c.RebootBroker(ctx, &kafka.RebootBrokerInput{ClusterArn: arn, BrokerIds: []string{"1"}}))
	note(c.DeleteCluster(ctx, &kafka.DeleteClusterInput{ClusterArn: arn, CurrentVersion: aws.String("K1 2/3")}))
	_, err = c.ListClusters(ctx, &kafka.ListClustersInput{MaxResults: aws.Int32(1000)})
	if bad, ok := errors.AsType[*types.BadRequestException](err); !ok || aws.ToString(bad.InvalidParameter) != "maxResults" {
		note(nil, fmt.Errorf("refusal read as %w", err))
	}
	return errors.Join(errs...)
}

func callSTS(ctx context.Context, cfg aws.Config) error {
	c := sts.NewFromConfig(cfg)
	who, err := c.GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	if *who.Arn != echo.Text {
		return fmt.Errorf("caller %q", *who.Arn)
	}
	assumed, err := c.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn:         aws.String("arn:aws:iam::000000000000:role/r"),
		RoleSessionName: aws.String("s@x"), DurationSeconds: aws.Int32(900), TransitiveTagKeys: []string{"team"},
		Tags: []ststypes.Tag{{Key: aws.String("team"), Value: aws.String("a/b=c d+é")}, {Key: aws.String("k"), Value: aws.String("")}},
	})
	if err != nil {
		return err
	}
	if !assumed.Credentials.Expiration.Equal(echo.Time()) {
		return fmt.Errorf("expiration %v", assumed.Credentials.Expiration)
	}
	_, err = c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::000000000000:role/r"), RoleSessionName: aws.String("!")})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "ValidationError" {
		return fmt.Errorf("refusal read as %w", err)
	}
	p, err := sts.NewPresignClient(c).PresignGetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	return get(ctx, p)
}

func get(ctx context.Context, p *v4.PresignedHTTPRequest) error {
	return fetch(ctx, p.Method, p.URL)
}

func callSecrets(ctx context.Context, cfg aws.Config) error {
	c := secretsmanager.NewFromConfig(cfg)
	if _, err := c.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: aws.String("AmazonMSK_x"), SecretString: aws.String(`{"username":"é"}`),
		ClientRequestToken: aws.String("11112222-3333-4444-5555-666677778888"),
		Tags:               []smtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}); err != nil {
		return err
	}
	got, err := c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("AmazonMSK_x")})
	if err != nil {
		return err
	}
	if !got.CreatedDate.Equal(echo.Time()) || !bytes.Equal(got.SecretBinary, echo.Blob()) {
		return fmt.Errorf("secret of %v: %q", got.CreatedDate, got.SecretBinary)
	}
	return nil
}

// callCloudWatch speaks rpc-v2-cbor, which the front refuses in words that this client can read.
func callCloudWatch(ctx context.Context, cfg aws.Config) error {
	_, err := cloudwatch.NewFromConfig(cfg).PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
		Namespace: aws.String("AWS/Kafka"),
		MetricData: []cwtypes.MetricDatum{{
			MetricName: aws.String("m"), Timestamp: aws.Time(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
			Value: aws.Float64(1.5), Unit: cwtypes.StandardUnitCount,
		}},
	})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "UnsupportedProtocol" {
		return fmt.Errorf("refusal read as %w", err)
	}
	return nil
}
