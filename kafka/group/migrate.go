package group

import (
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Groups move between the classic and the consumer kind while their members work (KIP-848, group.consumer.migration.policy): up when the first
// member with the new protocol joins, down when the last one goes.

func (s *Settings) mayUpgrade() bool {
	return strings.EqualFold(s.Migration, "bidirectional") || strings.EqualFold(s.Migration, "upgrade")
}

func (s *Settings) mayDowngrade() bool {
	return strings.EqualFold(s.Migration, "bidirectional") || strings.EqualFold(s.Migration, "downgrade")
}

// upgrade prepares to make the group a consumer group with the members and assignments that it has; refused says why it cannot be one. install
// does it. An empty group always can.
func (s *state) upgrade(g *classic, refused error) (c *consumer, install func(), err error) {
	c = newConsumer(g.group)
	if g.idle() || g.status == Empty {
		return c, func() {
			g.closed(kerr.RebalanceInProgress)
			if g.stored {
				g.put(g.tombstones()...)
			}
			g.group.kind = c
		}, nil
	}
	if !s.settings.mayUpgrade() || g.protocolType != consumerType || len(g.members) > s.settings.ConsumerSizeMax {
		return nil, nil, refused
	}
	var members []*modernMember
	taken := make(map[partitionID]bool)
	for _, o := range g.inOrder() {
		m, ok := c.fromClassic(g, o, taken)
		if !ok {
			return nil, nil, refused
		}
		members = append(members, m)
	}
	return c, func() { c.install(g, members) }, nil
}

// fromClassic makes what a classic member will be. taken keeps a partition that two members say they have with the first.
func (g *consumer) fromClassic(from *classic, o *member, taken map[partitionID]bool) (*modernMember, bool) {
	protocol := from.protocolName
	if protocol == "" && len(o.protocols) > 0 {
		protocol = o.protocols[0].Name
	}
	sub, ok := readSubscription(o.metadata(protocol))
	if !ok {
		return nil, false
	}
	has, ok := readAssigned(from.state.catalog, o.assignment)
	if !ok {
		return nil, false
	}
	if j := (Join{Protocols: o.protocols}); j.size() > subscriptionBytesMax {
		return nil, false
	}
	m := newModernMember(o.id)
	m.instance, m.clientID, m.clientHost, m.rebalanceTimeout = o.instance, o.clientID, o.clientHost, o.rebalanceTimeout
	m.rack, m.names = valueOf(sub.Rack), setNames(sub.Topics)
	m.classic = &classicSupport{sessionTimeout: o.sessionTimeout, protocols: o.protocols}
	if at := slices.IndexFunc(o.protocols, func(p Protocol) bool { return p.Name == protocol }); at > 0 { // what it is in use with comes first
		m.classic.protocols = append([]Protocol{o.protocols[at]}, slices.Delete(slices.Clone(o.protocols), at, at+1)...)
	}
	m.epoch, m.previous = from.generation, from.generation
	for t, ps := range has {
		for _, p := range ps {
			if id := (partitionID{t, p}); !taken[id] {
				taken[id] = true
				m.assigned.add(id, from.generation)
			}
		}
	}
	return m, true
}

// install makes the classic group this consumer group.
func (g *consumer) install(from *classic, members []*modernMember) {
	g.state.log.Info("group upgraded", "group", g.id, "members", len(members))
	from.closed(kerr.RebalanceInProgress)
	if from.stored {
		g.put(from.tombstones()...)
	}
	g.group.kind = g
	g.epoch, g.assignmentEpoch, g.stored = from.generation, from.generation, true
	f := g.format()
	for _, m := range members {
		g.add(m)
		g.put(f.memberRecord(g.id, m))
		g.target[m.id] = m.assigned.plain()
		m.assigned.each(func(p partitionID, _ int32) { g.held[p] = m.id })
		g.touch(m, m.classic.sessionTimeout)
	}
	g.hash = metadataHash(g.state.catalog, g.topics)
	g.put(f.epochRecord(g.modern))
	for _, m := range members {
		g.put(f.targetRecord(g.id, m.id, g.target[m.id]))
	}
	g.put(f.targetEpochRecord(g.modern))
	for _, m := range members {
		g.put(f.currentRecord(g.id, m))
	}
}

// mayDowngrade tells whether the group becomes a classic one when the member goes: it is the last that speaks the new protocol.
func (g *consumer) mayDowngrade(leaving *modernMember) bool {
	if leaving.classic != nil || len(g.members) < 2 || !g.state.settings.mayDowngrade() || len(g.members)-1 > g.state.settings.SizeMax {
		return false
	}
	for _, m := range g.members {
		if m != leaving && m.classic == nil {
			return false
		}
	}
	return true
}

// downgrade makes the group a classic one without the leaving member. The others are asked to join again.
func (g *consumer) downgrade(leaving *modernMember) {
	c := g.toClassic(leaving)
	c.prepareRebalance()
}

// toClassic makes the group a classic one with the assignments that were to be, and puts the records of that.
func (g *consumer) toClassic(leaving *modernMember) *classic {
	g.state.log.Info("group downgraded", "group", g.id, "members", len(g.members)-1)
	g.put(g.tombstones()...)
	c := newClassic(g.group)
	c.protocolType, c.generation = consumerType, g.epoch
	ids := make([]string, 0, len(g.members))
	for id := range g.members {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		m := g.members[id]
		if m == leaving {
			continue
		}
		c.add(&member{
			id: m.id, instance: m.instance, clientID: m.clientID, clientHost: m.clientHost, rebalanceTimeout: m.rebalanceTimeout,
			sessionTimeout: m.classic.sessionTimeout, protocols: m.classic.protocols, assignment: g.embed(m, g.target[id]),
		})
	}
	c.protocolName = c.choose()
	c.become(Stable)
	g.closed(kerr.RebalanceInProgress)
	g.group.kind = c
	for _, m := range c.members {
		c.heartbeat(m)
	}
	c.stored = true
	g.put(c.groupRecord(c.assignments()))
	return c
}

// downgradeReplacing is a downgrade by a static member that comes back with the classic protocol in the place of the last one with the new.
func (g *consumer) downgradeReplacing(old *modernMember, j Join, reply func(JoinResult)) {
	id := j.Member
	if id == "" {
		id = uuid.NewString()
	}
	// It takes the place as a classic member first, so that it is in the group that is made, with its target.
	m := g.replace(old, id)
	m.classic = &classicSupport{sessionTimeout: j.SessionTimeout, protocols: j.Protocols}
	m.rebalanceTimeout, m.clientID, m.clientHost = j.RebalanceTimeout, j.ClientID, j.ClientHost
	c := g.toClassic(nil)
	g.flush(func(err error) {
		if err != nil {
			reply(JoinResult{Err: err, Generation: -1, Member: id})
			return
		}
		cm := c.members[id]
		if g.group.kind != kind(c) || cm == nil {
			reply(JoinResult{Err: kerr.UnknownMemberID, Generation: -1, Member: id})
			return
		}
		r := c.joined(cm)
		r.Members = nil
		if r.Leader == id {
			r.SkipAssignment = j.CanSkip
		}
		reply(r)
	})
}
