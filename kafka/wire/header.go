package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error about bytes that are not a request. There is no way to go on with such a connection.
var ErrMalformed = errors.New("malformed request")

// MinFrame is the size of the smallest request: key, version and correlation id.
const MinFrame = 8

// Size reads the length prefix of a frame. It allocates nothing and fails unless the length is within MinFrame..max.
func Size(prefix [4]byte, max int32) (int, error) {
	n := int32(binary.BigEndian.Uint32(prefix[:]))
	if n < MinFrame || n > max {
		return 0, fmt.Errorf("%w: frame of %d bytes, want %d to %d", ErrMalformed, n, MinFrame, max)
	}
	return int(n), nil
}

// Start is the part of a request header that is the same in all versions.
type Start struct {
	Key, Version  int16
	CorrelationID int32
}

// ParseStart reads the first MinFrame bytes of a frame.
func ParseStart(b []byte) Start {
	_ = b[MinFrame-1]
	return Start{
		Key:           int16(binary.BigEndian.Uint16(b)),
		Version:       int16(binary.BigEndian.Uint16(b[2:])),
		CorrelationID: int32(binary.BigEndian.Uint32(b[4:])),
	}
}

// ParseRest reads what follows Start in a frame: the client id, and tagged fields if the request is flexible (header version 2; all others
// served have version 1). It returns the bytes of the client id, nil if it is null, and the body; both lie in b.
func ParseRest(b []byte, flexible bool) (clientID, body []byte, err error) {
	r := reader{b: b}
	n, ok := r.int16()
	if ok && n >= 0 {
		clientID, ok = r.bytes(int(n))
	}
	if !ok || n < -1 {
		return nil, nil, fmt.Errorf("%w: client id of %d bytes in a header of %d", ErrMalformed, n, len(b))
	}
	if flexible {
		if err := skipTags(&r); err != nil {
			return nil, nil, fmt.Errorf("header: %w", err)
		}
	}
	return clientID, r.b, nil
}

// reader takes values off the front of b. Its methods return false, and take nothing, if b is too short.
type reader struct{ b []byte }

func (r *reader) bytes(n int) ([]byte, bool) {
	if n < 0 || n > len(r.b) {
		return nil, false
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v, true
}

func (r *reader) int16() (int16, bool) {
	b, ok := r.bytes(2)
	if !ok {
		return 0, false
	}
	return int16(binary.BigEndian.Uint16(b)), true
}

func (r *reader) int32() (int32, bool) {
	b, ok := r.bytes(4)
	if !ok {
		return 0, false
	}
	return int32(binary.BigEndian.Uint32(b)), true
}

// uvarint reads an unsigned varint of at most 32 bits.
func (r *reader) uvarint() (uint32, bool) {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		return 0, false
	}
	r.b = r.b[n:]
	return uint32(v), true
}
