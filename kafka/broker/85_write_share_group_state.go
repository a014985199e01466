package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/sharestate"
)

// WriteShareGroupState (key 85), versions 0-1 (KIP-932). Served by the share coordinators of the partitions; answered when it is durable.
// v1 has the count of completed deliveries (KIP-1226).
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST
// per partition.
func (b *Broker) writeShareGroupState(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req, resp := body[*kmsg.WriteShareGroupStateRequest](r), kmsg.NewPtrWriteShareGroupStateResponse()
	if !shareStateRequest(req.GroupID, len(req.Topics), func(i int) int { return len(req.Topics[i].Partitions) }) {
		answer(resp)
		return
	}
	n := 0
	resp.Topics = make([]kmsg.WriteShareGroupStateResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		resp.Topics[i].TopicID = t.TopicID
		resp.Topics[i].Partitions = make([]kmsg.WriteShareGroupStateResponseTopicPartition, len(t.Partitions))
		n += len(t.Partitions)
	}
	one := countdown(n, func() { answer(resp) })
	for i, t := range req.Topics {
		for j, p := range t.Partitions {
			out := &resp.Topics[i].Partitions[j]
			out.Default()
			out.Partition = p.Partition
			k := sharestate.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			w := sharestate.Write{
				StateEpoch: p.StateEpoch, LeaderEpoch: p.LeaderEpoch, Start: p.StartOffset, Complete: p.DeliveryCompleteCount,
				Batches: make([]sharestate.Batch, len(p.StateBatches)),
			}
			for i, x := range p.StateBatches {
				w.Batches[i] = sharestate.Batch{First: x.FirstOffset, Last: x.LastOffset, State: sharestate.DeliveryState(x.DeliveryState), Count: x.DeliveryCount}
			}
			b.shares.states.Write(ctx, k, w, func(err error) {
				out.ErrorCode, out.ErrorMessage = b.code(r, err, "group", k.Group, "partition", k.Partition), message(err)
				one()
			})
		}
	}
	one()
}
