package group

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
)

// The keys of streams groups' records.
const (
	streamsEpochKey       = 17
	streamsMemberKey      = 19
	streamsTargetEpochKey = 20
	streamsTargetKey      = 21
	streamsCurrentKey     = 22
	streamsTopologyKey    = 23
)

func (g *streams) epochRecord() coordinator.Record {
	v := kbin.AppendInt64(kbin.AppendInt32(version0(), g.epoch), g.hash)
	configs := kbin.AppendCompactArrayLen(nil, len(g.configs))
	for _, k := range slices.Sorted(maps.Keys(g.configs)) {
		configs = kbin.AppendUvarint(kbin.AppendCompactString(kbin.AppendCompactString(configs, k), g.configs[k]), 0)
	}
	if g.validated == noTopology {
		v = kbin.AppendUvarint(v, 1)
	} else {
		v = appendTag(kbin.AppendUvarint(v, 2), 0, kbin.AppendInt32(nil, g.validated))
	}
	return coordinator.Record{Key: groupKeyOf(streamsEpochKey, g.id), Value: appendTag(v, 1, configs)}
}

func (g *streams) memberRecord(m *streamsMember) coordinator.Record {
	v := kbin.AppendCompactNullableString(version0(), nullable(m.instance))
	v = kbin.AppendCompactNullableString(v, nullable(m.rack))
	v = kbin.AppendCompactString(kbin.AppendCompactString(v, m.clientID), m.clientHost)
	v = kbin.AppendInt32(kbin.AppendInt32(v, int32(m.rebalanceTimeout.Milliseconds())), m.topologyEpoch)
	v = kbin.AppendCompactString(v, m.process)
	if m.endpoint == nil {
		v = kbin.AppendInt8(v, -1)
	} else {
		v = kbin.AppendUint16(kbin.AppendCompactString(kbin.AppendInt8(v, 1), m.endpoint.Host), m.endpoint.Port)
		v = kbin.AppendUvarint(v, 0)
	}
	v = kbin.AppendCompactArrayLen(v, len(m.tags))
	for _, k := range slices.Sorted(maps.Keys(m.tags)) {
		v = kbin.AppendUvarint(kbin.AppendCompactString(kbin.AppendCompactString(v, k), m.tags[k]), 0)
	}
	return coordinator.Record{Key: memberKeyOf(streamsMemberKey, g.id, m.id), Value: kbin.AppendUvarint(v, 0)}
}

func (g *streams) targetEpochRecord() coordinator.Record {
	v := kbin.AppendInt32(version0(), g.assignmentEpoch)
	if g.assignedAtMs == 0 {
		v = kbin.AppendUvarint(v, 0)
	} else {
		v = appendTag(kbin.AppendUvarint(v, 1), 0, kbin.AppendInt64(nil, g.assignedAtMs))
	}
	return coordinator.Record{Key: groupKeyOf(streamsTargetEpochKey, g.id), Value: v}
}

func (g *streams) targetRecord(member string, t *tasks) coordinator.Record {
	v := appendTasks(appendTasks(version0(), t.active), t.standby)
	v = kbin.AppendCompactArrayLen(v, 0) // warm-up tasks
	return coordinator.Record{Key: memberKeyOf(streamsTargetKey, g.id, member), Value: kbin.AppendUvarint(v, 0)}
}

func (g *streams) currentRecord(m *streamsMember) coordinator.Record {
	v := kbin.AppendInt32(kbin.AppendInt32(version0(), m.epoch), m.previous)
	v = kbin.AppendInt8(v, int8(m.state))
	for _, h := range []heldTasks{m.assigned, m.revoking} {
		v = appendTasks(appendHeld(v, h.active), h.standby)
		v = kbin.AppendCompactArrayLen(v, 0) // warm-up tasks
	}
	return coordinator.Record{Key: memberKeyOf(streamsCurrentKey, g.id, m.id), Value: kbin.AppendUvarint(v, 0)}
}

func (g *streams) topologyRecord() coordinator.Record {
	return coordinator.Record{Key: groupKeyOf(streamsTopologyKey, g.id), Value: g.topology.encoded}
}

// streamsMemberGone deletes the records of a member.
func streamsMemberGone(group, member string) []coordinator.Record {
	return []coordinator.Record{
		{Key: memberKeyOf(streamsCurrentKey, group, member)},
		{Key: memberKeyOf(streamsTargetKey, group, member)},
		{Key: memberKeyOf(streamsMemberKey, group, member)},
	}
}

func (g *streams) tombstones() (out []coordinator.Record) {
	for id := range g.members {
		out = append(out, streamsMemberGone(g.id, id)...)
	}
	for _, k := range []int16{streamsTargetEpochKey, streamsEpochKey, streamsTopologyKey} {
		out = append(out, coordinator.Record{Key: groupKeyOf(k, g.id)})
	}
	return out
}

func appendTasks(dst []byte, set taskSet) []byte {
	ids := publicTasks(set)
	dst = kbin.AppendCompactArrayLen(dst, len(ids))
	for _, t := range ids {
		dst = kbin.AppendUvarint(appendPartitions(kbin.AppendCompactString(dst, t.SubtopologyID), t.Partitions), 0)
	}
	return dst
}

// appendHeld is appendTasks with the tasks' epochs (KIP-1251) in a tag.
func appendHeld(dst []byte, held map[taskID]int32) []byte {
	ids := publicTasks(held)
	dst = kbin.AppendCompactArrayLen(dst, len(ids))
	for _, t := range ids {
		dst = appendPartitions(kbin.AppendCompactString(dst, t.SubtopologyID), t.Partitions)
		epochs := make([]int32, len(t.Partitions))
		for i, p := range t.Partitions {
			epochs[i] = held[taskID{t.SubtopologyID, p}]
		}
		dst = appendTag(kbin.AppendUvarint(dst, 1), 0, appendPartitions(nil, epochs))
	}
	return dst
}

func appendPartitions(dst []byte, ps []int32) []byte {
	dst = kbin.AppendCompactArrayLen(dst, len(ps))
	for _, p := range ps {
		dst = kbin.AppendInt32(dst, p)
	}
	return dst
}

// readHeld gives tasks that were written without an epoch the one of their member.
func readHeld(b *kbin.Reader, memberEpoch int32) map[taskID]int32 {
	out := make(map[taskID]int32)
	for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
		sub := b.CompactString()
		ps := readInts(b)
		var epochs []int32
		readTags(b, func(tag uint32, v []byte) {
			if tag == 0 {
				epochs = readInts(&kbin.Reader{Src: v})
			}
		})
		for i, p := range ps {
			e := memberEpoch
			if len(epochs) == len(ps) {
				e = epochs[i]
			}
			out[taskID{sub, p}] = e
		}
	}
	return out
}

func readTasks(b *kbin.Reader) taskSet {
	out := make(taskSet)
	for t := range readHeld(b, 0) {
		out[t] = true
	}
	return out
}

func readPairs(b *kbin.Reader) map[string]string {
	out := make(map[string]string)
	for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
		k, v := b.CompactString(), b.CompactString()
		readTags(b, nil)
		if b.Ok() {
			out[k] = v
		}
	}
	return out
}

// replayStreams applies a record of a streams group. kind is the key's type and key what follows it.
func (s *state) replayStreams(kind int16, key, val []byte) error {
	b := &kbin.Reader{Src: key}
	id, member := b.String(), ""
	switch kind {
	case streamsMemberKey, streamsTargetKey, streamsCurrentKey:
		member = b.String()
	}
	if err := b.Complete(); err != nil {
		return fmt.Errorf("key of type %d: %w", kind, err)
	}
	if val == nil {
		if g := s.streams(id); g != nil {
			g.replayTombstone(kind, member)
		}
		return nil
	}
	g := s.streamsForReplay(id)
	if kind == streamsTopologyKey {
		t, err := readTopology(val)
		if err != nil {
			return err
		}
		g.topology = t
		return nil
	}
	b, _, err := value(val, "streams group", 0)
	if err != nil {
		return err
	}
	switch kind {
	case streamsEpochKey:
		g.epoch, g.hash, g.validated, g.configs, g.stored = b.Int32(), b.Int64(), noTopology, map[string]string{}, true
		readTags(b, func(tag uint32, v []byte) {
			switch tag {
			case 0:
				g.validated = (&kbin.Reader{Src: v}).Int32()
			case 1:
				g.configs = readPairs(&kbin.Reader{Src: v})
			}
		})
	case streamsMemberKey:
		g.replayMember(g.memberForReplay(member), b)
	case streamsTargetEpochKey:
		g.assignmentEpoch, g.assignedAtMs = b.Int32(), 0
		readTags(b, func(tag uint32, v []byte) {
			if tag == 0 {
				g.assignedAtMs = (&kbin.Reader{Src: v}).Int64()
			}
		})
	case streamsTargetKey:
		g.target[member] = &tasks{active: readTasks(b), standby: readTasks(b)}
		readTasks(b) // warm-up tasks
		readTags(b, nil)
	case streamsCurrentKey:
		m := g.memberForReplay(member)
		m.epoch, m.previous, m.state = b.Int32(), b.Int32(), memberState(b.Int8())
		for _, h := range []*heldTasks{&m.assigned, &m.revoking} {
			h.active, h.standby = readHeld(b, m.epoch), readTasks(b)
			readTasks(b)
		}
		readTags(b, nil)
	}
	return complete(b, "streams group")
}

func (g *streams) replayMember(m *streamsMember, b *kbin.Reader) {
	m.instance, m.rack = valueOf(b.CompactNullableString()), valueOf(b.CompactNullableString())
	m.clientID, m.clientHost = b.CompactString(), b.CompactString()
	m.rebalanceTimeout, m.topologyEpoch = time.Duration(b.Int32())*time.Millisecond, b.Int32()
	m.process, m.endpoint = b.CompactString(), nil
	if b.Int8() >= 0 {
		m.endpoint = &kmsg.Endpoint{Host: b.CompactString(), Port: b.Uint16()}
		readTags(b, nil)
	}
	m.tags = readPairs(b)
	readTags(b, nil)
}

// streamsForReplay is the group, which becomes a streams group if it is not yet: compaction may have taken what made it one.
func (s *state) streamsForReplay(id string) *streams {
	g := s.groups[id]
	if g == nil {
		g = newGroup(s, id)
		s.groups[id] = g
	}
	k, ok := g.kind.(*streams)
	if !ok {
		k = newStreams(g)
		g.kind = k
	}
	return k
}

func (g *streams) memberForReplay(id string) *streamsMember {
	m := g.members[id]
	if m == nil {
		m = newStreamsMember(strings.Clone(id))
		g.members[m.id] = m
	}
	return m
}

func (g *streams) replayTombstone(kind int16, member string) {
	switch kind {
	case streamsEpochKey:
		if len(g.members) == 0 {
			g.group.kind = newClassic(g.group)
		}
	case streamsMemberKey:
		delete(g.members, member)
	case streamsTargetEpochKey:
		g.assignmentEpoch, g.assignedAtMs = 0, 0
	case streamsTargetKey:
		delete(g.target, member)
	case streamsCurrentKey:
		if m := g.members[member]; m != nil {
			m.epoch, m.previous, m.state, m.assigned, m.revoking = 0, 0, memberStable, newHeldTasks(), newHeldTasks()
		}
	case streamsTopologyKey:
		g.topology = nil
	}
}
