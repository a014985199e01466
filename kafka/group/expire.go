package group

import (
	"time"

	"weir/kafka/coordinator"
)

// sweep drops offsets that nobody will ask for: those of topics that do not exist any more, and those of groups that have had no members
// and no commit for offsets.retention.minutes (KIP-211). A group that is left with neither members nor offsets goes too.
// Offsets of topics that a live group does not subscribe to any more are kept, unlike in Kafka.
func (s *state) sweep() {
	s.shard.After(s.settings.RetentionCheck, s.sweep)
	for _, g := range s.groups {
		if g.status == Dead {
			continue
		}
		var records []coordinator.Record
		var gone []topicPartition
		for tp, o := range g.offsets {
			if !s.current(tp.topic, &o) || g.expired(&o) {
				records, gone = append(records, offsetRecord(g.id, tp, nil)), append(gone, tp)
			}
		}
		done := func(err error) {
			if err != nil {
				s.log.Warn("expired offsets not removed", "group", g.id, "err", err)
				return
			}
			s.metrics.expired.Add(float64(len(gone)))
		}
		if g.idle() && len(gone) == len(g.offsets) {
			g.bury(done)
		} else {
			g.forget(records, gone, done)
		}
	}
}

// idle tells whether nobody uses the group now.
func (g *group) idle() bool {
	return g.status == Empty && len(g.members) == 0 && len(g.pending) == 0 && g.unsettled == 0
}

// expired tells whether the offset outlived its group's last member, or its own commit if that was later, by the retention time.
func (g *group) expired(o *offset) bool {
	if !g.idle() {
		return false
	}
	last := time.UnixMilli(o.committedMs)
	if g.stored && g.since.After(last) {
		last = g.since
	}
	return time.Since(last) >= g.state.settings.OffsetRetention
}
