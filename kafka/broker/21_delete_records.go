package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
)

// DeleteRecords (key 21), versions 0-2 (KIP-107). Served by the partitions' leader; blocks until the new log starts are durable.
// v2 is flexible.
// Errors, per partition: UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE (negative but -1, which is the high watermark, or
// beyond it), POLICY_VIOLATION (cleanup.policy is compact alone), INVALID_TOPIC_EXCEPTION (an internal topic), REQUEST_TIMED_OUT, KAFKA_STORAGE_ERROR.
func (b *Broker) deleteRecords(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DeleteRecordsRequest](r), kmsg.NewPtrDeleteRecordsResponse()
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	// All are queued before the first is waited for, so that they become durable together.
	waits := make([][]func(context.Context) (int64, error), len(req.Topics))
	for i := range req.Topics {
		in := &req.Topics[i]
		for j := range in.Partitions {
			waits[i] = append(waits[i], b.deletePartitionRecords(in.Topic, &in.Partitions[j]))
		}
	}
	for i := range req.Topics {
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewDeleteRecordsResponseTopicPartition()
			p.Partition = req.Topics[i].Partitions[j].Partition
			low, err := waits[i][j](ctx)
			p.LowWatermark, p.ErrorCode = low, b.code(r, err, "topic", out.Topic, "partition", p.Partition)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// deletePartitionRecords begins to delete. What it returns waits for the outcome.
func (b *Broker) deletePartitionRecords(topic string, in *kmsg.DeleteRecordsRequestTopicPartition) func(context.Context) (int64, error) {
	l, err := b.leading(topic, in.Partition, -1)
	if err == nil && image.IsInternal(topic) {
		err = fmt.Errorf("records of internal topics cannot be deleted: %w", kerr.InvalidTopicException)
	}
	if err != nil {
		return func(context.Context) (int64, error) { return -1, err }
	}
	return l.DeleteRecords(in.Offset)
}
