package group

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"

	"weir/kafka/coordinator"
)

// The keys of consumer groups' records. Kafka wrote the topics' metadata (4) before 4.1; it is read over.
const (
	consumerEpochKey       = 3
	consumerTopicsKey      = 4
	consumerMemberKey      = 5
	consumerTargetEpochKey = 6
	consumerTargetKey      = 7
	consumerCurrentKey     = 8
	consumerRegexKey       = 16
)

func consumerFormat() *format {
	return &format{
		epochKey: consumerEpochKey, memberKey: consumerMemberKey, targetEpochKey: consumerTargetEpochKey, targetKey: consumerTargetKey,
		currentKey: consumerCurrentKey,
		epochValue: func(g *modern) []byte {
			v := kbin.AppendInt32(version0(), g.epoch)
			return appendTag(kbin.AppendUvarint(v, 1), 0, kbin.AppendInt64(nil, g.hash))
		},
		memberValue:  consumerMemberValue,
		currentValue: consumerCurrentValue,
	}
}

func consumerMemberValue(m *modernMember) []byte {
	v := kbin.AppendCompactNullableString(version0(), nullable(m.instance))
	v = kbin.AppendCompactNullableString(v, nullable(m.rack))
	v = kbin.AppendCompactString(v, m.clientID)
	v = kbin.AppendCompactString(v, m.clientHost)
	v = appendStrings(v, m.names)
	v = kbin.AppendCompactNullableString(v, nullable(m.regex))
	v = kbin.AppendInt32(v, int32(m.rebalanceTimeout.Milliseconds()))
	v = kbin.AppendCompactNullableString(v, nullable(m.assignor))
	if m.classic == nil {
		return kbin.AppendUvarint(v, 0)
	}
	c := kbin.AppendInt8(nil, 1) // the struct is there
	c = kbin.AppendInt32(c, int32(m.classic.sessionTimeout.Milliseconds()))
	c = kbin.AppendCompactArrayLen(c, len(m.classic.protocols))
	for _, p := range m.classic.protocols {
		c = kbin.AppendCompactString(c, p.Name)
		c = kbin.AppendCompactBytes(c, p.Metadata)
		c = kbin.AppendUvarint(c, 0)
	}
	c = kbin.AppendUvarint(c, 0)
	return appendTag(kbin.AppendUvarint(v, 1), 0, c)
}

func consumerCurrentValue(m *modernMember) []byte {
	v := kbin.AppendInt32(version0(), m.epoch)
	v = kbin.AppendInt32(v, m.previous)
	v = kbin.AppendInt8(v, int8(m.state))
	v = appendOwned(v, m.assigned)
	v = appendOwned(v, m.revoking)
	return kbin.AppendUvarint(v, 0)
}

func regexRecord(group, regex string, r *resolved) coordinator.Record {
	out := coordinator.Record{Key: memberKeyOf(consumerRegexKey, group, regex)}
	if r != nil {
		v := appendStrings(version0(), r.topics)
		v = kbin.AppendInt64(v, r.version)
		v = kbin.AppendInt64(v, r.resolvedMs)
		out.Value = kbin.AppendUvarint(v, 0)
	}
	return out
}

// replayConsumer applies a record of a consumer group. kind is the key's type and key what follows it.
func (s *state) replayConsumer(kind int16, key, val []byte) error {
	b := &kbin.Reader{Src: key}
	id, member := b.String(), ""
	switch kind {
	case consumerMemberKey, consumerTargetKey, consumerCurrentKey, consumerRegexKey:
		member = b.String()
	}
	if err := b.Complete(); err != nil {
		return fmt.Errorf("key of type %d: %w", kind, err)
	}
	if kind == consumerTopicsKey {
		return nil
	}
	if val == nil {
		if g := s.consumer(id); g != nil {
			g.replayTombstone(kind, member)
		}
		return nil
	}
	g := s.consumerForReplay(id)
	switch kind {
	case consumerEpochKey:
		b, _, err := value(val, "group epoch", 0)
		if err != nil {
			return err
		}
		g.epoch, g.hash = b.Int32(), 0
		readTags(b, func(tag uint32, v []byte) {
			if tag == 0 {
				g.hash = (&kbin.Reader{Src: v}).Int64()
			}
		})
		g.stored = true
		return complete(b, "group epoch")
	case consumerMemberKey:
		return g.replayMember(g.memberForReplay(member), val)
	case consumerTargetEpochKey:
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
	case consumerTargetKey:
		b, _, err := value(val, "target assignment", 0)
		if err != nil {
			return err
		}
		g.target[member] = readAssignment(b)
		readTags(b, nil)
		return complete(b, "target assignment")
	case consumerCurrentKey:
		return g.replayCurrent(g.memberForReplay(member), val)
	case consumerRegexKey:
		b, _, err := value(val, "regular expression", 0)
		if err != nil {
			return err
		}
		g.regexes[member] = &resolved{topics: readStrings(b), version: b.Int64(), resolvedMs: b.Int64()}
		readTags(b, nil)
		return complete(b, "regular expression")
	}
	return nil
}

func complete(b *kbin.Reader, what string) error {
	if err := b.Complete(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// consumerForReplay is the group, which becomes a consumer group if it is not yet: compaction may have taken what made it one.
func (s *state) consumerForReplay(id string) *consumer {
	g := s.groups[id]
	if g == nil {
		g = newGroup(s, id)
		s.groups[id] = g
	}
	c, ok := g.kind.(*consumer)
	if !ok {
		c = newConsumer(g)
		g.kind = c
	}
	return c
}

func (g *consumer) memberForReplay(id string) *modernMember {
	m := g.members[id]
	if m == nil {
		m = newModernMember(id)
		g.members[id] = m
	}
	return m
}

func (g *consumer) replayTombstone(kind int16, member string) {
	switch kind {
	case consumerEpochKey:
		if len(g.members) == 0 {
			g.group.kind = newClassic(g.group)
		}
	case consumerMemberKey:
		delete(g.members, member)
	case consumerTargetEpochKey:
		g.assignmentEpoch = 0
	case consumerTargetKey:
		delete(g.target, member)
	case consumerCurrentKey:
		if m := g.members[member]; m != nil {
			m.epoch, m.previous, m.state, m.assigned, m.revoking = 0, 0, memberStable, owned{}, owned{}
		}
	case consumerRegexKey:
		delete(g.regexes, member)
	}
}

func (g *consumer) replayMember(m *modernMember, val []byte) error {
	b, _, err := value(val, "group member", 0)
	if err != nil {
		return err
	}
	m.instance, m.rack = valueOf(b.CompactNullableString()), valueOf(b.CompactNullableString())
	m.clientID, m.clientHost = b.CompactString(), b.CompactString()
	m.names = readStrings(b)
	slices.Sort(m.names)
	m.names = slices.Compact(m.names)
	m.regex = valueOf(b.CompactNullableString())
	m.rebalanceTimeout = time.Duration(b.Int32()) * time.Millisecond
	m.assignor = valueOf(b.CompactNullableString())
	m.classic = nil
	var inner error
	readTags(b, func(tag uint32, v []byte) {
		if tag != 0 {
			return
		}
		c := &kbin.Reader{Src: v}
		if c.Int8() < 0 {
			return
		}
		m.classic = &classicSupport{sessionTimeout: time.Duration(c.Int32()) * time.Millisecond}
		for n := c.CompactArrayLen(); n > 0 && c.Ok(); n-- {
			p := Protocol{Name: c.CompactString(), Metadata: slices.Clone(c.CompactBytes())}
			readTags(c, nil)
			m.classic.protocols = append(m.classic.protocols, p)
		}
		readTags(c, nil)
		inner = complete(c, "classic member")
	})
	if inner != nil {
		return inner
	}
	return complete(b, "group member")
}

func (g *consumer) replayCurrent(m *modernMember, val []byte) error {
	b, _, err := value(val, "current assignment", 0)
	if err != nil {
		return err
	}
	m.epoch, m.previous, m.state = b.Int32(), b.Int32(), memberState(b.Int8())
	m.assigned = readOwned(b, m.epoch)
	m.revoking = readOwned(b, m.epoch)
	readTags(b, nil)
	return complete(b, "current assignment")
}
