package batch

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Rules say what batches may contain. The zero value is what any client may send to a topic without limits; the coordinators' own
// batches need FromCoordinator.
type Rules struct {
	// FromCoordinator allows control batches and offsets that are set already.
	FromCoordinator bool
	// Transactional allows transactional batches; without it they get TRANSACTIONAL_ID_AUTHORIZATION_FAILED, as a request without a transactional id does.
	Transactional bool
	// OneBatch refuses more than one batch, as produce requests from version 3 on must (KIP-98).
	OneBatch bool
	// NoZstd refuses zstd, as produce requests below version 7 must (KIP-110).
	NoZstd bool
	// KeyRequired refuses records without a key (cleanup.policy=compact). It can only see into uncompressed batches.
	KeyRequired bool
	// MaxBatchBytes is max.message.bytes; 0 is no limit.
	MaxBatchBytes int
	// Timestamps of records must lie in [MinTimestamp, MaxTimestamp] (message.timestamp.before.max.ms and after.max.ms applied to the
	// present), unless both are 0. Of compressed batches only the first and the largest are looked at.
	// Leave them 0 for LogAppendTime topics.
	MinTimestamp, MaxTimestamp int64
	// Stamped says that the broker's time takes the place of whatever timestamps there are, so that those may be anything.
	Stamped bool
	// Inspected says that Recode looks at the records of compressed batches, so that nothing has to be concluded from their header's timestamps.
	Inspected bool
}

// ErrNotOneBatch is about what Apache Kafka refuses as soon as it reads the request, before it looks for the log: an INVALID_RECORD.
var ErrNotOneBatch = fmt.Errorf("batch: a partition takes one record batch of magic 2: %w", kerr.InvalidRecord)

// Info sums up batches that are valid.
type Info struct {
	First        Header // of the first batch
	Batches      int
	Records      int64 // offsets that the batches take: they are dense
	MaxTimestamp int64 // largest of all records, -1 if none has a timestamp
}

// Validate checks that b is one or more whole batches that keep the rules. Nothing is kept of b and nothing allocated, except in errors.
//
// Uncompressed records are walked one by one: their sizes, dense offsets, keys, header lists and timestamps. As Apache Kafka does, it
// corrects the max timestamp (and so the CRC) of an uncompressed batch in place if the records say otherwise. Compressed ones are not
// decompressed: what Decoder finds in them later may be nonsense.
//
// Errors wrap CORRUPT_MESSAGE (framing, CRC, unknown magic), INVALID_RECORD (also no whole batch at all, which is where Apache Kafka sees none, and magic 0
// and 1, which ProduceRequest.validateRecords answers so), MESSAGE_TOO_LARGE, UNSUPPORTED_COMPRESSION_TYPE, INVALID_TIMESTAMP, INVALID_PRODUCER_EPOCH,
// TRANSACTIONAL_ID_AUTHORIZATION_FAILED. A batch that is refused for what single records say gets a *Refused that names them. After an error b must not be used. What Kafka answers to each lie is compared in test/lies.
func Validate(b []byte, r Rules) (Info, error) {
	info := Info{MaxTimestamp: noTimestamp}
	if len(b) == 0 {
		return info, fmt.Errorf("batch: no record batch: %w", ErrNotOneBatch)
	}
	for rest := b; len(rest) > 0; {
		// Old formats differ from the third field on, so magic is looked at before the rest makes sense.
		if len(rest) > atMagic && rest[atMagic] < supportedMagic {
			return info, fmt.Errorf("batch: magic %d, only 2 is served: %w", rest[atMagic], ErrNotOneBatch)
		}
		h, one, after, err := Next(rest)
		if err != nil && info.Batches == 0 && incomplete(rest) {
			return info, fmt.Errorf("batch: no whole record batch in %d bytes: %w", len(b), ErrNotOneBatch)
		}
		if err != nil {
			return info, fmt.Errorf("at byte %d: %w", len(b)-len(rest), err)
		}
		if info.Batches == 1 && r.OneBatch {
			return info, fmt.Errorf("batch: more than one record batch: %w", ErrNotOneBatch)
		}
		if err := validateOne(&h, one, r); err != nil {
			return info, fmt.Errorf("batch %d: %w", info.Batches, err)
		}
		if info.Batches == 0 {
			info.First = h
		}
		info.Batches++
		info.Records += int64(h.Count)
		info.MaxTimestamp = max(info.MaxTimestamp, h.MaxTimestamp)
		rest = after
	}
	// The log gives the span of offsets of one append as a u32.
	if info.Records > math.MaxUint32 {
		return info, fmt.Errorf("batch: %d records in one append: %w", info.Records, kerr.InvalidRecord)
	}
	return info, nil
}

// incomplete reports whether b is the beginning of a batch, by what its length and magic say.
func incomplete(b []byte) bool {
	if len(b) <= atMagic {
		return true
	}
	if b[atMagic] != supportedMagic {
		return false
	}
	length := int32(binary.BigEndian.Uint32(b[atLength:]))
	return length >= HeaderBytes-beforeLength && int64(length)+beforeLength > int64(len(b))
}

func validateOne(h *Header, b []byte, r Rules) error {
	switch {
	case h.Magic != supportedMagic:
		return fmt.Errorf("magic %d, only 2 is served: %w", h.Magic, kerr.CorruptMessage)
	case r.MaxBatchBytes > 0 && len(b) > r.MaxBatchBytes:
		return fmt.Errorf("%d bytes, max.message.bytes is %d: %w", len(b), r.MaxBatchBytes, kerr.MessageTooLarge)
	}
	if err := CheckCRC(b); err != nil {
		return err
	}
	if err := validateHeader(h, r); err != nil {
		return err
	}
	if h.Codec() == None {
		return validatePlain(h, b, r)
	}
	if r.Inspected || r.Stamped || h.LogAppendTime() {
		return nil
	}
	for _, ts := range [...]int64{h.BaseTimestamp, h.MaxTimestamp} {
		if ts < noTimestamp {
			return fmt.Errorf("timestamp %d: %w", ts, kerr.InvalidTimestamp)
		}
		if !r.bounded() {
			continue
		}
		if err := r.checkTimestamp(ts); err != nil {
			return err
		}
	}
	return nil
}

func validateHeader(h *Header, r Rules) error {
	switch codec := h.Codec(); {
	case codec > Zstd:
		return fmt.Errorf("%v: %w", codec, kerr.UnsupportedCompressionType)
	case codec == Zstd && r.NoZstd:
		return fmt.Errorf("zstd needs produce version 7: %w", kerr.UnsupportedCompressionType)
	}
	switch {
	case h.Count <= 0:
		return fmt.Errorf("%d records: %w", h.Count, kerr.InvalidRecord)
	case h.LastOffsetDelta != h.Count-1:
		return fmt.Errorf("last offset delta %d with %d records: %w", h.LastOffsetDelta, h.Count, kerr.InvalidRecord)
	case h.ProducerID < -1:
		return fmt.Errorf("producer id %d: %w", h.ProducerID, kerr.InvalidRecord)
	case h.Transactional() && !r.Transactional:
		return fmt.Errorf("transactional outside of a transaction: %w", kerr.TransactionalIDAuthorizationFailed)
	case h.Transactional() && h.ProducerID < 0:
		return fmt.Errorf("transactional without a producer id: %w", kerr.InvalidRecord)
	}
	if r.FromCoordinator {
		if h.Control() && h.Count != 1 {
			return fmt.Errorf("control batch with %d records: %w", h.Count, kerr.InvalidRecord)
		}
		return nil
	}
	switch {
	case h.BaseOffset != 0:
		return fmt.Errorf("base offset %d from a client: %w", h.BaseOffset, kerr.InvalidRecord)
	case h.Control():
		return fmt.Errorf("control batch from a client: %w", kerr.InvalidRecord)
	case h.Attributes&deleteHorizonBit != 0:
		return fmt.Errorf("delete horizon from a client: %w", kerr.InvalidRecord)
	case h.LogAppendTime():
		return fmt.Errorf("log append time from a client: %w", kerr.InvalidTimestamp)
	case h.ProducerID >= 0 && h.BaseSequence < 0:
		return fmt.Errorf("producer %d with sequence %d: %w", h.ProducerID, h.BaseSequence, kerr.InvalidRecord)
	case h.ProducerID >= 0 && h.ProducerEpoch < 0:
		return fmt.Errorf("producer %d with epoch %d: %w", h.ProducerID, h.ProducerEpoch, kerr.InvalidProducerEpoch)
	}
	return nil
}

// validatePlain walks the records of an uncompressed batch.
func validatePlain(h *Header, b []byte, r Rules) error {
	maxTime, err := validateRecords(h, b[HeaderBytes:], r)
	if err == nil {
		h.correctMaxTimestamp(b, maxTime)
	}
	return err
}

// correctMaxTimestamp makes the header of b say what the records do.
func (h *Header) correctMaxTimestamp(b []byte, maxTime int64) {
	if maxTime == h.MaxTimestamp || h.LogAppendTime() {
		return
	}
	h.MaxTimestamp = maxTime
	binary.BigEndian.PutUint64(b[atMaxTime:], uint64(maxTime))
	seal(b)
	h.CRC = binary.BigEndian.Uint32(b[atCRC:])
}

// validateRecords walks the records of a batch, which are rest, and returns their largest timestamp.
func validateRecords(h *Header, rest []byte, r Rules) (int64, error) {
	bounded := r.bounded() && !h.LogAppendTime()
	maxTime := int64(noTimestamp)
	var rec rawRecord
	var refused *Refused
	for i := range h.Count {
		var err error
		if rest, err = rec.parse(rest); err != nil {
			return 0, fmt.Errorf("record %d: %w", i, err)
		}
		if rec.offsetDelta != i {
			return 0, fmt.Errorf("record %d: offset delta %d: %w", i, rec.offsetDelta, kerr.InvalidRecord)
		}
		if r.KeyRequired && rec.key == nil && !h.Control() {
			refused = refused.with(i, kerr.InvalidRecord, "a compacted topic takes no record without key")
			continue
		}
		ts := h.BaseTimestamp + rec.timeDelta
		if ts < noTimestamp && !r.Stamped {
			return 0, fmt.Errorf("record %d: timestamp %d: %w", i, ts, kerr.InvalidTimestamp)
		}
		if bounded {
			if ts != noTimestamp && (ts < r.MinTimestamp || ts > r.MaxTimestamp) {
				refused = refused.with(i, kerr.InvalidTimestamp, "timestamp %d is outside of [%d, %d]", ts, r.MinTimestamp, r.MaxTimestamp)
			}
		}
		maxTime = max(maxTime, ts)
	}
	if len(rest) > 0 {
		return 0, fmt.Errorf("%d bytes after the last record: %w", len(rest), kerr.InvalidRecord)
	}
	if refused != nil {
		return 0, refused
	}
	return maxTime, nil
}

func (r *Rules) bounded() bool { return r.MinTimestamp != 0 || r.MaxTimestamp != 0 }

func (r *Rules) checkTimestamp(ts int64) error {
	if ts != noTimestamp && (ts < r.MinTimestamp || ts > r.MaxTimestamp) {
		return fmt.Errorf("timestamp %d is outside of [%d, %d]: %w", ts, r.MinTimestamp, r.MaxTimestamp, kerr.InvalidTimestamp)
	}
	return nil
}
