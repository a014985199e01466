package differential

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func consumerGroupScenarios() []scenario {
	return []scenario{
		{"consumer group heartbeat", []int16{68}, consumerHeartbeats},
		{"consumer group of two", []int16{68, 69, 8, 9}, consumerPair},
		{"static member of a consumer group", []int16{68, 69}, consumerStatic},
		{"consumer group describe", []int16{69, 68}, consumerDescribe},
		{"classic and consumer groups in one name space", []int16{68, 11, 69}, namespaces},
	}
}

// beat is a heartbeat with which a member joins.
func beat(group, member string, epoch int32, set func(*kmsg.ConsumerGroupHeartbeatRequest)) *kmsg.ConsumerGroupHeartbeatRequest {
	return asked(kmsg.NewPtrConsumerGroupHeartbeatRequest(), func(r *kmsg.ConsumerGroupHeartbeatRequest) {
		r.Group, r.MemberID, r.MemberEpoch = group, member, epoch
		if epoch == 0 {
			r.RebalanceTimeoutMillis, r.SubscribedTopicNames, r.Topics = 30000, []string{"cg"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		}
		if set != nil {
			set(r)
		}
	})
}

// learned waits until the coordinator of a group knows of a topic. In Kafka each partition of __consumer_offsets has a view of the metadata of its
// own, which may be a moment behind the broker's; so another group of that partition is asked, and is gone again afterwards.
func (d *dialogue) learned(group, topic string) {
	var probe string
	for i := 0; probe == "" || offsetsPartition(probe) != offsetsPartition(group); i++ {
		probe = fmt.Sprintf("%s-probe-%d", group, i)
	}
	d.coordinator(0, probe)
	eventually(d, beat(probe, memberA, 0, func(r *kmsg.ConsumerGroupHeartbeatRequest) { r.SubscribedTopicNames = []string{topic} }),
		func(resp *kmsg.ConsumerGroupHeartbeatResponse) bool {
			return resp.ErrorCode == 0 && resp.Assignment != nil && len(resp.Assignment.Topics) > 0
		})
	do[*kmsg.ConsumerGroupHeartbeatResponse](d, beat(probe, memberA, -1, nil))
	if code := do[*kmsg.DeleteGroupsResponse](d, &kmsg.DeleteGroupsRequest{Groups: []string{probe}}).Groups[0].ErrorCode; code != 0 {
		d.fail("delete the group %s: error code %d", probe, code)
	}
}

// offsetsPartition is where a group's offsets are: the hash of its name in Java, over the topic's 50 partitions.
func offsetsPartition(group string) int32 {
	var hash int32
	for _, b := range []byte(group) {
		hash = 31*hash + int32(b)
	}
	return (hash & math.MaxInt32) % 50
}

const memberA, memberB = "AAAAAAAAAAAAAAAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAAAg"

func consumerHeartbeats(d *dialogue) {
	id := d.topic("cg", 3)
	d.each(68, func(v int16) {
		group := fmt.Sprintf("cg-%d", v)
		d.coordinator(0, group)
		d.learned(group, "cg")
		say := func(label, member string, epoch int32, set func(*kmsg.ConsumerGroupHeartbeatRequest)) *kmsg.ConsumerGroupHeartbeatResponse {
			return ask[*kmsg.ConsumerGroupHeartbeatResponse](d, label, v, beat(group, member, epoch, set))
		}
		type request = kmsg.ConsumerGroupHeartbeatRequest
		if nameless := say("without member id", "", 0, nil); nameless.MemberID != nil {
			say("the nameless one leaves", *nameless.MemberID, -1, nil)
		}
		say("no group", memberA, 0, func(r *request) { r.Group = "" })
		say("no timeout", memberA, 0, func(r *request) { r.RebalanceTimeoutMillis = -1 })
		say("no subscription", memberA, 0, func(r *request) { r.SubscribedTopicNames = nil })
		say("empty subscription", memberB, 0, func(r *request) { r.SubscribedTopicNames = []string{} })
		say("and leaves", memberB, -1, nil)
		say("owns already", memberA, 0, func(r *request) {
			r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: id, Partitions: []int32{0}}}
		})
		say("no owned partitions", memberA, 0, func(r *request) { r.Topics = nil })
		say("no such assignor", memberA, 0, func(r *request) { r.ServerAssignor = ptr("mine") })
		say("empty instance", memberA, 0, func(r *request) { r.InstanceID = ptr("") })
		say("empty rack", memberA, 0, func(r *request) { r.RackID = ptr("") })
		say("epoch -5", memberA, -5, nil)
		say("leaves before it is there", memberA, -1, nil)
		say("static leave without instance", memberA, -2, nil)
		say("epoch before it is there", memberA, 4, nil)
		if v > 0 {
			say("bad pattern", memberA, 0, func(r *request) { r.SubscribedTopicNames, r.SubscribedTopicRegex = nil, ptr("a(b") })
			say("pattern", memberB, 0, func(r *request) { r.SubscribedTopicNames, r.SubscribedTopicRegex = nil, ptr("cg-nothing.*") })
			say("and leaves again", memberB, -1, func(r *request) { r.RackID = nil })
		}
		first := say("joins", memberA, 0, nil)
		say("joins again", memberA, 0, nil)
		say("beats", memberA, first.MemberEpoch, nil)
		owns := func(r *request) {
			r.RebalanceTimeoutMillis, r.SubscribedTopicNames = 30000, []string{"cg"}
			r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: id, Partitions: []int32{0, 1, 2}}}
		}
		say("says all", memberA, first.MemberEpoch, owns)
		say("epoch of the future", memberA, first.MemberEpoch+9, nil)
		say("epoch of the past", memberA, max(1, first.MemberEpoch-1), func(r *request) {
			owns(r)
			r.MemberEpoch = first.MemberEpoch - 1
			if r.MemberEpoch <= 0 {
				r.MemberEpoch = 1
			}
		})
		ask[*kmsg.ConsumerGroupDescribeResponse](d, fmt.Sprintf("of version %d", v), newest, &kmsg.ConsumerGroupDescribeRequest{Groups: []string{group}})
		other := say("other subscription", memberA, first.MemberEpoch, func(r *request) { r.SubscribedTopicNames = []string{"cg-absent"} })
		say("changes the assignor", memberA, other.MemberEpoch, func(r *request) { r.ServerAssignor = ptr("range") })
		say("leaves", memberA, -1, nil)
		say("leaves twice", memberA, -1, nil)
	})
}

func consumerPair(d *dialogue) {
	const group = "cgp"
	id := d.topic("cgp", 4)
	d.coordinator(0, group)
	say := func(label, member string, epoch int32, owned []int32, wanted func(*kmsg.ConsumerGroupHeartbeatResponse) bool) *kmsg.ConsumerGroupHeartbeatResponse {
		return until(d, label, newest, beat(group, member, epoch, func(r *kmsg.ConsumerGroupHeartbeatRequest) {
			r.RebalanceTimeoutMillis, r.SubscribedTopicNames = 30000, []string{"cgp"}
			r.ServerAssignor, r.Topics = ptr("uniform"), []kmsg.ConsumerGroupHeartbeatRequestTopic{}
			if owned != nil {
				r.Topics = append(r.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: id, Partitions: owned})
			}
		}), wanted)
	}
	assigned := func(r *kmsg.ConsumerGroupHeartbeatResponse) []int32 {
		if r.Assignment == nil || len(r.Assignment.Topics) == 0 {
			return nil
		}
		return r.Assignment.Topics[0].Partitions
	}
	has := func(n int) func(*kmsg.ConsumerGroupHeartbeatResponse) bool {
		return func(r *kmsg.ConsumerGroupHeartbeatResponse) bool { return r.ErrorCode != 0 || len(assigned(r)) == n }
	}
	a := say("the first gets all", memberA, 0, nil, has(4))
	a = say("and owns them", memberA, a.MemberEpoch, assigned(a), has(4))
	b := say("the second waits", memberB, 0, nil, func(*kmsg.ConsumerGroupHeartbeatResponse) bool { return true })
	revoke := say("the first is asked for half", memberA, a.MemberEpoch, assigned(a), has(2))
	a = say("the first gives half", memberA, a.MemberEpoch, assigned(revoke), has(2))
	b = say("the second gets half", memberB, b.MemberEpoch, nil, has(2))
	b = say("the second owns half", memberB, b.MemberEpoch, assigned(b), has(2))
	say("the first goes on", memberA, a.MemberEpoch, assigned(a), has(2))
	d.each(69, func(v int16) {
		ask[*kmsg.ConsumerGroupDescribeResponse](d, "both", v, &kmsg.ConsumerGroupDescribeRequest{Groups: []string{group}, IncludeAuthorizedOperations: true})
	})
	for v := d.kafka[8].min; v <= d.kafka[8].max; v++ {
		ask[*kmsg.OffsetCommitResponse](d, "member", v, committing(group, memberA, a.MemberEpoch, "cgp", id))
	}
	ask[*kmsg.OffsetFetchResponse](d, "member", newest, asked(fetching(9, group, "cgp", id, 0, 1), func(r *kmsg.OffsetFetchRequest) {
		r.Groups[0].MemberID, r.Groups[0].MemberEpoch = ptr(memberA), a.MemberEpoch
	}))
	ask[*kmsg.ConsumerGroupHeartbeatResponse](d, "the first leaves", newest, beat(group, memberA, -1, nil))
	say("the second gets all", memberB, b.MemberEpoch, assigned(b), has(4))
}

func consumerStatic(d *dialogue) {
	const group = "cgs"
	d.topic("cgs", 2)
	d.coordinator(0, group)
	d.learned(group, "cgs")
	static := func(label, member string, epoch int32, instance string) *kmsg.ConsumerGroupHeartbeatResponse {
		return ask[*kmsg.ConsumerGroupHeartbeatResponse](d, label, newest, beat(group, member, epoch, func(r *kmsg.ConsumerGroupHeartbeatRequest) {
			r.InstanceID = &instance
			if epoch == 0 {
				r.SubscribedTopicNames = []string{"cgs"}
			}
		}))
	}
	first := static("joins", memberA, 0, "i-1")
	static("its instance is taken", memberB, 0, "i-1")
	static("another's instance", memberA, first.MemberEpoch, "i-2")
	static("leaves for a while", memberA, -2, "i-1")
	static("is replaced", memberB, 0, "i-1")
	static("the old one beats", memberA, first.MemberEpoch, "i-1")
	static("the old one leaves", memberA, -1, "i-1")
	static("leaves with another instance", memberB, -2, "i-2")
	static("leaves", memberB, -1, "i-1")
	ask[*kmsg.ConsumerGroupDescribeResponse](d, "at last", newest, &kmsg.ConsumerGroupDescribeRequest{Groups: []string{group}})
}

func consumerDescribe(d *dialogue) {
	d.coordinator(0, "cgd-classic")
	d.join("cgd-classic", nil)
	d.each(69, func(v int16) {
		ask[*kmsg.ConsumerGroupDescribeResponse](d, "absent, unnamed, classic", v, &kmsg.ConsumerGroupDescribeRequest{
			Groups: []string{"cgd-absent", "", "cgd-classic"}, IncludeAuthorizedOperations: true,
		})
		ask[*kmsg.ConsumerGroupDescribeResponse](d, "none", v, &kmsg.ConsumerGroupDescribeRequest{})
	})
}

func namespaces(d *dialogue) {
	d.topic("cgn", 2)
	const group = "cgn-consumer"
	d.coordinator(0, group)
	d.learned(group, "cgn")
	first := ask[*kmsg.ConsumerGroupHeartbeatResponse](d, "joins", newest, beat(group, memberA, 0, func(r *kmsg.ConsumerGroupHeartbeatRequest) {
		r.SubscribedTopicNames = []string{"cgn"}
	}))
	ask[*kmsg.JoinGroupResponse](d, "a classic member of another type", newest, joining(group, "", func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "connect" }))
	ask[*kmsg.JoinGroupResponse](d, "a classic member with a bad subscription", newest, joining(group, "", func(r *kmsg.JoinGroupRequest) {
		r.Protocols[0].Metadata = []byte("rubbish")
	}))
	ask[*kmsg.DescribeGroupsResponse](d, "described as classic", newest, &kmsg.DescribeGroupsRequest{Groups: []string{group}})
	ask[*kmsg.HeartbeatResponse](d, "classic heartbeat", newest, &kmsg.HeartbeatRequest{Group: group, MemberID: memberA, Generation: first.MemberEpoch})
	ask[*kmsg.SyncGroupResponse](d, "classic sync", newest, syncing(group, memberA, first.MemberEpoch, nil))
	ask[*kmsg.LeaveGroupResponse](d, "classic leave", newest, &kmsg.LeaveGroupRequest{Group: group, Members: []kmsg.LeaveGroupRequestMember{{MemberID: "stranger"}}})
	ask[*kmsg.DeleteGroupsResponse](d, "delete while used", newest, &kmsg.DeleteGroupsRequest{Groups: []string{group}})
	commit := func(label string, v int16, member string, epoch int32) {
		ask[*kmsg.OffsetCommitResponse](d, label, v, committing(group, member, epoch, "cgn", [16]byte{}))
	}
	for _, v := range []int16{8, 9} {
		commit("member", v, memberA, first.MemberEpoch)
		commit("old epoch", v, memberA, first.MemberEpoch-1)
		commit("epoch of the future", v, memberA, first.MemberEpoch+1)
		commit("stranger", v, memberB, first.MemberEpoch)
		commit("from outside", v, "", -1)
	}
	ask[*kmsg.OffsetFetchResponse](d, "stale", newest, asked(fetching(9, group, "cgn", [16]byte{}), func(r *kmsg.OffsetFetchRequest) {
		r.Groups[0].MemberID, r.Groups[0].MemberEpoch = ptr(memberA), first.MemberEpoch+3
	}))
	ask[*kmsg.ConsumerGroupHeartbeatResponse](d, "leaves", newest, beat(group, memberA, -1, nil))
	d.join("cgn-classic", func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "connect" })
	ask[*kmsg.ConsumerGroupHeartbeatResponse](d, "to a group of connect", newest, beat("cgn-classic", memberA, 0, nil))
	ask[*kmsg.ConsumerGroupDescribeResponse](d, "left", newest, &kmsg.ConsumerGroupDescribeRequest{Groups: []string{group, "cgn-classic"}})
}
