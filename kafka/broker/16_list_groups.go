package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListGroups (key 16), versions 0-5. Served by every broker for the groups that it coordinates.
// v1 has a throttle time; v3 is flexible; v4 filters by state (KIP-518); v5 by type (KIP-848).
// Errors: COORDINATOR_LOAD_IN_PROGRESS, with the groups that are loaded.
func (b *Broker) listGroups(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ListGroupsRequest](r), kmsg.NewPtrListGroupsResponse()
	resp.Groups = []kmsg.ListGroupsResponseGroup{}
	groups, err := b.groups.List(ctx, req.StatesFilter, req.TypesFilter)
	resp.ErrorCode = b.code(r, err)
	for _, g := range groups {
		resp.Groups = append(resp.Groups, kmsg.ListGroupsResponseGroup{
			Group: g.Group, ProtocolType: g.ProtocolType, GroupState: g.State, GroupType: g.Type,
		})
	}
	return resp
}
