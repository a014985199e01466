package differential

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func groupScenarios() []scenario {
	return []scenario{
		{"join, sync, heartbeat, leave", []int16{11, 12, 13, 14}, classicMember},
		{"two classic members", []int16{11, 12, 13, 14, 15}, classicPair},
		{"static members", []int16{11, 12, 13, 14, 15}, staticMember},
		{"offsets", []int16{8, 9}, offsets},
		{"offsets of a member", []int16{8, 9, 11, 14}, memberOffsets},
		{"describe, list, delete groups", []int16{15, 16, 42, 47}, groupAdmin},
	}
}

func joining(group, member string, set func(*kmsg.JoinGroupRequest)) *kmsg.JoinGroupRequest {
	return asked(kmsg.NewPtrJoinGroupRequest(), func(r *kmsg.JoinGroupRequest) {
		// Nobody beats in between: a session must outlast its scenario.
		r.Group, r.MemberID, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = group, member, 120_000, 120_000, "consumer"
		meta := kmsg.ConsumerMemberMetadata{Version: 1, Topics: []string{"some-topic"}}
		r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: meta.AppendTo(nil)}}
		if set != nil {
			set(r)
		}
	})
}

func syncing(group, member string, generation int32, set func(*kmsg.SyncGroupRequest)) *kmsg.SyncGroupRequest {
	return asked(kmsg.NewPtrSyncGroupRequest(), func(r *kmsg.SyncGroupRequest) {
		r.Group, r.MemberID, r.Generation, r.ProtocolType, r.Protocol = group, member, generation, ptr("consumer"), ptr("range")
		if set != nil {
			set(r)
		}
	})
}

// join makes one member of a classic group, stable and alone, and returns its id and generation.
func (d *dialogue) join(group string, set func(*kmsg.JoinGroupRequest)) (string, int32) {
	d.coordinator(0, group)
	resp := do[*kmsg.JoinGroupResponse](d, joining(group, "", set))
	if resp.ErrorCode == 79 { // MEMBER_ID_REQUIRED
		resp = do[*kmsg.JoinGroupResponse](d, joining(group, resp.MemberID, set))
	}
	if resp.ErrorCode != 0 {
		d.fail("join %s: error code %d", group, resp.ErrorCode)
	}
	synced := do[*kmsg.SyncGroupResponse](d, syncing(group, resp.MemberID, resp.Generation, func(r *kmsg.SyncGroupRequest) {
		r.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: resp.MemberID, MemberAssignment: []byte("mine")}}
		r.ProtocolType = resp.ProtocolType
	}))
	if synced.ErrorCode != 0 {
		d.fail("sync %s: error code %d", group, synced.ErrorCode)
	}
	return resp.MemberID, resp.Generation
}

func classicMember(d *dialogue) {
	d.each(11, func(v int16) {
		group := fmt.Sprintf("cm-%d", v)
		d.coordinator(0, group)
		join := func(label, member string, set func(*kmsg.JoinGroupRequest)) *kmsg.JoinGroupResponse {
			return ask[*kmsg.JoinGroupResponse](d, label, v, joining(group, member, set))
		}
		join("stranger", "stranger", nil)
		join("session too short", "", func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 10 })
		join("session too long", "", func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 1e9 })
		join("no protocol type", "", func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "" })
		join("no protocols", "", func(r *kmsg.JoinGroupRequest) { r.Protocols = nil })
		join("no group", "", func(r *kmsg.JoinGroupRequest) { r.Group = "" })
		first := join("first", "", nil)
		if first.ErrorCode == 79 {
			first = join("first with its id", first.MemberID, nil)
		}
		if v > 9 {
			return
		}
		sync := func(label string, v int16, member string, generation int32, set func(*kmsg.SyncGroupRequest)) {
			ask[*kmsg.SyncGroupResponse](d, label, min(v, d.kafka[14].max), syncing(group, member, generation, set))
		}
		sv := min(v, d.kafka[14].max)
		if v <= d.kafka[14].max {
			sync("stranger", sv, "stranger", first.Generation, nil)
			sync("wrong generation", sv, first.MemberID, first.Generation+5, nil)
			sync("no group", sv, first.MemberID, first.Generation, func(r *kmsg.SyncGroupRequest) { r.Group = "" })
			sync("absent group", sv, first.MemberID, first.Generation, func(r *kmsg.SyncGroupRequest) { r.Group = "cm-absent" })
			if v >= 5 {
				sync("wrong protocol", sv, first.MemberID, first.Generation, func(r *kmsg.SyncGroupRequest) { r.Protocol = ptr("sticky") })
				sync("wrong protocol type", sv, first.MemberID, first.Generation, func(r *kmsg.SyncGroupRequest) { r.ProtocolType = ptr("connect") })
				sync("no protocol", sv, first.MemberID, first.Generation, func(r *kmsg.SyncGroupRequest) { r.Protocol = nil })
			}
			sync("leader", sv, first.MemberID, first.Generation, func(r *kmsg.SyncGroupRequest) {
				r.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: first.MemberID, MemberAssignment: []byte("mine")}}
			})
			sync("once more", sv, first.MemberID, first.Generation, nil)
		}
		join("another protocol type", "", func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "connect" })
		join("no protocol in common", "", func(r *kmsg.JoinGroupRequest) { r.Protocols[0].Name = "mine" })
		if v <= d.kafka[12].max {
			beat := func(label, group, member string, generation int32) {
				ask[*kmsg.HeartbeatResponse](d, label, v, &kmsg.HeartbeatRequest{Group: group, MemberID: member, Generation: generation})
			}
			beat("alive", group, first.MemberID, first.Generation)
			beat("stranger", group, "stranger", first.Generation)
			beat("wrong generation", group, first.MemberID, first.Generation+1)
			beat("absent group", "cm-absent", first.MemberID, first.Generation)
			beat("no group", "", first.MemberID, first.Generation)
			beat("no member", group, "", first.Generation)
		}
		if v <= d.kafka[13].max {
			leave := func(label, group string, members ...string) {
				ask[*kmsg.LeaveGroupResponse](d, label, v, asked(kmsg.NewPtrLeaveGroupRequest(), func(r *kmsg.LeaveGroupRequest) {
					r.Group, r.MemberID = group, members[0]
					r.Members = list(members, func(m string) kmsg.LeaveGroupRequestMember {
						return kmsg.LeaveGroupRequestMember{MemberID: m, Reason: ptr("done")}
					})
				}))
			}
			leave("stranger", group, "stranger")
			leave("absent group", "cm-absent", first.MemberID)
			leave("no group", "", first.MemberID)
			leave("two, one of them a stranger", group, first.MemberID, "stranger")
			leave("again", group, first.MemberID)
		}
	})
}

func classicPair(d *dialogue) {
	const group = "cp-pair"
	leader, generation := d.join(group, nil)
	id := ask[*kmsg.JoinGroupResponse](d, "second without id", newest, joining(group, "", nil)).MemberID
	second := start[*kmsg.JoinGroupResponse](d, "second", newest, joining(group, id, nil))
	until(d, "the first is told", newest, &kmsg.HeartbeatRequest{Group: group, MemberID: leader, Generation: generation},
		func(r *kmsg.HeartbeatResponse) bool { return r.ErrorCode == 27 })
	ask[*kmsg.SyncGroupResponse](d, "sync while preparing", newest, syncing(group, leader, generation, nil))
	ask[*kmsg.OffsetCommitResponse](d, "commit while preparing", 8, committing(group, leader, generation, "absent", [16]byte{}))
	first := ask[*kmsg.JoinGroupResponse](d, "the first again", newest, joining(group, leader, nil))
	joined := second.answer()
	waiting := start[*kmsg.SyncGroupResponse](d, "sync of the second", newest, syncing(group, joined.MemberID, joined.Generation, nil))
	<-time.After(50 * time.Millisecond) //nolint:gocritic // order matters little: whoever comes first, both are answered
	ask[*kmsg.HeartbeatResponse](d, "heartbeat while completing", newest, &kmsg.HeartbeatRequest{Group: group, MemberID: joined.MemberID, Generation: joined.Generation})
	ask[*kmsg.OffsetCommitResponse](d, "commit while completing", 8, committing(group, leader, first.Generation, "absent", [16]byte{}))
	ask[*kmsg.SyncGroupResponse](d, "sync of the leader", newest, syncing(group, leader, first.Generation, func(r *kmsg.SyncGroupRequest) {
		r.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{
			{MemberID: leader, MemberAssignment: []byte("a")}, {MemberID: joined.MemberID, MemberAssignment: []byte("b")},
		}
	}))
	waiting.answer()
	d.each(15, func(v int16) {
		ask[*kmsg.DescribeGroupsResponse](d, "both", v, &kmsg.DescribeGroupsRequest{Groups: []string{group}, IncludeAuthorizedOperations: v >= 3})
	})
	ask[*kmsg.DeleteGroupsResponse](d, "delete while used", newest, &kmsg.DeleteGroupsRequest{Groups: []string{group}})
	ask[*kmsg.LeaveGroupResponse](d, "the leader leaves", newest, &kmsg.LeaveGroupRequest{Group: group, Members: []kmsg.LeaveGroupRequestMember{{MemberID: leader}}})
	ask[*kmsg.HeartbeatResponse](d, "the second is told", newest, &kmsg.HeartbeatRequest{Group: group, MemberID: joined.MemberID, Generation: joined.Generation})
	ask[*kmsg.HeartbeatResponse](d, "the first is gone", newest, &kmsg.HeartbeatRequest{Group: group, MemberID: leader, Generation: joined.Generation})
}

func staticMember(d *dialogue) {
	const group = "sm"
	instance := func(r *kmsg.JoinGroupRequest) { r.InstanceID = ptr("i-1") }
	old, generation := d.join(group, instance)
	again := ask[*kmsg.JoinGroupResponse](d, "comes again", newest, joining(group, "", instance))
	ask[*kmsg.HeartbeatResponse](d, "the old one", newest, &kmsg.HeartbeatRequest{Group: group, MemberID: old, Generation: generation, InstanceID: ptr("i-1")})
	ask[*kmsg.JoinGroupResponse](d, "the old one joins", newest, joining(group, old, instance))
	ask[*kmsg.SyncGroupResponse](d, "the old one syncs", newest, syncing(group, old, generation, func(r *kmsg.SyncGroupRequest) { r.InstanceID = ptr("i-1") }))
	ask[*kmsg.HeartbeatResponse](d, "the new one", newest, &kmsg.HeartbeatRequest{Group: group, MemberID: again.MemberID, Generation: again.Generation, InstanceID: ptr("i-1")})
	ask[*kmsg.HeartbeatResponse](d, "another instance", newest, &kmsg.HeartbeatRequest{Group: group, MemberID: again.MemberID, Generation: again.Generation, InstanceID: ptr("i-2")})
	ask[*kmsg.OffsetCommitResponse](d, "the old one commits", 9, asked(committing(group, old, generation, "absent", [16]byte{}), func(r *kmsg.OffsetCommitRequest) { r.InstanceID = ptr("i-1") }))
	ask[*kmsg.DescribeGroupsResponse](d, "static", newest, &kmsg.DescribeGroupsRequest{Groups: []string{group}})
	leave := func(label string, members ...kmsg.LeaveGroupRequestMember) {
		ask[*kmsg.LeaveGroupResponse](d, label, newest, &kmsg.LeaveGroupRequest{Group: group, Members: members})
	}
	leave("with the old id", kmsg.LeaveGroupRequestMember{MemberID: old, InstanceID: ptr("i-1")})
	leave("another instance", kmsg.LeaveGroupRequestMember{InstanceID: ptr("i-2")})
	leave("by instance", kmsg.LeaveGroupRequestMember{InstanceID: ptr("i-1")})
	leave("by instance again", kmsg.LeaveGroupRequestMember{InstanceID: ptr("i-1")})
}

func committing(group, member string, generation int32, topic string, id [16]byte) *kmsg.OffsetCommitRequest {
	return asked(kmsg.NewPtrOffsetCommitRequest(), func(r *kmsg.OffsetCommitRequest) {
		r.Group, r.MemberID, r.Generation = group, member, generation
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Offset, p.Metadata = 7, ptr("note")
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID, t.Partitions = topic, id, []kmsg.OffsetCommitRequestTopicPartition{p}
		r.Topics = append(r.Topics, t)
	})
}

func fetching(v int16, group, topic string, id [16]byte, partitions ...int32) *kmsg.OffsetFetchRequest {
	return asked(kmsg.NewPtrOffsetFetchRequest(), func(r *kmsg.OffsetFetchRequest) {
		r.Group = group
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = group
		if partitions != nil {
			r.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: partitions}}
			g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, TopicID: id, Partitions: partitions}}
		}
		r.Groups = append(r.Groups, g)
	})
}

func offsets(d *dialogue) {
	id := d.topic("of", 3)
	d.each(8, func(v int16) {
		group := fmt.Sprintf("of-%d", v)
		d.coordinator(0, group)
		commit := func(label string, r *kmsg.OffsetCommitRequest, set func(*kmsg.OffsetCommitRequest)) {
			if set != nil {
				set(r)
			}
			ask[*kmsg.OffsetCommitResponse](d, label, v, r)
		}
		commit("without members", committing(group, "", -1, "of", id), nil)
		commit("with a generation", committing(group, "", 3, "of", id), nil)
		commit("with a member", committing(group, "stranger", -1, "of", id), nil)
		commit("as a member", committing(group, "stranger", 3, "of", id), nil)
		commit("absent topic", committing(group, "", -1, "of-absent", [16]byte{15: 9}), nil)
		commit("zero id", committing(group, "", -1, "", [16]byte{}), nil)
		commit("absent partition", committing(group, "", -1, "of", id), func(r *kmsg.OffsetCommitRequest) { r.Topics[0].Partitions[0].Partition = 9 })
		commit("negative offset", committing(group, "", -1, "of", id), func(r *kmsg.OffsetCommitRequest) {
			r.Topics[0].Partitions[0].Partition, r.Topics[0].Partitions[0].Offset = 1, -1
		})
		commit("too much metadata", committing(group, "", -1, "of", id), func(r *kmsg.OffsetCommitRequest) {
			r.Topics[0].Partitions[0].Partition, r.Topics[0].Partitions[0].Metadata = 2, ptr(string(make([]byte, 5000)))
		})
		commit("null metadata", committing(group, "", -1, "of", id), func(r *kmsg.OffsetCommitRequest) { r.Topics[0].Partitions[0].Metadata = nil })
		commit("no group", committing("", "", -1, "of", id), nil)
		commit("no topics", committing(group, "", -1, "of", id), func(r *kmsg.OffsetCommitRequest) { r.Topics = nil })
		commit("no partitions", committing(group, "", -1, "of", id), func(r *kmsg.OffsetCommitRequest) { r.Topics[0].Partitions = nil })
		if v >= 7 {
			commit("with an instance", committing(group, "", -1, "of", id), func(r *kmsg.OffsetCommitRequest) { r.InstanceID = ptr("i-1") })
		}
	})
	d.each(9, func(v int16) {
		fetch := func(label string, r *kmsg.OffsetFetchRequest) { ask[*kmsg.OffsetFetchResponse](d, label, v, r) }
		fetch("some", fetching(v, "of-9", "of", id, 0, 1, 2, 7))
		fetch("absent topic", fetching(v, "of-9", "of-absent", [16]byte{15: 9}, 0))
		fetch("absent group", fetching(v, "of-absent", "of", id, 0))
		fetch("no group", fetching(v, "", "of", id, 0))
		fetch("no partitions", fetching(v, "of-9", "of", id, []int32{}...))
		if v >= 2 {
			fetch("all", fetching(v, "of-9", "", [16]byte{}))
			fetch("all of an absent group", fetching(v, "of-absent", "", [16]byte{}))
		}
		if v >= 7 {
			fetch("stable", asked(fetching(v, "of-9", "of", id, 0), func(r *kmsg.OffsetFetchRequest) { r.RequireStable = true }))
		}
		if v >= 8 {
			fetch("two groups", asked(fetching(v, "of-9", "of", id, 0), func(r *kmsg.OffsetFetchRequest) {
				r.Groups = append(r.Groups, fetching(v, "of-absent", "of", id, 1).Groups[0])
			}))
			fetch("one group twice", asked(fetching(v, "of-9", "of", id, 0), func(r *kmsg.OffsetFetchRequest) { r.Groups = append(r.Groups, r.Groups[0]) }))
		}
		if v >= 9 {
			fetch("with a member", asked(fetching(v, "of-9", "of", id, 0), func(r *kmsg.OffsetFetchRequest) {
				r.Groups[0].MemberID, r.Groups[0].MemberEpoch = ptr("stranger"), 3
			}))
		}
	})
}

func memberOffsets(d *dialogue) {
	id := d.topic("mo", 1)
	member, generation := d.join("mo", nil)
	d.each(8, func(v int16) {
		commit := func(label, member string, generation int32) {
			ask[*kmsg.OffsetCommitResponse](d, label, v, committing("mo", member, generation, "mo", id))
		}
		commit("member", member, generation)
		commit("wrong generation", member, generation+1)
		commit("stranger", "stranger", generation)
		commit("no member", "", generation)
		commit("from outside", "", -1)
		commit("member without generation", member, -1)
	})
	ask[*kmsg.OffsetFetchResponse](d, "member", newest, asked(fetching(9, "mo", "mo", id, 0), func(r *kmsg.OffsetFetchRequest) {
		r.Groups[0].MemberID, r.Groups[0].MemberEpoch = &member, generation
	}))
}

func groupAdmin(d *dialogue) {
	id := d.topic("ga", 2)
	d.coordinator(0, "ga-offsets")
	commit := func(group string) {
		resp := do[*kmsg.OffsetCommitResponse](d, committing(group, "", -1, "ga", id))
		if code := resp.Topics[0].Partitions[0].ErrorCode; code != 0 {
			d.fail("commit: error code %d", code)
		}
	}
	commit("ga-offsets")
	member, generation := d.join("ga-stable", nil)
	do[*kmsg.OffsetCommitResponse](d, committing("ga-stable", member, generation, "ga", id))
	d.join("ga-connect", func(r *kmsg.JoinGroupRequest) { r.ProtocolType = "connect" })
	d.each(15, func(v int16) {
		ask[*kmsg.DescribeGroupsResponse](d, "groups", v, &kmsg.DescribeGroupsRequest{
			Groups: []string{"ga-offsets", "ga-stable", "ga-absent", "", "ga-connect"}, IncludeAuthorizedOperations: v >= 3,
		})
	})
	d.each(16, func(v int16) {
		look := func(label string, states, types []string) {
			r := kmsg.NewPtrListGroupsRequest()
			r.StatesFilter, r.TypesFilter = states, types
			r.SetVersion(v)
			resp, err := d.conn.request(r)
			if list, ok := resp.(*kmsg.ListGroupsResponse); ok { // other scenarios' groups are there too
				var mine []kmsg.ListGroupsResponseGroup
				for _, g := range list.Groups {
					if len(g.Group) > 3 && g.Group[:3] == "ga-" {
						mine = append(mine, g)
					}
				}
				list.Groups = mine
			}
			d.keep(label, r, resp, err)
		}
		look("all", nil, nil)
		if v >= 4 {
			look("stable", []string{"Stable"}, nil)
			look("stable, written otherwise", []string{"sTABLE"}, nil)
			look("empty", []string{"Empty"}, nil)
			look("no such state", []string{"Sleeping"}, nil)
		}
		if v >= 5 {
			look("classic", nil, []string{"classic"})
			look("classic, written otherwise", nil, []string{"CLASSIC"})
			look("consumer", nil, []string{"consumer"})
			look("no such type", nil, []string{"wild"})
			look("type and state", []string{"Empty"}, []string{"classic"})
		}
	})
	del := func(label, group, topic string, partitions ...int32) {
		ask[*kmsg.OffsetDeleteResponse](d, label, newest, &kmsg.OffsetDeleteRequest{Group: group, Topics: []kmsg.OffsetDeleteRequestTopic{{
			Topic: topic, Partitions: list(partitions, func(p int32) kmsg.OffsetDeleteRequestTopicPartition {
				return kmsg.OffsetDeleteRequestTopicPartition{Partition: p}
			}),
		}}})
	}
	del("one", "ga-offsets", "ga", 0)
	del("not committed", "ga-offsets", "ga", 1)
	del("absent partition", "ga-offsets", "ga", 9)
	del("absent topic", "ga-offsets", "ga-absent", 0)
	del("absent group", "ga-absent", "ga", 0)
	del("no group", "", "ga", 0)
	del("of a group that is used", "ga-stable", "ga", 0)
	del("of a topic that it subscribes to", "ga-stable", "some-topic", 0)
	del("of another protocol", "ga-connect", "ga", 0)
	d.each(42, func(v int16) {
		if v > 0 {
			commit("ga-offsets")
		}
		ask[*kmsg.DeleteGroupsResponse](d, "groups", v, &kmsg.DeleteGroupsRequest{Groups: []string{"ga-offsets", "ga-stable", "ga-absent", ""}})
		ask[*kmsg.DeleteGroupsResponse](d, "twice", v, &kmsg.DeleteGroupsRequest{Groups: []string{"ga-absent", "ga-absent"}})
	})
	ask[*kmsg.OffsetFetchResponse](d, "after deletion", newest, fetching(9, "ga-offsets", "ga", id, 0))
}
