package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/partition"
	"weir/metadata"
)

// The timestamps that mean something else.
const (
	latestOffset   = -1
	earliestOffset = -2
	maxTimestamp   = -3 // KIP-734
	earliestLocal  = -4 // KIP-405
	latestTiered   = -5 // KIP-1005
	earliestUpload = -6 // KIP-1023: earliest offset that is not yet in remote storage
)

// ListOffsets (key 2), versions 1-11. Served by the partitions' leader.
// v2 has the isolation level; v4 checks the leader epoch (KIP-320); v6 is flexible; v7 allows timestamp -3, v8 -4, v9 -5 and v11 -6;
// v10 has a timeout for remote storage. There is no remote storage in Kafka's sense, so -4 is the log start and -5 and -6 find nothing,
// as in Kafka without it.
// Errors: UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, UNSUPPORTED_VERSION for a special
// timestamp that the version does not have, INVALID_REQUEST, once, for a partition that is named twice, KAFKA_STORAGE_ERROR. A follower is answered as a client
// that reads uncommitted records: what is at the end of the log is durable.
func (b *Broker) listOffsets(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ListOffsetsRequest](r), kmsg.NewPtrListOffsetsResponse()
	seen := make(map[fetchKey]int)
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			seen[fetchKey{topic: req.Topics[i].Topic, index: req.Topics[i].Partitions[j].Partition}]++
		}
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = in.Topic
		for j := range in.Partitions {
			p := &in.Partitions[j]
			o := kmsg.NewListOffsetsResponseTopicPartition()
			o.Partition = p.Partition
			if req.Version < 4 {
				p.CurrentLeaderEpoch = -1
			}
			key := fetchKey{topic: in.Topic, index: p.Partition}
			var err error = kerr.InvalidRequest
			switch seen[key] {
			case 0:
				continue // answered
			case 1:
				err = b.listOffset(ctx, req, in.Topic, p, &o)
			default:
				seen[key] = 0
			}
			if err != nil {
				o.ErrorCode = b.code(r, err, "topic", in.Topic, "partition", p.Partition)
			}
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// listOffset fills o, which says "none" at first.
func (b *Broker) listOffset(ctx context.Context, req *kmsg.ListOffsetsRequest, topic string, p *kmsg.ListOffsetsRequestTopicPartition,
	o *kmsg.ListOffsetsResponseTopicPartition,
) error {
	if p.Timestamp < 0 && !timestampServed(p.Timestamp, req.Version) {
		return kerr.UnsupportedVersion
	}
	l, err := b.leading(topic, p.Partition, p.CurrentLeaderEpoch)
	if err != nil {
		return err
	}
	at := l.Offsets()
	end := at.HighWatermark
	if req.IsolationLevel == 1 && req.ReplicaID < 0 {
		end = at.LastStable
	}
	switch p.Timestamp {
	case latestOffset:
		o.Offset, o.LeaderEpoch = end, int32(l.LeaderEpoch())
		return nil
	case earliestOffset, earliestLocal:
		o.Offset, o.LeaderEpoch = at.LogStart, int32(l.EpochAt(at.LogStart))
		return nil
	case latestTiered, earliestUpload:
		return nil
	}
	var found partition.TimestampOffset
	var ok bool
	if p.Timestamp == maxTimestamp {
		found, ok, err = l.MaxTimestamp(ctx)
	} else {
		found, ok, err = l.OffsetForTimestamp(ctx, p.Timestamp)
	}
	if err != nil || !ok || found.Offset >= end {
		return err
	}
	o.Offset, o.Timestamp, o.LeaderEpoch = found.Offset, found.TimestampMs, int32(found.Epoch)
	return nil
}

// timestampServed tells whether a negative timestamp means something at that version.
func timestampServed(timestamp int64, version int16) bool {
	switch timestamp {
	case latestOffset, earliestOffset:
		return true
	case maxTimestamp:
		return version >= 7
	case earliestLocal:
		return version >= 8
	case latestTiered:
		return version >= 9
	case earliestUpload:
		return version >= 11
	default:
		return false
	}
}

// leading finds the partition if this broker leads it, and checks the leader epoch that the client believes in, unless that is -1.
func (b *Broker) leading(topic string, index, epoch int32) (led, error) {
	t, ok := b.image.Current().Topic(topic)
	if !ok || index < 0 || int(index) >= len(t.Partitions) {
		return nil, kerr.UnknownTopicOrPartition
	}
	l, err := b.leaders.get(partition.Key{Topic: t.ID, Index: index})
	switch {
	case err != nil:
		return nil, err
	case epoch >= 0 && metadata.LeaderEpoch(epoch) < l.LeaderEpoch():
		return nil, kerr.FencedLeaderEpoch
	case metadata.LeaderEpoch(epoch) > l.LeaderEpoch():
		return nil, kerr.UnknownLeaderEpoch
	}
	return l, nil
}
