package group

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
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
