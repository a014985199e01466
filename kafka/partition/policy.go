package partition

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	"weir/storage/tier"
)

// Policy is what the topic's configs ask for now. Of segment.ms, each partition takes off its own share of segment.jitter.ms, always the same one,
// so that the partitions of a topic do not all become due at once.
func (p *Partition) Policy() tier.Policy {
	kept, copied := p.whole()
	if kept {
		return tier.KeepAll()
	}
	c := p.config.Load()
	policy := c.Policy
	policy.Compact = policy.Compact && !copied // what was copied and what is still to be copied must be of one log
	if most := min(c.SegmentJitter, c.Policy.SegmentTime); most > 0 {
		policy.SegmentTime -= time.Duration(p.key.hash() % uint64(most))
	}
	return policy
}

func (k Key) hash() uint64 {
	h := fnv.New64a()
	_, _ = h.Write(k.Topic[:]) // never fails
	var index [4]byte
	binary.LittleEndian.PutUint32(index[:], uint32(k.Index))
	_, _ = h.Write(index[:])
	return h.Sum64()
}
