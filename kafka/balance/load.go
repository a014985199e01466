package balance

import (
	"slices"

	"weir/metadata"
)

const (
	// weightBase is the load of a partition without traffic, in bytes a second, so that idle partitions are spread as well.
	weightBase = 16 << 10
	// Levelling begins when a broker has beginAbove times the average load and ends when none has more than endAbove; a step has to be worth gainMin of the average.
	// Between these the cluster rests, whatever small changes there are.
	beginAbove = 1.25
	endAbove   = 1.10
	gainMin    = 0.05
	// uneven is how many replicas a broker may have more than the average before replicas are evened out.
	uneven = 1.25
)

// skewed reports whether some broker has much more load than the average of those that may have some.
func (m *model) skewed() bool {
	_, top, average := m.loads(func(*place) bool { return true })
	return top != nil && top.load > beginAbove*average
}

// loads returns the brokers that levelling is among, the one with most load of those that are asked for, and the average.
func (m *model) loads(ask func(*place) bool) (list []*place, top *place, average float64) {
	for _, p := range m.places {
		if !p.open || !p.ready {
			continue
		}
		list = append(list, p)
		average += p.load
		if ask(p) && (top == nil || p.load > top.load) {
			top = p
		}
	}
	if len(list) > 0 {
		average /= float64(len(list))
	}
	return list, top, average
}

// level moves leaders from brokers with much load to such as have little. rests says of which partitions the leader stays for now.
func (m *model) level(rests func(*spot) bool) {
	given := make(map[metadata.BrokerID]bool) // brokers of which nothing more can be moved
	for m.copying < m.room {
		list, top, average := m.loads(func(p *place) bool { return !given[p.id] })
		if top == nil || top.load <= endAbove*average {
			return
		}
		s, to := m.lighten(top, list, average, rests)
		if s == nil {
			given[top.id] = true
			continue
		}
		replicas := s.replicas
		if !slices.Contains(replicas, to.id) {
			replicas = replaced(replicas, top.id, to.id)
		}
		m.set(s, replicas, to.id, metadata.MoveLoad)
	}
}

// lighten finds the leader on a broker, and where to, that lowers the higher of the two brokers' loads most. Of equals, one whose replicas stay.
func (m *model) lighten(from *place, list []*place, average float64, rests func(*spot) bool) (found *spot, to *place) {
	least, stays := from.load-gainMin*average, false
	for _, s := range m.spots {
		if s.leader != from.id || s.busy || s.cause != "" || rests(s) {
			continue
		}
		racks := m.racks(s.replicas)
		for _, p := range list {
			if p == from {
				continue
			}
			member := slices.Contains(s.replicas, p.id)
			if !member && m.racks(replaced(s.replicas, from.id, p.id)) < racks {
				continue
			}
			after := max(from.load-s.weight, p.load+s.weight)
			if after < least || after == least && found != nil && member && !stays {
				found, to, least, stays = s, p, after, member
			}
		}
	}
	return found, to
}

// even evens out replicas that do not lead if some broker has many more or fewer than the average.
func (m *model) even() {
	n, least, most, sum := 0, 0, 0, 0
	for _, p := range m.places {
		if !p.open || !p.ready {
			continue
		}
		if n == 0 || p.replicas < least {
			least = p.replicas
		}
		most = max(most, p.replicas)
		sum += p.replicas
		n++
	}
	if n == 0 || most-least < 2 || float64(most*n) <= uneven*float64(sum) && float64(least*n)*uneven >= float64(sum) {
		return
	}
	for m.spreadReplicas(metadata.MoveLoad) {
	}
}
