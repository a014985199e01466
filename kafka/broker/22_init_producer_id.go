package broker

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/txn"
)

// InitProducerID (key 22), versions 0-5. Without a transactional id served by any broker; blocks on a metadata transaction once per 1,000 ids. With one by
// the id's coordinator; blocks on a coordinator write, and on the end of the transaction that a producer before it left.
// v2 is flexible; v3 carries the id and epoch that the producer has (KIP-360); v4 can answer PRODUCER_FENCED (KIP-588); v5 is for transactions v2
// (KIP-890). An idempotent producer always gets a new id and epoch 0, also if it names the one it has: it raises its epoch itself, as in Kafka.
// Errors: INVALID_REQUEST for an id without epoch or the reverse, and for an empty transactional id; INVALID_TRANSACTION_TIMEOUT, PRODUCER_FENCED
// (INVALID_PRODUCER_EPOCH before v4), CONCURRENT_TRANSACTIONS, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE;
// REQUEST_TIMED_OUT if the metadata store does not answer.
func (b *Broker) initProducerID(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.InitProducerIDRequest](r), kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if req.Version < 3 {
		req.ProducerID, req.ProducerEpoch = -1, -1
	}
	var err error
	switch {
	case req.TransactionalID != nil && *req.TransactionalID == "", (req.ProducerID < 0) != (req.ProducerEpoch < 0):
		err = kerr.InvalidRequest
	case req.TransactionalID != nil:
		resp.ProducerID, resp.ProducerEpoch, err = b.txns.Init(ctx, txn.Init{
			ID: *req.TransactionalID, Timeout: time.Duration(req.TransactionTimeoutMillis) * time.Millisecond,
			ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch,
		})
		if req.Version < 4 {
			err = unfenced(err)
		}
	default:
		resp.ProducerID, err = b.producerIDs.Next(ctx)
		resp.ProducerEpoch = 0
	}
	if err != nil {
		resp.ProducerID, resp.ProducerEpoch = -1, -1
		resp.ErrorCode = b.code(r, err)
	}
	return resp
}

// unfenced is err for clients that do not know PRODUCER_FENCED (KIP-588).
func unfenced(err error) error {
	if errors.Is(err, kerr.ProducerFenced) {
		return kerr.InvalidProducerEpoch
	}
	return err
}
