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

// dormant is a partition whose data this broker has, and which the metadata give to another: an operator's hand, or a second broker with our
// number. Nobody is served from it, and nothing of it is deleted, so that it is whole when it comes back.
type dormant struct {
	name  wal.Partition
	mu    sync.Mutex
	state *stream.PartitionState
}

var _ tier.Partition = (*dormant)(nil)

// Name implements tier.Partition.
func (d *dormant) Name() wal.Partition { return d.name }

// Policy implements tier.Partition: everything is kept.
func (d *dormant) Policy() tier.Policy {
	return tier.Policy{
		RetentionTime: -1, RetentionBytes: -1, SegmentBytes: 1 << 30, SegmentTime: -1, MinCompactionLag: -1, MaxCompactionLag: -1, DeleteRetention: -1,
	}
}

// View implements tier.Partition.
func (d *dormant) View(fn func(*stream.PartitionState)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn(d.state)
	return true
}

// Edit implements tier.Partition.
func (d *dormant) Edit(fn func(*stream.PartitionState) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := fn(d.state)
	if err == nil {
		d.state.Changes++
	}
	return err
}

// SetLogStart implements tier.Partition.
func (d *dormant) SetLogStart(context.Context, int64) error {
	return fmt.Errorf("partition %x-%d: move the log start: %w", d.name.Topic, d.name.Index, kerr.NotLeaderForPartition)
}
