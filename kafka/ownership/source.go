package ownership

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/stream"
)

// fence is a partition of ours that is being handed over.
type fence struct {
	to    metadata.BrokerID
	until time.Time
}

// Answer answers what the target of a move asks about a partition that we lead. See question.go for what both look like.
func (o *Owner) Answer(ctx context.Context, asked []byte) []byte {
	var q question
	if err := json.Unmarshal(asked, &q); err != nil {
		return (&answer{Code: kerr.InvalidRequest.Code, Reason: "it is no question"}).encode()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	a, err := o.answer(ctx, &q)
	if err != nil {
		var k *kerr.Error
		if !errors.As(err, &k) {
			k = kerr.UnknownServerError
		}
		a = &answer{Code: k.Code, Reason: err.Error()}
	}
	return a.encode()
}

func (o *Owner) answer(ctx context.Context, q *question) (*answer, error) {
	if q.What == askTraffic {
		return o.traffic(), nil
	}
	key := partition.Key{Topic: q.Topic, Index: q.Partition}
	if _, err := o.image.Await(ctx, q.Revision); err != nil {
		return nil, err
	}
	as, ok := o.assigned(key)
	switch {
	case !ok:
		return nil, kerr.UnknownTopicOrPartition
	case as.Leader != o.cfg.Broker || as.Epoch != q.Epoch:
		return nil, fmt.Errorf("partition %v is led by broker %d in epoch %d: %w", key, as.Leader, as.Epoch, kerr.NotLeaderForPartition)
	case as.Target != q.By && q.What != askHave:
		return nil, fmt.Errorf("partition %v is to be led by broker %d, not %d: %w", key, as.Target, q.By, kerr.InvalidReplicaAssignment)
	}
	p, err := o.leaders.Get(key)
	if err != nil {
		return nil, err
	}
	if p.LeaderEpoch() != q.Epoch {
		return nil, fmt.Errorf("partition %v is open in epoch %d: %w", key, p.LeaderEpoch(), kerr.NotLeaderForPartition)
	}
	switch q.What {
	case askHave:
		return &answer{Has: has(p, q.From, q.Last)}, nil
	case askRead:
		return o.readFor(ctx, p, q)
	case askTake:
		return o.handOver(ctx, p, q)
	case askKeep:
		o.follow.expire(key)
		return &answer{}, nil
	default:
		return nil, fmt.Errorf("it asks for %q: %w", q.What, kerr.InvalidRequest)
	}
}

// assigned is what the newest image says of a partition.
func (o *Owner) assigned(key partition.Key) (metadata.PartitionAssignment, bool) {
	t, ok := o.image.Current().TopicByID(key.Topic)
	if !ok || key.Index < 0 || int(key.Index) >= len(t.Partitions) {
		return metadata.PartitionAssignment{}, false
	}
	return t.Partitions[key.Index], true
}

func (o *Owner) readFor(ctx context.Context, p *partition.Partition, q *question) (*answer, error) {
	a := &answer{Version: p.Copied(), Next: q.From}
	at := p.Offsets()
	a.Start, a.End = at.LogStart, at.HighWatermark
	if q.Bytes <= 0 || q.From < a.Start || q.From >= a.End {
		return a, nil
	}
	recs, err := p.Read(ctx, partition.ReadRequest{Offset: q.From, MaxBytes: min(q.Bytes, copyReadBytes), AtLeastOne: true, ClientEpoch: -1})
	if err != nil {
		return nil, err
	}
	defer recs.Release()
	a.Start, a.End = recs.Offsets.LogStart, recs.Offsets.HighWatermark
	a.data = make([]byte, 0, recs.Bytes)
	for _, s := range recs.Segments {
		a.data = append(a.data, s...)
	}
	a.Next = a.End // nothing is left up to there, if nothing was found
	for rest := a.data; len(rest) > 0; {
		h, _, after, err := batch.Next(rest)
		if err != nil {
			return nil, fmt.Errorf("partition %v: read at %d for broker %d: %w: %w", p.Key(), q.From, q.By, kerr.KafkaStorageError, err)
		}
		a.Next, rest = h.LastOffset()+1, after
	}
	return a, nil
}

// handOver fences the partition and returns its final state. It does so again if it is asked again.
func (o *Owner) handOver(ctx context.Context, p *partition.Partition, q *question) (*answer, error) {
	if !o.follow.fence(p, q.By, time.Now().Add(o.cfg.Moves.HandOver)) {
		return nil, fmt.Errorf("partition %v: it was handed over, and is taken back: %w", p.Key(), kerr.NotLeaderForPartition)
	}
	if err := o.barrier(ctx); err != nil {
		return nil, err
	}
	if !p.Settled() {
		return nil, fmt.Errorf("partition %v: hand over: appends are in flight: %w", p.Key(), kerr.NotLeaderForPartition)
	}
	a := &answer{Version: p.Copied()}
	p.View(func(s *stream.PartitionState) {
		a.Start, a.End, a.data = s.LogStart, s.End, s.HandOver(p.Key().WAL())
	})
	o.log.Info("partition is handed over", "topic", p.Key().Topic.String(), "partition", p.Key().Index, "to", int32(q.By), "offset", a.End)
	return a, nil
}

// fence fences p until then. It returns false if that time is over already.
func (f *follower) fence(p *partition.Partition, to metadata.BrokerID, until time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wake == nil {
		return false // nobody would take it back
	}
	if old, ok := f.fences[p.Key()]; ok {
		return old.to == to && !old.until.IsZero()
	}
	p.Fence()
	f.fences[p.Key()] = fence{to, until}
	f.noteLocked(p.Key())
	return true
}

// expire ends the time of a fence.
func (f *follower) expire(key partition.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, ok := f.fences[key]; ok {
		f.fences[key] = fence{to: old.to}
		f.noteLocked(key)
	}
}

// takeBack makes us leader of a partition that was handed over to nobody, in the next epoch: the target's transaction needs the present one, so after this one
// it cannot be done.
func (o *Owner) takeBack(ctx context.Context, key partition.Key) error {
	return o.change(ctx, key, func(as *metadata.PartitionAssignment) bool {
		if as.Leader != o.cfg.Broker {
			return false
		}
		as.Epoch++
		o.follow.expect(key, as.Epoch)
		o.follow.counts.takenBack.Add(1)
		return true
	})
}

// expect notes the epoch in which we are about to make ourselves leader.
func (f *follower) expect(key partition.Key, epoch metadata.LeaderEpoch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mine[key] = epoch
}

// change edits what the metadata say of a partition, unless fn returns false, and waits until our image shows it.
func (o *Owner) change(ctx context.Context, key partition.Key, fn func(*metadata.PartitionAssignment) bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	revision, err := o.changeOne(ctx, key, fn)
	if err == nil && revision > 0 {
		_, err = o.image.Await(ctx, revision)
	}
	return err
}

// changeOne is change but for the waiting. It returns 0 if nothing was changed.
func (o *Owner) changeOne(ctx context.Context, key partition.Key, fn func(*metadata.PartitionAssignment) bool) (metadata.Revision, error) {
	select {
	case o.follow.changing <- struct{}{}:
		defer func() { <-o.follow.changing }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	name := metadata.AssignmentKey(o.cfg.Cluster, key.Topic, int(key.Index)/metadata.AssignmentsPerKey)
	at := int(key.Index) % metadata.AssignmentsPerKey
	for range triesMax {
		kv, found, err := o.store.Get(ctx, name)
		if err != nil {
			return 0, fmt.Errorf("partition %v: read its assignment: %w", key, err)
		}
		if !found {
			return 0, nil // with its topic
		}
		pack, err := metadata.Decode[metadata.Assignment](kv)
		if err != nil {
			return 0, fmt.Errorf("partition %v: %w", key, err)
		}
		if at >= len(pack.Partitions) || !fn(&pack.Partitions[at]) {
			return 0, nil
		}
		revision, err := o.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: name, Modified: kv.Modified}},
			Then: []metadata.Op{metadata.Put(name, metadata.Encode(pack))},
		})
		if err == nil {
			return revision, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return 0, fmt.Errorf("partition %v: change its assignment: %w", key, err)
		}
	}
	return 0, fmt.Errorf("partition %v: change its assignment: it changed %d times meanwhile: %w", key, triesMax, metadata.ErrConflict)
}
