package group

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
)

// ShareBeat is a ShareGroupHeartbeat request. Nil says that nothing changed since the last one.
type ShareBeat struct {
	Group      string
	Member     string
	Epoch      int32 // 0 joins, -1 leaves
	Rack       *string
	Topics     []string
	ClientID   string
	ClientHost string
}

// ShareBeatResult answers a ShareBeat.
type ShareBeatResult struct {
	Err        error // a Kafka error; its text is for the client
	Member     string
	Epoch      int32
	Interval   time.Duration                // until the next heartbeat
	Assignment map[metadata.TopicID][]int32 // nil: unchanged
}

// check checks what needs no group, in Kafka's order.
func (b *ShareBeat) check() error {
	switch {
	case strings.TrimSpace(b.Member) == "":
		return invalid("MemberId can't be empty.")
	case strings.TrimSpace(b.Group) == "":
		return invalid("GroupId can't be empty.")
	case b.Rack != nil && strings.TrimSpace(*b.Rack) == "":
		return invalid("RackId can't be empty.")
	case b.Epoch == 0 && len(b.Topics) == 0:
		return invalid("SubscribedTopicNames must be set in first request.")
	case b.Epoch < leaves:
		return invalid("MemberEpoch is invalid.")
	}
	size := 0
	for _, t := range b.Topics {
		size += len(t) + 3
	}
	if size > subscriptionBytesMax {
		return invalid("a subscription has %d bytes, the limit is %d", size, subscriptionBytesMax)
	}
	return nil
}

// shareBeat handles a heartbeat; reply is called once, when what it says is durable. A member that joins waits for the next assignment.
func (s *state) shareBeat(b ShareBeat, reply func(ShareBeatResult)) {
	fail := func(err error) { reply(ShareBeatResult{Err: err}) }
	if b.Epoch == leaves {
		s.shareLeaves(b, reply)
		return
	}
	g, install, err := s.shareFor(b.Group, b.Epoch == 0)
	if err != nil {
		fail(err)
		return
	}
	m := g.members[b.Member]
	switch {
	case m == nil && len(g.members) >= s.settings.ShareSizeMax:
		err = fmt.Errorf("%w: The share group has reached its maximum capacity of %d members.", kerr.GroupMaxSizeReached, s.settings.ShareSizeMax)
	case m == nil && b.Epoch != 0:
		err = fmt.Errorf("%w: Member %s is not a member of group %s.", kerr.UnknownMemberID, b.Member, g.id)
	case m == nil && g.busy:
		err = kerr.CoordinatorNotAvailable
	case m != nil:
		err = m.checkShareEpoch(b.Epoch)
	}
	if err != nil {
		g.forgetIfUnused()
		fail(err)
		return
	}
	if install != nil {
		install()
	}
	fresh := m == nil
	if fresh {
		m = newModernMember(strings.Clone(b.Member))
	}
	if g.update(m, b, fresh) {
		g.hash = metadataHash(s.catalog, g.modern.topics)
		g.bump()
	}
	g.touch(m, g.sessionTimeout())
	g.initialize()
	finish := func() { g.answer(m, b, reply) }
	if b.Epoch == 0 {
		g.afterAssign(finish)
		g.flush(g.logFailure)
		return
	}
	finish()
}

// answer moves the member to its target and answers its heartbeat once everything is durable.
func (g *share) answer(m *modernMember, b ShareBeat, reply func(ShareBeatResult)) {
	switch {
	case g.state.closing != nil:
		reply(ShareBeatResult{Err: g.state.closing})
		return
	case !g.current() || g.members[m.id] != m:
		reply(ShareBeatResult{Err: kerr.UnknownMemberID}) // removed while it waited
		return
	}
	had := m.assigned
	g.reconcile(m)
	r := ShareBeatResult{Member: m.id, Epoch: m.epoch, Interval: g.heartbeatInterval(m)}
	if b.Epoch == 0 || b.Topics != nil || !had.equal(m.assigned) {
		r.Assignment = m.assigned.plain()
	}
	g.flush(func(err error) {
		if err != nil {
			r = ShareBeatResult{Err: err}
		}
		reply(r)
	})
}

// reconcile gives the member its target: it need not wait for others, nor give anything up first.
func (g *share) reconcile(m *modernMember) {
	if m.epoch == g.assignmentEpoch {
		return
	}
	target := make(assignment, len(g.target[m.id]))
	for id, ps := range g.target[m.id] {
		if t, ok := g.state.catalog.byID(id); ok && slices.Contains(m.names, t.name) {
			target[id] = ps
		}
	}
	m.previous, m.epoch, m.state = m.epoch, g.assignmentEpoch, memberStable
	m.assigned = withEpoch(target, m.epoch)
	g.setCurrent(m)
}

// shareFor finds the group that a request is for. If it is to become one, install makes it that, and is called when the request is known to be good.
func (s *state) shareFor(id string, create bool) (g *share, install func(), err error) {
	found := s.groups[id]
	if found == nil {
		if !create {
			return nil, nil, fmt.Errorf("%w: Share group %s not found.", kerr.GroupIDNotFound, id)
		}
		if found = s.begin(id); found == nil {
			return nil, nil, kerr.GroupMaxSizeReached
		}
	}
	if found.dying {
		return nil, nil, kerr.CoordinatorNotAvailable
	}
	if g, ok := found.kind.(*share); ok {
		return g, nil, nil
	}
	if !create || !found.kind.unused() || len(found.offsets) > 0 {
		return nil, nil, fmt.Errorf("%w: Group %s is not a share group.", kerr.GroupIDNotFound, id)
	}
	g = newShare(found)
	return g, func() { found.kind = g }, nil
}

// checkShareEpoch fences members that are not where we think they are. The epoch before is good if the answer with the new one may have been lost.
func (m *modernMember) checkShareEpoch(epoch int32) error {
	switch {
	case epoch == 0:
		return nil
	case epoch > m.epoch:
		return fmt.Errorf("%w: The share group member has a greater member epoch (%d) than the one known by the group coordinator (%d). "+
			"The member must abandon all its partitions and rejoin.", kerr.FencedMemberEpoch, epoch, m.epoch)
	case epoch < m.epoch && epoch != m.previous:
		return fmt.Errorf("%w: The share group member has a smaller member epoch (%d) than the one known by the group coordinator (%d), "+
			"and it does not match the previous member epoch (%d). The member must abandon all its partitions and rejoin.",
			kerr.FencedMemberEpoch, epoch, m.epoch, m.previous)
	}
	return nil
}

// update takes over what the heartbeat says of the member, puts its record if that changed it, and tells whether the group epoch must grow.
func (g *share) update(m *modernMember, b ShareBeat, fresh bool) (bump bool) {
	changed := fresh || m.clientID != b.ClientID || m.clientHost != b.ClientHost
	m.clientID, m.clientHost = b.ClientID, b.ClientHost
	if b.Rack != nil && m.rack != *b.Rack {
		m.rack, changed = strings.Clone(*b.Rack), true
	}
	names := m.names
	if b.Topics != nil {
		names = setNames(b.Topics)
	}
	switch {
	case fresh:
		m.names = names
		g.add(m)
	case !slices.Equal(names, m.names):
		g.subscribed(m, g.unsubscribe)
		m.names = names
		g.subscribed(m, g.subscribe)
		changed, bump = true, true
	}
	if changed {
		g.put(g.format().memberRecord(g.id, m))
	}
	return bump || fresh
}

func (s *state) shareLeaves(b ShareBeat, reply func(ShareBeatResult)) {
	g, _, err := s.shareFor(b.Group, false)
	if err != nil {
		reply(ShareBeatResult{Err: err})
		return
	}
	m := g.members[b.Member]
	if m == nil {
		reply(ShareBeatResult{Err: fmt.Errorf("%w: Member %s is not a member of group %s.", kerr.UnknownMemberID, b.Member, g.id)})
		return
	}
	g.remove(m)
	g.flush(func(err error) { reply(ShareBeatResult{Err: err, Member: b.Member, Epoch: b.Epoch}) })
}
