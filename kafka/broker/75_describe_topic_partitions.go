package broker

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/topic"
)

// describePartitionsMax is how many partitions one answer holds at most: Kafka's default of max.request.partition.size.limit.
const describePartitionsMax = 2000

// DescribeTopicPartitions (key 75), version 0 (KIP-966). Served by any broker from its image, in order of topic name, in pages.
// Errors per topic: INVALID_REQUEST for all of a request whose cursor is at none of them, or before the first partition; UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION; per partition: LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND.
func (b *Broker) describeTopicPartitions(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeTopicPartitionsRequest](r), kmsg.NewPtrDescribeTopicPartitionsResponse()
	img := b.image.Current()
	if req.Cursor != nil && !cursorFits(req) {
		for _, t := range req.Topics {
			out := kmsg.NewDescribeTopicPartitionsResponseTopic()
			out.Topic, out.ErrorCode = &t.Topic, b.code(r, kerr.InvalidRequest)
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	}
	d := describer{img: img, listener: r.Listener}
	d.nodes()
	room := min(max(int(req.ResponsePartitionLimit), 1), describePartitionsMax)
	for _, name := range requestedTopics(img, req) {
		from := 0
		if req.Cursor != nil && req.Cursor.Topic == name {
			from = int(req.Cursor.Partition)
		}
		if room == 0 {
			resp.NextCursor = nextPage(name, from)
			break
		}
		out := kmsg.NewDescribeTopicPartitionsResponseTopic()
		out.Topic, out.AuthorizedOperations = &name, topicOperations
		t, ok := img.Topic(name)
		if !ok {
			out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			if topic.ValidateName(name) != nil {
				out.ErrorCode = kerr.InvalidTopicException.Code
			}
			resp.Topics = append(resp.Topics, out)
			continue
		}
		to := min(from+room, len(t.Partitions))
		d.page(&out, t, from, to)
		resp.Topics = append(resp.Topics, out)
		room -= max(to-from, 0)
		if to < len(t.Partitions) {
			resp.NextCursor = nextPage(name, to)
			break
		}
	}
	return resp
}

// cursorFits reports whether the request's cursor is at a partition of what it asks for.
func cursorFits(req *kmsg.DescribeTopicPartitionsRequest) bool {
	c := req.Cursor
	named := len(req.Topics) == 0 || slices.ContainsFunc(req.Topics, func(t kmsg.DescribeTopicPartitionsRequestTopic) bool { return t.Topic == c.Topic })
	return named && c.Partition >= 0
}

func nextPage(name string, partition int) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = name, int32(partition)
	return &c
}

// requestedTopics returns the names to describe, in order, from the cursor on. No names means all topics.
func requestedTopics(img *image.Image, req *kmsg.DescribeTopicPartitionsRequest) []string {
	var names []string
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if len(names) == 0 {
		for _, t := range img.Topics() {
			names = append(names, t.Name)
		}
	} else {
		slices.Sort(names)
		names = slices.Compact(names)
	}
	if req.Cursor != nil {
		at, _ := slices.BinarySearchFunc(names, req.Cursor.Topic, strings.Compare)
		names = names[at:]
	}
	return names
}

func (d *describer) page(out *kmsg.DescribeTopicPartitionsResponseTopic, t *image.Topic, from, to int) {
	out.TopicID, out.IsInternal = t.ID, t.Internal
	for i := from; i < to; i++ {
		in := &t.Partitions[i]
		p := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		p.Partition, p.LeaderEpoch = int32(i), int32(in.Epoch)
		p.LeaderID, p.ErrorCode = d.leader(in)
		p.Replicas, p.OfflineReplicas = d.replicas(in)
		p.ISR = d.inSync(in)
		p.EligibleLeaderReplicas, p.LastKnownELR = []int32{}, []int32{} // nullable, but Java's admin client fails on null
		out.Partitions = append(out.Partitions, p)
	}
}
