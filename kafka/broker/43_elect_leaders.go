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
// first. v1 has the kind of election (KIP-460), v2 is flexible. Null topics are all partitions; of these, those that need no election are left out.
// Errors per partition: UNKNOWN_TOPIC_OR_PARTITION, ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE (each unclean election of a
// partition without a leader: nobody else has its data), REQUEST_TIMED_OUT, after which the election goes on; INVALID_REQUEST for the whole, for
// another kind.
func (b *Broker) electLeaders(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ElectLeadersRequest](r), kmsg.NewPtrElectLeadersResponse()
	if req.Version >= 1 && req.ElectionType != electPreferred && req.ElectionType != electUnclean {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	unclean := req.Version >= 1 && req.ElectionType == electUnclean
	all := req.Topics == nil
	var elections []topic.Election
	if all {
		for _, t := range b.image.Current().Topics() {
			for i := range t.Partitions {
				elections = append(elections, topic.Election{Topic: t.Name, Partition: int32(i), Unclean: unclean})
			}
		}
	}
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			elections = append(elections, topic.Election{Topic: req.Topics[i].Topic, Partition: p, Unclean: unclean})
		}
	}
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	for i, err := range b.topics.Elect(ctx, elections) {
		if all && errors.Is(err, kerr.ElectionNotNeeded) {
			continue
		}
		e := &elections[i]
		if n := len(resp.Topics); n == 0 || resp.Topics[n-1].Topic != e.Topic {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = e.Topic
			resp.Topics = append(resp.Topics, out)
		}
		p := kmsg.NewElectLeadersResponseTopicPartition()
		p.Partition = e.Partition
		if err != nil {
			p.ErrorCode, p.ErrorMessage = b.code(r, err, "topic", e.Topic, "partition", e.Partition), faultMessage(err)
		}
		out := &resp.Topics[len(resp.Topics)-1]
		out.Partitions = append(out.Partitions, p)
	}
	return resp
}
