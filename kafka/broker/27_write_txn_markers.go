package broker

import (
	"context"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/kafka/txn"
)

// WriteTxnMarkers (key 27), versions 1-2: ends transactions in partitions that this broker leads. Sent by transaction coordinators, and by tools that abort
// a transaction nobody coordinates (KIP-664). Waits until the markers are durable; those for __consumer_offsets until the group coordinator has
// applied the transaction's offsets, or dropped them.
// v1 is flexible; v2 has the version of the transaction: from 2 on a marker has the epoch of the producer's next transaction (KIP-890).
// Errors, per partition: UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, KAFKA_STORAGE_ERROR.
func (b *Broker) writeTxnMarkers(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req, resp := body[*kmsg.WriteTxnMarkersRequest](r), kmsg.NewPtrWriteTxnMarkersResponse()
	var left atomic.Int32
	left.Store(1)
	finish := func() {
		if left.Add(-1) == 0 {
			answer(resp)
		}
	}
	img := b.image.Current()
	resp.Markers = make([]kmsg.WriteTxnMarkersResponseMarker, len(req.Markers))
	for i := range req.Markers {
		in, out := &req.Markers[i], &resp.Markers[i]
		out.ProducerID = in.ProducerID
		m := partition.Marker{
			ProducerID: in.ProducerID, ProducerEpoch: in.ProducerEpoch, Coordinator: in.CoordinatorEpoch, Commit: in.Committed,
			Bumped: req.Version >= 2 && in.TransactionVersion >= transactionsV2,
		}
		out.Topics = make([]kmsg.WriteTxnMarkersResponseMarkerTopic, len(in.Topics))
		for j := range in.Topics {
			t, known := img.Topic(in.Topics[j].Topic)
			ot := &out.Topics[j]
			ot.Topic = in.Topics[j].Topic
			ot.Partitions = make([]kmsg.WriteTxnMarkersResponseMarkerTopicPartition, len(in.Topics[j].Partitions))
			for k, index := range in.Topics[j].Partitions {
				op := &ot.Partitions[k]
				op.Partition = index
				if !known || index < 0 || int(index) >= len(t.Partitions) {
					op.ErrorCode = kerr.UnknownTopicOrPartition.Code
					continue
				}
				left.Add(1)
				b.writeMarker(ctx, t, index, m, func(err error) {
					op.ErrorCode = b.code(r, err, "topic", ot.Topic, "partition", index)
					finish()
				})
			}
		}
	}
	finish()
}

// queueMarker is txn.Deps.Mark.
func (b *Broker) queueMarker(tp txn.TopicPartition, m partition.Marker, done func(error)) bool {
	if tp.Topic == image.ConsumerOffsets {
		return b.groups.QueueMarker(tp.Index, m, done)
	}
	t, ok := b.image.Current().Topic(tp.Topic)
	if !ok {
		return false
	}
	l, err := b.leaders.get(partition.Key{Topic: t.ID, Index: tp.Index})
	return err == nil && l.AppendMarker(m, func(_ partition.Appended, err error) { done(err) }) == nil
}

// writeMarker ends a transaction in one partition. done is called once, perhaps at once.
func (b *Broker) writeMarker(ctx context.Context, t *image.Topic, index int32, m partition.Marker, done func(error)) {
	if t.Name == image.ConsumerOffsets {
		b.groups.EndTransaction(ctx, index, m, done)
		return
	}
	l, err := b.leaders.get(partition.Key{Topic: t.ID, Index: index})
	if err == nil {
		err = l.AppendMarker(m, func(_ partition.Appended, err error) { done(err) })
	}
	if err != nil {
		done(err)
	}
}
