package group

import "container/heap"

// leastLoaded finds the member with the fewest partitions; of several, the first.
type leastLoaded struct {
	members []int // a heap
	at      map[int]int
	load    []int // by member
}

func newLeastLoaded(members, load []int) *leastLoaded {
	l := &leastLoaded{members: append([]int(nil), members...), at: make(map[int]int, len(members)), load: load}
	for i, m := range l.members {
		l.at[m] = i
	}
	heap.Init(l)
	return l
}

func (l *leastLoaded) first() int { return l.members[0] }

// take counts one partition more for the first.
func (l *leastLoaded) take() int {
	m := l.members[0]
	l.load[m]++
	heap.Fix(l, 0)
	return m
}

// fix is called after the load of a member was changed.
func (l *leastLoaded) fix(member int) { heap.Fix(l, l.at[member]) }

func (l *leastLoaded) Len() int { return len(l.members) }

func (l *leastLoaded) Less(i, j int) bool {
	a, b := l.members[i], l.members[j]
	if l.load[a] != l.load[b] {
		return l.load[a] < l.load[b]
	}
	return a < b
}

func (l *leastLoaded) Swap(i, j int) {
	l.members[i], l.members[j] = l.members[j], l.members[i]
	l.at[l.members[i]], l.at[l.members[j]] = i, j
}

// Push implements heap.Interface; the members are fixed.
func (l *leastLoaded) Push(any) { panic("the members of leastLoaded are fixed") }

// Pop implements heap.Interface; the members are fixed.
func (l *leastLoaded) Pop() any { panic("the members of leastLoaded are fixed") }
