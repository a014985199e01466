package group

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
)

// ConsumerBeat is a ConsumerGroupHeartbeat request. Nil says that nothing changed since the last one.
type ConsumerBeat struct {
	Version          int16
	Group            string
	Member           string
	Epoch            int32 // 0 joins, -1 leaves, -2 leaves for a while
	Instance         *string
	Rack             *string
	RebalanceTimeout time.Duration // negative: unchanged
	Topics           []string
	Regex            *string
	Assignor         *string
	Owned            map[metadata.TopicID][]int32
	ClientID         string
	ClientHost       string
}

// ConsumerBeatResult answers a ConsumerBeat.
type ConsumerBeatResult struct {
	Err        error // a Kafka error; its text is for the client
	Member     string
	Epoch      int32
	Interval   time.Duration                // until the next heartbeat
	Assignment map[metadata.TopicID][]int32 // nil: unchanged
}

// subscriptionBytesMax bounds what a member may subscribe to: its record must fit into a batch.
const subscriptionBytesMax = 512 << 10

// invalid is INVALID_REQUEST with a text for the client.
func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{kerr.InvalidRequest}, args...)...)
}

// check checks what needs no group, in Kafka's order.
func (b *ConsumerBeat) check(known map[string]assignor) error {
	switch {
	case strings.TrimSpace(b.Group) == "":
		return invalid("GroupId can't be empty.")
	case max(len(b.Group), len(b.Member)) > stringMax:
		return invalid("a group or member id has more than %d bytes", stringMax)
	case b.Version >= 1 && b.Member == "":
		return invalid("MemberId can't be empty.")
	case b.Instance != nil && strings.TrimSpace(*b.Instance) == "":
		return invalid("InstanceId can't be empty.")
	case b.Rack != nil && strings.TrimSpace(*b.Rack) == "":
		return invalid("RackId can't be empty.")
	case (b.Epoch > 0 || b.Epoch == leaves) && b.Member == "":
		return invalid("MemberId can't be empty.")
	case b.Epoch == leftStatic && b.Member == "":
		return invalid("MemberId can't be empty.")
	case b.Epoch == leftStatic && b.Instance == nil:
		return invalid("InstanceId can't be null.")
	case b.Epoch < leftStatic:
		return invalid("MemberEpoch is invalid.")
	case b.Epoch == 0 && b.RebalanceTimeout < 0:
		return invalid("RebalanceTimeoutMs must be provided in first request.")
	case b.Epoch == 0 && (b.Owned == nil || len(b.Owned) > 0):
		return invalid("TopicPartitions must be empty when (re-)joining.")
	case b.Epoch == 0 && b.Topics == nil && b.Regex == nil:
		return invalid("SubscribedTopicNames or SubscribedTopicRegex must be set in first request.")
	case b.Assignor != nil && known[*b.Assignor] == nil:
		return fmt.Errorf("%w: ServerAssignor %s is not supported. Supported assignors: range, uniform.", kerr.UnsupportedAssignor, *b.Assignor)
	}
	size := len(valueOf(b.Regex)) + len(valueOf(b.Instance)) + len(valueOf(b.Rack))
	for _, t := range b.Topics {
		size += len(t) + 3
	}
	if size > subscriptionBytesMax {
		return invalid("a subscription has %d bytes, the limit is %d", size, subscriptionBytesMax)
	}
	return nil
}

// consumerBeat handles a heartbeat; reply is called once, when what it says is durable. A member that joins waits for the next assignment.
func (s *state) consumerBeat(b ConsumerBeat, reply func(ConsumerBeatResult)) {
	fail := func(err error) { reply(ConsumerBeatResult{Err: err}) }
	if b.Epoch < 0 {
		s.consumerLeaves(b, reply)
		return
	}
	g, install, err := s.consumerFor(b.Group, b.Epoch == 0)
	if err != nil {
		fail(err)
		return
	}
	known := g.members[b.Member] != nil
	if limit := s.settings.ConsumerSizeMax; len(g.members) >= limit && !known {
		g.forgetIfUnused()
		fail(fmt.Errorf("%w: The consumer group has reached its maximum capacity of %d members.", kerr.GroupMaxSizeReached, limit))
		return
	}
	if err := g.checkRegex(b.Regex); err != nil {
		g.forgetIfUnused()
		fail(err)
		return
	}
	if b.Member == "" {
		b.Member = uuid.NewString()
	}
	m, replaced, err := g.findForBeat(b)
	if err != nil {
		g.forgetIfUnused()
		fail(err)
		return
	}
	if install != nil {
		install()
	}
	fresh := m == nil && replaced == nil
	switch {
	case replaced != nil:
		m = g.replace(replaced, b.Member)
	case fresh:
		m = newModernMember(strings.Clone(b.Member))
		g.members[m.id] = m
		s.members.Add(1)
	}
	if g.update(m, b, fresh) {
		g.hash = metadataHash(s.catalog, g.topics)
		g.bump()
	}
	g.touch(m, g.sessionTimeout(m))
	finish := func() { g.answer(m, b, fresh || replaced != nil, reply) }
	if b.Epoch == 0 {
		g.afterAssign(finish)
		g.flush(g.logFailure)
		return
	}
	finish()
}

// answer reconciles the member and answers its heartbeat once everything is durable.
func (g *consumer) answer(m *modernMember, b ConsumerBeat, fresh bool, reply func(ConsumerBeatResult)) {
	switch {
	case g.state.closing != nil:
		reply(ConsumerBeatResult{Err: g.state.closing})
		return
	case !g.current() || g.members[m.id] != m:
		reply(ConsumerBeatResult{Err: kerr.UnknownMemberID}) // removed while it waited
		return
	}
	had := m.assigned
	g.reconcile(m, b.Owned)
	full := b.Epoch == 0 || b.RebalanceTimeout >= 0 && (b.Topics != nil || b.Regex != nil) && b.Owned != nil
	r := ConsumerBeatResult{Member: m.id, Epoch: m.epoch, Interval: g.heartbeatInterval(m)}
	if full || fresh || !had.equal(m.assigned) {
		r.Assignment = m.assigned.plain()
	}
	g.flush(func(err error) {
		if err != nil {
			r = ConsumerBeatResult{Err: err}
		}
		reply(r)
	})
}

// consumerFor finds the group that a heartbeat is for. If it is to become one, install makes it that, and is called when the heartbeat is known
// to be good.
func (s *state) consumerFor(id string, create bool) (c *consumer, install func(), err error) {
	missing := fmt.Errorf("%w: Group %s not found.", kerr.GroupIDNotFound, id)
	g := s.groups[id]
	if g == nil {
		if !create {
			return nil, nil, missing
		}
		if g = s.begin(id); g == nil {
			return nil, nil, kerr.GroupMaxSizeReached
		}
		c = newConsumer(g)
		return c, func() { g.kind = c }, nil
	}
	if g.dying {
		return nil, nil, kerr.CoordinatorNotAvailable
	}
	notOne := fmt.Errorf("%w: Group %s is not a consumer group.", kerr.GroupIDNotFound, id)
	switch k := g.kind.(type) {
	case *consumer:
		return k, nil, nil
	case *classic:
		if !create {
			return nil, nil, notOne
		}
		return s.upgrade(k, notOne)
	default: // share and streams groups stay what they are, also without members
		return nil, nil, notOne
	}
}

// findForBeat finds the member that sends the heartbeat: nil for one that joins; replaced is the member whose place it takes.
func (g *consumer) findForBeat(b ConsumerBeat) (m, replaced *modernMember, err error) {
	if b.Instance == nil {
		m = g.members[b.Member]
		if m == nil && b.Epoch != 0 {
			return nil, nil, fmt.Errorf("%w: Member %s is not a member of group %s.", kerr.UnknownMemberID, b.Member, g.id)
		}
		if m != nil {
			err = m.checkEpoch(b)
		}
		return m, nil, err
	}
	old := g.members[g.static[*b.Instance]]
	if b.Epoch == 0 {
		switch {
		case old == nil, old.id == b.Member && old.epoch == 0:
			return old, nil, nil
		case old.classic == nil && old.epoch != leftStatic && old.id == b.Member && old.previous == 0:
			return old, nil, old.checkEpoch(b) // its first answer was lost
		case old.classic == nil && old.epoch != leftStatic:
			return nil, nil, fmt.Errorf("%w: Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.",
				kerr.UnreleasedInstanceID, b.Member, *b.Instance, old.id)
		}
		return nil, old, nil
	}
	if err := fenced(old, b.Member, *b.Instance, g.id); err != nil {
		return nil, nil, err
	}
	return old, nil, old.checkEpoch(b)
}

// fenced says why a request in the name of a static member is refused.
func fenced(m *modernMember, id, instance, group string) error {
	switch {
	case m == nil:
		return fmt.Errorf("%w: Instance id %s is unknown.", kerr.UnknownMemberID, instance)
	case m.id != id:
		return fmt.Errorf("%w: Static member %s with instance id %s was fenced by member %s.", kerr.FencedInstanceID, id, instance, m.id)
	}
	return nil
}

// checkEpoch fences members that are not where we think they are. The epoch before is good if the answer with the new one may have been lost.
func (m *modernMember) checkEpoch(b ConsumerBeat) error {
	switch {
	case b.Epoch > m.epoch:
		return fmt.Errorf("%w: The consumer group member has a greater member epoch (%d) than the one known by the group coordinator (%d). "+
			"The member must abandon all its partitions and rejoin.", kerr.FencedMemberEpoch, b.Epoch, m.epoch)
	case b.Epoch < m.epoch && (b.Epoch != m.previous || !reported(b.Owned).within(m.assigned)):
		return fmt.Errorf("%w: The consumer group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). "+
			"The member must abandon all its partitions and rejoin.", kerr.FencedMemberEpoch, b.Epoch, m.epoch)
	}
	return nil
}

func (g *consumer) checkRegex(expr *string) error {
	if valueOf(expr) == "" || g.regexes[*expr] != nil {
		return nil
	}
	if len(g.regexes) >= regexesMax {
		return fmt.Errorf("%w: the group has %d regular expressions already", kerr.InvalidRegularExpression, len(g.regexes))
	}
	_, err := compileRegex(*expr)
	return err
}

// update takes over what the heartbeat says of the member, puts its record if that changed it, and tells whether the group epoch must grow.
// A member that is fresh is not counted in what the group subscribes to yet.
func (g *consumer) update(m *modernMember, b ConsumerBeat, fresh bool) (bump bool) {
	old := *m
	if b.Instance != nil {
		m.instance = strings.Clone(*b.Instance)
		g.static[m.instance] = m.id
	}
	if b.Rack != nil {
		m.rack = strings.Clone(*b.Rack)
	}
	if b.RebalanceTimeout >= 0 {
		m.rebalanceTimeout = b.RebalanceTimeout
	}
	if b.Assignor != nil {
		m.assignor = strings.Clone(*b.Assignor)
	}
	names, expr := m.names, m.regex
	if b.Topics != nil {
		names = setNames(b.Topics)
	}
	if b.Regex != nil {
		expr = strings.Clone(*b.Regex)
	}
	m.clientID, m.clientHost, m.classic = b.ClientID, b.ClientHost, nil
	return g.changed(m, &old, names, expr, fresh)
}

// changed finishes what update and its like of classic members began.
func (g *consumer) changed(m, old *modernMember, names []string, expr string, fresh bool) (bump bool) {
	resubscribed := fresh || !slices.Equal(names, old.names) || expr != old.regex
	if resubscribed {
		if !fresh {
			g.subscribed(m, g.unsubscribe)
		}
		m.names, m.regex = names, expr
		if expr != old.regex {
			g.useRegex(expr)
			g.dropRegex(old.regex)
		}
		g.subscribed(m, g.subscribe)
	}
	if fresh {
		g.count(m)
	}
	wasClassic, isClassic := old.classic != nil, m.classic != nil
	if resubscribed || m.instance != old.instance || m.rack != old.rack || m.clientID != old.clientID || m.clientHost != old.clientHost ||
		m.rebalanceTimeout != old.rebalanceTimeout || m.assignor != old.assignor || wasClassic != isClassic || isClassic && !m.classic.equal(old.classic) {
		g.put(g.format().memberRecord(g.id, m))
	}
	return resubscribed
}

// useRegex counts a subscription with the expression, which is valid, and resolves it if it is new. What it matches is for the caller to
// subscribe to.
func (g *consumer) useRegex(expr string) {
	if expr == "" {
		return
	}
	if g.regexes[expr] == nil {
		r := &resolved{}
		g.regexes[expr] = r
		g.resolve(expr, r) // nobody uses it yet, so nothing is counted
	}
	g.regexes[expr].users++
}

// replace puts a static member that comes back in the place of its old self, under its new id and with its target.
func (g *consumer) replace(old *modernMember, id string) *modernMember {
	m := *old
	m.id, m.epoch, m.previous, m.state = strings.Clone(id), 0, 0, memberStable
	m.timer, m.rebalanceTimer, m.settled = nil, nil, false
	m.assigned, m.revoking = owned{}, owned{}
	target := g.target[old.id]
	keep := g.regexes[old.regex]
	if keep != nil {
		keep.users++ // it stays in use
	}
	g.drop(old)
	if old.id != m.id {
		g.put(g.format().memberGone(g.id, old.id)...)
	}
	g.members[m.id] = &m
	g.static[m.instance] = m.id
	g.subscribed(&m, g.subscribe)
	g.state.members.Add(1)
	if target != nil {
		g.target[m.id] = target
	}
	g.count(&m)
	g.put(g.format().memberRecord(g.id, &m))
	g.put(g.format().targetRecord(g.id, m.id, target))
	g.put(g.format().currentRecord(g.id, &m))
	return &m
}

// consumerLeaves handles a heartbeat with epoch -1 or -2.
func (s *state) consumerLeaves(b ConsumerBeat, reply func(ConsumerBeatResult)) {
	fail := func(err error) { reply(ConsumerBeatResult{Err: err}) }
	g := s.consumer(b.Group)
	if g == nil {
		fail(fmt.Errorf("%w: Group %s not found.", kerr.GroupIDNotFound, b.Group))
		return
	}
	m := g.members[b.Member]
	if b.Instance != nil {
		m = g.members[g.static[*b.Instance]]
		if err := fenced(m, b.Member, *b.Instance, g.id); err != nil {
			fail(err)
			return
		}
	}
	if m == nil {
		fail(fmt.Errorf("%w: Member %s is not a member of group %s.", kerr.UnknownMemberID, b.Member, g.id))
		return
	}
	if b.Epoch == leftStatic {
		g.release(m, m.revoking)
		m.epoch, m.revoking = leftStatic, owned{}
		g.state.shard.Stop(m.rebalanceTimer)
		g.setCurrent(m)
	} else {
		g.leave(m)
	}
	g.flush(func(err error) {
		r := ConsumerBeatResult{Err: err, Member: b.Member, Epoch: b.Epoch}
		if errors.Is(err, kerr.NotCoordinator) {
			r.Err = kerr.NotCoordinator
		}
		reply(r)
	})
}

// leave removes a member, which may leave a group that only speaks the classic protocol.
func (g *consumer) leave(m *modernMember) {
	if g.mayDowngrade(m) {
		g.downgrade(m)
		return
	}
	g.remove(m)
}
