package chaos

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/checker"
)

// worker is one of a stage's workers: it reads from one topic, makes one record of each, and commits both in a transaction (KIP-447).
func (r *run) worker(stage int, id string) func(context.Context, string, *rand.Rand) error {
	group := "stage-" + pipe(stage)
	return func(ctx context.Context, name string, dice *rand.Rand) error {
		s, err := kgo.NewGroupTransactSession(r.options(
			kgo.TransactionalID(id), kgo.TransactionTimeout(20*time.Second), kgo.ConsumerGroup(group), kgo.ConsumeTopics(pipe(stage)),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		)...)
		if err != nil {
			return err
		}
		defer s.CloseAllowingRebalance()
		for ctx.Err() == nil {
			wait, cancel := context.WithTimeout(ctx, pollWait)
			fetches := s.PollRecords(wait, 50)
			cancel()
			if fetches.NumRecords() == 0 {
				continue
			}
			if err := s.Begin(); err != nil {
				return err
			}
			op := r.rec.Invoke(name, checker.Txn)
			op.Group, op.Offsets = group, map[checker.Partition]int64{}
			note(op, fetches)
			for _, in := range op.Reads {
				op.Offsets[in.Partition] = in.Offset + 1
				op.Writes = append(op.Writes, checker.Write{
					Partition: partitionOf(pipe(stage+1), int32(dice.IntN(partitions))), Value: r.value("p"),
					From: &checker.Place{Partition: in.Partition, Offset: in.Offset},
				})
			}
			failed := r.send(s.Client(), op, pipe(stage+1))
			how := kgo.TryCommit
			if failed != nil || dice.IntN(10) == 0 {
				how = kgo.TryAbort
			} else {
				op.Decided = r.rec.Now()
			}
			end, done := context.WithTimeout(context.Background(), opTimeout)
			committed, err := s.End(end, how)
			done()
			switch {
			case how == kgo.TryAbort || err == nil && !committed: // it was not asked to be committed, or gave way to a rebalance
				r.rec.Complete(op, checker.Failed, firstOf(failed, err))
				op.Decided = 0
			default:
				r.rec.Complete(op, outcome(err), err)
			}
			if err != nil || failed != nil {
				return firstOf(err, failed)
			}
		}
		return nil
	}
}
