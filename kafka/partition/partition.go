package partition

import (
	"fmt"
	"sync"
	"sync/atomic"

	"weir/metadata"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// Key names a partition.
type Key struct {
	Topic metadata.TopicID
	Index int32
}

func (k Key) String() string { return fmt.Sprintf("%v-%d", k.Topic, k.Index) }

// WAL is the name of the partition in the log.
func (k Key) WAL() wal.Partition { return wal.Partition{Topic: k.Topic, Index: k.Index} }

// Offsets are the bounds of what can be read.
type Offsets struct{ LogStart, HighWatermark, LastStable int64 }

// Partition is safe for concurrent use.
type Partition struct {
	key     Key
	epoch   metadata.LeaderEpoch
	leaders *Leaders
	config  atomic.Pointer[LogConfig]
	traffic traffic

	mu       sync.Mutex
	closed   error                  // why it is not served any more
	fenced   error                  // why nothing is taken any more, though it is still read from; see Fence
	gone     bool                   // its data are not needed any more
	heir     tier.Partition         // who has the state now; see Pass
	copied   copying                // to another broker
	state    *stream.PartitionState // what is durable
	tail     tail                   // the newest of it, in memory
	checked  checked                // of what lies in the journal
	cleaned  int64                  // end of what was compacted: reads before it pass the tail by, which has what is superseded
	watchers []*watcher
	wakingIn uint64 // the last commit whose end wakes the watchers

	// In flight: not durable, not visible to anyone.
	end         int64 // next offset to give
	adopted     bool  // ADOPT of our epoch is durable or in flight
	first, last *inflight
	pending     map[int64]pendingProducer
	refused     map[int64]sequence // by producer that is not known: the first of its appends that failed, until one is durable
	cut         *cut               // the newest move of the log start in flight
	verifying   map[int64]verification
	guards      Guard // the last one that was given out
}

// Key names the partition.
func (p *Partition) Key() Key { return p.key }

// LeaderEpoch is the epoch in which this broker leads it.
func (p *Partition) LeaderEpoch() metadata.LeaderEpoch { return p.epoch }

// Configure applies to later appends.
func (p *Partition) Configure(c *LogConfig) { p.config.Store(c) }

// Offsets returns the current bounds.
func (p *Partition) Offsets() Offsets {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offsetsLocked()
}

func (p *Partition) offsetsLocked() Offsets {
	return Offsets{LogStart: p.state.LogStart, HighWatermark: p.state.End, LastStable: p.state.LastStable()}
}

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch known that is at most epoch, and the offset at which it ended.
// Both are -1 if the epoch is -1, or unknown, that is, newer than all. An epoch older than all known ones ended where the first begins.
func (p *Partition) EpochEnd(epoch metadata.LeaderEpoch) (metadata.LeaderEpoch, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case epoch == p.epoch:
		return epoch, p.state.End
	case epoch == -1 || epoch > p.epoch:
		return -1, -1
	}
	known, end := p.state.EpochEnd(int32(epoch))
	if known >= 0 {
		return metadata.LeaderEpoch(known), end
	}
	if len(p.state.Epochs) > 0 {
		return epoch, p.state.Epochs[0].Start
	}
	return epoch, p.state.End // only our own epoch is known, and not durable yet
}

// EpochAt is the leader epoch in which the record at offset was appended, or will be; -1 if unknown.
func (p *Partition) EpochAt(offset int64) metadata.LeaderEpoch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if offset >= p.state.End {
		return p.epoch
	}
	return metadata.LeaderEpoch(p.state.EpochAt(offset))
}

// close ends the partition; see Leaders.Close.
func (p *Partition) close(reason error, deleted bool) {
	p.mu.Lock()
	if p.closed != nil {
		p.mu.Unlock()
		return
	}
	p.closed, p.gone = reason, deleted
	if deleted {
		p.releaseLocked()
	}
	p.tail.drop()
	woken := make([]*watcher, len(p.watchers))
	copy(woken, p.watchers)
	p.mu.Unlock()
	for _, w := range woken {
		w.fn()
	}
}

// release says in the log that the partition is gone. It has no place among the partition's other entries: replay forgets them all.
type release struct{ entry wal.Entry }

func (r *release) Entry() wal.Entry                           { return r.entry }
func (r *release) Cancelled() bool                            { return false }
func (r *release) Committed(*stream.Commit, *wal.Entry) error { return nil }

// Failed implements stream.Write. A recovery finds that the topic does not exist, so a missing RELEASE costs it time only.
func (r *release) Failed(error) {}

func (p *Partition) releaseLocked() {
	_ = p.leaders.cfg.Stream.Enqueue(&release{wal.Entry{
		Type: wal.Release, Partition: p.key.WAL(), LeaderEpoch: int32(p.epoch), BaseOffset: p.end, AppendMs: p.leaders.cfg.Now().UnixMilli(),
	}})
}
