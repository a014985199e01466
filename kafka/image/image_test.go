package image

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/internal/leak"
	"weir/metadata"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

const cluster = "c1"

// assignments makes n partitions led by broker, starting at epoch 0.
func assignments(n int, broker metadata.BrokerID) metadata.Assignment {
	var a metadata.Assignment
	for range n {
		a.Partitions = append(a.Partitions, metadata.PartitionAssignment{Leader: broker, Replicas: []metadata.BrokerID{broker}})
	}
	return a
}

func putTopic(t testing.TB, store metadata.Store, topic metadata.Topic) metadata.Revision {
	t.Helper()
	ops := []metadata.Op{metadata.Put(metadata.TopicKey(cluster, topic.Name), metadata.Encode(topic))}
	for at := 0; at*metadata.AssignmentsPerKey < int(topic.Partitions); at++ {
		n := min(metadata.AssignmentsPerKey, int(topic.Partitions)-at*metadata.AssignmentsPerKey)
		ops = append(ops, metadata.Put(metadata.AssignmentKey(cluster, topic.ID, at), metadata.Encode(assignments(n, 1))))
	}
	rev, err := store.Commit(context.Background(), metadata.Txn{Then: ops})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func commit(t testing.TB, store metadata.Store, ops ...metadata.Op) metadata.Revision {
	t.Helper()
	rev, err := store.Commit(context.Background(), metadata.Txn{Then: ops})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// run starts l and stops it at the end of the test.
func run(t testing.TB, l *Live) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func await(t testing.TB, l *Live, r metadata.Revision) *Image {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	img, err := l.Await(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func names(i *Image) (out []string) {
	for _, t := range i.Topics() {
		out = append(out, t.Name)
	}
	return out
}

func TestLiveFollowsTopicsSessionsAndConfigs(t *testing.T) {
	store := metadata.NewMem()
	defer store.Close()
	a := metadata.Topic{Name: "a", ID: metadata.NewTopicID(), Partitions: 300, Configs: map[string]string{"retention.ms": "1"}}
	created := putTopic(t, store, a)
	l := New(store, cluster)
	run(t, l)

	img := await(t, l, created)
	topic, ok := img.Topic("a")
	if !ok || len(topic.Partitions) != 300 || topic.Configs["retention.ms"] != "1" || topic.Revision != created {
		t.Fatalf("topic a: %d partitions at revision %d, %v", len(topic.Partitions), topic.Revision, ok)
	}
	if byID, _ := img.TopicByID(a.ID); byID != topic {
		t.Error("the name and the id find different topics")
	}

	rev := commit(t, store,
		metadata.Put(metadata.SessionKey(cluster, 2), metadata.Encode(metadata.Session{Broker: 2, Ready: true})),
		metadata.Put(metadata.SessionKey(cluster, 1), metadata.Encode(metadata.Session{Broker: 1})),
		metadata.Put(metadata.ConfigKey(cluster, "broker", ""), metadata.Encode(metadata.ConfigEntry{Values: map[string]string{"x": "y"}})))
	img2 := await(t, l, rev)
	if len(img2.Brokers) != 2 || img2.Brokers[0].Broker != 1 || img2.Brokers[1].Incarnation != rev {
		t.Errorf("brokers = %+v", img2.Brokers)
	}
	if c, ok := img2.Controller(); !ok || c.Broker != 2 {
		t.Errorf("controller = %v %v, want the first ready broker, 2", c.Broker, ok)
	}
	if got := img2.BrokerConfigs("")["x"]; got != "y" {
		t.Errorf("dynamic config = %q", got)
	}
	if len(img.Brokers) != 0 {
		t.Error("an older image was changed")
	}
	if after, _ := img2.Topic("a"); after != topic {
		t.Error("a topic was built anew though nothing of it changed")
	}

	// A new topic of the same name in the transaction that removes the old one.
	b := metadata.Topic{Name: "a", ID: metadata.NewTopicID(), Partitions: 1}
	rev = commit(t, store, metadata.DeletePrefix(metadata.ClusterPrefix(cluster)+"asg/"+a.ID.String()+"/"),
		metadata.Put(metadata.TopicKey(cluster, "a"), metadata.Encode(b)),
		metadata.Put(metadata.AssignmentKey(cluster, b.ID, 0), metadata.Encode(assignments(1, 1))),
		metadata.Delete(metadata.SessionKey(cluster, 2)))
	img3 := await(t, l, rev)
	topic, _ = img3.Topic("a")
	if topic.ID != b.ID || len(topic.Partitions) != 1 || img3.TopicCount() != 1 {
		t.Errorf("after the name was given to another topic: %+v", topic)
	}
	if _, ok := img3.TopicByID(a.ID); ok {
		t.Error("the old id still resolves")
	}
	if _, ok := img3.Controller(); ok {
		t.Error("a broker without a session is controller")
	}

	rev = commit(t, store, metadata.DeletePrefix(metadata.ClusterPrefix(cluster)))
	img4 := await(t, l, rev)
	if img4.TopicCount() != 0 || len(img4.Topics()) != 0 || len(img4.Brokers) != 0 || img4.BrokerConfigs("") != nil {
		t.Errorf("after the cluster was removed: %+v", img4)
	}
}

// Growing a topic and moving leaders change one pack each.
func TestAssignmentsArePacked(t *testing.T) {
	b := newBuilder(cluster)
	id := metadata.NewTopicID()
	event := func(key string, v any, rev metadata.Revision) metadata.Event {
		return metadata.Event{KV: metadata.KV{Key: key, Value: metadata.Encode(v), Created: rev, Modified: rev}}
	}
	topic := metadata.Topic{Name: "t", ID: id, Partitions: 256}
	// The assignment key sorts before the topic's.
	img, err := b.apply([]metadata.Event{
		event(metadata.AssignmentKey(cluster, id, 0), assignments(256, 1), 1),
		event(metadata.TopicKey(cluster, "t"), topic, 1),
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := img.Topic("t")
	if len(first.Partitions) != 256 {
		t.Fatalf("%d partitions", len(first.Partitions))
	}
	topic.Partitions = 260
	img, err = b.apply([]metadata.Event{
		event(metadata.AssignmentKey(cluster, id, 1), assignments(4, 3), 2),
		event(metadata.TopicKey(cluster, "t"), topic, 2),
	}, 2)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := img.Topic("t")
	if len(second.Partitions) != 260 || second.Partitions[259].Leader != 3 || second.Partitions[255].Leader != 1 {
		t.Fatalf("after growth: %d partitions", len(second.Partitions))
	}
	if len(first.Partitions) != 256 {
		t.Error("the older image grew")
	}
	if _, err := b.apply([]metadata.Event{event(metadata.ClusterPrefix(cluster)+"asg/"+id.String()+"/99999999", assignments(1, 1), 3)}, 3); err == nil {
		t.Error("an absurd pack number was taken")
	}
}

func TestOnChangeSeesEveryImageInOrder(t *testing.T) {
	store := metadata.NewMem()
	defer store.Close()
	l := New(store, cluster)
	var seen []metadata.Revision
	stop := l.OnChange(func(i *Image) { seen = append(seen, i.Revision) })
	var last metadata.Revision
	run(t, l)
	for i := range 20 {
		last = putTopic(t, store, metadata.Topic{Name: fmt.Sprintf("t%02d", i), ID: metadata.NewTopicID(), Partitions: 1})
	}
	img := await(t, l, last)
	stop()
	want := make([]string, 20)
	for i := range want {
		want[i] = fmt.Sprintf("t%02d", i)
	}
	if diff := cmp.Diff(want, names(img)); diff != "" {
		t.Error(diff)
	}
	// A later change is not seen any more; the one before may have been on its way.
	last = putTopic(t, store, metadata.Topic{Name: "late", ID: metadata.NewTopicID(), Partitions: 1})
	await(t, l, last)
	if !slices.IsSorted(seen) || slices.Contains(seen, last) {
		t.Errorf("seen revisions %v", seen)
	}
}

// After a lost watch everything is listed again: what vanished meanwhile must be gone.
func TestLiveDropsWhatVanishedInAGap(t *testing.T) {
	b := newBuilder(cluster)
	id := metadata.NewTopicID()
	ev := []metadata.Event{
		{KV: metadata.KV{Key: metadata.TopicKey(cluster, "t"), Value: metadata.Encode(metadata.Topic{Name: "t", ID: id, Partitions: 1}), Modified: 1}},
		{KV: metadata.KV{Key: metadata.AssignmentKey(cluster, id, 0), Value: metadata.Encode(assignments(1, 1)), Modified: 1}},
	}
	if _, err := b.apply(ev, 1); err != nil {
		t.Fatal(err)
	}
	b.reset()
	img, err := b.apply(nil, 7)
	if err != nil || img.TopicCount() != 0 || img.Revision != 7 {
		t.Errorf("after the gap: %d topics at %d, %v", img.TopicCount(), img.Revision, err)
	}
}

func BenchmarkChangeOneTopicOf10000(b *testing.B) {
	builder := newBuilder(cluster)
	var all []metadata.Event
	ids := make([]metadata.TopicID, 10_000)
	for i := range ids {
		ids[i] = metadata.NewTopicID()
		topic := metadata.Topic{Name: fmt.Sprintf("topic-%d", i), ID: ids[i], Partitions: 1}
		all = append(all, metadata.Event{KV: metadata.KV{Key: metadata.TopicKey(cluster, topic.Name), Value: metadata.Encode(topic), Modified: 1}},
			metadata.Event{KV: metadata.KV{Key: metadata.AssignmentKey(cluster, ids[i], 0), Value: metadata.Encode(assignments(1, 1)), Modified: 1}})
	}
	if _, err := builder.apply(all, 1); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	rev := metadata.Revision(2)
	for b.Loop() {
		if _, err := builder.apply(all[2*(int(rev)%10_000):][:2], rev); err != nil {
			b.Fatal(err)
		}
		rev++
	}
}
