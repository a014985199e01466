package group

import (
	"cmp"
	"slices"

	"weir/metadata"
)

// simple is the assignor of share groups: each member gets some of the partitions of the topics that it subscribes to, each partition has as many
// members as the others, and nobody changes more than that needs. Members with the same subscription are dealt with together, without
// regard to the others, since any number of members may have a partition. Only partitions that are ready are given out.
func simple(s spec, ready assignment) map[string]assignment {
	out := make(map[string]assignment, len(s.members))
	classes := make(map[string][]*specMember)
	var order []string
	for i := range s.members {
		m := &s.members[i]
		out[m.id] = assignment{}
		key := make([]byte, 0, 16*len(m.topics))
		for _, t := range m.topics {
			key = append(key, t[:]...)
		}
		if _, ok := classes[string(key)]; !ok {
			order = append(order, string(key))
		}
		classes[string(key)] = append(classes[string(key)], m)
	}
	for _, key := range order {
		members := classes[key]
		simpleClass(members, members[0].topics, ready, out)
	}
	for _, a := range out {
		for t := range a {
			slices.Sort(a[t])
		}
	}
	return out
}

// sharer is a member while simpleClass works on it.
type sharer struct {
	member *specMember
	want   int // partitions
	has    map[partitionID]bool
}

func simpleClass(members []*specMember, topics []metadata.TopicID, ready assignment, out map[string]assignment) {
	var parts []partitionID
	for _, t := range topics {
		for _, p := range ready[t] {
			parts = append(parts, partitionID{t, p})
		}
	}
	if len(parts) == 0 {
		return
	}
	n := len(members)
	sharing := (n + len(parts) - 1) / len(parts) // members of each partition
	total := sharing * len(parts)
	shared := make(map[partitionID]int, len(parts))
	sharers := make([]*sharer, n)
	for i, m := range members {
		// The members' shares of the total differ by one at most.
		x := &sharer{member: m, want: (total*(i+1)+n-1)/n - (total*i+n-1)/n, has: make(map[partitionID]bool)}
		sharers[i] = x
		for _, t := range topics {
			for _, p := range m.current[t] {
				id := partitionID{t, p}
				if _, ok := slices.BinarySearch(ready[t], p); ok && len(x.has) < x.want && shared[id] < sharing {
					x.has[id] = true
					shared[id]++
				}
			}
		}
	}
	// Who lacks most is first.
	short := slices.DeleteFunc(slices.Clone(sharers), func(x *sharer) bool { return len(x.has) >= x.want })
	slices.SortStableFunc(short, func(a, b *sharer) int { return cmp.Compare(b.want-len(b.has), a.want-len(a.has)) })
	at := 0
	for _, id := range parts {
		for tries := 0; shared[id] < sharing && tries < len(short); at++ {
			x := short[at%len(short)]
			tries++
			if x.has[id] || len(x.has) >= x.want {
				continue
			}
			x.has[id] = true
			shared[id]++
			tries = 0
		}
	}
	for _, x := range sharers {
		a := out[x.member.id]
		for id := range x.has {
			a[id.topic] = append(a[id.topic], id.partition)
		}
	}
}
