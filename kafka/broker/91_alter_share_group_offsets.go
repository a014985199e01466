package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
)

// AlterShareGroupOffsets (key 91), version 0 (KIP-932). Served by the group's coordinator; blocks until the share coordinators have the new states.
// Errors: UNSUPPORTED_VERSION (share.version is 0), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID,
// GROUP_ID_NOT_FOUND (another kind of group), NON_EMPTY_GROUP for the whole; UNKNOWN_TOPIC_OR_PARTITION and those of the share coordinators
// per partition.
func (b *Broker) alterShareGroupOffsets(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.AlterShareGroupOffsetsRequest](r), kmsg.NewPtrAlterShareGroupOffsetsResponse()
	if !b.sharesEnabled() {
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp
	}
	img := b.image.Current()
	var offsets []group.ShareOffset
	var codes []*kmsg.AlterShareGroupOffsetsResponseTopicPartition // where the outcome of each goes
	resp.Topics = make([]kmsg.AlterShareGroupOffsetsResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		out := &resp.Topics[i]
		out.Topic, out.Partitions = t.Topic, make([]kmsg.AlterShareGroupOffsetsResponseTopicPartition, len(t.Partitions))
		found, ok := img.Topic(t.Topic)
		if ok {
			out.TopicID = found.ID
		}
		for j, p := range t.Partitions {
			op := &out.Partitions[j]
			op.Partition = p.Partition
			if !ok {
				op.ErrorCode, op.ErrorMessage = kerr.UnknownTopicOrPartition.Code, message(kerr.UnknownTopicOrPartition)
				continue
			}
			offsets, codes = append(offsets, group.ShareOffset{Topic: found.ID, Partition: p.Partition, Start: p.StartOffset}), append(codes, op)
		}
	}
	if err := b.groups.AlterShareOffsets(ctx, req.GroupID, offsets); err != nil {
		resp.ErrorCode, resp.ErrorMessage, resp.Topics = b.code(r, err, "group", req.GroupID), message(err), nil
		return resp
	}
	for i, op := range codes {
		op.ErrorCode, op.ErrorMessage = b.code(r, offsets[i].Err, "group", req.GroupID), message(offsets[i].Err)
	}
	return resp
}
