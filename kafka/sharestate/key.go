package sharestate

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"

	"weir/metadata"
)

// Key names a share partition.
type Key struct {
	Group     string
	Topic     metadata.TopicID
	Partition int32
}

// String is the coordinator key of the share partition, as FindCoordinator takes it: "group:topic id:partition".
func (k Key) String() string {
	return k.Group + ":" + base64.RawURLEncoding.EncodeToString(k.Topic[:]) + ":" + strconv.Itoa(int(k.Partition))
}

// ParseKey reads a coordinator key. Only the group may contain colons.
func ParseKey(s string) (Key, error) {
	rest, partition, ok := cutLast(s)
	group, topic, ok2 := cutLast(rest)
	if !ok || !ok2 || strings.TrimSpace(group) == "" {
		return Key{}, fmt.Errorf("share coordinator key %q: want group:topic id:partition", s)
	}
	id, err := base64.RawURLEncoding.DecodeString(topic)
	if err != nil || len(id) != len(metadata.TopicID{}) {
		return Key{}, fmt.Errorf("share coordinator key %q: %q is no topic id", s, topic)
	}
	n, err := strconv.ParseInt(partition, 10, 32)
	if err != nil {
		return Key{}, fmt.Errorf("share coordinator key %q: %q is no partition", s, partition)
	}
	return Key{Group: group, Topic: metadata.TopicID(id), Partition: int32(n)}, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// PartitionFor is Kafka's choice of the partition of __share_group_state: the absolute value of the coordinator key's Java hash code (0 for the
// one that has none) modulo the number of partitions.
func PartitionFor(k Key, partitions int) int32 {
	var h int32
	for _, u := range utf16.Encode([]rune(k.String())) {
		h = 31*h + int32(u)
	}
	if h == math.MinInt32 {
		return 0
	}
	return max(h, -h) % int32(partitions)
}
