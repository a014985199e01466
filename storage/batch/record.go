package batch

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Record is one record of a batch. Key and Value are nil if null; they alias the batch, or memory of their own if it was compressed.
type Record struct {
	Offset    int64
	Timestamp int64 // Unix milliseconds, -1 if it has none
	Key       []byte
	Value     []byte
	headers   []byte // list without its count
	count     int32
}

// Headers yields the record's headers in order; values are nil if null.
func (r *Record) Headers() iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		rest := r.headers
		for range r.count {
			k, after, ok := field(rest)
			if !ok {
				return
			}
			v, after, ok := field(after)
			if !ok || !yield(k, v) {
				return
			}
			rest = after
		}
	}
}

// rawRecord is a record as it lies in a batch:
// length | attributes i8 | timestamp delta | offset delta | key length | key | value length | value | header count | (key | value)*
// with zigzag varints for all numbers but attributes.
type rawRecord struct {
	timeDelta   int64
	offsetDelta int32
	key, value  []byte
	headers     []byte
	headerCount int32
}

// parse reads the record at the start of b and returns what follows it. It keeps slices of b. Consumers in other languages stop at what
// breaks the format, so whatever they would not read is refused here: lengths that do not add up, numbers longer than their type.
func (r *rawRecord) parse(b []byte) ([]byte, error) {
	size, b, ok := varint32(b)
	if !ok || size < 0 || int(size) > len(b) {
		return nil, fmt.Errorf("length goes beyond the batch: %w", kerr.InvalidRecord)
	}
	body, rest := b[:size:size], b[size:]
	if len(body) < 1 {
		return nil, fmt.Errorf("empty: %w", kerr.InvalidRecord)
	}
	body = body[1:] // attributes: no bit has a meaning yet
	if r.timeDelta, body, ok = varint64(body); !ok {
		return nil, fmt.Errorf("timestamp delta: %w", kerr.InvalidRecord)
	}
	if r.offsetDelta, body, ok = varint32(body); !ok {
		return nil, fmt.Errorf("offset delta: %w", kerr.InvalidRecord)
	}
	if r.key, body, ok = field(body); !ok {
		return nil, fmt.Errorf("key goes beyond the record: %w", kerr.InvalidRecord)
	}
	if r.value, body, ok = field(body); !ok {
		return nil, fmt.Errorf("value goes beyond the record: %w", kerr.InvalidRecord)
	}
	if r.headerCount, body, ok = varint32(body); !ok || r.headerCount < 0 || int(r.headerCount) > len(body)/2 {
		return nil, fmt.Errorf("header count: %w", kerr.InvalidRecord)
	}
	r.headers = body
	for i := range r.headerCount {
		var key []byte
		if key, body, ok = field(body); !ok || key == nil {
			return nil, fmt.Errorf("key of header %d: %w", i, kerr.InvalidRecord)
		}
		if _, body, ok = field(body); !ok {
			return nil, fmt.Errorf("value of header %d: %w", i, kerr.InvalidRecord)
		}
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%d bytes after the last header: %w", len(body), kerr.InvalidRecord)
	}
	return rest, nil
}

// field reads a length and that many bytes; length -1 is null.
func field(b []byte) (f, rest []byte, ok bool) {
	n, b, ok := varint32(b)
	switch {
	case !ok || n < -1 || int(n) > len(b):
		return nil, nil, false
	case n == -1:
		return nil, b, true
	default:
		return b[:n:n], b[n:], true
	}
}

// varint32 reads a zigzag varint of at most 5 bytes.
func varint32(b []byte) (int32, []byte, bool) {
	if len(b) > 0 && b[0] < 0x80 {
		return int32(b[0]>>1) ^ -int32(b[0]&1), b[1:], true
	}
	v, n := binary.Varint(b)
	if n <= 0 || n > 5 || v < math.MinInt32 || v > math.MaxInt32 {
		return 0, nil, false
	}
	return int32(v), b[n:], true
}

// varint64 reads a zigzag varint of at most 10 bytes.
func varint64(b []byte) (int64, []byte, bool) {
	v, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}
