package partition

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/tier"
)

// This is how a partition ends as that of this broker's and goes on as another's: Fence, Leaders.Close, Pass. The whole way: kafka/ownership.

// Fence ends what the partition takes: appends and moves of the log start fail with kerr.NotLeaderForPartition from now on. What was queued before still
// has its outcome, and reads go on up to the high watermark. There is no way back but to open the partition in a later leader epoch.
func (p *Partition) Fence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fenced == nil {
		p.fenced = fmt.Errorf("it is being handed over: %w", kerr.NotLeaderForPartition)
	}
}

func (p *Partition) barredLocked() error {
	if p.closed != nil {
		return p.closed
	}
	return p.fenced
}

// Settled reports whether the partition takes nothing any more and everything that it took has its outcome: its state is final.
func (p *Partition) Settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settledLocked()
}

func (p *Partition) settledLocked() bool {
	return p.barredLocked() != nil && p.first == nil && p.cut == nil
}

// Pass gives the state of a partition that is closed and settled to another: fn gets it, and returns who has it from then on, whom View and Edit of this one
// ask. If fn fails nothing has changed. It fails with stream.ErrMoved for a partition that has no state any more or is not settled. fn runs under the
// partition's lock.
func (p *Partition) Pass(fn func(*stream.PartitionState) (tier.Partition, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed == nil || p.gone || p.heir != nil || !p.settledLocked() {
		return fmt.Errorf("partition %v: %w: its state is in use", p.key, stream.ErrMoved)
	}
	heir, err := fn(p.state)
	if err != nil {
		return err
	}
	p.heir, p.state = heir, &stream.PartitionState{} // nobody reads it any more
	return nil
}

// whole reports what keeps data from being dropped: kept, because others lead the partition, and copied, because somebody copies it.
func (p *Partition) whole() (kept, copied bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed != nil, p.copied.on(p.leaders.cfg.Now())
}

// copying notes that a broker copies the partition, and what must not happen to its data meanwhile.
type copying struct {
	cleanings uint32 // edits that compacted data
	asked     time.Time
}

// copyingMax is how long a copy that is not heard of any more holds up compaction.
const copyingMax = 5 * time.Minute

func (c *copying) on(now time.Time) bool { return !c.asked.IsZero() && now.Sub(c.asked) < copyingMax }

// edited counts compactions: pieces that were compacted and were not there before.
func (c *copying) edited(before, after []segment.Piece) {
	if len(before) == len(after) && (len(after) == 0 || &before[0] == &after[0]) {
		return
	}
	had := make(map[segment.ID]bool, len(before))
	for i := range before {
		had[before[i].ID] = true
	}
	for i := range after {
		if after[i].Flags&segment.Compacted != 0 && !had[after[i].ID] {
			c.cleanings++
			return
		}
	}
}

// Copied notes that a broker copies the partition, which holds up compaction for some minutes. What was read under one version and what is read under
// another do not make one log: compaction may have removed, from what is still to be read, what takes effect on what was read. Version 0 is that of a
// log that was never compacted; it is the same in all lives of the broker.
func (p *Partition) Copied() (version uint64) {
	compact := p.config.Load().Policy.Compact
	p.mu.Lock()
	defer p.mu.Unlock()
	p.copied.asked = p.leaders.cfg.Now()
	if !compact && p.copied.cleanings == 0 && !compacted(p.state.Pieces) {
		return 0
	}
	return uint64(uint32(p.epoch))<<32 | uint64(p.copied.cleanings) + 1
}

func compacted(pieces []segment.Piece) bool {
	for i := range pieces {
		if pieces[i].Flags&segment.Compacted != 0 {
			return true
		}
	}
	return false
}
