package group

import "weir/kafka/coordinator"

// sweep drops offsets that nobody will ask for: those of topics that do not exist any more, and those that were of no use for
// offsets.retention.minutes (KIP-211), which each kind of group defines. A group that is left with neither members nor offsets goes too.
func (s *state) sweep() {
	s.shard.After(s.settings.RetentionCheck, s.sweep)
	for _, g := range s.groups {
		if g.dying || len(s.pendingOf(g.id)) > 0 {
			continue
		}
		expired := g.kind.expiry()
		var records []coordinator.Record
		var gone []topicPartition
		for tp, o := range g.offsets {
			if !s.current(tp.topic, &o) || expired(tp, &o) {
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
		keeper, keeps := g.kind.(interface{ kept() bool })
		if g.kind.idle() && g.unsettled == 0 && len(gone) == len(g.offsets) && (!keeps || !keeper.kept()) {
			g.bury(done)
		} else {
			g.forget(records, gone, done)
		}
	}
}
