package group

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/planted"
	"weir/kafka/coordinator"
	"weir/kafka/partition"
)

// Offsets that are committed in a transaction lie in the log as records of it, and count from its marker on (KIP-98). Until then they are pending: those who
// ask for stable offsets are told to come back (KIP-447). A commit, or a deletion, that comes behind a pending offset takes its place for good.

// TxnCommit is a TxnOffsetCommit request, for partitions that exist.
type TxnCommit struct {
	Commit
	ProducerID    int64
	ProducerEpoch int16
	// Verify asks the transaction's coordinator whether the group's partition of __consumer_offsets is in the transaction, or has it added; the offsets
	// rest on the premise that it returns. It may block; nil asks nobody.
	Verify func(ctx context.Context) (*partition.Premise, error)
}

// groupPartition names an offset in a shard.
type groupPartition struct {
	group string
	topicPartition
}

// openOffsets are the pending offsets of one producer's transaction.
type openOffsets struct {
	epoch   int16
	offsets map[groupPartition]offset
}

// pending is what a shard knows of transactions. The shard's lock guards it.
type pending struct {
	open     map[int64]*openOffsets // by producer id
	count    int                    // offsets in all of open, and on their way there
	verified map[int64][]*question  // under way, by producer id
}

// question is one to a transaction's coordinator. Its answer is about an earlier transaction if a marker comes meanwhile.
type question struct {
	epoch int16
	ended bool
}

// pendingOffsetsMax bounds the pending offsets of a shard.
const pendingOffsetsMax = 100_000

// CommitInTransaction handles TxnOffsetCommit, with an outcome for each offset or one for all. It waits until the offsets are durable.
func (c *Coordinator) CommitInTransaction(ctx context.Context, r TxnCommit) ([]error, error) {
	if r.Group == "" {
		return nil, kerr.InvalidGroupID
	}
	var q *question
	if err := c.do(ctx, r.Group, func(s *state) { q = s.ask(&r) }); err != nil {
		return nil, err
	}
	var premise *partition.Premise
	if q != nil && r.Verify != nil {
		var err error
		if premise, err = r.Verify(ctx); err != nil {
			_ = c.do(ctx, r.Group, func(s *state) { s.answered(r.ProducerID, q) })
			return nil, err
		}
	}
	type result struct {
		each []error
		all  error
	}
	done := make(chan result, 1)
	if err := c.do(ctx, r.Group, func(s *state) {
		s.answered(r.ProducerID, q)
		s.commitPending(&r, q, premise, func(each []error, all error) { done <- result{each, all} })
	}); err != nil {
		return nil, err
	}
	timeout := time.NewTimer(c.settings.CommitTimeout)
	defer timeout.Stop()
	select {
	case r := <-done:
		return r.each, r.all
	case <-timeout.C:
		return nil, kerr.RequestTimedOut
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// EndTransaction writes the marker of a producer's transaction to the partition of __consumer_offsets, and applies or drops the transaction's offsets. done is
// called once, perhaps at once, without a lock.
func (c *Coordinator) EndTransaction(ctx context.Context, index int32, m partition.Marker, done func(error)) {
	var refused error
	err := c.shards.Do(ctx, index, func(s *state) { refused = s.endTransaction(m, done) })
	if err == kerr.NotCoordinator { //nolint:errorlint // as the coordinator package answers; whoever writes markers asks for leaders
		err = kerr.NotLeaderForPartition
	}
	if err == nil {
		err = refused
	}
	if err != nil {
		done(err)
	}
}

// QueueMarker is EndTransaction for who must not wait. It reports whether the marker was queued; if not, done is not called.
func (c *Coordinator) QueueMarker(index int32, m partition.Marker, done func(error)) bool {
	var refused error
	return c.shards.Try(index, func(s *state) { refused = s.endTransaction(m, done) }) && refused == nil
}

// ask notes that the transaction's coordinator is about to be asked; it returns nil if that is not needed, because the transaction is open here.
func (s *state) ask(r *TxnCommit) *question {
	if o := s.pending.open[r.ProducerID]; o != nil && o.epoch == r.ProducerEpoch {
		return nil
	}
	q := &question{epoch: r.ProducerEpoch}
	if s.pending.verified == nil {
		s.pending.verified = make(map[int64][]*question)
	}
	s.pending.verified[r.ProducerID] = append(s.pending.verified[r.ProducerID], q)
	return q
}

// answered notes that the question, if there was one, has its answer. A state that does not know it was loaded meanwhile: it cannot tell what came in between.
func (s *state) answered(producer int64, q *question) {
	if q == nil {
		return
	}
	qs := s.pending.verified[producer]
	i := slices.Index(qs, q)
	if i < 0 {
		q.ended = true
		return
	}
	if qs = append(qs[:i:i], qs[i+1:]...); len(qs) == 0 {
		delete(s.pending.verified, producer)
		return
	}
	s.pending.verified[producer] = qs
}

// commitPending handles a TxnCommit that is verified.
func (s *state) commitPending(r *TxnCommit, q *question, premise *partition.Premise, reply func([]error, error)) {
	o := s.pending.open[r.ProducerID]
	switch {
	case q != nil && q.ended, q == nil && (o == nil || o.epoch != r.ProducerEpoch):
		reply(nil, fmt.Errorf("the transaction ended meanwhile: %w", kerr.InvalidTxnState))
		return
	case s.pending.count+len(r.Offsets) > pendingOffsetsMax:
		reply(nil, kerr.CoordinatorNotAvailable)
		return
	}
	g := s.groups[r.Group]
	if g == nil {
		if r.Generation >= 0 {
			reply(nil, kerr.IllegalGeneration)
			return
		}
		if g = s.begin(r.Group); g == nil {
			reply(nil, kerr.GroupMaxSizeReached)
			return
		}
	}
	r.Transactional = true
	each, err := g.kind.mayCommit(&r.Commit)
	if g.dying {
		err = kerr.CoordinatorNotAvailable
	}
	if err != nil {
		g.forgetIfUnused()
		reply(nil, err)
		return
	}
	now := time.Now().UnixMilli()
	errs := make([]error, len(r.Offsets))
	taken := make(map[groupPartition]offset, len(r.Offsets))
	var records []coordinator.Record
	for i := range r.Offsets {
		in := &r.Offsets[i]
		if len(in.Metadata) > s.settings.OffsetMetadataMax {
			errs[i] = kerr.OffsetMetadataTooLarge
			continue
		}
		if each != nil {
			if errs[i] = each(in); errs[i] != nil {
				continue
			}
		}
		tp := topicPartition{in.Topic, in.Partition}
		one := offset{topicID: in.TopicID, offset: in.Offset, leaderEpoch: in.LeaderEpoch, metadata: in.Metadata, committedMs: now}
		taken[groupPartition{r.Group, tp}] = one
		records = append(records, offsetRecord(g.id, tp, &one))
	}
	if len(records) == 0 {
		g.forgetIfUnused()
		reply(errs, nil)
		return
	}
	s.pending.count += len(taken)
	g.unsettled++
	s.shard.AppendTransactional(r.ProducerID, r.ProducerEpoch, premise, records, func(err error) {
		g.settle(err)
		s.pending.count -= len(taken)
		if err == nil {
			s.addPending(r.ProducerID, r.ProducerEpoch, taken)
		}
		g.forgetIfUnused()
		if err != nil {
			reply(nil, commitError(err))
			return
		}
		reply(errs, nil)
	})
}

// addPending notes offsets of an open transaction that are durable.
func (s *state) addPending(producer int64, epoch int16, offsets map[groupPartition]offset) {
	o := s.pending.open[producer]
	if o == nil {
		o = &openOffsets{offsets: make(map[groupPartition]offset, len(offsets))}
		if s.pending.open == nil {
			s.pending.open = make(map[int64]*openOffsets)
		}
		s.pending.open[producer] = o
	}
	o.epoch = epoch
	s.pending.count -= len(o.offsets)
	maps.Copy(o.offsets, offsets)
	s.pending.count += len(o.offsets)
}

// endTransaction queues a marker and does what it says once it is durable; done is called then, without the lock. An error means that nothing was queued.
func (s *state) endTransaction(m partition.Marker, done func(error)) error {
	for _, q := range s.pending.verified[m.ProducerID] {
		q.ended = q.ended || m.Ends(q.epoch)
	}
	return s.shard.AppendMarker(m, func(err error) {
		if err == nil {
			s.settle(m.ProducerID, m.Commit)
		}
	}, done)
}

// settle applies or drops the pending offsets of a producer.
func (s *state) settle(producer int64, commit bool) {
	o := s.pending.open[producer]
	if o == nil {
		return
	}
	delete(s.pending.open, producer)
	s.pending.count -= len(o.offsets)
	if !commit && !planted.Is(planted.OffsetsOfAborted) {
		return
	}
	for at, one := range o.offsets {
		g := s.groups[at.group]
		if g == nil { // its members left, and it had nothing but this
			g = newGroup(s, at.group)
			s.groups[at.group] = g
		}
		g.offsets[at.topicPartition] = one
	}
	s.metrics.commits.Add(float64(len(o.offsets)))
}

// supersede drops pending offsets that something behind them in the log takes the place of.
func (s *state) supersede(group string, tp topicPartition) {
	for _, o := range s.pending.open {
		at := groupPartition{group, tp}
		if _, ok := o.offsets[at]; ok {
			delete(o.offsets, at)
			s.pending.count--
		}
	}
}

// unstable tells whether the offset is pending in a transaction.
func (s *state) unstable(group string, tp topicPartition) bool {
	for _, o := range s.pending.open {
		if _, ok := o.offsets[groupPartition{group, tp}]; ok {
			return true
		}
	}
	return false
}

// pendingOf returns the offsets of the group that are pending.
func (s *state) pendingOf(group string) []topicPartition {
	var out []topicPartition
	for _, o := range s.pending.open {
		for at := range o.offsets {
			if at.group == group {
				out = append(out, at.topicPartition)
			}
		}
	}
	return out
}

var _ coordinator.TransactionalState = (*state)(nil)

// ReplayTransactional implements coordinator.TransactionalState.
func (s *state) ReplayTransactional(producer int64, epoch int16, key, value []byte) error {
	if len(key) < 2 {
		return fmt.Errorf("record key of %d bytes", len(key))
	}
	if kind := binary.BigEndian.Uint16(key); kind != offsetKeyOld && kind != offsetKey {
		s.log.Warn("record in a transaction that is no offset skipped", "key", kind)
		return nil
	}
	group, tp, one, err := readOffset(key, value)
	if err != nil || one == nil {
		return err
	}
	s.addPending(producer, epoch, map[groupPartition]offset{{group, tp}: *one})
	return nil
}

// ReplayMarker implements coordinator.TransactionalState.
func (s *state) ReplayMarker(producer int64, _ int16, commit bool) error {
	s.settle(producer, commit)
	return nil
}
