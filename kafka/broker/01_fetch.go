package broker

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/kafka/wire"
)

// Fetch (key 1), versions 4-18. Served by the partitions' leader, on the connection's write loop, which is also where it waits.
// v5 answers the log start offset (KIP-107); v7 has sessions (KIP-227); v9 checks the leader epoch (KIP-320); v11 has the client's rack
// (KIP-392; the leader is always the one to read from); v12 is flexible; v13 names topics by id (KIP-516); v15 and v17 concern followers;
// v16 names the current leader (KIP-951); v18 has the follower's high watermark (KIP-1166).
// Errors: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR for the whole; UNKNOWN_TOPIC_OR_PARTITION,
// UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KAFKA_STORAGE_ERROR per partition;
// TOPIC_AUTHORIZATION_FAILED per partition for a request that claims to be a follower's.
func (b *Broker) fetch(_ context.Context, r *Request) reply {
	return &fetchOp{b: b, r: r, req: body[*kmsg.FetchRequest](r), began: time.Now()}
}

// fetchOp is one fetch request under way. All of it runs on the write loop.
type fetchOp struct {
	b     *Broker
	r     *Request
	req   *kmsg.FetchRequest
	began time.Time

	session *session // in use by this request, nil if it is not incremental
	parts   []*fetchPart
	look    *look
}

// ready is false: a fetch that could be answered at once is as soon as its turn comes.
func (op *fetchOp) ready() bool { return false }

func (op *fetchOp) done() {
	if op.look != nil {
		op.look.release()
	}
}

func (op *fetchOp) frame(ctx context.Context, bufs net.Buffers) (net.Buffers, error) {
	if op.req.ReplicaID >= 0 || op.req.ReplicaState.ID >= 0 {
		return op.refuseFollower().AppendFrame(bufs, op.r.CorrelationID), nil
	}
	if code := op.resolve(); code != nil {
		resp := &wire.FetchResponse{Version: op.req.Version, ErrorCode: code.Code}
		return resp.AppendFrame(bufs, op.r.CorrelationID), nil
	}
	if op.session != nil {
		defer op.b.sessions.give(op.session)
	}
	if err := op.collect(ctx); err != nil {
		return nil, err
	}
	return op.respond().AppendFrame(bufs, op.r.CorrelationID), nil
}

// resolve finds out which partitions the request is about.
func (op *fetchOp) resolve() *kerr.Error {
	req, byIDs := op.req, op.req.Version >= 13
	if req.Version < 7 {
		req.SessionID, req.SessionEpoch = 0, sessionless
	}
	if req.SessionEpoch == sessionless || req.SessionEpoch == sessionFirst {
		if req.SessionID != 0 {
			op.b.sessions.end(req.SessionID)
		}
		op.parts = allParts(req)
		return nil
	}
	x, code := op.b.sessions.take(req.SessionID, req.SessionEpoch, byIDs)
	if code != nil {
		return code
	}
	x.update(req)
	op.session, op.parts = x, x.all()
	return nil
}

// collect looks for records until there are enough or the time is over.
func (op *fetchOp) collect(ctx context.Context) error {
	if enough, err := op.lookOnce(ctx); enough || err != nil {
		return err
	}
	left := time.Until(op.began.Add(time.Duration(op.req.MaxWaitMillis) * time.Millisecond))
	if left <= 0 || len(op.look.watch) == 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	wait := op.b.purgatory.wait(op.look.watch)
	defer op.b.purgatory.leave(wait)
	for {
		// The first time because records may have come before wait was registered.
		if enough, err := op.lookOnce(ctx); enough || err != nil {
			return err
		}
		stale := op.look.bytes > 0
		if stale {
			op.look.release() // too few to answer with, so do not hold them while waiting
		}
		select {
		case <-wait.wake:
			continue
		case <-op.r.conn.lost:
			return net.ErrClosed
		case <-timer.C:
		case <-ctx.Done(): // the broker closes: answer with what there is
		}
		if stale {
			_, err := op.lookOnce(ctx)
			return err
		}
		return nil
	}
}

// lookOnce looks at all partitions, and tells whether the answer is due without more waiting.
func (op *fetchOp) lookOnce(ctx context.Context) (enough bool, err error) {
	if op.look != nil {
		op.look.release()
	}
	op.look = &look{op: op, img: op.b.image.Current()}
	if err := op.look.run(ctx); err != nil {
		return false, err
	}
	return op.look.failed || op.look.bytes >= int64(min(op.req.MinBytes, op.b.props.fetchBytesMax)), nil
}

// refuseFollower answers a request that claims to come from a follower as Kafka answers one that may not.
func (op *fetchOp) refuseFollower() *wire.FetchResponse {
	op.parts = allParts(op.req)
	resp := &wire.FetchResponse{Version: op.req.Version}
	for _, p := range op.parts {
		addFetched(resp, p, wire.FetchPartition{ErrorCode: kerr.TopicAuthorizationFailed.Code, HighWatermark: -1, LastStable: -1, LogStart: -1})
	}
	return resp
}

// respond makes the response of the last look, and remembers in the session what the client learns from it.
func (op *fetchOp) respond() *wire.FetchResponse {
	resp := &wire.FetchResponse{Version: op.req.Version}
	hints := hinted{img: op.look.img, listener: op.r.Listener}
	for i := range op.look.found {
		f := &op.look.found[i]
		p := wire.FetchPartition{
			ErrorCode: f.code, HighWatermark: f.offsets.HighWatermark, LastStable: f.offsets.LastStable, LogStart: f.offsets.LogStart,
			Committed: op.committed() && f.code == 0, Segments: f.records.Segments,
		}
		for _, a := range f.records.Aborted {
			p.Aborted = append(p.Aborted, wire.FetchAborted{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
		}
		if f.hint.leader > 0 && op.req.Version >= 16 {
			p.LeaderID, p.LeaderEpoch = int32(f.hint.leader), int32(f.hint.epoch)
			hints.add(f.hint.leader)
		}
		addFetched(resp, f.part, p)
		f.part.told(f)
		if op.session != nil && f.records.Bytes > 0 {
			op.session.toEnd(f.part)
		}
	}
	resp.Brokers = hints.nodes
	switch {
	case op.session != nil:
		resp.SessionID = op.session.id
	case op.req.SessionEpoch == sessionFirst:
		resp.SessionID = op.b.sessions.create(op.parts, op.req.Version >= 13)
	}
	return resp
}

// told remembers what the client knows of the partition now. After an error it must hear of it again.
func (p *fetchPart) told(f *found) {
	p.highWatermark, p.logStart = f.offsets.HighWatermark, f.offsets.LogStart
	if f.code != 0 {
		p.highWatermark = -1
	}
}

func (op *fetchOp) committed() bool { return op.req.IsolationLevel == 1 }

// addFetched appends p to the response, under the topic of the partition before it if it is the same.
func addFetched(resp *wire.FetchResponse, part *fetchPart, p wire.FetchPartition) {
	p.Partition = part.index
	if p.LeaderID == 0 {
		p.LeaderID, p.LeaderEpoch = -1, -1
	}
	if n := len(resp.Topics); n == 0 || resp.Topics[n-1].Topic != part.topic || resp.Topics[n-1].TopicID != part.id {
		resp.Topics = append(resp.Topics, wire.FetchTopic{Topic: part.topic, TopicID: part.id})
	}
	t := &resp.Topics[len(resp.Topics)-1]
	t.Partitions = append(t.Partitions, p)
}

// A look is one pass over the partitions of a fetch.
type look struct {
	op  *fetchOp
	img *image.Image

	found  []found    // what the response will hold
	watch  []watching // partitions that could get records
	bytes  int64
	failed bool  // a partition that exists could not be read: the client must hear of it now
	budget int64 // taken from the fetch budget
	room   int64 // bytes that may still be read
}

// found is what a look says about one partition.
type found struct {
	part    *fetchPart
	code    int16
	hint    leaderHint
	offsets partition.Offsets
	records partition.Records
}

// readLeast is the least part of the fetch budget that a fetch begins to read with.
const readLeast = 1 << 20

// release gives records and budget back.
func (l *look) release() {
	for i := range l.found {
		l.found[i].records.Release()
	}
	l.op.b.fetchBudget.give(l.budget)
	l.found, l.budget = nil, 0
}

func (l *look) run(ctx context.Context) error {
	l.room = -1
	for _, p := range l.op.parts {
		f, err := l.partition(ctx, p)
		if err != nil {
			return err
		}
		if l.op.session == nil || f.records.Bytes > 0 || f.code != 0 ||
			f.offsets.HighWatermark != p.highWatermark || f.offsets.LogStart != p.logStart {
			l.found = append(l.found, f)
		}
	}
	if l.budget > l.bytes { // what was not used can serve others
		l.op.b.fetchBudget.give(l.budget - l.bytes)
		l.budget = l.bytes
	}
	return nil
}

func (l *look) partition(ctx context.Context, p *fetchPart) (found, error) {
	f := found{part: p, offsets: partition.Offsets{LogStart: -1, HighWatermark: -1, LastStable: -1}}
	t, ok := l.topic(p)
	if !ok || p.index < 0 || int(p.index) >= len(t.Partitions) {
		// As in Kafka, this alone does not end the wait for the other partitions.
		f.code = kerr.UnknownTopicOrPartition.Code
		if !ok && l.op.req.Version >= 13 {
			f.code = kerr.UnknownTopicID.Code
		}
		return f, nil
	}
	key := partition.Key{Topic: t.ID, Index: p.index}
	led, err := l.op.b.leaders.get(key)
	if err == nil {
		if at := led.Offsets(); p.offset == at.HighWatermark && (p.epoch < 0 || p.epoch == led.LeaderEpoch()) {
			f.offsets = at // nothing new, and nothing wrong
			l.watch = append(l.watch, watching{key, led})
			return f, nil
		}
		if err := l.takeRoom(ctx); err != nil {
			return f, err
		}
		f.records, err = led.Read(ctx, partition.ReadRequest{
			Offset: p.offset, MaxBytes: int32(min(l.room, int64(max(p.maxBytes, 0)))), AtLeastOne: l.bytes == 0,
			Committed: l.op.committed(), ClientEpoch: p.epoch,
		})
	}
	if err != nil {
		l.failed = true
		f.code = l.op.b.code(l.op.r, err, "topic", t.Name, "partition", p.index, "offset", p.offset)
		if errors.Is(err, kerr.NotLeaderForPartition) || errors.Is(err, kerr.FencedLeaderEpoch) {
			f.hint = hint(t, p.index)
		}
		return f, nil
	}
	l.watch = append(l.watch, watching{key, led})
	f.offsets = f.records.Offsets
	l.bytes += int64(f.records.Bytes)
	l.room = max(0, l.room-int64(f.records.Bytes))
	return f, nil
}

func (l *look) topic(p *fetchPart) (*image.Topic, bool) {
	if l.op.req.Version >= 13 {
		return l.img.TopicByID(p.id)
	}
	return l.img.Topic(p.topic)
}

// takeRoom takes this look's part of the fetch budget, before its first read.
func (l *look) takeRoom(ctx context.Context) error {
	if l.room >= 0 {
		return nil
	}
	want := int64(min(max(l.op.req.MaxBytes, 0), l.op.b.props.fetchBytesMax))
	// One client that reads slowly must not hold everybody's budget; it comes back for the rest.
	want = min(want, max(l.op.b.fetchBudget.max/4, readLeast))
	got, err := l.op.b.fetchBudget.takeUpTo(ctx, want, readLeast)
	if err != nil {
		return err
	}
	l.budget, l.room = got, min(want, got)
	return nil
}
