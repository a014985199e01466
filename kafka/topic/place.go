package topic

import (
	"slices"

	"weir/metadata"
)

// place assigns replicas as Kafka does: the first replica of partition p is broker (start + p) mod n; the others follow at a distance
// that shifts each time p has gone round all brokers, so that followers of one leader spread. With racks, a rack is used
// again only when all have been used. Brokers must not be empty and 1 <= factor <= len(brokers).
func place(brokers []metadata.Session, start, partitions, factor int) [][]metadata.BrokerID {
	order, racks := alternateRacks(brokers)
	n := len(order)
	out := make([][]metadata.BrokerID, partitions)
	shift := start
	for p := range partitions {
		if p > 0 && (start+p)%n == 0 {
			shift++
		}
		first := (start + p) % n
		replicas := []metadata.BrokerID{order[first].Broker}
		usedRacks := map[string]bool{order[first].Rack: true}
		for k := 0; len(replicas) < factor; k++ {
			b := order[(first+1+(shift+k)%(n-1))%n]
			if slices.Contains(replicas, b.Broker) || usedRacks[b.Rack] && len(usedRacks) < racks {
				continue
			}
			replicas = append(replicas, b.Broker)
			usedRacks[b.Rack] = true
		}
		out[p] = replicas
	}
	return out
}

// alternateRacks orders brokers so that neighbours are in different racks. If any broker has no rack, racks are ignored.
func alternateRacks(brokers []metadata.Session) (order []metadata.Session, racks int) {
	byRack := make(map[string][]metadata.Session)
	var names []string
	for _, b := range brokers {
		if b.Rack == "" {
			order = slices.Clone(brokers)
			for i := range order {
				order[i].Rack = ""
			}
			return order, 1
		}
		if byRack[b.Rack] == nil {
			names = append(names, b.Rack)
		}
		byRack[b.Rack] = append(byRack[b.Rack], b)
	}
	slices.Sort(names)
	for i := 0; len(order) < len(brokers); i++ {
		for _, r := range names {
			if i < len(byRack[r]) {
				order = append(order, byRack[r][i])
			}
		}
	}
	return order, len(names)
}
