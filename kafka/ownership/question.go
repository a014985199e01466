package ownership

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// Peers asks other brokers of the cluster.
type Peers interface {
	Request(ctx context.Context, to metadata.BrokerID, req kmsg.Request) (kmsg.Response, error)
}

// Tag is the number of the tagged field (KIP-482) in which AlterPartitionReassignments carries what brokers say to each other about a partition that
// moves, both in the request and in the response. Kafka's own tags are small numbers, and whoever does not know a tag passes over it.
const Tag = 0x57656972

// What a target may ask.
const (
	askRead = "read" // batches from an offset on; with no bytes at all, only how the log is
	askTake = "take" // the state, after which the leader takes nothing any more
	askKeep = "keep" // nothing: the leader may go on
	askHave = "have" // nothing: whether the leader has all that the other has, which is no target

	askTraffic = "traffic" // of no partition: what those that the broker leads have carried
)

// question is what the target of a move asks the leader.
type question struct {
	What      string               `json:"what"`
	Topic     metadata.TopicID     `json:"topic"`
	Partition int32                `json:"partition"`
	By        metadata.BrokerID    `json:"by"`
	Epoch     metadata.LeaderEpoch `json:"epoch"`    // that the target believes to be the leader's
	Revision  metadata.Revision    `json:"revision"` // at which it believes so
	From      int64                `json:"from"`
	Bytes     int32                `json:"bytes"`
	Last      metadata.LeaderEpoch `json:"last,omitempty"` // of the record before From
}

// answer is what the leader says. Data follows it: batches or a state.
type answer struct {
	Code    int16  `json:"code,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Version uint64 `json:"version"` // see partition.Copied
	Start   int64  `json:"start"`
	End     int64  `json:"end"`  // what is durable
	Next    int64  `json:"next"` // where to go on reading
	Has     bool   `json:"has,omitempty"`
	data    []byte
}

// encode puts the data behind the JSON, which has no line feeds.
func (a *answer) encode() []byte {
	return append(append(metadata.Encode(a), '\n'), a.data...)
}

var errAnswer = errors.New("ownership: no answer to a question about a partition that moves")

func decodeAnswer(b []byte) (*answer, error) {
	head, data, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return nil, errAnswer
	}
	a := &answer{}
	if err := json.Unmarshal(head, a); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	a.data = data
	if a.Code != 0 {
		return nil, fmt.Errorf("%s: %w", a.Reason, kerr.ErrorForCode(a.Code))
	}
	return a, nil
}

// ask asks the leader.
func ask(ctx context.Context, peers Peers, leader metadata.BrokerID, q question) (*answer, error) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.UnknownTags.Set(Tag, metadata.Encode(q))
	resp, err := peers.Request(ctx, leader, req)
	if err != nil {
		return nil, err
	}
	var found []byte
	if r, ok := resp.(*kmsg.AlterPartitionAssignmentsResponse); ok {
		r.UnknownTags.Each(func(tag uint32, b []byte) {
			if tag == Tag {
				found = b
			}
		})
	}
	return decodeAnswer(found)
}
