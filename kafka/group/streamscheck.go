package group

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
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
