package wire

import (
	"encoding/binary"
	"slices"
)

// ProduceResponse writes the produce response, versions 3 to 13, piece by piece into memory that can be used again: it is the answer that brokers send most.
// v5 adds the log start offset; v8 error messages and the records that caused an error (KIP-467); v9 is flexible; v10 has the
// current leader and the leaders' endpoints (KIP-951); v13 names topics by id (KIP-516).
//
// Call Topic, then Partition as often as Topic was told, then EndTopic, for each topic; then Frame.
type ProduceResponse struct{ e encoder }

// NewProduceResponse begins a frame in dst, from its start, that will hold that many topics and partitions.
func NewProduceResponse(dst []byte, version int16, correlationID int32, topics, partitions int) ProduceResponse {
	e := encoder{v: version, flexible: version >= 9, dst: slices.Grow(dst[:0], 32+48*topics+56*partitions)}
	e.dst = appendHeader(e.dst, 0, correlationID, e.flexible)
	e.count(topics)
	return ProduceResponse{e}
}

// Topic begins a topic.
func (r *ProduceResponse) Topic(name string, id [16]byte, partitions int) {
	if r.e.v >= 13 {
		r.e.dst = append(r.e.dst, id[:]...)
	} else {
		r.e.text(name)
	}
	r.e.count(partitions)
}

// ProducePartition is the outcome for one partition.
type ProducePartition struct {
	Partition   int32
	ErrorCode   int16
	BaseOffset  int64
	LogAppendMs int64
	LogStart    int64
	Refused     []RefusedRecord // v8: that caused the error
	Message     *string         // v8
	LeaderID    int32           // v10, with LeaderEpoch: -1 unless the client should go there
	LeaderEpoch int32
}

// RefusedRecord is a record for which a whole batch was refused.
type RefusedRecord struct {
	Index   int32 // in the batch
	Message string
}

// Partition adds a partition to the topic.
func (r *ProduceResponse) Partition(p *ProducePartition) {
	e := &r.e
	e.int32(p.Partition)
	e.int16(p.ErrorCode)
	e.int64(p.BaseOffset)
	e.int64(p.LogAppendMs)
	if e.v >= 5 {
		e.int64(p.LogStart)
	}
	if e.v >= 8 {
		e.count(len(p.Refused))
		for i := range p.Refused {
			e.int32(p.Refused[i].Index)
			e.nullText(&p.Refused[i].Message)
			e.noTags()
		}
		e.nullText(p.Message)
	}
	if !e.flexible {
		return
	}
	if e.v < 10 {
		e.noTags()
		return
	}
	e.leader(0, p.LeaderID, p.LeaderEpoch)
}

// EndTopic ends the topic.
func (r *ProduceResponse) EndTopic() { r.e.noTags() }

// Frame ends the response and returns the whole frame. Leaders is for versions from 10 on.
func (r *ProduceResponse) Frame(leaders []Node, throttleMillis int32) []byte {
	r.e.int32(throttleMillis)
	r.e.nodes(leaders, r.e.v >= 10)
	binary.BigEndian.PutUint32(r.e.dst, uint32(len(r.e.dst)-4))
	return r.e.dst
}
