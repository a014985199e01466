package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeTransactions (key 65), version 0 (KIP-664). Served by the coordinator of each id. Errors, per id: INVALID_REQUEST for an empty one,
// TRANSACTIONAL_ID_NOT_FOUND, NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS.
func (b *Broker) describeTransactions(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeTransactionsRequest](r), kmsg.NewPtrDescribeTransactionsResponse()
	for _, id := range req.TransactionalIDs {
		out := kmsg.NewDescribeTransactionsResponseTransactionState()
		out.TransactionalID = id
		d, err := b.txns.Describe(ctx, id)
		if err != nil {
			out.ErrorCode = b.code(r, err, "txn", id)
			resp.TransactionStates = append(resp.TransactionStates, out)
			continue
		}
		out.State, out.TimeoutMillis, out.StartTimestamp = d.Status.String(), d.TimeoutMs, d.StartMs
		out.ProducerID, out.ProducerEpoch = d.ProducerID, d.ProducerEpoch
		for _, tp := range d.Partitions {
			if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != tp.Topic {
				t := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
				t.Topic = tp.Topic
				out.Topics = append(out.Topics, t)
			}
			t := &out.Topics[len(out.Topics)-1]
			t.Partitions = append(t.Partitions, tp.Index)
		}
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	return resp
}
