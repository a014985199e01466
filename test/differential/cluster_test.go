package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func clusterScenarios() []scenario {
	return []scenario{
		{"api versions", []int16{18}, askVersions},
		{"find coordinator", []int16{10}, findCoordinator},
		{"describe cluster", []int16{60}, describeCluster},
		{"update features", []int16{57}, updateFeatures},
		{"describe quorum", []int16{55}, describeQuorum},
		{"elect leaders", []int16{43}, electLeaders},
		{"reassign partitions", []int16{45, 46}, reassign},
		{"log directories", []int16{34, 35}, logDirs},
		{"brokers and voters", []int16{64, 80, 81, 94}, voters},
		{"client quotas", []int16{48, 49}, clientQuotas},
	}
}

func askVersions(d *dialogue) {
	with := func(label string, v int16, set func(*kmsg.ApiVersionsRequest)) {
		ask[*kmsg.ApiVersionsResponse](d, label, v, asked(kmsg.NewPtrApiVersionsRequest(), func(r *kmsg.ApiVersionsRequest) {
			r.ClientSoftwareName, r.ClientSoftwareVersion = "some-client", "1.0"
			set(r)
		}))
	}
	for v := int16(3); v <= 5; v++ {
		with("named", v, func(*kmsg.ApiVersionsRequest) {})
		with("bad name", v, func(r *kmsg.ApiVersionsRequest) { r.ClientSoftwareName = "some client" })
		with("bad version", v, func(r *kmsg.ApiVersionsRequest) { r.ClientSoftwareVersion = "-1" })
		with("no name", v, func(r *kmsg.ApiVersionsRequest) { r.ClientSoftwareName = "" })
	}
	with("to another cluster", 5, func(r *kmsg.ApiVersionsRequest) { r.ClusterID, r.NodeID = ptr("another"), 1 })
	with("to another node", 5, func(r *kmsg.ApiVersionsRequest) { r.ClusterID, r.NodeID = ptr("another"), 7 })
	cluster := do[*kmsg.MetadataResponse](d, kmsg.NewPtrMetadataRequest()).ClusterID
	with("to this node", 5, func(r *kmsg.ApiVersionsRequest) { r.ClusterID, r.NodeID = cluster, 1 })
	with("to another node of this cluster", 5, func(r *kmsg.ApiVersionsRequest) { r.ClusterID, r.NodeID = cluster, 7 })
	with("to a node of no cluster", 5, func(r *kmsg.ApiVersionsRequest) { r.NodeID = 1 })
	with("to no node of a cluster", 5, func(r *kmsg.ApiVersionsRequest) { r.ClusterID = ptr("another") })
}

func findCoordinator(d *dialogue) {
	d.each(10, func(v int16) {
		find := func(label string, kind int8, key string) {
			ask[*kmsg.FindCoordinatorResponse](d, label, v, asked(kmsg.NewPtrFindCoordinatorRequest(), func(r *kmsg.FindCoordinatorRequest) {
				r.CoordinatorType, r.CoordinatorKey, r.CoordinatorKeys = kind, key, []string{key}
			}))
		}
		find("group", 0, "fc-group")
		find("no group", 0, "")
		if v >= 1 {
			find("transactional id", 1, "fc-txn")
			find("no transactional id", 1, "")
			find("unknown type", 3, "fc")
			find("negative type", -1, "fc")
			find("share partition that is none", 2, "fc")
			find("share partition without group", 2, ":AAAAAAAAAAAAAAAAAAAAAQ:0")
			find("share partition", 2, "fc:AAAAAAAAAAAAAAAAAAAAAQ:0")
			find("negative share partition", 2, "fc:AAAAAAAAAAAAAAAAAAAAAQ:-1")
			find("share partition of no topic id", 2, "fc:topic:0")
		}
		if v >= 4 {
			ask[*kmsg.FindCoordinatorResponse](d, "several", v, asked(kmsg.NewPtrFindCoordinatorRequest(), func(r *kmsg.FindCoordinatorRequest) {
				r.CoordinatorKeys = []string{"fc-1", "", "fc-2", "fc-1"}
			}))
		}
	})
}

func describeCluster(d *dialogue) {
	d.each(60, func(v int16) {
		for kind := int8(0); kind <= 3; kind++ {
			if v == 0 && kind != 1 {
				continue
			}
			ask[*kmsg.DescribeClusterResponse](d, fmt.Sprintf("endpoints %d", kind), v, asked(kmsg.NewPtrDescribeClusterRequest(), func(r *kmsg.DescribeClusterRequest) {
				r.EndpointType, r.IncludeClusterAuthorizedOperations, r.IncludeFencedBrokers = kind, true, true
			}))
		}
	})
}

func updateFeatures(d *dialogue) {
	d.each(57, func(v int16) {
		up := func(label, name string, level int16, upgrade int8) {
			ask[*kmsg.UpdateFeaturesResponse](d, label, v, asked(kmsg.NewPtrUpdateFeaturesRequest(), func(r *kmsg.UpdateFeaturesRequest) {
				f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
				f.Feature, f.MaxVersionLevel, f.UpgradeType, f.AllowDowngrade = name, level, upgrade, upgrade > 1
				r.FeatureUpdates, r.ValidateOnly = append(r.FeatureUpdates, f), v > 0
			}))
		}
		up("unknown feature", "no.such.version", 1, 1)
		up("no name", "", 1, 1)
		up("too high", "group.version", 99, 1)
		up("negative", "group.version", -1, 1)
		up("zero is a downgrade", "group.version", 0, 1)
		if v > 0 {
			up("as it is", "group.version", 1, 1)
			up("unknown kind of upgrade", "group.version", 1, 7)
			up("safe downgrade", "share.version", 0, 2)
			up("metadata too low", "metadata.version", 1, 2)
			up("metadata too high", "metadata.version", 9999, 1)
			up("kraft", "kraft.version", 1, 1)
		}
	})
}

func describeQuorum(d *dialogue) {
	d.each(55, func(v int16) {
		at := func(label, topic string, partitions ...int32) {
			ask[*kmsg.DescribeQuorumResponse](d, label, v, asked(kmsg.NewPtrDescribeQuorumRequest(), func(r *kmsg.DescribeQuorumRequest) {
				r.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: topic, Partitions: list(partitions, func(p int32) kmsg.DescribeQuorumRequestTopicPartition {
					return kmsg.DescribeQuorumRequestTopicPartition{Partition: p}
				})}}
			}))
		}
		at("metadata", "__cluster_metadata", 0)
		at("another partition", "__cluster_metadata", 1)
		at("two partitions", "__cluster_metadata", 0, 1)
		at("another topic", "fc", 0)
		at("no partition", "__cluster_metadata")
	})
}

func electLeaders(d *dialogue) {
	d.topic("el", 2)
	d.each(43, func(v int16) {
		elect := func(label string, kind int8, topic string, partitions ...int32) {
			ask[*kmsg.ElectLeadersResponse](d, label, v, asked(kmsg.NewPtrElectLeadersRequest(), func(r *kmsg.ElectLeadersRequest) {
				r.ElectionType, r.TimeoutMillis = kind, 5000
				r.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: topic, Partitions: partitions}}
			}))
		}
		elect("preferred", 0, "el", 0, 1)
		elect("absent partition", 0, "el", 7)
		elect("absent topic", 0, "el-absent", 0)
		elect("no name", 0, "", 0)
		elect("no partitions", 0, "el")
		elect("twice", 0, "el", 0, 0)
		if v > 0 {
			elect("unclean", 1, "el", 0)
			elect("unknown kind", 5, "el", 0)
		}
	})
}

func reassign(d *dialogue) {
	d.topic("ra", 2)
	d.each(45, func(v int16) {
		move := func(label, topic string, partition int32, replicas []int32) {
			ask[*kmsg.AlterPartitionAssignmentsResponse](d, label, v, asked(kmsg.NewPtrAlterPartitionAssignmentsRequest(), func(r *kmsg.AlterPartitionAssignmentsRequest) {
				p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
				p.Partition, p.Replicas = partition, replicas
				t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
				t.Topic, t.Partitions = topic, []kmsg.AlterPartitionAssignmentsRequestTopicPartition{p}
				r.Topics = append(r.Topics, t)
			}))
		}
		move("as it is", "ra", 0, []int32{1})
		move("cancel what is not under way", "ra", 0, nil)
		move("to nobody", "ra", 0, []int32{})
		move("to strangers", "ra", 0, []int32{7})
		move("twice to one", "ra", 0, []int32{1, 1})
		move("negative", "ra", 0, []int32{-1})
		move("absent partition", "ra", 9, []int32{1})
		move("absent topic", "ra-absent", 0, []int32{1})
		if v > 0 {
			ask[*kmsg.AlterPartitionAssignmentsResponse](d, "another factor, not allowed", v, asked(kmsg.NewPtrAlterPartitionAssignmentsRequest(), func(r *kmsg.AlterPartitionAssignmentsRequest) {
				p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
				p.Replicas = []int32{1, 7}
				t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
				t.Topic, t.Partitions = "ra", []kmsg.AlterPartitionAssignmentsRequestTopicPartition{p}
				r.AllowReplicationFactorChange, r.Topics = false, append(r.Topics, t)
			}))
		}
	})
	look := func(label string, topics ...kmsg.ListPartitionReassignmentsRequestTopic) {
		ask[*kmsg.ListPartitionReassignmentsResponse](d, label, newest, asked(kmsg.NewPtrListPartitionReassignmentsRequest(), func(r *kmsg.ListPartitionReassignmentsRequest) {
			r.Topics = topics
		}))
	}
	look("all")
	look("one", kmsg.ListPartitionReassignmentsRequestTopic{Topic: "ra", Partitions: []int32{0, 9}})
	look("absent", kmsg.ListPartitionReassignmentsRequestTopic{Topic: "ra-absent", Partitions: []int32{0}})
}

func logDirs(d *dialogue) {
	d.topic("ld", 2)
	d.each(35, func(v int16) {
		describe := func(label string, topics ...kmsg.DescribeLogDirsRequestTopic) {
			ask[*kmsg.DescribeLogDirsResponse](d, label, v, asked(kmsg.NewPtrDescribeLogDirsRequest(), func(r *kmsg.DescribeLogDirsRequest) { r.Topics = topics }))
		}
		describe("one topic", kmsg.DescribeLogDirsRequestTopic{Topic: "ld", Partitions: []int32{0, 1}})
		describe("absent partition", kmsg.DescribeLogDirsRequestTopic{Topic: "ld", Partitions: []int32{0, 9}})
		describe("absent topic", kmsg.DescribeLogDirsRequestTopic{Topic: "ld-absent", Partitions: []int32{0}})
	})
	d.each(34, func(v int16) {
		move := func(label, dir, topic string, partition int32) {
			ask[*kmsg.AlterReplicaLogDirsResponse](d, label, v, asked(kmsg.NewPtrAlterReplicaLogDirsRequest(), func(r *kmsg.AlterReplicaLogDirsRequest) {
				r.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: []int32{partition}}}}}
			}))
		}
		move("a directory that there is not", "/no/such/dir", "ld", 0)
		move("a relative one", "dir", "ld", 0)
		move("absent partition", "/no/such/dir", "ld", 9)
		move("absent topic", "/no/such/dir", "ld-absent", 0)
	})
}

func voters(d *dialogue) {
	for _, id := range []int32{99, -1} {
		ask[*kmsg.UnregisterBrokerResponse](d, fmt.Sprintf("unregister broker %d", id), newest,
			asked(kmsg.NewPtrUnregisterBrokerRequest(), func(r *kmsg.UnregisterBrokerRequest) { r.BrokerID = id }))
		ask[*kmsg.UnregisterControllerResponse](d, fmt.Sprintf("unregister controller %d", id), newest,
			asked(kmsg.NewPtrUnregisterControllerRequest(), func(r *kmsg.UnregisterControllerRequest) { r.ControllerID = id }))
		d.each(80, func(v int16) {
			ask[*kmsg.AddRaftVoterResponse](d, fmt.Sprintf("add voter %d", id), v, asked(kmsg.NewPtrAddRaftVoterRequest(), func(r *kmsg.AddRaftVoterRequest) {
				r.VoterID, r.VoterDirectoryID, r.TimeoutMillis = id, [16]byte{15: 1}, 1000
			}))
			ask[*kmsg.AddRaftVoterResponse](d, fmt.Sprintf("add voter %d to another cluster", id), v, asked(kmsg.NewPtrAddRaftVoterRequest(), func(r *kmsg.AddRaftVoterRequest) {
				r.ClusterID, r.VoterID, r.VoterDirectoryID, r.TimeoutMillis = ptr("another"), id, [16]byte{15: 1}, 1000
			}))
		})
		ask[*kmsg.RemoveRaftVoterResponse](d, fmt.Sprintf("remove voter %d", id), newest, asked(kmsg.NewPtrRemoveRaftVoterRequest(), func(r *kmsg.RemoveRaftVoterRequest) {
			r.VoterID, r.VoterDirectoryID = id, [16]byte{15: 1}
		}))
		ask[*kmsg.RemoveRaftVoterResponse](d, fmt.Sprintf("remove voter %d of another cluster", id), newest, asked(kmsg.NewPtrRemoveRaftVoterRequest(), func(r *kmsg.RemoveRaftVoterRequest) {
			r.ClusterID, r.VoterID, r.VoterDirectoryID = ptr("another"), id, [16]byte{15: 1}
		}))
	}
}

func clientQuotas(d *dialogue) {
	type entity = kmsg.AlterClientQuotasRequestEntryEntity
	type op = kmsg.AlterClientQuotasRequestEntryOp
	d.each(49, func(v int16) {
		alter := func(label string, validateOnly bool, entities []entity, ops ...op) {
			ask[*kmsg.AlterClientQuotasResponse](d, label, v, asked(kmsg.NewPtrAlterClientQuotasRequest(), func(r *kmsg.AlterClientQuotasRequest) {
				r.ValidateOnly, r.Entries = validateOnly, []kmsg.AlterClientQuotasRequestEntry{{Entity: entities, Ops: ops}}
			}))
		}
		user := []entity{{Type: "user", Name: ptr("cq")}}
		alter("user", false, user, op{Key: "producer_byte_rate", Value: 1e6}, op{Key: "request_percentage", Value: 50})
		alter("user and client", false, []entity{{Type: "user", Name: ptr("cq")}, {Type: "client-id", Name: ptr("c")}}, op{Key: "consumer_byte_rate", Value: 2e6})
		alter("default client", false, []entity{{Type: "client-id"}}, op{Key: "controller_mutation_rate", Value: 5000})
		alter("address", false, []entity{{Type: "ip", Name: ptr("10.0.0.1")}}, op{Key: "connection_creation_rate", Value: 50})
		alter("only validated", true, user, op{Key: "consumer_byte_rate", Value: 5})
		alter("unknown key", false, user, op{Key: "no_such_rate", Value: 5})
		alter("key of another entity", false, user, op{Key: "connection_creation_rate", Value: 5})
		alter("negative", false, user, op{Key: "producer_byte_rate", Value: -1})
		alter("zero", false, user, op{Key: "consumer_byte_rate", Value: 0})
		alter("broken number of bytes", false, user, op{Key: "producer_byte_rate", Value: 1.5})
		alter("unknown entity", false, []entity{{Type: "planet", Name: ptr("mars")}}, op{Key: "producer_byte_rate", Value: 5})
		alter("no entity", false, nil, op{Key: "producer_byte_rate", Value: 5})
		alter("empty name", false, []entity{{Type: "user", Name: ptr("")}}, op{Key: "producer_byte_rate", Value: 5})
		alter("entity twice", false, []entity{{Type: "user", Name: ptr("a")}, {Type: "user", Name: ptr("b")}}, op{Key: "producer_byte_rate", Value: 5})
		alter("address with user", false, []entity{{Type: "user", Name: ptr("a")}, {Type: "ip", Name: ptr("10.0.0.1")}}, op{Key: "connection_creation_rate", Value: 5})
		alter("no address", false, []entity{{Type: "ip", Name: ptr("not-an-address")}}, op{Key: "connection_creation_rate", Value: 5})
		alter("remove what is not there", false, user, op{Key: "controller_mutation_rate", Remove: true})
		alter("no change", false, user)
		d.settle()
		type component = kmsg.DescribeClientQuotasRequestComponent
		describe := func(label string, strict bool, components ...component) {
			ask[*kmsg.DescribeClientQuotasResponse](d, label, v, asked(kmsg.NewPtrDescribeClientQuotasRequest(), func(r *kmsg.DescribeClientQuotasRequest) {
				r.Strict, r.Components = strict, components
			}))
		}
		describe("the user's", false, component{EntityType: "user", Match: ptr("cq")})
		describe("the user's, strictly", true, component{EntityType: "user", Match: ptr("cq")})
		describe("any user's", true, component{EntityType: "user", MatchType: 2})
		describe("default client", true, component{EntityType: "client-id", MatchType: 1})
		describe("unknown entity described", false, component{EntityType: "planet", Match: ptr("mars")})
		describe("unknown match", false, component{EntityType: "user", MatchType: 7})
		describe("exact without name", false, component{EntityType: "user"})
		describe("name with any", false, component{EntityType: "user", MatchType: 2, Match: ptr("cq")})
		describe("twice", false, component{EntityType: "user", Match: ptr("a")}, component{EntityType: "user", Match: ptr("b")})
		describe("no type", false, component{EntityType: "", Match: ptr("a")})
		describe("user and address", false, component{EntityType: "user", Match: ptr("a")}, component{EntityType: "ip", Match: ptr("10.0.0.1")})
		alter("remove", false, user, op{Key: "producer_byte_rate", Remove: true}, op{Key: "request_percentage", Remove: true})
		alter("remove the default", false, []entity{{Type: "client-id"}}, op{Key: "controller_mutation_rate", Remove: true})
	})
}
