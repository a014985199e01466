package group

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
	"weir/metadata"
)

// consumer is a consumer group (KIP-848). Its members may include some that speak the classic protocol, while a group is upgraded or downgraded.
type consumer struct {
	*modern
	held    map[partitionID]string // who has a partition, or was told to give it up and has not confirmed that
	regexes map[string]*resolved   // by expression
}

var _ modernKind = (*consumer)(nil)

// The member epochs by which members leave: for good, and static ones for a while.
const (
	leaves     = -1
	leftStatic = -2
)

func newConsumer(g *group) *consumer {
	c := &consumer{held: make(map[partitionID]string), regexes: make(map[string]*resolved)}
	c.modern = newModern(g, c)
	return c
}

// consumer returns the group if it is a consumer group, else nil.
func (s *state) consumer(id string) *consumer {
	if g := s.groups[id]; g != nil {
		c, _ := g.kind.(*consumer)
		return c
	}
	return nil
}

func (g *consumer) name() string     { return "consumer" }
func (g *consumer) protocol() string { return consumerType }
func (g *consumer) format() *format  { return g.state.consumerFormat }

func (g *consumer) stateName() string {
	switch {
	case len(g.members) == 0:
		return "Empty"
	case g.epoch > g.assignmentEpoch:
		return "Assigning"
	case g.settledCount < len(g.members):
		return "Reconciling"
	}
	return "Stable"
}

func (g *consumer) mayDelete() error {
	if len(g.members) > 0 {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *consumer) tombstones() []coordinator.Record {
	out := g.modern.tombstones()
	for expr := range g.regexes {
		out = append(out, regexRecord(g.id, expr, nil))
	}
	return out
}

func (g *consumer) loaded() {
	for expr, r := range g.regexes {
		r.users = 0
		for _, m := range g.members {
			if m.regex == expr {
				r.users++
			}
		}
	}
	for _, m := range g.members {
		if m.regex != "" && g.regexes[m.regex] == nil {
			g.regexes[m.regex] = &resolved{users: 1}
		}
		for _, o := range []owned{m.assigned, m.revoking} {
			o.each(func(p partitionID, _ int32) { g.held[p] = m.id })
		}
	}
	g.rebuild()
	for expr, r := range g.regexes { // topics may have come and gone meanwhile
		g.resolve(expr, r)
	}
	for _, m := range g.members {
		g.touch(m, g.sessionTimeout(m))
		if m.state == memberUnrevoked {
			g.armRebalance(m)
		}
	}
	g.lastAssigned = time.Now() // what must be assigned waits for its turn
	if !g.refresh() && g.epoch > g.assignmentEpoch {
		g.scheduleAssign()
	}
	g.flush(g.logFailure)
}

func (g *consumer) closed(error) { g.stopTimers() }

func (g *consumer) subscribed(m *modernMember, add func(string)) {
	for _, t := range m.names {
		add(t)
	}
	if r := g.regexes[m.regex]; r != nil {
		for _, t := range r.topics {
			add(t)
		}
	}
}

// assign uses the assignor that most members ask for; those that ask for none want the broker's first.
func (g *consumer) assign(s spec) (map[string]assignment, error) {
	name := g.assignor()
	a := g.state.assignors[name]
	if a == nil {
		return nil, fmt.Errorf("group %s: no assignor is called %q", g.id, name)
	}
	return a(s), nil
}

func (g *consumer) assignor() string {
	best, votes := "", make(map[string]int)
	for _, m := range g.members {
		if m.assignor != "" {
			votes[m.assignor]++
		}
	}
	for name, n := range votes {
		if best == "" || n > votes[best] || n == votes[best] && name < best {
			best = name
		}
	}
	if best == "" {
		best = g.state.settings.Assignors[0]
	}
	return best
}

func (g *consumer) targetChanged() {}

// removed frees what the member had.
func (g *consumer) removed(m *modernMember) {
	g.release(m, m.assigned, m.revoking)
	m.assigned, m.revoking = owned{}, owned{}
	if m.regex != "" {
		g.dropRegex(m.regex)
	}
}

func (g *consumer) release(m *modernMember, parts ...owned) {
	for _, o := range parts {
		o.each(func(p partitionID, _ int32) {
			if g.held[p] == m.id {
				delete(g.held, p)
			}
		})
	}
}

// reconcile moves the member towards its target, as far as others let it, and puts its record if that changed anything.
func (g *consumer) reconcile(m *modernMember, has reported) {
	if m.epoch == leftStatic {
		return
	}
	before := []owned{m.assigned, m.revoking}
	free := func(p partitionID) bool { _, taken := g.held[p]; return !taken }
	if !m.next(g.wanted(m), g.assignmentEpoch, free, has) {
		return
	}
	g.release(m, before...)
	for _, o := range []owned{m.assigned, m.revoking} {
		o.each(func(p partitionID, _ int32) { g.held[p] = m.id })
	}
	g.setCurrent(m)
	if m.classic != nil {
		return
	}
	g.state.shard.Stop(m.rebalanceTimer)
	if m.state == memberUnrevoked {
		g.armRebalance(m)
	}
}

// wanted is the member's target without topics that it does not subscribe to any more: there is no target without them yet.
func (g *consumer) wanted(m *modernMember) assignment {
	all := g.target[m.id]
	var regex []string
	if r := g.regexes[m.regex]; r != nil {
		regex = r.topics
	}
	gone := func(id metadata.TopicID) bool {
		t, ok := g.state.catalog.byID(id)
		if !ok {
			return true
		}
		_, byName := slices.BinarySearch(m.names, t.name)
		_, byRegex := slices.BinarySearch(regex, t.name)
		return !byName && !byRegex
	}
	for id := range all {
		if !gone(id) {
			continue
		}
		some := maps.Clone(all)
		maps.DeleteFunc(some, func(id metadata.TopicID, _ []int32) bool { return gone(id) })
		return some
	}
	return all
}

// armRebalance gives the member its rebalance timeout to give partitions up.
func (g *consumer) armRebalance(m *modernMember) {
	epoch := m.epoch
	g.state.shard.Stop(m.rebalanceTimer)
	m.rebalanceTimer = g.state.shard.After(m.rebalanceTimeout, func() {
		if g.current() && g.members[m.id] == m && m.state == memberUnrevoked && m.epoch == epoch {
			g.expel(m, "partitions not revoked in time")
		}
	})
}

// current tells whether the group is still this one.
func (g *consumer) current() bool {
	return g.state.closing == nil && g.state.groups[g.id] == g.group && g.group.kind == kind(g)
}

// expel removes a member that nobody asked to remove.
func (g *consumer) expel(m *modernMember, why string) {
	g.state.metrics.expelled.Inc()
	g.state.log.Info("group member expired", "group", g.id, "member", m.id, "reason", why)
	g.leave(m)
	g.flush(g.logFailure)
}

// sessionTimeout is what the group's config says, or the broker's; of a classic member its own.
func (g *consumer) sessionTimeout(m *modernMember) time.Duration {
	if m.classic != nil {
		return m.classic.sessionTimeout
	}
	s := g.state.settings
	return s.groupDuration(g.id, "consumer.session.timeout.ms", s.ConsumerSessionTimeout, s.ConsumerSessionTimeoutMin, s.ConsumerSessionTimeoutMax)
}

const (
	// awaitBeat and idleBeat are the shortest intervals between heartbeats that members are told, while they wait for partitions and else. A
	// client learns of a rebalance by its next heartbeat only. They are not shorter, as librdkafka gives a heartbeat up that takes longer than
	// its interval, and its connection with it.
	awaitBeat = 200 * time.Millisecond
	idleBeat  = 500 * time.Millisecond
	// Times the members of this broker they are the intervals, so that all members together send about 1,000 and 200 heartbeats per second.
	awaitMillisPerMember = 1
	idleMillisPerMember  = 5
)

// heartbeatInterval is when the member shall come again. What the broker's config says is an upper bound; what the group's config says holds.
func (g *consumer) heartbeatInterval(m *modernMember) time.Duration {
	s := g.state.settings
	const name = "consumer.heartbeat.interval.ms"
	if s.GroupConfig != nil {
		if _, ok := s.GroupConfig(g.id)[name]; ok {
			return s.groupDuration(g.id, name, s.ConsumerHeartbeat, s.ConsumerHeartbeatMin, s.ConsumerHeartbeatMax)
		}
	}
	return min(g.state.beatInterval(m.state == memberUnreleased || g.assignmentEpoch > m.epoch), s.ConsumerHeartbeat)
}

// beatInterval is how often a member comes that waits for partitions, or does not.
func (s *state) beatInterval(waits bool) time.Duration {
	n := s.members.Load()
	if waits {
		return max(awaitBeat, time.Duration(n*awaitMillisPerMember)*time.Millisecond)
	}
	return max(idleBeat, time.Duration(n*idleMillisPerMember)*time.Millisecond)
}

func (g *consumer) mayCommit(c *Commit) (func(*Offset) error, error) {
	if c.Generation < 0 && len(g.members) == 0 {
		return nil, nil
	}
	if c.Transactional && c.Generation < 0 && c.Member == "" && c.Instance == "" {
		return nil, nil
	}
	m := g.members[c.Member]
	switch {
	case m == nil:
		return nil, kerr.UnknownMemberID
	case m.classic == nil && c.Version < 9 && !c.Transactional:
		return nil, fmt.Errorf("%w: OffsetCommit version 9 or above must be used by members using the modern group protocol", kerr.UnsupportedVersion)
	case c.Generation == m.epoch:
		return nil, nil
	case m.classic != nil:
		return nil, kerr.IllegalGeneration
	case c.Generation > m.epoch:
		return nil, kerr.StaleMemberEpoch
	}
	// The member has not heard of its new epoch yet. What it had then and still has it may commit (KIP-1251).
	return func(o *Offset) error {
		e, ok := m.assigned[o.TopicID][o.Partition]
		if !ok {
			e, ok = m.revoking[o.TopicID][o.Partition]
		}
		if !ok || c.Generation < e {
			return kerr.StaleMemberEpoch
		}
		return nil
	}, nil
}

func (g *consumer) mayFetch(member *string, epoch int32) error {
	if member == nil && epoch < 0 {
		return nil
	}
	m := g.members[valueOf(member)]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case epoch == m.epoch:
		return nil
	case m.classic != nil:
		return kerr.IllegalGeneration
	}
	return kerr.StaleMemberEpoch
}

// setNames returns the topics, sorted and each once.
func setNames(names []string) []string {
	out := slices.Clone(names)
	for i, n := range out {
		out[i] = strings.Clone(n)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
