package group

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/configdef"
)

// StreamsBeat is a StreamsGroupHeartbeat request and who sent it.
type StreamsBeat struct {
	*kmsg.StreamsGroupHeartbeatRequest
	ClientID   string
	ClientHost string
}

const (
	standbyReplicas = "num.standby.replicas"
	rackAwareTags   = "rack.aware.assignment.tags"
	// taskOffsetInterval and acceptableLag are Kafka's defaults of configs that it does not show.
	taskOffsetInterval = time.Minute
	acceptableLag      = 10_000
)

// check checks what needs no group, in Kafka's order.
func (b *StreamsBeat) check() error {
	blank := func(s *string) bool { return s != nil && strings.TrimSpace(*s) == "" }
	if b.Topology != nil {
		for i := range b.Topology.Subtopologies {
			if len(b.Topology.Subtopologies[i].SourceTopicRegex) > 0 {
				return invalid("Regular expressions for source topics are not supported yet.")
			}
		}
	}
	switch {
	case blank(&b.MemberID):
		return invalid("MemberId can't be empty.")
	case blank(&b.Group):
		return invalid("GroupId can't be empty.")
	case blank(b.InstanceID):
		return invalid("InstanceId can't be empty.")
	case blank(b.RackID):
		return invalid("RackId can't be empty.")
	case max(len(b.Group), len(b.MemberID)) > stringMax:
		return invalid("a group or member id has more than %d bytes", stringMax)
	case b.MemberEpoch == leftStatic && b.InstanceID == nil:
		return invalid("InstanceId can't be null.")
	case b.MemberEpoch < leftStatic:
		return invalid("MemberEpoch is %d, but must be greater than or equal to -2.", b.MemberEpoch)
	}
	if b.MemberEpoch == 0 {
		if err := b.checkJoin(); err != nil {
			return err
		}
	}
	switch {
	case (b.ActiveTasks != nil || b.StandbyTasks != nil || b.WarmupTasks != nil) && (b.ActiveTasks == nil || b.StandbyTasks == nil || b.WarmupTasks == nil):
		return invalid("If one task-type is non-null, all must be non-null.")
	case b.MemberEpoch != 0 && b.Topology != nil:
		return invalid("Topology can only be provided when (re-)joining.")
	}
	size := len(valueOf(b.InstanceID)) + len(valueOf(b.RackID)) + len(valueOf(b.ProcessID))
	for _, t := range b.ClientTags {
		size += len(t.Key) + len(t.Value)
	}
	if b.UserEndpoint != nil {
		size += len(b.UserEndpoint.Host)
	}
	if size > subscriptionBytesMax {
		return invalid("a member has %d bytes, the limit is %d", size, subscriptionBytesMax)
	}
	return nil
}

func (b *StreamsBeat) checkJoin() error {
	switch {
	case b.RebalanceTimeoutMillis == -1:
		return invalid("RebalanceTimeoutMs must be provided in first request.")
	case len(b.ActiveTasks) > 0:
		return invalid("ActiveTasks must be empty when (re-)joining.")
	case len(b.StandbyTasks) > 0:
		return invalid("StandbyTasks must be empty when (re-)joining.")
	case len(b.WarmupTasks) > 0:
		return invalid("WarmupTasks must be empty when (re-)joining.")
	case b.Topology == nil:
		return invalid("Topology must be non-null when (re-)joining.")
	}
	for i := range b.Topology.Subtopologies {
		for _, t := range b.Topology.Subtopologies[i].StateChangelogTopics {
			if t.NumPartitions != 0 {
				return badTopology("Changelog topic %s must have an undefined partition count, but it is set to %d.", t.Topic, t.NumPartitions)
			}
		}
	}
	return nil
}

func (b *StreamsBeat) owned() *ownedTasks {
	if b.ActiveTasks == nil || b.StandbyTasks == nil || b.WarmupTasks == nil {
		return nil
	}
	return &ownedTasks{active: taskSetOf(b.ActiveTasks), standby: taskSetOf(b.StandbyTasks), warmup: taskSetOf(b.WarmupTasks)}
}

// streamsBeat handles a heartbeat; reply is called once, when what it says is durable. Everything is checked before anything is changed. The first
// members of a group wait for its assignment.
func (s *state) streamsBeat(b StreamsBeat, reply func(*kmsg.StreamsGroupHeartbeatResponse, error)) {
	if b.MemberEpoch < 0 {
		s.streamsLeaves(b, reply)
		return
	}
	g, install, err := s.streamsFor(b.Group, b.MemberEpoch == 0)
	if err != nil {
		reply(nil, err)
		return
	}
	p, err := g.prepare(&b)
	if err != nil {
		s.forgetIfUnused(b.Group)
		reply(nil, err)
		return
	}
	if install != nil {
		install()
	}
	m, old, status := g.take(&b, p)
	finish := func() {
		switch {
		case s.closing != nil:
			reply(nil, s.closing)
			return
		case !g.current() || g.members[m.id] != m:
			reply(nil, g.unknown(b.MemberID)) // removed while it waited
			return
		}
		resp := g.answer(&b, m, old, status, p.has)
		g.flush(func(err error) {
			if err != nil {
				resp = nil
			}
			reply(resp, err)
		})
	}
	if b.MemberEpoch == 0 && g.firstTimer != nil {
		g.waiting = append(g.waiting, finish)
		g.flush(func(error) {}) // flush has logged it
		return
	}
	finish()
}

func (s *state) forgetIfUnused(id string) {
	if g := s.groups[id]; g != nil {
		g.forgetIfUnused()
	}
}

// streamsFor finds the group that a heartbeat is for. If it is to become one, install makes it that, and is called when the heartbeat is known to be good.
func (s *state) streamsFor(id string, create bool) (g *streams, install func(), err error) {
	found := s.groups[id]
	if found == nil {
		if !create {
			return nil, nil, fmt.Errorf("%w: Streams group %s not found.", kerr.GroupIDNotFound, id)
		}
		if found = s.begin(id); found == nil {
			return nil, nil, kerr.GroupMaxSizeReached
		}
	}
	if found.dying {
		return nil, nil, kerr.CoordinatorNotAvailable
	}
	if g, ok := found.kind.(*streams); ok {
		return g, nil, nil
	}
	old, ok := found.kind.(*classic)
	if !create || !ok || !old.idle() {
		return nil, nil, fmt.Errorf("%w: Group %s is not a streams group.", kerr.GroupIDNotFound, id)
	}
	g = newStreams(found)
	return g, func() {
		if !old.unused() {
			g.put(old.tombstones()...)
		}
		old.closed(kerr.RebalanceInProgress)
		found.kind = g
	}, nil
}

// prepared is a heartbeat that is known to be good.
type prepared struct {
	member   *streamsMember // nil for one that joins
	replaced *streamsMember // a static member whose place it takes; member is nil then
	topology *topology      // the group's from now on
	config   *configured    // of the topology
	hash     int64          // of its topics
	has      *ownedTasks
}

// prepare checks everything of the heartbeat, and changes nothing.
func (g *streams) prepare(b *StreamsBeat) (p prepared, err error) {
	p.has = b.owned()
	if err := g.find(b, &p); err != nil {
		return p, err
	}
	if p.topology, err = g.agree(b); err != nil {
		return p, err
	}
	p.config, p.hash = g.config, g.hash
	if g.topology == nil || g.config == nil || g.stale {
		p.hash = metadataHash(g.state.catalog, p.topology.needs)
		if g.topology == nil || g.config == nil || p.hash != g.hash {
			if p.config, err = configure(p.topology, g.state.catalog); err != nil {
				return p, err
			}
		}
	}
	if p.config.ready() && p.has != nil {
		for _, set := range []taskSet{p.has.active, p.has.standby, p.has.warmup} {
			for _, t := range sortedTasks(set) {
				n, ok := p.config.tasks[t.subtopology]
				if !ok {
					return p, invalid("Subtopology %s does not exist in the topology.", t.subtopology)
				}
				if t.partition < 0 || t.partition >= n {
					return p, invalid("Task %d for subtopology %s is invalid. Number of tasks for this subtopology: %d", t.partition, t.subtopology, n)
				}
			}
		}
	}
	for _, offsets := range [][]kmsg.TaskOffset{b.TaskOffsets, b.TaskEndOffsets} {
		seen := make(taskSet, len(offsets))
		for _, o := range offsets {
			t := taskID{o.SubtopologyID, o.Partition}
			if seen[t] {
				return p, invalid("Task offsets contain a duplicate entry for subtopology %s and partition %d.", o.SubtopologyID, o.Partition)
			}
			seen[t] = true
		}
	}
	return p, nil
}

// find finds the member that sends the heartbeat.
func (g *streams) find(b *StreamsBeat, p *prepared) error {
	joins := b.MemberEpoch == 0
	static := b.InstanceID != nil && g.static[*b.InstanceID] != ""
	if limit := g.state.settings.StreamsSizeMax; joins && !static && g.members[b.MemberID] == nil && len(g.members) >= limit {
		return fmt.Errorf("%w: The streams group has reached its maximum capacity of %d members.", kerr.GroupMaxSizeReached, limit)
	}
	if b.InstanceID == nil {
		p.member = g.members[b.MemberID]
		if p.member == nil && !joins {
			return g.unknown(b.MemberID)
		}
	} else {
		old := g.members[g.static[*b.InstanceID]]
		switch {
		case !joins:
			if err := fencedStreams(old, b.MemberID, *b.InstanceID); err != nil {
				return err
			}
			p.member = old
		case old == nil:
			p.member = g.members[b.MemberID]
		case old.id == b.MemberID && old.epoch != leftStatic: // it did not hear our answer
			p.member = old
		case old.epoch != leftStatic:
			return fmt.Errorf("%w: Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.",
				kerr.UnreleasedInstanceID, b.MemberID, *b.InstanceID, old.id)
		default:
			p.replaced = old
		}
	}
	if joins {
		return nil
	}
	return p.member.checkEpoch(b.MemberEpoch, p.has)
}

func fencedStreams(m *streamsMember, id, instance string) error {
	switch {
	case m == nil:
		return fmt.Errorf("%w: Instance id %s is unknown.", kerr.UnknownMemberID, instance)
	case m.id != id:
		return fmt.Errorf("%w: Static member %s with instance id %s was fenced by member %s.", kerr.FencedInstanceID, id, instance, m.id)
	}
	return nil
}

func (m *streamsMember) checkEpoch(epoch int32, has *ownedTasks) error {
	switch {
	case epoch > m.epoch:
		return fmt.Errorf("%w: The streams group member has a greater member epoch (%d) than the one known by the group coordinator (%d). "+
			"The member must abandon all its partitions and rejoin.", kerr.FencedMemberEpoch, epoch, m.epoch)
	case epoch < m.epoch && (epoch != m.previous || !has.within(m.assigned)):
		return fmt.Errorf("%w: The streams group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). "+
			"The member must abandon all its partitions and rejoin.", kerr.FencedMemberEpoch, epoch, m.epoch)
	}
	return nil
}

// agree returns the group's topology: the first member brings it, later ones must have the same, or an older one.
func (g *streams) agree(b *StreamsBeat) (*topology, error) {
	if b.Topology == nil || g.topology != nil && g.topology.epoch > b.Topology.Epoch {
		return g.topology, nil // there is one: who joins brings it
	}
	t, err := newTopology(b.Topology)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kerr.InvalidRequest, err)
	}
	if g.topology != nil {
		if !bytes.Equal(t.encoded, g.topology.encoded) {
			return nil, invalid("Topology updates are not supported yet.")
		}
		return g.topology, nil
	}
	if len(t.encoded) > subscriptionBytesMax {
		return nil, invalid("a topology has %d bytes, the limit is %d", len(t.encoded), subscriptionBytesMax)
	}
	return t, t.check()
}

// take takes over what the heartbeat says, and returns the member, what it was before, and what its answer begins with.
func (g *streams) take(b *StreamsBeat, p prepared) (m *streamsMember, old streamsMember, status []kmsg.StreamsGroupHeartbeatResponseStatus) {
	wasEmpty := len(g.members) == 0
	m = p.member
	fresh := m == nil && p.replaced == nil
	switch {
	case p.replaced != nil:
		m = g.replace(p.replaced, b.MemberID)
	case fresh:
		m = newStreamsMember(strings.Clone(b.MemberID))
	}
	old = *m
	recompute := g.update(m, b, fresh)
	if fresh {
		g.add(m)
	}
	if g.topology == nil {
		g.topology = p.topology
		g.put(g.topologyRecord())
	} else if m.topologyEpoch < g.topology.epoch {
		status = append(status, kmsg.StreamsGroupHeartbeatResponseStatus{
			StatusCode: staleTopology, StatusDetail: fmt.Sprintf("The member's topology epoch %d is behind the group's topology epoch %d.", m.topologyEpoch, g.topology.epoch),
		})
	}
	validated := int32(noTopology)
	if p.config.ready() {
		validated = g.topology.epoch
	}
	m.report(b, p.config)
	configs := g.assignmentConfigs()
	recompute = recompute || p.hash != g.hash || validated != g.validated || !maps.Equal(configs, g.configs)
	g.config, g.hash, g.stale = p.config, p.hash, false
	if recompute {
		g.validated, g.configs = validated, configs
		g.bump()
	}
	if fresh {
		g.awaitMore(wasEmpty)
	}
	g.touch(m)
	if b.ShutdownApplication && g.shutdown == "" {
		g.shutdown = m.id
	}
	return m, old, status
}

// awaitMore has the first assignment of a group wait for members that come in a crowd: until nobody came for a while, at most for a quarter of a
// second, and no longer than the config says.
func (g *streams) awaitMore(first bool) {
	s := g.state.settings
	most := min(firstAssignMax, s.groupDuration(g.id, "streams.initial.rebalance.delay.ms", s.StreamsInitialDelay, 0, firstAssignMax))
	now := time.Now()
	switch {
	case first && most > 0:
		g.firstBy = now.Add(most)
	case g.firstTimer == nil:
		return
	}
	g.state.shard.Stop(g.firstTimer)
	g.firstTimer = g.state.shard.After(min(assignQuiet, g.firstBy.Sub(now)), func() {
		g.firstTimer = nil
		if g.current() {
			g.assignNow()
			g.flush(func(error) {}) // flush has logged it
		}
		g.release()
	})
}

// release lets those go on who wait for the first assignment.
func (g *streams) release() {
	waiting := g.waiting
	g.waiting = nil
	for _, w := range waiting {
		w()
	}
}

// answer makes the assignment if it is due, moves the member towards it, and says what to answer when that is durable.
func (g *streams) answer(b *StreamsBeat, m *streamsMember, old streamsMember, statuses []kmsg.StreamsGroupHeartbeatResponseStatus, has *ownedTasks,
) *kmsg.StreamsGroupHeartbeatResponse {
	resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	resp.Status = append([]kmsg.StreamsGroupHeartbeatResponseStatus{}, statuses...)
	status := func(code int8, detail string) {
		resp.Status = append(resp.Status, kmsg.StreamsGroupHeartbeatResponseStatus{StatusCode: code, StatusDetail: detail})
	}
	if why := g.assignIfDue(); why != "" {
		status(assignmentDelayed, why)
	}
	g.reconcile(m, g.target[m.id], has)
	resp.MemberID, resp.MemberEpoch, resp.HeartbeatIntervalMillis = m.id, m.epoch, int32(g.heartbeatInterval(m).Milliseconds())
	resp.TaskOffsetIntervalMillis, resp.AcceptableRecoveryLag = int32(taskOffsetInterval.Milliseconds()), acceptableLag
	moved := !m.assigned.equal(old.assigned)
	missed := b.MemberEpoch != old.epoch || has != nil && !has.is(m.assigned) // an answer may have been lost
	if b.MemberEpoch == 0 || moved || missed {
		resp.ActiveTasks, resp.StandbyTasks, resp.WarmupTasks = publicTasks(m.assigned.active), publicTasks(m.assigned.standby), []kmsg.TaskIDs{}
	}
	if !sameEndpoint(old.endpoint, m.endpoint) || moved && m.endpoint != nil {
		g.endpointEpoch++
	}
	if g.endpointEpoch != b.EndpointInformationEpoch {
		resp.PartitionsByUserEndpoint = g.endpoints()
	}
	resp.EndpointInformationEpoch = g.endpointEpoch
	if !g.config.ready() {
		detail := g.config.detail
		if g.createMissing(); g.createFailed != "" && g.config.status == missingInternalTopics {
			detail += "; Creation failed: " + g.createFailed + "."
		}
		status(g.config.status, detail)
	}
	if g.shutdown != "" {
		status(shutdownApplication, fmt.Sprintf("Streams group member %s encountered a fatal error and requested a shutdown for the entire application.", g.shutdown))
	}
	if missing := missingTags(g.configs[rackAwareTags], m.tags); b.Version >= 1 && len(missing) > 0 {
		status(missingClientTags, fmt.Sprintf("Missing required client tags for rack-aware standby assignment: [%s]. Configure them via 'client.tag.<tagKey>' in your Streams config.",
			strings.Join(missing, ", ")))
	}
	return resp
}

func missingTags(list string, has map[string]string) (out []string) {
	for _, tag := range configdef.SplitList(list) {
		if _, ok := has[tag]; !ok {
			out = append(out, tag)
		}
	}
	return out
}

// assignmentConfigs are the configs that an assignment depends on, by the names that records have them under.
func (g *streams) assignmentConfigs() map[string]string {
	s := g.state.settings
	standbys, tags := s.StreamsStandbys, s.StreamsTags
	if s.GroupConfig != nil {
		configs := g.state.settings.GroupConfig(g.id)
		if n, err := strconv.Atoi(strings.TrimSpace(configs["streams.num.standby.replicas"])); err == nil {
			standbys = min(max(n, 0), s.StreamsStandbysMax)
		}
		if list, ok := configs["streams.rack.aware.assignment.tags"]; ok {
			tags = list
		}
	}
	out := map[string]string{standbyReplicas: strconv.Itoa(standbys)}
	if names := configdef.SplitList(tags); len(names) > 0 {
		out[rackAwareTags] = strings.Join(names, ",")
	}
	return out
}

// assignIfDue makes the target assignment for the group epoch unless it has to wait; it says why.
func (g *streams) assignIfDue() (delayed string) {
	s := g.state.settings
	interval := s.groupDuration(g.id, "streams.assignment.interval.ms", s.StreamsInterval, s.StreamsIntervalMin, s.StreamsIntervalMax)
	switch {
	case g.firstTimer != nil:
		return "Assignment delayed due to the configured initial rebalance delay."
	case g.assignmentEpoch >= g.epoch:
	case g.assignedAtMs > 0 && time.Since(time.UnixMilli(g.assignedAtMs)) < interval:
		return "Assignment delayed due to the configured assignment interval."
	default:
		g.assignNow()
	}
	return ""
}

// assignNow makes the target assignment for the group epoch, if there is none yet, and puts the records of what changed. While topics are missing
// nobody has tasks.
func (g *streams) assignNow() {
	if g.assignmentEpoch >= g.epoch || g.config == nil {
		return
	}
	spec := streamsSpec{}
	if g.config.ready() {
		spec.standbys, _ = strconv.Atoi(g.configs[standbyReplicas])
		for i := range g.topology.subs {
			sub := &g.topology.subs[i]
			spec.subtopologies = append(spec.subtopologies,
				streamsSpecSubtopology{id: sub.SubtopologyID, tasks: g.config.tasks[sub.SubtopologyID], stateful: len(sub.StateChangelogTopics) > 0})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		spec.members = append(spec.members, streamsSpecMember{id: id, process: m.process, current: g.target[id], offsets: m.offsets})
	}
	began := time.Now()
	next := stickyTasks(spec)
	g.state.metrics.assignSeconds.Observe(time.Since(began).Seconds())
	for id, t := range next {
		if t.count() > targetMax {
			g.state.log.Error("no assignment, a member would get too many tasks", "group", g.id, "member", id, "tasks", t.count(), "limit", targetMax)
			return
		}
	}
	for _, m := range spec.members {
		t := next[m.id]
		if m.current != nil && m.current.equal(t) {
			continue
		}
		g.target[m.id] = t
		g.put(g.targetRecord(m.id, t))
	}
	g.assignmentEpoch, g.assignedAtMs = g.epoch, time.Now().UnixMilli()
	g.put(g.targetEpochRecord())
}

// update takes over what the heartbeat says of the member, puts its record if that changed it, and tells whether the group epoch must grow.
func (g *streams) update(m *streamsMember, b *StreamsBeat, fresh bool) (bump bool) {
	old := *m
	set := func(to *string, v *string) {
		if v != nil && *to != *v {
			*to = strings.Clone(*v)
		}
	}
	set(&m.instance, b.InstanceID)
	set(&m.rack, b.RackID)
	set(&m.process, b.ProcessID)
	m.clientID, m.clientHost = b.ClientID, b.ClientHost
	if m.instance != "" && m.instance != old.instance && !fresh {
		g.static[m.instance] = m.id
	}
	if b.RebalanceTimeoutMillis >= 0 {
		m.rebalanceTimeout = time.Duration(b.RebalanceTimeoutMillis) * time.Millisecond
	}
	if b.Topology != nil {
		m.topologyEpoch = b.Topology.Epoch
	}
	if b.ClientTags != nil {
		m.tags = make(map[string]string, len(b.ClientTags))
		for _, t := range b.ClientTags {
			m.tags[strings.Clone(t.Key)] = strings.Clone(t.Value)
		}
	}
	if b.UserEndpoint != nil {
		m.endpoint = &kmsg.Endpoint{Host: strings.Clone(b.UserEndpoint.Host), Port: b.UserEndpoint.Port}
	} else if b.MemberEpoch == 0 {
		m.endpoint = nil
	}
	counts := m.topologyEpoch != old.topologyEpoch || m.rack != old.rack || m.process != old.process || !maps.Equal(m.tags, old.tags)
	changed := fresh || counts || m.instance != old.instance || m.clientID != old.clientID || m.clientHost != old.clientHost ||
		m.rebalanceTimeout != old.rebalanceTimeout || !sameEndpoint(m.endpoint, old.endpoint)
	if changed {
		g.put(g.memberRecord(m))
	}
	if b.InstanceID != nil && !fresh {
		return counts
	}
	return changed
}

// report takes over what the member says of the states on its disk.
func (m *streamsMember) report(b *StreamsBeat, c *configured) {
	known := func(offsets []kmsg.TaskOffset) map[taskID]int64 {
		out := make(map[taskID]int64)
		for _, o := range offsets {
			if o.Partition >= 0 && o.Partition < c.tasks[o.SubtopologyID] {
				out[taskID{strings.Clone(o.SubtopologyID), o.Partition}] = o.Offset
			}
		}
		return out
	}
	if b.TaskOffsets != nil {
		m.offsets = known(b.TaskOffsets)
	}
	if b.TaskEndOffsets != nil {
		m.endOffsets = known(b.TaskEndOffsets)
	}
}

// replace puts a static member that comes back in the place of its old self, under its new id and with its tasks.
func (g *streams) replace(old *streamsMember, id string) *streamsMember {
	m := *old
	m.id, m.epoch, m.previous = strings.Clone(id), 0, 0
	m.timer, m.rebalance = nil, nil
	target := g.target[old.id]
	if target == nil {
		target = newTasks()
	}
	g.drop(old)
	if old.id != m.id {
		g.put(streamsMemberGone(g.id, old.id)...)
	}
	g.add(&m)
	g.target[m.id] = target
	g.put(g.memberRecord(&m), g.targetRecord(m.id, target), g.currentRecord(&m))
	return &m
}

// streamsLeaves handles a heartbeat with epoch -1 or -2.
func (s *state) streamsLeaves(b StreamsBeat, reply func(*kmsg.StreamsGroupHeartbeatResponse, error)) {
	found := s.groups[b.Group]
	if found == nil || found.unusedClassic() {
		reply(nil, fmt.Errorf("%w: Group %s not found.", kerr.GroupIDNotFound, b.Group))
		return
	}
	g, ok := found.kind.(*streams)
	if !ok || found.dying {
		reply(nil, fmt.Errorf("%w: Group %s is not a streams group.", kerr.GroupIDNotFound, b.Group))
		return
	}
	m := g.members[b.MemberID]
	err := error(nil)
	if b.InstanceID != nil {
		m = g.members[g.static[*b.InstanceID]]
		err = fencedStreams(m, b.MemberID, *b.InstanceID)
	} else if m == nil {
		err = g.unknown(b.MemberID)
	}
	if err != nil {
		reply(nil, err)
		return
	}
	if b.ShutdownApplication && g.shutdown == "" {
		g.shutdown = m.id
	}
	if b.MemberEpoch == leftStatic {
		g.state.shard.Stop(m.rebalance)
		g.held.release(m)
		m.epoch, m.revoking = leftStatic, newHeldTasks()
		for t := range m.assigned.active {
			m.assigned.active[t] = 0
		}
		g.held.take(m)
		g.put(g.currentRecord(m))
	} else {
		g.remove(m)
	}
	resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	resp.MemberID, resp.MemberEpoch, resp.Status = b.MemberID, b.MemberEpoch, []kmsg.StreamsGroupHeartbeatResponseStatus{}
	g.flush(func(err error) {
		if errors.Is(err, kerr.NotCoordinator) {
			err = kerr.NotCoordinator
		}
		if err != nil {
			resp = nil
		}
		reply(resp, err)
	})
}

// unusedClassic tells whether the group is only offsets that somebody committed, or a request.
func (g *group) unusedClassic() bool {
	c, ok := g.kind.(*classic)
	return ok && c.unused() && len(g.offsets) == 0
}
