package group

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerType is the protocol type of consumers, whose subscriptions we can read.
const consumerType = "consumer"

// Description is a group as DescribeGroups shows it.
type Description struct {
	State        string
	ProtocolType string
	Protocol     string
	Members      []MemberDescription
}

// MemberDescription is a member. Metadata and Assignment are there in stable groups only.
type MemberDescription struct {
	ID, Instance, ClientID, ClientHost string
	Metadata, Assignment               []byte
}

// describe returns GROUP_ID_NOT_FOUND for a group that does not exist.
func (s *state) describe(id string) (Description, error) {
	g := s.classic(id)
	switch {
	case s.groups[id] == nil:
		return Description{State: Dead.String()}, fmt.Errorf("%w: Group %s not found.", kerr.GroupIDNotFound, id)
	case g == nil:
		return Description{State: Dead.String()}, fmt.Errorf("%w: Group %s is not a classic group.", kerr.GroupIDNotFound, id)
	}
	d := Description{State: g.stateName(), ProtocolType: g.protocolType}
	if g.status == Stable {
		d.Protocol = g.protocolName
	}
	for _, m := range g.inOrder() {
		md := MemberDescription{ID: m.id, Instance: m.instance, ClientID: m.clientID, ClientHost: m.clientHost}
		if g.status == Stable {
			md.Metadata, md.Assignment = m.metadata(g.protocolName), m.assignment
		}
		d.Members = append(d.Members, md)
	}
	return d, nil
}

// Listing is a group as ListGroups shows it.
type Listing struct {
	Group        string
	ProtocolType string
	State        string
	Type         string
}

// list returns the groups that are in one of the states and of one of the types; a filter that is empty lets all pass.
func (s *state) list(states, types []string) []Listing {
	match := func(filter []string, is string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(want string) bool { return strings.EqualFold(want, is) })
	}
	var out []Listing
	for _, g := range s.groups {
		l := Listing{Group: g.id, ProtocolType: g.kind.protocol(), State: g.stateName(), Type: g.kind.name()}
		if match(states, l.State) && match(types, l.Type) {
			out = append(out, l)
		}
	}
	return out
}

// subscribedTopics are the topics that a consumer group's members subscribe to; ok is false if not all subscriptions can be read.
func (g *classic) subscribedTopics() (topics map[string]bool, ok bool) {
	topics, ok = make(map[string]bool), true
	for _, m := range g.members {
		protocol := g.protocolName
		if protocol == "" && len(m.protocols) > 0 {
			protocol = m.protocols[0].Name
		}
		var sub kmsg.ConsumerMemberMetadata
		if err := sub.ReadFrom(m.metadata(protocol)); err != nil {
			ok = false
			continue
		}
		for _, t := range sub.Topics {
			topics[t] = true
		}
	}
	return topics, ok
}
