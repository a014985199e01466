package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
)

var _ kind = (*classic)(nil)

func (g *classic) name() string { return "classic" }

func (g *classic) protocol() string { return g.protocolType }

func (g *classic) stateName() string { return g.status.String() }

func (g *classic) idle() bool {
	return g.status == Empty && len(g.members) == 0 && len(g.pending) == 0
}

func (g *classic) unused() bool { return g.idle() && !g.stored }

// mayCommit checks that the commit comes from a member of the current generation, or from outside while the group has no members (G1).
func (g *classic) mayCommit(c *Commit) (func(*Offset) error, error) {
	if c.Generation < 0 && g.status == Empty {
		return nil, nil
	}
	if c.Generation < 0 && c.Member == "" && c.Instance == "" {
		if c.Transactional {
			return nil, nil
		}
		return nil, kerr.UnknownMemberID
	}
	m, err := g.check(c.Member, c.Instance)
	switch {
	case err != nil:
		return nil, err
	case c.Generation != g.generation:
		return nil, kerr.IllegalGeneration
	case g.status == CompletingRebalance && !c.Transactional:
		return nil, kerr.RebalanceInProgress
	}
	g.heartbeat(m)
	return nil, nil
}

// mayFetch implements kind: classic groups let everyone see their offsets.
func (g *classic) mayFetch(*string, int32) error { return nil }

func (g *classic) mayDeleteOffsets() (func(string) bool, error) {
	if g.status == Empty {
		return func(string) bool { return false }, nil
	}
	if g.protocolType != consumerType {
		return nil, kerr.NonEmptyGroup
	}
	topics, _ := g.subscribedTopics()
	return func(topic string) bool { return topics[topic] }, nil
}

func (g *classic) mayDelete() error {
	if g.status != Empty {
		return kerr.NonEmptyGroup
	}
	return nil
}

// expiry implements KIP-211: an offset is kept for the retention time after its commit. In a group that members were in, the time begins
// when the last one left, and in a stable group of consumers, when nobody subscribes to the topic any more, it begins with the commit.
func (g *classic) expiry() func(topicPartition, *offset) bool {
	retention := g.state.settings.OffsetRetention
	switch {
	case g.idle():
		return func(_ topicPartition, o *offset) bool {
			last := time.UnixMilli(o.committedMs)
			if g.stored && g.since.After(last) {
				last = g.since
			}
			return time.Since(last) >= retention
		}
	case g.status == Stable && g.protocolType == consumerType:
		topics, known := g.subscribedTopics()
		return func(tp topicPartition, o *offset) bool {
			return known && !topics[tp.topic] && time.Since(time.UnixMilli(o.committedMs)) >= retention
		}
	}
	return func(topicPartition, *offset) bool { return false }
}

func (g *classic) tombstones() []coordinator.Record {
	return []coordinator.Record{{Key: groupRecordKey(g.id)}}
}

func (g *classic) loaded() {
	for _, m := range g.members {
		g.heartbeat(m)
	}
}

func (g *classic) closed(reason error) {
	for _, m := range g.members {
		m.replyJoin(JoinResult{Err: reason, Generation: -1, Member: m.id})
		m.replySync(SyncResult{Err: reason})
		g.state.shard.Stop(m.timer)
	}
	for id := range g.pending {
		g.dropPending(id)
	}
	g.state.shard.Stop(g.syncTimer)
	g.state.shard.Stop(g.rebalance.timer)
}
