package balance

import (
	"math"
	"slices"

	"weir/metadata"
)

// Spreading lowers a sum: the squares of how many replicas, and how many leaders, each broker has, of each topic and in all. It is lowest if everything is even.
// Racks come before that. A step that does not lower the sum is not made, so that spreading ends. For the same reason no part of the steps is made but a beginning: the bound on
// copies ends the planning, it does not choose among what was planned.

// rackWeight is worth more than any unevenness.
const rackWeight = math.MaxInt32

// spread evens out replicas and leaders over the brokers that may have partitions and serve, with as little copying as it can.
func (m *model) spread() {
	for changed := true; changed; {
		for m.spreadReplicas(metadata.MoveSpread) {
		}
		changed = m.spreadLeaders()
	}
}

// spreadReplicas moves replicas that do not lead, which costs nothing.
func (m *model) spreadReplicas(cause metadata.MoveCause) (changed bool) {
	for _, s := range m.spots {
		if s.busy {
			continue
		}
		for _, from := range s.replicas {
			if from == s.leader {
				continue
			}
			if to, gain := m.better(s, from); gain < 0 {
				m.set(s, replaced(s.replicas, from, to), s.leader, cause)
				changed = true
			}
		}
	}
	return changed
}

// better returns the broker on which a replica would lower the sum most, and by how much.
func (m *model) better(s *spot, from metadata.BrokerID) (to metadata.BrokerID, gain int) {
	src := m.by[from]
	if src == nil {
		return 0, 0
	}
	of, racks := m.topics[s.topic.ID].replicas, m.racks(s.replicas)
	for _, p := range m.places {
		if !p.open || !p.ready || slices.Contains(s.replicas, p.id) {
			continue
		}
		g := step(of[from], of[p.id]) + step(src.replicas, p.replicas) + rackWeight*(racks-m.racks(replaced(s.replicas, from, p.id)))
		if g < gain {
			to, gain = p.id, g
		}
	}
	return to, gain
}

// step is by how much the sum of two squares grows if one of a goes to b.
func step(a, b int) int { return 2 * (b - a + 1) }

// spreadLeaders moves leaders: to another replica, or with the leader's replica to another broker.
func (m *model) spreadLeaders() (changed bool) {
	for _, s := range m.spots {
		src := m.by[s.leader]
		if s.busy || m.full(s) || src == nil || !src.ready {
			continue
		}
		c, racks := m.topics[s.topic.ID], m.racks(s.replicas)
		var to *place
		gain := 0
		for _, p := range m.places {
			if !p.open || !p.ready || p.id == s.leader {
				continue
			}
			g := step(c.leaders[s.leader], c.leaders[p.id]) + step(src.leaders, p.leaders)
			if !slices.Contains(s.replicas, p.id) {
				g += step(c.replicas[s.leader], c.replicas[p.id]) + step(src.replicas, p.replicas) + rackWeight*(racks-m.racks(replaced(s.replicas, s.leader, p.id)))
			}
			if g < gain {
				to, gain = p, g
			}
		}
		if to == nil {
			continue
		}
		replicas := s.replicas
		if !slices.Contains(replicas, to.id) {
			replicas = replaced(replicas, s.leader, to.id)
		}
		m.set(s, replicas, to.id, metadata.MoveSpread)
		changed = true
	}
	return changed
}

// prefer gives leaders back to their preferred brokers, where more than a share of those is led elsewhere.
func (m *model) prefer(percentage float64) {
	type tally struct{ all, off int }
	by := make(map[metadata.BrokerID]*tally)
	away := func(s *spot) bool {
		return s.leader != s.replicas[0] && m.ready(s.leader) && m.ready(s.replicas[0]) && m.open(s.replicas[0])
	}
	for _, s := range m.spots {
		if len(s.replicas) == 0 {
			continue
		}
		t := by[s.replicas[0]]
		if t == nil {
			t = new(tally)
			by[s.replicas[0]] = t
		}
		t.all++
		if away(s) {
			t.off++
		}
	}
	for _, s := range m.spots {
		if s.busy || m.full(s) || len(s.replicas) == 0 || !away(s) {
			continue
		}
		if t := by[s.replicas[0]]; float64(t.off)*100 > percentage*float64(t.all) {
			m.set(s, s.replicas, s.replicas[0], metadata.MovePreferred)
		}
	}
}
