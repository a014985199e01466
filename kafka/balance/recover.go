package balance

import (
	"fmt"
	"slices"

	"weir/metadata"
)

// recover gives what recoverers lead to brokers that serve: to a replica if one of them does, which keeps the preferred leader what it is, so that the broker leads again
// when it is back; else to another broker in the place of the one that is down. It returns why the first of those that cannot go does not.
func (m *model) recover() (problem string) {
	if !m.img.Recovering() {
		return ""
	}
	for _, s := range m.spots {
		from := s.seen.Leader
		if _, ok := m.img.Recoverer(from); !ok || m.takes(s.seen.Target) {
			continue // it is led by a broker, or on its way to one
		}
		replicas := s.replicas
		p := m.successor(s, replicas)
		if p == nil {
			if p = m.substitute(s, without(replicas, []metadata.BrokerID{from}), from); p != nil {
				replicas = replaced(append(replicas[:0:0], replicas...), gone(replicas, from), p.id)
			}
		}
		if p == nil || !p.ready {
			if problem == "" {
				problem = fmt.Sprintf("partition %d of topic %s: broker %d leads it and cannot serve, and no other broker serves that could lead it", s.index, s.topic.Name, from)
			}
			continue
		}
		m.lend(s, replicas, p.id, metadata.MoveRecover)
	}
	return problem
}

// gone is which of the replicas makes room for another broker: the one that is down, or the first if that is not to be one any more.
func gone(replicas []metadata.BrokerID, down metadata.BrokerID) metadata.BrokerID {
	if slices.Contains(replicas, down) || len(replicas) == 0 {
		return down
	}
	return replicas[0]
}

// takes reports whether a broker may get partitions, and can now.
func (m *model) takes(b metadata.BrokerID) bool { return m.ready(b) && m.open(b) }
