package broker

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/share"
)

// ShareFetch (key 78), versions 1-2 (KIP-932). Served by the partitions' leader: acknowledgements are begun on the connection's read loop, in order
// of the requests; it is the write loop that looks for records, and waits.
// v2 has a strict limit of records (KIP-1206) and renews locks (KIP-1222): a request that does fetches nothing.
// Errors: UNSUPPORTED_VERSION (share.version is 0), INVALID_REQUEST, SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH,
// SHARE_SESSION_LIMIT_REACHED for the whole; UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR,
// UNKNOWN_SERVER_ERROR per partition; those of ShareAcknowledge for its acknowledgements.
//
// How it finds records is in sharelook.go.
func (b *Broker) shareFetch(_ context.Context, r *Request) reply {
	op := &shareFetchOp{b: b, r: r, req: body[*kmsg.ShareFetchRequest](r), began: time.Now(), acked: make(chan struct{})}
	op.begin()
	return op
}

// shareFetchOp is one share fetch under way.
type shareFetchOp struct {
	b     *Broker
	r     *Request
	req   *kmsg.ShareFetchRequest
	began time.Time

	err   error // of the whole
	limit bool  // err is that there are too many sessions: the client is to wait before it tries again
	group string
	id    string // of the member
	parts []*sharePart
	acks  *shareAcks
	acked chan struct{} // closed when the acknowledgements are done
	look  shareLook
}

// sharePart is a partition of the session.
type sharePart struct {
	share.TopicPartition
	err error
	got shareGot
}

// begin is the part on the read loop.
func (op *shareFetchOp) begin() {
	req := op.req
	var acks []*shareAck
	if op.err = op.b.checkShareMember(req.GroupID, req.MemberID); op.err == nil {
		op.group, op.id = *req.GroupID, *req.MemberID
		if op.err = checkRenewFetch(req); op.err == nil {
			acks, op.err = op.session()
		}
	}
	if op.err != nil {
		close(op.acked)
		return
	}
	op.acks = op.b.acknowledgeShares(op.group, op.id, req.Version >= 2 && req.IsRenewAck, acks, func() { close(op.acked) })
}

// checkRenewFetch refuses to fetch and to renew locks in one request: the records would be locked for longer than their fetch lasts.
func checkRenewFetch(req *kmsg.ShareFetchRequest) error {
	if req.Version < 2 || !req.IsRenewAck {
		return nil
	}
	var wrong strings.Builder
	for _, f := range []struct {
		name string
		v    int32
	}{{"maxBytes", req.MaxBytes}, {"minBytes", req.MinBytes}, {"maxRecords", req.MaxRecords}, {"maxWaitMs", req.MaxWaitMillis}} {
		if f.v != 0 {
			wrong.WriteString(f.name + " must be set to 0, ")
		}
	}
	if wrong.Len() == 0 {
		return nil
	}
	return fmt.Errorf("%w: %sif isRenewAck is true.", kerr.InvalidRequest, wrong.String()) //nolint:staticcheck // as Kafka writes it
}

// session finds out which partitions the request is about, and what it acknowledges.
func (op *shareFetchOp) session() (acks []*shareAck, err error) {
	req := op.req
	f := share.Fetch{Group: op.group, Member: op.id, Epoch: req.ShareSessionEpoch, Conn: op.r.conn}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			tp := share.TopicPartition{Topic: t.TopicID, Partition: p.Partition}
			f.Add = append(f.Add, tp)
			if len(p.AcknowledgementBatches) == 0 {
				continue
			}
			ack := &shareAck{TopicPartition: tp}
			for _, a := range p.AcknowledgementBatches {
				ack.acks = append(ack.acks, share.Acknowledgement{First: a.FirstOffset, Last: a.LastOffset, Types: a.AcknowledgeTypes})
			}
			acks = append(acks, ack)
		}
	}
	for _, t := range req.ForgottenTopicsData {
		for _, p := range t.Partitions {
			f.Forget = append(f.Forget, share.TopicPartition{Topic: t.TopicID, Partition: p})
		}
	}
	f.Acks = len(acks) > 0
	tps, err := op.b.shares.sessions.Fetch(f)
	if err != nil {
		op.limit = err == kerr.ShareSessionLimitReached //nolint:errorlint // it is returned bare
		return nil, err
	}
	// As in Kafka, all partitions get their turn to be first.
	if n := len(tps); n > 0 && req.ShareSessionEpoch > 0 {
		at := int(req.ShareSessionEpoch) % n
		tps = append(tps[at:], tps[:at]...)
	}
	op.parts = make([]*sharePart, len(tps))
	for i, tp := range tps {
		op.parts[i] = &sharePart{TopicPartition: tp}
	}
	return lastOfEach(acks), nil
}

// lastOfEach keeps the last of those that name the same partition.
func lastOfEach(acks []*shareAck) []*shareAck {
	seen := make(map[share.TopicPartition]int, len(acks))
	out := acks[:0]
	for _, a := range acks {
		if i, ok := seen[a.TopicPartition]; ok {
			out[i] = a
			continue
		}
		seen[a.TopicPartition] = len(out)
		out = append(out, a)
	}
	return out
}

func (op *shareFetchOp) ready() bool { return false }

func (op *shareFetchOp) done() { op.look.release() }

func (op *shareFetchOp) frame(ctx context.Context, bufs net.Buffers) (net.Buffers, error) {
	resp := kmsg.NewPtrShareFetchResponse()
	resp.Version = op.req.Version
	if op.limit {
		if err := op.pause(ctx, time.Duration(max(op.req.MaxWaitMillis, 0))*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if op.err != nil {
		resp.ErrorCode, resp.ErrorMessage = op.b.code(op.r, op.err), message(op.err)
		return append(bufs, encode(op.r, resp)), nil //nolint:nilerr // it is in the response
	}
	turn := time.Now()
	if err := op.collect(ctx); err != nil {
		return nil, err
	}
	select {
	case <-op.acked:
	case <-op.r.conn.lost:
		return nil, net.ErrClosed
	}
	if op.req.ShareSessionEpoch == share.SessionFinal {
		if e, ok := op.b.shares.sessions.End(op.group, op.id); ok {
			op.b.shares.ended(e)
		}
	}
	// Records that were acquired are sent, whatever the quota says: the pause comes with them.
	pause, _ := op.b.throttleFetch(op.r, op.look.bytes, time.Since(turn)-op.look.waited)
	resp.ThrottleMillis = throttleMillis(pause)
	op.respond(resp)
	frame := encode(op.r, resp)
	op.look.release()
	return append(bufs, frame), nil
}

// pause waits for d, or the end of the connection or broker.
func (op *shareFetchOp) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-op.r.conn.lost:
		return net.ErrClosed
	}
	return nil
}

// respond fills the response: partitions with records, with errors, and those that were acknowledged.
func (op *shareFetchOp) respond(resp *kmsg.ShareFetchResponse) {
	resp.AcquisitionLockTimeoutMillis = int32(op.b.shareLimits(op.group).LockDuration.Milliseconds())
	acks := make(map[share.TopicPartition]*shareAck, len(op.acks.parts))
	for _, a := range op.acks.parts {
		acks[a.TopicPartition] = a
	}
	img := op.b.image.Current()
	hints := hinted{img: img, listener: op.r.Listener}
	add := func(tp share.TopicPartition, err error, got *shareGot, ack *shareAck) {
		out := kmsg.NewShareFetchResponseTopicPartition()
		out.Partition, out.Records = tp.Partition, []byte{}
		out.ErrorCode, out.ErrorMessage = op.b.code(op.r, err, "group", op.group, "partition", tp.Partition), message(err)
		if ack != nil {
			out.AcknowledgeErrorCode, out.AcknowledgeErrorMessage = op.b.code(op.r, ack.err, "group", op.group, "partition", tp.Partition), message(ack.err)
		}
		if h := shareHint(img, tp, out.ErrorCode); h.leader > 0 {
			out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(h.leader), int32(h.epoch)
			hints.add(h.leader)
		}
		if got != nil {
			out.Records = got.bytes()
			out.AcquiredRecords = make([]kmsg.ShareFetchResponseTopicPartitionAcquiredRecord, len(got.ranges))
			for i, r := range got.ranges {
				a := &out.AcquiredRecords[i]
				a.FirstOffset, a.LastOffset, a.DeliveryCount = r.First, r.Last, r.Count
			}
		}
		at := -1
		for i := range resp.Topics {
			if resp.Topics[i].TopicID == tp.Topic {
				at = i
			}
		}
		if at < 0 {
			at = len(resp.Topics)
			resp.Topics = append(resp.Topics, kmsg.ShareFetchResponseTopic{TopicID: tp.Topic})
		}
		resp.Topics[at].Partitions = append(resp.Topics[at].Partitions, out)
	}
	for _, p := range op.parts {
		ack := acks[p.TopicPartition]
		switch {
		case len(p.got.ranges) > 0:
			add(p.TopicPartition, nil, &p.got, ack)
		case p.err != nil || ack != nil:
			add(p.TopicPartition, p.err, nil, ack)
		default:
			continue
		}
		delete(acks, p.TopicPartition)
	}
	for _, a := range op.acks.parts {
		if _, left := acks[a.TopicPartition]; left {
			add(a.TopicPartition, nil, nil, a)
		}
	}
	for _, n := range hints.nodes {
		resp.NodeEndpoints = append(resp.NodeEndpoints, kmsg.ShareFetchResponseNodeEndpoint{NodeID: n.NodeID, Host: n.Host, Port: n.Port, Rack: nullable(n.Rack)})
	}
}
