package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/topic"
	"weir/metadata"
)

// CreatePartitions (key 37), versions 0-3. Served by any broker; blocks on a metadata transaction per topic. Partitions only grow.
// v2 is flexible; v3 refuses what exceeds the client's quota (KIP-599).
// Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR, INVALID_REQUEST (a topic
// given twice), POLICY_VIOLATION (more than 10,000 partitions), THROTTLING_QUOTA_EXCEEDED, REQUEST_TIMED_OUT.
func (b *Broker) createPartitions(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.CreatePartitionsRequest](r), kmsg.NewPtrCreatePartitionsResponse()
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	seen := make(map[string]int)
	for i := range req.Topics {
		seen[req.Topics[i].Topic]++
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		var err error
		switch n := seen[in.Topic]; {
		case n == 0:
			continue // answered
		case n > 1:
			seen[in.Topic] = 0
			err = &topic.Fault{Code: kerr.InvalidRequest, Message: "Duplicate topic name."}
		default:
			g := topic.Growth{Name: in.Topic, Total: in.Count}
			if in.Assignment != nil {
				g.Replicas = make([][]metadata.BrokerID, len(in.Assignment))
				for j, a := range in.Assignment {
					g.Replicas[j] = brokerIDs(a.Replicas)
				}
			}
			err = b.limited(r, 3).Grow(ctx, g, req.ValidateOnly)
		}
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = in.Topic
		if err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, err, "topic", in.Topic), faultMessage(err)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}
