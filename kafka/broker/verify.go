package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/kafka/txn"
	"weir/metadata"
)

// clientSupport is what a client of transactions can do, by the version of its request (KIP-890).
type clientSupport uint8

const (
	oldClient      clientSupport = iota // knows INVALID_TXN_STATE only
	knowsAbortable                      // TRANSACTION_ABORTABLE
	addsByProduce                       // its leaders and group coordinators add partitions to its transaction
)

// answered is what the coordinator of a transaction says of partitions. The errors, one for all or one for each, are what the client is told.
type answered struct {
	each []error
	all  error
	// premise, if it is set, is what has to become durable for that to be true.
	premise *partition.Premise
}

// askTransaction asks the coordinator of a transaction whether it has the partitions, or has them added to it for a client that leaves this to us. If that
// coordinator is this broker it does not wait until the journal has what was added: what is appended next comes behind it in the same journal.
func (b *Broker) askTransaction(ctx context.Context, a txn.Add, client clientSupport) answered {
	a.VerifyOnly = client != addsByProduce
	img := b.image.Current()
	t, ok := img.Topic(image.TransactionState)
	if !ok {
		return answered{all: forClient(kerr.CoordinatorNotAvailable, client)}
	}
	var out answered
	leader := t.Partitions[coordinator.PartitionFor(a.ID, len(t.Partitions))].Leader
	if leader == b.cfg.Broker { // no need to make a request of it
		said := make(chan answered, 2) // that it is queued, and how it ended
		if !a.VerifyOnly {
			a.Version = transactionsV2
			premise := &partition.Premise{}
			a.Queued = func() { said <- answered{each: make([]error, len(a.Partitions)), premise: premise} }
			b.txns.Add(ctx, a, func(each []error, all error) {
				if all != nil {
					premise.Fail()
				}
				said <- answered{each: each, all: all}
			})
		} else {
			b.txns.Add(ctx, a, func(each []error, all error) { said <- answered{each: each, all: all} })
		}
		select {
		case out = <-said:
		case <-ctx.Done():
			out.all = kerr.NotEnoughReplicas
		}
	} else {
		out.each, out.all = b.askRemote(ctx, a, leader)
	}
	for i := range out.each {
		out.each[i] = forClient(out.each[i], client)
	}
	out.all = forClient(out.all, client)
	return out
}

// transactionsV2 is the version of transactions of KIP-890.
const transactionsV2 = 2

// forClient is what a client is told for an error of its transaction's coordinator. Codes that old clients would not take for a reason to try
// again become one that they do.
func forClient(err error, client clientSupport) error {
	switch kafkaError(err) {
	case nil:
		return nil
	case kerr.TransactionAbortable:
		if client == oldClient {
			return fmt.Errorf("the partition was not added to the transaction: %w", kerr.InvalidTxnState)
		}
		return err
	case kerr.ConcurrentTransactions:
		if client == addsByProduce {
			return err
		}
	case kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.BrokerNotAvailable, kerr.NetworkException,
		kerr.RequestTimedOut:
	case kerr.ProducerFenced:
		return fmt.Errorf("the producer's epoch is old: %w", kerr.InvalidProducerEpoch)
	default:
		return err
	}
	return fmt.Errorf("%w: the transaction's coordinator: %w", kerr.NotEnoughReplicas, err)
}

// askRemote asks a coordinator on another broker.
func (b *Broker) askRemote(ctx context.Context, a txn.Add, to metadata.BrokerID) (each []error, all error) {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	rt := kmsg.NewAddPartitionsToTxnRequestTransaction()
	rt.TransactionalID, rt.ProducerID, rt.ProducerEpoch, rt.VerifyOnly = a.ID, a.ProducerID, a.ProducerEpoch, a.VerifyOnly
	for _, tp := range a.Partitions {
		if n := len(rt.Topics); n == 0 || rt.Topics[n-1].Topic != tp.Topic {
			t := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
			t.Topic = tp.Topic
			rt.Topics = append(rt.Topics, t)
		}
		t := &rt.Topics[len(rt.Topics)-1]
		t.Partitions = append(t.Partitions, tp.Index)
	}
	req.Transactions = append(req.Transactions, rt)
	answer, err := b.peers.Request(ctx, to, req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kerr.NetworkException, err)
	}
	resp, ok := answer.(*kmsg.AddPartitionsToTxnResponse)
	if !ok || len(resp.Transactions) != 1 || resp.ErrorCode != 0 {
		return nil, kerr.NetworkException
	}
	codes := make(map[txn.TopicPartition]int16, len(a.Partitions))
	for _, t := range resp.Transactions[0].Topics {
		for _, p := range t.Partitions {
			codes[txn.TopicPartition{Topic: t.Topic, Index: p.Partition}] = p.ErrorCode
		}
	}
	each = make([]error, len(a.Partitions))
	for i, tp := range a.Partitions {
		code, ok := codes[tp]
		if !ok {
			return nil, kerr.NetworkException
		}
		each[i] = kerr.ErrorForCode(code)
	}
	return each, nil
}
