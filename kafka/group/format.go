package group

import (
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"

	"weir/kafka/coordinator"
	"weir/metadata"
)

// format is how a modern kind's records look. Their keys are alike: a number for the type of record, the group and, for records of members, the
// member. So are the values that have no function here.
type format struct {
	epochKey, memberKey, targetEpochKey, targetKey, currentKey int16

	epochValue   func(*modern) []byte
	memberValue  func(*modernMember) []byte
	currentValue func(*modernMember) []byte
}

func groupKeyOf(kind int16, group string) []byte {
	return kbin.AppendString(kbin.AppendInt16(nil, kind), group)
}

func memberKeyOf(kind int16, group, member string) []byte {
	return kbin.AppendString(groupKeyOf(kind, group), member)
}

func (f *format) tombstone(kind int16, group string) coordinator.Record {
	return coordinator.Record{Key: groupKeyOf(kind, group)}
}

func (f *format) epochRecord(g *modern) coordinator.Record {
	return coordinator.Record{Key: groupKeyOf(f.epochKey, g.id), Value: f.epochValue(g)}
}

func (f *format) memberRecord(group string, m *modernMember) coordinator.Record {
	return coordinator.Record{Key: memberKeyOf(f.memberKey, group, m.id), Value: f.memberValue(m)}
}

func (f *format) currentRecord(group string, m *modernMember) coordinator.Record {
	return coordinator.Record{Key: memberKeyOf(f.currentKey, group, m.id), Value: f.currentValue(m)}
}

func (f *format) targetRecord(group, member string, a assignment) coordinator.Record {
	return coordinator.Record{Key: memberKeyOf(f.targetKey, group, member), Value: kbin.AppendUvarint(appendAssignment(version0(), a), 0)}
}

func (f *format) targetEpochRecord(g *modern) coordinator.Record {
	v := kbin.AppendInt32(version0(), g.assignmentEpoch)
	v = kbin.AppendUvarint(v, 1)
	v = appendTag(v, 0, kbin.AppendInt64(nil, g.assignedAtMs))
	return coordinator.Record{Key: groupKeyOf(f.targetEpochKey, g.id), Value: v}
}

// memberGone deletes the records of a member.
func (f *format) memberGone(group, member string) []coordinator.Record {
	return []coordinator.Record{
		{Key: memberKeyOf(f.currentKey, group, member)},
		{Key: memberKeyOf(f.targetKey, group, member)},
		{Key: memberKeyOf(f.memberKey, group, member)},
	}
}

// version0 begins a value, which has its version in front.
func version0() []byte { return []byte{0, 0} }

func appendTag(dst []byte, tag uint32, value []byte) []byte {
	dst = kbin.AppendUvarint(dst, tag)
	dst = kbin.AppendUvarint(dst, uint32(len(value)))
	return append(dst, value...)
}

func appendAssignment(dst []byte, a assignment) []byte {
	dst = kbin.AppendCompactArrayLen(dst, len(a))
	for _, t := range sortedTopics(a) {
		dst = kbin.AppendUuid(dst, t)
		dst = kbin.AppendCompactArrayLen(dst, len(a[t]))
		for _, p := range a[t] {
			dst = kbin.AppendInt32(dst, p)
		}
		dst = kbin.AppendUvarint(dst, 0)
	}
	return dst
}

// appendOwned is appendAssignment with the partitions' epochs (KIP-1251) in a tag.
func appendOwned(dst []byte, o owned) []byte {
	dst = kbin.AppendCompactArrayLen(dst, len(o))
	for _, t := range sortedTopics(o) {
		dst = kbin.AppendUuid(dst, t)
		ps := slices.Sorted(maps.Keys(o[t]))
		dst = kbin.AppendCompactArrayLen(dst, len(ps))
		epochs := kbin.AppendCompactArrayLen(nil, len(ps))
		for _, p := range ps {
			dst = kbin.AppendInt32(dst, p)
			epochs = kbin.AppendInt32(epochs, o[t][p])
		}
		dst = appendTag(kbin.AppendUvarint(dst, 1), 0, epochs)
	}
	return dst
}

func appendStrings(dst []byte, ss []string) []byte {
	dst = kbin.AppendCompactArrayLen(dst, len(ss))
	for _, s := range ss {
		dst = kbin.AppendCompactString(dst, s)
	}
	return dst
}

// nullable is null for "".
func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func valueOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// value begins to read a record's value; what is the record's name for errors.
func value(src []byte, what string, versionMax int16) (*kbin.Reader, int16, error) {
	b := &kbin.Reader{Src: src}
	if v := b.Int16(); !b.Ok() || v < 0 || v > versionMax {
		return nil, v, fmt.Errorf("%s of version %d is not known: %w", what, v, kbin.ErrNotEnoughData)
	} else { //nolint:revive // v belongs to both
		return b, v, nil
	}
}

// readTags calls fn with each tagged field. Those that it does not know it ignores.
func readTags(b *kbin.Reader, fn func(tag uint32, value []byte)) {
	for n := b.Uvarint(); n > 0 && b.Ok(); n-- {
		tag, size := b.Uvarint(), b.Uvarint()
		if int64(size) > int64(len(b.Src)) {
			b.Span(len(b.Src) + 1) // fails
			return
		}
		if v := b.Span(int(size)); b.Ok() && fn != nil {
			fn(tag, v)
		}
	}
}

// readInts reads what fits; the length is not believed.
func readInts(b *kbin.Reader) (out []int32) {
	for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
		if v := b.Int32(); b.Ok() {
			out = append(out, v)
		}
	}
	return out
}

func readStrings(b *kbin.Reader) (out []string) {
	for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
		if s := b.CompactString(); b.Ok() {
			out = append(out, s)
		}
	}
	return out
}

func readAssignment(b *kbin.Reader) assignment {
	a := assignment{}
	for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
		t := metadata.TopicID(b.Uuid())
		ps := readInts(b)
		readTags(b, nil)
		if len(ps) > 0 {
			slices.Sort(ps)
			a[t] = slices.Compact(ps)
		}
	}
	return a
}

// readOwned gives partitions that were written without an epoch the one of their member.
func readOwned(b *kbin.Reader, memberEpoch int32) owned {
	o := owned{}
	for n := b.CompactArrayLen(); n > 0 && b.Ok(); n-- {
		t := metadata.TopicID(b.Uuid())
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
			o.add(partitionID{t, p}, e)
		}
	}
	return o
}
