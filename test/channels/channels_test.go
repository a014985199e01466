package channels

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
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

// TestChannelLosesAndDuplicatesNothing delivers a topic while `weir up` is killed at each moment of a delivery. A start delivers at once what is
// there, so the test need not wait for the channel's freshness.
func TestChannelLosesAndDuplicatesNothing(t *testing.T) {
	store := cluster.StartS3(t)
	door := newDoor(t, store.Endpoint)
	t.Setenv("WEIR_S3_ENDPOINT", door.URL)
	t.Setenv("WEIR_S3_CREDENTIALS", store.Credentials)
	s3, err := minio.New(strings.TrimPrefix(store.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(store.AccessKey, store.SecretKey, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
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
	cluster.Eventually(t, time.Minute, func() error {
		out, err := describe()
		if err == nil && out.Status != types.ChannelStatusActive {
			err = fmt.Errorf("channel is %s: %+v", out.Status, out.StateInfo)
		}
		return err
	})

	var want []string
	bad := 0
	// Each round kills `weir up` at another moment of a delivery. Dead letters are put first.
	for round, at := range []moment{{put: 1}, {put: 1, after: true}, {put: 2}, {put: 2, after: true}} {
		for i := range 250 {
			value := fmt.Sprintf(`{"n":"%d-%d"}`, round, i)
			want = append(want, value)
			produce(value)
		}
		produce("not JSON")
		bad++
		w.KillAll()
		up := make(chan struct{})
		killed := door.arm(at, func() { <-up; w.KillAll() })
		w.Start(t) // delivers at once
		close(up)
		select {
		case <-killed:
		case <-ctx.Done():
			t.Fatalf("round %d: nothing was put", round)
		}
		w.Start(t)
		w.AwaitReady(t)
		cluster.Eventually(t, 2*time.Minute, func() error {
			got, _, err := lines(ctx, s3, "data", "raw/orders/year=")
			if err == nil && len(got) < len(want) {
				err = fmt.Errorf("%d of %d records are delivered", len(got), len(want))
			}
			return err
		})
	}
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
	cluster.Eventually(t, time.Minute, func() error {
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

// moment is one of a delivery: before or after the store has got the n-th object.
type moment struct {
	put   int
	after bool
}

// door is what stands before the store, and can kill who comes through.
type door struct {
	*httptest.Server

	mu   sync.Mutex
	at   moment
	puts int
	kill func()
	done chan struct{}
}

func newDoor(t *testing.T, store string) *door {
	t.Helper()
	to, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{}
	transport := &http.Transport{}
	behind := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // which is signed
	}}
	d.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			behind.ServeHTTP(rw, r)
			return
		}
		d.mu.Lock()
		d.puts++
		hit, after, kill := d.kill != nil && d.puts == d.at.put, d.at.after, d.kill
		if hit {
			d.kill = nil
			defer close(d.done)
		}
		d.mu.Unlock()
		if hit && !after {
			kill()
			return
		}
		// What the sender gets is held back, so that it cannot know before it is killed.
		answer := httptest.NewRecorder()
		behind.ServeHTTP(answer, r)
		if hit {
			kill()
			return
		}
		maps.Copy(rw.Header(), answer.Header())
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes())
	}))
	t.Cleanup(func() {
		d.CloseClientConnections()
		d.Close()
		transport.CloseIdleConnections()
	})
	return d
}

// arm makes the door kill at that moment, counted from now; the channel is closed when it has.
func (d *door) arm(at moment, kill func()) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at, d.puts, d.kill, d.done = at, 0, kill, make(chan struct{})
	return d.done
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
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := client.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
