package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// OffsetForLeaderEpoch (key 23), versions 2-4. Served by the partitions' leader; consumers ask it where their log may have been cut (KIP-320).
// v3 has the replica id; v4 is flexible. Nothing is ever cut here, so that what was read stays valid.
// Errors: UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH. Followers are answered as
// clients are.
func (b *Broker) offsetForLeaderEpoch(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.OffsetForLeaderEpochRequest](r), kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = in.Topic
		for _, p := range in.Partitions {
			o := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			o.Partition = p.Partition
			l, err := b.leading(in.Topic, p.Partition, p.CurrentLeaderEpoch)
			if err != nil {
				o.ErrorCode = b.code(r, err, "topic", in.Topic, "partition", p.Partition)
			} else {
				epoch, end := l.EpochEnd(metadata.LeaderEpoch(p.LeaderEpoch))
				o.LeaderEpoch, o.EndOffset = int32(epoch), end
			}
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}
