package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
)

// LeaveGroup (key 13), versions 0-5. Served by the group's coordinator.
// v1 has a throttle time; v3 names several members, static ones by their group instance id (KIP-345); v4 is flexible; v5 has reasons, for the log.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
func (b *Broker) leaveGroup(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.LeaveGroupRequest](r), kmsg.NewPtrLeaveGroupResponse()
	if req.Version < 3 {
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = req.MemberID
		req.Members = []kmsg.LeaveGroupRequestMember{one}
	}
	leaving := make([]group.Leaving, len(req.Members))
	for i, m := range req.Members {
		leaving[i] = group.Leaving{Member: m.MemberID, Instance: deref(m.InstanceID)}
	}
	errs, err := b.groups.Leave(ctx, req.Group, leaving)
	switch {
	case err != nil:
		resp.ErrorCode = b.code(r, err, "group", req.Group)
	case req.Version < 3:
		resp.ErrorCode = b.code(r, errs[0], "group", req.Group)
	default:
		for i, m := range req.Members {
			resp.Members = append(resp.Members, kmsg.LeaveGroupResponseMember{
				MemberID: m.MemberID, InstanceID: m.InstanceID, ErrorCode: b.code(r, errs[i], "group", req.Group),
			})
		}
	}
	return resp
}
