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
// Errors: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, TOPIC_DELETION_DISABLED, INVALID_REQUEST (a topic given twice, also by name and by id; an internal topic),
// THROTTLING_QUOTA_EXCEEDED, REQUEST_TIMED_OUT.
func (b *Broker) deleteTopics(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DeleteTopicsRequest](r), kmsg.NewPtrDeleteTopicsResponse()
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	refs := make([]topicRef, 0, max(len(req.Topics), len(req.TopicNames)))
	for _, name := range req.TopicNames {
		refs = append(refs, topicRef{name: name, named: true})
	}
	for _, t := range req.Topics {
		refs = append(refs, topicRef{deref(t.Topic), t.Topic != nil, metadata.TopicID(t.TopicID)})
	}
	img := b.image.Current()
	seen, byName := make(map[topicRef]int), make(map[metadata.TopicID]bool)
	for _, ref := range refs {
		seen[ref]++
		if t, ok := img.Topic(ref.name); ok && ref.named && ref.id == (metadata.TopicID{}) {
			byName[t.ID] = true
		}
	}
	var asked []topic.Ref
	var places []int
	for _, ref := range refs {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.TopicID = ref.id
		if ref.named {
			out.Topic = &ref.name
		}
		var err error
		switch n := seen[ref]; {
		case n == 0, !ref.named && byName[ref.id]:
			continue // answered, or with its name
		case ref.named && ref.id != metadata.TopicID{}:
			err = &topic.Fault{Code: kerr.InvalidRequest, Message: "You may not specify both topic name and topic id."}
		case !ref.named && ref.id == metadata.TopicID{}:
			err = &topic.Fault{Code: kerr.InvalidRequest, Message: "Neither topic name nor id were specified."}
		case n > 1:
			seen[ref] = 0
			err = &topic.Fault{Code: kerr.InvalidRequest, Message: "Duplicate topic name or topic id."}
		case ref.named && ref.name == "":
			err = &topic.Fault{Code: kerr.UnknownTopicOrPartition, Message: "This server does not host this topic-partition."}
		case ref.named:
			if t, ok := img.Topic(ref.name); ok && seen[topicRef{id: t.ID}] > 0 {
				out.TopicID = t.ID
				err = &topic.Fault{Code: kerr.InvalidRequest, Message: "The provided topic name maps to an ID that was already supplied."}
			}
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, err), faultMessage(err)
		} else {
			asked, places = append(asked, topic.Ref{Name: ref.name, ID: ref.id}), append(places, len(resp.Topics))
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

// topicRef is how a request names a topic: null and the empty name are not the same.
type topicRef struct {
	name  string
	named bool
	id    metadata.TopicID
}
