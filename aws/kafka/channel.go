package kafka

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/dataplane"
	"weir/control/resource"
	"weir/metadata"
)

// Channels deliver a topic to objects in a bucket. The operations write records; package delivery does the work, and ends the operations.

// The operations' types. The service's are not known.
const (
	opCreateChannel resource.OperationType = "CREATE_CHANNEL"
	opUpdateChannel resource.OperationType = "UPDATE_CHANNEL"
	opDeleteChannel resource.OperationType = "DELETE_CHANNEL"
)

const (
	textNoStore = "No object store is configured, so nothing can be delivered. " +
		"Start weir up with --s3-endpoint and --s3-credentials (docs/guide/channels.md)."
	textChannel = "The topic has an associated Channel. Delete the channel first." // Terraform waits while it reads "associated Channel"
)

// channelsMax bounds the channels of a cluster.
const channelsMax = 100

var channelName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)

// channelCluster reads the cluster of a channel operation.
func (a *api) channelCluster(ctx context.Context, arn *string, action resource.Action) (resource.Cluster, metadata.Revision, error) {
	c, at, err := a.cluster(ctx, arn)
	switch {
	case err != nil:
		return c, 0, err
	case c.Kind() == metadata.Serverless:
		return c, 0, badRequest("clusterArn", "Channels are available for provisioned clusters only.")
	case !c.State.Allows(action):
		return c, 0, badRequest("clusterArn", "You can't change the channels of a cluster in %s state.", c.State)
	}
	return c, at, nil
}

// channel reads a channel of the cluster.
func (a *api) channel(ctx context.Context, c *resource.Cluster, arn *string) (resource.Channel, metadata.Revision, error) {
	scope, name, id, ok := resource.ParseChannelARN(*arn)
	if !ok {
		return resource.Channel{}, 0, badRequest("channelArn", "%q is not the ARN of a channel.", *arn)
	}
	ch, at, ok, err := resource.ReadChannel(ctx, a.store, c.Scope().ChannelKey(c.UUID, id))
	switch {
	case err != nil:
		return ch, 0, storeError(err)
	case !ok || scope != c.Scope() || ch.Name != name:
		return ch, 0, notFound("channelArn")
	}
	return ch, at, nil
}

func (a *api) createChannel(ctx context.Context, in *gen.CreateChannelInput) (*gen.CreateChannelOutput, error) {
	for {
		c, at, err := a.channelCluster(ctx, in.ClusterArn, resource.ActionWriteChannels)
		if err != nil {
			return nil, err
		}
		ch, err := a.buildChannel(ctx, &c, in)
		if err != nil {
			return nil, err
		}
		all, err := resource.ListChannels(ctx, a.store, c.Scope(), c.UUID)
		switch {
		case err != nil:
			return nil, storeError(err)
		case slices.ContainsFunc(all, func(o resource.Channel) bool { return o.Name == ch.Name }):
			return nil, &gen.ConflictException{InvalidParameter: "channelName", Message: "A channel with the name " + ch.Name + " already exists in this cluster."}
		case len(all) >= channelsMax:
			return nil, badRequest("clusterArn", "The cluster has %d channels, which is the most that it can have.", channelsMax)
		}
		op := a.channelOperation(ctx, &ch, opCreateChannel)
		_, err = a.store.Commit(ctx, metadata.Txn{
			If: []metadata.Cond{{Key: c.Key(), Modified: at}, {Key: c.Scope().ChannelNameKey(c.UUID, ch.Name)}, {Key: ch.Key()}},
			Then: []metadata.Op{
				metadata.Put(c.Scope().ChannelNameKey(c.UUID, ch.Name), metadata.Encode(resource.ClusterName{UUID: ch.ID})),
				metadata.Put(ch.Key(), metadata.Encode(ch)),
				metadata.Put(op.Key(c.Scope()), metadata.Encode(op)),
			},
		})
		switch {
		case err == nil:
			return &gen.CreateChannelOutput{ChannelArn: new(ch.ARN()), ClusterOperationArn: new(c.OperationARN(op.ID))}, nil
		case !errors.Is(err, metadata.ErrConflict):
			return nil, storeError(err)
		}
	}
}

// channelOperation makes the operation that changes a channel, and the channel's own.
func (a *api) channelOperation(ctx context.Context, ch *resource.Channel, t resource.OperationType) resource.Operation {
	op := resource.NewOperation(t, ch.Cluster, awsapi.ScopeFrom(ctx).RequestID, a.now().UTC())
	op.State = resource.OpUpdateInProgress
	ch.Operation = op.ID
	return op
}

// deliveredTopic finds the topic that a channel is to deliver.
func (a *api) deliveredTopic(ctx context.Context, c *resource.Cluster, arn *string) (dataplane.Topic, error) {
	const parameter = "topicConfigurationList.topicArn"
	var t dataplane.Topic
	ref, name, ok := resource.ParseTopicARN(deref(arn))
	switch {
	case !ok || checkTopicName(name) != nil:
		return t, badRequest(parameter, "[%s] is not the ARN of a topic.", deref(arn))
	case ref.Scope != c.Scope() || ref.UUID != c.UUID || ref.Name != c.Name:
		return t, badRequest(parameter, "The topic must be of the channel's cluster.")
	}
	err := a.brokers.Use(ctx, c, func(ctx context.Context, b *dataplane.Brokers) (err error) {
		t, err = b.Topic(ctx, name)
		return err
	})
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return t, notFound(parameter)
	case err != nil:
		return t, readFault(err, parameter)
	case t.Internal:
		return t, badRequest(parameter, "The topic %s is the cluster's own.", name)
	}
	return t, nil
}

func (a *api) describeChannel(ctx context.Context, in *gen.DescribeChannelInput) (*gen.DescribeChannelOutput, error) {
	c, _, err := a.channelCluster(ctx, in.ClusterArn, resource.ActionReadChannels)
	if err != nil {
		return nil, err
	}
	ch, _, err := a.channel(ctx, &c, in.ChannelArn)
	if err != nil {
		return nil, err
	}
	return shownChannel(&c, &ch), nil
}

func (a *api) listChannels(ctx context.Context, in *gen.ListChannelsInput) (*gen.ListChannelsOutput, error) {
	c, _, err := a.channelCluster(ctx, in.ClusterArn, resource.ActionReadChannels)
	if err != nil {
		return nil, err
	}
	all, err := resource.ListChannels(ctx, a.store, c.Scope(), c.UUID)
	if err != nil {
		return nil, storeError(err)
	}
	prefix := deref(in.TopicNameFilter)
	all = slices.DeleteFunc(all, func(ch resource.Channel) bool { return !strings.HasPrefix(ch.Topic, prefix) })
	shown, next, err := page("ListChannels "+c.UUID, all, func(ch *resource.Channel) string { return ch.Name }, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &gen.ListChannelsOutput{Channels: []gen.ChannelInfo{}, NextToken: next}
	for i := range shown {
		ch := &shown[i]
		out.Channels = append(out.Channels, gen.ChannelInfo{
			ChannelArn: new(ch.ARN()), ChannelName: new(ch.Name), Status: gen.ChannelStatus(ch.State), CreationTime: new(ch.Created),
			DestinationType: gen.ChannelDestinationTypeS3, ClusterOperationArn: channelOperationARN(&c, ch),
		})
	}
	return out, nil
}

// changeChannel begins an operation on a channel; it starts over when the channel changes meanwhile.
func (a *api) changeChannel(
	ctx context.Context, cluster, arn *string, t resource.OperationType, change func(*resource.Channel) error,
) (resource.Channel, *string, error) {
	for {
		c, _, err := a.channelCluster(ctx, cluster, resource.ActionWriteChannels)
		if err != nil {
			return resource.Channel{}, nil, err
		}
		ch, at, err := a.channel(ctx, &c, arn)
		if err != nil {
			return ch, nil, err
		}
		if err := change(&ch); err != nil {
			return ch, nil, err
		}
		op := a.channelOperation(ctx, &ch, t)
		_, err = a.store.Commit(ctx, metadata.Txn{
			If: []metadata.Cond{{Key: ch.Key(), Modified: at}},
			Then: []metadata.Op{
				metadata.Put(ch.Key(), metadata.Encode(ch)), metadata.Put(op.Key(c.Scope()), metadata.Encode(op)),
			},
		})
		switch {
		case err == nil:
			return ch, new(c.OperationARN(op.ID)), nil
		case !errors.Is(err, metadata.ErrConflict):
			return ch, nil, storeError(err)
		}
	}
}

func (a *api) updateChannel(ctx context.Context, in *gen.UpdateChannelInput) (*gen.UpdateChannelOutput, error) {
	ch, op, err := a.changeChannel(ctx, in.ClusterArn, in.ChannelArn, opUpdateChannel, func(ch *resource.Channel) error {
		switch {
		case in.IcebergDestinationUpdate != nil:
			return badRequest("icebergDestinationUpdate", "The channel's destination is S3. Its type can't be changed.")
		case in.S3DestinationUpdate == nil:
			return badRequest("s3DestinationUpdate", "Specify s3DestinationUpdate.")
		}
		seconds := *in.S3DestinationUpdate.DataFreshnessInSeconds
		if err := checkFreshness("s3DestinationUpdate.dataFreshnessInSeconds", seconds); err != nil {
			return err
		}
		if ch.State != resource.ChannelActive {
			return badRequest("channelArn", "You can't update a channel in %s state.", ch.State)
		}
		ch.FreshnessSeconds, ch.State = seconds, resource.ChannelUpdating
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.UpdateChannelOutput{ChannelArn: new(ch.ARN()), ClusterOperationArn: op}, nil
}

func (a *api) deleteChannel(ctx context.Context, in *gen.DeleteChannelInput) (*gen.DeleteChannelOutput, error) {
	ch, op, err := a.changeChannel(ctx, in.ClusterArn, in.ChannelArn, opDeleteChannel, func(ch *resource.Channel) error {
		if ch.State == resource.ChannelDeleting || ch.State == resource.ChannelCreating || ch.State == resource.ChannelUpdating {
			return badRequest("channelArn", "You can't delete a channel in %s state.", ch.State)
		}
		ch.State, ch.StateInfo = resource.ChannelDeleting, nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &gen.DeleteChannelOutput{ChannelArn: new(ch.ARN()), ClusterOperationArn: op}, nil
}

// topicHasChannel refuses to delete a topic that a channel delivers.
func (a *api) topicHasChannel(ctx context.Context, c *resource.Cluster, topic string) error {
	all, err := resource.ListChannels(ctx, a.store, c.Scope(), c.UUID)
	if err != nil {
		return storeError(err)
	}
	if slices.ContainsFunc(all, func(ch resource.Channel) bool { return ch.Topic == topic }) {
		return badRequest("topicName", "%s", textChannel)
	}
	return nil
}

// namedChannel finds the channel of an ARN that does not come with its cluster's.
func (a *api) namedChannel(ctx context.Context, arn *string, parameter string) (resource.Channel, metadata.Revision, error) {
	scope, name, id, _ := resource.ParseChannelARN(*arn)
	if scope != scopeOf(ctx) {
		return resource.Channel{}, 0, notFound(parameter)
	}
	kvs, _, err := a.store.List(ctx, scope.ChannelsPrefix())
	if err != nil {
		return resource.Channel{}, 0, storeError(err)
	}
	for _, kv := range kvs {
		if metadata.LastSegment(kv.Key) != id {
			continue
		}
		ch, err := metadata.Decode[resource.Channel](kv)
		if err != nil || ch.Name == name {
			return ch, kv.Modified, err
		}
	}
	return resource.Channel{}, 0, notFound(parameter)
}
