package load

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// produceVersion is the newest version that names topics; one more and they are ids. It is flexible (KIP-482).
const produceVersion = 12

// request is one pre-encoded Produce request. Its small pieces are of its own; the batches' bodies are shared by all requests.
type request struct {
	pieces      [][]byte // in the order of the wire
	correlation []byte   // where the id goes
	parts       []part
}

// part is one partition of a request.
type part struct {
	partition int32
	header    []byte // of the batch, within the request's own bytes
}

// newRequest encodes a request that carries the same batch once for each partition.
func newRequest(topic string, partitions []int32, b Batch) *request {
	// The header (version 2) and the body (version 12) up to the first partition.
	small := binary.BigEndian.AppendUint32(nil, 0) // size
	small = binary.BigEndian.AppendUint16(small, 0)
	small = binary.BigEndian.AppendUint16(small, produceVersion)
	small = binary.BigEndian.AppendUint32(small, 0) // correlation id
	small = binary.BigEndian.AppendUint16(small, uint16(len(clientID)))
	small = append(small, clientID...)
	small = append(small, 0, 0)                          // no tags, no transactional id
	small = binary.BigEndian.AppendUint16(small, 0xffff) // acks=all
	small = binary.BigEndian.AppendUint32(small, 30_000) // timeout
	small = binary.AppendUvarint(small, 2)               // one topic
	small = binary.AppendUvarint(small, uint64(len(topic))+1)
	small = append(small, topic...)
	small = binary.AppendUvarint(small, uint64(len(partitions))+1)

	var ends []int // where, in small, a body goes
	for n, p := range partitions {
		if n > 0 {
			small = append(small, 0) // tags of the partition before
		}
		small = binary.BigEndian.AppendUint32(small, uint32(p))
		small = binary.AppendUvarint(small, uint64(len(b.Bytes))+1)
		small = append(small, b.Bytes[:batchHeader]...)
		ends = append(ends, len(small))
	}
	small = append(small, 0, 0, 0) // tags of the last partition, the topic, the body

	body := b.Bytes[batchHeader:]
	binary.BigEndian.PutUint32(small, uint32(len(small)-4+len(partitions)*len(body)))
	r := &request{correlation: small[8:12]}
	from := 0
	for n, end := range ends {
		r.pieces = append(r.pieces, small[from:end:end], body)
		r.parts = append(r.parts, part{partitions[n], small[end-batchHeader : end : end]})
		from = end
	}
	r.pieces = append(r.pieces, small[from:])
	return r
}

const clientID = "bench"

// checkProduced reads a response of produceVersion, without its size, and fails for the first partition that was not appended to.
func checkProduced(b []byte, correlation uint32, parts int) error {
	r := reader{b: b}
	if got := r.uint32(); got != correlation {
		return fmt.Errorf("answer to request %d where %d was due", got, correlation)
	}
	r.tags()
	seen := 0
	for range r.length() { // topics
		r.skip(r.length())
		for range r.length() { // partitions
			partition, code := r.uint32(), int16(r.uint16())
			if code != 0 {
				return fmt.Errorf("partition %d: %w", partition, kerr.ErrorForCode(code))
			}
			r.skip(8 + 8 + 8)      // base offset, append time, log start offset
			for range r.length() { // record errors
				r.skip(4)
				r.skip(r.length())
				r.tags()
			}
			r.skip(r.length()) // message
			r.tags()
			seen++
			if r.failed {
				break
			}
		}
		r.tags()
		if r.failed {
			break
		}
	}
	if r.failed || seen != parts {
		return fmt.Errorf("a Produce response of %d bytes has %d partitions of %d", len(b), seen, parts)
	}
	return nil
}

// reader reads the flexible encoding; after the first lack of bytes it returns zeros and failed is set.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) skip(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.failed = nil, true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) uint16() uint16 {
	if b := r.skip(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.skip(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.failed = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// length is that of a compact array, string or byte string; null counts as empty. It is never more than the bytes that are left.
func (r *reader) length() int {
	v := r.uvarint()
	if v == 0 {
		return 0
	}
	if v-1 > uint64(len(r.b)) {
		r.b, r.failed = nil, true
		return 0
	}
	return int(v - 1)
}

func (r *reader) tags() {
	for range r.length0() {
		r.uvarint()
		n := r.uvarint()
		if n > uint64(len(r.b)) {
			r.b, r.failed = nil, true
			return
		}
		r.skip(int(n))
	}
}

// length0 is a count that is not shifted by one, as tags have it.
func (r *reader) length0() int {
	v := r.uvarint()
	if v > uint64(len(r.b)) {
		r.b, r.failed = nil, true
		return 0
	}
	return int(v)
}

var errNoPartitions = errors.New("no partitions to produce to")
