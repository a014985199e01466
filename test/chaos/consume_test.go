package chaos

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"weir/internal/checker"
)

// pollWait bounds a poll, so that a client notices the end of its life.
const pollWait = 500 * time.Millisecond

// note adds what a poll returned to op.
func note(op *checker.Op, fetches kgo.Fetches) {
	fetches.EachRecord(func(rec *kgo.Record) {
		op.Reads = append(op.Reads, checker.Read{Partition: partitionOf(rec.Topic, rec.Partition), Offset: rec.Offset, Value: string(rec.Value)})
	})
}

// reader reads all partitions of a topic from the first offset, over and over.
func (r *run) reader(topic string, uncommitted bool) func(context.Context, string, *rand.Rand) error {
	return func(ctx context.Context, name string, _ *rand.Rand) error {
		from := map[int32]kgo.Offset{}
		for p := range int32(partitions) {
			from[p] = kgo.NewOffset().At(0)
		}
		level := kgo.ReadCommitted()
		if uncommitted {
			level = kgo.ReadUncommitted()
		}
		cl, err := r.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchIsolationLevel(level))
		if err != nil {
			return err
		}
		defer cl.Close()
		for moved := true; ctx.Err() == nil; moved = false {
			op := r.rec.Invoke(name, checker.Poll)
			op.Moved, op.Uncommitted = moved, uncommitted
			wait, cancel := context.WithTimeout(ctx, pollWait)
			note(op, cl.PollFetches(wait))
			cancel()
			r.rec.Complete(op, checker.OK, nil)
		}
		return nil
	}
}

// surveyor asks for the bounds of all partitions.
func (r *run) surveyor(topic string) func(context.Context, string, *rand.Rand) error {
	return func(ctx context.Context, name string, dice *rand.Rand) error {
		cl, err := r.client()
		if err != nil {
			return err
		}
		defer cl.Close()
		adm := kadm.NewClient(cl)
		for ctx.Err() == nil {
			op := r.rec.Invoke(name, checker.Bounds)
			// One after the other, so that they are in order whatever happens in between.
			starts, err := adm.ListStartOffsets(ctx, topic)
			stable, err2 := adm.ListCommittedOffsets(ctx, topic)
			ends, err3 := adm.ListEndOffsets(ctx, topic)
			op.Limits = map[checker.Partition]checker.Limit{}
			for p := range int32(partitions) {
				a, ok1 := starts.Lookup(topic, p)
				b, ok2 := stable.Lookup(topic, p)
				c, ok3 := ends.Lookup(topic, p)
				if ok1 && ok2 && ok3 && a.Err == nil && b.Err == nil && c.Err == nil {
					op.Limits[partitionOf(topic, p)] = checker.Limit{Start: a.Offset, Stable: b.Offset, High: c.Offset}
				}
			}
			r.rec.Complete(op, checker.OK, firstOf(err, err2, err3))
			pause(ctx, time.Duration(50+dice.IntN(200))*time.Millisecond)
		}
		return nil
	}
}

// member is a member of a consumer group that commits what it has read after each poll.
func (r *run) member(group string, opts ...kgo.Opt) func(context.Context, string, *rand.Rand) error {
	return func(ctx context.Context, name string, dice *rand.Rand) error {
		var moved atomic.Bool
		set := func(context.Context, *kgo.Client, map[string][]int32) { moved.Store(true) }
		cl, err := r.client(append([]kgo.Opt{
			kgo.ConsumerGroup(group), kgo.ConsumeTopics(plain), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.OnPartitionsAssigned(set), kgo.OnPartitionsRevoked(set), kgo.OnPartitionsLost(set),
		}, opts...)...)
		if err != nil {
			return err
		}
		first := map[int32]int64{}
		defer func() {
			id, generation := cl.GroupMetadata()
			cl.AllowRebalance()
			wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), opTimeout)
			defer cancel()
			left := cl.LeaveGroupContext(wait)
			cl.CloseAllowingRebalance()
			if left == nil { // else it may be a member still, with every right to commit
				r.haunt(name, group, id, generation, first)
			}
		}()
		for ctx.Err() == nil {
			op := r.rec.Invoke(name, checker.Poll)
			wait, cancel := context.WithTimeout(ctx, pollWait)
			fetches := cl.PollRecords(wait, 200)
			cancel()
			op.Moved = moved.Swap(false)
			note(op, fetches)
			r.rec.Complete(op, checker.OK, nil)
			for _, read := range op.Reads {
				if p := number(read.Partition); first[p] == 0 {
					first[p] = read.Offset + 1
				}
			}
			if len(op.Reads) > 0 {
				r.commit(ctx, cl, name, group, fetches)
			}
			cl.AllowRebalance()
			pause(ctx, time.Duration(dice.IntN(30))*time.Millisecond)
		}
		return nil
	}
}

// commit commits what was read. Partitions whose commit was refused are not noted.
func (r *run) commit(ctx context.Context, cl *kgo.Client, name, group string, fetches kgo.Fetches) {
	op := r.rec.Invoke(name, checker.Commit)
	op.Group, op.Offsets = group, map[checker.Partition]int64{}
	read := map[int32]kgo.EpochOffset{}
	fetches.EachRecord(func(rec *kgo.Record) {
		read[rec.Partition] = kgo.EpochOffset{Epoch: rec.LeaderEpoch, Offset: rec.Offset + 1}
	})
	wait, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	var refused error
	cl.CommitOffsetsSync(wait, map[string]map[int32]kgo.EpochOffset{plain: read}, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		refused = err
		if err != nil || resp == nil {
			return
		}
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				if p := &resp.Topics[i].Partitions[j]; p.ErrorCode == 0 {
					op.Offsets[partitionOf(plain, p.Partition)] = read[p.Partition].Offset
				}
			}
		}
	})
	r.rec.Complete(op, outcome(refused), refused)
}

// haunt commits in the name of a member that has left, as one would that was cut off for a while and did not know: it must be refused.
func (r *run) haunt(name, group, id string, generation int32, offsets map[int32]int64) {
	if id == "" || generation < 0 || len(offsets) == 0 {
		return
	}
	cl, err := r.client(kgo.MaxVersions(kversion.V3_9_0())) // names topics; later versions have their ids
	if err != nil {
		return
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = group, id, generation
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = plain
	for p, at := range offsets {
		part := kmsg.NewOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset = p, at
		topic.Partitions = append(topic.Partitions, part)
	}
	req.Topics = append(req.Topics, topic)
	op := r.rec.Invoke(name+".ghost", checker.Commit)
	op.Group, op.Offsets = group, map[checker.Partition]int64{}
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				if p := &resp.Topics[i].Partitions[j]; p.ErrorCode == 0 {
					op.Offsets[partitionOf(plain, p.Partition)] = offsets[p.Partition]
				}
			}
		}
	}
	r.rec.Complete(op, outcome(err), err)
}

// auditor asks for the committed offsets of groups.
func (r *run) auditor(groups ...string) func(context.Context, string, *rand.Rand) error {
	return func(ctx context.Context, name string, dice *rand.Rand) error {
		cl, err := r.client()
		if err != nil {
			return err
		}
		defer cl.Close()
		adm := kadm.NewClient(cl)
		for ctx.Err() == nil {
			for _, g := range groups {
				op := r.rec.Invoke(name, checker.Committed)
				op.Group, op.Offsets = g, map[checker.Partition]int64{}
				got, err := adm.FetchOffsetsForTopics(ctx, g, plain)
				if err == nil {
					got.Each(func(o kadm.OffsetResponse) {
						if o.Err == nil {
							op.Offsets[partitionOf(o.Topic, o.Partition)] = o.At
						}
					})
				}
				r.rec.Complete(op, outcome(err), err)
			}
			pause(ctx, time.Duration(50+dice.IntN(200))*time.Millisecond)
		}
		return nil
	}
}
