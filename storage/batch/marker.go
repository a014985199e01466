package batch

import (
	"encoding/binary"
	"errors"
)

// Types of control records that end a transaction (KIP-98).
const (
	abortMarker  = 0
	commitMarker = 1
)

// Marker is what a control batch says of the end of its producer's transaction.
type Marker struct {
	Commit      bool
	Coordinator int32 // epoch of the coordinator that wrote it; 0 if it does not say
}

var errMarker = errors.New("batch: control record without a key")

// ReadMarker reads a control batch's only record: its key is version i16, type i16, and its value, of a marker, version i16, coordinator epoch i32. Control
// batches are not compressed. ok is false for control records that end no transaction.
func ReadMarker(b []byte) (m Marker, ok bool, err error) {
	rest := b[HeaderBytes:]
	varint := func() int64 {
		v, n := binary.Varint(rest)
		rest = rest[max(n, 0):]
		return v
	}
	_ = varint() // length
	if len(rest) == 0 {
		return Marker{}, false, errMarker
	}
	rest = rest[1:] // attributes
	_, _ = varint(), varint()
	key := varint()
	if key < 4 || key > int64(len(rest)) {
		return Marker{}, false, errMarker
	}
	kind := binary.BigEndian.Uint16(rest[2:])
	if kind != abortMarker && kind != commitMarker {
		return Marker{}, false, nil
	}
	m.Commit = kind == commitMarker
	rest = rest[key:]
	if value := varint(); value >= 6 && value <= int64(len(rest)) {
		m.Coordinator = max(int32(binary.BigEndian.Uint32(rest[2:])), 0)
	}
	return m, true, nil
}

// Batch makes the control batch that ends a transaction of the producer.
func (m Marker) Batch(timestampMs, producerID int64, producerEpoch int16) []byte {
	b := NewBuilder()
	b.Control, b.Transactional, b.ProducerID, b.ProducerEpoch = true, true, producerID, producerEpoch
	key, value := make([]byte, 4), make([]byte, 6)
	if m.Commit {
		key[3] = commitMarker
	}
	binary.BigEndian.PutUint32(value[2:], uint32(m.Coordinator))
	b.Add(timestampMs, key, value)
	return b.Batch()
}
