package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/topic"
)

// Kinds of elections, as the protocol numbers them.
const (
	electPreferred = 0
	electUnclean   = 1
)

// ElectLeaders (key 43), versions 0-2. Served by any broker; waits for the leaders, up to the request's timeout, since a leader that is to be copies the log
// first. v1 has the kind of election (KIP-460), v2 is flexible. Null topics are all partitions; of these, those that need no election are left out,
// while their topics are told.
// Errors per partition: UNKNOWN_TOPIC_OR_PARTITION, ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE (each unclean election of a
// partition without a leader: nobody else has its data), REQUEST_TIMED_OUT, after which the election goes on; INVALID_REQUEST for the whole, for
// another kind.
func (b *Broker) electLeaders(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ElectLeadersRequest](r), kmsg.NewPtrElectLeadersResponse()
	if req.Version >= 1 && req.ElectionType != electPreferred && req.ElectionType != electUnclean {
		resp.ErrorCode = kerr.InvalidRequest.Code
		for i := range req.Topics {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = req.Topics[i].Topic
			for _, index := range req.Topics[i].Partitions {
				p := kmsg.NewElectLeadersResponseTopicPartition()
				p.Partition, p.ErrorCode = index, kerr.InvalidRequest.Code
				out.Partitions = append(out.Partitions, p)
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp
	}
	unclean := req.Version >= 1 && req.ElectionType == electUnclean
	all := req.Topics == nil
	var elections []topic.Election
	var places []int // of each election's topic, in the response
	told := func(name string) int {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = name
		resp.Topics = append(resp.Topics, out)
		return len(resp.Topics) - 1
	}
	if all {
		for _, t := range b.image.Current().Topics() {
			at := told(t.Name)
			for i := range t.Partitions {
				elections = append(elections, topic.Election{Topic: t.Name, Partition: int32(i), Unclean: unclean})
				places = append(places, at)
			}
		}
	}
	for i := range req.Topics {
		at := told(req.Topics[i].Topic)
		for _, p := range req.Topics[i].Partitions {
			elections = append(elections, topic.Election{Topic: req.Topics[i].Topic, Partition: p, Unclean: unclean})
			places = append(places, at)
		}
	}
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	for i, err := range b.topics.Elect(ctx, elections) {
		if all && errors.Is(err, kerr.ElectionNotNeeded) {
			continue
		}
		e := &elections[i]
		p := kmsg.NewElectLeadersResponseTopicPartition()
		p.Partition = e.Partition
		if err != nil {
			p.ErrorCode, p.ErrorMessage = b.code(r, err, "topic", e.Topic, "partition", e.Partition), faultMessage(err)
		}
		out := &resp.Topics[places[i]]
		out.Partitions = append(out.Partitions, p)
	}
	return resp
}
