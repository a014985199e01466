package share

import (
	"math"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
)

// TopicPartition is a partition as share sessions name it.
type TopicPartition struct {
	Topic     metadata.TopicID
	Partition int32
}

// Sessions are the share sessions of a broker: which partitions each member fetches, so that its requests name only what changes. A session belongs to
// the connection that began it, and ends with it.
type Sessions struct {
	max int

	mu     sync.Mutex
	byKey  map[sessionKey]*session
	groups map[string]int // sessions
	conns  map[any]map[sessionKey]struct{}
	parts  int // in all sessions together
}

type sessionKey struct{ group, member string }

type session struct {
	epoch int32
	conn  any
	parts []TopicPartition
}

// The epochs that mean something of their own.
const (
	SessionFirst = 0  // begins a session
	SessionFinal = -1 // ends it
)

// sessionPartitionsMax bounds the partitions of all sessions of a broker together, and those of one.
const sessionPartitionsMax, oneSessionMax = 500_000, 50_000

// NewSessions returns Sessions without any.
func NewSessions(sessionsMax int) *Sessions {
	return &Sessions{max: sessionsMax, byKey: make(map[sessionKey]*session), groups: make(map[string]int), conns: make(map[any]map[sessionKey]struct{})}
}

// Fetch is the part of a ShareFetch that concerns its session. conn is a comparable value that names the connection.
type Fetch struct {
	Group, Member string
	Epoch         int32
	Add, Forget   []TopicPartition
	Acks          bool // there are acknowledgements in the request
	Conn          any
}

// Fetch returns the partitions that the request is about. In the request that ends a session these are none; End is to be called when it is answered.
// SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED, INVALID_REQUEST.
func (s *Sessions) Fetch(f Fetch) ([]TopicPartition, error) {
	key := sessionKey{f.Group, f.Member}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byKey[key]
	switch {
	case f.Epoch == SessionFinal:
		if x == nil {
			return nil, kerr.ShareSessionNotFound
		}
		return nil, nil
	case f.Epoch == SessionFirst:
		if f.Acks {
			return nil, kerr.InvalidRequest // nothing was delivered in this session
		}
		if x != nil {
			s.removeLocked(key, x)
		}
		if len(s.byKey) >= s.max || s.parts+len(f.Add) > sessionPartitionsMax || len(f.Add) > oneSessionMax {
			return nil, kerr.ShareSessionLimitReached
		}
		x = &session{epoch: 1, conn: f.Conn, parts: unique(f.Add)}
		s.addLocked(key, x)
		return slices.Clone(x.parts), nil
	case x == nil:
		return nil, kerr.ShareSessionNotFound
	case x.epoch != f.Epoch:
		return nil, kerr.InvalidShareSessionEpoch
	}
	if len(f.Add)+len(f.Forget) > 0 {
		had := len(x.parts)
		if s.parts+len(f.Add) > sessionPartitionsMax || had+len(f.Add) > oneSessionMax {
			return nil, kerr.ShareSessionLimitReached
		}
		gone := make(map[TopicPartition]struct{}, len(f.Forget))
		for _, tp := range f.Forget {
			gone[tp] = struct{}{}
		}
		x.parts = slices.DeleteFunc(unique(append(x.parts, f.Add...)), func(tp TopicPartition) bool { _, ok := gone[tp]; return ok })
		s.parts += len(x.parts) - had
	}
	x.epoch = nextEpoch(x.epoch)
	return slices.Clone(x.parts), nil
}

// Acknowledge checks the session of a ShareAcknowledge and moves it on. After the one that ends it, End is to be called.
// SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH.
func (s *Sessions) Acknowledge(group, member string, epoch int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byKey[sessionKey{group, member}]
	switch {
	case epoch == SessionFirst:
		return kerr.InvalidShareSessionEpoch
	case x == nil:
		return kerr.ShareSessionNotFound
	case epoch == SessionFinal:
		return nil
	case x.epoch != epoch:
		return kerr.InvalidShareSessionEpoch
	}
	x.epoch = nextEpoch(x.epoch)
	return nil
}

// Ended is a session that is no more.
type Ended struct {
	Group, Member string
	Partitions    []TopicPartition
	Last          bool // the group has no other one here
}

// End ends a session and returns it; ok is false if there is none.
func (s *Sessions) End(group, member string) (e Ended, ok bool) {
	key := sessionKey{group, member}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byKey[key]
	if x == nil {
		return Ended{}, false
	}
	return s.removeLocked(key, x), true
}

// EndConn ends the sessions of a connection.
func (s *Sessions) EndConn(conn any) []Ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Ended
	for key := range s.conns[conn] {
		out = append(out, s.removeLocked(key, s.byKey[key]))
	}
	return out
}

func (s *Sessions) addLocked(key sessionKey, x *session) {
	s.byKey[key] = x
	s.groups[key.group]++
	s.parts += len(x.parts)
	if s.conns[x.conn] == nil {
		s.conns[x.conn] = make(map[sessionKey]struct{})
	}
	s.conns[x.conn][key] = struct{}{}
}

func (s *Sessions) removeLocked(key sessionKey, x *session) Ended {
	delete(s.byKey, key)
	s.parts -= len(x.parts)
	if of := s.conns[x.conn]; len(of) == 1 {
		delete(s.conns, x.conn)
	} else {
		delete(of, key)
	}
	e := Ended{Group: key.group, Member: key.member, Partitions: x.parts}
	if s.groups[key.group]--; s.groups[key.group] == 0 {
		delete(s.groups, key.group)
		e.Last = true
	}
	return e
}

// unique keeps the first of equals.
func unique(tps []TopicPartition) []TopicPartition {
	seen := make(map[TopicPartition]struct{}, len(tps))
	out := make([]TopicPartition, 0, len(tps))
	for _, tp := range tps {
		if _, ok := seen[tp]; !ok {
			seen[tp] = struct{}{}
			out = append(out, tp)
		}
	}
	return out
}

func nextEpoch(e int32) int32 {
	if e == math.MaxInt32 {
		return 1
	}
	return e + 1
}
