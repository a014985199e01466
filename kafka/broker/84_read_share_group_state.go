package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/sharestate"
)

// ReadShareGroupState (key 84), version 0 (KIP-932). Served by the share coordinators of the partitions. It fences leaders of older epochs, and is
// answered when that is durable.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, FENCED_LEADER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST per partition.
func (b *Broker) readShareGroupState(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req, resp := body[*kmsg.ReadShareGroupStateRequest](r), kmsg.NewPtrReadShareGroupStateResponse()
	if !shareStateRequest(req.GroupID, len(req.Topics), func(i int) int { return len(req.Topics[i].Partitions) }) {
		answer(resp)
		return
	}
	n := 0
	resp.Topics = make([]kmsg.ReadShareGroupStateResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		resp.Topics[i].TopicID = t.TopicID
		resp.Topics[i].Partitions = make([]kmsg.ReadShareGroupStateResponseTopicPartition, len(t.Partitions))
		n += len(t.Partitions)
	}
	one := countdown(n, func() { answer(resp) })
	for i, t := range req.Topics {
		for j, p := range t.Partitions {
			out := &resp.Topics[i].Partitions[j]
			out.Default()
			out.Partition = p.Partition
			k := sharestate.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			b.shares.states.Read(ctx, k, p.LeaderEpoch, func(s sharestate.State, err error) {
				if err == nil {
					out.StateEpoch, out.StartOffset = s.StateEpoch, s.Start
					out.StateBatches = make([]kmsg.ReadShareGroupStateResponseTopicPartitionStateBatch, len(s.Batches))
					for i, x := range s.Batches {
						o := &out.StateBatches[i]
						o.FirstOffset, o.LastOffset, o.DeliveryState, o.DeliveryCount = x.First, x.Last, int8(x.State), x.Count
					}
				}
				out.ErrorCode, out.ErrorMessage = b.code(r, err, "group", k.Group, "partition", k.Partition), message(err)
				one()
			})
		}
	}
	one()
}
