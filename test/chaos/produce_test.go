package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/checker"
	"weir/internal/franz"
)

// sender is an idempotent producer to topic: a few records at a time.
func (r *run) sender(topic string) func(context.Context, string, *rand.Rand) error {
	return func(ctx context.Context, name string, dice *rand.Rand) error {
		cl, err := r.client()
		if err != nil {
			return err
		}
		defer cl.Close()
		for ctx.Err() == nil {
			op := r.rec.Invoke(name, checker.Produce)
			for range 1 + dice.IntN(4) {
				op.Writes = append(op.Writes, checker.Write{Partition: partitionOf(topic, int32(dice.IntN(partitions))), Value: r.value("w")})
			}
			err := r.send(cl, op, topic)
			r.rec.Complete(op, outcome(err), err)
			if err != nil {
				return err
			}
			pause(ctx, time.Duration(dice.IntN(20))*time.Millisecond)
		}
		return nil
	}
}

// send sends the operation's writes and notes what became of each. The error is the first.
func (r *run) send(cl *kgo.Client, op *checker.Op, topic string) error {
	// Not the life's context: a client that hangs up on its own request knows nothing of it.
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	var first error
	for i := range op.Writes {
		w := &op.Writes[i]
		all.Add(1)
		w.Outcome, w.Sent = checker.Unknown, r.rec.Now()
		cl.Produce(ctx, &kgo.Record{Topic: topic, Partition: number(w.Partition), Value: []byte(w.Value)}, func(rec *kgo.Record, err error) {
			defer all.Done()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if first == nil {
					first = err
				}
				return
			}
			w.Outcome, w.Offset, w.Acked = checker.OK, rec.Offset, r.rec.Now()
		})
	}
	all.Wait()
	if first == nil {
		first = franz.AwaitPartitions(ctx, cl, topic)
	}
	return first
}

// number is the partition's: the topics have fewer than ten.
func number(p checker.Partition) int32 { return int32(p[len(p)-1] - '0') }

func outcome(err error) checker.Outcome {
	if err != nil {
		return checker.Unknown
	}
	return checker.OK
}

// transactor writes transactions, and aborts some by choice. A new life has the same transactional id, and so ends what the last one left open.
func (r *run) transactor(id string) func(context.Context, string, *rand.Rand) error {
	return func(ctx context.Context, name string, dice *rand.Rand) error {
		cl, err := r.client(kgo.TransactionalID(id), kgo.TransactionTimeout(20*time.Second))
		if err != nil {
			return err
		}
		defer cl.Close()
		for ctx.Err() == nil {
			if err := cl.BeginTransaction(); err != nil {
				return err
			}
			op := r.rec.Invoke(name, checker.Txn)
			for range 1 + dice.IntN(4) {
				op.Writes = append(op.Writes, checker.Write{Partition: partitionOf(txns, int32(dice.IntN(partitions))), Value: r.value("t")})
			}
			err := r.send(cl, op, txns)
			if err == nil && dice.IntN(4) == 0 { // a second helping: later requests of the same transaction
				more := checker.Op{Writes: []checker.Write{{Partition: partitionOf(txns, int32(dice.IntN(partitions))), Value: r.value("t")}}}
				err = r.send(cl, &more, txns)
				op.Writes = append(op.Writes, more.Writes...)
			}
			if err != nil || dice.IntN(5) == 0 {
				end := r.end(cl, kgo.TryAbort)
				r.rec.Complete(op, checker.Failed, err)
				if err != nil || end != nil {
					return firstOf(err, end)
				}
				continue
			}
			op.Decided = r.rec.Now()
			err = r.end(cl, kgo.TryCommit)
			r.rec.Complete(op, outcome(err), err)
			if err != nil {
				return err
			}
			pause(ctx, time.Duration(dice.IntN(30))*time.Millisecond)
		}
		return nil
	}
}

func (r *run) end(cl *kgo.Client, how kgo.TransactionEndTry) error {
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	return cl.EndTransaction(ctx, how)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
