package group

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/planted"
	"weir/kafka/coordinator"
	"weir/metadata"
)

// Commit is an OffsetCommit request, for partitions that exist.
type Commit struct {
	Version    int16 // of the request: members of consumer groups must speak 9 or later
	Group      string
	Generation int32 // or member epoch; -1: not from a member
	Member     string
	Instance   string
	Offsets    []Offset

	Transactional bool // it need not say which member it is from
}

// Offset is one partition's offset, to commit or committed.
type Offset struct {
	Topic       string
	TopicID     metadata.TopicID
	Partition   int32
	Offset      int64 // -1: none
	LeaderEpoch int32 // -1: unknown
	Metadata    string

	Unstable bool // in an answer: a transaction that is not over holds another; see FetchRequest.Stable
}

// commit handles a Commit; reply is called once, when the offsets are durable, with an error per offset or one for all.
func (s *state) commit(c Commit, reply func([]error, error)) {
	g := s.groups[c.Group]
	if g == nil {
		if c.Generation >= 0 {
			if c.Version >= 9 { // KIP-848
				reply(nil, kerr.GroupIDNotFound)
				return
			}
			reply(nil, kerr.IllegalGeneration)
			return
		}
		if g = s.begin(c.Group); g == nil {
			reply(nil, kerr.GroupMaxSizeReached)
			return
		}
	}
	if g.dying {
		reply(nil, kerr.CoordinatorNotAvailable)
		return
	}
	each, err := g.kind.mayCommit(&c)
	if planted.Is(planted.StaleGeneration) {
		each, err = nil, nil
	}
	if err != nil {
		reply(nil, err)
		return
	}
	now := time.Now().UnixMilli()
	errs := make([]error, len(c.Offsets))
	var records []coordinator.Record
	var taken []int
	committed := make([]offset, len(c.Offsets))
	for i, o := range c.Offsets {
		if len(o.Metadata) > s.settings.OffsetMetadataMax {
			errs[i] = kerr.OffsetMetadataTooLarge
			continue
		}
		if each != nil {
			if errs[i] = each(&c.Offsets[i]); errs[i] != nil {
				continue
			}
		}
		committed[i] = offset{topicID: o.TopicID, offset: o.Offset, leaderEpoch: o.LeaderEpoch, metadata: o.Metadata, committedMs: now}
		records = append(records, offsetRecord(g.id, topicPartition{o.Topic, o.Partition}, &committed[i]))
		taken = append(taken, i)
	}
	if len(records) == 0 {
		g.forgetIfUnused()
		reply(errs, nil)
		return
	}
	g.unsettled++
	s.shard.Append(records, func(err error) {
		g.settle(err)
		if err != nil {
			g.forgetIfUnused()
			reply(nil, commitError(err))
			return
		}
		s.metrics.commits.Add(float64(len(taken)))
		for _, i := range taken {
			tp := topicPartition{c.Offsets[i].Topic, c.Offsets[i].Partition}
			g.offsets[tp] = committed[i]
			s.supersede(g.id, tp)
		}
		reply(errs, nil)
	})
}

// commitError turns an error of the log into what committers are told.
func commitError(err error) error {
	if errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge) {
		return kerr.InvalidCommitOffsetSize
	}
	return storeError(err)
}

// FetchRequest is one group of an OffsetFetch request.
type FetchRequest struct {
	Group  string
	Member *string  // of a member of a consumer group, since v9
	Epoch  int32    // the member's; -1 for none
	Want   []Offset // only Topic and Partition matter; nil asks for all there are
	Stable bool     // offsets that a transaction is about to replace are Unstable instead
}

// fetch returns the committed offset of each partition of want, or of all with an offset if want is nil. Metadata and leader epoch are those
// of the commit.
func (s *state) fetch(id string, want []Offset) []Offset {
	g := s.groups[id]
	if want == nil {
		if g == nil {
			return nil
		}
		for tp, o := range g.offsets {
			if s.current(tp.topic, &o) {
				want = append(want, o.public(tp))
			}
		}
		return want
	}
	out := make([]Offset, len(want))
	for i, w := range want {
		tp := topicPartition{w.Topic, w.Partition}
		out[i] = Offset{Topic: w.Topic, Partition: w.Partition, Offset: -1, LeaderEpoch: -1}
		if g == nil {
			continue
		}
		if o, ok := g.offsets[tp]; ok && s.current(w.Topic, &o) {
			out[i] = o.public(tp)
		}
	}
	return out
}

func (o *offset) public(tp topicPartition) Offset {
	return Offset{Topic: tp.topic, TopicID: o.topicID, Partition: tp.partition, Offset: o.offset, LeaderEpoch: o.leaderEpoch, Metadata: o.metadata}
}

// current tells whether the topic that the offset was committed for still exists: it is neither deleted nor created anew since.
func (s *state) current(topic string, o *offset) bool {
	t, ok := s.catalog.byName(topic)
	return ok && (t.id == o.topicID || o.topicID == (metadata.TopicID{}))
}

// deleteOffsets handles OffsetDelete; reply is called once with an error per partition or one for all.
func (s *state) deleteOffsets(id string, tps []topicPartition, reply func([]error, error)) {
	g := s.groups[id]
	if g == nil || g.dying {
		reply(nil, kerr.GroupIDNotFound)
		return
	}
	subscribed, err := g.kind.mayDeleteOffsets()
	if err != nil {
		reply(nil, err)
		return
	}
	errs := make([]error, len(tps))
	var records []coordinator.Record
	var gone []topicPartition
	for i, tp := range tps {
		if subscribed(tp.topic) {
			errs[i] = kerr.GroupSubscribedToTopic
			continue
		}
		if _, ok := g.offsets[tp]; ok {
			records, gone = append(records, offsetRecord(id, tp, nil)), append(gone, tp)
		}
	}
	g.forget(records, gone, func(err error) {
		if err != nil {
			reply(nil, err)
			return
		}
		reply(errs, nil)
	})
}

// forget writes tombstones and then drops the offsets.
func (g *group) forget(records []coordinator.Record, gone []topicPartition, done func(error)) {
	if len(records) == 0 {
		done(nil)
		return
	}
	g.unsettled++
	g.state.shard.Append(records, func(err error) {
		g.settle(err)
		if err != nil {
			done(storeError(err))
			return
		}
		for _, tp := range gone {
			delete(g.offsets, tp)
			g.state.supersede(g.id, tp)
		}
		done(nil)
	})
}

// deleteGroup handles one group of DeleteGroups.
func (s *state) deleteGroup(id string, reply func(error)) {
	g := s.groups[id]
	if g == nil || g.dying {
		reply(kerr.GroupIDNotFound)
		return
	}
	if err := g.kind.mayDelete(); err != nil {
		reply(err)
		return
	}
	g.bury(reply)
}

// bury deletes an empty group and its offsets.
func (g *group) bury(reply func(error)) {
	g.dying = true // nobody commits or joins while the tombstones are on their way
	var records []coordinator.Record
	var gone []topicPartition
	for tp := range g.offsets {
		records, gone = append(records, offsetRecord(g.id, tp, nil)), append(gone, tp)
	}
	for _, tp := range g.state.pendingOf(g.id) {
		records, gone = append(records, offsetRecord(g.id, tp, nil)), append(gone, tp)
	}
	records = append(records, g.kind.tombstones()...)
	g.forget(records, gone, func(err error) {
		if err != nil {
			g.dying = false
			reply(err)
			return
		}
		g.kind.closed(kerr.CoordinatorNotAvailable)
		if g.state.groups[g.id] == g {
			delete(g.state.groups, g.id)
		}
		reply(nil)
	})
}
