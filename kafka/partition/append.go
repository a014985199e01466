package partition

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/planted"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Origin says who appends: what a batch may contain depends on it.
type Origin uint8

const (
	FromClient      Origin = iota // a produce request
	FromCoordinator               // a coordinator's own records, in a transaction or not
)

// Append is a request to append. Batches is one or more whole record batches (magic 2), from a client exactly one; base offset and
// leader epoch in it are overwritten. If Buffer is set, Batches lies in it and the partition takes references of its own; otherwise the
// partition keeps Batches itself. Either way nobody may modify Batches any more, not even after an error.
type Append struct {
	Batches []byte
	Buffer  *buffer.Buffer
	Origin  Origin
	NoZstd  bool // the request is older than zstd (KIP-110)
	// Guard is what Verify returned, once the transaction's coordinator has said yes: without it a client's batch cannot begin a transaction here.
	Guard Guard
	// Premise is what was queued before and has to be in the journal if this is; nil: nothing.
	Premise *Premise
}

// Appended is the outcome of a durable append.
type Appended struct {
	BaseOffset     int64
	LastOffset     int64
	LogAppendMs    int64 // -1 unless the topic stamps records with LogAppendTime, or of a retry: its largest timestamp
	LogStartOffset int64
	Duplicate      bool // an idempotent retry: the offsets are those of the first append
}

// Append validates the batches, compresses them anew if the topic wants that (recode.go), gives them offsets and queues them for the journal, in call order. An error means that nothing was queued and
// done will not be called. Otherwise done is called once, from the committer's goroutine: it must not block. Errors are kerr errors
// where Kafka has a code (CORRUPT_MESSAGE, OUT_OF_ORDER_SEQUENCE_NUMBER, ...), wrapped.
//
// A batch that an idempotent producer sent before is not appended again: done gets the offsets of the first time, once they are durable.
func (p *Partition) Append(a Append, done func(Appended, error)) error {
	cfg := p.config.Load()
	nowMs := p.leaders.cfg.Now().UnixMilli()
	rules := batch.Rules{
		FromCoordinator: a.Origin == FromCoordinator, Transactional: true, OneBatch: a.Origin == FromClient, NoZstd: a.NoZstd,
		KeyRequired: cfg.Policy.Compact, MaxBatchBytes: cfg.MaxMessageBytes, Stamped: cfg.LogAppendTime,
		Inspected: a.Origin == FromClient && cfg.Compression.Inspect,
	}
	if a.Origin == FromClient {
		rules.MinTimestamp, rules.MaxTimestamp = cfg.window(nowMs)
	}
	info, err := batch.Validate(a.Batches, rules)
	if err != nil {
		return fmt.Errorf("partition %v: append: %w", p.key, err)
	}
	if a.Origin == FromClient {
		if err := p.recode(&a, cfg, rules); err != nil {
			return fmt.Errorf("partition %v: append: %w", p.key, err)
		}
	}
	f := &inflight{p: p, done: done, seq: sequenceOf(&info.First), premise: a.Premise, stampMs: -1, maxMs: info.MaxTimestamp}
	if cfg.LogAppendTime {
		batch.SetLogAppendTime(a.Batches, nowMs)
		f.stampMs, f.maxMs = nowMs, nowMs
	}
	f.entry = wal.Entry{
		Type: wal.Data, Partition: p.key.WAL(), LeaderEpoch: int32(p.epoch),
		LastDelta: uint32(info.Records - 1), Batches: uint32(info.Batches), AppendMs: nowMs, Payload: a.Batches,
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.barredLocked(); err != nil {
		return fmt.Errorf("partition %v: append: %w", p.key, err)
	}
	if f.seq.idempotent {
		durable, flying, err := p.checkSequenceLocked(f.seq)
		switch {
		case err != nil:
			return err
		case durable != nil:
			return p.repeatLocked(durable, done)
		case flying != nil:
			flying.waiters = append(flying.waiters, done)
			return nil
		}
	}
	if f.seq.part == inTransaction {
		if err := p.mayJoinLocked(&f.seq, a.Origin, a.Guard); err != nil {
			return err
		}
	}
	return p.queueLocked(f, a, info.Records)
}

// queueLocked gives f, an append that was found good, its offsets and queues it.
func (p *Partition) queueLocked(f *inflight, a Append, records int64) error {
	if !p.adopted {
		if err := p.adoptLocked(); err != nil {
			return err
		}
	}
	batch.SetOffsets(a.Batches, p.end, int32(p.epoch))
	f.entry.BaseOffset = p.end
	if a.Buffer != nil {
		a.Buffer.Retain()
		f.buf = a.Buffer
	}
	if err := p.enqueueLocked(f); err != nil {
		if _, flies := p.pending[f.seq.producer]; !flies {
			p.refuseLocked(f.seq)
		}
		if f.buf != nil {
			f.buf.Release()
		}
		return err
	}
	if planted.Is(planted.AckBeforeDurable) && a.Origin == FromClient {
		early := f.done
		f.done = func(Appended, error) {}
		first := p.end
		time.AfterFunc(0, func() { early(Appended{BaseOffset: first, LastOffset: first + records - 1, LogAppendMs: -1}, nil) })
	}
	p.end += records
	p.flyLocked(f.seq)
	return nil
}

// repeatLocked answers a retry of the durable batch b.
func (p *Partition) repeatLocked(b *stream.ProducerBatch, done func(Appended, error)) error {
	t := &turn{done: done, outcome: Appended{
		BaseOffset: b.BaseOffset(), LastOffset: b.LastOffset, LogAppendMs: b.Timestamp, LogStartOffset: p.state.LogStart, Duplicate: true,
	}}
	return p.queueError(p.leaders.cfg.Stream.Enqueue(t))
}

// adoptLocked queues the partition's entry into the stream.
func (p *Partition) adoptLocked() error {
	f := &inflight{p: p, entry: wal.Entry{
		Type: wal.Adopt, Partition: p.key.WAL(), LeaderEpoch: int32(p.epoch), BaseOffset: p.end, AppendMs: p.leaders.cfg.Now().UnixMilli(),
	}}
	err := p.enqueueLocked(f)
	p.adopted = err == nil
	return err
}

// enqueueLocked hands f to the stream and appends it to the list of what is in flight.
func (p *Partition) enqueueLocked(f *inflight) error {
	if err := p.leaders.cfg.Stream.Enqueue(f); err != nil {
		return p.queueError(err)
	}
	if p.last == nil {
		p.first = f
	} else {
		p.last.next = f
	}
	p.last = f
	return nil
}

func (p *Partition) queueError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, stream.ErrStopped): // this incarnation is over: the next one will be found in the metadata
		return fmt.Errorf("partition %v: append: %w: %w", p.key, kerr.NotLeaderForPartition, err)
	default:
		return fmt.Errorf("partition %v: append: %w: %w", p.key, kerr.KafkaStorageError, err)
	}
}
