package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/sharestate"
)

// InitializeShareGroupState (key 83), version 0 (KIP-932). Served by the share coordinators of the partitions; answered when it is durable.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, FENCED_STATE_EPOCH, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST per partition.
func (b *Broker) initializeShareGroupState(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req, resp := body[*kmsg.InitializeShareGroupStateRequest](r), kmsg.NewPtrInitializeShareGroupStateResponse()
	if !shareStateRequest(req.GroupID, len(req.Topics), func(int) int { return 1 }) {
		answer(resp)
		return
	}
	n := 0
	resp.Topics = make([]kmsg.InitializeShareGroupStateResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		resp.Topics[i].TopicID = t.TopicID
		resp.Topics[i].Partitions = make([]kmsg.InitializeShareGroupStateResponseTopicPartition, len(t.Partitions))
		n += len(t.Partitions)
	}
	one := countdown(n, func() { answer(resp) })
	for i, t := range req.Topics {
		for j, p := range t.Partitions {
			out := &resp.Topics[i].Partitions[j]
			out.Default()
			out.Partition = p.Partition
			k := sharestate.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			b.shares.states.Initialize(ctx, k, p.StateEpoch, p.StartOffset, func(err error) {
				out.ErrorCode, out.ErrorMessage = b.code(r, err, "group", k.Group, "partition", k.Partition), message(err)
				one()
			})
		}
	}
	one()
}
