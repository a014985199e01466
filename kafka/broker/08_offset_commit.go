package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
	"weir/metadata"
)

// OffsetCommit (key 8), versions 2-10. Served by the group's coordinator; blocks on one coordinator write.
// v3 has a throttle time; v5 drops the retention time (KIP-211), which v2-v4 carry and which is not looked at; v6 has leader epochs; v7 adds the
// group instance id (KIP-345); v8 is flexible; v9 takes member epochs (KIP-848); v10 has topic ids.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, FENCED_INSTANCE_ID,
// STALE_MEMBER_EPOCH, UNSUPPORTED_VERSION (a member of a consumer group, before v9), GROUP_ID_NOT_FOUND, REBALANCE_IN_PROGRESS, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, OFFSET_METADATA_TOO_LARGE, INVALID_COMMIT_OFFSET_SIZE.
func (b *Broker) offsetCommit(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.OffsetCommitRequest](r), kmsg.NewPtrOffsetCommitResponse()
	img := b.image.Current()
	commit := group.Commit{Version: req.Version, Group: req.Group, Generation: req.Generation, Member: req.MemberID, Instance: deref(req.InstanceID)}
	type place struct{ topic, partition int }
	var places []place // of each offset, in the response
	req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return len(t.Partitions) == 0 })
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.Topic, out.TopicID = in.Topic, in.TopicID
		out.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(in.Partitions))
		name := &in.Topic
		if req.Version >= 10 {
			name = nil
		}
		t, err := findTopic(img, name, metadata.TopicID(in.TopicID))
		if err != nil && name != nil {
			err = kerr.UnknownTopicOrPartition // whatever is wrong with the name
		}
		for j := range in.Partitions {
			p := &in.Partitions[j]
			out.Partitions[j].Partition = p.Partition
			switch {
			case err != nil:
				out.Partitions[j].ErrorCode = b.code(r, err)
				continue
			case p.Partition < 0 || int(p.Partition) >= len(t.Partitions):
				out.Partitions[j].ErrorCode = kerr.UnknownTopicOrPartition.Code
				continue
			}
			if req.Version < 6 {
				p.LeaderEpoch = -1
			}
			commit.Offsets = append(commit.Offsets, group.Offset{
				Topic: t.Name, TopicID: t.ID, Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: deref(p.Metadata),
			})
			places = append(places, place{i, j})
		}
	}
	if len(commit.Offsets) == 0 {
		return resp
	}
	errs, err := b.groups.Commit(ctx, commit)
	for k, at := range places {
		if err == nil {
			resp.Topics[at.topic].Partitions[at.partition].ErrorCode = b.code(r, errs[k], "group", req.Group)
		} else {
			resp.Topics[at.topic].Partitions[at.partition].ErrorCode = b.code(r, err, "group", req.Group)
		}
	}
	return resp
}

// deref is *s, "" for null.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
