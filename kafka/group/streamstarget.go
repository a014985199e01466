package group

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/kafka/configdef"
)

// awaitMore has the first assignment of a group wait for members that come in a crowd: until nobody came for a while, at most for a quarter of a
// second, and no longer than the config says.
func (g *streams) awaitMore(first bool) {
	s := g.state.settings
	most := min(firstAssignMax, s.groupDuration(g.id, "streams.initial.rebalance.delay.ms", s.StreamsInitialDelay, 0, firstAssignMax))
	now := time.Now()
	switch {
	case first && most > 0:
		g.firstBy = now.Add(most)
	case g.firstTimer == nil:
		return
	}
	g.state.shard.Stop(g.firstTimer)
	g.firstTimer = g.state.shard.After(min(assignQuiet, g.firstBy.Sub(now)), func() {
		g.firstTimer = nil
		if g.current() {
			g.assignNow()
			g.flush(func(error) {}) // flush has logged it
		}
		g.release()
	})
}

// release lets those go on who wait for the first assignment.
func (g *streams) release() {
	waiting := g.waiting
	g.waiting = nil
	for _, w := range waiting {
		w()
	}
}

func missingTags(list string, has map[string]string) (out []string) {
	for _, tag := range configdef.SplitList(list) {
		if _, ok := has[tag]; !ok {
			out = append(out, tag)
		}
	}
	return out
}

// assignmentConfigs are the configs that an assignment depends on, by the names that records have them under.
func (g *streams) assignmentConfigs() map[string]string {
	s := g.state.settings
	standbys, tags := s.StreamsStandbys, s.StreamsTags
	if s.GroupConfig != nil {
		configs := g.state.settings.GroupConfig(g.id)
		if n, err := strconv.Atoi(strings.TrimSpace(configs["streams.num.standby.replicas"])); err == nil {
			standbys = min(max(n, 0), s.StreamsStandbysMax)
		}
		if list, ok := configs["streams.rack.aware.assignment.tags"]; ok {
			tags = list
		}
	}
	out := map[string]string{standbyReplicas: strconv.Itoa(standbys)}
	if names := configdef.SplitList(tags); len(names) > 0 {
		out[rackAwareTags] = strings.Join(names, ",")
	}
	return out
}

// assignIfDue makes the target assignment for the group epoch unless it has to wait; it says why.
func (g *streams) assignIfDue() (delayed string) {
	s := g.state.settings
	interval := s.groupDuration(g.id, "streams.assignment.interval.ms", s.StreamsInterval, s.StreamsIntervalMin, s.StreamsIntervalMax)
	switch {
	case g.firstTimer != nil:
		return "Assignment delayed due to the configured initial rebalance delay."
	case g.assignmentEpoch >= g.epoch:
	case g.assignedAtMs > 0 && time.Since(time.UnixMilli(g.assignedAtMs)) < interval:
		return "Assignment delayed due to the configured assignment interval."
	default:
		g.assignNow()
	}
	return ""
}

// assignNow makes the target assignment for the group epoch, if there is none yet, and puts the records of what changed. While topics are missing
// nobody has tasks.
func (g *streams) assignNow() {
	if g.assignmentEpoch >= g.epoch || g.config == nil {
		return
	}
	spec := streamsSpec{}
	if g.config.ready() {
		spec.standbys, _ = strconv.Atoi(g.configs[standbyReplicas])
		for i := range g.topology.subs {
			sub := &g.topology.subs[i]
			spec.subtopologies = append(spec.subtopologies,
				streamsSpecSubtopology{id: sub.SubtopologyID, tasks: g.config.tasks[sub.SubtopologyID], stateful: len(sub.StateChangelogTopics) > 0})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		spec.members = append(spec.members, streamsSpecMember{id: id, process: m.process, current: g.target[id], offsets: m.offsets})
	}
	began := time.Now()
	next := stickyTasks(spec)
	g.state.metrics.assignSeconds.Observe(time.Since(began).Seconds())
	for id, t := range next {
		if t.count() > targetMax {
			g.state.log.Error("no assignment, a member would get too many tasks", "group", g.id, "member", id, "tasks", t.count(), "limit", targetMax)
			return
		}
	}
	for _, m := range spec.members {
		t := next[m.id]
		if m.current != nil && m.current.equal(t) {
			continue
		}
		g.target[m.id] = t
		g.put(g.targetRecord(m.id, t))
	}
	g.assignmentEpoch, g.assignedAtMs = g.epoch, time.Now().UnixMilli()
	g.put(g.targetEpochRecord())
}
