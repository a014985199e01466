package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/partition"
)

func deleteRecordsReq(version int16, topic string, offsets ...int64) *kmsg.DeleteRecordsRequest {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Version, req.TimeoutMillis = version, 60_000
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = topic
	for i, o := range offsets {
		p := kmsg.NewDeleteRecordsRequestTopicPartition()
		p.Partition, p.Offset = int32(i), o
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

func TestDeleteRecordsAtEveryVersion(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 4)
	ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", topic.ID, records(10, 10), records(10, 10), records(10, 10)))
	for v := int16(0); v <= 2; v++ {
		resp := ask[*kmsg.DeleteRecordsResponse](r, b, deleteRecordsReq(v, "t", int64(v)+3, -1, 11, 0, 0))
		want := []struct {
			low  int64
			code int16
		}{{int64(v) + 3, 0}, {10, 0}, {-1, kerr.OffsetOutOfRange.Code}, {0, 0}, {-1, kerr.UnknownTopicOrPartition.Code}}
		for i, p := range resp.Topics[0].Partitions {
			if p.Partition != int32(i) || p.LowWatermark != want[i].low || p.ErrorCode != want[i].code {
				t.Errorf("version %d, partition %d: %+v, want %+v", v, i, p, want[i])
			}
		}
	}
	fetched := ask[*kmsg.FetchResponse](r, b, fetchReq(12, "t", topic.ID, 2, 4)).Topics[0].Partitions
	for _, p := range fetched {
		if p.ErrorCode != kerr.OffsetOutOfRange.Code {
			t.Errorf("fetch below the log start: %+v", p)
		}
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.Version, list.ReplicaID = 9, -1
	lt, lp := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	lt.Topic, lp.Timestamp, lp.CurrentLeaderEpoch = "t", earliestOffset, -1
	lt.Partitions = append(lt.Partitions, lp)
	list.Topics = append(list.Topics, lt)
	if p := ask[*kmsg.ListOffsetsResponse](r, b, list).Topics[0].Partitions[0]; p.Offset != 5 {
		t.Errorf("earliest offset: %+v", p)
	}
}

func TestDeleteRecordsErrors(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	topic := r.create("t", 2)
	r.create("__consumer_offsets", 1)
	mine := int32(0)
	if topic.Partitions[0].Leader != 1 {
		mine = 1
	}
	b := r.brokers[0]
	if got := ask[*kmsg.DeleteRecordsResponse](r, b, deleteRecordsReq(2, "t", 0, 0)).Topics[0].Partitions; got[mine].ErrorCode != 0 ||
		got[1-mine].ErrorCode != kerr.NotLeaderForPartition.Code || got[1-mine].LowWatermark != -1 {
		t.Errorf("one of two is led here: %+v", got)
	}
	if got := ask[*kmsg.DeleteRecordsResponse](r, b, deleteRecordsReq(2, "no", 0)).Topics[0].Partitions[0]; got.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("unknown topic: %+v", got)
	}
	offsets, _ := b.live.Current().Topic("__consumer_offsets")
	internal := r.brokers[offsets.Partitions[0].Leader-1]
	if got := ask[*kmsg.DeleteRecordsResponse](r, internal, deleteRecordsReq(2, "__consumer_offsets", 0)).Topics[0].Partitions[0]; got.ErrorCode != kerr.InvalidTopicException.Code {
		t.Errorf("internal topic: %+v", got)
	}
	p, err := b.leaders.Get(partition.Key{Topic: topic.ID, Index: mine})
	if err != nil {
		t.Fatal(err)
	}
	c := partition.DefaultLogConfig()
	c.Policy.Delete, c.Policy.Compact = false, true
	p.Configure(&c)
	if got := ask[*kmsg.DeleteRecordsResponse](r, b, deleteRecordsReq(2, "t", 0, 0)).Topics[0].Partitions[mine]; got.ErrorCode != kerr.PolicyViolation.Code {
		t.Errorf("compacted topic: %+v", got)
	}
}

// The answer waits for the disk, and no longer than the client allows.
func TestDeleteRecordsWaitsForTheDisk(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	topic := r.create("t", 1)
	ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", topic.ID, records(10, 10)))
	release := b.log.hold()
	c := r.dial(b)
	req := deleteRecordsReq(2, "t", 7)
	req.TimeoutMillis = 1
	c.send(1, req)
	if got := receive[*kmsg.DeleteRecordsResponse](c, req, 1).Topics[0].Partitions[0]; got.ErrorCode != kerr.RequestTimedOut.Code || got.LowWatermark != -1 {
		t.Errorf("while the disk does not answer: %+v", got)
	}
	p, err := b.leaders.Get(partition.Key{Topic: topic.ID})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Offsets().LogStart; got != 0 {
		t.Errorf("log start %d before it is durable", got)
	}
	release()
	req.TimeoutMillis = 60_000
	if got := ask[*kmsg.DeleteRecordsResponse](r, b, req).Topics[0].Partitions[0]; got.ErrorCode != 0 || got.LowWatermark != 7 {
		t.Errorf("after it did: %+v", got)
	}
}
