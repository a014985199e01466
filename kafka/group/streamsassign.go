package group

import (
	"cmp"
	"slices"
	"strings"
)

// streamsSpec is what the assignor of streams groups works with.
type streamsSpec struct {
	members       []streamsSpecMember // in an order that does not change
	subtopologies []streamsSpecSubtopology
	standbys      int // of each task that has state
}

type streamsSpecMember struct {
	id, process string
	current     *tasks           // its target up to now; may be nil
	offsets     map[taskID]int64 // how much of a task's state it has on its disk, as far as it says
}

type streamsSpecSubtopology struct {
	id       string
	tasks    int32
	stateful bool
}

// taskMember is a member while sticky works on it, and taskProcess the process that it is a thread of.
type taskMember struct {
	process *taskProcess
	got     *tasks
}

type taskProcess struct {
	members []*taskMember
	tasks   taskSet
}

func (p *taskProcess) load() float64 { return float64(len(p.tasks)) / float64(len(p.members)) }

func (m *taskMember) give(t taskID, active bool) {
	m.process.tasks[t] = true
	if active {
		m.got.active[t] = true
	} else {
		m.got.standby[t] = true
	}
}

// sharing is how many tasks a member may get so that all get about the same: whoever has its share leaves the rest to the others.
type sharing struct{ left, members, quota int }

func newSharing(left, members int) *sharing {
	s := &sharing{left: left, members: members}
	s.divide()
	return s
}

func (s *sharing) divide() {
	if s.quota = 0; s.members > 0 {
		s.quota = (s.left + s.members - 1) / s.members
	}
}

// got is called after a member got a task, of which it has n now.
func (s *sharing) got(n int) {
	if n == s.quota {
		s.members--
		s.left -= n
		s.divide()
	}
}

// stickyTasks is Kafka's task assignor "sticky": tasks stay with who runs them, then go to who has their state, then to who has the least to do, as
// long as nobody gets more than its share. A process has a task once at most, so standby tasks may find no place.
func stickyTasks(s streamsSpec) map[string]*tasks {
	w := newStickyWork(s)
	var active, stateful []taskID
	for _, sub := range s.subtopologies {
		for p := range sub.tasks {
			active = append(active, taskID{sub.id, p})
			if sub.stateful {
				stateful = append(stateful, taskID{sub.id, p})
			}
		}
	}
	w.active, w.all = newSharing(len(active), len(s.members)), newSharing(len(active)+len(stateful)*s.standbys, len(s.members))
	if len(s.members) > 0 {
		w.assignActive(active)
		w.assignStandby(stateful, s.standbys)
	}
	return w.out
}

type stickyWork struct {
	out       map[string]*tasks
	processes []*taskProcess
	ran       map[taskID]*taskMember   // who ran it
	stood     map[taskID][]*taskMember // who has its state, the best first
	active    *sharing                 // of active tasks
	all       *sharing                 // of all tasks
}

func newStickyWork(s streamsSpec) *stickyWork {
	w := &stickyWork{out: make(map[string]*tasks, len(s.members)), ran: make(map[taskID]*taskMember), stood: make(map[taskID][]*taskMember)}
	processes := make(map[string]*taskProcess)
	type candidate struct {
		m      *taskMember
		stood  bool
		offset int64
	}
	candidates := make(map[taskID][]candidate)
	for i := range s.members {
		m := &s.members[i]
		p := processes[m.process]
		if p == nil {
			p = &taskProcess{tasks: make(taskSet)}
			processes[m.process] = p
			w.processes = append(w.processes, p)
		}
		tm := &taskMember{process: p, got: newTasks()}
		p.members = append(p.members, tm)
		w.out[m.id] = tm.got
		current := m.current
		if current == nil {
			current = newTasks()
		}
		for t := range current.active {
			w.ran[t] = tm
		}
		for t := range current.standby {
			candidates[t] = append(candidates[t], candidate{tm, true, m.offsets[t]})
		}
		for t, o := range m.offsets {
			if !current.standby[t] {
				candidates[t] = append(candidates[t], candidate{tm, false, o})
			}
		}
	}
	for t, cs := range candidates {
		slices.SortStableFunc(cs, func(a, b candidate) int {
			if a.stood != b.stood {
				if a.stood {
					return -1
				}
				return 1
			}
			return cmp.Compare(b.offset, a.offset)
		})
		for _, c := range cs {
			w.stood[t] = append(w.stood[t], c.m)
		}
	}
	return w
}

func (w *stickyWork) assignActive(todo []taskID) {
	give := func(m *taskMember, t taskID) {
		m.give(t, true)
		w.active.got(m.got.count())
		w.all.got(m.got.count())
	}
	slices.SortFunc(todo, byPartition)
	keep := func(who func(taskID) *taskMember) {
		todo = slices.DeleteFunc(todo, func(t taskID) bool {
			m := who(t)
			if m == nil || m.got.count() >= w.active.quota {
				return false
			}
			give(m, t)
			return true
		})
	}
	keep(func(t taskID) *taskMember { return w.ran[t] })
	keep(func(t taskID) *taskMember { return idlest(w.stood[t], nil) })
	slices.SortFunc(todo, compareTasks)
	for _, t := range todo {
		give(w.leastLoaded(nil), t)
	}
}

func (w *stickyWork) assignStandby(todo []taskID, replicas int) {
	give := func(m *taskMember, t taskID) {
		m.give(t, false)
		w.all.got(m.got.count())
	}
	slices.SortFunc(todo, func(a, b taskID) int { return byPartition(b, a) })
	left := make(map[taskID]int, len(todo))
	for _, t := range todo {
		n := replicas
		for ; n > 0; n-- {
			m := w.ran[t]
			if m == nil || m.process.tasks[t] || m.got.count() >= w.all.quota {
				if m = idlest(w.stood[t], &t); m == nil || m.got.count() >= w.all.quota {
					break
				}
			}
			give(m, t)
		}
		left[t] = n
	}
	slices.SortFunc(todo, func(a, b taskID) int { return compareTasks(b, a) })
	for _, t := range todo {
		for range left[t] {
			m := w.leastLoaded(&t)
			if m == nil {
				break // not as many processes as copies
			}
			give(m, t)
		}
	}
}

// leastLoaded is the member with the least to do of the process with the least to do, of those that do not have the task without.
func (w *stickyWork) leastLoaded(without *taskID) *taskMember {
	var best *taskProcess
	for _, p := range w.processes {
		if without != nil && p.tasks[*without] {
			continue
		}
		if best == nil || p.load() < best.load() {
			best = p
		}
	}
	if best == nil {
		return nil
	}
	return slices.MinFunc(best.members, func(a, b *taskMember) int { return cmp.Compare(a.got.count(), b.got.count()) })
}

// idlest is the first of the members unless another and its process have less to do. Members whose process has the task without are left out.
func idlest(ms []*taskMember, without *taskID) (best *taskMember) {
	for _, m := range ms {
		if without != nil && m.process.tasks[*without] {
			continue
		}
		if best == nil || m.process.load() < best.process.load() && m.got.count() < best.got.count() {
			best = m
		}
	}
	return best
}

func byPartition(a, b taskID) int {
	return cmp.Or(cmp.Compare(a.partition, b.partition), strings.Compare(a.subtopology, b.subtopology))
}
