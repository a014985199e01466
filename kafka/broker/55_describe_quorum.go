package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/metadata"
)

// clusterMetadata is the topic in which Kafka's quorum keeps the metadata. Weir has none: its metadata are in a store of their own.
const clusterMetadata = "__cluster_metadata"

// DescribeQuorum (key 55), versions 0-2. Served by any broker from its image. v1 has the times of fetches (KIP-836), v2 the nodes' endpoints (KIP-853).
// What Kafka's tools want to know is told in their terms: the broker that clients are told is the controller leads the quorum and is its only voter, the other
// brokers observe, and offsets are revisions of the metadata.
// Errors per partition: UNKNOWN_TOPIC_OR_PARTITION for all, and no nodes, unless the request asks for partition 0 of __cluster_metadata and nothing else.
func (b *Broker) describeQuorum(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeQuorumRequest](r), kmsg.NewPtrDescribeQuorumResponse()
	img := b.image.Current()
	fits := len(req.Topics) == 1 && req.Topics[0].Topic == clusterMetadata && len(req.Topics[0].Partitions) == 1 && req.Topics[0].Partitions[0].Partition == 0
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewDescribeQuorumResponseTopic()
		out.Topic = in.Topic
		for j := range in.Partitions {
			p := kmsg.NewDescribeQuorumResponseTopicPartition()
			p.Partition = in.Partitions[j].Partition
			if fits {
				describeController(&p, img)
			} else {
				p.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	if !fits {
		return resp
	}
	for i := range img.Brokers {
		s := &img.Brokers[i]
		if !s.Ready {
			continue
		}
		n := kmsg.NewDescribeQuorumResponseNode()
		n.NodeID = int32(s.Broker)
		for _, e := range s.Endpoints {
			l := kmsg.NewDescribeQuorumResponseNodeListener()
			l.Name, l.Host, l.Port = e.Name, e.Host, uint16(e.Port)
			n.Listeners = append(n.Listeners, l)
		}
		resp.Nodes = append(resp.Nodes, n)
	}
	return resp
}

func describeController(p *kmsg.DescribeQuorumResponseTopicPartition, img *image.Image) {
	c, _ := img.Controller()
	p.LeaderID, p.LeaderEpoch, p.HighWatermark = int32(c.Broker), 1, int64(img.Revision)
	for i := range img.Brokers {
		s := &img.Brokers[i]
		if !s.Ready {
			continue
		}
		state := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		state.ReplicaID, state.LogEndOffset = int32(s.Broker), int64(img.Revision)
		state.LastFetchTimestamp, state.LastCaughtUpTimestamp = -1, -1
		state.ReplicaDirectoryID = directoryID(s)
		if s.Broker == c.Broker { // the log is its own
			now := time.Now().UnixMilli()
			state.LastFetchTimestamp, state.LastCaughtUpTimestamp = now, now
			p.CurrentVoters = append(p.CurrentVoters, state)
		} else {
			p.Observers = append(p.Observers, state)
		}
	}
}

// directoryID makes up an id of a broker's metadata directory, which stays the same in all its lives. It looks like a version 8 UUID.
func directoryID(s *metadata.Session) (id [16]byte) {
	copy(id[:], "weir-broker")
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	for i := range 4 {
		id[12+i] = byte(uint32(s.Broker) >> (8 * (3 - i)))
	}
	return id
}
