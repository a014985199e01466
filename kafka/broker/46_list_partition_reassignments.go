package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/topic"
	"weir/metadata"
)

// ListPartitionReassignments (key 46), version 0. Served by any broker from its image. Only those that run are listed: such as wait for a leader that copies the
// log. What is asked for and does not exist, or is not reassigned, is left out.
func (b *Broker) listPartitionReassignments(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ListPartitionReassignmentsRequest](r), kmsg.NewPtrListPartitionReassignmentsResponse()
	img := b.image.Current()
	list := func(t *image.Topic, wanted func(int32) bool) {
		out := kmsg.NewListPartitionReassignmentsResponseTopic()
		out.Topic = t.Name
		for i := range t.Partitions {
			as := &t.Partitions[i]
			if !topic.Reassigning(as) || !wanted(int32(i)) {
				continue
			}
			p := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
			p.Partition, p.Replicas, p.AddingReplicas, p.RemovingReplicas = int32(i), numbers(as.Replicas), numbers(as.Adding), numbers(as.Removing)
			out.Partitions = append(out.Partitions, p)
		}
		if len(out.Partitions) > 0 {
			resp.Topics = append(resp.Topics, out)
		}
	}
	if req.Topics == nil {
		for _, t := range img.Topics() {
			list(t, func(int32) bool { return true })
		}
		return resp
	}
	for i := range req.Topics {
		if t, ok := img.Topic(req.Topics[i].Topic); ok {
			list(t, func(index int32) bool { return slices.Contains(req.Topics[i].Partitions, index) })
		}
	}
	return resp
}

// numbers are ids as the protocol has them.
func numbers(ids []metadata.BrokerID) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}
