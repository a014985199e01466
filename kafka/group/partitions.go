package group

import (
	"bytes"
	"maps"
	"slices"

	"weir/metadata"
)

// assignment is the partitions that somebody shall have, by topic; partitions are sorted, and no topic has none.
type assignment map[metadata.TopicID][]int32

// owned is the partitions that a member has, each with the assignment epoch in which it got it (KIP-1251). No topic has none.
type owned map[metadata.TopicID]map[int32]int32

// partitionID names a partition by its topic's id.
type partitionID struct {
	topic     metadata.TopicID
	partition int32
}

func (a assignment) equal(b assignment) bool {
	return maps.EqualFunc(a, b, slices.Equal[[]int32])
}

func (a assignment) count() (n int) {
	for _, ps := range a {
		n += len(ps)
	}
	return n
}

func (a assignment) has(p partitionID) bool {
	_, ok := slices.BinarySearch(a[p.topic], p.partition)
	return ok
}

func (o owned) has(p partitionID) bool {
	_, ok := o[p.topic][p.partition]
	return ok
}

func (o owned) add(p partitionID, epoch int32) {
	if o[p.topic] == nil {
		o[p.topic] = make(map[int32]int32)
	}
	o[p.topic][p.partition] = epoch
}

// within tells whether all of it is in a.
func (o owned) within(a assignment) bool {
	for t, ps := range o {
		for p := range ps {
			if !a.has(partitionID{t, p}) {
				return false
			}
		}
	}
	return true
}

// each calls fn for every partition, in no order.
func (o owned) each(fn func(p partitionID, epoch int32)) {
	for t, ps := range o {
		for p, e := range ps {
			fn(partitionID{t, p}, e)
		}
	}
}

// equal tells whether both are the same partitions, whatever their epochs.
func (o owned) equal(b owned) bool {
	return maps.EqualFunc(o, b, func(x, y map[int32]int32) bool {
		return maps.EqualFunc(x, y, func(int32, int32) bool { return true })
	})
}

// plain is the partitions without their epochs.
func (o owned) plain() assignment {
	a := make(assignment, len(o))
	for t, ps := range o {
		a[t] = slices.Sorted(maps.Keys(ps))
	}
	return a
}

// sortedTopics are the keys in an order that does not change.
func sortedTopics[V any](m map[metadata.TopicID]V) []metadata.TopicID {
	return slices.SortedFunc(maps.Keys(m), func(a, b metadata.TopicID) int { return bytes.Compare(a[:], b[:]) })
}
