package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ShareGroupDescribe (key 77), version 1 (KIP-932). Served by the groups' coordinator.
// Errors: UNSUPPORTED_VERSION (share.version is 0), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, INVALID_GROUP_ID, GROUP_ID_NOT_FOUND.
func (b *Broker) shareGroupDescribe(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ShareGroupDescribeRequest](r), kmsg.NewPtrShareGroupDescribeResponse()
	enabled := b.sharesEnabled()
	for _, id := range req.GroupIDs {
		out := kmsg.NewShareGroupDescribeResponseGroup()
		out.GroupID = id
		if !enabled {
			out.ErrorCode = kerr.UnsupportedVersion.Code
			resp.Groups = append(resp.Groups, out)
			continue
		}
		d, err := b.groups.DescribeShare(ctx, id)
		if err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, err, "group", id), plainMessage(err)
			resp.Groups = append(resp.Groups, out)
			continue
		}
		out.GroupState, out.GroupEpoch, out.AssignmentEpoch, out.Assignor = d.State, d.Epoch, d.AssignmentEpoch, d.Assignor
		for i := range d.Members {
			m := &d.Members[i]
			om := kmsg.NewShareGroupDescribeResponseGroupMember()
			om.MemberID, om.RackID, om.MemberEpoch, om.ClientID, om.ClientHost = m.ID, nullable(m.Rack), m.Epoch, m.ClientID, m.ClientHost
			om.SubscribedTopicNames = m.Topics
			for _, tp := range m.Assignment {
				om.Assignment.TopicPartitions = append(om.Assignment.TopicPartitions,
					kmsg.ShareGroupDescribeResponseGroupMemberAssignmentTopicPartition{TopicID: tp.TopicID, Topic: tp.Topic, Partitions: tp.Partitions})
			}
			out.Members = append(out.Members, om)
		}
		if req.IncludeAuthorizedOperations {
			out.AuthorizedOperations = groupOperations
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}
