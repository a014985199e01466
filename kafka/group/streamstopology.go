package group

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topology is what a streams application reads, writes and keeps, as its members send it. It does not change after it was made.
type topology struct {
	epoch   int32
	subs    []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology // sorted by id
	encoded []byte                                                 // the record's value; two topologies are equal if this is
	sources map[string]string                                      // topics that are read, with the subtopology that does
	reads   map[string][]string                                    // the topics that a subtopology reads
	needs   map[string]int                                         // all topics but sinks; as metadataHash wants it
}

// newTopology takes nothing of what it is given but copies of it.
func newTopology(t *kmsg.StreamsGroupHeartbeatRequestTopology) (*topology, error) {
	subs := slices.Clone(t.Subtopologies)
	slices.SortStableFunc(subs, func(a, b kmsg.StreamsGroupHeartbeatRequestTopologySubtopology) int {
		return strings.Compare(a.SubtopologyID, b.SubtopologyID)
	})
	return readTopology(topologyValue(t.Epoch, subs))
}

// topologyValue is the value of a topology's record.
func topologyValue(epoch int32, subs []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology) []byte {
	v := kbin.AppendCompactArrayLen(kbin.AppendInt32(version0(), epoch), len(subs))
	infos := func(topics []kmsg.TopicInfo) {
		v = kbin.AppendCompactArrayLen(v, len(topics))
		for _, t := range topics {
			v = kbin.AppendInt16(kbin.AppendInt32(kbin.AppendCompactString(v, t.Topic), t.NumPartitions), t.ReplicationFactor)
			v = kbin.AppendCompactArrayLen(v, len(t.Configs))
			for _, c := range t.Configs {
				v = kbin.AppendUvarint(kbin.AppendCompactString(kbin.AppendCompactString(v, c.Key), c.Value), 0)
			}
			v = kbin.AppendUvarint(v, 0)
		}
	}
	indexes := func(ns []int16) {
		v = kbin.AppendCompactArrayLen(v, len(ns))
		for _, n := range ns {
			v = kbin.AppendInt16(v, n)
		}
	}
	for i := range subs {
		s := &subs[i]
		v = appendStrings(kbin.AppendCompactString(v, s.SubtopologyID), s.SourceTopics)
		v = appendStrings(v, s.SourceTopicRegex)
		infos(s.StateChangelogTopics)
		v = appendStrings(v, s.RepartitionSinkTopics)
		infos(s.RepartitionSourceTopics)
		v = kbin.AppendCompactArrayLen(v, len(s.CopartitionGroups))
		for _, c := range s.CopartitionGroups {
			indexes(c.SourceTopics)
			indexes(c.SourceTopicRegex)
			indexes(c.RepartitionSourceTopics)
			v = kbin.AppendUvarint(v, 0)
		}
		v = kbin.AppendUvarint(v, 0)
	}
	return kbin.AppendUvarint(v, 0)
}

// readTopology reads a record's value, which it keeps no part of.
func readTopology(val []byte) (*topology, error) {
	b, _, err := value(val, "topology", 0)
	if err != nil {
		return nil, err
	}
	infos := func() (out []kmsg.TopicInfo) {
		for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
			t := kmsg.TopicInfo{Topic: b.CompactString(), NumPartitions: b.Int32(), ReplicationFactor: b.Int16()}
			for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
				t.Configs = append(t.Configs, kmsg.TopicInfoConfig{Key: b.CompactString(), Value: b.CompactString()})
				readTags(b, nil)
			}
			readTags(b, nil)
			if b.Ok() {
				out = append(out, t)
			}
		}
		return out
	}
	indexes := func() (out []int16) {
		for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
			if v := b.Int16(); b.Ok() {
				out = append(out, v)
			}
		}
		return out
	}
	t := &topology{epoch: b.Int32(), sources: make(map[string]string), reads: make(map[string][]string), needs: make(map[string]int), encoded: bytes.Clone(val)}
	for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
		s := kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{SubtopologyID: b.CompactString(), SourceTopics: readStrings(b), SourceTopicRegex: readStrings(b)}
		s.StateChangelogTopics, s.RepartitionSinkTopics, s.RepartitionSourceTopics = infos(), readStrings(b), infos()
		for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
			s.CopartitionGroups = append(s.CopartitionGroups, kmsg.StreamsGroupHeartbeatRequestTopologySubtopologyCopartitionGroup{
				SourceTopics: indexes(), SourceTopicRegex: indexes(), RepartitionSourceTopics: indexes(),
			})
			readTags(b, nil)
		}
		readTags(b, nil)
		if b.Ok() {
			t.subs = append(t.subs, s)
		}
	}
	readTags(b, nil)
	if err := complete(b, "topology"); err != nil {
		return nil, err
	}
	for i := range t.subs {
		t.index(&t.subs[i])
	}
	return t, nil
}

func (t *topology) index(s *kmsg.StreamsGroupHeartbeatRequestTopologySubtopology) {
	read := func(name string) {
		if sub, ok := t.sources[name]; ok && sub == s.SubtopologyID {
			return
		}
		t.sources[name], t.needs[name] = s.SubtopologyID, 1
		t.reads[s.SubtopologyID] = append(t.reads[s.SubtopologyID], name)
	}
	for _, name := range s.SourceTopics {
		read(name)
	}
	for _, r := range s.RepartitionSourceTopics {
		read(r.Topic)
	}
	for _, c := range s.StateChangelogTopics {
		t.needs[c.Topic] = 1
	}
}

// badTopology is STREAMS_INVALID_TOPOLOGY with a text for the client.
func badTopology(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{kerr.StreamsInvalidTopology}, args...)...)
}

// check finds what no topology may have, whatever topics there are.
func (t *topology) check() error {
	if t.epoch < 0 {
		return invalid("Topology epoch must be non-negative.")
	}
	for i := range t.subs {
		s := &t.subs[i]
		if i > 0 && t.subs[i-1].SubtopologyID == s.SubtopologyID {
			return badTopology("Subtopology %s is there twice.", s.SubtopologyID)
		}
		for _, r := range s.RepartitionSourceTopics {
			if r.NumPartitions < 0 || r.NumPartitions > targetMax {
				return badTopology("Repartition topic %s can not have %d partitions.", r.Topic, r.NumPartitions)
			}
		}
		for _, g := range s.CopartitionGroups {
			outside := func(n int) func(int16) bool { return func(i int16) bool { return i < 0 || int(i) >= n } }
			if slices.ContainsFunc(g.SourceTopics, outside(len(s.SourceTopics))) ||
				slices.ContainsFunc(g.RepartitionSourceTopics, outside(len(s.RepartitionSourceTopics))) {
				return badTopology("A copartition group of subtopology %s names a topic that is not there.", s.SubtopologyID)
			}
		}
	}
	return nil
}
