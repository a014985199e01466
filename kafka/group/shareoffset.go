package group

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/sharestate"
	"weir/metadata"
)

// ShareDescription is a share group as ShareGroupDescribe shows it.
type ShareDescription struct {
	State           string
	Epoch           int32
	AssignmentEpoch int32
	Assignor        string
	Members         []ShareMember
}

// ShareMember is a member of a share group.
type ShareMember struct {
	ID, Rack             string // Rack is "" for none
	Epoch                int32
	ClientID, ClientHost string
	Topics               []string
	Assignment           []TopicPartitions
}

// describeShare returns GROUP_ID_NOT_FOUND for what is no share group.
func (s *state) describeShare(id string) (ShareDescription, error) {
	found := s.groups[id]
	if found == nil {
		return ShareDescription{}, fmt.Errorf("%w: Group %s not found.", kerr.GroupIDNotFound, id) //nolint:staticcheck // as Kafka writes it
	}
	g, ok := found.kind.(*share)
	if !ok {
		return ShareDescription{}, fmt.Errorf("%w: Group %s is not a share group.", kerr.GroupIDNotFound, id) //nolint:staticcheck // as above
	}
	d := ShareDescription{State: found.stateName(), Epoch: g.epoch, AssignmentEpoch: g.assignmentEpoch, Assignor: "simple"}
	for _, m := range g.members {
		d.Members = append(d.Members, ShareMember{
			ID: m.id, Rack: m.rack, Epoch: m.epoch, ClientID: m.clientID, ClientHost: m.clientHost, Topics: slices.Clone(m.names),
			Assignment: g.public(m.assigned.plain()),
		})
	}
	slices.SortFunc(d.Members, func(a, b ShareMember) int { return strings.Compare(a.ID, b.ID) })
	return d, nil
}

// ShareBeat handles ShareGroupHeartbeat. A member that joins is answered when there is an assignment.
func (c *Coordinator) ShareBeat(ctx context.Context, b ShareBeat) ShareBeatResult {
	if err := b.check(); err != nil {
		return ShareBeatResult{Err: err}
	}
	r, err := ask(ctx, c, b.Group, func(s *state, done func(ShareBeatResult)) { s.shareBeat(b, done) })
	if err != nil {
		return ShareBeatResult{Err: err}
	}
	return r
}

// DescribeShare handles one group of ShareGroupDescribe.
func (c *Coordinator) DescribeShare(ctx context.Context, id string) (ShareDescription, error) {
	if id == "" {
		return ShareDescription{}, kerr.InvalidGroupID
	}
	var d ShareDescription
	var missing error
	if err := c.do(ctx, id, func(s *state) { d, missing = s.describeShare(id) }); err != nil {
		return ShareDescription{}, fmt.Errorf("describe group: %w", err)
	}
	return d, missing
}

// ask calls fn with the state of the group's shard, and returns what fn tells done, later perhaps.
func ask[R any](ctx context.Context, c *Coordinator, group string, fn func(s *state, done func(R))) (R, error) {
	done := make(chan R, 1)
	var none R
	if err := c.do(ctx, group, func(s *state) { fn(s, func(r R) { done <- r }) }); err != nil {
		return none, err
	}
	select {
	case r := <-done:
		return r, nil
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// ShareOffset is the share-partition start offset of a partition. Err is why there is none.
type ShareOffset struct {
	Topic     metadata.TopicID
	Partition int32
	Start     int64 // -1: not yet known
	Epoch     int32 // of the leader that wrote it last
	Complete  int32 // deliveries from Start on that are completed; -1: not known
	Err       error
}

// ShareOffsets handles one group of DescribeShareGroupOffsets: the offsets of want, or of all partitions that have some if want is nil.
func (c *Coordinator) ShareOffsets(ctx context.Context, id string, want []ShareOffset) ([]ShareOffset, error) {
	if want == nil {
		err := c.do(ctx, id, func(s *state) {
			g := s.share(id)
			if g == nil {
				return
			}
			for _, t := range sortedTopics(g.topics) {
				for _, p := range slices.Sorted(maps.Keys(g.topics[t].initialized)) {
					want = append(want, ShareOffset{Topic: t, Partition: p})
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if c.deps.Shares == nil {
		return nil, kerr.UnsupportedVersion
	}
	todo := make([]*stateOf, len(want))
	for i := range want {
		todo[i] = &stateOf{partitionID: partitionID{want[i].Topic, want[i].Partition}, start: int64(i)}
	}
	eachState(ctx, todo, func(ctx context.Context, x *stateOf) error {
		st, err := c.deps.Shares.StateSummary(ctx, sharestate.Key{Group: id, Topic: x.topic, Partition: x.partition})
		out := &want[x.start]
		if out.Start, out.Epoch, out.Complete, out.Err = st.Start, st.LeaderEpoch, st.Complete, err; err != nil {
			out.Start, out.Epoch, out.Complete = -1, 0, -1
		}
		return err
	})
	return want, nil
}

// AlterShareOffsets handles AlterShareGroupOffsets: the group, which must have no members and is made if there is none, begins anew at these
// offsets. Each gets its outcome. NON_EMPTY_GROUP, INVALID_GROUP_ID, GROUP_ID_NOT_FOUND (it is another kind of group).
func (c *Coordinator) AlterShareOffsets(ctx context.Context, id string, offsets []ShareOffset) error {
	if id == "" {
		return kerr.InvalidGroupID
	}
	err, lost := ask(ctx, c, id, func(s *state, done func(error)) { s.alterShare(id, offsets, done) })
	if lost != nil {
		return lost
	}
	return err
}

func (s *state) alterShare(id string, offsets []ShareOffset, reply func(error)) {
	g, install, err := s.shareFor(id, true)
	switch {
	case err != nil:
	case len(g.members) > 0:
		err = kerr.NonEmptyGroup
	case g.busy || g.working || s.shares.states == nil:
		err = kerr.CoordinatorNotAvailable
	}
	if err != nil {
		if g != nil {
			g.forgetIfUnused()
		}
		reply(err)
		return
	}
	if install != nil {
		install()
	}
	g.epoch++
	g.stored = true
	g.put(g.format().epochRecord(g.modern))
	var todo []*stateOf
	for i := range offsets {
		o := &offsets[i]
		info, ok := s.catalog.byID(o.Topic)
		if !ok || o.Partition < 0 || o.Partition >= info.partitions {
			o.Err = kerr.UnknownTopicOrPartition
			continue
		}
		t := g.topic(info.id, info.name)
		t.initializing[o.Partition], t.deleting = true, false
		todo = append(todo, &stateOf{partitionID: partitionID{o.Topic, o.Partition}, start: o.Start})
	}
	if len(todo) > 0 {
		g.put(g.statesRecord())
	}
	g.busy = true
	epoch := g.epoch
	g.flush(func(err error) {
		if err != nil || !s.shares.jobs.start(func(ctx context.Context) {
			g.initializeAll(ctx, epoch, todo)
			if err := s.shard.Locked(func() { g.altered(offsets, todo, reply) }); err != nil {
				reply(kerr.NotCoordinator)
			}
		}) {
			g.busy = false
			if err == nil {
				err = kerr.NotCoordinator
			}
			reply(err)
		}
	})
}

// altered takes over the outcomes.
func (g *share) altered(offsets []ShareOffset, done []*stateOf, reply func(error)) {
	g.busy = false
	outcome := make(map[partitionID]error, len(done))
	for _, x := range done {
		outcome[x.partitionID] = x.err
	}
	for i := range offsets {
		if err, ok := outcome[partitionID{offsets[i].Topic, offsets[i].Partition}]; ok {
			offsets[i].Err = err
		}
	}
	if g.settle(done) {
		g.put(g.statesRecord())
	}
	g.flush(reply)
}

// DeleteShareOffsets handles DeleteShareGroupOffsets: the group, which must have no members, forgets the topics. There is an outcome for each, or
// one for all: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, INVALID_GROUP_ID.
func (c *Coordinator) DeleteShareOffsets(ctx context.Context, id string, topics []string) (map[string]ShareDeleted, error) {
	if strings.TrimSpace(id) == "" {
		return nil, kerr.InvalidGroupID
	}
	type result struct {
		each map[string]ShareDeleted
		all  error
	}
	r, err := ask(ctx, c, id, func(s *state, done func(result)) {
		s.deleteShareOffsets(id, topics, func(each map[string]ShareDeleted, all error) { done(result{each, all}) })
	})
	if err != nil {
		return nil, err
	}
	return r.each, r.all
}

// ShareDeleted is the outcome for a topic.
type ShareDeleted struct {
	Topic metadata.TopicID
	Err   error
}

func (s *state) deleteShareOffsets(id string, topics []string, reply func(map[string]ShareDeleted, error)) {
	g, _, err := s.shareFor(id, false)
	switch {
	case err != nil:
	case len(g.members) > 0:
		err = kerr.NonEmptyGroup
	case g.busy || g.working || s.shares.states == nil:
		err = kerr.CoordinatorNotAvailable
	}
	if err != nil {
		reply(nil, err)
		return
	}
	out := make(map[string]ShareDeleted, len(topics))
	names := make(map[metadata.TopicID]string)
	var ids []metadata.TopicID
	for _, name := range topics {
		info, ok := s.catalog.byName(name)
		if !ok {
			out[name] = ShareDeleted{Err: kerr.UnknownTopicOrPartition}
			continue
		}
		t := g.topics[info.id]
		if t == nil || len(t.initialized) == 0 && !t.deleting {
			out[name] = ShareDeleted{Err: fmt.Errorf("%w: There is no offset information to delete.", kerr.UnknownTopicOrPartition)} //nolint:staticcheck // as Kafka writes it
			continue
		}
		if _, twice := names[info.id]; !twice {
			ids = append(ids, info.id)
		}
		names[info.id] = name
	}
	if len(ids) == 0 {
		reply(out, nil)
		return
	}
	g.deleteStates(ids, func(each map[metadata.TopicID]error) {
		for t, err := range each {
			out[names[t]] = ShareDeleted{Topic: t, Err: err}
		}
		reply(out, nil)
	})
}

// clearShare deletes the states of a share group that is about to be deleted. Of other groups there is nothing to do.
func (s *state) clearShare(id string, reply func(error)) {
	g := s.share(id)
	if g == nil || g.dying || g.mayDelete() != nil || len(g.topics) == 0 {
		reply(nil)
		return
	}
	if g.busy || g.working || s.shares.states == nil {
		reply(kerr.CoordinatorNotAvailable)
		return
	}
	g.deleteStates(sortedTopics(g.topics), func(each map[metadata.TopicID]error) {
		for _, err := range each {
			if err != nil {
				reply(err)
				return
			}
		}
		reply(nil)
	})
}
