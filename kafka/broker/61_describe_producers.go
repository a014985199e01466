package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/partition"
	"weir/kafka/topic"
)

// DescribeProducers (key 61), version 0 (KIP-664): the producers that partitions led here know. Errors: INVALID_TOPIC_EXCEPTION for what can be
// no topic's name, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER.
func (b *Broker) describeProducers(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeProducersRequest](r), kmsg.NewPtrDescribeProducersResponse()
	img := b.image.Current()
	for _, in := range req.Topics {
		t, known := img.Topic(in.Topic)
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic = in.Topic
		for _, index := range in.Partitions {
			p := kmsg.NewDescribeProducersResponseTopicPartition()
			p.Partition = index
			if topic.ValidateName(in.Topic) != nil {
				p.ErrorCode = kerr.InvalidTopicException.Code
			} else if !known || index < 0 || int(index) >= len(t.Partitions) {
				p.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else if l, err := b.leaders.get(partition.Key{Topic: t.ID, Index: index}); err != nil {
				p.ErrorCode = b.code(r, err)
			} else {
				for _, a := range l.ActiveProducers() {
					ap := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
					ap.ProducerID, ap.ProducerEpoch, ap.LastSequence = a.ID, int32(a.Epoch), a.LastSequence
					ap.LastTimestamp, ap.CoordinatorEpoch, ap.CurrentTxnStartOffset = a.LastTimestampMs, a.Coordinator, a.FirstOffset
					p.ActiveProducers = append(p.ActiveProducers, ap)
				}
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}
