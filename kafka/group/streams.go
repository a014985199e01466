package group

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
)

// streams is a streams group (KIP-1071): the threads of a Kafka Streams application. Its coordinator knows the application's topology, creates its
// internal topics and assigns tasks instead of partitions. Target assignments are made by heartbeats, as in Kafka: whoever is told that its assignment is
// delayed comes again soon.
type streams struct {
	*group
	epoch           int32 // of the group; the first member makes it 2
	assignmentEpoch int32 // the group epoch that the target assignment was made for
	assignedAtMs    int64 // when that was; 0: never, or before the group was empty
	hash            int64 // of the metadata of the topology's topics
	validated       int32 // the epoch of the topology whose topics are all there; -1: of none
	stored          bool  // the log holds a record of this group
	configs         map[string]string
	topology        *topology // nil until the first member is there
	members         map[string]*streamsMember
	static          map[string]string // group.instance.id -> member id
	target          map[string]*tasks // by member id
	held            holders

	// What no record has.
	config        *configured        // nil after a replay
	stale         bool               // topics of the topology may have changed
	firstTimer    *coordinator.Timer // until the first members get their tasks
	firstBy       time.Time          // when they get them at the latest
	waiting       []func()           // members that wait for that
	endpointEpoch int32              // grows with what heartbeats tell of endpoints
	shutdown      string             // the member that wants the application to end, "" for none
	creating      bool               // internal topics are being created
	createAgain   time.Time          // when that may be tried again
	createFailed  string             // why it failed
}

// streamsMember is a thread of an application.
type streamsMember struct {
	id               string
	instance         string // group.instance.id, "" for a dynamic member
	rack             string // "" for none
	clientID         string
	clientHost       string
	process          string // members of one process share its disk
	rebalanceTimeout time.Duration
	topologyEpoch    int32
	endpoint         *kmsg.Endpoint // where others may ask it for its state; nil for none
	tags             map[string]string

	epoch    int32 // leftStatic for a static member that will be back
	previous int32
	state    memberState
	assigned heldTasks
	revoking heldTasks // it has them still and was told to give them up

	offsets    map[taskID]int64 // of the states on its disk
	endOffsets map[taskID]int64
	deadline   time.Time
	fires      time.Time
	timer      *coordinator.Timer
	rebalance  *coordinator.Timer
}

var _ kind = (*streams)(nil)

// noTopology is the epoch of a topology that is not there.
const noTopology = -1

func newStreams(g *group) *streams {
	return &streams{
		group: g, epoch: 1, validated: noTopology, members: make(map[string]*streamsMember), static: make(map[string]string),
		target: make(map[string]*tasks), held: newHolders(), configs: make(map[string]string),
	}
}

func newStreamsMember(id string) *streamsMember {
	return &streamsMember{id: id, topologyEpoch: noTopology, assigned: newHeldTasks(), revoking: newHeldTasks()}
}

// streams returns the group if it is a streams group, else nil.
func (s *state) streams(id string) *streams {
	if g := s.groups[id]; g != nil {
		k, _ := g.kind.(*streams)
		return k
	}
	return nil
}

func (g *streams) name() string     { return "streams" }
func (g *streams) protocol() string { return "streams" }
func (g *streams) idle() bool       { return len(g.members) == 0 }
func (g *streams) unused() bool     { return len(g.members) == 0 && !g.stored }

func (g *streams) stateName() string {
	switch {
	case len(g.members) == 0:
		return "Empty"
	case g.topology == nil || g.topology.epoch != g.validated:
		return "NotReady"
	case g.epoch > g.assignmentEpoch:
		return "Assigning"
	}
	for _, m := range g.members {
		if m.state != memberStable || m.epoch != g.assignmentEpoch {
			return "Reconciling"
		}
	}
	return "Stable"
}

// current tells whether the group is still this one.
func (g *streams) current() bool {
	return g.state.closing == nil && g.state.groups[g.id] == g.group && g.group.kind == kind(g)
}

func (g *streams) unknown(member string) error {
	return fmt.Errorf("%w: Member %s is not a member of group %s.", kerr.UnknownMemberID, member, g.id) //nolint:staticcheck // as Kafka writes it
}

func (g *streams) mayCommit(c *Commit) (func(*Offset) error, error) {
	if c.Generation < 0 && len(g.members) == 0 {
		return nil, nil
	}
	if c.Transactional && c.Generation < 0 && c.Member == "" && c.Instance == "" {
		return nil, nil
	}
	m := g.members[c.Member]
	switch {
	case m == nil:
		return nil, g.unknown(c.Member)
	case c.Version < 9 && !c.Transactional:
		return nil, fmt.Errorf("%w: OffsetCommit version 9 or above must be used by members using the streams group protocol", kerr.UnsupportedVersion)
	case c.Generation == m.epoch:
		return nil, nil
	case c.Generation > m.epoch || g.topology == nil:
		return nil, kerr.StaleMemberEpoch
	}
	// The member has not heard of its new epoch yet. For tasks that it had then and still has it may commit (KIP-1251).
	return func(o *Offset) error {
		sub, ok := g.topology.sources[o.Topic]
		if !ok {
			return kerr.StaleMemberEpoch
		}
		t := taskID{sub, o.Partition}
		e, ok := m.assigned.active[t]
		if !ok {
			e, ok = m.revoking.active[t]
		}
		if !ok || c.Generation < e {
			return kerr.StaleMemberEpoch
		}
		return nil
	}, nil
}

func (g *streams) mayFetch(member *string, epoch int32) error {
	if member == nil && epoch < 0 {
		return nil
	}
	switch m := g.members[valueOf(member)]; {
	case m == nil:
		return g.unknown(valueOf(member))
	case epoch != m.epoch:
		return kerr.StaleMemberEpoch
	}
	return nil
}

func (g *streams) subscribes(topic string) bool {
	if len(g.members) == 0 || g.topology == nil {
		return false
	}
	_, ok := g.topology.sources[topic]
	return ok
}

func (g *streams) mayDeleteOffsets() (func(string) bool, error) { return g.subscribes, nil }

func (g *streams) mayDelete() error {
	if len(g.members) > 0 {
		return kerr.NonEmptyGroup
	}
	return nil
}

// expiry keeps offsets of topics that the application reads, and others for the retention time after their commit.
func (g *streams) expiry() func(topicPartition, *offset) bool {
	return func(tp topicPartition, o *offset) bool {
		return !g.subscribes(tp.topic) && time.Since(time.UnixMilli(o.committedMs)) >= g.state.settings.OffsetRetention
	}
}

func (g *streams) loaded() {
	for _, m := range g.members {
		if m.instance != "" {
			g.static[m.instance] = m.id
		}
		g.held.take(m)
		g.touch(m)
		if m.state == memberUnrevoked {
			g.armRebalance(m)
		}
	}
	g.state.members.Add(int64(len(g.members)))
}

func (g *streams) closed(error) {
	for _, m := range g.members {
		g.state.shard.Stop(m.timer)
		g.state.shard.Stop(m.rebalance)
	}
	g.state.shard.Stop(g.firstTimer)
	g.firstTimer = nil
	g.state.members.Add(-int64(len(g.members)))
	g.release()
}

// topicsChanged is called when topics of these names came, went or have more partitions now. The next heartbeat looks at them.
func (g *streams) topicsChanged(names []string) {
	if g.topology == nil {
		return
	}
	for _, n := range names {
		if g.topology.needs[n] > 0 {
			g.stale = true
			return
		}
	}
}

// add takes a member in that has no tasks, or those that it had under another id. Nothing is put.
func (g *streams) add(m *streamsMember) {
	g.members[m.id] = m
	if m.instance != "" {
		g.static[m.instance] = m.id
	}
	g.held.take(m)
	g.state.members.Add(1)
}

// drop takes a member out and frees what it had. Nothing is put.
func (g *streams) drop(m *streamsMember) {
	g.state.shard.Stop(m.timer)
	g.state.shard.Stop(m.rebalance)
	g.held.release(m)
	delete(g.members, m.id)
	delete(g.target, m.id)
	if m.instance != "" && g.static[m.instance] == m.id {
		delete(g.static, m.instance)
	}
	g.state.members.Add(-1)
}

// remove takes a member out for good, and puts the records that say so and the new group epoch. The last one leaves nothing to be assigned.
func (g *streams) remove(m *streamsMember) {
	g.drop(m)
	g.put(streamsMemberGone(g.id, m.id)...)
	g.bump()
	if len(g.members) == 0 {
		g.assignmentEpoch, g.assignedAtMs, g.shutdown = g.epoch, 0, ""
		g.put(g.targetEpochRecord())
	}
}

func (g *streams) bump() {
	g.epoch++
	g.stored = true
	g.put(g.epochRecord())
	g.state.metrics.rebalances.Inc()
}

// expel removes a member that nobody asked to remove.
func (g *streams) expel(m *streamsMember, why string) {
	g.state.metrics.expelled.Inc()
	g.state.log.Info("group member expired", "group", g.id, "member", m.id, "reason", why)
	g.remove(m)
	g.flush(func(error) {}) // flush has logged it
}

// touch lets the member live for a session from now. As with other members, its timer is not moved to a later time for that.
func (g *streams) touch(m *streamsMember) {
	s := g.state.settings
	session := s.groupDuration(g.id, "streams.session.timeout.ms", s.StreamsSessionTimeout, s.StreamsSessionTimeoutMin, s.StreamsSessionTimeoutMax)
	m.deadline = time.Now().Add(session)
	if m.timer != nil && !m.deadline.Before(m.fires) {
		return
	}
	g.state.shard.Stop(m.timer)
	g.arm(m, session)
}

func (g *streams) arm(m *streamsMember, d time.Duration) {
	m.fires = time.Now().Add(d)
	m.timer = g.state.shard.After(d, func() {
		m.timer = nil
		if !g.current() || g.members[m.id] != m {
			return
		}
		if left := time.Until(m.deadline); left > 0 {
			g.arm(m, left)
			return
		}
		g.expel(m, "session timed out")
	})
}

// armRebalance gives the member its rebalance timeout to give tasks up.
func (g *streams) armRebalance(m *streamsMember) {
	epoch := m.epoch
	g.state.shard.Stop(m.rebalance)
	m.rebalance = g.state.shard.After(m.rebalanceTimeout, func() {
		if g.current() && g.members[m.id] == m && m.state == memberUnrevoked && m.epoch == epoch {
			g.expel(m, "tasks not given up in time")
		}
	})
}

// heartbeatInterval is when the member shall come again. What the broker's config says is an upper bound; what the group's config says holds.
func (g *streams) heartbeatInterval(m *streamsMember) time.Duration {
	s := g.state.settings
	const name = "streams.heartbeat.interval.ms"
	if s.GroupConfig != nil {
		if _, ok := s.GroupConfig(g.id)[name]; ok {
			return s.groupDuration(g.id, name, s.StreamsHeartbeat, s.StreamsHeartbeatMin, s.StreamsHeartbeatMax)
		}
	}
	waits := m.state != memberStable || m.epoch != g.epoch || g.config == nil || !g.config.ready()
	return min(g.state.beatInterval(waits), s.StreamsHeartbeat)
}

// reconcile moves the member towards its target, as far as others let it, and puts its record if that changed anything.
func (g *streams) reconcile(m *streamsMember, target *tasks, has *ownedTasks) {
	if target == nil {
		target = newTasks()
	}
	standing := func(t taskID) bool {
		for _, id := range g.held.standby[t] {
			if g.members[id].process == m.process && !m.assigned.standby[t] {
				return true
			}
		}
		return false
	}
	taken := unreleased{
		active: func(t taskID) bool { return g.held.active[t] != "" || standing(t) },
		standby: func(t taskID) bool {
			if id := g.held.active[t]; id != "" && g.members[id].process == m.process {
				if _, own := m.assigned.active[t]; !own {
					return true
				}
			}
			return standing(t)
		},
	}
	before := *m
	if !m.next(target, g.assignmentEpoch, taken, has) {
		return
	}
	g.held.release(&before)
	g.held.take(m)
	g.put(g.currentRecord(m))
	g.state.shard.Stop(m.rebalance)
	if m.state == memberUnrevoked {
		g.armRebalance(m)
	}
}

// StreamsBeat handles StreamsGroupHeartbeat. A nil response comes with an error, which is Kafka's; its text is for the client.
func (c *Coordinator) StreamsBeat(ctx context.Context, b StreamsBeat) (*kmsg.StreamsGroupHeartbeatResponse, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	type result struct {
		resp *kmsg.StreamsGroupHeartbeatResponse
		err  error
	}
	r, err := ask(ctx, c, b.Group, func(s *state, done func(result)) {
		s.streamsBeat(b, func(resp *kmsg.StreamsGroupHeartbeatResponse, err error) { done(result{resp, err}) })
	})
	if err != nil {
		return nil, err
	}
	return r.resp, r.err
}
