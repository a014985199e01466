package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/sharestate"
)

// ReadShareGroupStateSummary (key 87), versions 0-1 (KIP-932). Served by the share coordinators of the partitions.
// v1 has the count of completed deliveries (KIP-1226). A state that there is not has the start offset -1.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST per partition.
func (b *Broker) readShareGroupStateSummary(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req, resp := body[*kmsg.ReadShareGroupStateSummaryRequest](r), kmsg.NewPtrReadShareGroupStateSummaryResponse()
	if !shareStateRequest(req.GroupID, len(req.Topics), func(i int) int { return len(req.Topics[i].Partitions) }) {
		answer(resp)
		return
	}
	n := 0
	resp.Topics = make([]kmsg.ReadShareGroupStateSummaryResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		resp.Topics[i].TopicID = t.TopicID
		resp.Topics[i].Partitions = make([]kmsg.ReadShareGroupStateSummaryResponseTopicPartition, len(t.Partitions))
		n += len(t.Partitions)
	}
	one := countdown(n, func() { answer(resp) })
	for i, t := range req.Topics {
		for j, p := range t.Partitions {
			out := &resp.Topics[i].Partitions[j]
			out.Default()
			out.Partition = p.Partition
			k := sharestate.Key{Group: req.GroupID, Topic: t.TopicID, Partition: p.Partition}
			b.shares.states.Summary(ctx, k, func(s sharestate.State, known bool, err error) {
				switch {
				case err != nil:
				case known:
					out.StateEpoch, out.LeaderEpoch, out.StartOffset, out.DeliveryCompleteCount = s.StateEpoch, s.LeaderEpoch, s.Start, s.Complete
				default:
					out.StartOffset, out.DeliveryCompleteCount = -1, -1
				}
				out.ErrorCode, out.ErrorMessage = b.code(r, err, "group", k.Group, "partition", k.Partition), message(err)
				one()
			})
		}
	}
	one()
}
