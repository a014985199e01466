package sharestate

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
	"weir/metadata"
)

const (
	// sharesMax bounds the share partitions of one shard.
	sharesMax = 100_000
	// batchesMax bounds the batches of one share partition. A leader locks a few thousand records at most; it is others that could send more.
	batchesMax = 20_000
)

// shard is the state of one partition of __share_group_state.
type shard struct {
	*coordinator.Shard
	settings *Settings
	log      *slog.Logger
	end      func() int64     // the log's durable end
	cut      func(from int64) // deletes what lies in front of from, later
	// exists tells whether the cluster has the partition.
	exists func(metadata.TopicID, int32) bool
	now    func() time.Time

	shares map[Key]*share
	closed error
	prune  pruning
}

// share is one share partition.
type share struct {
	State
	known   bool // false: there is no state, or none any more
	updates int  // since the last snapshot

	// A change is being written; others wait for it in this order.
	busy    bool
	waiting []func()
}

var _ coordinator.State = (*shard)(nil)

// Replay implements coordinator.State.
func (s *shard) Replay(key, value []byte) error {
	s.prune.records++
	kind, k, err := readKey(key)
	if err != nil {
		return err
	}
	switch kind {
	case snapshotKey:
		if value == nil {
			delete(s.shares, k)
			return nil
		}
		state, err := readSnapshot(value)
		if err != nil {
			return err
		}
		s.shares[k] = &share{State: state, known: true}
	case updateKey:
		sh := s.shares[k]
		if value == nil || sh == nil { // without a snapshot in front it is of a state that was deleted
			return nil
		}
		u, err := readUpdate(value)
		if err != nil {
			return err
		}
		sh.State = sh.with(&u)
		sh.updates++
	default:
		s.log.Warn("record of an unknown type skipped", "key", kind)
	}
	return nil
}

// with is s after an update. What the update does not say stays.
func (s *State) with(u *State) State {
	next := *s
	if u.Start >= 0 {
		next.Start = u.Start
	}
	if u.LeaderEpoch >= 0 {
		next.LeaderEpoch = u.LeaderEpoch
	}
	next.Complete = u.Complete
	next.Batches = merge(s.Batches, u.Batches, next.Start)
	return next
}

// Loaded implements coordinator.State.
func (s *shard) Loaded() {
	if len(s.shares) > 0 {
		s.log.Info("share group states loaded", "states", len(s.shares))
	}
	s.schedulePrune()
}

// Closed implements coordinator.State. Changes in flight have their own outcome, after which those that wait fail.
func (s *shard) Closed(reason error) { s.closed = reason }

// turn calls fn when no change of k is being written.
func (s *shard) turn(k Key, fn func(sh *share)) {
	sh := s.shares[k]
	if sh == nil {
		sh = &share{}
		s.shares[k] = sh
	}
	if sh.busy || s.prune.barrier(s) {
		sh.waiting = append(sh.waiting, func() { fn(sh) })
		return
	}
	fn(sh)
	s.next(k, sh)
}

// next lets those go on who wait for sh.
func (s *shard) next(k Key, sh *share) {
	for !sh.busy && len(sh.waiting) > 0 && !s.prune.barrier(s) {
		fn := sh.waiting[0]
		sh.waiting = sh.waiting[1:]
		fn()
	}
	if !sh.busy && !sh.known && len(sh.waiting) == 0 {
		delete(s.shares, k)
	}
}

// append writes a record of k and, once it is durable, makes next its state (nil: none) before done is told.
func (s *shard) append(k Key, sh *share, r coordinator.Record, next *State, snapshot bool, done func(error)) {
	if s.closed != nil {
		done(s.closed)
		return
	}
	sh.busy = true
	s.prune.inflight++
	s.Append([]coordinator.Record{r}, func(err error) {
		sh.busy = false
		s.prune.inflight--
		if err == nil {
			s.prune.records++
			switch {
			case next == nil:
				sh.known, sh.State, sh.updates = false, State{}, 0
			case snapshot:
				sh.known, sh.State, sh.updates = true, *next, 0
			default:
				sh.State = *next
				sh.updates++
			}
		}
		done(err)
		s.maybePrune() // before others go on: it may need a moment without anything in flight
		s.next(k, sh)
	})
}

var (
	errPartition   = fmt.Errorf("%w: the partition id cannot be a negative number", kerr.InvalidRequest)
	errLeaderEpoch = fmt.Errorf("%w: the leader epoch cannot be a negative number", kerr.InvalidRequest)
	errStateEpoch  = fmt.Errorf("%w: the state epoch cannot be a negative number", kerr.InvalidRequest)
	errWrite       = fmt.Errorf("%w: the share partition to write is not initialized", kerr.InvalidRequest)
	errRead        = fmt.Errorf("%w: the share partition to read is not initialized", kerr.InvalidRequest)
	errBatches     = fmt.Errorf("%w: the state batches are not valid", kerr.InvalidRequest)
	errMany        = fmt.Errorf("%w: too many share partitions have a state here", kerr.InvalidRequest)
)

// initialize gives k a state of its own, replacing one of an older or the same state epoch.
func (s *shard) initialize(k Key, stateEpoch int32, start int64, done func(error)) {
	s.turn(k, func(sh *share) {
		var err error
		switch {
		case k.Partition < 0:
			err = errPartition
		case stateEpoch < 0:
			err = errStateEpoch
		case sh.known && sh.StateEpoch > stateEpoch:
			err = kerr.FencedStateEpoch
		case !s.exists(k.Topic, k.Partition):
			err = kerr.UnknownTopicOrPartition
		case !sh.known && len(s.shares) > sharesMax:
			err = errMany
		case sh.known && sh.StateEpoch == stateEpoch && sh.Start == start:
			done(nil)
			return
		}
		if err != nil {
			done(err)
			return
		}
		now := s.now().UnixMilli()
		next := State{StateEpoch: stateEpoch, Start: start, Complete: -1, Created: now, Written: now}
		if start >= 0 {
			next.Complete = 0
		}
		if sh.known {
			next.SnapshotEpoch = sh.SnapshotEpoch + 1
		}
		s.append(k, sh, snapshotRecord(k, &next), &next, true, done)
	})
}

// Write is what a leader says of a share partition.
type Write struct {
	StateEpoch  int32
	LeaderEpoch int32
	Start       int64 // -1: as it is
	Complete    int32 // -1: not known
	Batches     []Batch
}

func (s *shard) write(k Key, w Write, done func(error)) {
	s.turn(k, func(sh *share) {
		if err := s.checkWrite(k, sh, &w); err != nil {
			done(err)
			return
		}
		s.update(k, sh, w, false, done)
	})
}

func (s *shard) checkWrite(k Key, sh *share, w *Write) error {
	switch {
	case k.Partition < 0:
		return errPartition
	case w.LeaderEpoch < 0:
		return errLeaderEpoch
	case w.StateEpoch < 0:
		return errStateEpoch
	case !sh.known:
		return errWrite
	case sh.LeaderEpoch > w.LeaderEpoch:
		return kerr.FencedLeaderEpoch
	case sh.StateEpoch > w.StateEpoch:
		return kerr.FencedStateEpoch
	case !s.exists(k.Topic, k.Partition):
		return kerr.UnknownTopicOrPartition
	case len(sh.Batches)+len(w.Batches) > batchesMax:
		return errBatches
	}
	for _, b := range w.Batches {
		if b.First < 0 || b.First > b.Last || b.Count < 0 || b.State < 0 || b.State > Archived {
			return errBatches
		}
	}
	return nil
}

// update writes w: as an update of the state, or as a snapshot if there were many updates since the last.
func (s *shard) update(k Key, sh *share, w Write, newLeader bool, done func(error)) {
	u := State{SnapshotEpoch: sh.SnapshotEpoch, LeaderEpoch: sh.LeaderEpoch, Start: max(w.Start, sh.Start), Complete: w.Complete}
	if newLeader {
		u.LeaderEpoch = w.LeaderEpoch
	}
	switch { // the start never goes back, and the count belongs to a start
	case w.Start == sh.Start:
		u.Complete = max(w.Complete, sh.Complete)
	case w.Start < sh.Start:
		u.Complete = sh.Complete
	}
	u.Batches = merge(nil, w.Batches, u.Start)
	next := sh.with(&u)
	if sh.updates < s.settings.UpdatesPerSnapshot {
		s.append(k, sh, updateRecord(k, &u), &next, false, done)
		return
	}
	now := s.now().UnixMilli()
	next.SnapshotEpoch++
	next.Created, next.Written = now, now
	s.append(k, sh, snapshotRecord(k, &next), &next, true, done)
}

// read returns the state to a leader of that epoch, from when on older ones are fenced.
func (s *shard) read(k Key, leaderEpoch int32, done func(State, error)) {
	s.turn(k, func(sh *share) {
		var err error
		switch {
		case k.Partition < 0:
			err = errPartition
		case leaderEpoch < 0:
			err = errLeaderEpoch
		case !sh.known:
			err = errRead
		case sh.LeaderEpoch > leaderEpoch:
			err = kerr.FencedLeaderEpoch
		case !s.exists(k.Topic, k.Partition):
			err = kerr.UnknownTopicOrPartition
		}
		if err != nil {
			done(State{}, err)
			return
		}
		if sh.LeaderEpoch == leaderEpoch {
			done(sh.State, nil)
			return
		}
		w := Write{StateEpoch: sh.StateEpoch, LeaderEpoch: leaderEpoch, Start: sh.Start, Complete: sh.Complete}
		s.update(k, sh, w, true, func(err error) { done(sh.State, err) })
	})
}

// summary returns the state without its batches; the second result is false if there is none.
func (s *shard) summary(k Key, done func(State, bool, error)) {
	s.turn(k, func(sh *share) {
		switch {
		case k.Partition < 0:
			done(State{}, false, errPartition)
		case !s.exists(k.Topic, k.Partition):
			done(State{}, false, kerr.UnknownTopicOrPartition)
		default:
			state := sh.State
			state.Batches = nil
			done(state, sh.known, nil)
		}
	})
}

// remove forgets the state; that there is none is no error.
func (s *shard) remove(k Key, done func(error)) {
	s.turn(k, func(sh *share) {
		switch {
		case k.Partition < 0:
			done(errPartition)
		case !sh.known && !s.exists(k.Topic, k.Partition):
			done(kerr.UnknownTopicOrPartition)
		case !sh.known:
			done(nil)
		default:
			// Also when its topic is gone: that is when a state has to go.
			s.append(k, sh, snapshotRecord(k, nil), nil, true, done)
		}
	})
}
