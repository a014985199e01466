package kafka

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	gen "weir/awsapi/gen/kafka"
	"weir/control/dataplane"
	"weir/control/dataplane/brokertest"
	"weir/control/resource"
	"weir/metadata"
)

// channelAccount is an account with an ACTIVE cluster that has the topic t, and an object store.
func channelAccount(t *testing.T, objectStore bool) *topicAccount {
	t.Helper()
	a := newAccount(t)
	clients := dataplane.New(dataplane.Config{Timeout: 30 * time.Second}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = clients.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	a.Service = New(a.store, Deps{Brokers: clients, ObjectStore: objectStore})
	ta := &topicAccount{account: a, arn: a.create("orders"), brokers: clients}
	var b *brokertest.Broker
	b = brokertest.Start(t, func(req kmsg.Request) kmsg.Response {
		m, ok := req.(*kmsg.MetadataRequest)
		if !ok {
			return nil
		}
		topic := brokertest.Topic(*m.Topics[0].Topic, 1)
		switch {
		case strings.HasPrefix(*topic.Topic, "t"):
			topic.TopicID = [16]byte{1}
		case *topic.Topic == "__consumer_offsets":
			topic.IsInternal = true
		default:
			topic.ErrorCode = kerr.UnknownTopicOrPartition.Code
		}
		return b.Metadata(topic)
	})
	ta.serve(b)
	return ta
}

func (a *topicAccount) topicARN(name string) *string {
	return new(strings.Replace(a.arn, ":cluster/", ":topic/", 1) + "/" + name)
}

// channelRequest is a request that is in order.
func (a *topicAccount) channelRequest(name string) *gen.CreateChannelInput {
	return &gen.CreateChannelInput{
		ClusterArn: &a.arn, ChannelName: &name,
		TopicConfigurationList: []gen.TopicConfiguration{{
			TopicArn: a.topicARN("t"), RecordConverter: &gen.RecordConverter{ValueConverter: gen.ValueConverterJson},
		}},
		S3DestinationConfiguration: &gen.S3DestinationConfiguration{
			ServiceExecutionRoleArn: new("arn:aws:iam::000000000000:role/delivery"),
			DeadLetterQueueS3:       &gen.DeadLetterQueueS3{BucketArn: new("arn:aws:s3:::dead-letters")},
			Storage: &gen.S3Storage{
				BucketArn: new("arn:aws:s3:::data-bucket"), CompressionType: gen.S3CompressionTypeGzip, StorageClass: gen.S3StorageClassStandard,
			},
		},
	}
}

// setChannel changes a channel as delivery would.
func (a *topicAccount) setChannel(arn string, change func(*resource.Channel)) {
	a.t.Helper()
	ref, _ := resource.ParseClusterARN(a.arn)
	_, _, id, _ := resource.ParseChannelARN(arn)
	c, at, ok, err := resource.ReadChannel(a.ctx, a.store, ref.Scope.ChannelKey(ref.UUID, id))
	if err != nil || !ok {
		a.t.Fatalf("channel %s: %v, %v", arn, ok, err)
	}
	change(&c)
	_, err = a.store.Commit(a.ctx, metadata.Txn{
		If: []metadata.Cond{{Key: c.Key(), Modified: at}}, Then: []metadata.Op{metadata.Put(c.Key(), metadata.Encode(c))},
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

func TestChannelLife(t *testing.T) {
	a := channelAccount(t, true)
	in := a.channelRequest("archive")
	in.Tags = map[string]string{"team": "data"}
	in.S3DestinationConfiguration.Storage.OutputPrefix = new("raw/")
	made, err := a.CreateChannel(a.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	describe := func() *gen.DescribeChannelOutput {
		t.Helper()
		out, err := a.DescribeChannel(a.ctx, &gen.DescribeChannelInput{ClusterArn: &a.arn, ChannelArn: made.ChannelArn})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := describe()
	if out.Status != gen.ChannelStatusCreating || *out.ClusterOperationArn != *made.ClusterOperationArn || *out.ChannelName != "archive" {
		t.Errorf("created: %+v", out)
	}
	// Terraform reads back what it gave, and the freshness that it did not give.
	want := in.S3DestinationConfiguration
	want.DataFreshnessInSeconds = new(int32(600))
	if diff := cmp.Diff(want, out.S3DestinationConfiguration); diff != "" {
		t.Errorf("destination (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(in.TopicConfigurationList, out.TopicConfigurationList); diff != "" {
		t.Errorf("topic (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(in.Tags, out.Tags); diff != "" || out.LoggingInfo != nil || out.EncryptionConfiguration != nil {
		t.Errorf("tags (-want +got):\n%s\n%+v", diff, out)
	}
	op, err := a.DescribeClusterOperation(a.ctx, &gen.DescribeClusterOperationInput{ClusterOperationArn: made.ClusterOperationArn})
	if err != nil || *op.ClusterOperationInfo.OperationType != "CREATE_CHANNEL" {
		t.Errorf("operation: %+v, %v", op, err)
	}

	inState := func(s resource.ChannelState) {
		a.setChannel(*made.ChannelArn, func(c *resource.Channel) { c.State, c.Operation = s, "" })
	}
	inState(resource.ChannelActive)
	if out := describe(); out.Status != gen.ChannelStatusActive || out.ClusterOperationArn != nil {
		t.Errorf("active: %+v", out)
	}
	// Terraform changes tags through calls of their own, and reads them with the channel.
	if _, err := a.TagResource(a.ctx, &gen.TagResourceInput{ResourceArn: made.ChannelArn, Tags: map[string]string{"stage": "test"}}); err != nil {
		t.Error(err)
	}
	if _, err := a.UntagResource(a.ctx, &gen.UntagResourceInput{ResourceArn: made.ChannelArn, TagKeys: []string{"team"}}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]string{"stage": "test"}, describe().Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	// The topic stays as long as the channel is there.
	got := refusalOf(topicCalls(a.account)["DeleteTopic"](a.arn, "t"))
	if want := (refusal{"BadRequestException", "topicName", textChannel}); got != want {
		t.Errorf("delete the topic: %+v; want %+v", got, want)
	}
	updated, err := a.UpdateChannel(a.ctx, &gen.UpdateChannelInput{
		ClusterArn: &a.arn, ChannelArn: made.ChannelArn, S3DestinationUpdate: &gen.S3DestinationUpdate{DataFreshnessInSeconds: new(int32(300))},
	})
	if err != nil || updated.ClusterOperationArn == nil {
		t.Fatalf("update: %+v, %v", updated, err)
	}
	if out := describe(); out.Status != gen.ChannelStatusUpdating || *out.S3DestinationConfiguration.DataFreshnessInSeconds != 300 {
		t.Errorf("updating: %+v", out)
	}
	inState(resource.ChannelActive)
	gone, err := a.DeleteChannel(a.ctx, &gen.DeleteChannelInput{ClusterArn: &a.arn, ChannelArn: made.ChannelArn})
	if err != nil || gone.ClusterOperationArn == nil || describe().Status != gen.ChannelStatusDeleting {
		t.Errorf("delete: %+v, %v", gone, err)
	}
}

func TestListChannels(t *testing.T) {
	a := channelAccount(t, true)
	for _, name := range []string{"b", "a", "c"} {
		in := a.channelRequest(name)
		in.TopicConfigurationList[0].TopicArn = a.topicARN("t" + name)
		if _, err := a.CreateChannel(a.ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	out, err := a.ListChannels(a.ctx, &gen.ListChannelsInput{ClusterArn: &a.arn, MaxResults: new(int32(2))})
	if err != nil || len(out.Channels) != 2 || *out.Channels[0].ChannelName != "a" || out.NextToken == nil {
		t.Fatalf("first page: %+v, %v", out, err)
	}
	out, err = a.ListChannels(a.ctx, &gen.ListChannelsInput{ClusterArn: &a.arn, NextToken: out.NextToken})
	if err != nil || len(out.Channels) != 1 || *out.Channels[0].ChannelName != "c" || out.NextToken != nil {
		t.Errorf("second page: %+v, %v", out, err)
	}
	out, err = a.ListChannels(a.ctx, &gen.ListChannelsInput{ClusterArn: &a.arn, TopicNameFilter: new("tb")})
	if err != nil || len(out.Channels) != 1 || *out.Channels[0].ChannelName != "b" {
		t.Errorf("filtered: %+v, %v", out, err)
	}
}

func TestChannelRequestsAreChecked(t *testing.T) {
	a := channelAccount(t, true)
	if _, err := a.CreateChannel(a.ctx, a.channelRequest("taken")); err != nil {
		t.Fatal(err)
	}
	other := a.create("other")
	const s3 = "s3DestinationConfiguration"
	const valid = "Specify either s3DestinationConfiguration or icebergDestinationConfiguration"
	tests := []struct {
		name   string
		change func(*gen.CreateChannelInput)
		want   refusal
	}{
		{"name", func(in *gen.CreateChannelInput) { in.ChannelName = new("a b") }, refusal{"BadRequestException", "channelName", textBadCharacters}},
		{
			"name taken", func(in *gen.CreateChannelInput) { in.ChannelName = new("taken") },
			refusal{"ConflictException", "channelName", "A channel with the name taken already exists in this cluster."},
		},
		{"no destination", func(in *gen.CreateChannelInput) { in.S3DestinationConfiguration = nil }, refusal{"BadRequestException", s3, valid + "."}},
		{
			"both destinations", func(in *gen.CreateChannelInput) {
				in.IcebergDestinationConfiguration = &gen.IcebergDestinationConfiguration{}
			},
			refusal{"BadRequestException", s3, valid + ", not both."},
		},
		{"Iceberg", func(in *gen.CreateChannelInput) {
			in.S3DestinationConfiguration, in.IcebergDestinationConfiguration = nil, &gen.IcebergDestinationConfiguration{}
		}, refusal{
			"BadRequestException", "icebergDestinationConfiguration",
			"icebergDestinationConfiguration: Iceberg destinations are not yet supported by this version of Weir.",
		}},
		{
			"two topics",
			func(in *gen.CreateChannelInput) {
				in.TopicConfigurationList = append(in.TopicConfigurationList, in.TopicConfigurationList[0])
			},
			refusal{"BadRequestException", "topicConfigurationList", "Specify exactly one topic."},
		},
		{
			"not a topic", func(in *gen.CreateChannelInput) { in.TopicConfigurationList[0].TopicArn = &a.arn },
			refusal{"BadRequestException", "topicConfigurationList.topicArn", "[" + a.arn + "] is not the ARN of a topic."},
		},
		{
			"another cluster's topic",
			func(in *gen.CreateChannelInput) {
				in.TopicConfigurationList[0].TopicArn = new(strings.Replace(other, ":cluster/", ":topic/", 1) + "/t")
			},
			refusal{"BadRequestException", "topicConfigurationList.topicArn", "The topic must be of the channel's cluster."},
		},
		{
			"no such topic", func(in *gen.CreateChannelInput) { in.TopicConfigurationList[0].TopicArn = a.topicARN("none") },
			refusal{"NotFoundException", "topicConfigurationList.topicArn", textNotFound},
		},
		{
			"internal topic", func(in *gen.CreateChannelInput) {
				in.TopicConfigurationList[0].TopicArn = a.topicARN("__consumer_offsets")
			},
			refusal{"BadRequestException", "topicConfigurationList.topicArn", "The topic __consumer_offsets is the cluster's own."},
		},
		{"registry", func(in *gen.CreateChannelInput) {
			in.TopicConfigurationList[0].RecordConverter.ValueConverter = gen.ValueConverterJsonSchemaGsr
		}, refusal{
			"BadRequestException", "topicConfigurationList.recordConverter.valueConverter", "topicConfigurationList.recordConverter.valueConverter: " +
				"schema registries, which JSON_SCHEMA_GSR needs, are not yet supported by this version of Weir.",
		}},
		{
			"schema", func(in *gen.CreateChannelInput) { in.TopicConfigurationList[0].RecordSchema = &gen.RecordSchema{} },
			refusal{"BadRequestException", "topicConfigurationList.recordSchema", "A schema is for Iceberg destinations only."},
		},
		{
			"too fresh", func(in *gen.CreateChannelInput) {
				in.S3DestinationConfiguration.DataFreshnessInSeconds = new(int32(299))
			},
			refusal{"BadRequestException", s3 + ".dataFreshnessInSeconds", "dataFreshnessInSeconds must be between 300 and 900."},
		},
		{
			"too stale", func(in *gen.CreateChannelInput) {
				in.S3DestinationConfiguration.DataFreshnessInSeconds = new(int32(901))
			},
			refusal{"BadRequestException", s3 + ".dataFreshnessInSeconds", "dataFreshnessInSeconds must be between 300 and 900."},
		},
		{
			"role", func(in *gen.CreateChannelInput) { in.S3DestinationConfiguration.ServiceExecutionRoleArn = new("admin") },
			refusal{"BadRequestException", s3 + ".serviceExecutionRoleArn", "[admin] is not the ARN of a role."},
		},
		{
			"bucket", func(in *gen.CreateChannelInput) { in.S3DestinationConfiguration.Storage.BucketArn = new("data") },
			refusal{"BadRequestException", s3 + ".storage.bucketArn", "[data] is not the ARN of a bucket, such as arn:aws:s3:::my-bucket."},
		},
		{
			"dead letters' bucket", func(in *gen.CreateChannelInput) { in.S3DestinationConfiguration.DeadLetterQueueS3.BucketArn = new("x") },
			refusal{"BadRequestException", s3 + ".deadLetterQueueS3.bucketArn", "[x] is not the ARN of a bucket, such as arn:aws:s3:::my-bucket."},
		},
		{"owner", func(in *gen.CreateChannelInput) { in.S3DestinationConfiguration.Storage.ExpectedBucketOwner = new("1") }, refusal{
			"BadRequestException", s3 + ".storage.expectedBucketOwner",
			s3 + ".storage.expectedBucketOwner: checks of a bucket's owner are not yet supported by this version of Weir.",
		}},
		{"template", func(in *gen.CreateChannelInput) {
			in.S3DestinationConfiguration.Storage.OutputKeyTemplate = new("!{mm}")
		}, refusal{
			"BadRequestException", s3 + ".storage.outputKeyTemplate", "The keys of objects can't be made: !{mm} is not a token; there are " +
				"!{channel-id}, !{topic-name}, !{yyyy}, !{MM}, !{dd}, !{HH}, !{partition-id}, !{sequence-number} and !{kafka-offset}.",
		}},
		{"compression", func(in *gen.CreateChannelInput) { in.S3DestinationConfiguration.Storage.CompressionType = "LZ4" }, refusal{
			"BadRequestException", s3 + ".storage.compressionType", "Unknown compression [LZ4]. Valid values: [NONE GZIP ZSTD]",
		}},
		{"class", func(in *gen.CreateChannelInput) { in.S3DestinationConfiguration.Storage.StorageClass = "TAPE" }, refusal{
			"BadRequestException", s3 + ".storage.storageClass", "Unknown storage class [TAPE]. Valid values: [STANDARD INTELLIGENT_TIERING GLACIER_IR]",
		}},
		{"key", func(in *gen.CreateChannelInput) {
			in.EncryptionConfiguration = &gen.EncryptionConfiguration{KmsKeyArn: new("k")}
		}, refusal{
			"BadRequestException", "encryptionConfiguration.kmsKeyArn", "[k] is not the ARN of a key.",
		}},
		{"log group", func(in *gen.CreateChannelInput) {
			in.LoggingInfo = &gen.ChannelLoggingInfo{CloudWatchLogs: &gen.CloudWatchLogs{Enabled: new(true), LogGroup: new("none")}}
		}, refusal{
			"BadRequestException", "loggingInfo.cloudWatchLogs.logGroup", "The log group [none] doesn't exist. Create it, then try again.",
		}},
		{
			"tags", func(in *gen.CreateChannelInput) { in.Tags = map[string]string{"aws:x": ""} },
			refusal{"BadRequestException", "tags", "Tag keys that start with aws: are reserved."},
		},
		{
			"unknown cluster", func(in *gen.CreateChannelInput) { in.ClusterArn = new(strings.Replace(a.arn, "/orders/", "/x/", 1)) },
			refusal{"NotFoundException", "clusterArn", textNotFound},
		},
		{
			"another account's cluster",
			func(in *gen.CreateChannelInput) {
				in.ClusterArn = new(strings.Replace(a.arn, ":000000000000:", ":111111111111:", 1))
			},
			refusal{"NotFoundException", "clusterArn", textNotFound},
		},
		{
			"cluster's state", func(in *gen.CreateChannelInput) { in.ClusterArn = &other },
			refusal{"BadRequestException", "clusterArn", "You can't change the channels of a cluster in CREATING state."},
		},
	}
	for _, tt := range tests {
		in := a.channelRequest("channel")
		tt.change(in)
		_, err := a.CreateChannel(a.ctx, in)
		if got := refusalOf(err); got != tt.want {
			t.Errorf("%s: %+v; want %+v", tt.name, got, tt.want)
		}
	}
	out, err := a.ListChannels(a.ctx, &gen.ListChannelsInput{ClusterArn: &a.arn})
	if err != nil || len(out.Channels) != 1 {
		t.Errorf("%d channels after all those refusals, %v; want 1", len(out.Channels), err)
	}
}

func TestChannelsNeedAnObjectStore(t *testing.T) {
	a := channelAccount(t, false)
	_, err := a.CreateChannel(a.ctx, a.channelRequest("archive"))
	if got, want := refusalOf(err), (refusal{"BadRequestException", "s3DestinationConfiguration", textNoStore}); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
}

func TestChannelChangesAreChecked(t *testing.T) {
	a := channelAccount(t, true)
	made, err := a.CreateChannel(a.ctx, a.channelRequest("archive"))
	if err != nil {
		t.Fatal(err)
	}
	arn := *made.ChannelArn
	unknown := arn[:len(arn)-1] + "x"
	calls := map[string]func(arn string) error{
		"DescribeChannel": func(arn string) error {
			_, err := a.DescribeChannel(a.ctx, &gen.DescribeChannelInput{ClusterArn: &a.arn, ChannelArn: &arn})
			return err
		},
		"UpdateChannel": func(arn string) error {
			_, err := a.UpdateChannel(a.ctx, &gen.UpdateChannelInput{
				ClusterArn: &a.arn, ChannelArn: &arn, S3DestinationUpdate: &gen.S3DestinationUpdate{DataFreshnessInSeconds: new(int32(400))},
			})
			return err
		},
		"DeleteChannel": func(arn string) error {
			_, err := a.DeleteChannel(a.ctx, &gen.DeleteChannelInput{ClusterArn: &a.arn, ChannelArn: &arn})
			return err
		},
	}
	for name, call := range calls {
		if got, want := refusalOf(call("x")), (refusal{"BadRequestException", "channelArn", `"x" is not the ARN of a channel.`}); got != want {
			t.Errorf("%s: %+v; want %+v", name, got, want)
		}
		if got := refusalOf(call(unknown)); got.parameter != "channelArn" {
			t.Errorf("%s of %s: %+v", name, unknown, got)
		}
		missing := strings.Replace(arn, "/archive/", "/another/", 1)
		if got, want := refusalOf(call(missing)), (refusal{"NotFoundException", "channelArn", textNotFound}); got != want {
			t.Errorf("%s: %+v; want %+v", name, got, want)
		}
	}
	for _, s := range []resource.ChannelState{
		resource.ChannelCreating, resource.ChannelUpdating, resource.ChannelSuspended, resource.ChannelFailed, resource.ChannelDeleting,
	} {
		a.setChannel(arn, func(c *resource.Channel) { c.State = s })
		want := refusal{"BadRequestException", "channelArn", "You can't update a channel in " + string(s) + " state."}
		if got := refusalOf(calls["UpdateChannel"](arn)); got != want {
			t.Errorf("update in %s: %+v; want %+v", s, got, want)
		}
		got := refusalOf(calls["DeleteChannel"](arn))
		want.message = "You can't delete a channel in " + string(s) + " state."
		if s == resource.ChannelSuspended || s == resource.ChannelFailed {
			want = refusal{}
		}
		if got != want {
			t.Errorf("delete in %s: %+v; want %+v", s, got, want)
		}
	}
	a.setChannel(arn, func(c *resource.Channel) { c.State = resource.ChannelActive })
	update := func(change func(*gen.UpdateChannelInput)) refusal {
		in := &gen.UpdateChannelInput{ClusterArn: &a.arn, ChannelArn: &arn}
		change(in)
		_, err := a.UpdateChannel(a.ctx, in)
		return refusalOf(err)
	}
	if got, want := update(func(*gen.UpdateChannelInput) {}),
		(refusal{"BadRequestException", "s3DestinationUpdate", "Specify s3DestinationUpdate."}); got != want {
		t.Errorf("update of nothing: %+v; want %+v", got, want)
	}
	iceberg := refusal{"BadRequestException", "icebergDestinationUpdate", "The channel's destination is S3. Its type can't be changed."}
	if got := update(func(in *gen.UpdateChannelInput) {
		in.IcebergDestinationUpdate = &gen.IcebergDestinationUpdate{DataFreshnessInSeconds: new(int32(300))}
	}); got != iceberg {
		t.Errorf("Iceberg: %+v; want %+v", got, iceberg)
	}
	bounds := refusal{"BadRequestException", "s3DestinationUpdate.dataFreshnessInSeconds", "dataFreshnessInSeconds must be between 300 and 900."}
	if got := update(func(in *gen.UpdateChannelInput) {
		in.S3DestinationUpdate = &gen.S3DestinationUpdate{DataFreshnessInSeconds: new(int32(60))}
	}); got != bounds {
		t.Errorf("freshness: %+v; want %+v", got, bounds)
	}
}
