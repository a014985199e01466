package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The hand-written encoding must be byte for byte what kmsg makes of the same content, at every version.
func TestProduceFrameMatchesKmsg(t *testing.T) {
	for v := int16(3); v <= 13; v++ {
		t.Run(fmt.Sprintf("v%d", v), func(t *testing.T) {
			for seed := range uint64(200) {
				got, want := randomProduce(rand.New(rand.NewPCG(seed, uint64(v))), v)
				if !bytes.Equal(got, want) {
					t.Fatalf("seed %d\n got %x\nwant %x", seed, got, want)
				}
			}
		})
	}
}

func randomProduce(r *rand.Rand, v int16) (ours, theirs []byte) {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = v
	topics := r.IntN(4)
	w := NewProduceResponse(make([]byte, 3), v, 42, topics, 3)
	for range topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = "flights", [16]byte{9, byte(r.IntN(200))}
		n := r.IntN(4)
		w.Topic(topic.Topic, topic.TopicID, n)
		for range n {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode, p.BaseOffset, p.LogAppendTime, p.LogStartOffset = r.Int32(), int16(r.IntN(100)-1), r.Int64(), r.Int64(), r.Int64()
			if r.IntN(2) == 0 {
				p.ErrorMessage = new("why it failed")
			}
			if r.IntN(2) == 0 && v >= 10 {
				p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = r.Int32N(9), r.Int32N(9)
			}
			var refused []RefusedRecord
			for i := range int32(r.IntN(3)) {
				refused = append(refused, RefusedRecord{i, "no key"})
				e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
				e.RelativeOffset, e.ErrorMessage = i, new("no key")
				p.ErrorRecords = append(p.ErrorRecords, e)
			}
			w.Partition(&ProducePartition{
				Refused: refused, Partition: p.Partition, ErrorCode: p.ErrorCode, BaseOffset: p.BaseOffset, LogAppendMs: p.LogAppendTime,
				LogStart: p.LogStartOffset, Message: p.ErrorMessage, LeaderID: p.CurrentLeader.LeaderID, LeaderEpoch: p.CurrentLeader.LeaderEpoch,
			})
			topic.Partitions = append(topic.Partitions, p)
		}
		w.EndTopic()
		resp.Topics = append(resp.Topics, topic)
	}
	var nodes []Node
	if v >= 10 {
		for id := range int32(r.IntN(3)) {
			nodes = append(nodes, Node{NodeID: id, Host: "127.0.0.10", Port: 9092, Rack: "use1-az1"})
			resp.Brokers = append(resp.Brokers, kmsg.ProduceResponseBroker{NodeID: id, Host: "127.0.0.10", Port: 9092, Rack: new("use1-az1")})
		}
	}
	return w.Frame(nodes, resp.ThrottleMillis), AppendResponse(nil, 42, resp)
}
