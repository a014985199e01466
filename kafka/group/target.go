package group

import (
	"time"
)

const (
	// assignQuiet without a new change is what the first assignment of a group waits for; firstAssignMax bounds it.
	assignQuiet    = 50 * time.Millisecond
	firstAssignMax = 250 * time.Millisecond
	// assignPause is the least time between two assignments of a group: what changes meanwhile is seen by one.
	assignPause = 100 * time.Millisecond
	// targetMax bounds the partitions of one member: its records must fit into a batch.
	targetMax = 50_000
)

// scheduleAssign sees to it that a target assignment is made for the group epoch.
func (g *modern) scheduleAssign() {
	now := time.Now()
	if g.assignSince.IsZero() {
		g.assignSince = now
	}
	pause := min(assignPause, g.state.settings.AssignmentInterval)
	at := g.lastAssigned.Add(pause)
	if g.assignmentEpoch == 0 || len(g.target) == 0 { // members come in crowds; who is first should not have to give up what it just got
		at = now.Add(min(assignQuiet, pause))
		if limit := g.assignSince.Add(firstAssignMax); limit.Before(at) {
			at = limit
		}
	}
	g.state.shard.Stop(g.assignTimer)
	g.assignTimer = g.state.shard.After(max(at.Sub(now), 0), func() {
		if g.state.groups[g.id] != g.group || g.group.kind != kind(g.self) {
			return
		}
		g.assignNow()
		g.flush(g.logFailure)
	})
}

// assignNow makes the target assignment for the group epoch, if there is none yet, and puts the records of what changed.
func (g *modern) assignNow() {
	g.state.shard.Stop(g.assignTimer)
	if g.assignmentEpoch < g.epoch {
		g.computeTarget()
	}
	waiting := g.assigned
	g.assigned = nil
	for _, w := range waiting {
		w()
	}
}

func (g *modern) computeTarget() {
	now := time.Now()
	g.assignSince, g.lastAssigned = time.Time{}, now
	next := map[string]assignment{}
	if len(g.members) > 0 {
		began := now
		var err error
		if next, err = g.self.assign(g.spec()); err != nil {
			g.state.log.Error("no assignment, members keep the last one", "group", g.id, "err", err)
			return
		}
		g.state.metrics.assignSeconds.Observe(time.Since(began).Seconds())
	}
	for id, a := range next {
		if a.count() > targetMax {
			g.state.log.Error("no assignment, a member would get too many partitions", "group", g.id, "member", id, "partitions", a.count(), "limit", targetMax)
			return
		}
	}
	f := g.self.format()
	for id := range g.members {
		a := next[id]
		if old, ok := g.target[id]; ok && old.equal(a) {
			continue
		}
		if a == nil {
			a = assignment{}
		}
		g.target[id] = a
		g.put(f.targetRecord(g.id, id, a))
	}
	g.assignmentEpoch, g.assignedAtMs = g.epoch, now.UnixMilli()
	g.put(f.targetEpochRecord(g))
	for _, m := range g.members {
		g.count(m)
	}
	g.self.targetChanged()
}

// afterAssign calls fn once the group epoch of now has its assignment, or the group serves no more: now, or within firstAssignMax.
func (g *modern) afterAssign(fn func()) {
	if g.assignmentEpoch >= g.epoch {
		fn()
		return
	}
	g.assigned = append(g.assigned, fn)
}
