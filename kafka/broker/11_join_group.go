package broker

import (
	"bytes"
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
)

// JoinGroup (key 11), versions 0-9. Served by the group's coordinator; blocks until the join phase ends.
// v1 has the rebalance timeout; v2 a throttle time; v4 demands a member id that we gave (KIP-394); v5 has the group instance id (KIP-345); v6 is
// flexible; v7 has the protocol type; v8 a reason, for the log; v9 lets a static leader skip the assignment (KIP-814).
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT,
// INCONSISTENT_GROUP_PROTOCOL, MEMBER_ID_REQUIRED, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED, INVALID_REQUEST (a
// serverless cluster has as many groups as it may have).
func (b *Broker) joinGroup(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.JoinGroupRequest](r), kmsg.NewPtrJoinGroupResponse()
	j := group.Join{
		Group: req.Group, Member: req.MemberID, Instance: deref(req.InstanceID), ClientID: r.ClientID, ClientHost: "/" + r.ClientHost,
		SessionTimeout:   time.Duration(req.SessionTimeoutMillis) * time.Millisecond,
		RebalanceTimeout: time.Duration(req.RebalanceTimeoutMillis) * time.Millisecond,
		ProtocolType:     req.ProtocolType,
		NeedsID:          req.Version >= 4,
		CanSkip:          req.Version >= 9,
	}
	if req.Version < 1 {
		j.RebalanceTimeout = j.SessionTimeout
	}
	for _, p := range req.Protocols {
		j.Protocols = append(j.Protocols, group.Protocol{Name: p.Name, Metadata: bytes.Clone(p.Metadata)}) // the group keeps it
	}
	if err := b.admitGroup(ctx, req.Group); err != nil {
		resp.ErrorCode, resp.Generation = b.code(r, err, "group", req.Group), -1
		if req.Version < 7 {
			resp.Protocol = kmsg.StringPtr("")
		}
		return resp
	}
	res := b.groups.Join(ctx, j)
	resp.MemberID = res.Member
	if res.Err != nil {
		resp.ErrorCode, resp.Generation = b.code(r, res.Err, "group", req.Group), -1
		if req.Version < 7 {
			resp.Protocol = kmsg.StringPtr("")
		}
		return resp
	}
	resp.Generation, resp.LeaderID, resp.SkipAssignment = res.Generation, res.Leader, res.SkipAssignment
	resp.ProtocolType, resp.Protocol = &res.ProtocolType, &res.ProtocolName
	for _, m := range res.Members {
		resp.Members = append(resp.Members, kmsg.JoinGroupResponseMember{MemberID: m.ID, InstanceID: nullable(m.Instance), ProtocolMetadata: m.Metadata})
	}
	return resp
}
