package broker

import (
	"bytes"
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
)

// SyncGroup (key 14), versions 0-5. Served by the group's coordinator; blocks until the leader's assignment came and is durable.
// v1 has a throttle time; v3 the group instance id (KIP-345); v4 is flexible; v5 checks the protocol.
// Errors: NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, FENCED_INSTANCE_ID,
// INCONSISTENT_GROUP_PROTOCOL (since v5 also if it is not said), REBALANCE_IN_PROGRESS (also while the group loads, as in Kafka).
func (b *Broker) syncGroup(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.SyncGroupRequest](r), kmsg.NewPtrSyncGroupResponse()
	if req.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil) {
		resp.ErrorCode, resp.MemberAssignment = kerr.InconsistentGroupProtocol.Code, []byte{}
		return resp
	}
	s := group.Sync{
		Group: req.Group, Generation: req.Generation, Member: req.MemberID, Instance: deref(req.InstanceID),
		ProtocolType: req.ProtocolType, ProtocolName: req.Protocol, Assignments: make(map[string][]byte, len(req.GroupAssignment)),
	}
	for _, a := range req.GroupAssignment {
		s.Assignments[a.MemberID] = bytes.Clone(a.MemberAssignment) // the group keeps it
	}
	res := b.groups.Sync(ctx, s)
	resp.MemberAssignment = []byte{} // not null
	if res.Err != nil {
		resp.ErrorCode = b.code(r, res.Err, "group", req.Group)
		return resp
	}
	resp.ProtocolType, resp.Protocol = &res.ProtocolType, &res.ProtocolName
	resp.MemberAssignment = append(resp.MemberAssignment, res.Assignment...)
	return resp
}
