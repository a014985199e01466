package group

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// Members of a consumer group that speak the classic protocol (KIP-848, online migration): they join and sync as ever, but what they get is the
// coordinator's assignment, and nobody waits for anybody. A heartbeat tells them to join again whenever there is something to do.

// classicSupport is what a member said of itself by the classic protocol.
type classicSupport struct {
	sessionTimeout time.Duration
	protocols      []Protocol // what it supports, most wanted first; of each the subscription

	joining bool // it was told to join again and did not yet
}

func (c *classicSupport) equal(o *classicSupport) bool {
	return c.sessionTimeout == o.sessionTimeout && slices.EqualFunc(c.protocols, o.protocols, func(a, b Protocol) bool {
		return a.Name == b.Name && string(a.Metadata) == string(b.Metadata)
	})
}

// readSubscription decodes a consumer's embedded subscription.
func readSubscription(b []byte) (kmsg.ConsumerMemberMetadata, bool) {
	var sub kmsg.ConsumerMemberMetadata
	err := sub.ReadFrom(b)
	return sub, err == nil
}

// join handles a JoinGroup. reply is called once, when the member has its next assignment and that is durable.
func (g *consumer) join(j Join, reply func(JoinResult)) {
	unknown, asked := j.Member == "", j.Member
	fail := func(err error) { reply(JoinResult{Err: err, Generation: -1, Member: asked}) }
	if unknown {
		j.Member = uuid.NewString()
	}
	switch {
	case len(g.members) >= g.state.settings.ConsumerSizeMax && g.members[j.Member] == nil:
		fail(kerr.GroupMaxSizeReached)
		return
	case j.size() > subscriptionBytesMax:
		fail(kerr.InvalidRequest)
		return
	case !g.supports(j.ProtocolType, j.Protocols):
		fail(kerr.InconsistentGroupProtocol)
		return
	case unknown && j.Instance == "" && j.NeedsID:
		reply(JoinResult{Err: kerr.MemberIDRequired, Generation: -1, Member: j.Member})
		return
	}
	sub, ok := readSubscription(j.Protocols[0].Metadata)
	if !ok {
		fail(kerr.InconsistentGroupProtocol)
		return
	}
	m := g.members[j.Member]
	var replaced *modernMember
	if j.Instance != "" {
		m = g.members[g.static[j.Instance]]
		switch {
		case unknown && m != nil:
			replaced = m
		case !unknown:
			if err := fenced(m, j.Member, j.Instance, g.id); err != nil {
				fail(err)
				return
			}
		}
	}
	fresh := m == nil
	switch {
	case replaced != nil:
		if g.mayDowngrade(replaced) { // the last one that spoke the new protocol
			g.downgradeReplacing(replaced, j, reply)
			return
		}
		m = g.replace(replaced, j.Member)
	case fresh:
		m = newModernMember(strings.Clone(j.Member))
		g.members[m.id] = m
		g.state.members.Add(1)
	}
	if g.updateClassic(m, j, &sub, fresh) {
		g.hash = metadataHash(g.state.catalog, g.topics)
		g.bump()
	}
	g.touch(m, j.SessionTimeout)
	g.afterAssign(func() { g.joined(m, &sub, reply) })
	g.flush(g.logFailure)
}

func (g *consumer) updateClassic(m *modernMember, j Join, sub *kmsg.ConsumerMemberMetadata, fresh bool) (bump bool) {
	old := *m
	if j.Instance != "" {
		m.instance = j.Instance
		g.static[m.instance] = m.id
	}
	if sub.Rack != nil {
		m.rack = *sub.Rack
	}
	m.rebalanceTimeout, m.clientID, m.clientHost = j.RebalanceTimeout, j.ClientID, j.ClientHost
	m.classic = &classicSupport{sessionTimeout: j.SessionTimeout, protocols: j.Protocols}
	return g.changed(m, &old, setNames(sub.Topics), "", fresh)
}

// joined answers a join after the assignment that it waited for.
func (g *consumer) joined(m *modernMember, sub *kmsg.ConsumerMemberMetadata, reply func(JoinResult)) {
	switch {
	case g.state.closing != nil:
		reply(JoinResult{Err: g.state.closing, Generation: -1, Member: m.id})
		return
	case !g.current() || g.members[m.id] != m || m.classic == nil:
		reply(JoinResult{Err: kerr.UnknownMemberID, Generation: -1, Member: m.id})
		return
	}
	has := reported{}
	for _, t := range sub.OwnedPartitions {
		if info, ok := g.state.catalog.byName(t.Topic); ok {
			has[info.id] = append(has[info.id], t.Partitions...)
		}
	}
	g.reconcile(m, has)
	m.classic.joining = false
	g.armClassic(m, "assignment not fetched in time") // it must send SyncGroup
	r := JoinResult{Generation: m.epoch, ProtocolType: consumerType, ProtocolName: m.classic.protocols[0].Name, Member: m.id}
	g.flush(func(err error) {
		if err != nil {
			r = JoinResult{Err: err, Generation: -1, Member: m.id}
		}
		reply(r)
	})
}

// armClassic gives the member its rebalance timeout for the next step that is asked of it.
func (g *consumer) armClassic(m *modernMember, why string) {
	g.state.shard.Stop(m.rebalanceTimer)
	m.rebalanceTimer = g.state.shard.After(m.rebalanceTimeout, func() {
		if g.current() && g.members[m.id] == m && m.classic != nil {
			g.expel(m, why)
		}
	})
}

// supports tells whether there is a protocol that the member and all classic ones have.
func (g *consumer) supports(protocolType string, protocols []Protocol) bool {
	if protocolType != consumerType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p Protocol) bool {
		for _, m := range g.members {
			if m.classic != nil && !slices.ContainsFunc(m.classic.protocols, func(o Protocol) bool { return o.Name == p.Name }) {
				return false
			}
		}
		return true
	})
}

// classicMember finds a member that a classic request names.
func (g *consumer) classicMember(id, instance string) (*modernMember, error) {
	m := g.members[id]
	if instance != "" {
		m = g.members[g.static[instance]]
		if err := fenced(m, id, instance, g.id); err != nil {
			return nil, err
		}
	}
	if m == nil || m.classic == nil {
		return nil, kerr.UnknownMemberID
	}
	return m, nil
}

// sync handles a SyncGroup.
func (g *consumer) sync(r Sync, reply func(SyncResult)) {
	m, err := g.classicMember(r.Member, r.Instance)
	switch {
	case err != nil:
	case r.Generation != m.epoch:
		err = kerr.IllegalGeneration
	case r.ProtocolType != nil && *r.ProtocolType != consumerType, r.ProtocolName != nil && *r.ProtocolName != m.classic.protocols[0].Name:
		err = kerr.InconsistentGroupProtocol
	case g.epoch > m.epoch && m.state != memberUnrevoked:
		g.askToJoin(m)
		err = kerr.RebalanceInProgress
	}
	if err != nil {
		reply(SyncResult{Err: err})
		return
	}
	g.state.shard.Stop(m.rebalanceTimer)
	m.rebalanceTimer = nil
	g.touch(m, m.classic.sessionTimeout)
	out := SyncResult{ProtocolType: consumerType, ProtocolName: m.classic.protocols[0].Name, Assignment: g.embed(m, m.assigned.plain())}
	g.flush(func(err error) {
		if err != nil {
			out = SyncResult{Err: err}
		}
		reply(out)
	})
}

// embed encodes an assignment in the version of the member's subscription.
func (g *consumer) embed(m *modernMember, a assignment) []byte {
	out := kmsg.NewConsumerMemberAssignment()
	if sub, ok := readSubscription(m.classic.protocols[0].Metadata); ok {
		out.Version = sub.Version
	}
	for _, id := range sortedTopics(a) {
		if t, ok := g.state.catalog.byID(id); ok {
			out.Topics = append(out.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: t.name, Partitions: a[id]})
		}
	}
	return out.AppendTo(nil)
}

// beat handles a Heartbeat.
func (g *consumer) beat(b Beat) error {
	m, err := g.classicMember(b.Member, b.Instance)
	switch {
	case err != nil:
		return err
	case b.Generation != m.epoch:
		return kerr.IllegalGeneration
	}
	g.touch(m, m.classic.sessionTimeout)
	if m.epoch < g.epoch || m.state == memberUnrevoked || m.state == memberUnreleased && g.canProgress(m) {
		g.askToJoin(m)
		return kerr.RebalanceInProgress
	}
	return nil
}

// canProgress tells whether something that the member waits for is free now.
func (g *consumer) canProgress(m *modernMember) bool {
	for t, ps := range g.target[m.id] {
		for _, p := range ps {
			id := partitionID{t, p}
			if _, taken := g.held[id]; !taken {
				return true
			}
		}
	}
	return false
}

// askToJoin gives the member its rebalance timeout to join again, from the first time that it was asked.
func (g *consumer) askToJoin(m *modernMember) {
	if !m.classic.joining {
		m.classic.joining = true
		g.armClassic(m, "not joined again in time")
	}
}

// leaveClassic handles a LeaveGroup and returns the outcome for each.
func (g *consumer) leaveClassic(members []Leaving) []error {
	out := make([]error, len(members))
	var gone []*modernMember
	for i, l := range members {
		if l.Instance != "" && l.Member == "" {
			l.Member = g.static[l.Instance]
		}
		m, err := g.classicMember(l.Member, l.Instance)
		if err != nil {
			out[i] = err
			continue
		}
		if !slices.Contains(gone, m) {
			gone = append(gone, m)
		}
	}
	if len(gone) > 0 {
		g.remove(gone...)
		g.flush(g.logFailure)
	}
	return out
}

// readAssigned decodes a classic member's assignment to topics that exist.
func readAssigned(c catalog, b []byte) (map[metadata.TopicID][]int32, bool) {
	out := make(map[metadata.TopicID][]int32)
	if len(b) == 0 {
		return out, true
	}
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(b); err != nil {
		return nil, false
	}
	for _, t := range a.Topics {
		info, ok := c.byName(t.Topic)
		if !ok {
			continue
		}
		for _, p := range t.Partitions {
			if p >= 0 && p < info.partitions {
				out[info.id] = append(out[info.id], p)
			}
		}
	}
	return out, true
}
