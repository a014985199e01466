package sharestate

// pruning cuts the log of a shard. When it has grown enough, the end of the log is noted at a moment when nothing is in flight, every state is
// written as a snapshot, and what lies in front of the noted end is deleted: nothing of it counts any more.
type pruning struct {
	inflight int   // appends
	records  int   // in the log, as far as we know
	due      bool  // the end is to be noted as soon as nothing is in flight
	running  bool  // snapshots are being written
	from     int64 // the end that was noted
	queue    []Key // still to be written
	failed   bool
}

// recordsMin is the least number of records in a log that is worth to be cut; beyond it there are at most three times as many records as states.
const recordsMin = 20_000

// barrier tells whether new changes have to wait until nothing is in flight.
func (p *pruning) barrier(*shard) bool { return p.due && p.inflight > 0 }

func (s *shard) schedulePrune() {
	s.After(s.settings.PruneInterval, func() {
		s.schedulePrune()
		s.dropOrphans()
		s.maybePrune()
	})
}

// dropOrphans deletes the states of topics that do not exist any more.
func (s *shard) dropOrphans() {
	for k, sh := range s.shares {
		if sh.known && !sh.busy && !s.exists(k.Topic, k.Partition) {
			s.remove(k, func(err error) {
				if err != nil && s.closed == nil {
					s.log.Warn("state of a deleted topic not removed", "group", k.Group, "err", err)
				}
			})
		}
	}
}

func (s *shard) maybePrune() {
	p := &s.prune
	if s.closed != nil || p.running || p.records < max(s.settings.PruneRecords, 3*len(s.shares)) {
		return
	}
	p.due = true
	if p.inflight > 0 {
		return
	}
	p.due, p.running, p.failed = false, true, false
	p.from = s.end()
	p.queue = p.queue[:0]
	for k, sh := range s.shares {
		if sh.known {
			p.queue = append(p.queue, k)
		}
	}
	p.records = 0
	for k, sh := range s.shares { // who waited at the barrier
		s.next(k, sh)
	}
	s.snapshotNext()
}

// snapshotNext writes the snapshots one after the other, which leaves the log to others meanwhile.
func (s *shard) snapshotNext() {
	p := &s.prune
	if len(p.queue) == 0 || p.failed || s.closed != nil {
		p.running = false
		if !p.failed && s.closed == nil && p.from > 0 {
			s.cut(p.from)
		}
		return
	}
	k := p.queue[len(p.queue)-1]
	p.queue = p.queue[:len(p.queue)-1]
	s.turn(k, func(sh *share) {
		if !sh.known {
			s.After(0, s.snapshotNext) // not from here: a thousand deleted ones would nest
			return
		}
		next := sh.State
		next.SnapshotEpoch++
		next.Written = s.now().UnixMilli()
		s.append(k, sh, snapshotRecord(k, &next), &next, true, func(err error) {
			if err != nil {
				p.failed = true
			}
			s.After(0, s.snapshotNext)
		})
	})
}
