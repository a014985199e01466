package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/kafka/txn"
	"weir/kafka/wire"
	"weir/metadata"
	"weir/storage/batch"
)

const produceKey = 0

// Produce (key 0), versions 3-13. Appends are queued on the read loop, in order; the answer follows when the last of them is durable.
// v5 answers the log start offset; v7 allows zstd (KIP-110); v8 has error messages and names the records that are refused (KIP-467); v9 is flexible; v10 names the current leader
// (KIP-951); v13 names topics by id (KIP-516). acks=1 and acks=all both wait for stable storage. acks=0 is never answered, and its errors
// close the connection. The timeout is not used: an append is refused at once or becomes durable as soon as the disk allows.
// Errors: INVALID_REQUEST (a batch larger than a serverless cluster takes), INVALID_REQUIRED_ACKS, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER, INVALID_TOPIC_EXCEPTION for internal
// topics, CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP, MESSAGE_TOO_LARGE, UNSUPPORTED_COMPRESSION_TYPE, OUT_OF_ORDER_SEQUENCE_NUMBER,
// INVALID_PRODUCER_EPOCH, KAFKA_STORAGE_ERROR, TRANSACTIONAL_ID_AUTHORIZATION_FAILED (records of a transaction without its id), and what the transaction's
// coordinator says when it is asked before the first records of a transaction in a partition: INVALID_PRODUCER_ID_MAPPING, INVALID_TXN_STATE,
// TRANSACTION_ABORTABLE (v11), CONCURRENT_TRANSACTIONS (v12), NOT_ENOUGH_REPLICAS if it cannot be asked now. v12 leaves it to us to add partitions to the
// transaction (KIP-890). A partition that a request names twice is answered once, and gets what it names last. Asking is the only thing for which the read loop waits: batches of a producer must arrive in order.
func (b *Broker) produce(ctx context.Context, r *Request) reply {
	op := r.produce
	op.img = b.image.Current()
	op.left.Store(1) // us, until all appends are queued
	op.holders.Store(2)
	begun := false
	defer func() {
		op.appended()
		if !begun { // a panic: there will be no reply
			op.release()
		}
	}()
	op.begin(ctx)
	op.throttle = b.throttleProduce(&op.r, op.req.Acks, time.Since(op.r.began))
	begun = true
	return op
}

// produceOp is one produce request under way. Its memory is used again for another one after the last of its holders let go: producing is
// what a broker does most, and its garbage would be most of what there is.
type produceOp struct {
	b     *Broker
	r     Request
	body  kmsg.ProduceRequest // of r: empty but for the version
	req   wire.ProduceRequest
	img   *image.Image
	parts []*producePart // one for each of req.Parts, or more

	patience time.Time     // until when partitions are awaited
	throttle time.Duration // what the client is told to pause
	left     atomic.Int32  // appends that are not done, and the starter
	complete chan struct{} // gets a token when left is 0
	holders  atomic.Int32  // of the op and its input buffer: the appends together, and the reply
	out      []byte        // the answer
}

type producePart struct {
	op   *produceOp
	done func(partition.Appended, error) // its method outcome, made once
	err  error
	hint leaderHint
	led  led // where it was appended, or refused
	target
	out partition.Appended

	guard   partition.Guard    // that its transaction may begin here
	premise *partition.Premise // that its transaction's coordinator has it in the journal; nil: it has

	metrics *topicMetrics // nil if the topic is not known
	bytes   int
}

// newProduce returns an op for a produce request on the connection.
func (c *conn) newProduce(start wire.Start) *produceOp {
	op := c.b.produceOps.Get().(*produceOp) //nolint:errcheck // the pool holds nothing else
	op.body.Version = start.Version
	op.r = Request{
		Body: &op.body, CorrelationID: start.CorrelationID, ClientHost: c.host, Listener: c.listener, conn: c, produce: op,
	}
	return op
}

func (b *Broker) newProduceOp() any { return &produceOp{b: b, complete: make(chan struct{}, 1)} }

// reuse gives the op back. Nobody may know of it any more.
func (op *produceOp) reuse() {
	select {
	case <-op.complete: // the connection was lost before anyone waited
	default:
	}
	for _, p := range op.parts {
		p.err, p.hint, p.led, p.target, p.out, p.guard, p.premise, p.metrics, p.bytes = nil, leaderHint{}, nil, target{}, partition.Appended{}, 0, nil, nil, 0
	}
	if len(op.parts) > partsKept {
		op.parts = nil
	}
	if cap(op.out) > outBytesKept {
		op.out = nil
	}
	op.req.Reset()
	op.r, op.img, op.patience, op.throttle = Request{}, nil, time.Time{}, 0
	op.b.produceOps.Put(op)
}

// What a produceOp that waits for its next request keeps of the last one's memory.
const (
	partsKept    = 64
	outBytesKept = 8 << 10
)

var (
	errAcks     = fmt.Errorf("acks must be -1, 0 or 1: %w", kerr.InvalidRequiredAcks)
	errInternal = fmt.Errorf("clients may not write to internal topics: %w", kerr.InvalidTopicException)
)

// openingWait is how long a request waits for partitions that the image gives to this broker but that are not open yet: topics are
// produced to the moment they are created, and a client that is sent away comes back only after a pause.
const openingWait = 250 * time.Millisecond

// adminClientID is the client id whose writes to internal topics Kafka lets pass.
const adminClientID = "__admin_client"

func (op *produceOp) begin(ctx context.Context) {
	if op.b.repeats.produce(&op.req) {
		dropRepeated(&op.req)
	}
	var refuse error
	switch {
	case !op.req.Transactional && op.claimsTransaction():
		refuse = kerr.TransactionalIDAuthorizationFailed // as Kafka asks who may use a transactional id that is not there
	case op.req.Acks < -1 || op.req.Acks > 1:
		refuse = errAcks
	case op.b.pressure.refuses():
		op.b.metrics.journalRefused.Inc()
		refuse = errJournalFull
	case op.r.ClientID != adminClientID: // whose writes are of internal topics
		if refuse = op.b.pressure.volume.take(op.img, int64(len(op.r.input.Bytes()))); refuse != nil {
			op.b.metrics.volumeRefused.Inc()
		}
	}
	for len(op.parts) < len(op.req.Parts) {
		p := &producePart{op: op}
		p.done = p.outcome
		op.parts = append(op.parts, p)
	}
	if refuse == nil && op.req.Transactional {
		op.verify(ctx)
	}
	next := 0
	for i := range op.req.Topics {
		t := &op.req.Topics[i]
		known, unknown := op.topic(t)
		var metrics *topicMetrics
		if unknown == nil {
			metrics = op.b.kafka.topic(known.ID)
		}
		for range t.Parts {
			p, in := op.parts[next], &op.req.Parts[next]
			next++
			p.metrics, p.bytes = metrics, len(in.Records)
			switch {
			case refuse != nil:
				p.err = refuse
			case p.err != nil: // the transaction's coordinator said no
			case unknown != nil:
				p.err = unknown
			case known.Internal && op.r.ClientID != adminClientID:
				p.err = errInternal
			default:
				p.append(ctx, known, in)
			}
		}
	}
}

// claimsTransaction reports whether one of the batches is part of a transaction, by its header.
func (op *produceOp) claimsTransaction() bool {
	for i := range op.req.Parts {
		if batch.ClaimsTransaction(op.req.Parts[i].Records) {
			return true
		}
	}
	return false
}

// verify asks the transaction's coordinator about the partitions in which the transaction has no records yet, and gives those that may not have any
// their errors (KIP-890).
func (op *produceOp) verify(ctx context.Context) {
	var ask txn.Add
	var asked []*producePart
	next := 0
	for i := range op.req.Topics {
		t := &op.req.Topics[i]
		known, err := op.topic(t)
		for range t.Parts {
			p, in := op.parts[next], &op.req.Parts[next]
			next++
			if err != nil || known.Internal || in.Partition < 0 || int(in.Partition) >= len(known.Partitions) {
				continue
			}
			h, err := batch.Parse(in.Records)
			if err != nil || !h.Transactional() {
				continue // the append says what is wrong with it
			}
			l, err := op.led(ctx, known, in.Partition)
			if err != nil {
				continue
			}
			guard, needed, err := l.Verify(h.ProducerID, h.ProducerEpoch)
			if err != nil || !needed {
				continue
			}
			if len(asked) > 0 && (ask.ProducerID != h.ProducerID || ask.ProducerEpoch != h.ProducerEpoch) {
				p.err = errTwoProducers
				continue
			}
			p.guard = guard
			ask.ProducerID, ask.ProducerEpoch = h.ProducerID, h.ProducerEpoch
			ask.Partitions = append(ask.Partitions, txn.TopicPartition{Topic: known.Name, Index: in.Partition})
			asked = append(asked, p)
		}
	}
	if len(asked) == 0 {
		return
	}
	client := oldClient
	switch {
	case op.req.Version >= 12:
		client = addsByProduce
	case op.req.Version == 11:
		client = knowsAbortable
	}
	ask.ID = strings.Clone(op.req.TransactionID)
	answer := op.b.askTransaction(ctx, ask, client)
	for i, p := range asked {
		if p.err = answer.all; p.err == nil {
			p.err, p.premise = answer.each[i], answer.premise
		}
	}
}

var errTwoProducers = fmt.Errorf("records of more than one producer: %w", kerr.InvalidRecord)

// led finds a partition, waiting for it if it is ours, or about to be, and just opening.
func (op *produceOp) led(ctx context.Context, t *image.Topic, index int32) (led, error) {
	key := partition.Key{Topic: t.ID, Index: index}
	l, err := op.b.leaders.get(key)
	if err != nil && op.b.opens(t, index) {
		return op.await(ctx, key)
	}
	return l, err
}

// topic finds the topic that t names.
func (op *produceOp) topic(t *wire.ProduceTopic) (*image.Topic, error) {
	if op.req.Version >= 13 {
		if known, ok := op.img.TopicByID(metadata.TopicID(t.ID)); ok {
			return known, nil
		}
		return nil, kerr.UnknownTopicID
	}
	if known, ok := op.img.Topic(t.Name); ok {
		return known, nil
	}
	return nil, kerr.UnknownTopicOrPartition
}

func (p *producePart) append(ctx context.Context, t *image.Topic, in *wire.ProducePart) {
	if in.Partition < 0 || int(in.Partition) >= len(t.Partitions) {
		p.err = kerr.UnknownTopicOrPartition
		return
	}
	op := p.op
	if p.err = op.b.kind.checkBatch(t, in.Partition, len(in.Records)); p.err != nil {
		return
	}
	l, err := op.led(ctx, t, in.Partition)
	if err == nil {
		p.led, p.target = l, target{t.ID, in.Partition}
		op.left.Add(1)
		err = l.Append(partition.Append{Batches: in.Records, Buffer: op.r.input, NoZstd: op.req.Version < 7, Guard: p.guard, Premise: p.premise}, p.done)
		if err != nil {
			op.left.Add(-1)
		}
	}
	if err != nil {
		p.err = err
		if errors.Is(err, kerr.NotLeaderForPartition) {
			p.hint = hint(t, in.Partition)
		}
	}
}

// await waits for a partition that is not open yet. All of a request's waiting ends at the same moment.
func (op *produceOp) await(ctx context.Context, key partition.Key) (led, error) {
	if op.patience.IsZero() {
		op.patience = time.Now().Add(openingWait)
	}
	ctx, cancel := context.WithDeadline(ctx, op.patience)
	defer cancel()
	return op.b.leaders.await(ctx, key)
}

// outcome takes the outcome of an append, from the committer's goroutine.
func (p *producePart) outcome(out partition.Appended, err error) {
	p.out, p.err = out, err
	p.op.appended()
}

func (op *produceOp) appended() {
	if op.left.Add(-1) == 0 {
		op.complete <- struct{}{}
		op.release()
	}
}

// release gives back the input and its part of the budget, and the op itself, once nothing reads it any more.
func (op *produceOp) release() {
	if op.holders.Add(-1) == 0 {
		op.r.input.Release()
		op.b.produceBudget.give(op.r.charge)
		op.reuse()
	}
}

func (op *produceOp) ready() bool {
	return len(op.complete) > 0 && (op.left.Load() != 0 || op.req.Acks == 0 || !op.handedOver(op.b.image.Current()))
}

func (op *produceOp) done() { op.release() }

// phases implements timed: what the answer waited for was the disk, or the answers before it.
func (op *produceOp) phases(p *phases) { p.remote, p.queue = p.queue, 0 }

var errUnacknowledged = errors.New("a produce request with acks=0 failed")

func (op *produceOp) frame(ctx context.Context, bufs net.Buffers) (net.Buffers, error) {
	select {
	case <-op.complete:
	case <-op.r.conn.lost:
		return bufs, net.ErrClosed
	}
	for _, p := range op.parts[:len(op.req.Parts)] {
		p.count()
	}
	if op.req.Acks != 0 {
		op.awaitSuccessors(ctx)
		return append(bufs, op.response()), nil
	}
	for _, p := range op.parts[:len(op.req.Parts)] {
		if p.err != nil {
			return bufs, fmt.Errorf("%w: %w", errUnacknowledged, p.err)
		}
	}
	return bufs, nil
}

// response encodes the outcome of all partitions.
func (op *produceOp) response() []byte {
	w := wire.NewProduceResponse(op.out, op.req.Version, op.r.CorrelationID, len(op.req.Topics), len(op.req.Parts))
	hints := hinted{img: op.img, listener: op.r.Listener}
	next := 0
	for i := range op.req.Topics {
		t := &op.req.Topics[i]
		w.Topic(t.Name, t.ID, t.Parts)
		for range t.Parts {
			out := op.parts[next].answer(&hints)
			out.Partition = op.req.Parts[next].Partition
			w.Partition(&out)
			next++
		}
		w.EndTopic()
	}
	op.out = w.Frame(hints.nodes, throttleMillis(op.throttle))
	return op.out
}

// count adds the outcome to the metrics.
func (p *producePart) count() {
	for _, m := range [...]*topicMetrics{p.op.b.kafka.all, p.metrics} {
		if m == nil {
			continue
		}
		m.produces.Mark(1)
		switch {
		case p.err == nil:
			m.bytesIn.Mark(int64(p.bytes))
			m.messagesIn.Mark(p.out.LastOffset - p.out.BaseOffset + 1)
		case errors.Is(p.err, kerr.MessageTooLarge):
			m.bytesRejected.Mark(int64(p.bytes))
			m.failedProduces.Mark(1)
		default:
			m.failedProduces.Mark(1)
		}
	}
}

// answer is what the client is told of the partition.
func (p *producePart) answer(hints *hinted) wire.ProducePartition {
	if p.err == nil {
		return wire.ProducePartition{
			BaseOffset: p.out.BaseOffset, LogAppendMs: p.out.LogAppendMs, LogStart: p.out.LogStartOffset, LeaderID: -1, LeaderEpoch: -1,
		}
	}
	out := wire.ProducePartition{ErrorCode: p.op.b.code(&p.op.r, p.err), BaseOffset: -1, LogAppendMs: -1, LogStart: -1, LeaderID: -1, LeaderEpoch: -1}
	switch out.ErrorCode {
	case kerr.NotLeaderForPartition.Code, kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicID.Code:
	case kerr.MessageTooLarge.Code, kerr.CorruptMessage.Code, kerr.KafkaStorageError.Code:
		out.Message = message(p.err)
	default:
		out.Message = message(p.err)
		if p.led != nil && !errors.Is(p.err, batch.ErrNotOneBatch) { // as Kafka tells it beside any other error of the log
			out.LogStart = p.led.Offsets().LogStart
		}
	}
	if refused, ok := errors.AsType[*batch.Refused](p.err); ok && p.op.req.Version >= 8 {
		out.Refused = make([]wire.RefusedRecord, len(refused.Records))
		for i, r := range refused.Records {
			out.Refused[i] = wire.RefusedRecord{Index: r.Index, Message: r.Reason}
		}
	}
	if p.hint.leader > 0 && p.op.req.Version >= 10 {
		out.LeaderID, out.LeaderEpoch = int32(p.hint.leader), int32(p.hint.epoch)
		hints.add(p.hint.leader)
	}
	return out
}
