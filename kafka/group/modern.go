package group

import (
	"slices"
	"time"

	"weir/kafka/coordinator"
	"weir/metadata"
)

// modern is what the kinds have in common whose members the coordinator assigns partitions to (KIP-848 and those after it). Members subscribe to
// topics; each change of that, and of the topics themselves, makes a new group epoch; each group epoch gets a target assignment, computed
// a moment later for all changes until then; and members move to it at their own pace, each with a member epoch.
type modern struct {
	*group
	self modernKind

	epoch           int32 // of the group: grows with everything that an assignment depends on
	assignmentEpoch int32 // the group epoch that the target assignment was made for
	assignedAtMs    int64 // when that was
	hash            int64 // of the metadata of the topics that it was made for
	members         map[string]*modernMember
	static          map[string]string     // group.instance.id -> member id
	target          map[string]assignment // by member id
	topics          map[string]int        // topic names that members subscribe to, with how many do; regular expressions are resolved
	stored          bool                  // the log holds a record of this group
	settledCount    int                   // members that are settled

	assignTimer  *coordinator.Timer
	assignSince  time.Time // when the first change came that the next assignment will see
	lastAssigned time.Time
	assigned     []func() // wait for the next assignment
}

// modernKind is a kind that is built on modern.
type modernKind interface {
	kind
	format() *format
	// assign computes a target assignment. Members that it leaves out get nothing.
	assign(spec) (map[string]assignment, error)
	// subscribed calls add for each topic that the member subscribes to, by name or otherwise; a topic may come twice.
	subscribed(m *modernMember, add func(topic string))
	// targetChanged is called when there is a new target assignment, before those who wait for it go on.
	targetChanged()
	// removed is called after a member was taken out.
	removed(m *modernMember)
}

// memberState is where a member is on its way to its target, as records have it.
type memberState int8

// The states of KIP-848.
const (
	memberStable     memberState = 0 // it has its target, as of its member epoch
	memberUnrevoked  memberState = 1 // it must give partitions up first
	memberUnreleased memberState = 2 // it waits for partitions that others must give up
	memberUnknown    memberState = 127
)

// modernMember is a member of a modern group. Fields that a kind does not have are zero.
type modernMember struct {
	id               string
	instance         string // group.instance.id, "" for a dynamic member
	rack             string // "" for none
	clientID         string
	clientHost       string
	names            []string // topics, sorted
	regex            string   // "" for none
	rebalanceTimeout time.Duration
	assignor         string          // "" for none
	classic          *classicSupport // of a member that speaks the classic protocol

	epoch    int32 // leftStatic for a static member that will be back
	previous int32
	state    memberState
	assigned owned
	revoking owned // it has them still and was told to give them up

	settled        bool // stable in the current assignment epoch
	sessionTimeout time.Duration
	deadline       time.Time
	fires          time.Time
	timer          *coordinator.Timer
	rebalanceTimer *coordinator.Timer
}

func newModern(g *group, self modernKind) *modern {
	return &modern{
		group: g, self: self, members: make(map[string]*modernMember), static: make(map[string]string),
		target: make(map[string]assignment), topics: make(map[string]int),
	}
}

func newModernMember(id string) *modernMember {
	return &modernMember{id: id, assigned: owned{}, revoking: owned{}}
}

// add takes a member in, whose subscription may be set already. Nothing is put.
func (g *modern) add(m *modernMember) {
	g.members[m.id] = m
	if m.instance != "" {
		g.static[m.instance] = m.id
	}
	g.self.subscribed(m, g.subscribe)
	g.count(m)
	g.state.members.Add(1)
}

// drop takes a member out and forgets what it had. Nothing is put.
func (g *modern) drop(m *modernMember) {
	g.state.shard.Stop(m.timer)
	g.state.shard.Stop(m.rebalanceTimer)
	g.self.subscribed(m, g.unsubscribe)
	delete(g.members, m.id)
	delete(g.target, m.id)
	if m.instance != "" && g.static[m.instance] == m.id {
		delete(g.static, m.instance)
	}
	if m.settled {
		g.settledCount--
	}
	g.state.members.Add(-1)
	g.self.removed(m)
}

func (g *modern) subscribe(topic string) { g.topics[topic]++ }

func (g *modern) unsubscribe(topic string) {
	if g.topics[topic]--; g.topics[topic] <= 0 {
		delete(g.topics, topic)
	}
}

// count keeps settledCount right after the member or the assignment epoch changed.
func (g *modern) count(m *modernMember) {
	settled := m.state == memberStable && (m.epoch == g.assignmentEpoch || m.epoch == leftStatic)
	if settled != m.settled {
		m.settled = settled
		if settled {
			g.settledCount++
		} else {
			g.settledCount--
		}
	}
}

// remove takes members out for good, and puts the records that say so and the new group epoch.
func (g *modern) remove(members ...*modernMember) {
	for _, m := range members {
		g.drop(m)
		g.put(g.self.format().memberGone(g.id, m.id)...)
	}
	g.hash = metadataHash(g.state.catalog, g.topics)
	g.bump()
}

// bump makes a new group epoch, puts its record, and sees to it that there will be an assignment for it.
func (g *modern) bump() {
	g.epoch++
	g.stored = true
	g.put(g.self.format().epochRecord(g))
	g.state.metrics.rebalances.Inc()
	g.scheduleAssign()
}

// refresh makes a new group epoch if the topics that members subscribe to are not what the last one was made for.
func (g *modern) refresh() (bumped bool) {
	if hash := metadataHash(g.state.catalog, g.topics); hash != g.hash {
		g.hash = hash
		g.bump()
		return true
	}
	return false
}

// setCurrent puts the member's record after its epoch, state or partitions changed.
func (g *modern) setCurrent(m *modernMember) {
	g.count(m)
	g.put(g.self.format().currentRecord(g.id, m))
}

// touch lets the member live for a session from now. As with classic members, its timer is not moved to a later time for that.
func (g *modern) touch(m *modernMember, session time.Duration) {
	m.sessionTimeout = session
	m.deadline = time.Now().Add(session)
	if m.timer != nil && !m.deadline.Before(m.fires) {
		return
	}
	g.state.shard.Stop(m.timer)
	g.arm(m, session)
}

func (g *modern) arm(m *modernMember, d time.Duration) {
	m.fires = time.Now().Add(d)
	m.timer = g.state.shard.After(d, func() {
		m.timer = nil
		if g.members[m.id] != m || g.state.groups[g.id] != g.group {
			return
		}
		if left := time.Until(m.deadline); left > 0 {
			g.arm(m, left)
			return
		}
		g.fence(m, "session timed out")
	})
}

// fence removes a member that was silent, or too slow to give partitions up.
func (g *modern) fence(m *modernMember, why string) {
	g.state.metrics.expelled.Inc()
	g.state.log.Info("group member expired", "group", g.id, "member", m.id, "reason", why)
	g.remove(m)
	g.flush(g.logFailure)
}

// logFailure is for changes that nobody asked for.
func (g *modern) logFailure(error) {} // flush has logged it

// rebuild makes what is derived anew, after a replay.
func (g *modern) rebuild() {
	clear(g.static)
	clear(g.topics)
	g.settledCount = 0
	for _, m := range g.members {
		if m.instance != "" {
			g.static[m.instance] = m.id
		}
		g.self.subscribed(m, g.subscribe)
		m.settled = false
		g.count(m)
	}
	g.state.members.Add(int64(len(g.members)))
}

// stopTimers ends all timers, and sends those away who wait for an assignment.
func (g *modern) stopTimers() {
	for _, m := range g.members {
		g.state.shard.Stop(m.timer)
		g.state.shard.Stop(m.rebalanceTimer)
	}
	g.state.shard.Stop(g.assignTimer)
	g.state.members.Add(-int64(len(g.members)))
	waiting := g.assigned
	g.assigned = nil
	for _, w := range waiting {
		w()
	}
}

// The parts of kind that do not differ.

func (g *modern) idle() bool   { return len(g.members) == 0 }
func (g *modern) unused() bool { return len(g.members) == 0 && !g.stored }

// subscribers tells whether somebody subscribes to the topic.
func (g *modern) mayDeleteOffsets() (func(string) bool, error) {
	return func(topic string) bool { return g.topics[topic] > 0 }, nil
}

// expiry keeps offsets of topics that are subscribed to, and others for the retention time after their commit.
func (g *modern) expiry() func(topicPartition, *offset) bool {
	return func(tp topicPartition, o *offset) bool {
		return g.topics[tp.topic] == 0 && time.Since(time.UnixMilli(o.committedMs)) >= g.state.settings.OffsetRetention
	}
}

func (g *modern) tombstones() []coordinator.Record {
	f := g.self.format()
	var out []coordinator.Record
	for id := range g.members {
		out = append(out, f.memberGone(g.id, id)...)
	}
	return append(out, f.tombstone(f.targetEpochKey, g.id), f.tombstone(f.epochKey, g.id))
}

// spec is what an assignor works with.
type spec struct {
	members []specMember // in an order that does not change
	topics  map[metadata.TopicID]int32
}

// specMember is one member as an assignor sees it.
type specMember struct {
	id, instance string
	topics       []metadata.TopicID // those that exist, sorted
	current      assignment         // its target up to now
}

// spec makes the assignor's view of the group. Lists of topics are shared between members that subscribe to the same.
func (g *modern) spec() spec {
	s := spec{members: make([]specMember, 0, len(g.members)), topics: make(map[metadata.TopicID]int32)}
	lists := make(map[string][]metadata.TopicID)
	ids := make([]string, 0, len(g.members))
	for id := range g.members {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		m := g.members[id]
		set := make(map[metadata.TopicID]bool)
		g.self.subscribed(m, func(name string) {
			if t, ok := g.state.catalog.byName(name); ok && t.partitions > 0 {
				set[t.id] = true
				s.topics[t.id] = t.partitions
			}
		})
		list := sortedTopics(set)
		key := make([]byte, 0, 16*len(list))
		for _, t := range list {
			key = append(key, t[:]...)
		}
		if shared, ok := lists[string(key)]; ok {
			list = shared
		} else {
			lists[string(key)] = list
		}
		s.members = append(s.members, specMember{id: id, instance: m.instance, topics: list, current: g.target[id]})
	}
	return s
}
