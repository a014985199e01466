package group

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// taskID names a task of a streams group: what a subtopology does with one partition of its topics.
type taskID struct {
	subtopology string
	partition   int32
}

// taskSet is some tasks.
type taskSet map[taskID]bool

// tasks is what somebody shall run, and shall keep copies of the state of.
type tasks struct{ active, standby taskSet }

// heldTasks is what a member has: active tasks with the assignment epoch in which it got each (KIP-1251), and standby tasks.
type heldTasks struct {
	active  map[taskID]int32
	standby taskSet
}

func newHeldTasks() heldTasks {
	return heldTasks{active: make(map[taskID]int32), standby: make(taskSet)}
}

func newTasks() *tasks { return &tasks{active: make(taskSet), standby: make(taskSet)} }

func (t *tasks) equal(u *tasks) bool {
	return maps.Equal(t.active, u.active) && maps.Equal(t.standby, u.standby)
}

func (t *tasks) count() int { return len(t.active) + len(t.standby) }

func (h heldTasks) empty() bool { return len(h.active)+len(h.standby) == 0 }

// equal tells whether both are the same tasks in the same epochs.
func (h heldTasks) equal(o heldTasks) bool {
	return maps.Equal(h.active, o.active) && maps.Equal(h.standby, o.standby)
}

// ownedTasks is what a member says it has; nil if it does not say. Members of Kafka 4.4 have no warm-up tasks, as its coordinator gives out none.
type ownedTasks struct{ active, standby, warmup taskSet }

// anyOf tells whether one of the tasks is reported, in the same role; a member that does not say may have all.
func (o *ownedTasks) anyOf(h heldTasks) bool {
	if o == nil {
		return true
	}
	for t := range h.active {
		if o.active[t] {
			return true
		}
	}
	for t := range h.standby {
		if o.standby[t] {
			return true
		}
	}
	return false
}

// within tells whether the member reports nothing but what it was given.
func (o *ownedTasks) within(h heldTasks) bool {
	if o == nil || len(o.warmup) > 0 {
		return false
	}
	for t := range o.active {
		if _, ok := h.active[t]; !ok {
			return false
		}
	}
	for t := range o.standby {
		if !h.standby[t] {
			return false
		}
	}
	return true
}

// is tells whether the member reports what it was given.
func (o *ownedTasks) is(h heldTasks) bool {
	return o.within(h) && len(o.active) == len(h.active) && len(o.standby) == len(h.standby)
}

func taskSetOf(ids []kmsg.TaskIDs) taskSet {
	out := make(taskSet)
	for _, t := range ids {
		sub := strings.Clone(t.SubtopologyID)
		for _, p := range t.Partitions {
			out[taskID{sub, p}] = true
		}
	}
	return out
}

func compareTasks(a, b taskID) int {
	return cmp.Or(strings.Compare(a.subtopology, b.subtopology), cmp.Compare(a.partition, b.partition))
}

// sortedTasks are the keys, by subtopology and partition.
func sortedTasks[V any](m map[taskID]V) []taskID {
	return slices.SortedFunc(maps.Keys(m), compareTasks)
}

// publicTasks is never nil.
func publicTasks[V any](m map[taskID]V) []kmsg.TaskIDs {
	out := []kmsg.TaskIDs{}
	for _, t := range sortedTasks(m) {
		if n := len(out); n == 0 || out[n-1].SubtopologyID != t.subtopology {
			out = append(out, kmsg.TaskIDs{SubtopologyID: t.subtopology})
		}
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, t.partition)
	}
	return out
}
