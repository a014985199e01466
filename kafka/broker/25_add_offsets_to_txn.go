package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
	"weir/kafka/image"
	"weir/kafka/txn"
)

// AddOffsetsToTxn (key 25), versions 0-4: adds the group's partition of __consumer_offsets to the transaction. Served by the transaction's coordinator; waits for one
// coordinator write. Clients of transactions v2 do not send it (KIP-890).
// v2 can answer PRODUCER_FENCED (KIP-588); v3 is flexible; v4 can answer TRANSACTION_ABORTABLE.
// Errors: those of AddPartitionsToTxn. The group's name is not looked at: it is refused by who takes the offsets.
func (b *Broker) addOffsetsToTxn(ctx context.Context, r *Request, answer func(kmsg.Response)) {
	req := body[*kmsg.AddOffsetsToTxnRequest](r)
	done := func(each []error, err error) {
		resp := kmsg.NewPtrAddOffsetsToTxnResponse()
		if err == nil {
			err = each[0]
		}
		if req.Version < 2 {
			err = unfenced(err)
		}
		resp.ErrorCode = b.code(r, err, "txn", req.TransactionalID, "group", req.Group)
		answer(resp)
	}
	tp, err := b.offsetsPartition(ctx, req.Group)
	if err != nil {
		done(nil, err)
		return
	}
	b.txns.Add(ctx, txn.Add{
		ID: req.TransactionalID, ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch, Partitions: []txn.TopicPartition{tp},
	}, done)
}

// offsetsPartition is where the group's offsets are kept. The topic is created if it does not exist.
func (b *Broker) offsetsPartition(ctx context.Context, group string) (txn.TopicPartition, error) {
	t, ok := b.image.Current().Topic(image.ConsumerOffsets)
	if !ok {
		if _, err := b.groups.Find(ctx, group); err != nil {
			return txn.TopicPartition{}, err
		}
		if t, ok = b.image.Current().Topic(image.ConsumerOffsets); !ok {
			return txn.TopicPartition{}, kerr.CoordinatorNotAvailable
		}
	}
	return txn.TopicPartition{Topic: t.Name, Index: coordinator.PartitionFor(group, len(t.Partitions))}, nil
}
