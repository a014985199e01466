package partition

import (
	"fmt"

	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// This is the half of tier.Partition that is about where data lie: what moves them does so through closures under the partition's lock, so that
// a read's plan, an append's outcome and an edit never see each other half done.

// Name implements tier.Partition.
func (p *Partition) Name() wal.Partition { return p.key.WAL() }

// View implements tier.Partition.
func (p *Partition) View(fn func(*stream.PartitionState)) bool {
	p.mu.Lock()
	heir := p.heir
	defer p.mu.Unlock()
	if heir != nil {
		p.mu.Unlock()
		defer p.mu.Lock()
		return heir.View(fn)
	}
	if p.gone {
		return false
	}
	fn(p.state)
	return true
}

// Edit implements tier.Partition. It fails with the reason of Leaders.Close, without calling fn, if the partition's data are not needed any more. Reads
// that were planned before the edit may still look where the data were: a container that is gone, or a journal file, makes them plan again.
func (p *Partition) Edit(fn func(*stream.PartitionState) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if heir := p.heir; heir != nil {
		p.mu.Unlock()
		defer p.mu.Lock()
		return heir.Edit(fn)
	}
	if p.gone {
		return fmt.Errorf("partition %v: edit: %w", p.key, p.closed)
	}
	before := p.state.Pieces
	if err := fn(p.state); err != nil {
		return fmt.Errorf("partition %v: edit: %w", p.key, err)
	}
	p.copied.edited(before, p.state.Pieces)
	p.state.Changes++ // whatever fn counted itself: a checkpoint only asks whether it moved
	for i := len(p.state.Pieces) - 1; i >= 0 && p.state.Pieces[i].Last >= p.cleaned; i-- {
		if piece := &p.state.Pieces[i]; piece.Flags&segment.Compacted != 0 {
			p.cleaned = piece.Last + 1
			break
		}
	}
	return nil
}

// All returns the partitions that are open, in no order.
func (l *Leaders) All() []*Partition {
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := make([]*Partition, 0, len(l.partitions))
	for _, p := range l.partitions {
		all = append(all, p)
	}
	return all
}
