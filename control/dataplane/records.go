package dataplane

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leader asks for the topic, and returns the broker that leads the partition.
func (b *Brokers) leader(ctx context.Context, topic string, partition int32) (Topic, *kgo.Broker, error) {
	t, err := b.Topic(ctx, topic)
	switch {
	case err != nil:
		return t, nil, err
	case int(partition) >= len(t.Partitions):
		return t, nil, &Refusal{Code: kerr.UnknownTopicOrPartition}
	case t.Partitions[partition].Leader < 0:
		return t, nil, &Refusal{Code: kerr.LeaderNotAvailable}
	}
	return t, b.client.Broker(int(t.Partitions[partition].Leader)), nil
}

// These are timestamps to ListOffsets.
const (
	timestampEnd   = -1
	timestampStart = -2
)

// readCommitted leaves out what belongs to transactions that are open or aborted.
const readCommitted = 1

// End returns the partition's last stable offset: the one behind the last record that a transactional reader sees.
func (b *Brokers) End(ctx context.Context, topic string, partition int32) (int64, error) {
	return b.offset(ctx, topic, partition, timestampEnd)
}

func (b *Brokers) offset(ctx context.Context, topic string, partition int32, timestamp int64) (int64, error) {
	_, to, err := b.leader(ctx, topic, partition)
	if err != nil {
		return 0, err
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, readCommitted
	t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, timestamp
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := answered[*kmsg.ListOffsetsResponse](to.RetriableRequest(ctx, req))
	if err != nil {
		return 0, fmt.Errorf("list offsets of %s-%d: %w", topic, partition, err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("list offsets of %s-%d: another partition was answered", topic, partition)
	}
	out := &resp.Topics[0].Partitions[0]
	return out.Offset, refusal(out.ErrorCode, nil)
}

// fetchWaitMillis is how long a leader may wait for data. There are some, or nobody would ask.
const fetchWaitMillis = 100

// Read returns committed records of the partition from an offset on, at least one batch if there is one and about bytesMax at most, and the offset
// behind what it looked at. If the log begins later, because its records were deleted, it goes on where the log begins, and gap is what is missing.
func (b *Brokers) Read(ctx context.Context, topic string, partition int32, from int64, bytesMax int32) (rs []*kgo.Record, next, gap int64, err error) {
	t, to, err := b.leader(ctx, topic, partition)
	if err != nil {
		return nil, 0, 0, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = -1, fetchWaitMillis, 1, bytesMax, readCommitted
	rt, rp := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = partition, from, bytesMax, -1
	rt.Topic, rt.TopicID, rt.Partitions = topic, t.ID, append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := answered[*kmsg.FetchResponse](to.RetriableRequest(ctx, req))
	if err != nil {
		return nil, 0, 0, fmt.Errorf("fetch %s-%d at %d: %w", topic, partition, from, err)
	}
	if err := refusal(resp.ErrorCode, nil); err != nil {
		return nil, 0, 0, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, 0, 0, fmt.Errorf("fetch %s-%d at %d: another partition was answered", topic, partition, from)
	}
	out := &resp.Topics[0].Partitions[0]
	if err := refusal(out.ErrorCode, nil); err != nil {
		if !errors.Is(err, kerr.OffsetOutOfRange) {
			return nil, 0, 0, err
		}
		start, err2 := b.offset(ctx, topic, partition, timestampStart)
		if err2 != nil {
			return nil, 0, 0, err2
		}
		if start <= from {
			return nil, 0, 0, err
		}
		return nil, start, start - from, nil
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: topic, Partition: partition,
	}, out, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		return nil, 0, 0, fmt.Errorf("decode %s-%d at %d: %w", topic, partition, from, fp.Err)
	}
	return fp.Records, next, 0, nil
}
