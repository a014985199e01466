package broker

import (
	"encoding/binary"
	"io"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
	"weir/storage/batch"
)

func errGone() error { return kerr.UnknownTopicOrPartition }

// frame reads one response frame.
func (c *wireConn) frame() (correlationID int32, rest []byte, err error) {
	var prefix [4]byte
	if _, err := io.ReadFull(c, prefix[:]); err != nil {
		return 0, nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return 0, nil, err
	}
	return int32(binary.BigEndian.Uint32(b)), b[4:], nil
}

// receive reads the response to req into its kind.
func receive[R kmsg.Response](c *wireConn, req kmsg.Request, wantID int32) R {
	c.t.Helper()
	id, body, err := c.frame()
	if err != nil {
		c.t.Fatalf("%T: %v", req, err)
	}
	if id != wantID {
		c.t.Fatalf("%T: got the answer of request %d, want %d", req, id, wantID)
	}
	resp := req.ResponseKind()
	if resp.IsFlexible() && resp.Key() != apiVersionsKey {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		c.t.Fatalf("%T: %v", req, err)
	}
	return resp.(R)
}

// records makes a batch of n records with values of size bytes.
func records(n, size int) []byte {
	b := batch.NewBuilder()
	for i := range n {
		b.Add(1_700_000_000_000+int64(i), []byte(strconv.Itoa(i)), make([]byte, size))
	}
	return b.Batch()
}

// produceReq asks to append to partition 0 and following of the topic, one batch each.
func produceReq(version int16, acks int16, topic string, id metadata.TopicID, batches ...[]byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = version, acks
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, id
	for i, b := range batches {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), b
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// fetchReq asks for partitions 0 to n-1 of the topic from the offset on.
func fetchReq(version int16, topic string, id metadata.TopicID, n int32, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = version, 10_000, 1, 50<<20
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, id
	for i := range n {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = i, offset, 1<<20
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}
