package broker

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/feature"
	"weir/kafka/group"
	"weir/kafka/image"
	"weir/kafka/topic"
)

// StreamsGroupHeartbeat (key 88), versions 0-1 (KIP-1071). Served by the group's coordinator; blocks until what it answers is durable, and when
// the first members of a group join until there is an assignment, at most a quarter of a second.
// v1 understands the status MISSING_CLIENT_TAGS, and has the acceptable lag of warm-up tasks, which Kafka 4.4 never assigns either, and asks for
// descriptions of topologies (KIP-1331), which only a broker with a plugin for them does.
// Errors: UNSUPPORTED_VERSION (streams.version is 0), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_REQUEST,
// GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED,
// STREAMS_INVALID_TOPOLOGY.
func (b *Broker) streamsGroupHeartbeat(ctx context.Context, r *Request) kmsg.Response {
	req := body[*kmsg.StreamsGroupHeartbeatRequest](r)
	var resp *kmsg.StreamsGroupHeartbeatResponse
	err := b.checkStreamsTopics(req.Topology)
	if err == nil && req.MemberEpoch == 0 {
		err = b.admitGroup(ctx, req.Group)
	}
	if err == nil {
		resp, err = b.groups.StreamsBeat(ctx, group.StreamsBeat{StreamsGroupHeartbeatRequest: req, ClientID: r.ClientID, ClientHost: "/" + r.ClientHost})
	}
	if err != nil {
		resp = kmsg.NewPtrStreamsGroupHeartbeatResponse()
		resp.Status = []kmsg.StreamsGroupHeartbeatResponseStatus{}
		resp.ErrorCode, resp.ErrorMessage = b.code(r, err, "group", req.Group), plainMessage(err)
	}
	return resp
}

// checkStreamsTopics checks that streams groups are on, and the names of a topology's topics.
func (b *Broker) checkStreamsTopics(t *kmsg.StreamsGroupHeartbeatRequestTopology) error {
	if b.featureLevel(feature.Streams) < 1 {
		return kerr.UnsupportedVersion
	}
	if t == nil {
		return nil
	}
	var names, internal, illegal []string
	for i := range t.Subtopologies {
		s := &t.Subtopologies[i]
		names = append(append(names, s.SourceTopics...), s.RepartitionSinkTopics...)
		for _, info := range s.RepartitionSourceTopics {
			names = append(names, info.Topic)
		}
		for _, info := range s.StateChangelogTopics {
			names = append(names, info.Topic)
		}
	}
	for _, name := range names {
		if image.IsInternal(name) {
			internal = append(internal, name)
		}
		if topic.ValidateName(name) != nil {
			illegal = append(illegal, name)
		}
	}
	switch {
	case len(internal) > 0:
		return fmt.Errorf("%w: Use of Kafka internal topics %s in a Kafka Streams topology is prohibited.", kerr.StreamsInvalidTopology, strings.Join(internal, ",")) //nolint:staticcheck // as Kafka writes it
	case len(illegal) > 0:
		return fmt.Errorf("%w: Topic names %s are not valid topic names.", kerr.StreamsInvalidTopology, strings.Join(illegal, ",")) //nolint:staticcheck // as Kafka writes it
	}
	return nil
}

// createStreamsTopics creates the internal topics of a streams application.
func (b *Broker) createStreamsTopics(ctx context.Context, topics []group.StreamsTopic) []error {
	asked := make([]topic.NewTopic, len(topics))
	for i, t := range topics {
		asked[i] = topic.NewTopic{Name: t.Name, Partitions: t.Partitions, Replication: t.Replication, Configs: t.Configs}
	}
	out := make([]error, len(topics))
	for i, c := range b.topics.Create(ctx, asked, false) {
		out[i] = c.Err
	}
	return out
}
