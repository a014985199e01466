package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
)

// Heartbeat (key 12), versions 0-4. Served by the group's coordinator.
// v1 has a throttle time; v3 the group instance id (KIP-345); v4 is flexible.
// Errors: NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, FENCED_INSTANCE_ID,
// REBALANCE_IN_PROGRESS. While the group loads the answer is no error, as in Kafka.
func (b *Broker) heartbeat(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.HeartbeatRequest](r), kmsg.NewPtrHeartbeatResponse()
	err := b.groups.Heartbeat(ctx, group.Beat{Group: req.Group, Generation: req.Generation, Member: req.MemberID, Instance: deref(req.InstanceID)})
	resp.ErrorCode = b.code(r, err, "group", req.Group)
	return resp
}
