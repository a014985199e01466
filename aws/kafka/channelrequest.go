package kafka

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/delivery"
)

// What a channel is asked to be, and how it is shown.

// Bounds of the model.
const (
	freshnessMin     = 300
	freshnessMax     = 900
	freshnessDefault = 600
)

var (
	roleARN = regexp.MustCompile(`^arn:[\w-]+:iam::\d{12}:role/.+$`)
	keyARN  = regexp.MustCompile(`^arn:[\w-]+:kms:[\w-]+:\d{12}:(key|alias)/.+$`)
)

func checkFreshness(parameter string, seconds int32) error {
	if seconds < freshnessMin || seconds > freshnessMax {
		return badRequest(parameter, "dataFreshnessInSeconds must be between %d and %d.", freshnessMin, freshnessMax)
	}
	return nil
}

// buildChannel makes the record that a request asks for.
func (a *api) buildChannel(ctx context.Context, c *resource.Cluster, in *gen.CreateChannelInput) (resource.Channel, error) {
	const s3 = "s3DestinationConfiguration"
	ch := resource.Channel{
		ID: resource.NewUUID(), Name: *in.ChannelName, Account: c.Account, Region: c.Region, Cluster: c.UUID, Created: a.now().UTC(),
		Tags: in.Tags, State: resource.ChannelCreating,
	}
	d := in.S3DestinationConfiguration
	switch {
	case !channelName.MatchString(ch.Name):
		return ch, badRequest("channelName", "%s", textBadCharacters)
	case d != nil && in.IcebergDestinationConfiguration != nil:
		return ch, badRequest(s3, "Specify either s3DestinationConfiguration or icebergDestinationConfiguration, not both.")
	case in.IcebergDestinationConfiguration != nil:
		return ch, notYet("icebergDestinationConfiguration", "Iceberg destinations are")
	case d == nil:
		return ch, badRequest(s3, "Specify either s3DestinationConfiguration or icebergDestinationConfiguration.")
	case len(in.TopicConfigurationList) != 1:
		return ch, badRequest("topicConfigurationList", "Specify exactly one topic.")
	case !a.objectStore:
		return ch, badRequest(s3, "%s", textNoStore)
	case !roleARN.MatchString(*d.ServiceExecutionRoleArn):
		return ch, badRequest(s3+".serviceExecutionRoleArn", "[%s] is not the ARN of a role.", *d.ServiceExecutionRoleArn)
	}
	if err := checkTags(in.Tags); err != nil {
		return ch, err
	}
	if e := in.EncryptionConfiguration; e != nil {
		if ch.KMSKey = *e.KmsKeyArn; !keyARN.MatchString(ch.KMSKey) {
			return ch, badRequest("encryptionConfiguration.kmsKeyArn", "[%s] is not the ARN of a key.", ch.KMSKey)
		}
	}
	ch.Role, ch.FreshnessSeconds = *d.ServiceExecutionRoleArn, freshnessDefault
	if d.DataFreshnessInSeconds != nil {
		ch.FreshnessSeconds = *d.DataFreshnessInSeconds
	}
	if err := checkFreshness(s3+".dataFreshnessInSeconds", ch.FreshnessSeconds); err != nil {
		return ch, err
	}
	if l := in.LoggingInfo; l != nil {
		var err error
		if ch.Logging, err = a.logDestinations(ctx, "loggingInfo", l.CloudWatchLogs, l.Firehose, l.S3); err != nil {
			return ch, err
		}
	}
	tc := &in.TopicConfigurationList[0]
	if err := readConverter(&ch, tc); err != nil {
		return ch, err
	}
	if err := readStorage(&ch, d, s3); err != nil {
		return ch, err
	}
	t, err := a.deliveredTopic(ctx, c, tc.TopicArn)
	if err != nil {
		return ch, err
	}
	ch.Topic, ch.TopicID = t.Name, t.ID
	if err := delivery.CheckTemplate(ch.Storage.Prefix, ch.Storage.KeyTemplate, t.Name); err != nil {
		return ch, badRequest(s3+".storage.outputKeyTemplate", "The keys of objects can't be made: %s.", err)
	}
	if err := delivery.CheckTemplate(ch.DeadLetter.Prefix, "", t.Name); err != nil {
		return ch, badRequest(s3+".deadLetterQueueS3.errorOutputPrefix", "The keys of objects can't be made: %s.", err)
	}
	return ch, nil
}

func readConverter(ch *resource.Channel, tc *gen.TopicConfiguration) error {
	const parameter = "topicConfigurationList.recordConverter.valueConverter"
	v := tc.RecordConverter.ValueConverter
	switch {
	case v == gen.ValueConverterJsonSchemaGsr:
		return notYet(parameter, "schema registries, which JSON_SCHEMA_GSR needs, are")
	case !slices.Contains(v.EnumValues(), string(v)):
		return badRequest(parameter, "Unknown value converter [%s]. Valid values: %v", v, v.EnumValues())
	case tc.RecordSchema != nil:
		return badRequest("topicConfigurationList.recordSchema", "A schema is for Iceberg destinations only.")
	}
	ch.Converter = string(v)
	return nil
}

func readStorage(ch *resource.Channel, d *gen.S3DestinationConfiguration, s3 string) (err error) {
	s, dead := d.Storage, d.DeadLetterQueueS3
	ch.Storage = resource.ChannelStorage{
		Prefix: deref(s.OutputPrefix), KeyTemplate: deref(s.OutputKeyTemplate), Compression: string(s.CompressionType), Class: string(s.StorageClass),
	}
	ch.DeadLetter = resource.ChannelStorage{Prefix: deref(dead.ErrorOutputPrefix)}
	switch {
	case !slices.Contains(s.CompressionType.EnumValues(), ch.Storage.Compression):
		return badRequest(s3+".storage.compressionType", "Unknown compression [%s]. Valid values: %v", s.CompressionType, s.CompressionType.EnumValues())
	case !slices.Contains(s.StorageClass.EnumValues(), ch.Storage.Class):
		return badRequest(s3+".storage.storageClass", "Unknown storage class [%s]. Valid values: %v", s.StorageClass, s.StorageClass.EnumValues())
	case s.ExpectedBucketOwner != nil:
		return notYet(s3+".storage.expectedBucketOwner", "checks of a bucket's owner are")
	case dead.ExpectedBucketOwner != nil:
		return notYet(s3+".deadLetterQueueS3.expectedBucketOwner", "checks of a bucket's owner are")
	}
	if ch.Storage.Bucket, err = bucketOf(s3+".storage.bucketArn", s.BucketArn); err != nil {
		return err
	}
	ch.DeadLetter.Bucket, err = bucketOf(s3+".deadLetterQueueS3.bucketArn", dead.BucketArn)
	return err
}

const bucketARN = "arn:" + awsapi.Partition + ":s3:::"

func bucketOf(parameter string, arn *string) (string, error) {
	name, ok := strings.CutPrefix(deref(arn), bucketARN)
	if !ok || !bucketName.MatchString(name) {
		return "", badRequest(parameter, "[%s] is not the ARN of a bucket, such as %smy-bucket.", deref(arn), bucketARN)
	}
	return name, nil
}

func channelOperationARN(c *resource.Cluster, ch *resource.Channel) *string {
	if ch.Operation == "" {
		return nil
	}
	return new(c.OperationARN(ch.Operation))
}

func shownChannel(c *resource.Cluster, ch *resource.Channel) *gen.DescribeChannelOutput {
	out := &gen.DescribeChannelOutput{
		ChannelArn: new(ch.ARN()), ChannelName: new(ch.Name), CreationTime: new(ch.Created), Tags: ch.Tags,
		Status: gen.ChannelStatus(ch.State), StateInfo: nil, ClusterOperationArn: channelOperationARN(c, ch),
		DestinationType: gen.ChannelDestinationTypeS3,
		TopicConfigurationList: []gen.TopicConfiguration{{
			TopicArn: new(c.TopicARN(ch.Topic)), RecordConverter: &gen.RecordConverter{ValueConverter: gen.ValueConverter(ch.Converter)},
		}},
		S3DestinationConfiguration: &gen.S3DestinationConfiguration{
			DataFreshnessInSeconds: new(ch.FreshnessSeconds), ServiceExecutionRoleArn: new(ch.Role),
			DeadLetterQueueS3: &gen.DeadLetterQueueS3{
				BucketArn: new(bucketARN + ch.DeadLetter.Bucket), ErrorOutputPrefix: optional(ch.DeadLetter.Prefix),
			},
			Storage: &gen.S3Storage{
				BucketArn: new(bucketARN + ch.Storage.Bucket), StorageClass: gen.S3StorageClass(ch.Storage.Class),
				CompressionType: gen.S3CompressionType(ch.Storage.Compression),
				OutputPrefix:    optional(ch.Storage.Prefix), OutputKeyTemplate: optional(ch.Storage.KeyTemplate),
			},
		},
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	if s := ch.StateInfo; s != nil {
		out.StateInfo = &gen.ChannelStateInfo{Code: new(s.Code), Message: new(s.Message)}
	}
	if ch.KMSKey != "" {
		out.EncryptionConfiguration = &gen.EncryptionConfiguration{KmsKeyArn: new(ch.KMSKey)}
	}
	if ch.Logging != nil {
		out.LoggingInfo = &gen.ChannelLoggingInfo{}
		out.LoggingInfo.CloudWatchLogs, out.LoggingInfo.Firehose, out.LoggingInfo.S3 = shownDestinations(ch.Logging)
	}
	return out
}
