package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/topic"
)

// AlterPartitionReassignments (key 45), versions 0-1. Served by any broker; blocks on a metadata transaction for each partition. v1 can forbid another number
// of replicas (KIP-860). Replicas that are null cancel. Copying begins when the answer is sent, and only if the leader is not to stay.
// Brokers use it among themselves with a tagged field, about a partition that moves (kafka/ownership, question.go): blocks on the journal.
// Errors per partition: UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR, NO_REASSIGNMENT_IN_PROGRESS, REQUEST_TIMED_OUT,
// INVALID_REQUEST (a serverless cluster), POLICY_VIOLATION (a cluster that balances itself, or the end of a move away from a broker that is being emptied).
func (b *Broker) alterPartitionReassignments(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.AlterPartitionAssignmentsRequest](r), kmsg.NewPtrAlterPartitionAssignmentsResponse()
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	if b.answerPeer(ctx, req, resp) {
		return resp
	}
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = in.Topic
		for j := range in.Partitions {
			p := &in.Partitions[j]
			re := topic.Reassignment{Topic: in.Topic, Partition: p.Partition, SameFactor: !req.AllowReplicationFactorChange}
			if p.Replicas != nil {
				re.Replicas = brokerIDs(p.Replicas)
			}
			done := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			done.Partition = p.Partition
			err := b.topics.CheckReassign(re.Replicas)
			if err == nil {
				err = b.topics.Reassign(ctx, re)
			}
			if err != nil {
				done.ErrorCode, done.ErrorMessage = b.code(r, err, "topic", in.Topic, "partition", p.Partition), faultMessage(err)
			}
			out.Partitions = append(out.Partitions, done)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// answerPeer answers a broker's question, if it is one.
func (b *Broker) answerPeer(ctx context.Context, req *kmsg.AlterPartitionAssignmentsRequest, resp *kmsg.AlterPartitionAssignmentsResponse) (asked bool) {
	req.UnknownTags.Each(func(tag uint32, question []byte) {
		if tag != partitionTag {
			return
		}
		asked = true
		if b.storage == nil {
			resp.ErrorCode = kerr.NotLeaderForPartition.Code
			return
		}
		resp.UnknownTags.Set(partitionTag, b.storage.Answer(ctx, question))
	})
	return asked
}
