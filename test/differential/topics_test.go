package differential

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func topicScenarios() []scenario {
	return []scenario{
		{"create topics", []int16{19}, createTopics},
		{"delete topics", []int16{20}, deleteTopics},
		{"create partitions", []int16{37}, createPartitions},
		{"metadata", []int16{3}, metadata},
		{"describe topic partitions", []int16{75}, describeTopicPartitions},
	}
}

func newTopic(name string, partitions int32, replicas int16, configs ...kmsg.CreateTopicsRequestTopicConfig) kmsg.CreateTopicsRequestTopic {
	return with(kmsg.NewCreateTopicsRequestTopic(), func(t *kmsg.CreateTopicsRequestTopic) {
		t.Topic, t.NumPartitions, t.ReplicationFactor, t.Configs = name, partitions, replicas, configs
	})
}

func topicConfig(name string, value *string) kmsg.CreateTopicsRequestTopicConfig {
	return with(kmsg.NewCreateTopicsRequestTopicConfig(), func(c *kmsg.CreateTopicsRequestTopicConfig) { c.Name, c.Value = name, value })
}

// assigned is a topic with a replica assignment: a list of brokers for each partition.
func assigned(name string, replicas ...[]int32) kmsg.CreateTopicsRequestTopic {
	return with(newTopic(name, -1, -1), func(t *kmsg.CreateTopicsRequestTopic) {
		for p, brokers := range replicas {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = int32(p), brokers
			t.ReplicaAssignment = append(t.ReplicaAssignment, a)
		}
	})
}

func createTopics(d *dialogue) {
	create := func(label string, v int16, validateOnly bool, topics ...kmsg.CreateTopicsRequestTopic) {
		ask[*kmsg.CreateTopicsResponse](d, label, v, asked(kmsg.NewPtrCreateTopicsRequest(), func(r *kmsg.CreateTopicsRequest) {
			r.Topics, r.ValidateOnly = topics, validateOnly
		}))
	}
	d.each(19, func(v int16) {
		n := func(s string) string { return fmt.Sprintf("ct-%s-%d", s, v) }
		create("valid ones", v, false, newTopic(n("plain"), 3, 1), newTopic(n("default"), -1, -1),
			newTopic(n("config"), 1, 1, topicConfig("retention.ms", ptr("1000")), topicConfig("cleanup.policy", ptr("compact,delete"))),
			assigned(n("assigned"), []int32{1}, []int32{1}))
		create("existing", v, false, newTopic(n("plain"), 3, 1))
		create("only validated", v, true, newTopic(n("validated"), 2, 1), newTopic(n("plain"), 1, 1))
		create("names", v, false, newTopic("", 1, 1), newTopic(".", 1, 1), newTopic("..", 1, 1), newTopic("a b", 1, 1), newTopic("a/b", 1, 1),
			newTopic("ünlaut", 1, 1), newTopic(strings.Repeat("x", 250), 1, 1))
		create("numbers", v, false, newTopic(n("p0"), 0, 1), newTopic(n("p-2"), -2, 1), newTopic(n("r0"), 1, 0), newTopic(n("r-2"), 1, -2),
			newTopic(n("r5"), 1, 5))
		create("twice in a request", v, false, newTopic(n("twice"), 1, 1), newTopic(n("twice"), 2, 1), newTopic(n("once"), 1, 1))
		create("configs", v, false, newTopic(n("c1"), 1, 1, topicConfig("no.such.config", ptr("1"))),
			newTopic(n("c2"), 1, 1, topicConfig("retention.ms", ptr("soon"))), newTopic(n("c3"), 1, 1, topicConfig("retention.ms", nil)),
			newTopic(n("c4"), 1, 1, topicConfig("cleanup.policy", ptr("shred"))), newTopic(n("c5"), 1, 1, topicConfig("retention.ms", ptr("-2"))),
			newTopic(n("c6"), 1, 1, topicConfig("compression.type", ptr("rar"))), newTopic(n("c7"), 1, 1, topicConfig("", ptr("1"))),
			newTopic(n("c8"), 1, 1, topicConfig("min.insync.replicas", ptr("0"))),
			newTopic(n("c9"), 1, 1, topicConfig("segment.bytes", ptr("1"))),
			newTopic(n("c10"), 1, 1, topicConfig("remote.storage.enable", ptr("true"))),
			newTopic(n("c11"), 1, 1, topicConfig("max.message.bytes", ptr("9999999999"))))
		create("assignments", v, false,
			with(assigned(n("a1"), []int32{1}), func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = 1 }),
			with(assigned(n("a2"), []int32{1}), func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicationFactor = 1 }),
			assigned(n("a3"), []int32{1, 1}), assigned(n("a4"), []int32{7}), assigned(n("a5"), []int32{}), assigned(n("a6"), []int32{-1}),
			assigned(n("a7"), []int32{1}, []int32{1, 7}),
			with(assigned(n("a8"), []int32{1}), func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicaAssignment[0].Partition = 4 }),
			with(assigned(n("a9"), []int32{1}, []int32{1}), func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicaAssignment[1].Partition = 0 }))
	})
	create("colliding", newest, false, newTopic("ct.collides_x", 1, 1))
	create("colliding again", newest, false, newTopic("ct_collides.x", 1, 1))
	create("internal", newest, false, newTopic("__consumer_offsets", 1, 1))
	create("too many", newest, true, newTopic("ct-many", 10001, 1))
	create("too many by the number", newest, true, newTopic("ct-many", 2147483647, 1))
}

func deleteTopics(d *dialogue) {
	del := func(label string, v int16, names []string, ids ...[16]byte) {
		ask[*kmsg.DeleteTopicsResponse](d, label, v, asked(kmsg.NewPtrDeleteTopicsRequest(), func(r *kmsg.DeleteTopicsRequest) {
			r.TopicNames = names
			for _, n := range names {
				r.Topics = append(r.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &n})
			}
			for _, id := range ids {
				r.Topics = append(r.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: id})
			}
		}))
	}
	d.each(20, func(v int16) {
		name := fmt.Sprintf("dt-%d", v)
		d.topic(name, 2)
		del("existing and absent", v, []string{name, "dt-absent"})
		del("again", v, []string{name})
		del("names", v, []string{"", "a b"})
		del("twice in a request", v, []string{"dt-absent", "dt-absent"})
	})
	id := d.topic("dt-by-id", 1)
	del("by id, existing and absent", newest, nil, id, [16]byte{15: 9})
	del("zero id", newest, nil, [16]byte{})
	both := d.topic("dt-both", 1)
	ask[*kmsg.DeleteTopicsResponse](d, "name and id", newest, asked(kmsg.NewPtrDeleteTopicsRequest(), func(r *kmsg.DeleteTopicsRequest) {
		r.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: ptr("dt-both"), TopicID: both}}
	}))
	ask[*kmsg.DeleteTopicsResponse](d, "name and its id apart", newest, asked(kmsg.NewPtrDeleteTopicsRequest(), func(r *kmsg.DeleteTopicsRequest) {
		r.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: ptr("dt-both")}, {TopicID: both}}
	}))
	del("the id twice", newest, nil, [16]byte{15: 8}, [16]byte{15: 8})
}

func createPartitions(d *dialogue) {
	grow := func(label string, v int16, validateOnly bool, topics ...kmsg.CreatePartitionsRequestTopic) {
		ask[*kmsg.CreatePartitionsResponse](d, label, v, asked(kmsg.NewPtrCreatePartitionsRequest(), func(r *kmsg.CreatePartitionsRequest) {
			r.Topics, r.ValidateOnly = topics, validateOnly
		}))
	}
	to := func(topic string, count int32, assignment ...[]int32) kmsg.CreatePartitionsRequestTopic {
		return with(kmsg.NewCreatePartitionsRequestTopic(), func(t *kmsg.CreatePartitionsRequestTopic) {
			t.Topic, t.Count = topic, count
			for _, brokers := range assignment {
				t.Assignment = append(t.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: brokers})
			}
		})
	}
	d.each(37, func(v int16) {
		name := fmt.Sprintf("cp-%d", v)
		d.topic(name, 2)
		grow("fewer", v, false, to(name, 1))
		grow("as many", v, false, to(name, 2))
		grow("none and negative", v, false, to(name, 0))
		grow("negative", v, false, to(name, -1))
		grow("absent", v, false, to("cp-absent", 4), to("", 3), to("a b", 3))
		grow("only validated", v, true, to(name, 4))
		grow("more", v, false, to(name, 3))
		grow("assigned", v, false, to(name, 5, []int32{1}, []int32{1}))
		grow("assigned to too few", v, false, to(name, 8, []int32{1}))
		grow("assigned to too many", v, false, to(name, 6, []int32{1}, []int32{1}))
		grow("assigned to strangers", v, false, to(name, 6, []int32{9}))
		grow("assigned twice", v, false, to(name, 6, []int32{1, 1}))
		grow("assigned to nobody", v, false, to(name, 6, []int32{}))
		grow("twice in a request", v, false, to(name, 7), to(name, 8))
		grow("very many", v, true, to(name, 20000))
	})
}

func metadata(d *dialogue) {
	id := d.topic("md", 3)
	look := func(label string, v int16, set func(*kmsg.MetadataRequest), names ...string) {
		ask[*kmsg.MetadataResponse](d, label, v, asked(kmsg.NewPtrMetadataRequest(), func(r *kmsg.MetadataRequest) {
			r.Topics = list(names, func(n string) kmsg.MetadataRequestTopic {
				return with(kmsg.NewMetadataRequestTopic(), func(t *kmsg.MetadataRequestTopic) { t.Topic = &n })
			})
			if set != nil {
				set(r)
			}
		}))
	}
	d.each(3, func(v int16) {
		look("topics", v, nil, "md", "md-absent")
		look("names", v, nil, "a b", "", "..")
		look("twice", v, nil, "md", "md")
		if v > 0 {
			look("none", v, nil)
		}
		if v >= 4 {
			look("made on demand, which is off", v, func(r *kmsg.MetadataRequest) { r.AllowAutoTopicCreation = true }, "md-auto")
		}
		if v >= 8 {
			look("authorized operations", v, func(r *kmsg.MetadataRequest) {
				r.IncludeTopicAuthorizedOperations, r.IncludeClusterAuthorizedOperations = true, v <= 10
			}, "md")
		}
		if v >= 10 {
			look("by id", v, func(r *kmsg.MetadataRequest) {
				r.Topics = []kmsg.MetadataRequestTopic{{TopicID: id}}
			})
			look("by absent id", v, func(r *kmsg.MetadataRequest) {
				r.Topics = []kmsg.MetadataRequestTopic{{TopicID: [16]byte{15: 9}}}
			})
			look("without name", v, func(r *kmsg.MetadataRequest) { r.Topics = []kmsg.MetadataRequestTopic{{}} })
			look("by name and id", v, func(r *kmsg.MetadataRequest) {
				r.Topics = []kmsg.MetadataRequestTopic{{Topic: ptr("md"), TopicID: id}}
			})
			look("id and name of two", v, func(r *kmsg.MetadataRequest) {
				r.Topics = []kmsg.MetadataRequestTopic{{Topic: ptr("md")}, {TopicID: id}}
			})
		}
	})
}

func describeTopicPartitions(d *dialogue) {
	d.topic("dtp-a", 3)
	d.topic("dtp-b", 2)
	describe := func(label string, limit int32, cursor *kmsg.DescribeTopicPartitionsRequestCursor, names ...string) {
		ask[*kmsg.DescribeTopicPartitionsResponse](d, label, newest,
			asked(kmsg.NewPtrDescribeTopicPartitionsRequest(), func(r *kmsg.DescribeTopicPartitionsRequest) {
				r.Topics = list(names, func(n string) kmsg.DescribeTopicPartitionsRequestTopic {
					return kmsg.DescribeTopicPartitionsRequestTopic{Topic: n}
				})
				r.ResponsePartitionLimit, r.Cursor = limit, cursor
			}))
	}
	at := func(topic string, p int32) *kmsg.DescribeTopicPartitionsRequestCursor {
		return &kmsg.DescribeTopicPartitionsRequestCursor{Topic: topic, Partition: p}
	}
	describe("all", 100, nil, "dtp-a", "dtp-b", "dtp-absent")
	describe("names", 100, nil, "", "a b")
	describe("the first four", 4, nil, "dtp-b", "dtp-a")
	describe("the rest", 4, at("dtp-b", 1), "dtp-b", "dtp-a")
	describe("limit 0", 0, nil, "dtp-a")
	describe("limit -1", -1, nil, "dtp-a")
	describe("cursor beyond", 4, at("dtp-a", 9), "dtp-a", "dtp-b")
	describe("negative cursor", 4, at("dtp-a", -1), "dtp-a")
	describe("cursor at an absent topic", 4, at("dtp-aa", 0), "dtp-a", "dtp-b")
	describe("twice", 100, nil, "dtp-a", "dtp-a")
}
