package daemon

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	msk "github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/authn"
)

// sdk is AWS's own client of the APIs, and the demo cluster's ARN.
func (r *running) sdk(cfg Config) (client *msk.Client, clusterARN string) {
	r.t.Helper()
	root, err := authn.LoadOrCreateRoot(credentialsPath(cfg.Data))
	if err != nil {
		r.t.Fatal(err)
	}
	s := r.status(cfg)
	// Every connection is the test's own, and gone at its end.
	transport := &http.Transport{DisableKeepAlives: true}
	r.t.Cleanup(transport.CloseIdleConnections)
	return msk.NewFromConfig(aws.Config{
		Region: cfg.Region, BaseEndpoint: aws.String(s.API), RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey.Reveal()}, nil
		}),
	}), r.cluster().ARN
}

// status asks until there is an answer: those who ask give up after some seconds.
func (r *running) status(cfg Config) (s Status) {
	r.t.Helper()
	soon(r.t, "a status", func() (ok bool) {
		var err error
		s, err = ReadStatus(r.t.Context(), cfg.Data)
		return err == nil
	})
	return s
}

func topicConfigs(t *testing.T, text *string) map[string]string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(aws.ToString(text))
	var configs map[string]string
	if err == nil {
		err = json.Unmarshal(b, &configs)
	}
	if err != nil {
		t.Fatalf("configs %s: %v", aws.ToString(text), err)
	}
	return configs
}

func encodedConfigs(t *testing.T, configs map[string]string) *string {
	t.Helper()
	b, err := json.Marshal(configs)
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(base64.StdEncoding.EncodeToString(b))
}

// awaitTopic waits as Terraform's aws_msk_topic does: ACTIVE twice in a row, and no other status than those it waits through.
func awaitTopic(t *testing.T, client *msk.Client, arn, topic string, through ...types.TopicState) *msk.DescribeTopicOutput {
	t.Helper()
	active := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		out, err := client.DescribeTopic(t.Context(), &msk.DescribeTopicInput{ClusterArn: &arn, TopicName: &topic})
		if err != nil {
			t.Fatal(err)
		}
		if out.Status == types.TopicStateActive {
			if active++; active == 2 {
				return out
			}
			continue
		}
		active = 0
		if len(through) == 0 || out.Status != through[0] {
			t.Fatalf("status %s; Terraform waits through %v", out.Status, through)
		}
	}
	t.Fatalf("topic %s did not become ACTIVE", topic)
	return nil
}

// TestTopicAsTerraformManagesIt makes the calls of the provider's aws_msk_topic in their order: create, read, import, update of configs and then of
// partitions, removal of configs, destroy, and looks over its shoulder with a Kafka client.
// That one asks any broker, whose image may be a moment behind; what the API answers is never behind what it did, or what a Kafka client did.
func TestTopicAsTerraformManagesIt(t *testing.T) {
	cfg := testConfig(t)
	r := startUp(t, cfg)
	client, arn := r.sdk(cfg)
	ctx := t.Context()
	admin := kadm.NewClient(freshClient(t, r.cluster().Bootstrap))
	const topic = "tf-acc-test"

	// Create, with configs.
	want := map[string]string{"retention.ms": "604800000", "retention.bytes": "-1", "cleanup.policy": "delete", "min.insync.replicas": "2"}
	made, err := client.CreateTopic(ctx, &msk.CreateTopicInput{
		ClusterArn: &arn, TopicName: aws.String(topic), PartitionCount: aws.Int32(2), ReplicationFactor: aws.Int32(2), Configs: encodedConfigs(t, want),
	})
	if err != nil {
		t.Fatal(err)
	}
	if made.Status != types.TopicStateCreating || !strings.HasSuffix(*made.TopicArn, "/"+topic) || !strings.Contains(*made.TopicArn, ":topic/demo/") {
		t.Errorf("created: %s %s", made.Status, *made.TopicArn)
	}
	soon(t, "a Kafka client sees the topic", func() bool {
		ts, err := admin.ListTopics(ctx, topic)
		return err == nil && len(ts[topic].Partitions) == 2
	})
	read := awaitTopic(t, client, arn, topic, types.TopicStateCreating)
	if *read.PartitionCount != 2 || *read.ReplicationFactor != 2 || *read.TopicArn != *made.TopicArn {
		t.Errorf("read back: %d partitions, %d replicas, %s", *read.PartitionCount, *read.ReplicationFactor, *read.TopicArn)
	}
	// No difference: the configured keys read back as they were given, among the defaults.
	got := topicConfigs(t, read.Configs)
	for k, v := range want {
		if got[k] != v {
			t.Errorf("config %s is %q; want %q", k, got[k], v)
		}
	}
	if got["max.message.bytes"] == "" || got["segment.bytes"] == "" {
		t.Errorf("defaults are missing in %v", got)
	}

	// Update the configs: what is not named any more has its default again.
	updateTopic(t, client, &msk.UpdateTopicInput{ClusterArn: &arn, TopicName: aws.String(topic), Configs: encodedConfigs(t, map[string]string{
		"retention.ms": "86400000", "compression.type": "snappy",
	})})
	got = topicConfigs(t, awaitTopic(t, client, arn, topic, types.TopicStateUpdating).Configs)
	if got["retention.ms"] != "86400000" || got["compression.type"] != "snappy" {
		t.Errorf("after the update: %v", got)
	}
	soon(t, "a Kafka client sees the topic's own configs", func() bool {
		rc, err := admin.DescribeTopicConfigs(ctx, topic)
		return err == nil && len(rc) == 1 && own(rc[0]) == "compression.type=snappy,retention.ms=86400000"
	})
	// Then the partitions.
	updateTopic(t, client, &msk.UpdateTopicInput{ClusterArn: &arn, TopicName: aws.String(topic), PartitionCount: aws.Int32(3)})
	if out := awaitTopic(t, client, arn, topic, types.TopicStateUpdating); *out.PartitionCount != 3 {
		t.Errorf("%d partitions; want 3", *out.PartitionCount)
	}
	inSync := func() bool { // brokers drop out for a moment when nothing moves for seconds
		listed, err := client.ListTopics(ctx, &msk.ListTopicsInput{ClusterArn: &arn})
		return err == nil && !slices.ContainsFunc(listed.Topics, func(t types.TopicInfo) bool { return *t.OutOfSyncReplicaCount != 0 })
	}
	soon(t, "all replicas are in sync", inSync)
	ps, err := client.DescribeTopicPartitions(ctx, &msk.DescribeTopicPartitionsInput{ClusterArn: &arn, TopicName: aws.String(topic), MaxResults: aws.Int32(2)})
	if err != nil || len(ps.Partitions) != 2 || ps.NextToken == nil {
		t.Fatalf("first page of partitions: %+v, %v", ps, err)
	}
	ps, err = client.DescribeTopicPartitions(ctx, &msk.DescribeTopicPartitionsInput{ClusterArn: &arn, TopicName: aws.String(topic), NextToken: ps.NextToken})
	if err != nil || len(ps.Partitions) != 1 || ps.NextToken != nil || *ps.Partitions[0].Partition != 2 || len(ps.Partitions[0].Replicas) != 2 ||
		len(ps.Partitions[0].Isr) != 2 || *ps.Partitions[0].Leader < 1 {
		t.Errorf("second page of partitions: %+v, %v", ps, err)
	}
	// No configs any more.
	updateTopic(t, client, &msk.UpdateTopicInput{ClusterArn: &arn, TopicName: aws.String(topic), Configs: encodedConfigs(t, map[string]string{})})
	awaitTopic(t, client, arn, topic, types.TopicStateUpdating)
	soon(t, "a Kafka client sees no configs of the topic's own", func() bool {
		rc, err := admin.DescribeTopicConfigs(ctx, topic)
		return err == nil && len(rc) == 1 && own(rc[0]) == ""
	})

	// A topic that a Kafka client makes is there at once.
	if _, err := admin.CreateTopic(ctx, 1, 3, nil, "from-kafka"); err != nil {
		t.Fatal(err)
	}
	listed, err := client.ListTopics(ctx, &msk.ListTopicsInput{ClusterArn: &arn, TopicNameFilter: aws.String("from-")})
	if err != nil || len(listed.Topics) != 1 || *listed.Topics[0].ReplicationFactor != 3 {
		t.Errorf("listed: %+v, %v", listed, err)
	}
	soon(t, "all replicas are in sync", inSync)

	// Destroy.
	gone, err := client.DeleteTopic(ctx, &msk.DeleteTopicInput{ClusterArn: &arn, TopicName: aws.String(topic)})
	if err != nil || gone.Status != types.TopicStateDeleting {
		t.Fatalf("deleted: %+v, %v", gone, err)
	}
	var missing *types.NotFoundException
	if _, err := client.DescribeTopic(ctx, &msk.DescribeTopicInput{ClusterArn: &arn, TopicName: aws.String(topic)}); !errors.As(err, &missing) {
		t.Errorf("read after destroy: %v; want NotFoundException", err)
	}
	if _, err := client.DeleteTopic(ctx, &msk.DeleteTopicInput{ClusterArn: &arn, TopicName: aws.String(topic)}); !errors.As(err, &missing) {
		t.Errorf("destroy again: %v; want NotFoundException, which Terraform takes for done", err)
	}
}

// updateTopic makes a change. One that brokers were too busy to answer is asked for again; if it was made all the same, it may be refused then.
func updateTopic(t *testing.T, client *msk.Client, in *msk.UpdateTopicInput) {
	t.Helper()
	late := false
	soon(t, "the topic is updated", func() bool {
		_, err := client.UpdateTopic(t.Context(), in)
		var timeout *types.KafkaTimeoutException
		var refused *types.KafkaRequestException
		switch {
		case errors.As(err, &timeout):
			late = true
			return false
		case err != nil && (!late || !errors.As(err, &refused)):
			t.Fatal(err)
		}
		return true
	})
}

// own are the configs that the topic itself has, as name=value in order of name.
func own(rc kadm.ResourceConfig) string {
	var set []string
	for _, c := range rc.Configs {
		if c.Source == kmsg.ConfigSourceDynamicTopicConfig {
			set = append(set, c.Key+"="+c.MaybeValue())
		}
	}
	return strings.Join(set, ",")
}

// freshClient is a Kafka client that remembers nothing for long.
func freshClient(t *testing.T, bootstrap string) *kgo.Client {
	t.Helper()
	return client(t, bootstrap, kgo.MetadataMinAge(10*time.Millisecond), kgo.MetadataMaxAge(20*time.Millisecond))
}

// soon waits until done says so.
func soon(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// TestBrokersRefuseTopics provokes on real brokers what they refuse, as each exception that it can be provoked for.
func TestBrokersRefuseTopics(t *testing.T) {
	cfg := testConfig(t)
	cfg.Brokers = 1
	r := startUp(t, cfg)
	client, arn := r.sdk(cfg)
	ctx := t.Context()
	create := func(change func(*msk.CreateTopicInput)) error {
		in := &msk.CreateTopicInput{ClusterArn: &arn, TopicName: aws.String("a.b"), PartitionCount: aws.Int32(2), ReplicationFactor: aws.Int32(1)}
		change(in)
		_, err := client.CreateTopic(ctx, in)
		return err
	}
	if err := create(func(*msk.CreateTopicInput) {}); err != nil {
		t.Fatal(err)
	}
	update := func(change func(*msk.UpdateTopicInput)) error {
		in := &msk.UpdateTopicInput{ClusterArn: &arn, TopicName: aws.String("a.b")}
		change(in)
		_, err := client.UpdateTopic(ctx, in)
		return err
	}
	var exists *types.TopicExistsException
	if err := create(func(*msk.CreateTopicInput) {}); !errors.As(err, &exists) || aws.ToString(exists.InvalidParameter) != "topicName" {
		t.Errorf("the same again: %v", err)
	}
	refusals := []struct {
		name, parameter, message string
		err                      error
	}{
		{"a name that collides", "topicName", "collides", create(func(in *msk.CreateTopicInput) { in.TopicName = aws.String("a_b") })},
		{"an unknown config", "configs", "no.such", create(func(in *msk.CreateTopicInput) {
			in.TopicName, in.Configs = aws.String("c"), encodedConfigs(t, map[string]string{"no.such": "1"})
		})},
		{"a value out of range", "configs", "retention.ms", update(func(in *msk.UpdateTopicInput) {
			in.Configs = encodedConfigs(t, map[string]string{"retention.ms": "soon"})
		})},
		{"fewer partitions", "partitionCount", "", update(func(in *msk.UpdateTopicInput) { in.PartitionCount = aws.Int32(1) })},
		{"the same number of partitions", "partitionCount", "2 partition", update(func(in *msk.UpdateTopicInput) { in.PartitionCount = aws.Int32(2) })},
	}
	for _, tt := range refusals {
		var refused *types.KafkaRequestException
		if !errors.As(tt.err, &refused) || aws.ToString(refused.InvalidParameter) != tt.parameter || !strings.Contains(refused.ErrorMessage(), tt.message) {
			t.Errorf("%s: %v (%+v)", tt.name, tt.err, refused)
		}
	}
	var missing *types.NotFoundException
	_, err := client.UpdateTopic(ctx, &msk.UpdateTopicInput{ClusterArn: &arn, TopicName: aws.String("none"), PartitionCount: aws.Int32(3)})
	if !errors.As(err, &missing) {
		t.Errorf("update of a topic that is not there: %v", err)
	}
	if n, err := pages(ctx, client, arn); err != nil || n < 1 {
		t.Errorf("%d topics, %v", n, err)
	}
}

// pages counts topics with the SDK's paginator, one a page.
func pages(ctx context.Context, client *msk.Client, arn string) (n int, err error) {
	p := msk.NewListTopicsPaginator(client, &msk.ListTopicsInput{ClusterArn: &arn, MaxResults: aws.Int32(1)})
	for p.HasMorePages() {
		out, err := p.NextPage(ctx)
		if err != nil {
			return n, fmt.Errorf("page %d: %w", n, err)
		}
		n += len(out.Topics)
	}
	return n, nil
}
