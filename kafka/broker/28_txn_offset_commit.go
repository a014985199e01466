package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/group"
	"weir/kafka/partition"
	"weir/kafka/txn"
	"weir/metadata"
)

// TxnOffsetCommit (key 28), versions 0-6: commits offsets of a group as part of a transaction. Served by the group's coordinator, which asks the
// transaction's; blocks on that and one coordinator write.
// v2 has leader epochs; v3 the member (KIP-447) and is flexible; v4 can answer TRANSACTION_ABORTABLE; v5 is for transactions v2, whose offsets
// partition is added to the transaction here (KIP-890); v6 has topic ids.
// Errors, per partition: those of OffsetCommit, ILLEGAL_GENERATION instead of STALE_MEMBER_EPOCH, and what the transaction's coordinator says:
// INVALID_PRODUCER_ID_MAPPING, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, TRANSACTION_ABORTABLE, CONCURRENT_TRANSACTIONS (v5); COORDINATOR_LOAD_IN_PROGRESS if it
// cannot be asked now.
func (b *Broker) txnOffsetCommit(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.TxnOffsetCommitRequest](r), kmsg.NewPtrTxnOffsetCommitResponse()
	img := b.image.Current()
	commit := group.TxnCommit{ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch}
	commit.Group, commit.Generation, commit.Member, commit.Instance = req.Group, req.Generation, req.MemberID, deref(req.InstanceID)
	if req.Version < 3 {
		commit.Generation = -1
	}
	type place struct{ topic, partition int }
	var places []place // of each offset, in the response
	resp.Topics = make([]kmsg.TxnOffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.Topic, out.TopicID = in.Topic, in.TopicID
		out.Partitions = make([]kmsg.TxnOffsetCommitResponseTopicPartition, len(in.Partitions))
		name := &in.Topic
		if req.Version >= 6 {
			name = nil
		}
		t, err := findTopic(img, name, metadata.TopicID(in.TopicID))
		for j := range in.Partitions {
			p := &in.Partitions[j]
			out.Partitions[j].Partition = p.Partition
			switch {
			case err != nil:
				out.Partitions[j].ErrorCode = b.code(r, err)
				continue
			case p.Partition < 0 || int(p.Partition) >= len(t.Partitions):
				out.Partitions[j].ErrorCode = kerr.UnknownTopicOrPartition.Code
				continue
			}
			if req.Version < 2 {
				p.LeaderEpoch = -1
			}
			commit.Offsets = append(commit.Offsets, group.Offset{
				Topic: t.Name, TopicID: t.ID, Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: deref(p.Metadata),
			})
			places = append(places, place{i, j})
		}
	}
	if len(commit.Offsets) == 0 {
		return resp
	}
	client := oldClient
	switch {
	case req.Version >= 5:
		client = addsByProduce
	case req.Version == 4:
		client = knowsAbortable
	}
	commit.Verify = func(ctx context.Context) (*partition.Premise, error) {
		tp, err := b.offsetsPartition(ctx, req.Group)
		if err != nil {
			return nil, err
		}
		answer := b.askTransaction(ctx, txn.Add{
			ID: req.TransactionalID, ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch, Partitions: []txn.TopicPartition{tp},
		}, client)
		if answer.all != nil {
			return nil, answer.all
		}
		return answer.premise, answer.each[0]
	}
	errs, err := b.groups.CommitInTransaction(ctx, commit)
	for k, at := range places {
		one := err
		if err == nil {
			one = errs[k]
		}
		code := b.code(r, one, "group", req.Group, "txn", req.TransactionalID)
		switch code {
		case kerr.NotEnoughReplicas.Code: // what producers try again for; these do for another
			code = kerr.CoordinatorLoadInProgress.Code
		case kerr.StaleMemberEpoch.Code:
			code = kerr.IllegalGeneration.Code
		}
		resp.Topics[at.topic].Partitions[at.partition].ErrorCode = code
	}
	return resp
}
