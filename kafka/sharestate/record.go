package sharestate

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"

	"weir/kafka/coordinator"
	"weir/metadata"
)

// The types of __share_group_state's keys, as Apache Kafka 4 writes them. Their values have version 0.
const (
	snapshotKey  = 0
	updateKey    = 1
	valueVersion = 0

	// completeTag is the tag of the count of completed deliveries (KIP-1226).
	completeTag = 0
	// batchBytes is the least that a state batch takes in a record.
	batchBytes = 8 + 8 + 1 + 2 + 1
)

func appendKey(kind int16, k Key) []byte {
	b := kbin.AppendInt16(nil, kind)
	b = kbin.AppendString(b, k.Group)
	b = append(b, k.Topic[:]...)
	return kbin.AppendInt32(b, k.Partition)
}

// snapshotRecord holds the whole state, or, if it is nil, says that there is none any more.
func snapshotRecord(k Key, s *State) coordinator.Record {
	r := coordinator.Record{Key: appendKey(snapshotKey, k)}
	if s == nil {
		return r
	}
	b := kbin.AppendInt16(nil, valueVersion)
	b = kbin.AppendInt32(b, s.SnapshotEpoch)
	b = kbin.AppendInt32(b, s.StateEpoch)
	b = kbin.AppendInt32(b, s.LeaderEpoch)
	b = kbin.AppendInt64(b, s.Start)
	b = kbin.AppendInt64(b, s.Created)
	b = kbin.AppendInt64(b, s.Written)
	r.Value = appendComplete(appendBatches(b, s.Batches), s.Complete)
	return r
}

// updateRecord holds what u changes: its batches are laid over those of the state before.
func updateRecord(k Key, u *State) coordinator.Record {
	b := kbin.AppendInt16(nil, valueVersion)
	b = kbin.AppendInt32(b, u.SnapshotEpoch)
	b = kbin.AppendInt32(b, u.LeaderEpoch)
	b = kbin.AppendInt64(b, u.Start)
	return coordinator.Record{Key: appendKey(updateKey, k), Value: appendComplete(appendBatches(b, u.Batches), u.Complete)}
}

func appendBatches(b []byte, batches []Batch) []byte {
	b = kbin.AppendCompactArrayLen(b, len(batches))
	for _, x := range batches {
		b = kbin.AppendInt64(b, x.First)
		b = kbin.AppendInt64(b, x.Last)
		b = kbin.AppendInt8(b, int8(x.State))
		b = kbin.AppendInt16(b, x.Count)
		b = append(b, 0) // no tags
	}
	return b
}

func appendComplete(b []byte, complete int32) []byte {
	if complete == -1 {
		return append(b, 0)
	}
	b = append(b, 1, completeTag, 4)
	return kbin.AppendInt32(b, complete)
}

// readKey decodes a record's key.
func readKey(key []byte) (kind int16, k Key, err error) {
	r := kbin.Reader{Src: key}
	kind = r.Int16()
	if r.Ok() && kind != snapshotKey && kind != updateKey {
		return kind, Key{}, nil
	}
	k.Group = r.String()
	k.Topic = metadata.TopicID(r.Uuid())
	k.Partition = r.Int32()
	if err := r.Complete(); err != nil {
		return kind, Key{}, fmt.Errorf("share state key: %w", err)
	}
	return kind, k, nil
}

var errBatch = errors.New("a state batch that ends before it begins")

// readSnapshot decodes a snapshot's value.
func readSnapshot(value []byte) (State, error) {
	s, r := State{}, kbin.Reader{Src: value}
	if v := r.Int16(); v != valueVersion {
		return s, fmt.Errorf("share snapshot value of version %d", v)
	}
	s.SnapshotEpoch, s.StateEpoch, s.LeaderEpoch, s.Start = r.Int32(), r.Int32(), r.Int32(), r.Int64()
	s.Created, s.Written = r.Int64(), r.Int64()
	var err error
	if s.Batches, s.Complete, err = readTail(&r); err != nil {
		return s, fmt.Errorf("share snapshot value: %w", err)
	}
	return s, nil
}

// readUpdate decodes an update's value.
func readUpdate(value []byte) (State, error) {
	s, r := State{}, kbin.Reader{Src: value}
	if v := r.Int16(); v != valueVersion {
		return s, fmt.Errorf("share update value of version %d", v)
	}
	s.SnapshotEpoch, s.LeaderEpoch, s.Start = r.Int32(), r.Int32(), r.Int64()
	var err error
	if s.Batches, s.Complete, err = readTail(&r); err != nil {
		return s, fmt.Errorf("share update value: %w", err)
	}
	return s, nil
}

// readTail reads what both values end with: batches and tags.
func readTail(r *kbin.Reader) ([]Batch, int32, error) {
	n := r.CompactArrayLen()
	if !r.Ok() || n < 0 || int(n) > len(r.Src)/batchBytes {
		return nil, 0, kbin.ErrNotEnoughData
	}
	batches := make([]Batch, 0, n)
	for range n {
		b := Batch{First: r.Int64(), Last: r.Int64(), State: DeliveryState(r.Int8()), Count: r.Int16()}
		if err := skipTags(r, nil); err != nil {
			return nil, 0, err
		}
		if b.First > b.Last {
			return nil, 0, errBatch
		}
		batches = append(batches, b)
	}
	complete := int32(-1)
	err := skipTags(r, func(tag uint32, value []byte) error {
		if tag == completeTag {
			if len(value) != 4 {
				return kbin.ErrNotEnoughData
			}
			complete = int32(binary.BigEndian.Uint32(value))
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return batches, complete, r.Complete()
}

// skipTags reads the tagged fields of a struct and shows them to fn.
func skipTags(r *kbin.Reader, fn func(tag uint32, value []byte) error) error {
	for n := r.Uvarint(); n > 0; n-- {
		tag, size := r.Uvarint(), r.Uvarint()
		if !r.Ok() || int64(size) > int64(len(r.Src)) {
			return kbin.ErrNotEnoughData
		}
		value := r.Span(int(size))
		if fn != nil {
			if err := fn(tag, value); err != nil {
				return err
			}
		}
	}
	if !r.Ok() {
		return kbin.ErrNotEnoughData
	}
	return nil
}
