package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
)

// Status is the state of a classic group.
type Status int8

// The states of Kafka's classic groups.
const (
	Empty               Status = iota // no members; there may be offsets
	PreparingRebalance                // waiting for members to join
	CompletingRebalance               // waiting for the leader's assignment
	Stable
	Dead // being deleted
)

func (s Status) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[s]
}

// classic is a group whose members assign among themselves: the leader makes the assignment and the coordinator hands it out. It is also
// what a group is that nobody ever joined and that only holds offsets.
type classic struct {
	*group

	status       Status
	since        time.Time // when the status changed
	protocolType string    // "" until somebody joins: the group only holds offsets
	protocolName string    // "" before the first generation and without members
	generation   int32
	leader       string // member id, "" if none
	members      map[string]*member
	order        []string                      // member ids, oldest first
	static       map[string]string             // group.instance.id -> member id
	pending      map[string]*coordinator.Timer // ids handed out but not used yet, until their session would have timed out

	rebalance   rebalance
	pendingSync map[string]bool // members that have not sent SyncGroup in this generation
	syncTimer   *coordinator.Timer

	stored bool // the log holds a record of this group
}

// rebalance is the join phase under way.
type rebalance struct {
	timer    *coordinator.Timer
	initial  bool      // of an empty group: see the package's comment
	quiet    time.Time // an initial one ends then, if nobody joins before
	patience time.Time // an initial one ends then, although ids were handed out whose members have not joined
	limit    time.Time // it ends then, whoever has joined
}

// member is one member of a group.
type member struct {
	id               string
	instance         string // group.instance.id, "" for a dynamic member
	clientID         string
	clientHost       string
	rebalanceTimeout time.Duration
	sessionTimeout   time.Duration
	protocols        []Protocol
	assignment       []byte

	joining  func(JoinResult) // waits for the end of the join phase
	syncing  func(SyncResult) // waits for its assignment
	isNew    bool             // joined in this rebalance, so its client may not know its id
	deadline time.Time        // it expires then
	fires    time.Time        // when timer looks at it
	timer    *coordinator.Timer
}

// Protocol is an assignor that a member supports, with the member's subscription for it.
type Protocol struct {
	Name     string
	Metadata []byte
}

func newClassic(g *group) *classic {
	return &classic{
		group: g, since: time.Now(),
		members: make(map[string]*member), static: make(map[string]string), pending: make(map[string]*coordinator.Timer),
		pendingSync: make(map[string]bool),
	}
}

func (g *classic) become(s Status) { g.status, g.since = s, time.Now() }

func (g *classic) add(m *member) {
	if len(g.members) == 0 {
		g.leader = m.id
	}
	g.members[m.id] = m
	g.order = append(g.order, m.id)
	if m.instance != "" {
		g.static[m.instance] = m.id
	}
	g.dropPending(m.id)
}

// remove takes the member out and tells nobody.
func (g *classic) remove(m *member) {
	g.state.shard.Stop(m.timer)
	delete(g.members, m.id)
	delete(g.pendingSync, m.id)
	g.order = slices.DeleteFunc(g.order, func(id string) bool { return id == m.id })
	if m.instance != "" && g.static[m.instance] == m.id {
		delete(g.static, m.instance)
	}
	if g.leader == m.id {
		g.leader = ""
		if len(g.order) > 0 {
			g.leader = g.order[0]
		}
	}
}

func (g *classic) dropPending(id string) {
	g.state.shard.Stop(g.pending[id])
	delete(g.pending, id)
}

// check finds a member that a request names: its id must exist and be the current one of its instance.
func (g *classic) check(memberID, instance string) (*member, error) {
	if instance != "" {
		current, ok := g.static[instance]
		switch {
		case !ok:
			return nil, kerr.UnknownMemberID
		case current != memberID:
			return nil, kerr.FencedInstanceID
		}
	}
	m, ok := g.members[memberID]
	if !ok {
		return nil, kerr.UnknownMemberID
	}
	return m, nil
}

// supports tells whether a member with these protocols can be in the group: there must be one that all others have too.
func (g *classic) supports(protocolType string, protocols []Protocol) bool {
	if g.status == Empty {
		return protocolType != "" && len(protocols) > 0
	}
	if protocolType != g.protocolType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p Protocol) bool {
		for _, m := range g.members {
			if !m.has(p.Name) {
				return false
			}
		}
		return true
	})
}

// choose elects the protocol of a generation: every member votes for the first of its protocols that all members have.
func (g *classic) choose() string {
	count := make(map[string]int)
	for _, m := range g.members {
		for _, p := range m.protocols {
			count[p.Name]++
		}
	}
	votes := make(map[string]int)
	best := ""
	for _, id := range g.order {
		m := g.members[id]
		at := slices.IndexFunc(m.protocols, func(p Protocol) bool { return count[p.Name] == len(g.members) })
		if at < 0 {
			continue // supports keeps such members out
		}
		name := m.protocols[at].Name
		votes[name]++
		if best == "" || votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// rebalanceTimeout is the longest that any member asked for.
func (g *classic) rebalanceTimeout() (d time.Duration) {
	for _, m := range g.members {
		d = max(d, m.rebalanceTimeout)
	}
	return d
}

// allJoined tells whether a rebalance has nobody to wait for.
func (g *classic) allJoined() bool {
	if len(g.pending) > 0 {
		return false
	}
	for _, m := range g.members {
		if m.joining == nil {
			return false
		}
	}
	return true
}

// touch lets the member live for d from now. Its timer is not moved to a later time for that: when it fires it looks at the deadline.
func (g *classic) touch(m *member, d time.Duration) {
	m.deadline = time.Now().Add(d)
	if m.timer != nil && !m.deadline.Before(m.fires) {
		return
	}
	g.state.shard.Stop(m.timer)
	g.arm(m, d)
}

func (g *classic) arm(m *member, d time.Duration) {
	m.fires = time.Now().Add(d)
	m.timer = g.state.shard.After(d, func() {
		m.timer = nil
		if g.members[m.id] != m {
			return
		}
		left := time.Until(m.deadline)
		if left <= 0 && !m.isNew && (m.joining != nil || m.syncing != nil) {
			left = m.sessionTimeout // its connection is busy waiting for us
		}
		if left > 0 {
			g.arm(m, left)
			return
		}
		g.state.metrics.expelled.Inc()
		g.state.log.Info("group member expired", "group", g.id, "member", m.id)
		g.expel(m)
	})
}

// heartbeat renews the member's session.
func (g *classic) heartbeat(m *member) { g.touch(m, m.sessionTimeout) }

func (m *member) has(protocol string) bool {
	return slices.ContainsFunc(m.protocols, func(p Protocol) bool { return p.Name == protocol })
}

// metadata is the member's subscription for the protocol.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

func (m *member) matches(protocols []Protocol) bool {
	return slices.EqualFunc(m.protocols, protocols, func(a, b Protocol) bool { return a.Name == b.Name && string(a.Metadata) == string(b.Metadata) })
}

func (m *member) replyJoin(r JoinResult) {
	if reply := m.joining; reply != nil {
		m.joining = nil
		reply(r)
	}
}

func (m *member) replySync(r SyncResult) {
	if reply := m.syncing; reply != nil {
		m.syncing = nil
		reply(r)
	}
}
