package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/feature"
	"weir/kafka/group"
)

// ConsumerGroupDescribe (key 69), versions 0-1 (KIP-848). Served by the groups' coordinator.
// v1 tells which members speak the classic protocol.
// Errors: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, INVALID_GROUP_ID, GROUP_ID_NOT_FOUND; UNSUPPORTED_VERSION while the
// feature group.version is off.
func (b *Broker) consumerGroupDescribe(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ConsumerGroupDescribeRequest](r), kmsg.NewPtrConsumerGroupDescribeResponse()
	for _, id := range req.Groups {
		out := kmsg.NewConsumerGroupDescribeResponseGroup()
		out.Group = id
		var d group.ConsumerDescription
		err := error(kerr.UnsupportedVersion)
		if b.featureLevel(feature.Group) >= 1 {
			d, err = b.groups.DescribeConsumer(ctx, id)
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, err, "group", id), plainMessage(err)
			resp.Groups = append(resp.Groups, out)
			continue
		}
		out.State, out.Epoch, out.AssignmentEpoch, out.AssignorName = d.State, d.Epoch, d.AssignmentEpoch, d.Assignor
		for i := range d.Members {
			m := &d.Members[i]
			om := kmsg.NewConsumerGroupDescribeResponseGroupMember()
			om.MemberID, om.InstanceID, om.RackID, om.MemberEpoch = m.ID, nullable(m.Instance), nullable(m.Rack), m.Epoch
			om.ClientID, om.ClientHost, om.SubscribedTopics, om.SubscribedTopicRegex = m.ClientID, m.ClientHost, m.Topics, &m.Regex
			om.Assignment.TopicPartitions, om.TargetAssignment.TopicPartitions = publicAssignment(m.Assignment), publicAssignment(m.Target)
			if om.MemberType = 1; m.Classic {
				om.MemberType = 0
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

func publicAssignment(tps []group.TopicPartitions) []kmsg.AssignmentTopicPartition {
	out := make([]kmsg.AssignmentTopicPartition, 0, len(tps))
	for _, tp := range tps {
		out = append(out, kmsg.AssignmentTopicPartition{TopicID: tp.TopicID, Topic: tp.Topic, Partitions: tp.Partitions})
	}
	return out
}
