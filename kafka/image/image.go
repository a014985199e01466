// Package image is the broker's view of the cluster's metadata: an immutable Image per revision, kept current by following the
// metadata store. Readers take one Image and see topics, leaders, brokers and configs of one moment.
//
// Non-obvious: an Image shares everything that did not change with the one before it. Topics live in shards, so that a change of one
// topic among 10,000 copies one shard of about 150 entries, not the whole table (see shards.go).
package image

import (
	"slices"
	"strings"
	"sync"

	"weir/metadata"
)

// Image is the cluster's metadata at one revision. It is never modified.
type Image struct {
	Revision metadata.Revision
	// Brokers are those registered, in order of id. The controller that clients are told of is the first ready one.
	Brokers []metadata.Session
	known   []metadata.Registration // in order of id

	recoverers []metadata.Session // in order of id; none of Brokers

	topics  shards[string]
	ids     shards[metadata.TopicID]
	configs map[string]map[string]string // broker id or "" -> dynamic configs
	quotas  *metadata.ClientQuotas
	admin   adminRecords
	count   int

	sortOnce sync.Once // a sorted list costs, and most images are never asked for one
	sorted   []*Topic
}

// Topic is a topic with its partitions' leaders. It is never modified.
type Topic struct {
	Name       string
	ID         metadata.TopicID
	Internal   bool
	Configs    map[string]string // set on the topic only
	Partitions []metadata.PartitionAssignment
	Revision   metadata.Revision // of the topic record: guards changes
}

// Internal topics hold Weir's own state in Kafka's formats, as in Kafka.
const (
	ConsumerOffsets  = "__consumer_offsets"
	TransactionState = "__transaction_state"
	ShareGroupState  = "__share_group_state"
)

// IsInternal tells whether name is an internal topic's.
func IsInternal(name string) bool {
	return name == ConsumerOffsets || name == TransactionState || name == ShareGroupState
}

// Topic returns the topic of that name.
func (i *Image) Topic(name string) (*Topic, bool) { return i.topics.get(name, hashName(name)) }

// TopicByID returns the topic with that id.
func (i *Image) TopicByID(id metadata.TopicID) (*Topic, bool) { return i.ids.get(id, hashID(id)) }

// TopicCount is how many topics there are.
func (i *Image) TopicCount() int { return i.count }

// Topics returns all topics, sorted by name. The slice must not be modified.
func (i *Image) Topics() []*Topic {
	i.sortOnce.Do(func() {
		i.sorted = make([]*Topic, 0, i.count)
		for _, shard := range i.topics {
			for _, t := range shard {
				i.sorted = append(i.sorted, t)
			}
		}
		slices.SortFunc(i.sorted, func(a, b *Topic) int { return strings.Compare(a.Name, b.Name) })
	})
	return i.sorted
}

// Since returns the topics that are new since old or were changed, and those that were there and are not any more, in no order. Its cost grows with what
// changed rather than with the number of topics, if the two images are of one Live.
func (i *Image) Since(old *Image) (changed, gone []*Topic) { return i.ids.since(&old.ids) }

// Broker returns the session of a registered broker.
func (i *Image) Broker(id metadata.BrokerID) (metadata.Session, bool) {
	at, ok := slices.BinarySearchFunc(i.Brokers, id, func(s metadata.Session, id metadata.BrokerID) int { return int(s.Broker) - int(id) })
	if !ok {
		return metadata.Session{}, false
	}
	return i.Brokers[at], true
}

// Recoverer returns the session of a process that gives a broker's partitions to others, which is none of Brokers: whatever looks for brokers passes it by.
func (i *Image) Recoverer(id metadata.BrokerID) (metadata.Session, bool) {
	at := slices.IndexFunc(i.recoverers, func(s metadata.Session) bool { return s.Broker == id })
	if at < 0 {
		return metadata.Session{}, false
	}
	return i.recoverers[at], true
}

// Recovering reports whether there is a recoverer.
func (i *Image) Recovering() bool { return len(i.recoverers) > 0 }

// Controller returns the broker that clients are told to send admin requests to: the first ready one. Any broker can serve them.
func (i *Image) Controller() (metadata.Session, bool) {
	for _, s := range i.Brokers {
		if s.Ready {
			return s, true
		}
	}
	return metadata.Session{}, false
}

// BrokerConfigs returns the dynamic configs of a broker, or the cluster-wide defaults for "". The map must not be modified.
func (i *Image) BrokerConfigs(name string) map[string]string { return i.configs[name] }

// ClientQuotas returns the limits of clients, nil if none were ever set. The record must not be modified; it is the same one until it changes.
func (i *Image) ClientQuotas() *metadata.ClientQuotas { return i.quotas }
