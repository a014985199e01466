package broker

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/configdef"
	"weir/kafka/topic"
	"weir/metadata"
)

// CreateTopics (key 19), versions 2-7. Served by any broker; blocks on metadata transactions and until the broker's own image shows the topics.
// v6 refuses what exceeds the client's quota (KIP-599), older ones pay with a pause.
// v4 allows -1 for partitions and replication factor (KIP-464); v5 is flexible and returns what was created (KIP-525); v7 returns topic ids.
// Errors: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT,
// INVALID_CONFIG, INVALID_REQUEST (a name given twice), POLICY_VIOLATION (more than 10,000 partitions),
// THROTTLING_QUOTA_EXCEEDED, REQUEST_TIMED_OUT.
func (b *Broker) createTopics(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.CreateTopicsRequest](r), kmsg.NewPtrCreateTopicsResponse()
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	count := make(map[string]int)
	for i := range req.Topics {
		count[req.Topics[i].Topic]++
	}
	var asked []topic.NewTopic
	var places []int // of each asked topic, in the response
	for i := range req.Topics {
		in := &req.Topics[i]
		if count[in.Topic] == 0 {
			continue // answered
		}
		nt, err := newTopic(in)
		if count[in.Topic] > 1 {
			count[in.Topic] = 0
			err = &topic.Fault{Code: kerr.InvalidRequest, Message: "Duplicate topic name."}
		}
		out := kmsg.NewCreateTopicsResponseTopic()
		out.Topic, out.Configs = in.Topic, []kmsg.CreateTopicsResponseTopicConfig{} // not null, also beside an error
		if err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, err), faultMessage(err)
		} else {
			asked, places = append(asked, nt), append(places, len(resp.Topics))
		}
		resp.Topics = append(resp.Topics, out)
	}
	layers := b.topics.Layers()
	var defaults []kmsg.CreateTopicsResponseTopicConfig // most topics have no configs of their own
	for i, c := range b.limited(r, 6).Create(ctx, asked, req.ValidateOnly) {
		out := &resp.Topics[places[i]]
		if c.Err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, c.Err, "topic", out.Topic), faultMessage(c.Err)
			continue
		}
		out.TopicID = c.Topic.ID // also of a topic that is not created
		out.NumPartitions, out.ReplicationFactor = c.Topic.Partitions, c.Replication
		switch {
		case req.Version < 5:
		case len(c.Topic.Configs) > 0:
			layers.Topic = c.Topic.Configs
			out.Configs = createdConfigs(layers)
		default:
			if defaults == nil {
				layers.Topic = nil
				defaults = createdConfigs(layers)
			}
			out.Configs = defaults
		}
	}
	return resp
}

func createdConfigs(l configdef.Layers) []kmsg.CreateTopicsResponseTopicConfig {
	var out []kmsg.CreateTopicsResponseTopicConfig
	for _, e := range l.DescribeTopic() {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		c.Name, c.Value, c.Source = e.Name, &e.Value, int8(e.Source)
		out = append(out, c)
	}
	return out
}

func newTopic(in *kmsg.CreateTopicsRequestTopic) (topic.NewTopic, error) {
	nt := topic.NewTopic{Name: in.Topic, Partitions: in.NumPartitions, Replication: in.ReplicationFactor}
	for _, c := range in.Configs {
		if c.Value == nil {
			return nt, &topic.Fault{Code: kerr.InvalidConfig, Message: "Null value not supported for topic configs: " + c.Name}
		}
		if nt.Configs == nil {
			nt.Configs = make(map[string]string, len(in.Configs))
		}
		nt.Configs[c.Name] = *c.Value
	}
	if len(in.ReplicaAssignment) == 0 {
		return nt, nil
	}
	nt.Replicas = make([][]metadata.BrokerID, len(in.ReplicaAssignment))
	for _, a := range in.ReplicaAssignment {
		switch {
		case a.Partition < 0 || int(a.Partition) >= len(nt.Replicas):
			return nt, &topic.Fault{Code: kerr.InvalidReplicaAssignment, Message: "partitions should be a consecutive 0-based integer sequence"}
		case nt.Replicas[a.Partition] != nil:
			return nt, &topic.Fault{Code: kerr.InvalidReplicaAssignment, Message: "Found multiple manual partition assignments for one partition."}
		}
		nt.Replicas[a.Partition] = brokerIDs(a.Replicas)
	}
	return nt, nil
}

// brokerIDs is never nil.
func brokerIDs(ids []int32) []metadata.BrokerID {
	out := make([]metadata.BrokerID, len(ids))
	for i, id := range ids {
		out[i] = metadata.BrokerID(id)
	}
	return out
}

// faultMessage is what a client is told beside the code.
func faultMessage(err error) *string {
	var f *topic.Fault
	if errors.As(err, &f) {
		return &f.Message
	}
	return message(err)
}

// Bounds of the time that a client may give us for an admin request.
const adminTimeoutMin, adminTimeoutMax = time.Second, time.Minute

func adminDeadline(ctx context.Context, timeoutMillis int32) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(max(time.Duration(timeoutMillis)*time.Millisecond, adminTimeoutMin), adminTimeoutMax))
}
