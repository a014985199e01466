package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteGroups (key 42), versions 0-3. Served by the groups' coordinator; blocks on one coordinator write per group.
// v1 has a throttle time; v2 is flexible; v3 has messages.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.
func (b *Broker) deleteGroups(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DeleteGroupsRequest](r), kmsg.NewPtrDeleteGroupsResponse()
	done := make(map[string]bool, len(req.Groups))
	for _, id := range req.Groups {
		if done[id] {
			continue // as Kafka, one answer per group
		}
		done[id] = true
		out := kmsg.NewDeleteGroupsResponseGroup()
		out.Group = id
		out.ErrorCode = b.code(r, b.groups.Delete(ctx, id), "group", id)
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}
