package group

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/sharestate"
	"weir/metadata"
)

const (
	// initRetry is how long a group waits after states could not be initialized.
	initRetry = time.Second
	// statesAtOnce is how many states of one group are initialized, deleted or read at the same time.
	statesAtOnce = 16
)

// stateOf is a state to be initialized.
type stateOf struct {
	partitionID
	start int64 // -1: where share.auto.offset.reset says
	err   error // the outcome
}

// initialize sees to it that all partitions of the topics that members subscribe to have a delivery state: the record that says what is coming is put
// here, the rest follows when it is durable.
func (g *share) initialize() {
	if g.working || g.busy || g.state.shares.states == nil || time.Now().Before(g.retry) || len(g.members) == 0 {
		return
	}
	var todo []*stateOf
	for name := range g.modern.topics {
		info, ok := g.state.catalog.byName(name)
		if !ok {
			continue
		}
		if t := g.topics[info.id]; t != nil && len(t.initialized) >= int(info.partitions) {
			continue
		}
		t := g.topic(info.id, info.name)
		start := int64(-1)
		if len(t.initialized) > 0 {
			start = 0 // partitions that a topic gets later are read from their start, or records would be missed
		}
		for p := range info.partitions {
			if !t.initialized[p] {
				t.initializing[p] = true
				todo = append(todo, &stateOf{partitionID: partitionID{info.id, p}, start: start})
			}
		}
		t.deleting = false
	}
	if len(todo) == 0 {
		return
	}
	g.working = true
	epoch := g.epoch
	g.put(g.statesRecord())
	g.flush(func(err error) {
		if err != nil || !g.current() || !g.state.shares.jobs.start(func(ctx context.Context) {
			g.initializeAll(ctx, epoch, todo)
			_ = g.state.shard.Locked(func() { g.initialized(todo) }) // closed: the next coordinator tries again
		}) {
			g.working = false
		}
	})
}

// initializeAll calls the share coordinators. It is called without the lock.
func (g *share) initializeAll(ctx context.Context, epoch int32, todo []*stateOf) {
	eachState(ctx, todo, func(ctx context.Context, x *stateOf) error {
		return g.state.shares.states.InitializeState(ctx, g.key(x.partitionID), epoch, x.start)
	})
}

func (g *share) key(p partitionID) sharestate.Key {
	return sharestate.Key{Group: g.id, Topic: p.topic, Partition: p.partition}
}

// eachState calls fn for all, several at the same time, and keeps the outcomes.
func eachState(ctx context.Context, all []*stateOf, fn func(context.Context, *stateOf) error) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, statesAtOnce)
	for _, x := range all {
		slots <- struct{}{}
		wg.Go(func() {
			x.err = fn(ctx, x)
			<-slots
		})
	}
	wg.Wait()
}

// initialized takes over the outcomes, and has partitions that are ready assigned.
func (g *share) initialized(done []*stateOf) {
	g.working = false
	if !g.current() {
		return
	}
	ready := g.settle(done)
	for _, x := range done {
		if x.err != nil && !errors.Is(x.err, context.Canceled) {
			g.retry = time.Now().Add(initRetry)
			g.state.log.Warn("share group state not initialized", "group", g.id, "partition", x.partition, "err", x.err)
			break
		}
	}
	if ready {
		g.put(g.statesRecord())
		g.bump()
	}
	g.flush(g.logFailure)
}

// settle moves what was initialized from one set to the other, and tells whether there was anything.
func (g *share) settle(done []*stateOf) (ready bool) {
	for _, x := range done {
		t := g.topics[x.topic]
		if t == nil || x.err != nil {
			continue
		}
		delete(t.initializing, x.partition)
		t.initialized[x.partition] = true
		ready = true
	}
	return ready
}

// deleteStates forgets the states of topics; nobody may join meanwhile. reply is told the outcome for each topic.
func (g *share) deleteStates(ids []metadata.TopicID, reply func(map[metadata.TopicID]error)) {
	var todo []*stateOf
	for _, id := range ids {
		t := g.topics[id]
		n := int32(0)
		if info, ok := g.state.catalog.byID(id); ok && t.deleting {
			n = info.partitions // of an earlier try it is not known which are left
		}
		for p := range n {
			t.initialized[p] = true
		}
		for _, set := range []map[int32]bool{t.initialized, t.initializing} {
			for p := range set {
				todo = append(todo, &stateOf{partitionID: partitionID{id, p}})
			}
		}
		t.initialized, t.initializing, t.deleting = make(map[int32]bool), make(map[int32]bool), true
	}
	g.busy = true
	g.put(g.statesRecord())
	fail := func(err error) {
		g.busy = false
		out := make(map[metadata.TopicID]error, len(ids))
		for _, id := range ids {
			out[id] = err
		}
		reply(out)
	}
	g.flush(func(err error) {
		if err != nil {
			fail(err)
			return
		}
		started := g.state.shares.jobs.start(func(ctx context.Context) {
			eachState(ctx, todo, func(ctx context.Context, x *stateOf) error {
				err := g.state.shares.states.DeleteState(ctx, g.key(x.partitionID))
				if errors.Is(err, kerr.UnknownTopicOrPartition) {
					return nil
				}
				return err
			})
			out := make(map[metadata.TopicID]error, len(ids))
			for _, id := range ids {
				out[id] = nil
			}
			for _, x := range todo {
				if x.err != nil {
					out[x.topic] = x.err
				}
			}
			if err := g.state.shard.Locked(func() { g.deleted(out, reply) }); err != nil {
				fail(kerr.NotCoordinator)
			}
		})
		if !started {
			fail(kerr.NotCoordinator)
		}
	})
}

// deleted takes over the outcome.
func (g *share) deleted(out map[metadata.TopicID]error, reply func(map[metadata.TopicID]error)) {
	g.busy = false
	for id, err := range out {
		if err == nil {
			delete(g.topics, id)
		}
	}
	g.put(g.statesRecord())
	g.flush(func(err error) {
		if err != nil {
			for id := range out {
				out[id] = err
			}
		}
		reply(out)
	})
}
