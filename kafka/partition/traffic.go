package partition

import (
	"sync/atomic"

	"weir/metadata"
)

// Traffic is what a partition carried since it was opened in that leader epoch, in bytes of batches.
type Traffic struct {
	Topic metadata.TopicID     `json:"t"`
	Index int32                `json:"p"`
	Epoch metadata.LeaderEpoch `json:"e"`
	In    int64                `json:"i"` // that became durable
	Out   int64                `json:"o"` // that were read
}

// traffic counts what a partition carries.
type traffic struct{ in, out atomic.Int64 }

// Traffic says what the partition carried.
func (p *Partition) Traffic() Traffic {
	return Traffic{Topic: p.key.Topic, Index: p.key.Index, Epoch: p.epoch, In: p.traffic.in.Load(), Out: p.traffic.out.Load()}
}
