package group

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"weir/metadata"
)

// checkAssignment fails unless every partition of a topic with subscribers has exactly one owner, who subscribes to it.
func checkAssignment(t *testing.T, s spec, got map[string]assignment) {
	t.Helper()
	owner := map[partitionID]string{}
	subscribed := map[metadata.TopicID]bool{}
	for _, m := range s.members {
		for _, topic := range m.topics {
			subscribed[topic] = true
		}
		for topic, ps := range got[m.id] {
			if !slices.Contains(m.topics, topic) {
				t.Fatalf("%s has a topic that it does not subscribe to", m.id)
			}
			if !slices.IsSorted(ps) || len(ps) == 0 {
				t.Fatalf("%s has partitions %v", m.id, ps)
			}
			for _, p := range ps {
				id := partitionID{topic, p}
				if other, ok := owner[id]; ok {
					t.Fatalf("%v belongs to %s and %s", id, other, m.id)
				}
				owner[id] = m.id
			}
		}
	}
	for topic := range subscribed {
		for p := range s.topics[topic] {
			if owner[partitionID{topic, p}] == "" {
				t.Fatalf("partition %d of a topic belongs to nobody", p)
			}
		}
	}
}

// randomSpec has topics and members, all of which subscribe to the same if same is set.
func randomSpec(r *rand.Rand, same bool) spec {
	s := spec{topics: map[metadata.TopicID]int32{}}
	var topics []metadata.TopicID
	for i := range 1 + r.IntN(5) {
		id := metadata.TopicID{byte(i + 1)}
		topics = append(topics, id)
		s.topics[id] = int32(1 + r.IntN(12))
	}
	for i := range 1 + r.IntN(8) {
		m := specMember{id: fmt.Sprint("m", i)}
		for _, id := range topics {
			if same || r.IntN(2) == 0 {
				m.topics = append(m.topics, id)
			}
		}
		s.members = append(s.members, m)
	}
	for id := range s.topics { // as modern.spec: topics without subscribers are not there
		if !slices.ContainsFunc(s.members, func(m specMember) bool { return slices.Contains(m.topics, id) }) {
			delete(s.topics, id)
		}
	}
	return s
}

// next is s after the assignment, without one member or with one more.
func (s spec) next(got map[string]assignment, r *rand.Rand) spec {
	out := spec{topics: s.topics}
	gone := -1
	if len(s.members) > 1 && r.IntN(2) == 0 {
		gone = r.IntN(len(s.members))
	}
	for i, m := range s.members {
		if i != gone {
			m.current = got[m.id]
			out.members = append(out.members, m)
		}
	}
	if gone < 0 {
		out.members = append(out.members, specMember{id: fmt.Sprint("n", r.Uint64()), topics: s.members[0].topics})
	}
	return out
}

func TestUniformIsBalancedAndSticky(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := randomSpec(r, true)
		for range 4 {
			got := uniform(s)
			checkAssignment(t, s, got)
			total, least, most, moved := 0, 1<<30, 0, 0
			for _, m := range s.members {
				n := got[m.id].count()
				total, least, most = total+n, min(least, n), max(most, n)
				for topic, ps := range m.current {
					for _, p := range ps {
						if !got[m.id].has(partitionID{topic, p}) {
							moved++
						}
					}
				}
			}
			if most-least > 1 {
				t.Fatalf("seed %d: members have from %d to %d partitions", seed, least, most)
			}
			// A newcomer gets its share from the others, and nothing else moves; after a leave nothing moves.
			if limit := total/len(s.members) + 1; moved > limit {
				t.Fatalf("seed %d: %d partitions moved, a share is %d", seed, moved, limit)
			}
			if again := (spec{topics: s.topics, members: s.members}); true {
				for i := range again.members {
					again.members[i].current = got[again.members[i].id]
				}
				for id, a := range uniform(again) {
					if !a.equal(got[id]) {
						t.Fatalf("seed %d: an assignment that is good was changed", seed)
					}
				}
			}
			s = s.next(got, r)
		}
	}
}

// With different subscriptions no single move may make two members' numbers more alike.
func TestUniformWithDifferentSubscriptions(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := randomSpec(r, false)
		if !slices.ContainsFunc(s.members, func(m specMember) bool { return len(m.topics) > 0 }) {
			continue
		}
		for range 3 {
			got := uniform(s)
			checkAssignment(t, s, got)
			for _, m := range s.members {
				for _, o := range s.members {
					for topic := range got[m.id] {
						if slices.Contains(o.topics, topic) && got[m.id].count() > got[o.id].count()+1 {
							t.Fatalf("seed %d: %s has %d partitions, %s, who could take one, %d: %+v %+v", seed, m.id, got[m.id].count(), o.id, got[o.id].count(), s, got)
						}
					}
				}
			}
			s = s.next(got, r)
		}
	}
}

func TestRangesAreNeighbours(t *testing.T) {
	a, b := metadata.TopicID{1}, metadata.TopicID{2}
	s := spec{topics: map[metadata.TopicID]int32{a: 7, b: 2}, members: []specMember{
		{id: "x", topics: []metadata.TopicID{a, b}},
		{id: "a", instance: "2", topics: []metadata.TopicID{a, b}},
		{id: "z", instance: "1", topics: []metadata.TopicID{a, b}},
	}}
	got := ranges(s)
	checkAssignment(t, s, got)
	diff(t, "ranges", got, map[string]assignment{
		"z": {a: {0, 1, 2}, b: {0}}, "a": {a: {3, 4}, b: {1}}, "x": {a: {5, 6}},
	})
	for seed := range uint64(500) {
		s := randomSpec(rand.New(rand.NewPCG(seed, 3)), seed%2 == 0)
		checkAssignment(t, s, ranges(s))
	}
}

// A member more in a large group must not cost more than reading it: no assignor is quadratic.
func BenchmarkUniform(b *testing.B) {
	for _, members := range []int{100, 1000} {
		for _, same := range []bool{true, false} {
			b.Run(fmt.Sprintf("members=%d/same=%v", members, same), func(b *testing.B) {
				s := spec{topics: map[metadata.TopicID]int32{}}
				for i := range 20 {
					s.topics[metadata.TopicID{byte(i)}] = 500
				}
				all := slices.Collect(maps.Keys(s.topics))
				slices.SortFunc(all, func(a, b metadata.TopicID) int { return int(a[0]) - int(b[0]) })
				for i := range members {
					m := specMember{id: fmt.Sprintf("member-%04d", i), topics: all}
					if !same {
						m.topics = all[:1+i%len(all)]
					}
					s.members = append(s.members, m)
				}
				got := uniform(s)
				for i := range s.members {
					s.members[i].current = got[s.members[i].id]
				}
				s.members = append(s.members, specMember{id: "new", topics: all})
				b.ReportAllocs()
				for b.Loop() {
					uniform(s)
				}
			})
		}
	}
}
