package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupOperations are what every client may do with a group as long as there is no authorizer: read, delete, describe, describe and alter configs.
const groupOperations = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11

// DescribeGroups (key 15), versions 0-6. Served by the groups' coordinator.
// v1 has a throttle time; v3 authorized operations (KIP-430); v4 group instance ids (KIP-345); v5 is flexible; v6 has a message and
// GROUP_ID_NOT_FOUND for a group that does not exist (KIP-1043), which older versions see as one in state Dead.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, GROUP_ID_NOT_FOUND.
func (b *Broker) describeGroups(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeGroupsRequest](r), kmsg.NewPtrDescribeGroupsResponse()
	for _, id := range req.Groups {
		out := kmsg.NewDescribeGroupsResponseGroup()
		out.Group = id
		d, err := b.groups.Describe(ctx, id)
		if errors.Is(err, kerr.GroupIDNotFound) {
			if req.Version < 6 {
				err = nil
			} else {
				out.ErrorMessage = plainMessage(err)
			}
		}
		out.ErrorCode = b.code(r, err, "group", id)
		out.State, out.ProtocolType, out.Protocol = d.State, d.ProtocolType, d.Protocol
		for _, m := range d.Members {
			om := kmsg.NewDescribeGroupsResponseGroupMember()
			om.MemberID, om.InstanceID, om.ClientID, om.ClientHost = m.ID, nullable(m.Instance), m.ClientID, m.ClientHost
			om.ProtocolMetadata, om.MemberAssignment = append([]byte{}, m.Metadata...), append([]byte{}, m.Assignment...)
			out.Members = append(out.Members, om)
		}
		if req.IncludeAuthorizedOperations && err == nil {
			out.AuthorizedOperations = groupOperations
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}
