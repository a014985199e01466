package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// InitProducerID (key 22), versions 0-5. Served by any broker; blocks on a metadata transaction once per 1,000 ids.
// v2 is flexible; v3 carries the id and epoch that the producer has (KIP-360); v4 and v5 are for transactions (KIP-588, KIP-890).
// An idempotent producer always gets a new id and epoch 0, also if it names the one it has: it raises its epoch itself, as in Kafka.
// Errors: INVALID_REQUEST for an id without epoch or the reverse, and for a transactional id: transactions are not built yet, and clients do
// not retry this code, as they would COORDINATOR_NOT_AVAILABLE; REQUEST_TIMED_OUT if the metadata store does not answer.
func (b *Broker) initProducerID(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.InitProducerIDRequest](r), kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	switch {
	case req.TransactionalID != nil:
		b.log.Debug("transactional producer refused: transactions are not built yet", "txn", *req.TransactionalID)
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	case req.Version >= 3 && (req.ProducerID < 0) != (req.ProducerEpoch < 0):
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	id, err := b.producerIDs.Next(ctx)
	if err != nil {
		resp.ErrorCode = b.code(r, err)
		return resp
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return resp
}
