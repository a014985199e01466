package ownership

import (
	"fmt"
	"slices"

	"weir/kafka/partition"
	"weir/storage/stream"
)

// Sizes says what the broker has of each partition of which it has data, in no order.
func (o *Owner) Sizes() []partition.Size {
	var out []partition.Size
	for p := range o.partitions {
		name := p.Name()
		s := partition.Size{Key: partition.Key{Topic: name.Topic, Index: name.Index}}
		if !p.View(func(state *stream.PartitionState) { s.Measure(state) }) {
			continue
		}
		out = append(out, s)
	}
	f := &o.follow
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range out {
		s := &out[i]
		s.Kept = f.kept[s.Key.WAL()] != nil
		if end, ok := f.ends[s.Key]; ok && s.Kept {
			s.Lag = max(end-s.End, 0)
		}
	}
	return slices.Clip(out)
}

// Space is how many bytes the file system of the broker's directory has in all, and how many of them are free.
func (o *Owner) Space() (free, total int64, err error) {
	if free, total, err = o.disk.Space(); err != nil {
		return 0, 0, fmt.Errorf("ownership: broker %d: space of its file system: %w", o.cfg.Broker, err)
	}
	return free, total, nil
}
