package group

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
)

// group is one id in the name space of a shard: the offsets that are committed under it, and the kind of group that its members make it.
// The shard's lock guards it.
type group struct {
	id    string
	state *state
	kind  kind // never nil; it changes while the group is empty, and when consumers are upgraded or downgraded

	offsets   map[topicPartition]offset
	unsettled int  // appends of this group in flight
	dying     bool // it is being deleted: its tombstones are on their way

	queued []coordinator.Record // what changed in memory and was not appended yet; see put
	behind []func(error)        // wait for the appends in flight although they have nothing to append themselves
}

// kind is what the parts that all groups have (offsets, expiry, deletion, listing) need to know of a group. Methods are called under the shard's lock.
type kind interface {
	name() string      // as ListGroups has it: classic, consumer, share, streams
	protocol() string  // the protocol type, as ListGroups has it
	stateName() string // as ListGroups has it; of a group that is not being deleted

	idle() bool   // it has no members, and nobody is about to become one
	unused() bool // idle, and the log knows nothing of it but offsets

	// mayCommit checks who commits, and returns what each partition is checked with if that is not the same for all; nil accepts all.
	mayCommit(c *Commit) (each func(*Offset) error, err error)
	// mayFetch checks who asks for offsets (OffsetFetch since v9): member is nil and epoch -1 if the request does not say.
	mayFetch(member *string, epoch int32) error
	// mayDeleteOffsets returns the test for topics that are in use, whose offsets must not go, or why none may.
	mayDeleteOffsets() (subscribed func(topic string) bool, err error)
	// mayDelete says why DeleteGroups may not delete the group now.
	mayDelete() error
	// expiry returns the test for offsets that have not been of use for offsets.retention.minutes.
	expiry() func(topicPartition, *offset) bool

	// tombstones deletes all records that the log may have of the group, but for its offsets.
	tombstones() []coordinator.Record
	loaded()             // the log was replayed: members get a whole session to show that they are still there
	closed(reason error) // the shard serves no more, or the group is another kind from now on: whoever waits is told reason, timers stop
}

func newGroup(s *state, id string) *group {
	g := &group{id: id, state: s, offsets: make(map[topicPartition]offset)}
	g.kind = newClassic(g)
	return g
}

// stateName is the state of the group as clients see it.
func (g *group) stateName() string {
	if g.dying {
		return Dead.String()
	}
	return g.kind.stateName()
}

// put queues records of what was just changed in memory. flush must follow before the lock is given up.
func (g *group) put(records ...coordinator.Record) { g.queued = append(g.queued, records...) }

// flush appends what was put, and calls done when that, and all that was appended before, is durable: memory is ahead of the log, and nobody may
// be told of what could still be lost. If the append fails, memory is wrong and the shard is loaded anew; done gets the error.
func (g *group) flush(done func(error)) {
	if len(g.queued) == 0 {
		if g.unsettled == 0 {
			done(nil)
			return
		}
		g.behind = append(g.behind, done)
		return
	}
	records := g.queued
	g.queued = nil
	g.unsettled++
	g.state.shard.Append(records, func(err error) {
		g.settle(err)
		done(storeError(err))
		if err != nil {
			g.state.log.Error("group not stored, its shard is loaded again", "group", g.id, "err", err)
			g.state.shard.Reload()
		}
	})
}

// settle ends an append in flight, and calls those who wait behind the last of them. Every append that counts in unsettled ends here.
func (g *group) settle(err error) {
	if g.unsettled--; g.unsettled > 0 {
		return
	}
	waiting := g.behind
	g.behind = nil
	for _, w := range waiting {
		w(storeError(err))
	}
}

// forgetIfUnused drops a group that never was more than a request.
func (g *group) forgetIfUnused() {
	if len(g.offsets) == 0 && g.unsettled == 0 && len(g.queued) == 0 && g.kind.unused() && g.state.groups[g.id] == g {
		delete(g.state.groups, g.id)
	}
}

// storeError turns an error of the log into what group members are told.
func storeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.NotLeaderForPartition), errors.Is(err, kerr.KafkaStorageError), errors.Is(err, kerr.NotCoordinator):
		return kerr.NotCoordinator
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return kerr.UnknownServerError
	}
	var k *kerr.Error
	if errors.As(err, &k) {
		return kerr.CoordinatorNotAvailable
	}
	return err
}
