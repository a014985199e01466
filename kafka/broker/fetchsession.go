package broker

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// Fetch sessions (KIP-227): the broker remembers which partitions a client fetches and what it was told last, so that a request names
// only what changed and a response leaves out what did not.
//
// The same goes for the work: a session looks only at partitions that may have something to tell. Each partition of the session tells it of commits, and
// of its end, from the first look at it on; when a look finds that there is nothing more, it is not looked at again before that, or before the client
// names it. So a request costs nothing for the partitions in which nothing happens, however many they are.

const (
	// sessionRest is how long a session keeps its slot against others although it is not used.
	sessionRest = 120 * time.Second
	// sessionPartitionsMax bounds the partitions in all sessions together. Beyond it clients fetch without a session, which always works.
	sessionPartitionsMax = 500_000
)

// fetchKey names a partition as the client does: by topic name up to version 12, by id from version 13 on.
type fetchKey struct {
	topic string
	id    metadata.TopicID
	index int32
}

// fetchPart is one partition that a client fetches.
type fetchPart struct {
	fetchKey
	offset   int64
	maxBytes int32
	epoch    metadata.LeaderEpoch // the client's, -1 if it does not say
	fetched  metadata.LeaderEpoch // of the last record that it has, -1 if it does not say

	// Of a session: what the client was told last, and the place among those to look at; nil if it is not among them.
	highWatermark, logStart int64
	prev, next              *fetchPart

	led   led    // the partition that tells of commits, by stop; nil if none does
	stop  func() // ends that
	gone  bool   // it left the session
	woken bool   // it is in session.woken; guarded by session.mu
}

// session is one fetch session. Its id, byIDs, created and wake never change. It is used by one request at a time: whoever took it owns all
// else but what a mutex guards.
type session struct {
	id      int32
	byIDs   bool
	created time.Time
	wake    chan struct{} // holds a token if a partition was woken since the last look

	epoch   int32 // that the next request must have
	parts   map[fetchKey]*fetchPart
	ring    fetchPart    // of the parts to look at, in the order in which they are served; ring.next is the first
	looking []*fetchPart // scratch

	mu    sync.Mutex
	woken []*fetchPart // to be looked at, if they are still in the session

	// Guarded by sessions.mu.
	busy    bool
	gone    bool
	used    time.Time
	counted int // len(parts) when it was last given back
}

// sessions are the sessions of a broker, by id.
type sessions struct {
	metrics *metrics
	slots   int

	mu         sync.Mutex
	byID       map[int32]*session
	partitions int // sum of counted
}

func newSessions(slots int, m *metrics) *sessions {
	return &sessions{metrics: m, slots: slots, byID: make(map[int32]*session)}
}

const (
	sessionless  = -1 // epoch of a request that wants no session, or the end of the one it names
	sessionFirst = 0  // epoch of a request that wants a new session
)

// take returns the session that an incremental request names, for its use alone until give.
func (s *sessions) take(id, epoch int32, byIDs bool) (*session, *kerr.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.byID[id]
	switch {
	case !ok:
		return nil, kerr.FetchSessionIDNotFound
	case x.busy || x.epoch != epoch:
		return nil, kerr.InvalidFetchSessionEpoch
	case x.byIDs != byIDs:
		return nil, kerr.FetchSessionTopicIDError
	}
	x.busy = true
	return x, nil
}

// give ends the use of a session.
func (s *sessions) give(x *session) {
	s.mu.Lock()
	x.busy = false
	gone := x.gone
	if !gone {
		x.used = time.Now()
		s.partitions += len(x.parts) - x.counted
		x.counted = len(x.parts)
		if s.partitions > sessionPartitionsMax { // it grew: the client starts over, without a session
			s.removeLocked(x)
			gone = true
		}
		s.metrics.sessionSlots.Set(float64(s.partitions))
	}
	s.mu.Unlock()
	if gone {
		x.close()
	}
}

// end removes the session with that id, if there is one.
func (s *sessions) end(id int32) {
	s.mu.Lock()
	x, ok := s.byID[id]
	idle := ok && s.removeLocked(x)
	s.mu.Unlock()
	if idle {
		x.close()
	}
}

// removeLocked reports whether no request uses the session: then the caller closes it, without the lock, and otherwise give does.
func (s *sessions) removeLocked(x *session) (idle bool) {
	delete(s.byID, x.id)
	s.partitions -= x.counted
	x.gone, x.counted = true, 0
	s.metrics.fetchSessions.Set(float64(len(s.byID)))
	s.metrics.sessionSlots.Set(float64(s.partitions))
	return !x.busy
}

// create makes a session of the partitions of a full fetch, which it takes over. It returns 0 if there is no slot for it.
func (s *sessions) create(parts []*fetchPart, byIDs bool) int32 {
	now := time.Now()
	var victim *session
	defer func() {
		if victim != nil {
			victim.close()
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := s.partitions+len(parts) <= sessionPartitionsMax
	if ok {
		victim, ok = s.makeRoomLocked(len(parts), now)
	}
	if !ok {
		return 0
	}
	x := newSession(parts, byIDs, now)
	for x.id == 0 || s.byID[x.id] != nil {
		x.id = rand.Int32N(math.MaxInt32) + 1 //nolint:gosec // an id, not a secret: a session gives no rights
	}
	x.counted = len(x.parts)
	s.partitions += x.counted
	s.byID[x.id] = x
	s.metrics.fetchSessions.Set(float64(len(s.byID)))
	s.metrics.sessionSlots.Set(float64(s.partitions))
	return x.id
}

// makeRoomLocked finds a slot: a free one; or of the session that was not used for longest, if for sessionRest; or of the smallest one that is
// older than sessionRest and smaller than the new one, which saves more by having it. Who lost its slot is to be closed, without the lock.
func (s *sessions) makeRoomLocked(size int, now time.Time) (victim *session, ok bool) {
	if len(s.byID) < s.slots {
		return nil, true
	}
	var stale, small *session
	for _, x := range s.byID {
		if x.busy {
			continue
		}
		if now.Sub(x.used) > sessionRest && (stale == nil || x.used.Before(stale.used)) {
			stale = x
		}
		if now.Sub(x.created) > sessionRest && x.counted < size && (small == nil || x.counted < small.counted) {
			small = x
		}
	}
	victim = stale
	if victim == nil {
		victim = small
	}
	if victim == nil {
		return nil, false
	}
	s.removeLocked(victim)
	s.metrics.sessionsEvicted.Inc()
	return victim, true
}

func newSession(parts []*fetchPart, byIDs bool, now time.Time) *session {
	x := &session{
		byIDs: byIDs, created: now, used: now, epoch: 1, parts: make(map[fetchKey]*fetchPart, len(parts)), wake: make(chan struct{}, 1),
	}
	x.ring.prev, x.ring.next = &x.ring, &x.ring
	for _, p := range parts {
		if old, ok := x.parts[p.fetchKey]; ok {
			x.forget(old)
		}
		x.parts[p.fetchKey] = p
		x.toEnd(p)
	}
	return x
}

// close ends the notices of all partitions.
func (x *session) close() {
	for _, p := range x.parts {
		p.unfollow()
	}
}

// update applies an incremental request and moves the epoch on.
func (x *session) update(req *kmsg.FetchRequest) {
	eachPart(req, func(p fetchPart) {
		old, ok := x.parts[p.fetchKey]
		if !ok {
			x.parts[p.fetchKey] = &p
			x.toEnd(&p)
			return
		}
		old.offset, old.maxBytes, old.epoch, old.fetched = p.offset, p.maxBytes, p.epoch, p.fetched
		if old.next == nil {
			x.toEnd(old)
		}
	})
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, index := range t.Partitions {
			key := fetchKey{index: index}
			if x.byIDs {
				key.id = metadata.TopicID(t.TopicID)
			} else {
				key.topic = t.Topic
			}
			if p, ok := x.parts[key]; ok {
				x.forget(p)
			}
		}
	}
	if x.epoch++; x.epoch < 0 { // wraps to 1: 0 would ask for a new session
		x.epoch = 1
	}
}

func (x *session) forget(p *fetchPart) {
	x.settle(p)
	p.unfollow()
	p.gone = true
	delete(x.parts, p.fetchKey)
}

// dirty returns the partitions to look at, in the order in which they are to be served: those that the client named, those that told of commits, and those
// that had something to tell when they were looked at last. It is valid until the next call.
func (x *session) dirty() []*fetchPart {
	select {
	case <-x.wake: // before the list: a token that comes later stands for what is not in it
	default:
	}
	x.mu.Lock()
	for i, p := range x.woken {
		p.woken = false
		if p.next == nil && !p.gone {
			x.toEnd(p)
		}
		x.woken[i] = nil
	}
	x.woken = x.woken[:0]
	x.mu.Unlock()
	clear(x.looking)
	x.looking = x.looking[:0]
	for p := x.ring.next; p != &x.ring; p = p.next {
		x.looking = append(x.looking, p)
	}
	return x.looking
}

// follow makes l tell the session of its commits. Whoever calls it looks at l afterwards, so that nothing is missed.
func (x *session) follow(p *fetchPart, l led) {
	if p.led == l {
		return
	}
	p.unfollow()
	p.led, p.stop = l, l.OnAdvance(func() { x.advanced(p) })
}

func (p *fetchPart) unfollow() {
	if p.led != nil {
		p.stop()
		p.led, p.stop = nil, nil
	}
}

// advanced is called from a committer, or from who closes the partition, and does not block.
func (x *session) advanced(p *fetchPart) {
	x.mu.Lock()
	known := p.woken
	if !known {
		p.woken = true
		x.woken = append(x.woken, p)
	}
	x.mu.Unlock()
	if !known {
		select {
		case x.wake <- struct{}{}:
		default:
		}
	}
}

// toEnd makes p the last to be looked at, so that a busy partition does not starve those behind it.
func (x *session) toEnd(p *fetchPart) {
	x.settle(p)
	last := x.ring.prev
	p.prev, p.next = last, &x.ring
	last.next, x.ring.prev = p, p
}

// settle takes p from those to look at, if it is among them.
func (x *session) settle(p *fetchPart) {
	if p.next != nil {
		p.prev.next, p.next.prev = p.next, p.prev
		p.prev, p.next = nil, nil
	}
}

// eachPart calls fn with every partition of the request.
func eachPart(req *kmsg.FetchRequest, fn func(fetchPart)) {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			in := &t.Partitions[j]
			p := fetchPart{
				fetchKey: fetchKey{index: in.Partition}, offset: in.FetchOffset, maxBytes: in.PartitionMaxBytes,
				epoch: metadata.LeaderEpoch(in.CurrentLeaderEpoch), fetched: -1, highWatermark: -1, logStart: -1,
			}
			if req.Version >= 13 {
				p.id = metadata.TopicID(t.TopicID)
			} else {
				p.topic = t.Topic
			}
			if req.Version < 9 {
				p.epoch = -1
			}
			if req.Version >= 12 {
				p.fetched = metadata.LeaderEpoch(in.LastFetchedEpoch)
			}
			fn(p)
		}
	}
}

// allParts returns the partitions of a full request. If it is said to repeat itself, each is there once, where it is first named, with what is said last.
func allParts(req *kmsg.FetchRequest, repeats bool) []*fetchPart {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	parts, slab := make([]*fetchPart, 0, n), make([]fetchPart, 0, n)
	var known map[fetchKey]*fetchPart
	if repeats {
		known = make(map[fetchKey]*fetchPart, n)
	}
	eachPart(req, func(p fetchPart) {
		if old, ok := known[p.fetchKey]; ok {
			*old = p
			return
		}
		slab = append(slab, p)
		parts = append(parts, &slab[len(slab)-1])
		if repeats {
			known[p.fetchKey] = &slab[len(slab)-1]
		}
	})
	return parts
}
