package broker

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/topic"
	"weir/metadata"
	"weir/storage/batch"
)

// ask sends one request on a new connection and returns the answer.
func ask[R kmsg.Response](r *rig, b *rigBroker, req kmsg.Request) R {
	r.t.Helper()
	c := r.dial(b)
	defer c.Close()
	c.send(5, req)
	return receive[R](c, req, 5)
}

// Every version of produce stores and every version of fetch returns the same bytes but for offset and epoch.
func TestProduceAndFetchAtEveryVersion(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 2)
	at := int64(0)
	for v := int16(3); v <= 13; v++ {
		resp := ask[*kmsg.ProduceResponse](r, b, produceReq(v, -1, "t", topic.ID, records(2, 30), records(3, 30)))
		ps := resp.Topics[0].Partitions
		if ps[0].ErrorCode != 0 || ps[0].BaseOffset != at || ps[1].ErrorCode != 0 || ps[1].BaseOffset != at/2*3 {
			t.Fatalf("produce version %d: %+v", v, ps)
		}
		if v >= 13 && resp.Topics[0].TopicID != topic.ID || v < 13 && resp.Topics[0].Topic != "t" {
			t.Errorf("produce version %d names another topic: %+v", v, resp.Topics[0])
		}
		at += 2
	}
	for v := int16(4); v <= 18; v++ {
		resp := ask[*kmsg.FetchResponse](r, b, fetchReq(v, "t", topic.ID, 2, 4))
		if resp.ErrorCode != 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 2 {
			t.Fatalf("fetch version %d: %+v", v, resp)
		}
		p := resp.Topics[0].Partitions[0]
		h, one, _, err := batch.Next(p.RecordBatches)
		if err != nil || h.BaseOffset != 4 || batch.CheckCRC(one) != nil || p.HighWatermark != at || p.LastStableOffset != at {
			t.Errorf("fetch version %d: batch %+v, %v; high watermark %d", v, h, err, p.HighWatermark)
		}
	}
}

func TestProduceErrors(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	topic := r.create("t", 2) // one partition on each broker
	if topic.Partitions[0].Leader == topic.Partitions[1].Leader {
		t.Fatalf("both partitions are on broker %d", topic.Partitions[0].Leader)
	}
	mine := int32(0)
	if topic.Partitions[0].Leader != 1 {
		mine = 1
	}
	r.create("__consumer_offsets", 1)
	inTransaction := batch.NewBuilder()
	inTransaction.Transactional, inTransaction.ProducerID, inTransaction.ProducerEpoch, inTransaction.BaseSequence = true, 7, 0, 0
	inTransaction.Add(1_700_000_000_000, nil, []byte("v"))
	corrupt := records(1, 100)
	corrupt[len(corrupt)-1] ^= 1
	claiming := inTransaction.Batch()
	inTransaction.Add(1_700_000_000_000, nil, []byte("v"))
	on := func(index int32) func(*kmsg.ProduceRequest) {
		return func(req *kmsg.ProduceRequest) { req.Topics[0].Partitions[0].Partition = index }
	}
	tests := []struct {
		name    string
		req     *kmsg.ProduceRequest
		change  func(*kmsg.ProduceRequest)
		want    *kerr.Error
		message string
	}{
		{"stored", produceReq(11, 1, "t", topic.ID, records(1, 10)), on(mine), nil, ""},
		{"acks 2", produceReq(11, 2, "t", topic.ID, records(1, 10)), on(mine), kerr.InvalidRequiredAcks, "acks"},
		{"unknown topic", produceReq(11, 1, "nope", topic.ID, records(1, 10)), nil, kerr.UnknownTopicOrPartition, ""},
		{"unknown topic id", produceReq(13, 1, "", metadata.NewTopicID(), records(1, 10)), nil, kerr.UnknownTopicID, ""},
		{"unknown partition", produceReq(11, 1, "t", topic.ID, records(1, 10)), on(2), kerr.UnknownTopicOrPartition, ""},
		{"negative partition", produceReq(11, 1, "t", topic.ID, records(1, 10)), on(-1), kerr.UnknownTopicOrPartition, ""},
		{"transactional id", produceReq(11, -1, "t", topic.ID, records(1, 10)), func(req *kmsg.ProduceRequest) {
			on(mine)(req)
			req.TransactionID = new("tx")
			req.Topics[0].Partitions[0].Records = inTransaction.Batch()
		}, kerr.NotEnoughReplicas, ""},
		{"transactional batch", produceReq(11, -1, "t", topic.ID, claiming), on(mine), kerr.TransactionalIDAuthorizationFailed, ""},
		{"internal topic", produceReq(11, 1, "__consumer_offsets", topic.ID, records(1, 10)), nil, kerr.InvalidTopicException, "internal"},
		{"wrong checksum", produceReq(11, 1, "t", topic.ID, corrupt), on(mine), kerr.CorruptMessage, ""},
		{"no batch", produceReq(11, 1, "t", topic.ID, nil), on(mine), kerr.InvalidRecord, ""},
		{"two batches", produceReq(11, 1, "t", topic.ID, append(records(1, 10), records(1, 10)...)), on(mine), kerr.InvalidRecord, ""},
		{"half a batch", produceReq(11, 1, "t", topic.ID, records(1, 10)[:40]), on(mine), kerr.InvalidRecord, ""},
		{"not the leader", produceReq(11, 1, "t", topic.ID, records(1, 10)), on(1 - mine), kerr.NotLeaderForPartition, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change != nil {
				tt.change(tt.req)
			}
			resp := ask[*kmsg.ProduceResponse](r, r.brokers[0], tt.req)
			p := resp.Topics[0].Partitions[0]
			if tt.want == nil {
				if p.ErrorCode != 0 || p.BaseOffset != 0 || p.LogAppendTime != -1 {
					t.Errorf("%+v", p)
				}
				return
			}
			if p.ErrorCode != tt.want.Code || p.BaseOffset != -1 {
				t.Errorf("got %v at %d, want %v", kerr.ErrorForCode(p.ErrorCode), p.BaseOffset, tt.want)
			}
			if tt.message != "" && (p.ErrorMessage == nil || !strings.Contains(*p.ErrorMessage, tt.message)) {
				t.Errorf("the message says nothing of %q: %v", tt.message, p.ErrorMessage)
			}
			if tt.want != kerr.NotLeaderForPartition {
				return
			}
			// KIP-951: where to go instead, and how to get there.
			if p.CurrentLeader.LeaderID != 2 || p.CurrentLeader.LeaderEpoch != int32(topic.Partitions[1-mine].Epoch) || len(resp.Brokers) != 1 ||
				fmt.Sprintf("%s:%d", resp.Brokers[0].Host, resp.Brokers[0].Port) != r.brokers[1].addr || *resp.Brokers[0].Rack != "az2" {
				t.Errorf("no way to the leader: %+v %+v", p.CurrentLeader, resp.Brokers)
			}
		})
	}
}

// The leader hint of a fetch, with versions that have it and those that do not.
func TestFetchFromTheWrongBroker(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	topic := r.create("t", 2)
	wrong := int(topic.Partitions[0].Leader) % 2 // index of the broker that does not lead partition 0
	for _, v := range []int16{11, 15, 16, 18} {
		resp := ask[*kmsg.FetchResponse](r, r.brokers[wrong], fetchReq(v, "t", topic.ID, 1, 0))
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != kerr.NotLeaderForPartition.Code {
			t.Errorf("version %d: %v", v, kerr.ErrorForCode(p.ErrorCode))
		}
		if hinted := p.CurrentLeader.LeaderID == int32(topic.Partitions[0].Leader) && len(resp.Brokers) == 1; hinted != (v >= 16) {
			t.Errorf("version %d: leader %+v, brokers %+v", v, p.CurrentLeader, resp.Brokers)
		}
	}
}

// acks=0 has no answer: the next answer on the connection is that of the next request, and a failure closes the connection.
func TestProduceWithoutAcknowledgement(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.create("t", 1)
	c := r.dial(b)
	for i := range int32(20) {
		c.send(i, produceReq(9, 0, "t", metadata.TopicID{}, records(1, 10)))
	}
	list := kmsg.NewPtrApiVersionsRequest()
	c.send(99, list)
	receive[*kmsg.ApiVersionsResponse](c, list, 99)
	if resp := ask[*kmsg.FetchResponse](r, b, fetchReq(12, "t", metadata.TopicID{}, 1, 0)); resp.Topics[0].Partitions[0].HighWatermark != 20 {
		t.Errorf("high watermark %d", resp.Topics[0].Partitions[0].HighWatermark)
	}
	c.send(100, produceReq(9, 0, "nope", metadata.TopicID{}, records(1, 10)))
	if _, _, err := c.frame(); err == nil {
		t.Error("a failed acks=0 produce was answered")
	}
}

func TestAPIVersions(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	for v := range int16(6) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = v, "test", "1.2.3"
		resp := ask[*kmsg.ApiVersionsResponse](r, b, req)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) != len(table()) {
			t.Errorf("version %d: code %d, %d keys", v, resp.ErrorCode, len(resp.ApiKeys))
		}
		for _, k := range resp.ApiKeys {
			// librdkafka compresses only for brokers that know old versions of produce.
			if k.ApiKey == 0 && (k.MinVersion != 0 || k.MaxVersion != 13) || k.ApiKey == 1 && (k.MinVersion != 4 || k.MaxVersion != 18) {
				t.Errorf("version %d: %+v", v, k)
			}
		}
	}
	// KIP-1242: a client that means another cluster or broker is told to begin anew.
	for _, meant := range []struct {
		cluster string
		node    int32
		code    int16
	}{{testCluster, 1, 0}, {testCluster, 2, kerr.RebootstrapRequired.Code}, {"another", 1, kerr.RebootstrapRequired.Code}} {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 5, "test", "1.2.3"
		if req.ClusterID, req.NodeID = &meant.cluster, meant.node; meant.cluster == testCluster {
			req.ClusterID = &b.cfg.ClusterID
		}
		if resp := ask[*kmsg.ApiVersionsResponse](r, b, req); resp.ErrorCode != meant.code || (len(resp.ApiKeys) == 0) != (meant.code != 0) {
			t.Errorf("%+v: code %d, %d keys", meant, resp.ErrorCode, len(resp.ApiKeys))
		}
	}
	// KIP-511: an unknown version gets the answer of version 0.
	c := r.dial(b)
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName = 77, "from the future"
	c.send(3, req)
	v0 := kmsg.NewPtrApiVersionsRequest()
	resp := receive[*kmsg.ApiVersionsResponse](c, v0, 3)
	if resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) != 1 || resp.ApiKeys[0].ApiKey != 18 || resp.ApiKeys[0].MaxVersion != 5 {
		t.Errorf("unknown version: %+v", resp)
	}
	c.send(4, v0) // the connection goes on
	receive[*kmsg.ApiVersionsResponse](c, v0, 4)

	for _, name := range []string{"", "-a", "a-", "a b", "a\x00", "ä"} {
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, name, "1"
		if resp := ask[*kmsg.ApiVersionsResponse](r, b, req); resp.ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("software name %q: code %d", name, resp.ErrorCode)
		}
	}
	req = kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion, req.NodeID = 5, "a", "1", 3
	if resp := ask[*kmsg.ApiVersionsResponse](r, b, req); resp.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("node id without cluster id: code %d", resp.ErrorCode)
	}
}

func TestMetadata(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 3, properties: map[string]string{"auto.create.topics.enable": "false"}})
	b := r.brokers[1]
	topic := r.create("a", 3)
	r.create("b", 1)
	name := func(s string) kmsg.MetadataRequestTopic { return kmsg.MetadataRequestTopic{Topic: &s} }
	for v := range int16(14) {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = v
		resp := ask[*kmsg.MetadataResponse](r, b, req)
		if len(resp.Topics) != 2 || *resp.Topics[0].Topic != "a" || len(resp.Topics[0].Partitions) != 3 || len(resp.Brokers) != 3 {
			t.Fatalf("version %d, all topics: %+v", v, resp)
		}
		if v >= 1 && resp.ControllerID != 1 || v >= 2 && *resp.ClusterID != "test-cluster-id-000000" || v >= 10 && resp.Topics[0].TopicID != topic.ID {
			t.Errorf("version %d: %+v", v, resp)
		}
		if v >= 1 && (resp.Brokers[2].NodeID != 3 || *resp.Brokers[2].Rack != "az3") {
			t.Errorf("version %d: broker %+v", v, resp.Brokers[2])
		}
		p := resp.Topics[0].Partitions[1]
		if p.Leader != int32(topic.Partitions[1].Leader) || len(p.Replicas) != 1 || len(p.ISR) != 1 || len(p.OfflineReplicas) != 0 || p.ErrorCode != 0 {
			t.Errorf("version %d: partition %+v", v, p)
		}
		req.Topics = []kmsg.MetadataRequestTopic{name("b"), name("nope"), name("no/good")}
		resp = ask[*kmsg.MetadataResponse](r, b, req)
		for i, want := range []int16{0, kerr.UnknownTopicOrPartition.Code, kerr.InvalidTopicException.Code} {
			if resp.Topics[i].ErrorCode != want {
				t.Errorf("version %d, topic %s: code %d, want %d", v, *resp.Topics[i].Topic, resp.Topics[i].ErrorCode, want)
			}
		}
		if v >= 1 {
			req.Topics = []kmsg.MetadataRequestTopic{}
			if resp = ask[*kmsg.MetadataResponse](r, b, req); len(resp.Topics) != 0 {
				t.Errorf("version %d, no topics: %d", v, len(resp.Topics))
			}
		}
	}
	byID := kmsg.NewPtrMetadataRequest()
	byID.Version, byID.IncludeTopicAuthorizedOperations = 12, true
	// The first as Java's clients send it, with an empty name; what has no id is left out, and the topic told once.
	byID.Topics = []kmsg.MetadataRequestTopic{{Topic: new(""), TopicID: topic.ID}, {TopicID: metadata.NewTopicID()}, name("b"), {TopicID: topic.ID}}
	resp := ask[*kmsg.MetadataResponse](r, b, byID)
	if len(resp.Topics) != 2 || resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("by id, with other names beside it: %+v", resp.Topics)
	}
	if *resp.Topics[0].Topic != "a" || resp.Topics[0].AuthorizedOperations != 3576 || resp.Topics[1].ErrorCode != kerr.UnknownTopicID.Code || resp.Topics[1].Topic != nil {
		t.Errorf("by id: %+v", resp.Topics)
	}
	byID.Version, byID.Topics = 11, []kmsg.MetadataRequestTopic{name("b"), {TopicID: topic.ID}}
	resp = ask[*kmsg.MetadataResponse](r, b, byID)
	if len(resp.Topics) != 2 || resp.Topics[0].ErrorCode != kerr.InvalidRequest.Code || len(resp.Brokers) != 0 {
		t.Errorf("by id, at a version without: %+v", resp)
	}
}

// A leader whose broker is not there or not ready cannot be told.
func TestMetadataOfBrokersThatAreDown(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	topic := r.create("t", 2)
	down := topic.Partitions[0].Leader
	up := r.brokers[int(down)%2]
	r.commit(metadata.Delete(metadata.SessionKey(testCluster, down)))
	r.await("the session is gone", func() bool { return len(up.live.Current().Brokers) == 1 })
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	resp := ask[*kmsg.MetadataResponse](r, up, req)
	p := resp.Topics[0].Partitions[0]
	if p.ErrorCode != kerr.LeaderNotAvailable.Code || p.Leader != -1 || len(p.OfflineReplicas) != 1 || len(resp.Brokers) != 1 || resp.ControllerID != int32(up.cfg.Broker) {
		t.Errorf("%+v %+v", p, resp.Brokers)
	}
	s, _ := up.live.Current().Broker(up.cfg.Broker)
	s.Broker, s.Ready = down, false
	r.commit(metadata.Put(metadata.SessionKey(testCluster, down), metadata.Encode(s)))
	r.await("the session is back", func() bool { return len(up.live.Current().Brokers) == 2 })
	if resp = ask[*kmsg.MetadataResponse](r, up, req); len(resp.Brokers) != 1 || resp.Topics[0].Partitions[0].ErrorCode != kerr.LeaderNotAvailable.Code {
		t.Errorf("a broker that is not ready: %+v", resp)
	}
	cluster := kmsg.NewPtrDescribeClusterRequest()
	cluster.Version, cluster.IncludeFencedBrokers = 2, true
	dc := ask[*kmsg.DescribeClusterResponse](r, up, cluster)
	fenced := 0
	for _, b := range dc.Brokers {
		if b.IsFenced {
			fenced += int(b.NodeID)
		}
	}
	if len(dc.Brokers) != 2 || fenced != int(down) {
		t.Errorf("%+v", dc)
	}
	s.Endpoints = []metadata.Endpoint{{Name: "CLIENT_SECURE", Host: "127.0.0.1", Port: 9094}}
	s.Ready = true
	r.commit(metadata.Put(metadata.SessionKey(testCluster, down), metadata.Encode(s)))
	r.await("the session is ready", func() bool { s, _ := up.live.Current().Broker(down); return s.Ready })
	if resp = ask[*kmsg.MetadataResponse](r, up, req); resp.Topics[0].Partitions[0].ErrorCode != kerr.ListenerNotFound.Code {
		t.Errorf("a leader without our listener: %+v", resp.Topics[0].Partitions[0])
	}
}

// Asking for a missing topic creates it only if client and configuration want that.
func TestMetadataCreatesTopics(t *testing.T) {
	name := "made"
	for _, enabled := range []bool{false, true} {
		for _, allow := range []bool{false, true} {
			t.Run(fmt.Sprintf("enabled=%v allowed=%v", enabled, allow), func(t *testing.T) {
				r := newRig(t, rigConfig{properties: map[string]string{
					"auto.create.topics.enable": strconv.FormatBool(enabled), "num.partitions": "4",
					"default.replication.factor": "1",
				}})
				req := kmsg.NewPtrMetadataRequest()
				req.Version, req.AllowAutoTopicCreation = 9, allow
				req.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
				got := ask[*kmsg.MetadataResponse](r, r.brokers[0], req).Topics[0]
				if enabled && allow {
					if got.ErrorCode != 0 || len(got.Partitions) != 4 {
						t.Errorf("%+v", got)
					}
				} else if got.ErrorCode != kerr.UnknownTopicOrPartition.Code {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

func TestListOffsets(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 2)
	for range 3 {
		ask[*kmsg.ProduceResponse](r, b, produceReq(9, 1, "t", topic.ID, records(5, 10))) // timestamps 1_700_000_000_000 to ..004
	}
	const base = 1_700_000_000_000
	tests := []struct {
		name               string
		version            int16
		partition          int32
		timestamp          int64
		epoch              int32
		offset, timestamp2 int64
		code               *kerr.Error
	}{
		{"latest", 1, 0, -1, -1, 15, -1, nil},
		{"earliest", 1, 0, -2, -1, 0, -1, nil},
		{"latest of an empty partition", 4, 1, -1, -1, 0, -1, nil},
		{"by timestamp", 1, 0, base + 3, -1, 3, base + 3, nil},
		{"timestamp before all", 6, 0, 5, -1, 0, base, nil},
		{"timestamp after all", 6, 0, base + 5, -1, -1, -1, nil},
		{"largest timestamp", 7, 0, -3, -1, 4, base + 4, nil},
		{"largest timestamp of an empty partition", 7, 1, -3, -1, -1, -1, nil},
		{"largest timestamp before version 7", 6, 0, -3, -1, -1, -1, kerr.UnsupportedVersion},
		{"earliest local", 8, 0, -4, -1, 0, -1, nil},
		{"latest tiered", 9, 0, -5, -1, -1, -1, nil},
		{"earliest pending upload", 11, 0, -6, -1, -1, -1, nil},
		{"earliest pending upload before version 11", 10, 0, -6, -1, -1, -1, kerr.UnsupportedVersion},
		{"no such special timestamp", 11, 0, -7, -1, -1, -1, kerr.UnsupportedVersion},
		{"current epoch", 11, 0, -1, int32(topic.Partitions[0].Epoch), 15, -1, nil},
		{"newer epoch", 11, 0, -1, int32(topic.Partitions[0].Epoch) + 1, -1, -1, kerr.UnknownLeaderEpoch},
		{"unknown partition", 11, 2, -1, -1, -1, -1, kerr.UnknownTopicOrPartition},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := kmsg.NewPtrListOffsetsRequest()
			req.Version, req.ReplicaID = tt.version, -1
			req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{
				{Partition: tt.partition, Timestamp: tt.timestamp, CurrentLeaderEpoch: tt.epoch},
			}}}
			p := ask[*kmsg.ListOffsetsResponse](r, b, req).Topics[0].Partitions[0]
			code := int16(0)
			if tt.code != nil {
				code = tt.code.Code
			}
			if p.ErrorCode != code || p.Offset != tt.offset || p.Timestamp != tt.timestamp2 {
				t.Errorf("got offset %d timestamp %d, %v", p.Offset, p.Timestamp, kerr.ErrorForCode(p.ErrorCode))
			}
		})
	}
	twice := kmsg.NewPtrListOffsetsRequest()
	twice.Version, twice.ReplicaID = 5, -1
	p := kmsg.ListOffsetsRequestTopicPartition{Timestamp: -1, CurrentLeaderEpoch: -1}
	twice.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p, p}}}
	if got := ask[*kmsg.ListOffsetsResponse](r, b, twice).Topics[0].Partitions; len(got) != 1 || got[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("a partition named twice: %+v", got)
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 1)
	ask[*kmsg.ProduceResponse](r, b, produceReq(9, 1, "t", topic.ID, records(5, 10)))
	epoch := int32(topic.Partitions[0].Epoch)
	tests := []struct {
		name           string
		current, asked int32
		index          int32
		wantEpoch      int32
		wantEnd        int64
		code           *kerr.Error
	}{
		{"current", epoch, epoch, 0, epoch, 5, nil},
		{"unknown", -1, epoch + 1, 0, -1, -1, nil},
		{"client is ahead", epoch + 1, epoch, 0, -1, -1, kerr.UnknownLeaderEpoch},
		{"no such partition", -1, epoch, 7, -1, -1, kerr.UnknownTopicOrPartition},
	}
	for _, tt := range tests {
		for v := int16(2); v <= 4; v++ {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			req.Version, req.ReplicaID = v, -1
			req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{
				{Partition: tt.index, CurrentLeaderEpoch: tt.current, LeaderEpoch: tt.asked},
			}}}
			p := ask[*kmsg.OffsetForLeaderEpochResponse](r, b, req).Topics[0].Partitions[0]
			code := int16(0)
			if tt.code != nil {
				code = tt.code.Code
			}
			if p.ErrorCode != code || p.LeaderEpoch != tt.wantEpoch || p.EndOffset != tt.wantEnd {
				t.Errorf("%s, version %d: %+v", tt.name, v, p)
			}
		}
	}
}

func TestDescribeCluster(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	for v := range int16(3) {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.Version, req.IncludeClusterAuthorizedOperations = v, true
		resp := ask[*kmsg.DescribeClusterResponse](r, r.brokers[0], req)
		if resp.ErrorCode != 0 || resp.ClusterID != "test-cluster-id-000000" || resp.ControllerID != 1 || len(resp.Brokers) != 2 || resp.ClusterAuthorizedOperations != 8096 {
			t.Errorf("version %d: %+v", v, resp)
		}
		if v == 0 {
			continue
		}
		req.EndpointType = 2
		if resp := ask[*kmsg.DescribeClusterResponse](r, r.brokers[0], req); resp.ErrorCode != kerr.MismatchedEndpointType.Code {
			t.Errorf("version %d, controllers: %+v", v, resp)
		}
	}
}

// Pages of any size, put together, are the whole.
func TestDescribeTopicPartitionsPages(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	for i, n := range []int32{3, 1, 5} {
		r.create(fmt.Sprintf("t%d", i), n)
	}
	for _, asked := range [][]string{nil, {"t2", "t0", "nope", "t0"}} {
		var want string
		for limit := int32(100); limit > 0; limit /= 3 {
			var got []string
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit = limit
			for _, name := range asked {
				req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: name})
			}
			for range 50 {
				resp := ask[*kmsg.DescribeTopicPartitionsResponse](r, b, req)
				n := 0
				for _, topic := range resp.Topics {
					if topic.ErrorCode != 0 {
						got = append(got, fmt.Sprintf("%s:%d", *topic.Topic, topic.ErrorCode))
					}
					for _, p := range topic.Partitions {
						got = append(got, fmt.Sprintf("%s-%d", *topic.Topic, p.Partition))
						n++
					}
				}
				if n > int(limit) {
					t.Errorf("a page of %d partitions, the limit is %d", n, limit)
				}
				if resp.NextCursor == nil {
					break
				}
				req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
			}
			if want == "" {
				want = fmt.Sprint(got)
			}
			if fmt.Sprint(got) != want {
				t.Errorf("limit %d: %v\nwant %v", limit, got, want)
			}
		}
		if n := len(strings.Fields(want)); asked == nil && n != 9 || asked != nil && n != 9 {
			t.Errorf("%s", want)
		}
	}
}

// Requests of APIs and versions that are not served close the connection, as in Kafka.
func TestUnsupportedRequestsCloseTheConnection(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	old := produceReq(2, 1, "t", metadata.TopicID{}, records(1, 10))
	stop := kmsg.NewPtrStopReplicaRequest()
	for i, req := range []kmsg.Request{old, stop} {
		c := r.dial(b)
		c.send(1, req)
		if _, _, err := c.frame(); err == nil {
			t.Errorf("%T was answered", req)
		}
		r.await("it is counted", func() bool { return counter(b.metrics.unsupported) == i+1 })
	}
}

// What is acknowledged is on stable storage, so that min.insync.replicas is met by whatever leader takes the records (ADR 3).
func TestAcksAllNeedsTheLeaderOnly(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.create("t", 1)
	two := "2"
	if err := b.admin.AlterTopic(t.Context(), "t", []topic.ConfigOp{{Name: "min.insync.replicas", Value: &two}}, false, false); err != nil {
		t.Fatal(err)
	}
	resp := ask[*kmsg.ProduceResponse](r, b, produceReq(8, -1, "t", metadata.TopicID{}, records(1, 10)))
	if p := resp.Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Errorf("got %v", kerr.ErrorForCode(p.ErrorCode))
	}
}
