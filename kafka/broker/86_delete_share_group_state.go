package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/sharestate"
)

// DeleteShareGroupState (key 86), version 0 (KIP-932). Served by the share coordinators of the partitions; answered when it is durable.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST per partition.
func (b *Broker) deleteShareGroupState(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req, resp := body[*kmsg.DeleteShareGroupStateRequest](r), kmsg.NewPtrDeleteShareGroupStateResponse()
	if !shareStateRequest(req.GroupID, len(req.Topics), func(i int) int { return len(req.Topics[i].Partitions) }) {
		answer(resp)
		return
	}
	n := 0
	resp.Topics = make([]kmsg.DeleteShareGroupStateResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		resp.Topics[i].TopicID = t.TopicID
		resp.Topics[i].Partitions = make([]kmsg.DeleteShareGroupStateResponseTopicPartition, len(t.Partitions))
		n += len(t.Partitions)
	}
	one := countdown(n, func() { answer(resp) })
	for i, t := range req.Topics {
		for j, p := range t.Partitions {
			out := &resp.Topics[i].Partitions[j]
			out.Default()
			out.Partition = p.Partition
			k := sharestate.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			b.shares.states.Delete(ctx, k, func(err error) {
				out.ErrorCode, out.ErrorMessage = b.code(r, err, "group", k.Group, "partition", k.Partition), message(err)
				one()
			})
		}
	}
	one()
}
