package image

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"weir/metadata"
)

// Since between any two images is what comparing all topics finds.
func TestSinceIsTheDifference(t *testing.T) {
	store := metadata.NewMem()
	defer store.Close()
	live := New(store, cluster)
	run(t, live)
	r := rand.New(rand.NewPCG(1, 2))
	var topics []metadata.Topic
	images := []*Image{{}}
	for i := range 200 {
		var rev metadata.Revision
		switch n := r.IntN(6); {
		case n == 0 && len(topics) > 0: // goes
			at := r.IntN(len(topics))
			rev = commit(t, store, metadata.Delete(metadata.TopicKey(cluster, topics[at].Name)), metadata.Delete(metadata.AssignmentKey(cluster, topics[at].ID, 0)))
			topics = append(topics[:at], topics[at+1:]...)
		case n == 1 && len(topics) > 0: // changes
			at := r.IntN(len(topics))
			topics[at].Configs = map[string]string{"retention.ms": fmt.Sprint(i)}
			rev = putTopic(t, store, topics[at])
		case n == 2: // is not about topics
			rev = commit(t, store, metadata.Put(metadata.ClusterPrefix(cluster)+"other", []byte{byte(i)}))
		default:
			topics = append(topics, metadata.Topic{Name: fmt.Sprintf("t%d", r.IntN(1e9)), ID: metadata.NewTopicID(), Partitions: 1})
			rev = putTopic(t, store, topics[len(topics)-1])
		}
		images = append(images, await(t, live, rev))
	}
	for range 300 {
		older, newer := images[r.IntN(len(images))], images[r.IntN(len(images))] // in any order
		changed, gone := newer.Since(older)
		want := map[*Topic]bool{}
		for _, topic := range newer.Topics() {
			if old, ok := older.TopicByID(topic.ID); !ok || old != topic {
				want[topic] = true
			}
		}
		for _, topic := range changed {
			if !want[topic] {
				t.Fatalf("%s did not change", topic.Name)
			}
			delete(want, topic)
		}
		for topic := range want {
			t.Fatalf("%s changed", topic.Name)
		}
		for _, topic := range older.Topics() {
			if _, ok := newer.TopicByID(topic.ID); !ok {
				want[topic] = true
			}
		}
		for _, topic := range gone {
			if !want[topic] {
				t.Fatalf("%s is not gone", topic.Name)
			}
			delete(want, topic)
		}
		for topic := range want {
			t.Fatalf("%s is gone", topic.Name)
		}
	}
}
