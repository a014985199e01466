package ownership

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// keeper is a partition whose data this broker has, and which it does not serve: one that another broker leads, or that comes back in a moment. Pass
// gives its state to who serves it, which takes it all along: it is the only one to have it then.
type keeper interface {
	tier.Partition
	Pass(fn func(*stream.PartitionState) (tier.Partition, error)) error
}

// dormant is a keeper that was not led in this life of the broker: what a restart found, or what is being copied.
type dormant struct {
	name  wal.Partition
	mu    sync.Mutex
	state *stream.PartitionState
	heir  tier.Partition // who has the state now
}

var _ keeper = (*dormant)(nil)

// Name implements tier.Partition.
func (d *dormant) Name() wal.Partition { return d.name }

// Policy implements tier.Partition: everything is kept.
func (d *dormant) Policy() tier.Policy { return tier.KeepAll() }

// View implements tier.Partition.
func (d *dormant) View(fn func(*stream.PartitionState)) bool {
	d.mu.Lock()
	if heir := d.heir; heir != nil {
		d.mu.Unlock()
		return heir.View(fn)
	}
	defer d.mu.Unlock()
	fn(d.state)
	return true
}

// Edit implements tier.Partition.
func (d *dormant) Edit(fn func(*stream.PartitionState) error) error {
	d.mu.Lock()
	if heir := d.heir; heir != nil {
		d.mu.Unlock()
		return heir.Edit(fn)
	}
	defer d.mu.Unlock()
	err := fn(d.state)
	if err == nil {
		d.state.Changes++
	}
	return err
}

// Pass implements keeper.
func (d *dormant) Pass(fn func(*stream.PartitionState) (tier.Partition, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.heir != nil {
		return fmt.Errorf("partition %x-%d: %w: its state is in use", d.name.Topic, d.name.Index, stream.ErrMoved)
	}
	heir, err := fn(d.state)
	if err == nil {
		d.heir = heir
	}
	return err
}

// SetLogStart implements tier.Partition.
func (d *dormant) SetLogStart(context.Context, int64) error {
	return fmt.Errorf("partition %x-%d: move the log start: %w", d.name.Topic, d.name.Index, kerr.NotLeaderForPartition)
}
