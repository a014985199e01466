package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/txn"
)

// EndTxn (key 26), versions 0-5. Served by the transaction's coordinator; answers when the end is decided, while markers are on their way.
// v2 can answer PRODUCER_FENCED (KIP-588); v3 is flexible; v4 can answer TRANSACTION_ABORTABLE; v5 answers the epoch that the producer goes on with, and
// can end a transaction that did not begin (KIP-890).
// Errors: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED (INVALID_PRODUCER_EPOCH before v2), INVALID_TXN_STATE, CONCURRENT_TRANSACTIONS,
// NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE.
func (b *Broker) endTxn(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req := body[*kmsg.EndTxnRequest](r)
	end := txn.End{ID: req.TransactionalID, ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch, Commit: req.Commit}
	if req.Version >= 5 {
		end.Version = transactionsV2
	}
	b.txns.End(ctx, end, func(id int64, epoch int16, err error) {
		resp := kmsg.NewPtrEndTxnResponse()
		if req.Version < 2 {
			err = unfenced(err)
		}
		resp.ErrorCode = b.code(r, err, "txn", req.TransactionalID)
		resp.ProducerID, resp.ProducerEpoch = id, epoch
		answer(resp)
	})
}
