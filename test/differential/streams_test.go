package differential

import (
	"encoding/base64"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// uuidText is a topic id as Kafka writes it.
func uuidText(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func streamsScenarios() []scenario {
	return []scenario{
		{"streams group heartbeat", []int16{88, 89}, streamsHeartbeats},
		{"streams group topology", []int16{93, 88}, streamsTopology},
	}
}

func streamsBeat(group, member string, epoch int32, set func(*kmsg.StreamsGroupHeartbeatRequest)) *kmsg.StreamsGroupHeartbeatRequest {
	return asked(kmsg.NewPtrStreamsGroupHeartbeatRequest(), func(r *kmsg.StreamsGroupHeartbeatRequest) {
		r.Group, r.MemberID, r.MemberEpoch = group, member, epoch
		if epoch == 0 {
			r.RebalanceTimeoutMillis, r.ProcessID = 30000, ptr("p-1")
			r.ActiveTasks, r.StandbyTasks, r.WarmupTasks = []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
			r.Topology = &kmsg.StreamsGroupHeartbeatRequestTopology{Epoch: 1, Subtopologies: []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{{
				SubtopologyID: "0", SourceTopics: []string{"stg-in"}, SourceTopicRegex: []string{}, RepartitionSinkTopics: []string{},
			}}}
		}
		if set != nil {
			set(r)
		}
	})
}

func streamsHeartbeats(d *dialogue) {
	d.topic("stg-in", 2)
	type request = kmsg.StreamsGroupHeartbeatRequest
	d.each(88, func(v int16) {
		group := fmt.Sprintf("stg-%d", v)
		d.coordinator(0, group)
		say := func(label, member string, epoch int32, set func(*request)) *kmsg.StreamsGroupHeartbeatResponse {
			return ask[*kmsg.StreamsGroupHeartbeatResponse](d, label, v, streamsBeat(group, member, epoch, set))
		}
		say("no group", memberA, 0, func(r *request) { r.Group = "" })
		say("no member", "", 0, nil)
		say("no topology", memberA, 0, func(r *request) { r.Topology = nil })
		say("no timeout", memberA, 0, func(r *request) { r.RebalanceTimeoutMillis = -1 })
		say("no tasks", memberA, 0, func(r *request) { r.ActiveTasks = nil })
		say("no process", memberA, 0, func(r *request) { r.ProcessID = nil })
		say("empty instance", memberA, 0, func(r *request) { r.InstanceID = ptr("") })
		say("owns already", memberA, 0, func(r *request) { r.ActiveTasks = []kmsg.TaskIDs{{SubtopologyID: "0", Partitions: []int32{0}}} })
		say("epoch -5", memberA, -5, nil)
		say("epoch before it is there", memberA, 3, nil)
		say("leaves before it is there", memberA, -1, nil)
		say("no source topic's name", memberA, 0, func(r *request) { r.Topology.Subtopologies[0].SourceTopics = []string{""} })
		first := until(d, "joins", v, streamsBeat(group, memberA, 0, nil), func(r *kmsg.StreamsGroupHeartbeatResponse) bool {
			return r.ErrorCode != 0 || len(r.ActiveTasks) > 0
		})
		say("beats", memberA, first.MemberEpoch, nil)
		say("epoch of the future", memberA, first.MemberEpoch+9, nil)
		say("stranger", memberB, 1, nil)
		say("absent source topic", memberB, 0, func(r *request) {
			r.Topology.Subtopologies[0].SourceTopics = []string{"stg-absent"}
			r.ProcessID = ptr("p-2")
		})
		d.each(89, func(w int16) {
			ask[*kmsg.StreamsGroupDescribeResponse](d, fmt.Sprintf("groups, version %d", v), w, &kmsg.StreamsGroupDescribeRequest{Groups: []string{group, "stg-absent", ""}, IncludeAuthorizedOperations: true})
		})
		ask[*kmsg.JoinGroupResponse](d, fmt.Sprintf("classic member of a streams group %d", v), newest, joining(group, "", nil))
		ask[*kmsg.DeleteGroupsResponse](d, fmt.Sprintf("delete while used %d", v), newest, &kmsg.DeleteGroupsRequest{Groups: []string{group}})
		say("leaves", memberA, -1, nil)
		say("leaves again", memberA, -1, nil)
		say("the other leaves", memberB, -1, nil)
	})
}

func streamsTopology(d *dialogue) {
	d.coordinator(0, "stt")
	for _, group := range []string{"stt", ""} {
		ask[*kmsg.StreamsGroupTopologyDescriptionUpdateResponse](d, "group "+group, newest, asked(kmsg.NewPtrStreamsGroupTopologyDescriptionUpdateRequest(), func(r *kmsg.StreamsGroupTopologyDescriptionUpdateRequest) {
			r.Group, r.MemberID, r.TopologyEpoch = group, memberA, 1
		}))
	}
}
