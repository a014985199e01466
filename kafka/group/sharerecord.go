package group

import (
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"

	"weir/kafka/coordinator"
	"weir/metadata"
)

// The keys of share groups' records. Kafka wrote the topics' metadata (9) before 4.1; it is read over.
const (
	shareTopicsKey      = 9
	shareMemberKey      = 10
	shareEpochKey       = 11
	shareTargetEpochKey = 12
	shareTargetKey      = 13
	shareCurrentKey     = 14
	shareStatesKey      = 15
)

func shareFormat() *format {
	return &format{
		epochKey: shareEpochKey, memberKey: shareMemberKey, targetEpochKey: shareTargetEpochKey, targetKey: shareTargetKey,
		currentKey: shareCurrentKey,
		epochValue: func(g *modern) []byte {
			v := kbin.AppendInt32(version0(), g.epoch)
			return kbin.AppendUvarint(kbin.AppendInt64(v, g.hash), 0)
		},
		memberValue: func(m *modernMember) []byte {
			v := kbin.AppendCompactNullableString(version0(), nullable(m.rack))
			v = kbin.AppendCompactString(v, m.clientID)
			v = kbin.AppendCompactString(v, m.clientHost)
			return kbin.AppendUvarint(appendStrings(v, m.names), 0)
		},
		currentValue: func(m *modernMember) []byte {
			v := kbin.AppendInt32(version0(), m.epoch)
			v = kbin.AppendInt32(v, m.previous)
			v = kbin.AppendInt8(v, int8(m.state))
			return kbin.AppendUvarint(appendAssignment(v, m.assigned.plain()), 0)
		},
	}
}

// statesRecord says which states exist, which are about to, and which are about to go.
func (g *share) statesRecord() coordinator.Record {
	var initializing, initialized, deleting []metadata.TopicID
	for _, id := range sortedTopics(g.topics) {
		t := g.topics[id]
		if len(t.initializing) > 0 {
			initializing = append(initializing, id)
		}
		if len(t.initialized) > 0 {
			initialized = append(initialized, id)
		}
		if t.deleting {
			deleting = append(deleting, id)
		}
	}
	v := version0()
	appendTopics := func(ids []metadata.TopicID, of func(*shareTopic) map[int32]bool) {
		v = kbin.AppendCompactArrayLen(v, len(ids))
		for _, id := range ids {
			v = kbin.AppendUuid(v, id)
			v = kbin.AppendCompactString(v, g.topics[id].name)
			ps := slices.Sorted(maps.Keys(of(g.topics[id])))
			v = kbin.AppendCompactArrayLen(v, len(ps))
			for _, p := range ps {
				v = kbin.AppendInt32(v, p)
			}
			v = kbin.AppendUvarint(v, 0)
		}
	}
	appendTopics(initializing, func(t *shareTopic) map[int32]bool { return t.initializing })
	appendTopics(initialized, func(t *shareTopic) map[int32]bool { return t.initialized })
	v = kbin.AppendCompactArrayLen(v, len(deleting))
	for _, id := range deleting {
		v = kbin.AppendUuid(v, id)
		v = kbin.AppendCompactString(v, g.topics[id].name)
		v = kbin.AppendUvarint(v, 0)
	}
	return coordinator.Record{Key: groupKeyOf(shareStatesKey, g.id), Value: kbin.AppendUvarint(v, 0)}
}

// topic returns what is known of a topic's states, which it is from now on.
func (g *share) topic(id metadata.TopicID, name string) *shareTopic {
	t := g.topics[id]
	if t == nil {
		t = &shareTopic{name: name, initializing: make(map[int32]bool), initialized: make(map[int32]bool)}
		g.topics[id] = t
	}
	return t
}

// replayShare applies a record of a share group. kind is the key's type and key what follows it.
func (s *state) replayShare(kind int16, key, val []byte) error {
	b := &kbin.Reader{Src: key}
	id, member := b.String(), ""
	switch kind {
	case shareMemberKey, shareTargetKey, shareCurrentKey:
		member = b.String()
	}
	if err := b.Complete(); err != nil {
		return fmt.Errorf("key of type %d: %w", kind, err)
	}
	if kind == shareTopicsKey {
		return nil
	}
	if val == nil {
		if g := s.share(id); g != nil {
			g.replayTombstone(kind, member)
		}
		return nil
	}
	g := s.shareForReplay(id)
	switch kind {
	case shareEpochKey:
		b, _, err := value(val, "group epoch", 0)
		if err != nil {
			return err
		}
		g.epoch, g.hash, g.stored = b.Int32(), b.Int64(), true
		readTags(b, nil)
		return complete(b, "group epoch")
	case shareMemberKey:
		b, _, err := value(val, "group member", 0)
		if err != nil {
			return err
		}
		m := g.memberForReplay(member)
		m.rack = valueOf(b.CompactNullableString())
		m.clientID, m.clientHost = b.CompactString(), b.CompactString()
		m.names = setNames(readStrings(b))
		readTags(b, nil)
		return complete(b, "group member")
	case shareTargetEpochKey:
		b, _, err := value(val, "target assignment epoch", 0)
		if err != nil {
			return err
		}
		g.assignmentEpoch = b.Int32()
		readTags(b, func(tag uint32, v []byte) {
			if tag == 0 {
				g.assignedAtMs = (&kbin.Reader{Src: v}).Int64()
			}
		})
		return complete(b, "target assignment epoch")
	case shareTargetKey:
		b, _, err := value(val, "target assignment", 0)
		if err != nil {
			return err
		}
		g.target[member] = readAssignment(b)
		readTags(b, nil)
		return complete(b, "target assignment")
	case shareCurrentKey:
		b, _, err := value(val, "current assignment", 0)
		if err != nil {
			return err
		}
		m := g.memberForReplay(member)
		m.epoch, m.previous, m.state = b.Int32(), b.Int32(), memberState(b.Int8())
		m.assigned = withEpoch(readAssignment(b), m.epoch)
		readTags(b, nil)
		return complete(b, "current assignment")
	case shareStatesKey:
		return g.replayStates(val)
	}
	return nil
}

func (g *share) replayStates(val []byte) error {
	b, _, err := value(val, "share group states", 0)
	if err != nil {
		return err
	}
	clear(g.topics)
	read := func(of func(*shareTopic) map[int32]bool) {
		for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
			id, name := metadata.TopicID(b.Uuid()), b.CompactString()
			ps := readInts(b)
			readTags(b, nil)
			if b.Ok() {
				set := of(g.topic(id, name))
				for _, p := range ps {
					set[p] = true
				}
			}
		}
	}
	read(func(t *shareTopic) map[int32]bool { return t.initializing })
	read(func(t *shareTopic) map[int32]bool { return t.initialized })
	for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
		id, name := metadata.TopicID(b.Uuid()), b.CompactString()
		readTags(b, nil)
		if b.Ok() {
			g.topic(id, name).deleting = true
		}
	}
	readTags(b, nil)
	return complete(b, "share group states")
}

// share returns the group if it is a share group, else nil.
func (s *state) share(id string) *share {
	if g := s.groups[id]; g != nil {
		k, _ := g.kind.(*share)
		return k
	}
	return nil
}

// shareForReplay is the group, which becomes a share group if it is not yet: compaction may have taken what made it one.
func (s *state) shareForReplay(id string) *share {
	g := s.groups[id]
	if g == nil {
		g = newGroup(s, id)
		s.groups[id] = g
	}
	k, ok := g.kind.(*share)
	if !ok {
		k = newShare(g)
		g.kind = k
	}
	return k
}

func (g *share) memberForReplay(id string) *modernMember {
	m := g.members[id]
	if m == nil {
		m = newModernMember(id)
		g.members[id] = m
	}
	return m
}

func (g *share) replayTombstone(kind int16, member string) {
	switch kind {
	case shareEpochKey:
		if len(g.members) == 0 {
			g.group.kind = newClassic(g.group)
		}
	case shareMemberKey:
		delete(g.members, member)
	case shareTargetEpochKey:
		g.assignmentEpoch = 0
	case shareTargetKey:
		delete(g.target, member)
	case shareCurrentKey:
		if m := g.members[member]; m != nil {
			m.epoch, m.previous, m.state, m.assigned = 0, 0, memberStable, owned{}
		}
	case shareStatesKey:
		clear(g.topics)
	}
}

// withEpoch is the partitions, all of that epoch.
func withEpoch(a assignment, epoch int32) owned {
	o := make(owned, len(a))
	for t, ps := range a {
		for _, p := range ps {
			o.add(partitionID{t, p}, epoch)
		}
	}
	return o
}
