package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func shareScenarios() []scenario {
	return []scenario{
		{"share group heartbeat", []int16{76, 77}, shareHeartbeats},
		{"share fetch and acknowledge", []int16{76, 78, 79, 90, 91, 92}, shareStory},
		{"share requests of nobody", []int16{78, 79}, shareOfNobody},
		{"share group offsets", []int16{90, 91, 92}, shareOffsets},
		{"share group state", []int16{83, 84, 85, 86, 87}, shareState},
	}
}

func shareBeat(group, member string, epoch int32, topics ...string) *kmsg.ShareGroupHeartbeatRequest {
	return asked(kmsg.NewPtrShareGroupHeartbeatRequest(), func(r *kmsg.ShareGroupHeartbeatRequest) {
		r.GroupID, r.MemberID, r.MemberEpoch = group, member, epoch
		if len(topics) > 0 {
			r.SubscribedTopicNames = topics
		}
	})
}

func shareHeartbeats(d *dialogue) {
	d.topic("sg", 2)
	const group = "sg"
	d.coordinator(0, group)
	say := func(label string, r *kmsg.ShareGroupHeartbeatRequest) *kmsg.ShareGroupHeartbeatResponse {
		return ask[*kmsg.ShareGroupHeartbeatResponse](d, label, newest, r)
	}
	say("no group", shareBeat("", memberA, 0, "sg"))
	say("no member", shareBeat(group, "", 0, "sg"))
	say("member that is no uuid", shareBeat(group, "stranger", 0, "sg"))
	say("no subscription", shareBeat(group, memberA, 0))
	say("empty rack", asked(shareBeat(group, memberA, 0, "sg"), func(r *kmsg.ShareGroupHeartbeatRequest) { r.RackID = ptr("") }))
	say("epoch before it is there", shareBeat(group, memberA, 3))
	say("leaves before it is there", shareBeat(group, memberA, -1))
	say("epoch -2", shareBeat(group, memberA, -2))
	first := until(d, "joins", newest, shareBeat(group, memberA, 0, "sg"), func(r *kmsg.ShareGroupHeartbeatResponse) bool {
		return r.ErrorCode == 0 && r.Assignment != nil && len(r.Assignment.TopicPartitions) > 0
	})
	say("beats", shareBeat(group, memberA, first.MemberEpoch))
	say("epoch of the future", shareBeat(group, memberA, first.MemberEpoch+5))
	say("changes its subscription", shareBeat(group, memberA, first.MemberEpoch, "sg-absent"))
	say("stranger", shareBeat(group, memberB, 1))
	describe := func(label string, groups ...string) {
		ask[*kmsg.ShareGroupDescribeResponse](d, label, newest, &kmsg.ShareGroupDescribeRequest{GroupIDs: groups, IncludeAuthorizedOperations: true})
	}
	describe("some", group, "sg-absent", "")
	d.join("sg-classic", nil)
	describe("a classic one", "sg-classic")
	say("to a classic group", shareBeat("sg-classic", memberA, 0, "sg"))
	ask[*kmsg.JoinGroupResponse](d, "classic member of a share group", newest, joining(group, "", nil))
	ask[*kmsg.ConsumerGroupHeartbeatResponse](d, "consumer member of a share group", newest, beat(group, memberB, 0, nil))
	ask[*kmsg.DescribeGroupsResponse](d, "described as classic", newest, &kmsg.DescribeGroupsRequest{Groups: []string{group}})
	ask[*kmsg.OffsetCommitResponse](d, "offsets of a share group", newest, committing(group, "", -1, "sg", [16]byte{15: 1}))
	ask[*kmsg.DeleteGroupsResponse](d, "delete while used", newest, &kmsg.DeleteGroupsRequest{Groups: []string{group}})
	say("leaves", shareBeat(group, memberA, -1))
	say("leaves again", shareBeat(group, memberA, -1))
	ask[*kmsg.DeleteGroupsResponse](d, "delete", newest, &kmsg.DeleteGroupsRequest{Groups: []string{group}})
	describe("deleted", group)
}

func shareFetching(group, member string, epoch int32, id [16]byte, partitions ...int32) *kmsg.ShareFetchRequest {
	return asked(kmsg.NewPtrShareFetchRequest(), func(r *kmsg.ShareFetchRequest) {
		r.GroupID, r.MemberID, r.ShareSessionEpoch = &group, &member, epoch
		r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.MaxRecords, r.BatchSize = 50, 0, 1<<20, 100, 100
		if len(partitions) > 0 {
			r.Topics = []kmsg.ShareFetchRequestTopic{{TopicID: id, Partitions: list(partitions, func(p int32) kmsg.ShareFetchRequestTopicPartition {
				return kmsg.ShareFetchRequestTopicPartition{Partition: p, PartitionMaxBytes: 1 << 20}
			})}}
		}
	})
}

func acknowledging(group, member string, epoch int32, id [16]byte, first, last int64, types ...int8) *kmsg.ShareAcknowledgeRequest {
	return asked(kmsg.NewPtrShareAcknowledgeRequest(), func(r *kmsg.ShareAcknowledgeRequest) {
		r.GroupID, r.MemberID, r.ShareSessionEpoch = &group, &member, epoch
		r.Topics = []kmsg.ShareAcknowledgeRequestTopic{{TopicID: id, Partitions: []kmsg.ShareAcknowledgeRequestTopicPartition{{
			AcknowledgementBatches: []kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch{{FirstOffset: first, LastOffset: last, AcknowledgeTypes: types}},
		}}}}
	})
}

func shareStory(d *dialogue) {
	const group = "ss"
	d.coordinator(0, group)
	ask[*kmsg.IncrementalAlterConfigsResponse](d, "from the beginning", newest,
		increments(false, increment(groupResource, group, 0, "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "60000")))
	id := d.fill("ss")
	until(d, "joins", newest, shareBeat(group, memberA, 0, "ss"), func(r *kmsg.ShareGroupHeartbeatResponse) bool {
		return r.ErrorCode == 0 && r.Assignment != nil && len(r.Assignment.TopicPartitions) > 0
	})
	fetch := func(label string, v int16, r *kmsg.ShareFetchRequest) { ask[*kmsg.ShareFetchResponse](d, label, v, r) }
	ack := func(label string, v int16, r *kmsg.ShareAcknowledgeRequest) {
		ask[*kmsg.ShareAcknowledgeResponse](d, label, v, r)
	}
	fetch("goes on with a session that is not there", newest, shareFetching(group, memberA, 4, id, 0))
	ack("without a session", newest, acknowledging(group, memberA, 1, id, 0, 0, 1))
	fetch("acknowledges at the start", newest, asked(shareFetching(group, memberA, 0, id, 0), func(r *kmsg.ShareFetchRequest) {
		r.Topics[0].Partitions[0].AcknowledgementBatches = []kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch{{AcknowledgeTypes: []int8{1}}}
	}))
	// The first fetch of a share partition may find it not yet initialized; a session grows by each request.
	epoch := int32(0)
	until(d, "first records", newest, shareFetching(group, memberA, 0, id, 0), func(r *kmsg.ShareFetchResponse) bool {
		return len(r.Topics) == 1 && len(r.Topics[0].Partitions) == 1 && len(r.Topics[0].Partitions[0].AcquiredRecords) > 0
	})
	epoch++
	next := func() int32 { epoch++; return epoch - 1 }
	ack("accept 0 and 1", newest, acknowledging(group, memberA, next(), id, 0, 1, 1))
	ack("again", newest, acknowledging(group, memberA, next(), id, 0, 1, 1))
	ack("release 2", newest, acknowledging(group, memberA, next(), id, 2, 2, 2))
	fetch("what was released", newest, shareFetching(group, memberA, next(), id))
	ack("reject 2, one by one", newest, acknowledging(group, memberA, next(), id, 2, 3, 3, 1))
	ack("unknown kind", newest, acknowledging(group, memberA, next(), id, 4, 4, 9))
	ack("too many kinds", newest, acknowledging(group, memberA, next(), id, 4, 4, 1, 1))
	ack("no kinds", newest, acknowledging(group, memberA, next(), id, 4, 4))
	ack("backwards", newest, acknowledging(group, memberA, next(), id, 5, 4, 1))
	ack("beyond the end", newest, acknowledging(group, memberA, next(), id, 50, 60, 1))
	ack("a gap", newest, acknowledging(group, memberA, next(), id, 4, 4, 0))
	ack("wrong epoch", newest, acknowledging(group, memberA, 77, id, 4, 4, 1))
	ack("absent topic", newest, acknowledging(group, memberA, next(), [16]byte{15: 9}, 4, 4, 1))
	ack("another group", newest, acknowledging("ss-absent", memberA, 3, id, 4, 4, 1))
	offsets := func(label, group string, topics ...kmsg.DescribeShareGroupOffsetsRequestGroupTopic) {
		d.each(90, func(v int16) {
			ask[*kmsg.DescribeShareGroupOffsetsResponse](d, label, v, &kmsg.DescribeShareGroupOffsetsRequest{
				Groups: []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: group, Topics: topics}},
			})
		})
	}
	offsets("of a topic", group, kmsg.DescribeShareGroupOffsetsRequestGroupTopic{Topic: "ss", Partitions: []int32{0}})
	ask[*kmsg.AlterShareGroupOffsetsResponse](d, "alter while used", newest, &kmsg.AlterShareGroupOffsetsRequest{GroupID: group, Topics: []kmsg.AlterShareGroupOffsetsRequestTopic{{
		Topic: "ss", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{StartOffset: 1}},
	}}})
	ask[*kmsg.DeleteShareGroupOffsetsResponse](d, "delete while used", newest, &kmsg.DeleteShareGroupOffsetsRequest{GroupID: group, Topics: []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "ss"}}})
	ack("closes", newest, asked(acknowledging(group, memberA, -1, id, 4, 4, 1), func(*kmsg.ShareAcknowledgeRequest) {}))
	ask[*kmsg.ShareGroupHeartbeatResponse](d, "leaves", newest, shareBeat(group, memberA, -1))
	alter := func(label, topic string, partition int32, offset int64) {
		ask[*kmsg.AlterShareGroupOffsetsResponse](d, label, newest, &kmsg.AlterShareGroupOffsetsRequest{GroupID: group, Topics: []kmsg.AlterShareGroupOffsetsRequestTopic{{
			Topic: topic, Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: partition, StartOffset: offset}},
		}}})
	}
	alter("alter", "ss", 0, 1)
	alter("alter an absent partition", "ss", 9, 1)
	alter("alter an absent topic", "ss-absent", 0, 1)
	offsets("altered", group, kmsg.DescribeShareGroupOffsetsRequestGroupTopic{Topic: "ss", Partitions: []int32{0}})
	del := func(label, topic string) {
		ask[*kmsg.DeleteShareGroupOffsetsResponse](d, label, newest, &kmsg.DeleteShareGroupOffsetsRequest{GroupID: group, Topics: []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: topic}}})
	}
	del("delete an absent topic", "ss-absent")
	del("delete", "ss")
	offsets("deleted", group, kmsg.DescribeShareGroupOffsetsRequestGroupTopic{Topic: "ss", Partitions: []int32{0}})
}

func shareOfNobody(d *dialogue) {
	id := d.topic("sn", 1)
	d.each(78, func(v int16) {
		for _, epoch := range []int32{0, 1, -1} {
			ask[*kmsg.ShareFetchResponse](d, fmt.Sprintf("member of no group, epoch %d", epoch), v, shareFetching("sn", memberA, epoch, id, 0))
		}
		ask[*kmsg.ShareFetchResponse](d, "no group", v, asked(shareFetching("", memberA, 0, id, 0), func(*kmsg.ShareFetchRequest) {}))
		ask[*kmsg.ShareFetchResponse](d, "null group", v, asked(shareFetching("", memberA, 0, id, 0), func(r *kmsg.ShareFetchRequest) { r.GroupID = nil }))
		ask[*kmsg.ShareFetchResponse](d, "null member", v, asked(shareFetching("sn", memberA, 0, id, 0), func(r *kmsg.ShareFetchRequest) { r.MemberID = nil }))
		ask[*kmsg.ShareFetchResponse](d, "member that is no uuid", v, shareFetching("sn", "stranger", 0, id, 0))
		if v >= 2 {
			ask[*kmsg.ShareFetchResponse](d, "unknown mode", v, asked(shareFetching("sn", memberA, 0, id, 0), func(r *kmsg.ShareFetchRequest) { r.ShareAcquireMode = 9 }))
		}
	})
	d.each(79, func(v int16) {
		ask[*kmsg.ShareAcknowledgeResponse](d, "member of no group", v, acknowledging("sn", memberA, 1, id, 0, 0, 1))
		ask[*kmsg.ShareAcknowledgeResponse](d, "at epoch 0", v, acknowledging("sn", memberA, 0, id, 0, 0, 1))
		ask[*kmsg.ShareAcknowledgeResponse](d, "null group", v, asked(acknowledging("sn", memberA, 1, id, 0, 0, 1), func(r *kmsg.ShareAcknowledgeRequest) { r.GroupID = nil }))
	})
}

func shareOffsets(d *dialogue) {
	d.topic("so", 1)
	d.coordinator(0, "so-absent")
	d.each(90, func(v int16) {
		ask[*kmsg.DescribeShareGroupOffsetsResponse](d, "absent group", v, &kmsg.DescribeShareGroupOffsetsRequest{
			Groups: []kmsg.DescribeShareGroupOffsetsRequestGroup{
				{GroupID: "so-absent", Topics: []kmsg.DescribeShareGroupOffsetsRequestGroupTopic{{Topic: "so", Partitions: []int32{0}}}}, {GroupID: ""}, {GroupID: "so-all"},
			},
		})
	})
	for _, group := range []string{"so-absent", ""} {
		ask[*kmsg.AlterShareGroupOffsetsResponse](d, "group "+group, newest, &kmsg.AlterShareGroupOffsetsRequest{GroupID: group, Topics: []kmsg.AlterShareGroupOffsetsRequestTopic{{
			Topic: "so", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{StartOffset: 1}},
		}}})
		ask[*kmsg.DeleteShareGroupOffsetsResponse](d, "group "+group, newest, &kmsg.DeleteShareGroupOffsetsRequest{GroupID: group, Topics: []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "so"}}})
	}
}

func shareState(d *dialogue) {
	id := d.topic("st", 2)
	const group = "st"
	d.coordinator(2, fmt.Sprintf("%s:%s:0", group, uuidText(id)))
	// Kafka's coordinator learns of a new topic a moment later.
	eventually(d, &kmsg.ReadShareGroupStateSummaryRequest{GroupID: group, Topics: []kmsg.ReadShareGroupStateSummaryRequestTopic{{
		TopicID: id, Partitions: []kmsg.ReadShareGroupStateSummaryRequestTopicPartition{{Partition: 1}},
	}}}, func(resp *kmsg.ReadShareGroupStateSummaryResponse) bool {
		return resp.Topics[0].Partitions[0].ErrorCode != 3
	})
	initialize := func(label, group string, id [16]byte, partition, epoch int32, start int64) {
		ask[*kmsg.InitializeShareGroupStateResponse](d, label, newest, &kmsg.InitializeShareGroupStateRequest{GroupID: group, Topics: []kmsg.InitializeShareGroupStateRequestTopic{{
			TopicID: id, Partitions: []kmsg.InitializeShareGroupStateRequestTopicPartition{{Partition: partition, StateEpoch: epoch, StartOffset: start}},
		}}})
	}
	read := func(label, group string, id [16]byte, partition, leaderEpoch int32) {
		ask[*kmsg.ReadShareGroupStateResponse](d, label, newest, &kmsg.ReadShareGroupStateRequest{GroupID: group, Topics: []kmsg.ReadShareGroupStateRequestTopic{{
			TopicID: id, Partitions: []kmsg.ReadShareGroupStateRequestTopicPartition{{Partition: partition, LeaderEpoch: leaderEpoch}},
		}}})
		d.each(87, func(v int16) {
			ask[*kmsg.ReadShareGroupStateSummaryResponse](d, label, v, &kmsg.ReadShareGroupStateSummaryRequest{GroupID: group, Topics: []kmsg.ReadShareGroupStateSummaryRequestTopic{{
				TopicID: id, Partitions: []kmsg.ReadShareGroupStateSummaryRequestTopicPartition{{Partition: partition, LeaderEpoch: leaderEpoch}},
			}}})
		})
	}
	write := func(label string, v int16, id [16]byte, stateEpoch, leaderEpoch int32, start int64, batches ...kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch) {
		ask[*kmsg.WriteShareGroupStateResponse](d, label, v, &kmsg.WriteShareGroupStateRequest{GroupID: group, Topics: []kmsg.WriteShareGroupStateRequestTopic{{
			TopicID: id, Partitions: []kmsg.WriteShareGroupStateRequestTopicPartition{{StateEpoch: stateEpoch, LeaderEpoch: leaderEpoch, StartOffset: start, StateBatches: batches}},
		}}})
	}
	write("before it is initialized", newest, id, 0, 0, 0)
	read("before it is initialized", group, id, 0, 0)
	initialize("first", group, id, 0, 1, 5)
	initialize("again, older", group, id, 0, 0, 6)
	initialize("no group", "", id, 0, 1, 5)
	initialize("absent topic", group, [16]byte{15: 9}, 0, 1, 5)
	initialize("zero topic", group, [16]byte{}, 0, 1, 5)
	initialize("absent partition", group, id, 9, 1, 5)
	initialize("negative partition", group, id, -1, 1, 5)
	type states = kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch
	d.each(85, func(v int16) {
		write("states", v, id, 1, 3, 5, states{FirstOffset: 5, LastOffset: 9, DeliveryState: 0, DeliveryCount: 1}, states{FirstOffset: 10, LastOffset: 12, DeliveryState: 2, DeliveryCount: 1})
		write("older state epoch", v, id, 0, 3, 5)
		write("older leader epoch", v, id, 1, 2, 5)
		write("absent topic", v, [16]byte{15: 9}, 1, 3, 5)
	})
	read("written", group, id, 0, 3)
	read("older leader epoch", group, id, 0, 1)
	read("absent topic", group, [16]byte{15: 9}, 0, 0)
	read("no group", "", id, 0, 0)
	read("negative partition", group, id, -1, 0)
	del := func(label, group string, id [16]byte, partition int32) {
		ask[*kmsg.DeleteShareGroupStateResponse](d, label, newest, &kmsg.DeleteShareGroupStateRequest{GroupID: group, Topics: []kmsg.DeleteShareGroupStateRequestTopic{{
			TopicID: id, Partitions: []kmsg.DeleteShareGroupStateRequestTopicPartition{{Partition: partition}},
		}}})
	}
	del("no group", "", id, 0)
	del("absent topic", group, [16]byte{15: 9}, 0)
	del("negative partition", group, id, -1)
	del("what is there", group, id, 0)
	del("again", group, id, 0)
	read("deleted", group, id, 0, 3)
}
