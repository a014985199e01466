package group

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeStreams handles one group of StreamsGroupDescribe. INVALID_GROUP_ID, GROUP_ID_NOT_FOUND (also for what is no streams group).
func (c *Coordinator) DescribeStreams(ctx context.Context, id string) (kmsg.StreamsGroupDescribeResponseGroup, error) {
	var d kmsg.StreamsGroupDescribeResponseGroup
	if id == "" {
		return d, kerr.InvalidGroupID
	}
	var missing error
	if err := c.do(ctx, id, func(s *state) { d, missing = s.describeStreams(id) }); err != nil {
		return d, fmt.Errorf("describe group: %w", err)
	}
	return d, missing
}

func (s *state) describeStreams(id string) (kmsg.StreamsGroupDescribeResponseGroup, error) {
	d := kmsg.NewStreamsGroupDescribeResponseGroup()
	found := s.groups[id]
	if found == nil {
		return d, fmt.Errorf("%w: Group %s not found.", kerr.GroupIDNotFound, id)
	}
	g, ok := found.kind.(*streams)
	if !ok {
		return d, fmt.Errorf("%w: Group %s is not a streams group.", kerr.GroupIDNotFound, id)
	}
	assignor := "sticky"
	d.Group, d.State, d.Epoch, d.AssignmentEpoch, d.AssignorName = id, found.stateName(), g.epoch, g.assignmentEpoch, &assignor
	if g.topology != nil {
		d.Topology = g.describeTopology()
	}
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		d.Members = append(d.Members, g.describeMember(g.members[id]))
	}
	return d, nil
}

func (g *streams) describeMember(m *streamsMember) kmsg.StreamsGroupDescribeResponseGroupMember {
	om := kmsg.NewStreamsGroupDescribeResponseGroupMember()
	om.MemberID, om.MemberEpoch, om.InstanceID, om.RackID = m.id, m.epoch, nullable(m.instance), nullable(m.rack)
	om.ClientID, om.ClientHost, om.TopologyEpoch, om.ProcessID = m.clientID, m.clientHost, m.topologyEpoch, m.process
	if m.endpoint != nil {
		om.UserEndpoint = &kmsg.StreamsGroupDescribeResponseGroupMemberUserEndpoint{Host: m.endpoint.Host, Port: m.endpoint.Port}
	}
	for _, k := range slices.Sorted(maps.Keys(m.tags)) {
		om.ClientTags = append(om.ClientTags, kmsg.StreamsGroupDescribeResponseGroupMemberClientTag{Key: k, Value: m.tags[k]})
	}
	offsets := func(of map[taskID]int64) (out []kmsg.TaskOffset) {
		for _, t := range sortedTasks(of) {
			out = append(out, kmsg.TaskOffset{SubtopologyID: t.subtopology, Partition: t.partition, Offset: of[t]})
		}
		return out
	}
	om.TaskOffsets, om.TaskEndOffsets = offsets(m.offsets), offsets(m.endOffsets)
	om.Assignment = kmsg.StreamsAssignment{ActiveTasks: publicTasks(m.assigned.active), StandbyTasks: publicTasks(m.assigned.standby)}
	if t := g.target[m.id]; t != nil {
		om.TargetAssignment = kmsg.StreamsAssignment{ActiveTasks: publicTasks(t.active), StandbyTasks: publicTasks(t.standby)}
	}
	return om
}

// describeTopology has the numbers of partitions that were decided, once all topics are there.
func (g *streams) describeTopology() *kmsg.StreamsGroupDescribeResponseGroupTopology {
	out := &kmsg.StreamsGroupDescribeResponseGroupTopology{Epoch: g.topology.epoch, Subtopologies: []kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology{}}
	infos := func(topics []kmsg.TopicInfo) []kmsg.TopicInfo {
		ts := slices.Clone(topics)
		for i := range ts {
			if g.config != nil && g.config.ready() && ts[i].NumPartitions == 0 {
				ts[i].NumPartitions = g.config.counts[ts[i].Topic]
			}
		}
		slices.SortFunc(ts, func(a, b kmsg.TopicInfo) int { return strings.Compare(a.Topic, b.Topic) })
		return ts
	}
	for i := range g.topology.subs {
		s := &g.topology.subs[i]
		out.Subtopologies = append(out.Subtopologies, kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology{
			SubtopologyID: s.SubtopologyID, SourceTopics: slices.Sorted(slices.Values(s.SourceTopics)),
			RepartitionSinkTopics: slices.Sorted(slices.Values(s.RepartitionSinkTopics)),
			StateChangelogTopics:  infos(s.StateChangelogTopics), RepartitionSourceTopics: infos(s.RepartitionSourceTopics),
		})
	}
	return out
}

func sameEndpoint(a, b *kmsg.Endpoint) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Host == b.Host && a.Port == b.Port
}

// endpoints says which partitions can be asked for where; never nil.
func (g *streams) endpoints() []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpoint {
	out := []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpoint{}
	if !g.config.ready() {
		return out
	}
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		if m.endpoint == nil {
			continue
		}
		e := kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpoint{UserEndpoint: *m.endpoint}
		for name, ps := range g.partitionsOf(publicTasks(m.assigned.active)) {
			e.ActivePartitions = append(e.ActivePartitions, kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointActivePartition{Topic: name, Partitions: ps})
		}
		for name, ps := range g.partitionsOf(publicTasks(m.assigned.standby)) {
			e.StandbyPartitions = append(e.StandbyPartitions, kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointStandbyPartition{Topic: name, Partitions: ps})
		}
		out = append(out, e)
	}
	return out
}

// partitionsOf are the partitions that tasks read, by topic.
func (g *streams) partitionsOf(ids []kmsg.TaskIDs) map[string][]int32 {
	out := make(map[string][]int32)
	for _, t := range ids {
		for _, name := range g.topology.reads[t.SubtopologyID] {
			info, _ := g.state.catalog.byName(name)
			for _, p := range t.Partitions {
				if p < info.partitions {
					out[name] = append(out[name], p)
				}
			}
		}
	}
	return out
}
