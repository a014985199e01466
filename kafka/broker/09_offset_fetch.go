package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
	"weir/kafka/image"
	"weir/metadata"
)

// OffsetFetch (key 9), versions 1-10. Served by the group's coordinator.
// v2 allows null for all topics and has a code for the whole; v3 has a throttle time; v5 has leader epochs; v6 is flexible; v7 can ask for stable
// offsets (KIP-447); v8 asks for several groups (KIP-709); v9 carries member epochs
// (KIP-848); v10 has topic ids.
// A partition without an offset, or that does not exist, answers -1 and no error.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH; UNKNOWN_TOPIC_ID and UNSTABLE_OFFSET_COMMIT
// per partition.
func (b *Broker) offsetFetch(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.OffsetFetchRequest](r), kmsg.NewPtrOffsetFetchResponse()
	img := b.image.Current()
	if req.Version >= 8 {
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, b.fetchGroup(ctx, r, img, &req.Groups[i]))
		}
		return resp
	}
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = req.Group
	if req.Topics != nil {
		one.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, len(req.Topics))
		for i, t := range req.Topics {
			one.Topics[i].Topic, one.Topics[i].Partitions = t.Topic, t.Partitions
		}
	}
	g := b.fetchGroup(ctx, r, img, &one)
	resp.ErrorCode = g.ErrorCode
	if g.ErrorCode != 0 && req.Version < 2 { // the code has no other place
		for _, t := range req.Topics {
			gt := kmsg.NewOffsetFetchResponseGroupTopic()
			gt.Topic = t.Topic
			for _, p := range t.Partitions {
				gt.Partitions = append(gt.Partitions, noOffset(p, g.ErrorCode))
			}
			g.Topics = append(g.Topics, gt)
		}
	}
	for _, t := range g.Topics {
		out := kmsg.NewOffsetFetchResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			op := kmsg.NewOffsetFetchResponseTopicPartition()
			op.Partition, op.Offset, op.LeaderEpoch, op.Metadata, op.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// fetchGroup answers for one group.
func (b *Broker) fetchGroup(ctx context.Context, r *Request, img *image.Image, in *kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	byID := r.Body.GetVersion() >= 10
	req, ok := r.Body.(*kmsg.OffsetFetchRequest)
	stable := ok && req.Version >= 7 && req.RequireStable
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = in.Group
	var want []group.Offset
	var refused []kmsg.OffsetFetchResponseGroupTopic // and empty ones
	if in.Topics != nil {
		want = []group.Offset{}
	}
	for i := range in.Topics {
		t := &in.Topics[i]
		if byID {
			found, ok := img.TopicByID(metadata.TopicID(t.TopicID))
			if !ok {
				gt := kmsg.NewOffsetFetchResponseGroupTopic()
				gt.TopicID = t.TopicID
				for _, p := range t.Partitions {
					gt.Partitions = append(gt.Partitions, noOffset(p, kerr.UnknownTopicID.Code))
				}
				refused = append(refused, gt)
				continue
			}
			t.Topic = found.Name
		}
		if len(t.Partitions) == 0 { // nothing is asked of it, but it is answered for
			gt := kmsg.NewOffsetFetchResponseGroupTopic()
			gt.Topic, gt.TopicID = t.Topic, t.TopicID
			refused = append(refused, gt)
		}
		for _, p := range t.Partitions {
			want = append(want, group.Offset{Topic: t.Topic, Partition: p})
		}
	}
	offsets, err := b.groups.Fetch(ctx, group.FetchRequest{Group: in.Group, Member: in.MemberID, Epoch: in.MemberEpoch, Want: want, Stable: stable})
	if err != nil {
		out.ErrorCode = b.code(r, err, "group", in.Group)
		return out
	}
	for _, o := range offsets {
		if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != o.Topic {
			gt := kmsg.NewOffsetFetchResponseGroupTopic()
			gt.Topic = o.Topic
			if t, ok := img.Topic(o.Topic); ok {
				gt.TopicID = t.ID
			} else if byID {
				continue // the topic is gone: it cannot be named
			}
			out.Topics = append(out.Topics, gt)
		}
		t := &out.Topics[len(out.Topics)-1]
		op := noOffset(o.Partition, 0)
		op.Offset, op.LeaderEpoch, op.Metadata = o.Offset, o.LeaderEpoch, &o.Metadata
		if o.Unstable {
			op = noOffset(o.Partition, kerr.UnstableOffsetCommit.Code)
		}
		t.Partitions = append(t.Partitions, op)
	}
	out.Topics = append(out.Topics, refused...)
	return out
}

func noOffset(partition int32, code int16) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode = partition, -1, -1, kmsg.StringPtr(""), code
	return p
}
