package broker

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/wire"
	"weir/metadata"
)

// repeats finds requests that name a partition, or only a topic, more than once: Kafka collects what a request names in maps, so that it answers each
// partition once, for what is said of it last. Such requests are rare and the others many, so that looking for them allocates nothing for topics of up to
// 1,024 partitions.
type repeats struct{ sets sync.Pool } // of map[topicName]struct{}, for requests with many topics

// topicName names a topic as the client does: by name, or by id.
type topicName struct {
	name string
	id   metadata.TopicID
}

// fewTopics is up to how many topics each is compared with each.
const fewTopics = 16

// any reports whether two of n topics are the same.
func (r *repeats) any(n int, topic func(i int) topicName) bool {
	if n <= fewTopics {
		for i := 1; i < n; i++ {
			for j := range i {
				if topic(i) == topic(j) {
					return true
				}
			}
		}
		return false
	}
	set, ok := r.sets.Get().(map[topicName]struct{})
	if !ok {
		set = make(map[topicName]struct{}, n)
	}
	for i := range n {
		set[topic(i)] = struct{}{}
	}
	distinct := len(set)
	clear(set) // names lie in the request's memory
	r.sets.Put(set)
	return distinct < n
}

// produce tells whether the request repeats itself.
func (r *repeats) produce(req *wire.ProduceRequest) bool {
	if len(req.Parts) < 2 && len(req.Topics) < 2 {
		return false
	}
	parts := req.Parts
	for i := range req.Topics {
		n := req.Topics[i].Parts
		if n > 1 {
			var seen indexSet
			for j := range parts[:n] {
				if seen.add(parts[j].Partition) {
					return true
				}
			}
		}
		parts = parts[n:]
	}
	return r.any(len(req.Topics), func(i int) topicName { return topicName{req.Topics[i].Name, req.Topics[i].ID} })
}

// fetch tells whether the request repeats itself.
func (r *repeats) fetch(req *kmsg.FetchRequest) bool {
	for i := range req.Topics {
		parts := req.Topics[i].Partitions
		if len(parts) < 2 {
			continue
		}
		var seen indexSet
		for j := range parts {
			if seen.add(parts[j].Partition) {
				return true
			}
		}
	}
	return r.any(len(req.Topics), func(i int) topicName { return topicName{req.Topics[i].Topic, req.Topics[i].TopicID} })
}

// indexSet is a set of partitions' numbers. The zero value is empty.
type indexSet struct {
	low  [16]uint64
	high map[int32]struct{} // those that low has no bit for
}

// add reports whether index was in the set before.
func (s *indexSet) add(index int32) (again bool) {
	if index >= 0 && int(index) < 64*len(s.low) {
		bit := uint64(1) << (index & 63)
		again = s.low[index>>6]&bit != 0
		s.low[index>>6] |= bit
		return again
	}
	if s.high == nil {
		s.high = make(map[int32]struct{})
	}
	_, again = s.high[index]
	s.high[index] = struct{}{}
	return again
}

// dropRepeated leaves of a request what Kafka looks at: each topic and partition once, where it is first named, with the records that come last.
func dropRepeated(req *wire.ProduceRequest) {
	type place struct{ topic, part int }
	var topics []wire.ProduceTopic
	var parts [][]wire.ProducePart // of each topic
	topicAt, partAt := make(map[topicName]int), make(map[fetchKey]place)
	rest := req.Parts
	for _, t := range req.Topics {
		at, ok := topicAt[topicName{t.Name, t.ID}]
		if !ok {
			at = len(topics)
			topicAt[topicName{t.Name, t.ID}] = at
			topics, parts = append(topics, t), append(parts, nil)
		}
		for _, p := range rest[:t.Parts] {
			key := fetchKey{topic: t.Name, id: t.ID, index: p.Partition}
			if old, ok := partAt[key]; ok {
				parts[old.topic][old.part] = p
				continue
			}
			partAt[key] = place{at, len(parts[at])}
			parts[at] = append(parts[at], p)
		}
		rest = rest[t.Parts:]
	}
	req.Topics, req.Parts = req.Topics[:0], req.Parts[:0]
	for i, t := range topics {
		t.Parts = len(parts[i])
		req.Topics, req.Parts = append(req.Topics, t), append(req.Parts, parts[i]...)
	}
}
