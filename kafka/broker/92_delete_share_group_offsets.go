package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteShareGroupOffsets (key 92), version 0 (KIP-932). Served by the group's coordinator; blocks until the share coordinators have deleted the states.
// Errors: UNSUPPORTED_VERSION (share.version is 0), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID,
// GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP for the whole; UNKNOWN_TOPIC_OR_PARTITION and those of the share coordinators per topic.
func (b *Broker) deleteShareGroupOffsets(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DeleteShareGroupOffsetsRequest](r), kmsg.NewPtrDeleteShareGroupOffsetsResponse()
	if !b.sharesEnabled() {
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp
	}
	names := make([]string, len(req.Topics))
	for i, t := range req.Topics {
		names[i] = t.Topic
	}
	each, err := b.groups.DeleteShareOffsets(ctx, req.GroupID, names)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = b.code(r, err, "group", req.GroupID), message(err)
		return resp
	}
	for _, name := range names {
		d := each[name]
		out := kmsg.NewDeleteShareGroupOffsetsResponseTopic()
		out.Topic, out.TopicID = name, d.Topic
		out.ErrorCode, out.ErrorMessage = b.code(r, d.Err, "group", req.GroupID, "topic", name), plainMessage(d.Err)
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}
