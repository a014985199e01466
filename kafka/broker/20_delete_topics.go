package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/topic"
	"weir/metadata"
)

// DeleteTopics (key 20), versions 1-6. Served by any broker; blocks on metadata transactions.
// v4 is flexible; v5 has messages and refuses what exceeds the client's quota (KIP-599); v6 deletes by topic id (KIP-516).
// Errors: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, TOPIC_DELETION_DISABLED, INVALID_REQUEST (a topic given twice, an internal topic),
// THROTTLING_QUOTA_EXCEEDED, REQUEST_TIMED_OUT.
func (b *Broker) deleteTopics(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DeleteTopicsRequest](r), kmsg.NewPtrDeleteTopicsResponse()
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	refs := make([]topic.Ref, 0, max(len(req.Topics), len(req.TopicNames)))
	for _, name := range req.TopicNames {
		refs = append(refs, topic.Ref{Name: name})
	}
	for _, t := range req.Topics {
		refs = append(refs, topic.Ref{Name: deref(t.Topic), ID: metadata.TopicID(t.TopicID)})
	}
	seen := make(map[topic.Ref]int)
	for _, ref := range refs {
		seen[ref]++
	}
	var asked []topic.Ref
	var places []int
	for _, ref := range refs {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = nullable(ref.Name), ref.ID
		var err error
		switch n := seen[ref]; {
		case n == 0:
			continue // answered
		case n > 1:
			seen[ref] = 0
			err = &topic.Fault{Code: kerr.InvalidRequest, Message: "Duplicate topic name or topic id."}
		case ref.Name != "" && ref.ID != metadata.TopicID{}:
			err = &topic.Fault{Code: kerr.InvalidRequest, Message: "You may not specify both topic name and topic id."}
		case ref.Name == "" && ref.ID == metadata.TopicID{}:
			err = &topic.Fault{Code: kerr.InvalidRequest, Message: "Neither topic name nor id were specified."}
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, err), faultMessage(err)
		} else {
			asked, places = append(asked, ref), append(places, len(resp.Topics))
		}
		resp.Topics = append(resp.Topics, out)
	}
	for i, d := range b.limited(r, 5).Delete(ctx, asked) {
		out := &resp.Topics[places[i]]
		out.Topic, out.TopicID = nullable(d.Name), d.ID
		if d.Err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, d.Err, "topic", d.Name), faultMessage(d.Err)
		}
	}
	if req.Version < 6 { // names are not nullable here
		for i := range resp.Topics {
			if resp.Topics[i].Topic == nil {
				resp.Topics[i].Topic = kmsg.StringPtr("")
			}
		}
	}
	return resp
}
