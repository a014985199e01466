package peer

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"weir/test/cluster"
)

// TestAWSSDKs tells a cluster's life with the AWS SDKs of four languages against one `weir up`. There is no other system to tell it to:
// what they must see is what their own generated types and exceptions say.
func TestAWSSDKs(t *testing.T) {
	w := cluster.StartWeir(t, cluster.Options{})
	text := cluster.Run(t, w.Env(), cluster.AWS(t, 1), "ec2", "describe-subnets", "--output", "text", "--query", "Subnets[].SubnetId")
	subnets := strings.Fields(text)
	if len(subnets) != 3 {
		t.Fatalf("describe-subnets = %q, want three", text)
	}
	list := strings.Join(subnets, ",")
	script := func(name string) string { return filepath.Join(cluster.Root(), "test", "peer", "sdk", name) }

	t.Run("Go", func(t *testing.T) { goSDK(t, w, subnets) })
	t.Run("Python", func(t *testing.T) {
		wantOK(t, cluster.Run(t, w.Env(), cluster.Python(t), script("story.py"), list))
	})
	t.Run("Python, what a mock is expected to do", func(t *testing.T) {
		wantOK(t, cluster.Run(t, w.Env(), cluster.Python(t), script("mocked.py"), list))
	})
	t.Run("Python, every paginator", func(t *testing.T) {
		wantOK(t, cluster.Run(t, w.Env(), cluster.Python(t), script("pages.py"), list))
	})
	t.Run("JavaScript", func(t *testing.T) {
		wantOK(t, cluster.Run(t, append(w.Env(), "NODE_PATH="+cluster.NodeModules(t)), "node", script("story.js"), list))
	})
	t.Run("Java", func(t *testing.T) {
		classes, jars := t.TempDir(), cluster.Jars(t, "aws-java")
		cluster.Run(t, nil, "javac", "-encoding", "UTF-8", "-cp", jars, "-d", classes, script("Story.java"))
		wantOK(t, cluster.Run(t, w.Env(), "java", "-cp", classes+":"+jars, "Story", list))
	})
}

// goSDK is the story of the scripts in sdk/, told with the AWS SDK for Go 2.
func goSDK(t *testing.T, w *cluster.Weir, subnets []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cfg := aws.Config{
		Region:           w.Getenv("AWS_REGION"),
		BaseEndpoint:     aws.String(w.Getenv("AWS_ENDPOINT_URL")),
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: w.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: w.Getenv("AWS_SECRET_ACCESS_KEY")}, nil
		}),
	}
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil || aws.ToString(identity.Account) != "000000000000" {
		t.Fatalf("GetCallerIdentity = %+v, %v", identity, err)
	}
	cl := kafka.NewFromConfig(cfg)
	versions, err := cl.ListKafkaVersions(ctx, &kafka.ListKafkaVersionsInput{})
	if err != nil || len(versions.KafkaVersions) == 0 {
		t.Fatalf("ListKafkaVersions = %+v, %v", versions, err)
	}
	request := &kafka.CreateClusterV2Input{
		ClusterName: aws.String("from-go"),
		Provisioned: &types.ProvisionedRequest{
			KafkaVersion:        versions.KafkaVersions[len(versions.KafkaVersions)-1].Version,
			NumberOfBrokerNodes: aws.Int32(3),
			BrokerNodeGroupInfo: &types.BrokerNodeGroupInfo{InstanceType: aws.String("kafka.m5.large"), ClientSubnets: subnets},
		},
		Tags: map[string]string{"language": "Go, ü"},
	}
	created, err := cl.CreateClusterV2(ctx, request)
	if err != nil || created.State != types.ClusterStateCreating {
		t.Fatalf("CreateClusterV2 = %+v, %v", created, err)
	}
	arn := created.ClusterArn
	if _, err := cl.CreateClusterV2(ctx, request); !is[*types.ConflictException](err) {
		t.Errorf("a second cluster of the same name: %v, want a ConflictException", err)
	}
	cluster.Eventually(t, 2*time.Minute, func() error {
		d, err := cl.DescribeClusterV2(ctx, &kafka.DescribeClusterV2Input{ClusterArn: arn})
		if err == nil && d.ClusterInfo.State != types.ClusterStateActive {
			err = errors.New("state " + string(d.ClusterInfo.State))
		}
		return err
	})
	bootstrap, err := cl.GetBootstrapBrokers(ctx, &kafka.GetBootstrapBrokersInput{ClusterArn: arn})
	if err != nil || strings.Count(aws.ToString(bootstrap.BootstrapBrokerString), ",") != 2 {
		t.Errorf("GetBootstrapBrokers = %+v, %v", bootstrap, err)
	}
	found, pages := false, 0
	for p := kafka.NewListClustersV2Paginator(cl, &kafka.ListClustersV2Input{MaxResults: aws.Int32(1)}); p.HasMorePages(); pages++ {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.ClusterInfoList {
			found = found || aws.ToString(c.ClusterArn) == aws.ToString(arn)
		}
	}
	if !found || pages < 2 {
		t.Errorf("ListClustersV2: found %v in %d pages of one", found, pages)
	}
	if _, err := cl.TagResource(ctx, &kafka.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a/b": "c d"}}); err != nil {
		t.Error(err)
	}
	tags, err := cl.ListTagsForResource(ctx, &kafka.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil || !maps.Equal(tags.Tags, map[string]string{"language": "Go, ü", "a/b": "c d"}) {
		t.Errorf("ListTagsForResource = %+v, %v", tags, err)
	}
	configuration := goUpdates(ctx, t, cl, arn)
	if _, err := cl.DeleteCluster(ctx, &kafka.DeleteClusterInput{ClusterArn: arn}); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, 2*time.Minute, func() error {
		_, err := cl.DescribeClusterV2(ctx, &kafka.DescribeClusterV2Input{ClusterArn: arn})
		if is[*types.NotFoundException](err) {
			return nil
		}
		return errors.Join(errors.New("the cluster is not gone"), err)
	})
	if _, err := cl.DeleteConfiguration(ctx, &kafka.DeleteConfigurationInput{Arn: configuration}); err != nil {
		t.Error(err)
	}
}

// goUpdates is the middle of the story: configuration, volumes and number of brokers are changed and read back. It returns the configuration.
func goUpdates(ctx context.Context, t *testing.T, cl *kafka.Client, arn *string) *string {
	t.Helper()
	describe := func() *types.ClusterInfo {
		t.Helper()
		d, err := cl.DescribeCluster(ctx, &kafka.DescribeClusterInput{ClusterArn: arn})
		if err != nil {
			t.Fatal(err)
		}
		return d.ClusterInfo
	}
	done := func(operation *string) *types.ClusterOperationInfo {
		t.Helper()
		var info *types.ClusterOperationInfo
		cluster.Eventually(t, 2*time.Minute, func() error {
			o, err := cl.DescribeClusterOperation(ctx, &kafka.DescribeClusterOperationInput{ClusterOperationArn: operation})
			if err != nil {
				return err
			}
			info = o.ClusterOperationInfo
			if *info.OperationState != "UPDATE_COMPLETE" {
				return errors.New("the operation is " + *info.OperationState)
			}
			return nil
		})
		return info
	}
	made, err := cl.CreateConfiguration(ctx, &kafka.CreateConfigurationInput{Name: aws.String("of-go"), ServerProperties: []byte("log.retention.hours=48\n")})
	if err != nil {
		t.Fatal(err)
	}
	configured, err := cl.UpdateClusterConfiguration(ctx, &kafka.UpdateClusterConfigurationInput{
		ClusterArn: arn, CurrentVersion: describe().CurrentVersion,
		ConfigurationInfo: &types.ConfigurationInfo{Arn: made.Arn, Revision: made.LatestRevision.Revision},
	})
	if err != nil {
		t.Fatal(err)
	}
	done(configured.ClusterOperationArn)
	volumes := *describe().BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize
	grown, err := cl.UpdateBrokerStorage(ctx, &kafka.UpdateBrokerStorageInput{
		ClusterArn: arn, CurrentVersion: describe().CurrentVersion,
		TargetBrokerEBSVolumeInfo: []types.BrokerEBSVolumeInfo{{KafkaBrokerNodeId: aws.String("All"), VolumeSizeGB: aws.Int32(volumes + 10)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	done(grown.ClusterOperationArn)
	counted, err := cl.UpdateBrokerCount(ctx, &kafka.UpdateBrokerCountInput{
		ClusterArn: arn, CurrentVersion: describe().CurrentVersion, TargetNumberOfBrokerNodes: aws.Int32(6),
	})
	if err != nil {
		t.Fatal(err)
	}
	if o := done(counted.ClusterOperationArn); *o.SourceClusterInfo.NumberOfBrokerNodes != 3 || *o.TargetClusterInfo.NumberOfBrokerNodes != 6 {
		t.Errorf("the operation went from %+v to %+v", o.SourceClusterInfo, o.TargetClusterInfo)
	}
	_, err = cl.UpdateBrokerCount(ctx, &kafka.UpdateBrokerCountInput{ClusterArn: arn, CurrentVersion: aws.String("KOLD"), TargetNumberOfBrokerNodes: aws.Int32(9)})
	if !is[*types.BadRequestException](err) || !strings.Contains(err.Error(), "isn't current") {
		t.Errorf("an update from a stale version: %v", err)
	}
	now := describe()
	software := now.CurrentBrokerSoftwareInfo
	if *now.NumberOfBrokerNodes != 6 || *now.BrokerNodeGroupInfo.StorageInfo.EbsStorageInfo.VolumeSize != volumes+10 ||
		aws.ToString(software.ConfigurationArn) != *made.Arn || aws.ToInt64(software.ConfigurationRevision) != *made.LatestRevision.Revision {
		t.Errorf("after the updates: %+v", now)
	}
	return made.Arn
}

// is says whether err is, or wraps, an E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// wantOK checks a script's last word: it prints ok when it came to its end.
func wantOK(t *testing.T, out string) {
	t.Helper()
	if !strings.HasSuffix(out, "ok\n") {
		t.Errorf("the script did not end with ok:\n%s", out)
	}
}
