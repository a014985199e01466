package image

import (
	"maps"
	"reflect"

	"weir/metadata"
)

// shardCount trades the cost of a new Image (a pointer per shard) against the cost of a change (a copy of one shard).
const shardCount = 64

// shards is a map in parts, so that a changed copy shares the parts that did not change. The zero value is empty.
type shards[K comparable] [shardCount]map[K]*Topic

func (s *shards[K]) get(k K, hash uint64) (*Topic, bool) {
	t, ok := s[hash%shardCount][k]
	return t, ok
}

// since reports what s has and old had not, or had another of, and what old had and s has not. It looks at the parts only that are not shared.
func (s *shards[K]) since(old *shards[K]) (changed, gone []*Topic) {
	for i, part := range s {
		if reflect.ValueOf(part).Pointer() == reflect.ValueOf(old[i]).Pointer() {
			continue
		}
		for k, t := range part {
			if old[i][k] != t {
				changed = append(changed, t)
			}
		}
		for k, t := range old[i] {
			if _, ok := part[k]; !ok {
				gone = append(gone, t)
			}
		}
	}
	return changed, gone
}

// edit is a set of changes to shards: each shard is copied at its first change.
type edit[K comparable] struct {
	shards[K]
	own [shardCount]bool
}

func (e *edit[K]) put(k K, hash uint64, t *Topic) {
	i := hash % shardCount
	switch {
	case e.shards[i] == nil:
		e.shards[i] = make(map[K]*Topic)
	case !e.own[i]:
		e.shards[i] = maps.Clone(e.shards[i])
	}
	e.own[i] = true
	e.shards[i][k] = t
}

func (e *edit[K]) remove(k K, hash uint64) {
	i := hash % shardCount
	if _, ok := e.shards[i][k]; !ok {
		return
	}
	if !e.own[i] {
		e.shards[i] = maps.Clone(e.shards[i])
		e.own[i] = true
	}
	delete(e.shards[i], k)
}

// hashName is FNV-1a. Names that collide on purpose make a shard larger, and changes of its topics slower; no more.
func hashName(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h ^ h>>32
}

// Topic ids are random, so that their first bytes are a hash.
func hashID(id metadata.TopicID) uint64 { return uint64(id[0])<<8 | uint64(id[1]) }
