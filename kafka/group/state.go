package group

import (
	"log/slog"
	"sync/atomic"

	"weir/kafka/coordinator"
)

// state is one shard: the groups whose ids hash to one partition of __consumer_offsets.
type state struct {
	shard    *coordinator.Shard
	settings *Settings
	metrics  *metrics
	log      *slog.Logger
	catalog  catalog
	groups   map[string]*group

	assignors      map[string]assignor
	consumerFormat *format
	members        *atomic.Int64 // of modern groups, of all shards
	closing        error         // why the shard serves no more
	shares         *shareWork
	pending        pending // offsets of open transactions

	topicsOfStreams *streamsWork
}

var _ coordinator.State = (*state)(nil)

func newState(shard *coordinator.Shard, settings *Settings, topics catalog, members *atomic.Int64, m *metrics, log *slog.Logger) *state {
	return &state{
		shard: shard, settings: settings, catalog: topics, metrics: m, log: log.With("partition", shard.Index()), groups: make(map[string]*group),
		assignors: assignors(), consumerFormat: consumerFormat(), members: members, shares: &shareWork{},
		topicsOfStreams: &streamsWork{},
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

// topicsChanged is called when topics of these names came, went or have more partitions now.
func (s *state) topicsChanged(names []string) {
	for _, g := range s.groups {
		switch k := g.kind.(type) {
		case *consumer:
			if len(k.members) == 0 {
				continue
			}
			k.matchAgain(names)
			k.refresh()
			g.flush(k.logFailure)
		case interface{ topicsChanged(names []string) }:
			k.topicsChanged(names)
		}
	}
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
	s.closing = reason
	for _, g := range s.groups {
		g.kind.closed(reason)
	}
}
