package channels

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/klauspost/compress/gzip"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

func sdk(w *cluster.Weir) *kafka.Client {
	return kafka.NewFromConfig(aws.Config{
		Region: w.Getenv("AWS_REGION"), BaseEndpoint: aws.String(w.Getenv("AWS_ENDPOINT_URL")), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: w.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: w.Getenv("AWS_SECRET_ACCESS_KEY")}, nil
		}),
	})
}

// lines are the lines of all objects in the bucket, unpacked, and how many objects there are.
func lines(ctx context.Context, s3 *minio.Client, bucket, prefix string) (all []string, objects int, err error) {
	for info := range s3.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if info.Err != nil {
			return nil, 0, info.Err
		}
		objects++
		o, err := s3.GetObject(ctx, bucket, info.Key, minio.GetObjectOptions{})
		if err != nil {
			return nil, 0, err
		}
		var r io.Reader = o
		if strings.HasSuffix(info.Key, ".gz") {
			if r, err = gzip.NewReader(o); err != nil {
				return nil, 0, fmt.Errorf("%s: %w", info.Key, err)
			}
		}
		for s := bufio.NewScanner(r); s.Scan(); {
			all = append(all, s.Text())
		}
		if err := o.Close(); err != nil {
			return nil, 0, err
		}
	}
	return all, objects, nil
}

// TestChannelLosesAndDuplicatesNothing delivers a topic while `weir up` is killed again and again. A start delivers at once what is there, so the
// test need not wait for the channel's freshness.
func TestChannelLosesAndDuplicatesNothing(t *testing.T) {
	store := cluster.StartS3(t)
	t.Setenv("WEIR_S3_ENDPOINT", store.Endpoint)
	t.Setenv("WEIR_S3_CREDENTIALS", store.Credentials)
	s3, err := minio.New(strings.TrimPrefix(store.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(store.AccessKey, store.SecretKey, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for _, bucket := range []string{"data", "dead"} {
		if err := s3.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w := cluster.StartWeir(t, cluster.Options{})
	api := sdk(w)
	clusters, err := api.ListClustersV2(ctx, &kafka.ListClustersV2Input{})
	if err != nil || len(clusters.ClusterInfoList) != 1 {
		t.Fatalf("clusters: %+v, %v", clusters, err)
	}
	arn := clusters.ClusterInfoList[0].ClusterArn
	topic, err := api.CreateTopic(ctx, &kafka.CreateTopicInput{
		ClusterArn: arn, TopicName: aws.String("orders"), PartitionCount: aws.Int32(3), ReplicationFactor: aws.Int32(3),
	})
	if err != nil {
		t.Fatal(err)
	}
	produce := producer(t, w.Bootstrap())
	produce(`{"n":"before the channel"}`)
	made, err := api.CreateChannel(ctx, &kafka.CreateChannelInput{
		ClusterArn: arn, ChannelName: aws.String("archive"),
		TopicConfigurationList: []types.TopicConfiguration{{
			TopicArn: topic.TopicArn, RecordConverter: &types.RecordConverter{ValueConverter: types.ValueConverterJson},
		}},
		S3DestinationConfiguration: &types.S3DestinationConfiguration{
			ServiceExecutionRoleArn: aws.String("arn:aws:iam::000000000000:role/delivery"),
			DeadLetterQueueS3:       &types.DeadLetterQueueS3{BucketArn: aws.String("arn:aws:s3:::dead"), ErrorOutputPrefix: aws.String("errors/")},
			Storage: &types.S3Storage{
				BucketArn: aws.String("arn:aws:s3:::data"), CompressionType: types.S3CompressionTypeGzip, StorageClass: types.S3StorageClassStandard,
				OutputPrefix: aws.String("raw/"), OutputKeyTemplate: aws.String("!{topic-name}/year=!{yyyy}/"),
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	describe := func() (*kafka.DescribeChannelOutput, error) {
		return api.DescribeChannel(ctx, &kafka.DescribeChannelInput{ClusterArn: arn, ChannelArn: made.ChannelArn})
	}
	cluster.Eventually(t, 30*time.Second, func() error {
		out, err := describe()
		if err == nil && out.Status != types.ChannelStatusActive {
			err = fmt.Errorf("channel is %s: %+v", out.Status, out.StateInfo)
		}
		return err
	})

	var want []string
	bad := 0
	for round := range 4 {
		for i := range 250 {
			value := fmt.Sprintf(`{"n":"%d-%d"}`, round, i)
			want = append(want, value)
			produce(value)
		}
		produce("not JSON")
		bad++
		// The next start delivers at once, and is killed somewhere on its way, except the last.
		w.KillAll()
		w.Start(t)
		w.AwaitReady(t)
	}
	cluster.Eventually(t, 60*time.Second, func() error {
		got, _, err := lines(ctx, s3, "data", "raw/orders/year=")
		if err == nil && len(got) < len(want) {
			err = fmt.Errorf("%d of %d records are delivered", len(got), len(want))
		}
		return err
	})
	got, objects, err := lines(ctx, s3, "data", "")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d records are in objects; want %d, each once", len(got), len(want))
	}
	letters, _, err := lines(ctx, s3, "dead", "errors/orders/")
	if err != nil || len(letters) != bad {
		t.Errorf("%d dead letters, %v; want %d", len(letters), err, bad)
	}
	for _, l := range letters {
		var letter struct{ Topic, ErrorCode string }
		if err := json.Unmarshal([]byte(l), &letter); err != nil || letter.Topic != "orders" || letter.ErrorCode != "CONVERSION_FAILED" {
			t.Errorf("dead letter %s: %v", l, err)
		}
	}
	t.Logf("%d records in %d objects, %d dead letters", len(got), objects, len(letters))

	// It goes as Terraform takes it away: the topic can be deleted once the channel is gone.
	api = sdk(w)
	var associated *types.BadRequestException
	_, err = api.DeleteTopic(ctx, &kafka.DeleteTopicInput{ClusterArn: arn, TopicName: aws.String("orders")})
	if !errors.As(err, &associated) || !strings.Contains(associated.ErrorMessage(), "associated Channel") {
		t.Errorf("delete a topic with a channel: %v", err)
	}
	if _, err := api.DeleteChannel(ctx, &kafka.DeleteChannelInput{ClusterArn: arn, ChannelArn: made.ChannelArn}); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, 30*time.Second, func() error {
		var gone *types.NotFoundException
		if _, err := describe(); !errors.As(err, &gone) {
			return fmt.Errorf("the channel is there: %w", err)
		}
		return nil
	})
	if _, err := api.DeleteTopic(ctx, &kafka.DeleteTopicInput{ClusterArn: arn, TopicName: aws.String("orders")}); err != nil {
		t.Error(err)
	}
}

// producer returns what appends a record, acknowledged.
func producer(t *testing.T, bootstrap string) func(value string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return func(value string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := client.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
