package ownership

import (
	"context"
	"time"

	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/stream"
)

// A target that ends between its checkpoint and its transaction, and whose move is called off before it is back, finds a whole state that looks like one that was led. It must not
// go unless the leader has all of it: an operator's hand may have taken the partition away from us, and then ours is the only copy. So the leader is asked.

// dropStray lets go of data that a restart found, and with which the metadata connect us in no way, if their leader has all of them.
func (o *Owner) dropStray(ctx context.Context, peers Peers, key partition.Key) error {
	f := &o.follow
	f.mu.Lock()
	k := f.kept[key.WAL()]
	f.mu.Unlock()
	as, ok := o.assigned(key)
	if k == nil || !ok {
		return nil
	}
	q := question{What: askHave, Topic: key.Topic, Partition: key.Index, By: o.cfg.Broker, Epoch: as.Epoch, Revision: o.image.Current().Revision}
	k.View(func(s *stream.PartitionState) { q.From, q.Last = s.End, metadata.LeaderEpoch(s.EpochAt(s.End-1)) })
	a, err := ask(ctx, peers, as.Leader, q)
	if err != nil {
		return err
	}
	if err := o.barrier(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if d, _ := f.dutyLocked(key, o.cfg.Broker, time.Now()); d != dutyStray || f.kept[key.WAL()] != k {
		return nil // it changed meanwhile
	}
	delete(f.strays, key)
	if !a.Has {
		o.log.Warn("data of a partition are kept that others lead without having them", "topic", key.Topic.String(), "partition", key.Index, "offset", q.From)
		return nil
	}
	o.logs.Release(key.WAL(), o.stream.Mark())
	delete(f.kept, key.WAL())
	o.log.Info("what was copied for a move that was called off goes", "topic", key.Topic.String(), "partition", key.Index, "offset", q.From)
	return nil
}

// has reports whether a log that ends at an offset, with a record of the given leader epoch, is the beginning of this one (KIP-101), or lies before it.
func has(p *partition.Partition, end int64, last metadata.LeaderEpoch) bool {
	at := p.Offsets()
	return end <= at.LogStart || end <= at.HighWatermark && p.EpochAt(end-1) == last
}
