package topic

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"weir/kafka/image"
	"weir/metadata"
)

// Move is a change of one partition that the balancer decided on. It happens only if the partition is still as it was seen then.
type Move struct {
	Topic     metadata.TopicID
	Partition int32
	Seen      metadata.PartitionAssignment
	// Replicas are the ones wanted; nil calls off what is under way.
	Replicas []metadata.BrokerID
	// Leader is who shall lead, one of Replicas. If it does not now, it copies the log and takes over in its own time.
	Leader metadata.BrokerID
	Cause  metadata.MoveCause
}

// Copies reports whether another broker has to copy the partition's log.
func (m *Move) Copies() bool { return m.Replicas != nil && m.Leader != m.Seen.Leader }

// Move makes changes that were decided on by the image, and returns how many of them, in two kinds: those that are done, since the leader stays, and those that began or were
// called off. What changed since then is left alone: whoever decides looks again. It stops with an error if the metadata store cannot be asked.
func (a *Admin) Move(ctx context.Context, img *image.Image, moves []Move) (done, begun int, err error) {
	type pack struct {
		topic metadata.TopicID
		at    int
	}
	packOf := func(m *Move) pack { return pack{m.Topic, int(m.Partition) / metadata.AssignmentsPerKey} }
	moves = slices.Clone(moves)
	slices.SortStableFunc(moves, func(x, y Move) int {
		return cmp.Or(slices.Compare(x.Topic[:], y.Topic[:]), cmp.Compare(x.Partition, y.Partition))
	})
	var newest metadata.Revision
	for len(moves) > 0 && err == nil {
		n := 1
		for n < len(moves) && packOf(&moves[n]) == packOf(&moves[0]) {
			n++
		}
		var d, b int
		var rev metadata.Revision
		d, b, rev, err = a.movePack(ctx, img, packOf(&moves[0]).at, moves[:n])
		done, begun, newest = done+d, begun+b, max(newest, rev)
		moves = moves[n:]
	}
	a.settle(ctx, newest)
	return done, begun, err
}

// movePack makes changes of partitions that share a record.
func (a *Admin) movePack(ctx context.Context, img *image.Image, at int, moves []Move) (done, begun int, rev metadata.Revision, err error) {
	key := metadata.AssignmentKey(a.cfg.Cluster, moves[0].Topic, at)
	for range tries {
		kv, found, err := a.store.Get(ctx, key)
		if err != nil {
			return 0, 0, 0, unavailable(err)
		}
		if !found {
			return 0, 0, 0, nil // with its topic
		}
		record, err := metadata.Decode[metadata.Assignment](kv)
		if err != nil {
			return 0, 0, 0, err
		}
		done, begun = 0, 0
		for i := range moves {
			m, index := &moves[i], int(moves[i].Partition)%metadata.AssignmentsPerKey
			if index >= len(record.Partitions) || !same(&record.Partitions[index], &m.Seen) {
				continue
			}
			m.apply(&record.Partitions[index])
			if m.Copies() || m.Replicas == nil {
				begun++
			} else {
				done++
			}
		}
		if done+begun == 0 {
			return 0, 0, 0, nil
		}
		rev, err := a.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: key, Modified: kv.Modified}, a.asPlaced(img)},
			Then: []metadata.Op{metadata.Put(key, metadata.Encode(record))},
		})
		if err == nil {
			return done, begun, rev, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return 0, 0, 0, unavailable(err)
		}
		if now, err := a.caughtUp(ctx); err != nil || now.SettingsRevision() != img.SettingsRevision() {
			return 0, 0, 0, err // it was decided on other settings
		}
	}
	return 0, 0, 0, nil // others change it all the time; there will be another look
}

// apply makes the change.
func (m *Move) apply(as *metadata.PartitionAssignment) {
	before := without(as.Replicas, as.Adding)
	as.Adding, as.Removing, as.Target, as.Cause = nil, nil, 0, ""
	as.Replicas = before
	switch {
	case m.Replicas == nil:
	case m.Leader == as.Leader:
		as.Replicas = slices.Clone(m.Replicas)
	case slices.Contains(m.Replicas, as.Leader):
		as.Replicas, as.Target, as.Cause = slices.Clone(m.Replicas), m.Leader, m.Cause
	default:
		as.Adding, as.Removing = without(m.Replicas, before), without(before, m.Replicas)
		as.Replicas = slices.Concat(m.Replicas, as.Removing)
		as.Target, as.Cause = m.Leader, m.Cause
	}
}

// same reports whether a partition is as it was seen. Who has still to forget it does not matter.
func same(a, b *metadata.PartitionAssignment) bool {
	return a.Leader == b.Leader && a.Epoch == b.Epoch && a.Target == b.Target && slices.Equal(a.Replicas, b.Replicas) &&
		slices.Equal(a.Adding, b.Adding) && slices.Equal(a.Removing, b.Removing) && a.Cause == b.Cause
}
