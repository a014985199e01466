package broker

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
)

// ShareGroupHeartbeat (key 76), version 1 (KIP-932). Served by the group's coordinator; blocks until what it answers is durable, and when a member
// joins until there is an assignment, at most a quarter of a second.
// Errors: UNSUPPORTED_VERSION (share.version is 0), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_REQUEST,
// GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, GROUP_MAX_SIZE_REACHED.
func (b *Broker) shareGroupHeartbeat(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ShareGroupHeartbeatRequest](r), kmsg.NewPtrShareGroupHeartbeatResponse()
	if err := b.checkShareMember(&req.GroupID, &req.MemberID); err != nil {
		resp.ErrorCode, resp.ErrorMessage = b.code(r, err, "group", req.GroupID), plainMessage(err)
		return resp
	}
	if req.MemberEpoch == 0 {
		if err := b.admitGroup(ctx, req.GroupID); err != nil {
			resp.ErrorCode, resp.ErrorMessage = b.code(r, err, "group", req.GroupID), plainMessage(err)
			return resp
		}
	}
	res := b.groups.ShareBeat(ctx, group.ShareBeat{
		Group: req.GroupID, Member: req.MemberID, Epoch: req.MemberEpoch, Rack: req.RackID, Topics: req.SubscribedTopicNames,
		ClientID: r.ClientID, ClientHost: "/" + r.ClientHost,
	})
	if res.Err != nil {
		resp.ErrorCode, resp.ErrorMessage = b.code(r, res.Err, "group", req.GroupID), plainMessage(res.Err)
		return resp
	}
	resp.MemberID, resp.MemberEpoch, resp.HeartbeatIntervalMillis = &res.Member, res.Epoch, int32(res.Interval.Milliseconds())
	if res.Assignment != nil {
		resp.Assignment = &kmsg.ShareGroupHeartbeatResponseAssignment{TopicPartitions: []kmsg.ShareGroupHeartbeatResponseAssignmentTopicPartition{}}
		for id, ps := range res.Assignment {
			resp.Assignment.TopicPartitions = append(resp.Assignment.TopicPartitions,
				kmsg.ShareGroupHeartbeatResponseAssignmentTopicPartition{TopicID: id, Partitions: ps})
		}
		slices.SortFunc(resp.Assignment.TopicPartitions, func(a, b kmsg.ShareGroupHeartbeatResponseAssignmentTopicPartition) int {
			return strings.Compare(string(a.TopicID[:]), string(b.TopicID[:]))
		})
	}
	return resp
}
