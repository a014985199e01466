package group

import "weir/metadata"

// reported is the partitions that a member says it has; nil if it does not say.
type reported map[metadata.TopicID][]int32

// anyOf tells whether one of the partitions is reported; a member that does not say may have all.
func (r reported) anyOf(o owned) bool {
	if r == nil {
		return true
	}
	for t, ps := range r {
		for _, p := range ps {
			if o.has(partitionID{t, p}) {
				return true
			}
		}
	}
	return false
}

// within tells whether the member reports nothing but what is in o.
func (r reported) within(o owned) bool {
	if r == nil {
		return false
	}
	for t, ps := range r {
		for _, p := range ps {
			if !o.has(partitionID{t, p}) {
				return false
			}
		}
	}
	return true
}

// next is where a member goes from where it is: KIP-848's state machine. free tells whether nobody has a partition, also not one who was told
// to give it up. It returns false if nothing changes.
//
//	stable      -> as below, if there is a newer target, or the member has what it does not subscribe to any more
//	unrevoked   -> waits until the member reports none of what it was told to give up; then as below, one epoch further
//	unreleased  -> as below
//
//	has partitions that are not in its target: unrevoked, in its epoch, without them
//	else: gets what is free of its target, in the target's epoch: stable if that is all, else unreleased
func (m *modernMember) next(target assignment, targetEpoch int32, free func(partitionID) bool, has reported) (changed bool) {
	epoch := m.epoch
	switch m.state {
	case memberStable:
		if m.epoch == targetEpoch && m.assigned.within(target) {
			return false
		}
	case memberUnrevoked:
		if has.anyOf(m.revoking) {
			return false
		}
		epoch = min(epoch+1, targetEpoch) // the answer with the epoch is what the member confirms having given them up to
	case memberUnreleased:
	default: // written by a newer version
		epoch = targetEpoch
	}
	keep, revoke := owned{}, owned{}
	m.assigned.each(func(p partitionID, e int32) {
		if target.has(p) {
			keep.add(p, e)
		} else {
			revoke.add(p, e)
		}
	})
	if len(revoke) > 0 && has.anyOf(revoke) {
		return m.advance(epoch, memberUnrevoked, keep, revoke)
	}
	missing := false
	for t, ps := range target {
		for _, p := range ps {
			switch id := (partitionID{t, p}); {
			case keep.has(id):
			case free(id):
				keep.add(id, targetEpoch)
			default:
				missing = true
			}
		}
	}
	if missing {
		return m.advance(targetEpoch, memberUnreleased, keep, owned{})
	}
	return m.advance(targetEpoch, memberStable, keep, owned{})
}

func (m *modernMember) advance(epoch int32, s memberState, assigned, revoking owned) (changed bool) {
	if m.epoch == epoch && m.state == s && m.assigned.equal(assigned) && m.revoking.equal(revoking) {
		return false
	}
	if m.epoch != epoch {
		m.previous = m.epoch
	}
	m.epoch, m.state, m.assigned, m.revoking = epoch, s, assigned, revoking
	return true
}
