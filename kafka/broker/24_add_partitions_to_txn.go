package broker

import (
	"context"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/txn"
)

// AddPartitionsToTxn (key 24), versions 0-5. Served by the transaction's coordinator; waits for one coordinator write.
// v2 can answer PRODUCER_FENCED (KIP-588); v3 is flexible; v4 is for brokers: transactions in a batch, each perhaps only to be verified (KIP-890); v5
// can answer TRANSACTION_ABORTABLE.
// Errors, per partition: UNKNOWN_TOPIC_OR_PARTITION, and OPERATION_NOT_ATTEMPTED for the others of its transaction then; INVALID_REQUEST,
// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED (INVALID_PRODUCER_EPOCH before v2), CONCURRENT_TRANSACTIONS, TRANSACTION_ABORTABLE (INVALID_TXN_STATE before
// v5), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE.
func (b *Broker) addPartitionsToTxn(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req, resp := body[*kmsg.AddPartitionsToTxnRequest](r), kmsg.NewPtrAddPartitionsToTxnResponse()
	ins := req.Transactions
	if req.Version < 4 {
		one := kmsg.NewAddPartitionsToTxnRequestTransaction()
		one.TransactionalID, one.ProducerID, one.ProducerEpoch = req.TransactionalID, req.ProducerID, req.ProducerEpoch
		for _, t := range req.Topics {
			rt := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
			rt.Topic, rt.Partitions = t.Topic, t.Partitions
			one.Topics = append(one.Topics, rt)
		}
		ins = []kmsg.AddPartitionsToTxnRequestTransaction{one}
	}
	resp.Transactions = make([]kmsg.AddPartitionsToTxnResponseTransaction, len(ins))
	var left atomic.Int32
	left.Store(int32(len(ins)) + 1)
	finish := func() {
		if left.Add(-1) > 0 {
			return
		}
		if req.Version < 4 {
			for _, t := range resp.Transactions[0].Topics {
				rt := kmsg.NewAddPartitionsToTxnResponseTopic()
				rt.Topic = t.Topic
				for _, p := range t.Partitions {
					rp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p.Partition, p.ErrorCode
					rt.Partitions = append(rt.Partitions, rp)
				}
				resp.Topics = append(resp.Topics, rt)
			}
		}
		answer(resp)
	}
	img := b.image.Current()
	for i := range ins {
		in, out := &ins[i], &resp.Transactions[i]
		out.TransactionalID = in.TransactionalID
		add := txn.Add{ID: in.TransactionalID, ProducerID: in.ProducerID, ProducerEpoch: in.ProducerEpoch, VerifyOnly: in.VerifyOnly}
		if req.Version >= 4 {
			add.Version = transactionsV2
		}
		fill := func(each []error, all error) {
			next := 0
			for j := range in.Topics {
				t := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
				t.Topic = in.Topics[j].Topic
				for _, index := range in.Topics[j].Partitions {
					err := all
					if err == nil {
						err = each[next]
					}
					next++
					if req.Version < 2 {
						err = unfenced(err)
					}
					p := kmsg.NewAddPartitionsToTxnResponseTransactionTopicPartition()
					p.Partition, p.ErrorCode = index, b.code(r, err, "txn", in.TransactionalID)
					if req.Version < 5 && p.ErrorCode == kerr.TransactionAbortable.Code {
						p.ErrorCode = kerr.InvalidTxnState.Code
					}
					t.Partitions = append(t.Partitions, p)
				}
				out.Topics = append(out.Topics, t)
			}
			finish()
		}
		if missing := missingPartitions(img, in.Topics); missing != nil {
			fill(missing, nil)
			continue
		}
		for _, t := range in.Topics {
			for _, index := range t.Partitions {
				add.Partitions = append(add.Partitions, txn.TopicPartition{Topic: t.Topic, Index: index})
			}
		}
		b.txns.Add(ctx, add, fill)
	}
	finish()
}

// missingPartitions returns an error for each partition if any does not exist.
func missingPartitions(img *image.Image, topics []kmsg.AddPartitionsToTxnRequestTransactionTopic) []error {
	var errs []error
	missing := false
	for i := range topics {
		t, ok := img.Topic(topics[i].Topic)
		for _, index := range topics[i].Partitions {
			if !ok || index < 0 || int(index) >= len(t.Partitions) {
				errs, missing = append(errs, kerr.UnknownTopicOrPartition), true
			} else {
				errs = append(errs, kerr.OperationNotAttempted)
			}
		}
	}
	if !missing {
		return nil
	}
	return errs
}
