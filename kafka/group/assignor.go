package group

import (
	"cmp"
	"slices"

	"weir/metadata"
)

// assignor computes a target assignment: pure, and the same for the same spec. Each partition of a topic that somebody subscribes to is given
// to exactly one subscriber.
type assignor func(spec) map[string]assignment

// assignors are those of the broker, by the names that clients ask for.
func assignors() map[string]assignor {
	return map[string]assignor{"uniform": uniform, "range": ranges}
}

// ranges gives each member a run of neighbouring partitions of each topic, so that topics with as many partitions and the same subscribers
// are divided alike. It does not care for who had what. Static members are in order of their instances, so that a restart changes nothing.
func ranges(s spec) map[string]assignment {
	members := slices.Clone(s.members)
	slices.SortFunc(members, func(a, b specMember) int {
		switch {
		case a.instance != "" && b.instance != "":
			return cmp.Compare(a.instance, b.instance)
		case a.instance != "":
			return -1
		case b.instance != "":
			return 1
		}
		return cmp.Compare(a.id, b.id)
	})
	subscribers := make(map[metadata.TopicID][]string, len(s.topics))
	out := make(map[string]assignment, len(members))
	for _, m := range members {
		out[m.id] = assignment{}
		for _, t := range m.topics {
			subscribers[t] = append(subscribers[t], m.id)
		}
	}
	for t, ids := range subscribers {
		n, next := s.topics[t], int32(0)
		each, more := n/int32(len(ids)), n%int32(len(ids))
		for i, id := range ids {
			size := each
			if int32(i) < more {
				size++
			}
			if size == 0 {
				break
			}
			run := make([]int32, size)
			for j := range run {
				run[j] = next
				next++
			}
			out[id][t] = run
		}
	}
	return out
}

// uniform gives members numbers of partitions that differ as little as their subscriptions allow, and lets them keep what they have.
//
//  1. Everyone keeps what is his and he may have; if all subscribe to the same, up to his share.
//  2. What is left goes to the subscriber with the least, topics with few subscribers first.
//  3. If subscriptions differ, partitions move from members with more to those with at least two less, until none can.
func uniform(s spec) map[string]assignment {
	u := newUniform(s)
	u.keep()
	u.give()
	if !u.same {
		u.balance()
	}
	return u.result()
}

// uniformRun is one computation.
type uniformRun struct {
	spec
	same        bool // all members subscribe to the same topics
	order       []metadata.TopicID
	subscribers map[metadata.TopicID][]int // members, by index
	owner       map[metadata.TopicID][]int // of each partition, -1 for none
	load        []int
}

func newUniform(s spec) *uniformRun {
	u := &uniformRun{
		spec: s, same: true, order: sortedTopics(s.topics), load: make([]int, len(s.members)),
		subscribers: make(map[metadata.TopicID][]int, len(s.topics)), owner: make(map[metadata.TopicID][]int, len(s.topics)),
	}
	for i, m := range s.members {
		u.same = u.same && slices.Equal(m.topics, s.members[0].topics)
		for _, t := range m.topics {
			u.subscribers[t] = append(u.subscribers[t], i)
		}
	}
	slices.SortStableFunc(u.order, func(a, b metadata.TopicID) int { return cmp.Compare(len(u.subscribers[a]), len(u.subscribers[b])) })
	for _, t := range u.order {
		own := make([]int, s.topics[t])
		for i := range own {
			own[i] = -1
		}
		u.owner[t] = own
	}
	return u
}

// keep leaves partitions where they are.
func (u *uniformRun) keep() {
	quota, extra := int(^uint(0)>>1), 0
	if u.same && len(u.members) > 0 {
		total := 0
		for _, t := range u.members[0].topics {
			total += int(u.topics[t])
		}
		quota, extra = total/len(u.members), total%len(u.members)
	}
	for i := range u.members {
		m := &u.members[i]
		had := 0
		for _, t := range m.topics {
			for _, p := range m.current[t] {
				if int(p) < len(u.owner[t]) {
					had++
				}
			}
		}
		limit := quota
		if had > quota && extra > 0 { // some have one more than others: who had more keeps more
			limit++
			extra--
		}
		for _, t := range m.topics {
			for _, p := range m.current[t] {
				if u.load[i] >= limit {
					break
				}
				if int(p) < len(u.owner[t]) && u.owner[t][p] < 0 {
					u.owner[t][p] = i
					u.load[i]++
				}
			}
		}
	}
}

// give assigns what nobody has.
func (u *uniformRun) give() {
	var all *leastLoaded // of all members, if all subscribe to the same
	for _, t := range u.order {
		subs := u.subscribers[t]
		if len(subs) == 0 {
			continue
		}
		l := all
		if l == nil {
			l = newLeastLoaded(subs, u.load)
			if u.same {
				all = l
			}
		}
		for p, own := range u.owner[t] {
			if own < 0 {
				u.owner[t][p] = l.take()
			}
		}
	}
}

// balancePasses bounds the search: each pass moves what it can of each topic, and few are needed.
const balancePasses = 100

// balance moves partitions as long as that makes two members' numbers more alike.
func (u *uniformRun) balance() {
	for range balancePasses {
		moved := false
		for _, t := range u.order {
			moved = u.balanceTopic(t) || moved
		}
		if !moved {
			return
		}
	}
}

func (u *uniformRun) balanceTopic(t metadata.TopicID) (moved bool) {
	subs := u.subscribers[t]
	if len(subs) < 2 {
		return false
	}
	l := newLeastLoaded(subs, u.load)
	for p, own := range u.owner[t] {
		if least := l.first(); u.load[own] >= u.load[least]+2 {
			u.owner[t][p] = l.take()
			u.load[own]--
			l.fix(own)
			moved = true
		}
	}
	return moved
}

func (u *uniformRun) result() map[string]assignment {
	out := make(map[string]assignment, len(u.members))
	for _, m := range u.members {
		out[m.id] = assignment{}
	}
	for t, own := range u.owner {
		for p, i := range own {
			if i >= 0 {
				a := out[u.members[i].id]
				a[t] = append(a[t], int32(p))
			}
		}
	}
	return out
}
