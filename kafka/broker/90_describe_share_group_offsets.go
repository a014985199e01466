package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
)

// DescribeShareGroupOffsets (key 90), versions 0-1 (KIP-932). Served by the groups' coordinator, which asks the share coordinators and, for the lag, the
// partitions' leaders; blocks for that long.
// v1 has the lag (KIP-1226).
// Errors: UNSUPPORTED_VERSION (share.version is 0), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS per group; NOT_LEADER_OR_FOLLOWER and others of
// the leaders per partition.
func (b *Broker) describeShareGroupOffsets(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeShareGroupOffsetsRequest](r), kmsg.NewPtrDescribeShareGroupOffsetsResponse()
	for i := range req.Groups {
		in := &req.Groups[i]
		out := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
		out.GroupID = in.GroupID
		if !b.sharesEnabled() {
			out.ErrorCode = kerr.UnsupportedVersion.Code
		} else if in.Topics == nil || len(in.Topics) > 0 {
			if err := b.describeShareOffsets(ctx, r, in, &out); err != nil {
				out.ErrorCode, out.ErrorMessage, out.Topics = b.code(r, err, "group", in.GroupID), message(err), nil
			}
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

func (b *Broker) describeShareOffsets(ctx context.Context, r *Request, in *kmsg.DescribeShareGroupOffsetsRequestGroup, out *kmsg.DescribeShareGroupOffsetsResponseGroup) error {
	img := b.image.Current()
	var want []group.ShareOffset
	var unknown []kmsg.DescribeShareGroupOffsetsResponseGroupTopic
	if in.Topics != nil {
		want = []group.ShareOffset{}
	}
	for _, t := range in.Topics {
		found, ok := img.Topic(t.Topic)
		if ok {
			for _, p := range t.Partitions {
				want = append(want, group.ShareOffset{Topic: found.ID, Partition: p})
			}
			continue
		}
		ot := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
		ot.Topic = t.Topic
		for _, p := range t.Partitions {
			op := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
			op.Partition, op.StartOffset = p, -1
			ot.Partitions = append(ot.Partitions, op)
		}
		unknown = append(unknown, ot)
	}
	offsets, err := b.groups.ShareOffsets(ctx, in.GroupID, want)
	if err != nil {
		return err
	}
	for _, o := range offsets {
		t, ok := img.TopicByID(o.Topic)
		if !ok {
			continue // it is gone
		}
		n := len(out.Topics)
		if n == 0 || out.Topics[n-1].TopicID != o.Topic {
			ot := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
			ot.Topic, ot.TopicID = t.Name, t.ID
			out.Topics = append(out.Topics, ot)
			n++
		}
		op := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
		op.Partition, op.StartOffset, op.LeaderEpoch = o.Partition, o.Start, o.Epoch
		if o.Err == nil && o.Start >= 0 && o.Complete >= 0 {
			end, err := b.endOf(ctx, img, t, o.Partition)
			if err != nil {
				op.ErrorCode, op.ErrorMessage = b.code(r, err, "topic", t.Name, "partition", o.Partition), message(err)
				op.StartOffset, op.LeaderEpoch = 0, 0
			} else {
				op.Lag = end - o.Start - int64(o.Complete)
			}
		}
		out.Topics[n-1].Partitions = append(out.Topics[n-1].Partitions, op)
	}
	out.Topics = append(out.Topics, unknown...)
	return nil
}

// endOf is the partition's high watermark, wherever its leader is.
func (b *Broker) endOf(ctx context.Context, img *image.Image, t *image.Topic, index int32) (int64, error) {
	if index < 0 || int(index) >= len(t.Partitions) {
		return 0, kerr.UnknownTopicOrPartition
	}
	leader := t.Partitions[index].Leader
	if leader == b.cfg.Broker {
		l, err := b.leaders.get(partition.Key{Topic: t.ID, Index: index})
		if err != nil {
			return 0, err
		}
		return l.Offsets().HighWatermark, nil
	}
	return b.askEnd(ctx, leader, t.Name, index)
}

func (b *Broker) askEnd(ctx context.Context, leader metadata.BrokerID, topic string, index int32) (int64, error) {
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = index, latestOffset
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.ListOffsetsRequestTopicPartition{p}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.Topics = -1, []kmsg.ListOffsetsRequestTopic{t}
	resp, err := b.peers.Request(ctx, leader, req)
	if err != nil {
		return 0, fmt.Errorf("ask for the end of %s-%d: %w", topic, index, err)
	}
	lo, ok := resp.(*kmsg.ListOffsetsResponse)
	if !ok || len(lo.Topics) != 1 || len(lo.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("ask for the end of %s-%d: %w", topic, index, kerr.UnknownServerError)
	}
	return lo.Topics[0].Partitions[0].Offset, kerr.ErrorForCode(lo.Topics[0].Partitions[0].ErrorCode)
}
