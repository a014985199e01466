package group

import "maps"

// holders says who has a task, or was told to give it up and has not confirmed that.
type holders struct {
	active  map[taskID]string   // member ids
	standby map[taskID][]string // member ids
}

func newHolders() holders {
	return holders{active: make(map[taskID]string), standby: make(map[taskID][]string)}
}

func (h *holders) take(m *streamsMember) {
	for _, r := range []heldTasks{m.assigned, m.revoking} {
		for t := range r.active {
			h.active[t] = m.id
		}
		for t := range r.standby {
			h.standby[t] = append(h.standby[t], m.id)
		}
	}
}

func (h *holders) release(m *streamsMember) {
	for _, r := range []heldTasks{m.assigned, m.revoking} {
		for t := range r.active {
			if h.active[t] == m.id {
				delete(h.active, t)
			}
		}
		for t := range r.standby {
			var rest []string
			for _, id := range h.standby[t] {
				if id != m.id {
					rest = append(rest, id)
				}
			}
			if h.standby[t] = rest; len(rest) == 0 {
				delete(h.standby, t)
			}
		}
	}
}

// unreleased is what keeps a member from getting a task: an active one that somebody else runs, or that another member of its process has in
// another role, as the process has one directory for the state of a task.
type unreleased struct{ active, standby func(taskID) bool }

// next is where a member goes from where it is, as modernMember.next, for tasks. Between the roles of a task there is no gap: a standby that becomes
// active stays standby until the task is free, and what was active becomes standby at once. It returns false if nothing changes.
func (m *streamsMember) next(target *tasks, targetEpoch int32, taken unreleased, has *ownedTasks) (changed bool) {
	epoch := m.epoch
	switch m.state {
	case memberStable:
		if m.epoch == targetEpoch {
			return false
		}
	case memberUnrevoked:
		if has.anyOf(m.revoking) {
			return false
		}
		epoch = min(epoch+1, targetEpoch)
	case memberUnreleased:
	default: // written by a newer version
		epoch = targetEpoch
	}
	keep, revoke, give := newHeldTasks(), newHeldTasks(), newHeldTasks()
	missing := false
	for t, e := range m.assigned.active {
		if target.active[t] {
			keep.active[t] = e
		} else {
			revoke.active[t] = e
		}
	}
	for t := range m.assigned.standby {
		switch {
		case target.standby[t]:
			keep.standby[t] = true
		case !target.active[t]: // else it goes when it becomes active
			revoke.standby[t] = true
		}
	}
	for t := range target.active {
		if _, has := keep.active[t]; has {
			continue
		}
		if taken.active(t) {
			missing = true
		} else {
			give.active[t] = targetEpoch
		}
	}
	for t := range target.standby {
		if keep.standby[t] {
			continue
		}
		_, runs := m.assigned.active[t]
		switch {
		case taken.standby(t):
			missing = true
		case runs:
			keep.standby[t] = true
		default:
			give.standby[t] = true
		}
	}
	revokes := !revoke.empty() && has.anyOf(revoke)
	for t := range m.assigned.standby {
		if _, given := give.active[t]; target.active[t] && (revokes || !given) {
			if _, runs := keep.active[t]; !runs {
				keep.standby[t] = true
			}
		}
	}
	if revokes {
		return m.advance(epoch, memberUnrevoked, keep, revoke)
	}
	maps.Copy(keep.active, give.active)
	maps.Copy(keep.standby, give.standby)
	if missing {
		return m.advance(targetEpoch, memberUnreleased, keep, newHeldTasks())
	}
	return m.advance(targetEpoch, memberStable, keep, newHeldTasks())
}

func (m *streamsMember) advance(epoch int32, s memberState, assigned, revoking heldTasks) (changed bool) {
	if m.epoch == epoch && m.state == s && m.assigned.equal(assigned) && m.revoking.equal(revoking) {
		return false
	}
	if m.epoch != epoch {
		m.previous = m.epoch
	}
	m.epoch, m.state, m.assigned, m.revoking = epoch, s, assigned, revoking
	return true
}
