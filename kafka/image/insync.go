package image

import (
	"slices"

	"weir/metadata"
)

// InSync returns the replicas that Kafka would show in sync: those on brokers that serve, but for such as a reassignment is adding; if the leader is gone,
// only the leader, for nobody else has the data.
func InSync(p *metadata.PartitionAssignment, serves func(metadata.BrokerID) bool) []metadata.BrokerID {
	if !serves(p.Leader) {
		return []metadata.BrokerID{p.Leader}
	}
	isr := make([]metadata.BrokerID, 0, len(p.Replicas))
	for _, r := range p.Replicas {
		if serves(r) && !slices.Contains(p.Adding, r) {
			isr = append(isr, r)
		}
	}
	return isr
}
