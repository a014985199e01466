package differential

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

func fetchScenarios() []scenario {
	return []scenario{
		{"fetch", []int16{1, 0}, fetchVersions},
		{"fetch sessions", []int16{1, 0}, fetchSessions},
		{"list offsets", []int16{2, 0}, listOffsets},
		{"offset for leader epoch", []int16{23, 0}, offsetForLeaderEpoch},
		{"delete records", []int16{21, 0}, deleteRecords},
	}
}

// fetched is a fetch request of one partition.
func fetched(topic string, id [16]byte, partition int32, offset int64) *kmsg.FetchRequest {
	return asked(kmsg.NewPtrFetchRequest(), func(r *kmsg.FetchRequest) {
		r.MaxBytes, r.MinBytes, r.MaxWaitMillis, r.SessionEpoch = 1<<20, 1, 50, -1
		r.ReplicaID = -1
		r.Topics = []kmsg.FetchRequestTopic{fetchedTopic(topic, id, partition, offset)}
	})
}

func fetchedTopic(topic string, id [16]byte, partition int32, offset int64) kmsg.FetchRequestTopic {
	return with(kmsg.NewFetchRequestTopic(), func(t *kmsg.FetchRequestTopic) {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
		t.Topic, t.TopicID, t.Partitions = topic, id, []kmsg.FetchRequestTopicPartition{p}
	})
}

// fill makes a topic with three batches in its partition 0.
func (d *dialogue) fill(name string) [16]byte {
	id := d.topic(name, 2, "retention.ms", "-1") // the records' times are of long ago
	for _, values := range [][]string{{"a", "b"}, {"c"}, {"d", "e", "f"}} {
		b := batch(values...)
		b.FirstTimestamp, b.MaxTimestamp = 1700000000000, 1700000000000
		if code := do[*kmsg.ProduceResponse](d, sent(name, id, 0, sealed(b))).Topics[0].Partitions[0].ErrorCode; code != 0 {
			d.fail("produce to %s: error code %d", name, code)
		}
	}
	return id
}

func fetchVersions(d *dialogue) {
	id := d.fill("ft")
	d.each(1, func(v int16) {
		fetch := func(label, topic string, id [16]byte, partition int32, offset int64, set func(*kmsg.FetchRequest)) {
			r := fetched(topic, id, partition, offset)
			if set != nil {
				set(r)
			}
			ask[*kmsg.FetchResponse](d, label, v, r)
		}
		fetch("from the start", "ft", id, 0, 0, nil)
		fetch("from within a batch", "ft", id, 0, 4, nil)
		fetch("at the end", "ft", id, 0, 6, nil)
		fetch("beyond the end", "ft", id, 0, 7, nil)
		fetch("negative offset", "ft", id, 0, -1, nil)
		fetch("absent partition", "ft", id, 5, 0, nil)
		fetch("absent topic", "ft-absent", [16]byte{15: 9}, 0, 0, nil)
		fetch("zero id", "", [16]byte{}, 0, 0, nil)
		fetch("one byte", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.MaxBytes, r.Topics[0].Partitions[0].PartitionMaxBytes = 1, 1 })
		fetch("one byte of the partition", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].PartitionMaxBytes = 1 })
		fetch("no byte", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.MaxBytes = 0 })
		fetch("committed only", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.IsolationLevel = 1 })
		fetch("isolation 7", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.IsolationLevel = 7 })
		fetch("partition twice", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.Topics = append(r.Topics, r.Topics[0]) })
		if v >= 9 {
			fetch("leader epoch of the future", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 900 })
		}
		if v >= 12 {
			fetch("last epoch of the future", "ft", id, 0, 6, func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].LastFetchedEpoch = 900 })
		}
		if v >= 11 {
			fetch("from a rack", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.Rack = "elsewhere" })
		}
		fetch("as a replica that there is not", "ft", id, 0, 0, func(r *kmsg.FetchRequest) {
			if v >= 15 {
				r.ReplicaState.ID, r.ReplicaState.Epoch = 7, 1
			} else {
				r.ReplicaID = 7
			}
		})
		if v >= 7 {
			fetch("session that there is not", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.SessionID, r.SessionEpoch = 77, 3 })
			fetch("session 0 in epoch 5", "ft", id, 0, 0, func(r *kmsg.FetchRequest) { r.SessionEpoch = 5 })
		}
	})
}

func fetchSessions(d *dialogue) {
	id, other := d.fill("fs"), d.fill("fs-other")
	for _, v := range []int16{7, 12, newest} {
		r := fetched("fs", id, 0, 0)
		r.SessionEpoch = 0
		first := ask[*kmsg.FetchResponse](d, "opens", v, r)
		again := func(label string, epoch int32, set func(*kmsg.FetchRequest)) {
			r := fetched("fs", id, 0, 0)
			r.Topics, r.SessionID, r.SessionEpoch = nil, first.SessionID, epoch
			if set != nil {
				set(r)
			}
			ask[*kmsg.FetchResponse](d, label, v, r)
		}
		again("goes on", 1, nil)
		again("moves on", 2, func(r *kmsg.FetchRequest) { r.Topics = []kmsg.FetchRequestTopic{fetchedTopic("fs", id, 0, 6)} })
		again("nothing new", 3, nil)
		again("wrong epoch", 9, nil)
		again("adds", 4, func(r *kmsg.FetchRequest) { r.Topics = []kmsg.FetchRequestTopic{fetchedTopic("fs-other", other, 0, 0)} })
		again("adds what there is not", 5, func(r *kmsg.FetchRequest) { r.Topics = []kmsg.FetchRequestTopic{fetchedTopic("fs-other", other, 9, 0)} })
		again("still not", 6, nil)
		again("forgets", 7, func(r *kmsg.FetchRequest) {
			r.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "fs-other", TopicID: other, Partitions: []int32{0, 9}}}
		})
		again("forgets what it does not have", 8, func(r *kmsg.FetchRequest) {
			r.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "fs-other", TopicID: other, Partitions: []int32{1}}}
		})
		again("another's id", 9, func(r *kmsg.FetchRequest) { r.SessionID ^= 1 << 20 })
		again("closes", -1, nil)
		again("is closed", 10, nil)
	}
}

func offsetsOf(topic string, timestamps ...int64) kmsg.ListOffsetsRequestTopic {
	return with(kmsg.NewListOffsetsRequestTopic(), func(t *kmsg.ListOffsetsRequestTopic) {
		t.Topic = topic
		t.Partitions = list(timestamps, func(ts int64) kmsg.ListOffsetsRequestTopicPartition {
			return with(kmsg.NewListOffsetsRequestTopicPartition(), func(p *kmsg.ListOffsetsRequestTopicPartition) { p.Timestamp = ts })
		})
	})
}

func listOffsets(d *dialogue) {
	d.fill("lo")
	d.each(2, func(v int16) {
		at := func(label string, set func(*kmsg.ListOffsetsRequest), topics ...kmsg.ListOffsetsRequestTopic) {
			ask[*kmsg.ListOffsetsResponse](d, label, v, asked(kmsg.NewPtrListOffsetsRequest(), func(r *kmsg.ListOffsetsRequest) {
				r.ReplicaID, r.Topics = -1, topics
				if set != nil {
					set(r)
				}
			}))
		}
		for ts := int64(-7); ts <= 0; ts++ {
			at("timestamp "+string(rune('a'-ts)), nil, offsetsOf("lo", ts))
		}
		at("an exact timestamp", nil, offsetsOf("lo", 1700000000000))
		at("after all timestamps", nil, offsetsOf("lo", 1700000000001))
		at("absent topic", nil, offsetsOf("lo-absent", -1))
		at("no topic name", nil, offsetsOf("", -1))
		at("partition twice", nil, offsetsOf("lo", -1, -2))
		at("absent partition", nil, with(offsetsOf("lo", -1), func(t *kmsg.ListOffsetsRequestTopic) { t.Partitions[0].Partition = 9 }))
		at("empty partition", nil, with(offsetsOf("lo", -1), func(t *kmsg.ListOffsetsRequestTopic) { t.Partitions[0].Partition = 1 }))
		at("max timestamp of an empty partition", nil, with(offsetsOf("lo", -3), func(t *kmsg.ListOffsetsRequestTopic) { t.Partitions[0].Partition = 1 }))
		at("as a replica", func(r *kmsg.ListOffsetsRequest) { r.ReplicaID = 7 }, offsetsOf("lo", -1))
		if v >= 2 {
			at("committed only", func(r *kmsg.ListOffsetsRequest) { r.IsolationLevel = 1 }, offsetsOf("lo", -1))
			at("isolation 9", func(r *kmsg.ListOffsetsRequest) { r.IsolationLevel = 9 }, offsetsOf("lo", -1))
		}
		if v >= 4 {
			at("leader epoch of the future", nil, with(offsetsOf("lo", -1), func(t *kmsg.ListOffsetsRequestTopic) { t.Partitions[0].CurrentLeaderEpoch = 900 }))
		}
	})
}

func offsetForLeaderEpoch(d *dialogue) {
	d.fill("oe")
	d.each(23, func(v int16) {
		at := func(label, topic string, partition, current, epoch int32) {
			ask[*kmsg.OffsetForLeaderEpochResponse](d, label, v, asked(kmsg.NewPtrOffsetForLeaderEpochRequest(), func(r *kmsg.OffsetForLeaderEpochRequest) {
				p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
				p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, current, epoch
				t := kmsg.NewOffsetForLeaderEpochRequestTopic()
				t.Topic, t.Partitions = topic, []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}
				r.ReplicaID, r.Topics = -1, []kmsg.OffsetForLeaderEpochRequestTopic{t}
			}))
		}
		at("an epoch of the future", "oe", 0, -1, 900)
		at("a current epoch of the future", "oe", 0, 900, 0)
		at("epoch -1", "oe", 0, -1, -1)
		at("epoch -2", "oe", 0, -1, -2)
		at("absent partition", "oe", 7, -1, 0)
		at("absent topic", "oe-absent", 0, -1, 0)
		at("no name", "", 0, -1, 0)
		at("an empty partition", "oe", 1, -1, 0)
	})
}

func deleteRecords(d *dialogue) {
	d.each(21, func(v int16) {
		name := []string{"dr-0", "dr-1", "dr-2"}[v]
		d.fill(name)
		del := func(label, topic string, partition int32, offset int64) {
			ask[*kmsg.DeleteRecordsResponse](d, label, v, asked(kmsg.NewPtrDeleteRecordsRequest(), func(r *kmsg.DeleteRecordsRequest) {
				p := kmsg.NewDeleteRecordsRequestTopicPartition()
				p.Partition, p.Offset = partition, offset
				t := kmsg.NewDeleteRecordsRequestTopic()
				t.Topic, t.Partitions = topic, []kmsg.DeleteRecordsRequestTopicPartition{p}
				r.TimeoutMillis, r.Topics = 5000, []kmsg.DeleteRecordsRequestTopic{t}
			}))
		}
		del("up to 2", name, 0, 2)
		del("up to 1, which is gone", name, 0, 1)
		del("beyond the end", name, 0, 7)
		del("offset -2", name, 0, -2)
		del("absent partition", name, 9, 0)
		del("absent topic", "dr-absent", 0, 0)
		del("no name", "", 0, 0)
		del("all", name, 0, -1)
		del("all of nothing", name, 1, -1)
		del("an internal topic", "__consumer_offsets", 0, -1)
		ask[*kmsg.ListOffsetsResponse](d, "start of "+name, newest, asked(kmsg.NewPtrListOffsetsRequest(), func(r *kmsg.ListOffsetsRequest) {
			r.Topics = []kmsg.ListOffsetsRequestTopic{offsetsOf(name, -2)}
		}))
	})
}
