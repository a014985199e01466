package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/share"
)

// ShareAcknowledge (key 79), versions 1-2 (KIP-932). Served by the partitions' leader; answered when the share coordinators know.
// v2 may renew locks (KIP-1222), and says how long they last.
// Errors: UNSUPPORTED_VERSION (share.version is 0), INVALID_REQUEST, SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH for the whole;
// UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, INVALID_REQUEST, INVALID_RECORD_STATE, COORDINATOR_NOT_AVAILABLE per partition.
func (b *Broker) shareAcknowledge(_ context.Context, r *Request, answer func(kmsg.Response)) {
	req, resp := body[*kmsg.ShareAcknowledgeRequest](r), kmsg.NewPtrShareAcknowledgeResponse()
	err := b.checkShareMember(req.GroupID, req.MemberID)
	if err == nil {
		err = b.shares.sessions.Acknowledge(*req.GroupID, *req.MemberID, req.ShareSessionEpoch)
	}
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = b.code(r, err), message(err)
		answer(resp)
		return
	}
	group, member := *req.GroupID, *req.MemberID
	var parts []*shareAck
	seen := make(map[share.TopicPartition]*shareAck)
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			tp := share.TopicPartition{Topic: t.TopicID, Partition: p.Partition}
			ack := seen[tp]
			if ack == nil {
				ack = &shareAck{TopicPartition: tp}
				seen[tp], parts = ack, append(parts, ack)
			}
			ack.acks = ack.acks[:0] // of a partition that is named twice the last counts, as in Kafka
			for _, a := range p.AcknowledgementBatches {
				ack.acks = append(ack.acks, share.Acknowledgement{First: a.FirstOffset, Last: a.LastOffset, Types: a.AcknowledgeTypes})
			}
		}
	}
	b.acknowledgeShares(group, member, req.Version >= 2 && req.IsRenewAck, parts, func() {
		if req.ShareSessionEpoch == share.SessionFinal {
			if e, ok := b.shares.sessions.End(group, member); ok {
				b.shares.ended(e)
			}
		}
		resp.AcquisitionLockTimeoutMillis = int32(b.shareLimits(group).LockDuration.Milliseconds())
		img := b.image.Current()
		hints := hinted{img: img, listener: r.Listener}
		for _, p := range parts {
			out := kmsg.NewShareAcknowledgeResponseTopicPartition()
			out.Partition, out.ErrorCode, out.ErrorMessage = p.Partition, b.code(r, p.err, "group", group, "partition", p.Partition), message(p.err)
			if h := shareHint(img, p.TopicPartition, out.ErrorCode); h.leader > 0 {
				out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(h.leader), int32(h.epoch)
				hints.add(h.leader)
			}
			if n := len(resp.Topics); n == 0 || resp.Topics[n-1].TopicID != p.Topic {
				resp.Topics = append(resp.Topics, kmsg.ShareAcknowledgeResponseTopic{TopicID: p.Topic})
			}
			t := &resp.Topics[len(resp.Topics)-1]
			t.Partitions = append(t.Partitions, out)
		}
		for _, n := range hints.nodes {
			resp.NodeEndpoints = append(resp.NodeEndpoints, kmsg.ShareAcknowledgeResponseNodeEndpoint{NodeID: n.NodeID, Host: n.Host, Port: n.Port, Rack: nullable(n.Rack)})
		}
		answer(resp)
	})
}

// shareHint is the leader to go to after an error that says that it is not this broker.
func shareHint(img *image.Image, tp share.TopicPartition, code int16) leaderHint {
	if code != kerr.NotLeaderForPartition.Code && code != kerr.FencedLeaderEpoch.Code {
		return leaderHint{}
	}
	t, ok := img.TopicByID(tp.Topic)
	if !ok {
		return leaderHint{}
	}
	return hint(t, tp.Partition)
}
