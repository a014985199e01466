package wire

import (
	"encoding/binary"
	"net"
	"slices"

	"weir/storage/buffer"
)

// The fetch response, versions 4 to 18, written by hand: kmsg would copy all record batches into one slice.
// v5 adds the log start offset (KIP-107); v7 the session (KIP-227); v11 the preferred read replica (KIP-392); v12 is flexible and has the
// current leader and where logs diverge (KIP-595); v13 names topics by id (KIP-516); v16 has the leaders' endpoints (KIP-951).

// FetchResponse is the content of one response.
type FetchResponse struct {
	Version        int16
	ThrottleMillis int32
	ErrorCode      int16
	SessionID      int32
	Topics         []FetchTopic
	Brokers        []Node // v16: leaders of partitions that answered NOT_LEADER_OR_FOLLOWER
}

// FetchTopic holds the partitions of one topic.
type FetchTopic struct {
	Topic      string // to v12
	TopicID    [16]byte
	Partitions []FetchPartition
}

// FetchPartition is the answer for one partition.
type FetchPartition struct {
	Partition     int32
	ErrorCode     int16
	HighWatermark int64
	LastStable    int64
	LogStart      int64
	ListAborted   bool // the list of aborted transactions is there even if empty, and not null: for read_committed, and where Kafka answers without a log
	Aborted       []FetchAborted
	Segments      [][]byte       // whole record batches; they are written, never copied. One that is nil lies in a file: it is the next of Files
	Files         []buffer.Range // as many as Segments has nils
	LeaderID      int32          // v12, with LeaderEpoch: -1 unless the client should go there
	LeaderEpoch   int32

	Diverges       bool // v12: the client's log and ours part at the latest where DivergingEpoch ended
	DivergingEpoch int32
	DivergingEnd   int64
}

// FetchAborted is an aborted transaction.
type FetchAborted struct{ ProducerID, FirstOffset int64 }

// headSize bounds the size of the response without its record batches, so that encoding takes one allocation.
func (r *FetchResponse) headSize() int {
	n := 64
	for i := range r.Topics {
		n += 32 + len(r.Topics[i].Topic)
		for j := range r.Topics[i].Partitions {
			n += 80 + 17*len(r.Topics[i].Partitions[j].Aborted)
		}
	}
	for i := range r.Brokers {
		n += 24 + len(r.Brokers[i].Host) + len(r.Brokers[i].Rack)
	}
	return n
}

// AppendFiles appends the ranges for which AppendFrame leaves a nil among the buffers, in order.
func (r *FetchResponse) AppendFiles(files []buffer.Range) []buffer.Range {
	for i := range r.Topics {
		for j := range r.Topics[i].Partitions {
			files = append(files, r.Topics[i].Partitions[j].Files...)
		}
	}
	return files
}

// AppendFrame appends the whole frame to bufs, as buffers to write in order: pieces of one allocation, and between them the segments
// themselves. A nil among them stands for the next of AppendFiles.
func (r *FetchResponse) AppendFrame(bufs net.Buffers, correlationID int32) net.Buffers {
	e := fetchEncoder{encoder: encoder{v: r.Version, flexible: r.Version >= 12, dst: make([]byte, 0, r.headSize())}}
	e.dst = appendHeader(e.dst, 1, correlationID, e.flexible)
	e.int32(r.ThrottleMillis)
	if e.v >= 7 {
		e.int16(r.ErrorCode)
		e.int32(r.SessionID)
	}
	e.count(len(r.Topics))
	for i := range r.Topics {
		e.topic(&r.Topics[i])
	}
	e.nodes(r.Brokers, r.Version >= 16)
	binary.BigEndian.PutUint32(e.dst, uint32(len(e.dst)+e.recordBytes-4))
	return e.appendTo(bufs)
}

type fetchEncoder struct {
	encoder
	cuts        []fetchCut
	segments    int
	recordBytes int
}

// fetchCut says that segments belong after dst[:at].
type fetchCut struct {
	at       int
	segments [][]byte
}

func (e *fetchEncoder) appendTo(bufs net.Buffers) net.Buffers {
	bufs = slices.Grow(bufs, 1+len(e.cuts)+e.segments)
	from := 0
	for _, c := range e.cuts {
		bufs = append(bufs, e.dst[from:c.at:c.at])
		bufs = append(bufs, c.segments...)
		from = c.at
	}
	if from < len(e.dst) {
		bufs = append(bufs, e.dst[from:])
	}
	return bufs
}

func (e *fetchEncoder) topic(t *FetchTopic) {
	if e.v >= 13 {
		e.dst = append(e.dst, t.TopicID[:]...)
	} else {
		e.text(t.Topic)
	}
	e.count(len(t.Partitions))
	for i := range t.Partitions {
		e.partition(&t.Partitions[i])
	}
	e.noTags()
}

func (e *fetchEncoder) partition(p *FetchPartition) {
	e.int32(p.Partition)
	e.int16(p.ErrorCode)
	e.int64(p.HighWatermark)
	e.int64(p.LastStable)
	if e.v >= 5 {
		e.int64(p.LogStart)
	}
	if !p.ListAborted {
		e.count(-1)
	} else {
		e.count(len(p.Aborted))
		for _, a := range p.Aborted {
			e.int64(a.ProducerID)
			e.int64(a.FirstOffset)
			e.noTags()
		}
	}
	if e.v >= 11 {
		e.int32(-1) // preferred read replica: read from the leader
	}
	n := 0
	for _, s := range p.Segments {
		n += len(s)
	}
	for i := range p.Files {
		n += int(p.Files[i].Len)
	}
	e.count(n)
	if n > 0 {
		e.cuts = append(e.cuts, fetchCut{at: len(e.dst), segments: p.Segments})
		e.segments += len(p.Segments)
		e.recordBytes += n
	}
	if !e.flexible {
		return
	}
	if p.Diverges { // never with a leader, which goes with an error
		e.dst = append(e.dst, 1, 0, 13) // one tagged field: number 0, of 13 bytes
		e.int32(p.DivergingEpoch)
		e.int64(p.DivergingEnd)
		e.noTags()
		return
	}
	e.leader(1, p.LeaderID, p.LeaderEpoch)
}
