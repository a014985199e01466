package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Recoder looks into compressed batches that clients send, and compresses them anew. It keeps compressors and buffers. It is not safe for concurrent
// use.
type Recoder struct {
	decoder *Decoder
	encoder Encoder
}

// NewRecoder returns a recoder that decompresses with d, whose limit bounds its memory.
func NewRecoder(d *Decoder) *Recoder { return &Recoder{decoder: d} }

// Recode decompresses the one batch b, which Validate accepted by the rules, checks its records as Validate checks uncompressed ones, and returns the
// batch with the same records compressed with the codec to. All else in the header stays, but for a max timestamp that does not suit the records,
// which is corrected as Apache Kafka does. If b has that codec already it is returned itself, and what is corrected is corrected in place;
// otherwise the result is memory of its own and b is not changed.
//
// Errors wrap what Validate's do, and INVALID_RECORD if the records cannot be decompressed, MESSAGE_TOO_LARGE if they are too many bytes then,
// decompressed or compressed anew. The batch is not to be appended then.
func (r *Recoder) Recode(b []byte, rules Rules, to Codec, levels Levels) ([]byte, error) {
	h, one, rest, err := Next(b)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("batch: more than one record batch: %w", kerr.InvalidRecord)
	}
	plain, err := r.decoder.decompress(h.Codec(), one[HeaderBytes:])
	if err != nil {
		return nil, fmt.Errorf("batch: decompress %v: %w: %w", h.Codec(), decompressCode(err), err)
	}
	maxTime, err := validateRecords(&h, plain, rules)
	if err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	if to == h.Codec() {
		h.correctMaxTimestamp(one, maxTime)
		return one, nil
	}
	if !h.LogAppendTime() {
		h.MaxTimestamp = maxTime
	}
	h.Attributes = h.Attributes&^codecMask | int16(to)
	r.encoder.Levels = levels
	out, err := r.encoder.compress(make([]byte, HeaderBytes, HeaderBytes+len(plain)/4), to, plain)
	switch {
	case err != nil:
		return nil, fmt.Errorf("batch: compress with %v: %w", to, err)
	case len(out) > math.MaxInt32 || rules.MaxBatchBytes > 0 && len(out) > rules.MaxBatchBytes:
		return nil, fmt.Errorf("batch: %d bytes with %v, max.message.bytes is %d: %w", len(out), to, rules.MaxBatchBytes, kerr.MessageTooLarge)
	}
	h.Length = int32(len(out) - beforeLength)
	h.put(out)
	return out, nil
}

// CodecOf is the codec of the one batch b, which Validate accepted.
func CodecOf(b []byte) Codec {
	return Codec(binary.BigEndian.Uint16(b[atAttributes:]) & codecMask)
}

// ClaimsTransaction reports whether b begins with a batch that says it belongs to a transaction. Nothing else of b needs to make sense.
func ClaimsTransaction(b []byte) bool {
	return len(b) > atAttributes+1 && b[atMagic] == supportedMagic && b[atAttributes+1]&transactionalBit != 0
}

// decompressCode is what a client is told of records that cannot be decompressed.
func decompressCode(err error) *kerr.Error {
	if errors.Is(err, errTooLarge) || errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return kerr.MessageTooLarge
	}
	return kerr.InvalidRecord // not CORRUPT_MESSAGE, which clients retry
}
