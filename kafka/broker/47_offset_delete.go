package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
)

// OffsetDelete (key 47), version 0 (KIP-496). Served by the group's coordinator; blocks on one coordinator write.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP (of another protocol type than consumer);
// UNKNOWN_TOPIC_OR_PARTITION, GROUP_SUBSCRIBED_TO_TOPIC per partition.
func (b *Broker) offsetDelete(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.OffsetDeleteRequest](r), kmsg.NewPtrOffsetDeleteResponse()
	img := b.image.Current()
	var tps []group.Offset
	var codes []*int16 // where the outcome of each goes
	resp.Topics = make([]kmsg.OffsetDeleteResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		out := &resp.Topics[i]
		out.Topic = t.Topic
		out.Partitions = make([]kmsg.OffsetDeleteResponseTopicPartition, len(t.Partitions))
		found, ok := img.Topic(t.Topic)
		for j, p := range t.Partitions {
			out.Partitions[j].Partition = p.Partition
			if !ok || p.Partition < 0 || int(p.Partition) >= len(found.Partitions) {
				out.Partitions[j].ErrorCode = kerr.UnknownTopicOrPartition.Code
				continue
			}
			tps, codes = append(tps, group.Offset{Topic: t.Topic, Partition: p.Partition}), append(codes, &out.Partitions[j].ErrorCode)
		}
	}
	errs, err := b.groups.DeleteOffsets(ctx, req.Group, tps)
	if err != nil {
		resp.ErrorCode, resp.Topics = b.code(r, err, "group", req.Group), nil
		return resp
	}
	for i, code := range codes {
		*code = b.code(r, errs[i], "group", req.Group)
	}
	return resp
}
