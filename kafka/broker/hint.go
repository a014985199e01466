package broker

import (
	"weir/kafka/image"
	"weir/kafka/wire"
	"weir/metadata"
)

// leaderHint tells a client that asked the wrong broker where to go (KIP-951). The zero value is no hint: broker ids begin at 1.
type leaderHint struct {
	leader metadata.BrokerID
	epoch  metadata.LeaderEpoch
}

// hint returns what the image says of the partition's leader.
func hint(t *image.Topic, index int32) leaderHint {
	if t == nil || index < 0 || int(index) >= len(t.Partitions) {
		return leaderHint{}
	}
	p := t.Partitions[index]
	return leaderHint{leader: p.Leader, epoch: p.Epoch}
}

// nodeOf returns where a client of that listener reaches the broker; ok is false if it cannot.
func nodeOf(s metadata.Session, listener string) (n wire.Node, ok bool) {
	if !s.Ready {
		return wire.Node{}, false
	}
	for _, e := range s.Endpoints {
		if e.Name == listener {
			return wire.Node{NodeID: int32(s.Broker), Host: e.Host, Port: e.Port, Rack: s.Rack}, true
		}
	}
	return wire.Node{}, false
}

// hinted collects the endpoints of the leaders that an answer names, each once.
type hinted struct {
	img      *image.Image
	listener string
	nodes    []wire.Node
}

func (h *hinted) add(id metadata.BrokerID) {
	for _, n := range h.nodes {
		if n.NodeID == int32(id) {
			return
		}
	}
	s, ok := h.img.Broker(id)
	if !ok {
		return
	}
	if n, ok := nodeOf(s, h.listener); ok {
		h.nodes = append(h.nodes, n)
	}
}

// nullable is s as Kafka's protocol has it: null rather than empty.
func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
