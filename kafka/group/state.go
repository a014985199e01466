package group

import (
	"log/slog"

	"weir/kafka/coordinator"
	"weir/metadata"
)

// state is one shard: the groups whose ids hash to one partition of __consumer_offsets.
type state struct {
	shard    *coordinator.Shard
	settings *Settings
	metrics  *metrics
	log      *slog.Logger
	topics   func(name string) (metadata.TopicID, bool) // those that exist now
	groups   map[string]*group
}

var _ coordinator.State = (*state)(nil)

func newState(shard *coordinator.Shard, settings *Settings, topics func(string) (metadata.TopicID, bool), m *metrics, log *slog.Logger) *state {
	return &state{
		shard: shard, settings: settings, topics: topics, metrics: m, log: log.With("partition", shard.Index()), groups: make(map[string]*group),
	}
}

// begin makes a group that a client asks for, or returns nil if there are too many.
func (s *state) begin(id string) *group {
	if len(s.groups) >= s.settings.GroupsMax {
		s.metrics.groupsRefused.Inc()
		return nil
	}
	g := newGroup(s, id)
	s.groups[id] = g
	return g
}

// classic returns the group if it is a classic one, else nil.
func (s *state) classic(id string) *classic {
	if g := s.groups[id]; g != nil {
		c, _ := g.kind.(*classic)
		return c
	}
	return nil
}

// Loaded implements coordinator.State: members get a whole session to show that they are still there.
func (s *state) Loaded() {
	for _, g := range s.groups {
		g.kind.loaded()
		g.forgetIfUnused()
	}
	s.shard.After(s.settings.RetentionCheck, s.sweep)
	if len(s.groups) > 0 {
		s.log.Info("groups loaded", "groups", len(s.groups))
	}
}

// Closed implements coordinator.State: whoever waits is sent to look for the new coordinator.
func (s *state) Closed(reason error) {
	for _, g := range s.groups {
		g.kind.closed(reason)
	}
}
