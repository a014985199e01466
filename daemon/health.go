package daemon

import (
	"context"
	"log/slog"
	"time"

	"weir/storage/stream"
)

// healthInterval is how often a broker looks at its journal and disk.
const healthInterval = 500 * time.Millisecond

// watchHealth tells the broker how full its journal is, and whoever reads logs and metrics how fast its disk is, until ctx ends.
func (m *brokerMetrics) watchHealth(ctx context.Context, log *slog.Logger, setShare func(float64)) {
	t := time.NewTicker(healthInterval)
	defer t.Stop()
	var disk slowDisk
	filling := false
	for tick := 0; ; tick++ {
		share := 0.0
		if m.budget.journal > 0 {
			share = float64(m.owner.Tiers().Stats().JournalBytes) / float64(m.budget.journal)
		}
		setShare(share)
		if now := share >= journalWarnFrom; now != filling {
			if filling = now; now {
				log.Warn("journal fills faster than it is flushed: producers are slowed down", "share", share, "limit_bytes", m.budget.journal)
			} else {
				log.Info("journal has room again", "share", share)
			}
		}
		if tick%2 == 0 && disk.look(m.owner.StreamPulse()) {
			m.slow.Store(disk.slow)
			if disk.slow {
				log.Error("disk is slow: for ten seconds, more than one commit in a hundred took longer than a second")
			} else {
				log.Info("disk is fast again")
			}
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// journalWarnFrom is where the broker begins to slow producers down.
const journalWarnFrom = 0.75

// slowDisk decides whether the disk is slow: for ten looks in a row, which are a second apart, more than one commit in a hundred took longer than a
// second. It is fast again when that was not so for ten looks with commits.
type slowDisk struct {
	last      stream.Pulse
	bad, good int
	slow      bool
}

const (
	looksToDecide = 10
	slowBucket    = 21 // of stream.Pulse: from 2^20 microseconds on
)

// look takes the pulse, and reports whether the verdict changed.
func (d *slowDisk) look(p stream.Pulse) (changed bool) {
	all, late := int64(0), int64(0)
	for i := range p.Took {
		n := p.Took[i] - d.last.Took[i]
		all += n
		if i >= slowBucket {
			late += n
		}
	}
	d.last = p
	if p.InFlight > time.Second {
		all++
		late++
	}
	switch {
	case all == 0: // nothing to tell from
		d.bad = 0
	case late*100 > all:
		d.bad, d.good = d.bad+1, 0
	default:
		d.bad, d.good = 0, d.good+1
	}
	was := d.slow
	d.slow = d.bad >= looksToDecide || d.slow && d.good < looksToDecide
	return d.slow != was
}
