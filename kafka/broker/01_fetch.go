package broker

import (
	"context"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/kafka/wire"
	"weir/storage/buffer"
)

// Fetch (key 1), versions 4-18. Served by the partitions' leader, on the connection's write loop, which is also where it waits.
// v5 answers the log start offset (KIP-107); v7 has sessions (KIP-227); v9 checks the leader epoch (KIP-320); v11 has the client's rack
// (KIP-392; the leader is always the one to read from); v12 is flexible and has the epoch of the last record that the client has (KIP-595); v13 names topics by id (KIP-516); v15 and v17 concern followers;
// v16 names the current leader (KIP-951); v18 has the follower's high watermark (KIP-1166).
// Errors: INVALID_REQUEST (more bytes than a serverless cluster gives), FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR for the whole; UNKNOWN_TOPIC_OR_PARTITION,
// UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KAFKA_STORAGE_ERROR per partition;
// NOT_LEADER_OR_FOLLOWER per partition for a request that claims to be a follower's: replicas are virtual, so that none fetches, and Kafka tells those that are
// not a partition's the same. A partition that a request names twice is answered once, for what it says last.
//
// How a fetch finds records is in fetchlook.go, what a session saves it in fetchsession.go.
func (b *Broker) fetch(_ context.Context, r *Request) reply {
	return &fetchOp{b: b, r: r, req: body[*kmsg.FetchRequest](r), began: time.Now()}
}

// fetchOp is one fetch request under way. All of it runs on the write loop.
type fetchOp struct {
	b      *Broker
	r      *Request
	req    *kmsg.FetchRequest
	began  time.Time
	turn   time.Time
	waited time.Duration // for records, for memory and for turns at the disk
	most   int64         // bytes of records that the client takes, or may have

	session *session     // in use by this request, nil if it is not incremental
	parts   []*fetchPart // without a session: all that it asks for
	look    look
	resp    *wire.FetchResponse // nil until it is sent
	few     [1]found            // where look begins to collect
}

// ready is false: a fetch that could be answered at once is as soon as its turn comes.
func (op *fetchOp) ready() bool { return false }

func (op *fetchOp) done() { op.look.release() }

// phases implements timed: the handler of a fetch runs when the answer's turn has come.
func (op *fetchOp) phases(p *phases) {
	if op.turn.IsZero() {
		return
	}
	p.turn = op.turn.Sub(op.r.began)
	p.remote = op.waited
	p.local, p.queue = max(p.total-p.turn-p.send-op.waited, 0), 0
}

// appendFiles implements inFiles.
func (op *fetchOp) appendFiles(to []buffer.Range) []buffer.Range {
	if op.resp == nil {
		return to
	}
	return op.resp.AppendFiles(to)
}

func (op *fetchOp) frame(ctx context.Context, bufs net.Buffers) (net.Buffers, error) {
	op.turn = time.Now()
	if op.req.ReplicaID >= 0 || op.req.ReplicaState.ID >= 0 {
		return op.refuseFollower().AppendFrame(bufs, op.r.CorrelationID), nil
	}
	code := op.b.kind.checkFetch(int64(op.req.MaxBytes))
	if code == nil {
		code = op.resolve()
	}
	if code != nil {
		resp := &wire.FetchResponse{Version: op.req.Version, ErrorCode: code.Code}
		return resp.AppendFrame(bufs, op.r.CorrelationID), nil
	}
	if op.session != nil {
		defer op.b.sessions.give(op.session)
	}
	op.most = min(int64(min(max(op.req.MaxBytes, 0), op.b.props.fetchBytesMax)), op.b.quotas.FetchMax(anonymous, op.r.ClientID))
	if err := op.collect(ctx); err != nil {
		return nil, err
	}
	pause, alone := op.b.throttleFetch(op.r, op.look.bytes, time.Since(op.turn)-op.waited)
	if pause == 0 || alone {
		if d := op.b.kind.countOut(op.look.bytes, op.look.found); d > pause {
			pause = d
			op.b.throttle(op.r, "kind", d)
		}
		op.resp = op.respond()
	} else {
		op.look.release()
		op.resp = op.throttled()
	}
	op.resp.ThrottleMillis = throttleMillis(pause)
	return op.resp.AppendFrame(bufs, op.r.CorrelationID), nil
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
		op.parts = allParts(req, op.b.repeats.fetch(req))
		return nil
	}
	x, code := op.b.sessions.take(req.SessionID, req.SessionEpoch, byIDs)
	if code != nil {
		return code
	}
	x.update(req)
	op.session = x
	return nil
}

// collect looks for records until there are enough or the time is over.
func (op *fetchOp) collect(ctx context.Context) error {
	op.look.op, op.look.found = op, op.few[:0]
	if enough, err := op.lookOnce(ctx); enough || err != nil {
		return err
	}
	left := time.Until(op.began.Add(time.Duration(op.req.MaxWaitMillis) * time.Millisecond))
	if left <= 0 || op.look.hopeless() {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	wake, leave := op.wait()
	defer leave()
	for again := op.session == nil; ; again = true {
		// Without a session a first time because records may have come before the wait was registered. With one, notices are registered before
		// the look.
		if again {
			if enough, err := op.lookOnce(ctx); enough || err != nil {
				return err
			}
		}
		stale := op.look.bytes > 0
		if stale {
			op.look.release() // too few to answer with, so do not hold them while waiting
		}
		since := time.Now()
		select {
		case <-wake:
			op.waited += time.Since(since)
			continue
		case <-op.r.conn.lost:
			return net.ErrClosed
		case <-timer.C:
		case <-ctx.Done(): // the broker closes: answer with what there is
		}
		op.waited += time.Since(since)
		if stale {
			_, err := op.lookOnce(ctx)
			return err
		}
		return nil
	}
}

// wait registers for what the last look found nothing in. leave ends that.
func (op *fetchOp) wait() (wake <-chan struct{}, leave func()) {
	if x := op.session; x != nil {
		op.b.metrics.fetchWaiting.Inc()
		return x.wake, op.b.metrics.fetchWaiting.Dec
	}
	watch := make([]watching, 0, len(op.look.found))
	for i := range op.look.found {
		if f := &op.look.found[i]; f.led != nil {
			watch = append(watch, watching{partition.Key{Topic: f.topic.ID, Index: f.part.index}, f.led})
		}
	}
	w := op.b.purgatory.wait(watch)
	return w.wake, func() { op.b.purgatory.leave(w) }
}

// lookOnce looks at the partitions that may have something to tell, and reports whether the answer is due without more waiting.
func (op *fetchOp) lookOnce(ctx context.Context) (enough bool, err error) {
	l := &op.look
	l.release()
	parts := op.parts
	if op.session != nil {
		parts = op.session.dirty()
	}
	if err := l.run(ctx, parts); err != nil {
		return false, err
	}
	return l.enough(), nil
}

// refuseFollower answers a request that claims to come from a follower as Kafka answers a broker that has no replica.
func (op *fetchOp) refuseFollower() *wire.FetchResponse {
	op.look.op, op.look.img = op, op.b.image.Current()
	resp := &wire.FetchResponse{Version: op.req.Version}
	for _, p := range allParts(op.req, op.b.repeats.fetch(op.req)) {
		out := wire.FetchPartition{HighWatermark: -1, LastStable: -1, LogStart: -1}
		if t, err := op.topic(p); err != nil {
			out.ErrorCode, out.ListAborted = op.b.code(op.r, err), true
		} else {
			out.ErrorCode = op.b.code(op.r, kerr.NotLeaderForPartition)
			if h := hint(t, p.index); h.leader > 0 && op.req.Version >= 16 {
				out.LeaderID, out.LeaderEpoch = int32(h.leader), int32(h.epoch)
			}
		}
		addFetched(resp, p, out)
	}
	return resp
}

// topic finds the topic of p, and that it has the partition.
func (op *fetchOp) topic(p *fetchPart) (*image.Topic, error) {
	byID := op.req.Version >= 13
	t, ok := op.look.topic(p)
	switch {
	case !ok && byID:
		return nil, kerr.UnknownTopicID
	case !ok || p.index < 0 || int(p.index) >= len(t.Partitions):
		return nil, kerr.UnknownTopicOrPartition
	}
	return t, nil
}

// respond makes the response of the last look, and remembers in the session what the client learns from it.
func (op *fetchOp) respond() *wire.FetchResponse {
	resp := &wire.FetchResponse{Version: op.req.Version}
	hints := hinted{img: op.look.img, listener: op.r.Listener}
	for i := range op.look.found {
		f := &op.look.found[i]
		p := wire.FetchPartition{
			ErrorCode: f.code, HighWatermark: f.offsets.HighWatermark, LastStable: f.offsets.LastStable, LogStart: f.offsets.LogStart,
			ListAborted: op.committed() && f.code == 0 || f.unread, Segments: f.records.Segments, Files: f.records.Files,
		}
		for _, a := range f.records.Aborted {
			p.Aborted = append(p.Aborted, wire.FetchAborted{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
		}
		if f.diverges {
			p.Diverges, p.DivergingEpoch, p.DivergingEnd = true, int32(f.divergence.epoch), f.divergence.end
		}
		if f.hint.leader > 0 && op.req.Version >= 16 {
			p.LeaderID, p.LeaderEpoch = int32(f.hint.leader), int32(f.hint.epoch)
			hints.add(f.hint.leader)
		}
		addFetched(resp, f.part, p)
		op.count(f)
		f.part.told(f)
		switch {
		case op.session == nil:
		case f.records.Bytes > 0:
			op.session.toEnd(f.part)
		case f.settled:
			op.session.settle(f.part)
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

// count adds what the client gets of a partition to the metrics.
func (op *fetchOp) count(f *found) {
	all := op.b.kafka.all
	all.fetches.Mark(1)
	all.bytesOut.Mark(int64(f.records.Bytes))
	if f.topic == nil {
		all.failedFetches.Mark(1)
		return
	}
	of := op.b.kafka.topic(f.topic.ID)
	of.fetches.Mark(1)
	of.bytesOut.Mark(int64(f.records.Bytes))
	if f.code != 0 {
		all.failedFetches.Mark(1)
		of.failedFetches.Mark(1)
	}
}

// throttled is the answer to a client that is over its quota: it comes without records, and a session that was asked for is not made.
func (op *fetchOp) throttled() *wire.FetchResponse {
	resp := &wire.FetchResponse{Version: op.req.Version}
	if op.session != nil {
		resp.SessionID = op.session.id
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
