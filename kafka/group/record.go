package group

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
	"weir/metadata"
)

// The types of __consumer_offsets' keys, and the versions of values that we write. They are those of Apache Kafka 4.
const (
	offsetKeyOld       = 0
	offsetKey          = 1
	groupKey           = 2
	offsetValueVersion = 4 // has the topic's id
	groupValueVersion  = 3 // has group.instance.id
)

// topicPartition is what an offset is committed for.
type topicPartition struct {
	topic     string
	partition int32
}

// offset is a committed offset.
type offset struct {
	topicID     metadata.TopicID // zero if the record has none
	offset      int64
	leaderEpoch int32 // -1: unknown
	metadata    string
	committedMs int64
}

func offsetRecord(group string, tp topicPartition, o *offset) coordinator.Record {
	k := kmsg.OffsetCommitKey{Version: offsetKey, Group: group, Topic: tp.topic, Partition: tp.partition}
	r := coordinator.Record{Key: k.AppendTo(nil)}
	if o != nil {
		v := kmsg.NewOffsetCommitValue()
		v.Version, v.Offset, v.LeaderEpoch, v.Metadata, v.CommitTimestamp = offsetValueVersion, o.offset, o.leaderEpoch, o.metadata, o.committedMs
		v.TopicID = o.topicID
		r.Value = v.AppendTo(nil)
	}
	return r
}

// groupRecord holds the group's generation and the given assignments; nil members of an empty group.
func (g *classic) groupRecord(assignments map[string][]byte) coordinator.Record {
	v := kmsg.NewGroupMetadataValue()
	v.Version, v.ProtocolType, v.Generation, v.CurrentStateTimestamp = groupValueVersion, g.protocolType, g.generation, g.since.UnixMilli()
	if g.protocolName != "" {
		v.Protocol = &g.protocolName
	}
	if g.leader != "" {
		v.Leader = &g.leader
	}
	for _, m := range g.inOrder() {
		vm := kmsg.NewGroupMetadataValueMember()
		vm.MemberID, vm.ClientID, vm.ClientHost = m.id, m.clientID, m.clientHost
		if m.instance != "" {
			vm.InstanceID = &m.instance
		}
		vm.RebalanceTimeoutMillis, vm.SessionTimeoutMillis = int32(m.rebalanceTimeout.Milliseconds()), int32(m.sessionTimeout.Milliseconds())
		vm.Subscription, vm.Assignment = m.metadata(g.protocolName), assignments[m.id]
		v.Members = append(v.Members, vm)
	}
	return coordinator.Record{Key: groupRecordKey(g.id), Value: v.AppendTo(nil)}
}

func groupRecordKey(group string) []byte {
	return (&kmsg.GroupMetadataKey{Version: groupKey, Group: group}).AppendTo(nil)
}

// store appends the group's record; done is called when that is durable or has failed.
func (g *classic) store(assignments map[string][]byte, done func(error)) {
	g.unsettled++
	g.state.shard.Append([]coordinator.Record{g.groupRecord(assignments)}, func(err error) {
		g.settle(err)
		if err == nil {
			g.stored = true
		}
		done(err)
	})
}

// Replay implements coordinator.State. Keys of types that this version does not know are skipped, as Kafka does: they belong to group
// protocols that it does not serve.
func (s *state) Replay(key, value []byte) error {
	if len(key) < 2 {
		return fmt.Errorf("record key of %d bytes", len(key))
	}
	switch kind := binary.BigEndian.Uint16(key); kind {
	case offsetKeyOld, offsetKey:
		return s.replayOffset(key, value)
	case groupKey:
		return s.replayGroup(key, value)
	case consumerEpochKey, consumerTopicsKey, consumerMemberKey, consumerTargetEpochKey, consumerTargetKey, consumerCurrentKey, consumerRegexKey:
		return s.replayConsumer(int16(kind), key[2:], value)
	case shareTopicsKey, shareMemberKey, shareEpochKey, shareTargetEpochKey, shareTargetKey, shareCurrentKey, shareStatesKey:
		return s.replayShare(int16(kind), key[2:], value)
	case streamsEpochKey, streamsMemberKey, streamsTargetEpochKey, streamsTargetKey, streamsCurrentKey, streamsTopologyKey:
		return s.replayStreams(int16(kind), key[2:], value)
	default:
		s.log.Warn("record of an unknown type skipped", "key", kind)
		return nil
	}
}

func (s *state) replayOffset(key, value []byte) error {
	id, tp, o, err := readOffset(key, value)
	if err != nil {
		return err
	}
	s.supersede(id, tp)
	g := s.groups[id]
	if o == nil {
		if g != nil {
			delete(g.offsets, tp)
		}
		return nil
	}
	if g == nil {
		g = newGroup(s, id)
		s.groups[id] = g
	}
	g.offsets[tp] = *o
	return nil
}

// readOffset reads the record of an offset; o is nil for a tombstone.
func readOffset(key, value []byte) (group string, tp topicPartition, o *offset, err error) {
	var k kmsg.OffsetCommitKey
	if err := k.ReadFrom(key); err != nil {
		return "", tp, nil, fmt.Errorf("offset commit key: %w", err)
	}
	tp = topicPartition{k.Topic, k.Partition}
	if value == nil {
		return k.Group, tp, nil, nil
	}
	if err := walkOffset(value); err != nil {
		return "", tp, nil, fmt.Errorf("offset commit value: %w", err)
	}
	v := kmsg.NewOffsetCommitValue()
	if err := v.ReadFrom(value); err != nil || v.Version < 0 || v.Version > offsetValueVersion {
		return "", tp, nil, fmt.Errorf("offset commit value of version %d: %w", v.Version, orIncomplete(err))
	}
	o = &offset{topicID: v.TopicID, offset: v.Offset, leaderEpoch: -1, metadata: v.Metadata, committedMs: v.CommitTimestamp}
	if v.Version >= 3 {
		o.leaderEpoch = v.LeaderEpoch
	}
	return k.Group, tp, o, nil
}

// flexibleVersion is the version from which on offset and group values have tagged fields.
const flexibleVersion = 4

func flexible(value []byte) bool {
	return len(value) >= 2 && int16(binary.BigEndian.Uint16(value)) >= flexibleVersion
}

// walkOffset checks the lengths of an offset's value.
func walkOffset(value []byte) error {
	if !flexible(value) {
		return nil
	}
	w := coordinator.NewWalk(value)
	w.Skip(2 + 8 + 4) // version, offset, leader epoch
	w.Compact()       // metadata
	w.Skip(8)         // when it was committed
	w.Tags()
	return w.End()
}

// walkGroup checks the lengths of a group's value.
func walkGroup(value []byte) error {
	if !flexible(value) {
		return nil
	}
	w := coordinator.NewWalk(value)
	w.Skip(2)
	w.Compact() // protocol type
	w.Skip(4)   // generation
	w.Compact() // protocol
	w.Compact() // leader
	w.Skip(8)   // since when
	for range w.Array(4) {
		for range 4 { // member, instance and client id, host
			w.Compact()
		}
		w.Skip(4 + 4) // timeouts
		w.Compact()   // subscription
		w.Compact()   // assignment
		w.Tags()
	}
	w.Tags()
	return w.End()
}

func (s *state) replayGroup(key, value []byte) error {
	var k kmsg.GroupMetadataKey
	if err := k.ReadFrom(key); err != nil {
		return fmt.Errorf("group metadata key: %w", err)
	}
	g := s.groups[k.Group]
	if value == nil { // the group was deleted; its offsets have tombstones of their own
		if g != nil {
			if _, ok := g.kind.(*classic); ok { // else it was upgraded: this is what it was before
				g.kind = newClassic(g)
			}
		}
		return nil
	}
	if err := walkGroup(value); err != nil {
		return fmt.Errorf("group metadata value: %w", err)
	}
	v := kmsg.NewGroupMetadataValue()
	if err := v.ReadFrom(value); err != nil || v.Version < 0 || v.Version > 4 {
		return fmt.Errorf("group metadata value of version %d: %w", v.Version, orIncomplete(err))
	}
	if g == nil {
		g = newGroup(s, k.Group)
		s.groups[k.Group] = g
	}
	fresh := newClassic(g)
	fresh.restore(&v)
	g.kind = fresh
	return nil
}

// restore takes over what a record says.
func (g *classic) restore(v *kmsg.GroupMetadataValue) {
	g.stored = true
	g.protocolType, g.generation = v.ProtocolType, v.Generation
	if v.Protocol != nil {
		g.protocolName = *v.Protocol
	}
	for i := range v.Members {
		vm := &v.Members[i]
		m := &member{
			id: vm.MemberID, clientID: vm.ClientID, clientHost: vm.ClientHost,
			sessionTimeout:   time.Duration(vm.SessionTimeoutMillis) * time.Millisecond,
			rebalanceTimeout: time.Duration(vm.RebalanceTimeoutMillis) * time.Millisecond,
			protocols:        []Protocol{{Name: g.protocolName, Metadata: clone(vm.Subscription)}},
			assignment:       clone(vm.Assignment),
		}
		if vm.RebalanceTimeoutMillis < 0 { // records before v1 have none
			m.rebalanceTimeout = m.sessionTimeout
		}
		if vm.InstanceID != nil {
			m.instance = *vm.InstanceID
		}
		g.add(m)
	}
	if v.Leader != nil && g.members[*v.Leader] != nil {
		g.leader = *v.Leader
	}
	g.become(Empty)
	if len(g.members) > 0 {
		g.become(Stable)
	}
	if v.CurrentStateTimestamp > 0 {
		g.since = time.UnixMilli(v.CurrentStateTimestamp)
	}
}

func clone(b []byte) []byte { return append([]byte{}, b...) }

// orIncomplete is the error of a value that a decoder could not read, or whose version is not known.
func orIncomplete(err error) error {
	if err == nil {
		return kbin.ErrNotEnoughData
	}
	return err
}
