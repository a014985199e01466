package group

import (
	"hash/fnv"
	"slices"

	"weir/kafka/image"
	"weir/metadata"
)

// catalog is what groups know of the cluster's topics: those that exist now.
type catalog interface {
	byName(name string) (topicInfo, bool)
	byID(id metadata.TopicID) (topicInfo, bool)
	names() []string // sorted; must not be modified
}

// topicInfo is a topic as assignors see it.
type topicInfo struct {
	name       string
	id         metadata.TopicID
	partitions int32
}

// imageCatalog is the catalog of this broker's image.
type imageCatalog struct{ *image.Live }

func infoOf(t *image.Topic, ok bool) (topicInfo, bool) {
	if !ok {
		return topicInfo{}, false
	}
	return topicInfo{name: t.Name, id: t.ID, partitions: int32(len(t.Partitions))}, true
}

func (c imageCatalog) byName(name string) (topicInfo, bool) { return infoOf(c.Current().Topic(name)) }

func (c imageCatalog) byID(id metadata.TopicID) (topicInfo, bool) {
	return infoOf(c.Current().TopicByID(id))
}

func (c imageCatalog) names() []string {
	topics := c.Current().Topics()
	out := make([]string, len(topics))
	for i, t := range topics {
		out[i] = t.Name
	}
	return out
}

// metadataHash is a number that changes with what an assignment depends on: which of the topics exist, and how many partitions they have.
// It is never 0, which stands for no topics.
func metadataHash(c catalog, topics map[string]int) int64 {
	names := make([]string, 0, len(topics))
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names)
	h, found := fnv.New64a(), false
	for _, name := range names {
		t, ok := c.byName(name)
		if !ok {
			continue
		}
		found = true
		p := uint32(t.partitions)
		_, _ = h.Write(t.id[:])
		_, _ = h.Write([]byte{byte(p), byte(p >> 8), byte(p >> 16), byte(p >> 24), byte(len(name))})
		_, _ = h.Write([]byte(name))
	}
	if !found {
		return 0
	}
	return int64(h.Sum64() | 1)
}
