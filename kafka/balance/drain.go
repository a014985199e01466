package balance

import (
	"cmp"
	"fmt"
	"slices"

	"weir/metadata"
)

// drain takes what is on brokers that leave to others. It returns how many partitions are not away yet, and why the first of those that cannot go now does not.
func (m *model) drain() (remaining int, problem string) {
	stuck := 0
	for _, s := range m.spots {
		if !m.touchesDrained(s) {
			continue
		}
		remaining++
		if !slices.ContainsFunc(s.replicas, m.img.Draining) && !m.img.Draining(s.leader) && m.ready(s.leader) {
			continue // it is on its way
		}
		if why := m.replace(s); why != "" {
			stuck++
			if problem == "" {
				problem = fmt.Sprintf("partition %d of topic %s: %s", s.index, s.topic.Name, why)
			}
		}
	}
	if stuck > 1 {
		problem += fmt.Sprintf(" (and %d more partitions)", stuck-1)
	}
	return remaining, problem
}

// touchesDrained reports whether anything of a partition is on a broker that leaves.
func (m *model) touchesDrained(s *spot) bool {
	return m.img.Draining(s.seen.Leader) || m.img.Draining(s.seen.Target) || slices.ContainsFunc(s.seen.Replicas, m.img.Draining)
}

// replace gives a partition other replicas for those on brokers that leave: as many, if there are brokers enough, and over as many racks as possible.
func (m *model) replace(s *spot) (problem string) {
	// The data have to move, or are on their way from a broker that is not to have the partition any more.
	held := m.img.Draining(s.seen.Leader) || !slices.Contains(s.replicas, s.seen.Leader)
	switch {
	case s.cause == metadata.MoveRecover:
		return "" // that comes first
	case held && !m.ready(s.seen.Leader):
		return fmt.Sprintf("broker %d leads it and is down, and nobody else has its data; it moves when that broker is back", s.seen.Leader)
	case s.busy && s.seen.Cause == "" && !m.touchesAfter(s):
		return "" // a client's, which leads away from the broker, and whose target is expected back
	}
	kept := slices.Clone(s.replicas)
	for _, b := range s.replicas {
		if !m.img.Draining(b) {
			continue
		}
		if p := m.substitute(s, kept, b); p != nil {
			kept = replaced(kept, b, p.id)
		} else {
			kept = without(kept, []metadata.BrokerID{b}) // fewer brokers than replicas remain
		}
	}
	if len(kept) == 0 {
		return "no broker is left that could have it"
	}
	leader := s.seen.Leader
	if held {
		p := m.successor(s, kept)
		if p == nil { // those that are to have it are down, for now
			for _, b := range kept {
				if p = m.substitute(s, kept, b); p != nil && p.ready {
					kept = replaced(kept, b, p.id)
					break
				}
			}
		}
		if p == nil || !p.ready {
			return "none of the brokers that could lead it serves"
		}
		leader = p.id
	}
	m.set(s, kept, leader, metadata.MoveDrain)
	return ""
}

// touchesAfter reports whether a partition will still be on a broker that leaves.
func (m *model) touchesAfter(s *spot) bool {
	return m.img.Draining(s.leader) || slices.ContainsFunc(s.replicas, m.img.Draining)
}

// substitute chooses a replica instead of another: in a rack of its own if possible, one that serves, with few of the topic and few in all.
func (m *model) substitute(s *spot, kept []metadata.BrokerID, gone metadata.BrokerID) *place {
	of := m.topics[s.topic.ID].replicas
	staying := slices.DeleteFunc(slices.Clone(kept), m.img.Draining)
	return best(m.places,
		func(p *place) bool { return p.open && !slices.Contains(kept, p.id) && p.id != gone },
		func(a, b *place) int {
			return cmp.Or(
				cmp.Compare(m.racks(append(slices.Clone(staying), b.id)), m.racks(append(slices.Clone(staying), a.id))),
				yes(b.ready, a.ready),
				cmp.Compare(of[a.id], of[b.id]),
				cmp.Compare(a.replicas, b.replicas),
			)
		})
}

// successor chooses who leads.
func (m *model) successor(s *spot, replicas []metadata.BrokerID) *place {
	of := m.topics[s.topic.ID].leaders
	return best(m.places,
		func(p *place) bool { return p.open && p.ready && slices.Contains(replicas, p.id) },
		func(a, b *place) int {
			return cmp.Or(cmp.Compare(of[a.id], of[b.id]), cmp.Compare(a.load, b.load), cmp.Compare(a.leaders, b.leaders))
		})
}

func yes(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
