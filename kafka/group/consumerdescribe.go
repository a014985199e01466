package group

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ConsumerDescription is a consumer group as ConsumerGroupDescribe shows it.
type ConsumerDescription struct {
	State           string
	Epoch           int32
	AssignmentEpoch int32
	Assignor        string
	Members         []ConsumerMember
}

// ConsumerMember is a member of a consumer group.
type ConsumerMember struct {
	ID, Instance, Rack   string // Instance and Rack are "" for none
	Epoch                int32
	ClientID, ClientHost string
	Topics               []string
	Regex                string
	Assignment, Target   []TopicPartitions
	Classic              bool // it speaks the classic protocol
}

// TopicPartitions are some partitions of a topic that exists.
type TopicPartitions struct {
	Topic      string
	TopicID    [16]byte
	Partitions []int32
}

// describeConsumer returns GROUP_ID_NOT_FOUND for what is no consumer group.
func (s *state) describeConsumer(id string) (ConsumerDescription, error) {
	found := s.groups[id]
	if found == nil {
		return ConsumerDescription{}, fmt.Errorf("%w: Group %s not found.", kerr.GroupIDNotFound, id)
	}
	g, ok := found.kind.(*consumer)
	if !ok {
		return ConsumerDescription{}, fmt.Errorf("%w: Group %s is not a consumer group.", kerr.GroupIDNotFound, id)
	}
	d := ConsumerDescription{State: found.stateName(), Epoch: g.epoch, AssignmentEpoch: g.assignmentEpoch, Assignor: g.assignor()}
	for _, m := range g.members {
		d.Members = append(d.Members, ConsumerMember{
			ID: m.id, Instance: m.instance, Rack: m.rack, Epoch: m.epoch, ClientID: m.clientID, ClientHost: m.clientHost,
			Topics: slices.Clone(m.names), Regex: m.regex, Classic: m.classic != nil,
			Assignment: g.public(m.assigned.plain()), Target: g.public(g.target[m.id]),
		})
	}
	slices.SortFunc(d.Members, func(a, b ConsumerMember) int { return strings.Compare(a.ID, b.ID) })
	return d, nil
}

// public is an assignment with names. Topics that are gone are left out.
func (g *modern) public(a assignment) []TopicPartitions {
	var out []TopicPartitions
	for _, id := range sortedTopics(a) {
		if t, ok := g.state.catalog.byID(id); ok {
			out = append(out, TopicPartitions{Topic: t.name, TopicID: id, Partitions: slices.Clone(a[id])})
		}
	}
	return out
}
