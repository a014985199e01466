package stream

import (
	"fmt"
	"math"
	"sort"

	"weir/storage/batch"
	"weir/storage/segment"
	"weir/storage/wal"
)

// EpochStart says that a leader epoch began at an offset.
type EpochStart struct {
	Epoch int32
	Start int64
}

// PartitionState is what the log says of one partition. It is a pure function of the partition's entries: two states that saw the
// same entries are equal. It is not safe for concurrent use.
type PartitionState struct {
	LogStart  int64        // first readable offset
	End       int64        // one past the last durable record: the high watermark
	Epochs    []EpochStart // ascending in both
	Producers Producers
	Open      []OpenTransaction // ascending by first offset
	Aborted   []segment.Aborted // that reach to LogStart or beyond; ascending by last offset
	Pieces    []segment.Piece   // where [LogStart, Flushed()) lies
	Extents   Extents           // where [Flushed(), End) lies, in the journal
	Applied   Mark              // the last entry of the partition; what a replay finds at or before it is part of the state already
	Changes   uint64            // counts what changed the state, so that a checkpoint finds what is new to it
}

// Epoch is the newest leader epoch that the partition saw, -1 if none.
func (p *PartitionState) Epoch() int32 {
	if len(p.Epochs) == 0 {
		return -1
	}
	return p.Epochs[len(p.Epochs)-1].Epoch
}

// EpochEnd returns the largest known epoch that is at most epoch, and the offset at which it ended: the start of the next one, or End.
// Both are -1 if there is none.
func (p *PartitionState) EpochEnd(epoch int32) (int32, int64) {
	i := sort.Search(len(p.Epochs), func(i int) bool { return p.Epochs[i].Epoch > epoch })
	switch {
	case i == 0:
		return -1, -1
	case i == len(p.Epochs):
		return p.Epochs[i-1].Epoch, p.End
	default:
		return p.Epochs[i-1].Epoch, p.Epochs[i].Start
	}
}

// EpochAt is the epoch of the record at offset, -1 if unknown.
func (p *PartitionState) EpochAt(offset int64) int32 {
	i := sort.Search(len(p.Epochs), func(i int) bool { return p.Epochs[i].Start > offset })
	if i == 0 {
		return -1
	}
	return p.Epochs[i-1].Epoch
}

// Apply takes the next entry of this partition; number is that of its file in Logs. An entry that does not continue the state
// (an offset gap or overlap, a falling epoch, batches that are not what the entry says) is refused with wal.ErrCorrupt, and the
// state must not be used any more. Apply keeps nothing of e.Payload.
func (p *PartitionState) Apply(e *wal.Entry, number uint32) error {
	if err := p.apply(e, number); err != nil {
		return err
	}
	p.Applied = Mark{File: number, Off: e.At.Off}
	p.Changes++
	return nil
}

func (p *PartitionState) apply(e *wal.Entry, number uint32) error {
	switch e.Type {
	case wal.Adopt:
		// A fresh partition starts at 0. Anything else means that a stream is missing from the replay.
		if e.BaseOffset != p.End {
			return p.refuse(e, "is adopted at offset %d", e.BaseOffset)
		}
		return p.enter(e)
	case wal.Data:
		if e.BaseOffset != p.End {
			return p.refuse(e, "data begin at offset %d", e.BaseOffset)
		}
		if e.LeaderEpoch != p.Epoch() {
			return p.refuse(e, "data of an epoch that is not the adopted one, %d", p.Epoch())
		}
		return p.append(e, number)
	case wal.LogStart:
		if e.BaseOffset < p.LogStart || e.BaseOffset > p.End {
			return p.refuse(e, "log start %d is outside of [%d, %d]", e.BaseOffset, p.LogStart, p.End)
		}
		p.LogStart = e.BaseOffset
		p.dropBefore(e.BaseOffset)
		p.forgetAborted(e.BaseOffset)
		return nil
	default:
		return p.refuse(e, "has no meaning for a partition")
	}
}

// enter notes the entry's leader epoch. An epoch without records gives its place to the next one.
func (p *PartitionState) enter(e *wal.Entry) error {
	n := len(p.Epochs)
	switch {
	case e.LeaderEpoch == p.Epoch():
		return nil
	case e.LeaderEpoch < p.Epoch():
		return p.refuse(e, "leader epoch fell from %d", p.Epoch())
	case n > 0 && p.Epochs[n-1].Start == p.End:
		p.Epochs[n-1].Epoch = e.LeaderEpoch
	default:
		p.Epochs = append(p.Epochs, EpochStart{e.LeaderEpoch, p.End})
	}
	return nil
}

func (p *PartitionState) append(e *wal.Entry, number uint32) error {
	next := e.BaseOffset
	newest := int64(math.MinInt64)
	for rest := e.Payload; len(rest) > 0; {
		h, one, after, err := batch.Next(rest)
		if err != nil {
			return p.refuse(e, "payload: %v", err)
		}
		if h.BaseOffset != next || h.LastOffsetDelta < 0 {
			return p.refuse(e, "batch has offsets [%d, %d], expected %d on", h.BaseOffset, h.LastOffset(), next)
		}
		if h.ProducerID >= 0 && h.BaseSequence >= 0 && !h.Control() {
			p.Producers.add(h.ProducerID, h.ProducerEpoch, ProducerBatch{
				LastOffset: h.LastOffset(), Timestamp: h.MaxTimestamp, LastDelta: h.LastOffsetDelta, LastSeq: h.LastSequence(),
			}, e.AppendMs)
		}
		if err := p.transact(&h, one, e.AppendMs); err != nil {
			return p.refuse(e, "batch at %d: %v", h.BaseOffset, err)
		}
		newest = max(newest, h.MaxTimestamp)
		next = h.LastOffset() + 1
		rest = after
	}
	if next != e.BaseOffset+int64(e.LastDelta)+1 {
		return p.refuse(e, "batches end at offset %d", next-1)
	}
	p.Extents.add(Extent{
		Base: e.BaseOffset, MaxTimestamp: newest,
		File: number, Off: e.At.Off, Len: uint32(len(e.Payload)), LastDelta: e.LastDelta,
	})
	p.End = next
	return nil
}

func (p *PartitionState) refuse(e *wal.Entry, format string, args ...any) error {
	return fmt.Errorf("stream: %x-%d at (%d, %d), entry type %d with leader epoch %d, log end %d: %s: %w", e.Partition.Topic,
		e.Partition.Index, e.At.Seq, e.At.Off, e.Type, e.LeaderEpoch, p.End, fmt.Sprintf(format, args...), wal.ErrCorrupt)
}

// State is what a broker's streams say of all its partitions.
type State map[wal.Partition]*PartitionState

// Apply takes the next entry of the streams. One that the partition's state has already is passed over.
func (s State) Apply(e *wal.Entry, number uint32) error {
	if e.Type == wal.Noop || e.Type == wal.Seal {
		return nil
	}
	p := s[e.Partition]
	switch {
	case p != nil && !p.Applied.Before(Mark{File: number, Off: e.At.Off}):
		return nil
	case e.Type == wal.Release:
		delete(s, e.Partition)
		return nil
	case p == nil:
		p = &PartitionState{}
		s[e.Partition] = p
	}
	return p.Apply(e, number)
}
