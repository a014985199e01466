package group

import "github.com/twmb/franz-go/pkg/kerr"

// Sync is a SyncGroup request.
type Sync struct {
	Group        string
	Generation   int32
	Member       string
	Instance     string
	ProtocolType *string // v5; nil is not checked
	ProtocolName *string // v5; nil is not checked
	Assignments  map[string][]byte
}

// SyncResult answers a Sync.
type SyncResult struct {
	Err          error
	ProtocolType string
	ProtocolName string
	Assignment   []byte
}

// sync handles a Sync; reply is called once, now or when the leader's assignment is durable.
func (s *state) sync(r Sync, reply func(SyncResult)) {
	fail := func(err error) { reply(SyncResult{Err: err}) }
	if c := s.consumer(r.Group); c != nil && !c.dying {
		c.sync(r, reply)
		return
	}
	g := s.classic(r.Group)
	if g == nil {
		fail(kerr.UnknownMemberID)
		return
	}
	if g.dying {
		fail(kerr.CoordinatorNotAvailable)
		return
	}
	m, err := g.check(r.Member, r.Instance)
	switch {
	case err != nil:
		fail(err)
	case r.Generation != g.generation:
		fail(kerr.IllegalGeneration)
	case r.ProtocolType != nil && *r.ProtocolType != g.protocolType, r.ProtocolName != nil && *r.ProtocolName != g.protocolName:
		fail(kerr.InconsistentGroupProtocol)
	case g.status == PreparingRebalance:
		fail(kerr.RebalanceInProgress)
	case g.status == CompletingRebalance:
		m.replySync(SyncResult{Err: kerr.RebalanceInProgress}) // an older request of the same member
		m.syncing = reply
		delete(g.pendingSync, m.id)
		if g.leader == m.id {
			g.assign(r.Assignments)
		}
	case g.status == Stable:
		delete(g.pendingSync, m.id)
		g.heartbeat(m)
		reply(g.synced(m))
	default:
		fail(kerr.UnknownMemberID)
	}
}

func (g *classic) synced(m *member) SyncResult {
	return SyncResult{ProtocolType: g.protocolType, ProtocolName: g.protocolName, Assignment: m.assignment}
}

// assign makes the leader's assignment durable and then gives everyone theirs.
func (g *classic) assign(assignments map[string][]byte) {
	generation := g.generation
	own := make(map[string][]byte, len(g.members))
	for id := range g.members {
		own[id] = assignments[id]
	}
	g.store(own, func(err error) {
		if g.status != CompletingRebalance || g.generation != generation {
			return // a rebalance has begun meanwhile and answered everyone
		}
		if err != nil {
			g.resetAssignments(storeError(err))
			g.prepareRebalance()
			return
		}
		for id, m := range g.members {
			m.assignment = own[id]
			if m.syncing != nil {
				g.heartbeat(m)
				m.replySync(g.synced(m))
			}
		}
		g.become(Stable)
	})
}

// assignments returns the current ones.
func (g *classic) assignments() map[string][]byte {
	out := make(map[string][]byte, len(g.members))
	for id, m := range g.members {
		out[id] = m.assignment
	}
	return out
}
