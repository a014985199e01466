package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/feature"
	"weir/kafka/group"
	"weir/metadata"
)

// ConsumerGroupHeartbeat (key 68), versions 0-1 (KIP-848). Served by the group's coordinator; blocks until what it answers is durable, and when a
// member joins until there is an assignment for it, at most a quarter of a second.
// v1 has regular expressions, and demands that clients make their member ids.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_REQUEST, GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID,
// FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID, UNSUPPORTED_ASSIGNOR, GROUP_MAX_SIZE_REACHED, INVALID_REGULAR_EXPRESSION;
// UNSUPPORTED_VERSION while the feature group.version is off.
func (b *Broker) consumerGroupHeartbeat(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ConsumerGroupHeartbeatRequest](r), kmsg.NewPtrConsumerGroupHeartbeatResponse()
	if b.featureLevel(feature.Group) < 1 {
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp
	}
	beat := group.ConsumerBeat{
		Version: req.Version, Group: req.Group, Member: req.MemberID, Epoch: req.MemberEpoch, Instance: req.InstanceID, Rack: req.RackID,
		RebalanceTimeout: time.Duration(req.RebalanceTimeoutMillis) * time.Millisecond, Topics: req.SubscribedTopicNames,
		Regex: req.SubscribedTopicRegex, Assignor: req.ServerAssignor, ClientID: r.ClientID, ClientHost: "/" + r.ClientHost,
	}
	if req.Topics != nil {
		beat.Owned = make(map[metadata.TopicID][]int32, len(req.Topics))
		for _, t := range req.Topics {
			beat.Owned[t.TopicID] = append(beat.Owned[t.TopicID], t.Partitions...)
		}
	}
	if beat.Epoch == 0 {
		if err := b.admitGroup(ctx, req.Group); err != nil {
			resp.ErrorCode, resp.ErrorMessage = b.code(r, err, "group", req.Group), plainMessage(err)
			return resp
		}
	}
	res := b.groups.ConsumerBeat(ctx, beat)
	if res.Err != nil {
		resp.ErrorCode, resp.ErrorMessage = b.code(r, res.Err, "group", req.Group), plainMessage(res.Err)
		return resp
	}
	resp.MemberID, resp.MemberEpoch, resp.HeartbeatIntervalMillis = &res.Member, res.Epoch, int32(res.Interval.Milliseconds())
	if res.Assignment != nil {
		resp.Assignment = &kmsg.ConsumerGroupHeartbeatResponseAssignment{Topics: []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{}}
		for id, ps := range res.Assignment {
			resp.Assignment.Topics = append(resp.Assignment.Topics, kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{TopicID: id, Partitions: ps})
		}
		slices.SortFunc(resp.Assignment.Topics, func(a, b kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic) int {
			return strings.Compare(string(a.TopicID[:]), string(b.TopicID[:]))
		})
	}
	return resp
}

// plainMessage is message without the code's own text, if there is more.
func plainMessage(err error) *string {
	text := message(err)
	var k *kerr.Error
	if text != nil && errors.As(err, &k) {
		more := strings.TrimPrefix(*text, k.Error()+": ")
		return &more
	}
	return text
}
