package group

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Join is a JoinGroup request.
type Join struct {
	Group            string
	Member           string // "" for a client that has no id yet
	Instance         string // group.instance.id, "" for a dynamic member
	ClientID         string
	ClientHost       string
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration
	ProtocolType     string
	Protocols        []Protocol
	NeedsID          bool // v4: a dynamic member without an id is given one and must come back with it (KIP-394)
	CanSkip          bool // v9: a static leader that returns may be told to skip the assignment (KIP-814)
}

// tooLong tells whether records have no room for one of the names.
func (j *Join) tooLong() bool {
	return max(len(j.Instance), len(j.Member), len(j.ProtocolType)) > stringMax ||
		slices.ContainsFunc(j.Protocols, func(p Protocol) bool { return len(p.Name) > stringMax })
}

// size is what the member says of itself, in bytes.
func (j *Join) size() (n int) {
	for _, p := range j.Protocols {
		n += len(p.Name) + len(p.Metadata)
	}
	return n
}

// JoinResult answers a Join. Only Member matters besides Err if that is set.
type JoinResult struct {
	Err            error // a Kafka error
	Generation     int32
	ProtocolType   string
	ProtocolName   string
	Leader         string
	SkipAssignment bool
	Member         string
	Members        []JoinedMember // for the leader only
}

// JoinedMember is what the leader is told of a member.
type JoinedMember struct {
	ID       string
	Instance string
	Metadata []byte
}

const (
	// quietWindow without a new member ends the first rebalance of a group; each member that is there makes it longer.
	quietWindow    = 50 * time.Millisecond
	quietPerMember = time.Millisecond
	// newMemberTimeout ends the wait of a new member that may be gone: its connection is busy waiting, so we would not notice.
	newMemberTimeout = 5 * time.Minute
	// pendingMax bounds the ids that one group has handed out and nobody used yet: they cost a client nothing.
	pendingMax = 10_000
)

// join handles a Join; reply is called once, now or when the join phase ends.
func (s *state) join(j Join, reply func(JoinResult)) {
	fail := func(err error) { reply(JoinResult{Err: err, Generation: -1, Member: j.Member}) }
	if j.SessionTimeout < s.settings.SessionTimeoutMin || j.SessionTimeout > s.settings.SessionTimeoutMax {
		fail(kerr.InvalidSessionTimeout)
		return
	}
	found := s.groups[j.Group]
	if found == nil {
		if j.Member != "" {
			fail(kerr.UnknownMemberID)
			return
		}
		if found = s.begin(j.Group); found == nil {
			fail(kerr.GroupMaxSizeReached)
			return
		}
	}
	if c, ok := found.kind.(*consumer); ok && !c.idle() {
		c.join(j, reply)
		return
	}
	g, ok := found.kind.(*classic)
	if !ok && (!found.kind.idle() || found.dying || found.kind.name() == "share") {
		fail(kerr.InconsistentGroupProtocol)
		return
	}
	if !ok { // an empty group becomes what its first member is
		if j.Member != "" {
			fail(kerr.UnknownMemberID)
			return
		}
		g = newClassic(found)
		found.put(found.kind.tombstones()...)
		found.kind.closed(kerr.RebalanceInProgress)
		found.kind = g
		found.flush(func(error) {})
	}
	defer g.forgetIfUnused()
	switch {
	case g.dying:
		fail(kerr.CoordinatorNotAvailable)
	case j.Member == "" && len(g.pending) >= pendingMax:
		s.metrics.idsRefused.Inc()
		reply(JoinResult{Err: kerr.GroupMaxSizeReached, Generation: -1})
	case g.full(j.Member):
		if m := g.members[j.Member]; m != nil {
			g.expel(m)
		}
		reply(JoinResult{Err: kerr.GroupMaxSizeReached, Generation: -1})
	case !g.supports(j.ProtocolType, j.Protocols):
		fail(kerr.InconsistentGroupProtocol)
	case j.Member == "":
		g.joinNew(j, reply)
	default:
		g.joinKnown(j, reply)
	}
}

// full tells whether the member would be one too many.
func (g *classic) full(memberID string) bool {
	limit := g.state.settings.SizeMax
	m := g.members[memberID]
	switch g.status {
	case PreparingRebalance: // members that have not joined again may not come back
		waiting := 0
		for _, o := range g.members {
			if o.joining != nil {
				waiting++
			}
		}
		return (m == nil || m.joining == nil) && waiting >= limit
	case CompletingRebalance, Stable:
		return m == nil && len(g.members) >= limit
	}
	return false
}

// joinNew handles a client without a member id.
func (g *classic) joinNew(j Join, reply func(JoinResult)) {
	prefix := j.ClientID
	if j.Instance != "" {
		prefix = j.Instance
	}
	id := prefix + "-" + uuid.NewString()
	switch old, known := g.static[j.Instance]; {
	case j.Instance != "" && known:
		g.replaceStatic(g.members[old], id, j, reply)
	case j.Instance == "" && j.NeedsID:
		g.pending[id] = g.state.shard.After(j.SessionTimeout, func() { g.expirePending(id) })
		reply(JoinResult{Err: kerr.MemberIDRequired, Generation: -1, Member: id})
	default:
		g.addAndRebalance(id, j, reply)
	}
}

// joinKnown handles a client that has a member id.
func (g *classic) joinKnown(j Join, reply func(JoinResult)) {
	fail := func(err error) { reply(JoinResult{Err: err, Generation: -1, Member: j.Member}) }
	if _, ok := g.pending[j.Member]; ok && j.Instance == "" {
		g.addAndRebalance(j.Member, j, reply)
		return
	}
	m, err := g.check(j.Member, j.Instance)
	if err != nil {
		fail(err)
		return
	}
	switch g.status {
	case PreparingRebalance:
		g.updateAndRebalance(m, j, reply)
	case CompletingRebalance:
		if !m.matches(j.Protocols) {
			g.updateAndRebalance(m, j, reply)
			return
		}
		reply(g.joined(m)) // it lost the answer to its first try
	case Stable:
		// The leader rejoins to have a new assignment made; others only if their subscription changed.
		if g.leader == m.id || !m.matches(j.Protocols) {
			g.updateAndRebalance(m, j, reply)
			return
		}
		r := g.joined(m)
		r.Members = nil
		reply(r)
	default:
		fail(kerr.UnknownMemberID)
	}
}

// joined is the answer for a member of the current generation.
func (g *classic) joined(m *member) JoinResult {
	r := JoinResult{Generation: g.generation, ProtocolType: g.protocolType, ProtocolName: g.protocolName, Leader: g.leader, Member: m.id}
	if g.leader == m.id {
		r.Members = g.joinedMembers()
	}
	return r
}

func (g *classic) joinedMembers() []JoinedMember {
	out := make([]JoinedMember, 0, len(g.order))
	for _, id := range g.order {
		m := g.members[id]
		out = append(out, JoinedMember{ID: id, Instance: m.instance, Metadata: m.metadata(g.protocolName)})
	}
	return out
}

func (g *classic) addAndRebalance(id string, j Join, reply func(JoinResult)) {
	if len(g.members) == 0 {
		g.protocolType = j.ProtocolType
	}
	m := &member{id: id, instance: j.Instance, isNew: true}
	m.update(j, reply)
	g.add(m)
	g.touch(m, newMemberTimeout)
	if g.status == PreparingRebalance {
		g.joinedNow(true)
		return
	}
	g.prepareRebalance()
}

func (g *classic) updateAndRebalance(m *member, j Join, reply func(JoinResult)) {
	m.replyJoin(JoinResult{Err: kerr.UnknownMemberID, Generation: -1, Member: m.id}) // an older request of the same member
	m.update(j, reply)
	if g.status == PreparingRebalance {
		g.joinedNow(false)
		return
	}
	g.prepareRebalance()
}

func (m *member) update(j Join, reply func(JoinResult)) {
	m.clientID, m.clientHost = j.ClientID, j.ClientHost
	m.protocols, m.sessionTimeout, m.rebalanceTimeout = j.Protocols, j.SessionTimeout, j.RebalanceTimeout
	m.joining = reply
}

// replaceStatic lets a restarted static member take the place of its old self under a new id (KIP-345). If that changes nothing for the
// others, there is no rebalance.
func (g *classic) replaceStatic(m *member, id string, j Join, reply func(JoinResult)) {
	oldID, oldLeader := m.id, g.leader
	m.replyJoin(JoinResult{Err: kerr.FencedInstanceID, Generation: -1, Member: oldID})
	m.replySync(SyncResult{Err: kerr.FencedInstanceID})
	g.rename(m, id)
	old := *m
	m.update(j, nil)
	g.heartbeat(m)
	if g.status != Stable || g.choose() != g.protocolName {
		m.joining = reply
		if g.status == PreparingRebalance {
			g.joinedNow(false)
		} else {
			g.prepareRebalance()
		}
		return
	}
	generation := g.generation
	g.store(g.assignments(), func(err error) {
		if err != nil {
			if g.members[id] == m && g.generation == generation {
				m.clientID, m.clientHost, m.protocols = old.clientID, old.clientHost, old.protocols
				m.sessionTimeout, m.rebalanceTimeout = old.sessionTimeout, old.rebalanceTimeout
				g.rename(m, oldID)
			}
			reply(JoinResult{Err: storeError(err), Generation: -1, Member: id})
			return
		}
		r := g.joined(m)
		if g.members[id] != m || g.status != Stable || g.generation != generation {
			r = JoinResult{Err: kerr.UnknownMemberID, Generation: -1, Member: id} // something happened meanwhile: start over
		} else if r.Leader == id {
			if j.CanSkip {
				r.SkipAssignment = true
			} else {
				r.Leader, r.Members = oldLeader, nil // it must not think that it has to assign
			}
		}
		reply(r)
	})
}

func (g *classic) rename(m *member, id string) {
	delete(g.members, m.id)
	g.order[slices.Index(g.order, m.id)] = id
	if g.pendingSync[m.id] {
		delete(g.pendingSync, m.id)
		g.pendingSync[id] = true
	}
	if g.leader == m.id {
		g.leader = id
	}
	m.id = id
	g.members[id] = m
	g.static[m.instance] = id
}

// expirePending forgets an id that was handed out and never used.
func (g *classic) expirePending(id string) {
	delete(g.pending, id)
	if g.status == PreparingRebalance {
		g.joinedNow(false)
	}
	g.forgetIfUnused()
}

// expel removes a member that left or expired and starts what follows from that.
func (g *classic) expel(m *member) {
	m.replyJoin(JoinResult{Err: kerr.UnknownMemberID, Generation: -1, Member: m.id})
	m.replySync(SyncResult{Err: kerr.UnknownMemberID})
	g.remove(m)
	switch g.status {
	case Stable, CompletingRebalance:
		g.prepareRebalance()
	case PreparingRebalance:
		g.joinedNow(false)
	}
}
