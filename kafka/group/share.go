package group

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
	"weir/kafka/sharestate"
	"weir/metadata"
)

// ShareStates is where the delivery states of share groups are kept: the share coordinators of the cluster. Its methods block.
type ShareStates interface {
	InitializeState(ctx context.Context, k sharestate.Key, stateEpoch int32, start int64) error
	DeleteState(ctx context.Context, k sharestate.Key) error
	StateSummary(ctx context.Context, k sharestate.Key) (sharestate.State, error)
}

// shareWork is what share groups need beyond their shard.
type shareWork struct {
	states ShareStates // nil: there are no share groups
	jobs   jobs
}

// share is a share group (KIP-932). Several members may have the same partition. Only partitions whose delivery state was initialized are assigned.
type share struct {
	*modern
	topics  map[metadata.TopicID]*shareTopic // whose states exist, or are about to
	busy    bool                             // states are being deleted or altered: nobody may join
	working bool                             // states are being initialized
	retry   time.Time                        // when initializing may be tried again after it failed
}

// shareTopic is what the group knows of the states of a topic's partitions.
type shareTopic struct {
	name         string
	initializing map[int32]bool
	initialized  map[int32]bool
	deleting     bool
}

var _ modernKind = (*share)(nil)

func newShare(g *group) *share {
	s := &share{topics: make(map[metadata.TopicID]*shareTopic)}
	s.modern = newModern(g, s)
	return s
}

func (g *share) name() string     { return "share" }
func (g *share) protocol() string { return "share" }
func (g *share) format() *format  { return shareFormat() }

func (g *share) stateName() string {
	if len(g.members) == 0 {
		return "Empty"
	}
	return "Stable"
}

// current tells whether the group is still this one.
func (g *share) current() bool {
	return g.state.closing == nil && g.state.groups[g.id] == g.group && g.group.kind == kind(g)
}

// kept says that the group does not expire although it has no offsets: its states stay until it is deleted.
func (g *share) kept() bool { return true }

func (g *share) notConsumer() error {
	return fmt.Errorf("%w: Group %s is not a consumer group.", kerr.GroupIDNotFound, g.id) //nolint:staticcheck // as Kafka writes it
}

func (g *share) mayCommit(*Commit) (func(*Offset) error, error) { return nil, g.notConsumer() }

func (g *share) mayFetch(member *string, epoch int32) error {
	if member == nil && epoch < 0 {
		return nil // it has no offsets
	}
	return g.notConsumer()
}

func (g *share) mayDeleteOffsets() (func(string) bool, error) { return nil, g.notConsumer() }

func (g *share) mayDelete() error {
	if len(g.members) > 0 {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *share) tombstones() []coordinator.Record {
	return append(g.modern.tombstones(), coordinator.Record{Key: groupKeyOf(shareStatesKey, g.id)})
}

func (g *share) loaded() {
	g.rebuild()
	for _, m := range g.members {
		g.touch(m, g.sessionTimeout())
	}
	if !g.refresh() && g.epoch > g.assignmentEpoch {
		g.scheduleAssign()
	}
	g.initialize()
	g.flush(g.logFailure)
}

func (g *share) closed(error) { g.stopTimers() }

func (g *share) subscribed(m *modernMember, add func(string)) {
	for _, t := range m.names {
		add(t)
	}
}

// assign gives out only partitions whose state was initialized.
func (g *share) assign(s spec) (map[string]assignment, error) {
	ready := make(assignment, len(s.topics))
	for id, n := range s.topics {
		t := g.topics[id]
		if t == nil {
			continue
		}
		for p := range t.initialized {
			if p < n {
				ready[id] = append(ready[id], p)
			}
		}
		slices.Sort(ready[id])
	}
	return simple(s, ready), nil
}

func (g *share) targetChanged()        {}
func (g *share) removed(*modernMember) {}

// topicsChanged is called when topics of these names came, went or have more partitions now.
func (g *share) topicsChanged([]string) {
	changed := false
	for id, t := range g.topics {
		if _, ok := g.state.catalog.byID(id); !ok {
			if now, ok := g.state.catalog.byName(t.name); !ok || now.id != id {
				delete(g.topics, id) // its states go by themselves
				changed = true
			}
		}
	}
	if changed {
		g.put(g.statesRecord())
	}
	if len(g.members) > 0 {
		g.refresh()
		g.initialize()
	}
	g.flush(g.logFailure)
}

func (g *share) sessionTimeout() time.Duration {
	s := g.state.settings
	return s.groupDuration(g.id, "share.session.timeout.ms", s.ShareSessionTimeout, s.ShareSessionTimeoutMin, s.ShareSessionTimeoutMax)
}

// heartbeatInterval is when the member shall come again. What the broker's config says is an upper bound; what the group's config says holds.
func (g *share) heartbeatInterval(m *modernMember) time.Duration {
	s := g.state.settings
	const name = "share.heartbeat.interval.ms"
	if s.GroupConfig != nil {
		if _, ok := s.GroupConfig(g.id)[name]; ok {
			return s.groupDuration(g.id, name, s.ShareHeartbeat, s.ShareHeartbeatMin, s.ShareHeartbeatMax)
		}
	}
	return min(g.state.beatInterval(g.epoch > m.epoch || g.working), s.ShareHeartbeat)
}
