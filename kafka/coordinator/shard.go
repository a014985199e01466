package coordinator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/planted"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
)

// Record is one record of a coordinator's log. A nil Value is a tombstone: compaction forgets the key.
type Record struct{ Key, Value []byte }

// State is what a coordinator keeps per partition. All methods are called with the shard's lock held.
type State interface {
	// Replay applies one record while the shard loads, in log order; value is nil for a tombstone. The bytes must be copied if kept.
	// An error stops loading: the shard does not serve until it can be read.
	Replay(key, value []byte) error
	// Loaded is called after the last Replay, before anything else.
	Loaded()
	// Closed is called when the shard serves no more; whoever waits must be told reason, a Kafka error. Append fails from now on.
	Closed(reason error)
}

// TransactionalState is a State whose log holds transactions of producers: what belongs to one counts once its marker says so.
type TransactionalState interface {
	State
	// ReplayTransactional is Replay for a record that belongs to the transaction of a producer which is still open at this place of the log.
	ReplayTransactional(producerID int64, producerEpoch int16, key, value []byte) error
	// ReplayMarker says that the producer's transaction ends here.
	ReplayMarker(producerID int64, producerEpoch int16, commit bool) error
}

// Log is the part of a partition that a shard uses.
type Log interface {
	Append(a partition.Append, done func(partition.Appended, error)) error
	Read(ctx context.Context, r partition.ReadRequest) (partition.Records, error)
	Offsets() partition.Offsets
}

// MarkerLog is a Log that transactions can be ended in, as every partition is.
type MarkerLog interface {
	Log
	AppendMarker(m partition.Marker, done func(partition.Appended, error)) error
}

var _ MarkerLog = (*partition.Partition)(nil)

// Shard is one partition's lock, log and timers, as its State uses them.
type Shard struct {
	index  int32
	epoch  metadata.LeaderEpoch
	log    Log
	timers *Timers

	mu     sync.Mutex
	closed error         // why it serves no more
	ended  bool          // the State was told so
	reload chan struct{} // closed when the shard is to be loaded anew

	flying  int           // appends without an outcome
	settled chan struct{} // closed when it has ended and there are none
}

// NewShard returns a shard over log. It serves at once: the caller loads it first.
func NewShard(index int32, log Log, timers *Timers) *Shard {
	return &Shard{index: index, log: log, timers: timers, reload: make(chan struct{}), settled: make(chan struct{})}
}

// Epoch is the leader epoch in which this broker leads the partition, which is the coordinator's epoch.
func (s *Shard) Epoch() metadata.LeaderEpoch { return s.epoch }

// Index is the number of the partition.
func (s *Shard) Index() int32 { return s.index }

// Locked calls fn with the lock held, or returns why the shard does not serve.
func (s *Shard) Locked(fn func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != nil {
		return s.closed
	}
	fn()
	return nil
}

// batchBytesMax keeps a shard's batches below the size that any consumer of the topic is prepared for.
const batchBytesMax = 512 << 10

// Append writes the records as one unit: all or none become durable. done is called under the lock, once: with nil when they are durable and
// all earlier appends had their done, or with a Kafka error, possibly before Append returns. Append is called under the lock.
func (s *Shard) Append(records []Record, done func(error)) {
	s.append(batch.NewBuilder, records, nil, done)
}

// AppendOn is Append for records that rest on something queued before.
func (s *Shard) AppendOn(premise *partition.Premise, records []Record, done func(error)) {
	s.append(batch.NewBuilder, records, premise, done)
}

// AppendTransactional is AppendOn for records that belong to the producer's open transaction: they count when AppendMarker says so.
func (s *Shard) AppendTransactional(producerID int64, producerEpoch int16, premise *partition.Premise, records []Record, done func(error)) {
	s.append(func() *batch.Builder {
		b := batch.NewBuilder()
		b.Transactional, b.ProducerID, b.ProducerEpoch = true, producerID, producerEpoch
		return b
	}, records, premise, done)
}

// AppendMarker queues the end of a producer's transaction. An error means that nothing was queued. Otherwise done is called as that of Append, and after
// behind it, without the lock; the State applies or drops in done what the transaction appended. An error there means that the marker is not in the log.
func (s *Shard) AppendMarker(m partition.Marker, done, after func(error)) error {
	if s.closed != nil {
		return s.closed
	}
	log, ok := s.log.(MarkerLog)
	if !ok {
		return fmt.Errorf("end a transaction: %w", kerr.UnsupportedVersion)
	}
	err := log.AppendMarker(m, func(_ partition.Appended, err error) {
		s.mu.Lock()
		done(err)
		s.landLocked()
		s.mu.Unlock()
		after(err)
	})
	if err == nil {
		s.flying++
	}
	return err
}

// landLocked notes that an append has its outcome.
func (s *Shard) landLocked() {
	if s.flying--; s.flying == 0 && s.ended {
		close(s.settled)
	}
}

func (s *Shard) append(builder func() *batch.Builder, records []Record, premise *partition.Premise, done func(error)) {
	if s.closed != nil {
		done(s.closed)
		return
	}
	now := time.Now().UnixMilli()
	var batches []byte
	b := builder()
	for _, r := range records {
		if b.Size() > batchBytesMax {
			batches = append(batches, b.Batch()...)
			b = builder()
		}
		b.Add(now, r.Key, r.Value)
	}
	if last := b.Batch(); batches == nil {
		batches = last
	} else {
		batches = append(batches, last...)
	}
	err := s.log.Append(partition.Append{Batches: batches, Origin: partition.FromCoordinator, Premise: premise}, func(_ partition.Appended, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		done(err)
		s.landLocked()
	})
	if err != nil {
		done(err)
		return
	}
	s.flying++
}

// After calls fn under the lock once d has passed, unless the timer is stopped or the shard closed before. After is called under the lock.
func (s *Shard) After(d time.Duration, fn func()) *Timer {
	var t *Timer
	t = s.timers.start(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !t.stopped && s.closed == nil {
			t.stopped = true
			fn()
		}
	})
	return t
}

// Stop prevents the timer's call. It is called under the lock; nil and stopped timers are no error.
func (s *Shard) Stop(t *Timer) {
	if t != nil && !t.stopped {
		t.stopped = true
		s.timers.stop(t)
	}
}

// loadBytes is how much of the log one read asks for.
const loadBytes = 4 << 20

// Load replays the log into state and calls Loaded.
func (s *Shard) Load(ctx context.Context, state State, decoder *batch.Decoder) error {
	bounds := s.log.Offsets()
	for offset := bounds.LogStart; offset < bounds.HighWatermark; {
		recs, err := s.log.Read(ctx, partition.ReadRequest{Offset: offset, MaxBytes: loadBytes, AtLeastOne: true, ClientEpoch: -1})
		if err != nil {
			return fmt.Errorf("load at offset %d: %w", offset, err)
		}
		next, err := s.replay(state, decoder, recs.Segments, offset)
		recs.Release()
		if err != nil {
			return err
		}
		if next == offset {
			return fmt.Errorf("load at offset %d: the log ends before its high watermark %d: %w", offset, bounds.HighWatermark, kerr.KafkaStorageError)
		}
		offset = next
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	state.Loaded()
	return nil
}

// replay applies all records from offset on and returns the offset behind the last batch.
func (s *Shard) replay(state State, decoder *batch.Decoder, segments [][]byte, offset int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rest := range segments {
		for len(rest) > 0 {
			h, one, more, err := batch.Next(rest)
			if err != nil {
				return offset, fmt.Errorf("load at offset %d: %w", offset, err)
			}
			rest = more
			if len(rest) == 0 && planted.Is(planted.LoseNewest) {
				offset = h.LastOffset() + 1
				continue
			}
			transactional, _ := state.(TransactionalState) // nil: its topic holds none
			if h.Control() {
				marker, ok, err := batch.ReadMarker(one)
				if err == nil && ok && transactional != nil {
					err = transactional.ReplayMarker(h.ProducerID, h.ProducerEpoch, marker.Commit)
				}
				if err != nil {
					return offset, fmt.Errorf("load at offset %d: %w", h.BaseOffset, err)
				}
				offset = h.LastOffset() + 1
				continue
			}
			for r, err := range decoder.Records(one) {
				if err != nil {
					return offset, fmt.Errorf("load at offset %d: %w", h.BaseOffset, err)
				}
				if r.Offset < offset {
					continue
				}
				if h.Transactional() && transactional != nil {
					err = transactional.ReplayTransactional(h.ProducerID, h.ProducerEpoch, r.Key, r.Value)
				} else {
					err = state.Replay(r.Key, r.Value)
				}
				if err != nil {
					return offset, fmt.Errorf("load at offset %d: %w", r.Offset, err)
				}
			}
			offset = h.LastOffset() + 1
		}
	}
	return offset, nil
}

// Reload ends the shard and lets its Coordinator load it again from the log: what a State calls that changed its memory before an append which then
// failed. It is called under the lock, more than once if need be.
func (s *Shard) Reload() {
	if s.closed == nil {
		s.closed = kerr.CoordinatorLoadInProgress
		close(s.reload)
	}
}

// close ends the shard.
func (s *Shard) close(state State, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.closed, s.ended = reason, true
		state.Closed(reason)
		if s.flying == 0 {
			close(s.settled)
		}
	}
}
