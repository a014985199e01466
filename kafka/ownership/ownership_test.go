package ownership

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/disk"
)

func TestLifeOfABroker(t *testing.T) {
	w := newWorld(t)
	p := w.mustStart()
	topic := w.create("t", 3)
	k := partition.Key{Topic: topic.ID, Index: 2}
	q := p.await(k)
	mustAppend(t, q, "one")
	endpoints := []metadata.Endpoint{{Name: "CLIENT", Host: "127.0.0.1", Port: 9092}}
	if err := p.MarkReady(t.Context(), endpoints); err != nil {
		t.Fatal(err)
	}
	s, kv, _ := w.session()
	if !s.Ready || s.Incarnation != p.Incarnation() || kv.Created != p.Incarnation() || cmp.Diff(endpoints, s.Endpoints) != "" {
		t.Errorf("session %+v of incarnation %d", s, p.Incarnation())
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if _, _, found := w.session(); found {
		t.Error("the session outlives a clean stop")
	}
	if _, err := appendTo(q, record("late")); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("append after the stop: %v", err)
	}

	first := p.streamID()
	for life := range 4 {
		if p = w.mustStart(); p.streamID() == first {
			t.Fatal("an incarnation came back")
		}
		q, err := p.Leaders().Get(k)
		if err != nil {
			t.Fatal(err)
		}
		if q.LeaderEpoch() != metadata.LeaderEpoch(life+1) || w.assignment(topic).Partitions[2].Epoch != q.LeaderEpoch() {
			t.Errorf("life %d has epoch %d, the store says %+v", life, q.LeaderEpoch(), w.assignment(topic))
		}
		a := mustAppend(t, q, fmt.Sprint("life ", life))
		if a.BaseOffset != int64(life+1) {
			t.Errorf("life %d appends at %d", life, a.BaseOffset)
		}
		if life%2 == 0 {
			p.kill() // the session stays and is taken over
		} else if err := p.stop(); err != nil {
			t.Fatal(err)
		}
	}
	p = w.mustStart()
	if diff := cmp.Diff([]string{"one", "life 0", "life 1", "life 2", "life 3"}, values(t, p.await(k))); diff != "" {
		t.Error(diff)
	}
	streams := w.streams()
	if len(streams) != 6 {
		t.Errorf("streams %+v", streams)
	}
	for id, s := range streams {
		if want := map[bool]metadata.StreamState{true: metadata.StreamOpen, false: metadata.StreamSealed}[id == p.streamID()]; s.State != want {
			t.Errorf("stream %s is %s, want %s", id, s.State, want)
		}
	}
}

func TestFollowsTopics(t *testing.T) {
	w := newWorld(t)
	p := w.mustStart()
	topic := w.create("t", 1)
	k := partition.Key{Topic: topic.ID}
	q := p.await(k)
	mustAppend(t, q, "v")

	// Configs apply, of the topic and of all brokers.
	big := make([]byte, 5000)
	tooLarge := func() bool {
		_, err := appendTo(q, record(string(big)))
		return errors.Is(err, kerr.MessageTooLarge)
	}
	topic.Configs = map[string]string{"max.message.bytes": "1000"}
	w.commit(metadata.Put(metadata.TopicKey(cluster, "t"), metadata.Encode(topic)))
	eventually(t, "the topic's limit applies", tooLarge)
	topic.Configs = nil
	w.commit(metadata.Put(metadata.TopicKey(cluster, "t"), metadata.Encode(topic)))
	eventually(t, "the topic's limit is gone", func() bool { return !tooLarge() })
	w.commit(metadata.Put(metadata.ConfigKey(cluster, "broker", ""), metadata.Encode(metadata.ConfigEntry{Values: map[string]string{"message.max.bytes": "1000"}})))
	eventually(t, "the cluster's limit applies", tooLarge)

	topic.Partitions = 3
	w.commit(topicOps(topic, 1)...)
	p.await(partition.Key{Topic: topic.ID, Index: 2})

	// A topic of someone else is not ours.
	other := metadata.Topic{Name: "other", ID: metadata.NewTopicID(), Partitions: 1}
	rev := w.commit(topicOps(other, 2)...)
	if _, err := p.image.Await(t.Context(), rev); err != nil {
		t.Fatal(err)
	}

	woken := make(chan struct{}, 1)
	defer q.OnAdvance(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})()
	w.commit(metadata.Delete(metadata.TopicKey(cluster, "t")), metadata.DeletePrefix(metadata.ClusterPrefix(cluster)+"asg/"+topic.ID.String()))
	for closed := false; !closed; {
		select {
		case <-woken:
		case <-time.After(time.Minute):
			t.Fatal("who waits for a deleted topic is not woken")
		}
		recs, err := q.Read(t.Context(), partition.ReadRequest{ClientEpoch: -1})
		recs.Release()
		// An append is answered a moment before its commit wakes anybody, so the first to come may be that of an append above.
		if closed = err != nil; closed && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Errorf("read of a deleted topic: %v", err)
		}
	}
	eventually(t, "all are closed", func() bool { return len(p.Leaders().Keys()) == 0 })
	// The same name again is another topic.
	again := w.create("t", 1)
	if a := mustAppend(t, p.await(partition.Key{Topic: again.ID}), "v"); a.BaseOffset != 0 {
		t.Errorf("%+v", a)
	}
	// A lost watch changes nothing.
	w.store.DropWatches(nil)
	rev = w.commit(metadata.Put(metadata.TopicKey(cluster, "unrelated"), metadata.Encode(metadata.Topic{Name: "unrelated", ID: metadata.NewTopicID()})))
	if _, err := p.image.Await(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
	if a := mustAppend(t, p.await(partition.Key{Topic: again.ID}), "v"); a.BaseOffset != 1 {
		t.Errorf("%+v", a)
	}
}

// What the control plane says of the cluster's properties holds for open partitions, at once and from the first moment of a new incarnation.
func TestFollowsSettings(t *testing.T) {
	w := newWorld(t)
	p := w.mustStart()
	topic := w.create("t", 1)
	k := partition.Key{Topic: topic.ID}
	settings := func(properties map[string]string) {
		w.commit(metadata.Put(metadata.SettingsKey(cluster), metadata.Encode(metadata.Settings{Properties: properties})))
	}
	tooLarge := func() bool {
		_, err := appendTo(p.await(k), record(string(make([]byte, 5000))))
		return errors.Is(err, kerr.MessageTooLarge)
	}
	if p.await(k); tooLarge() {
		t.Fatal("refused without a limit")
	}
	settings(map[string]string{"message.max.bytes": "1000"})
	eventually(t, "the limit applies", tooLarge)
	settings(map[string]string{"message.max.bytes": "1000000"})
	eventually(t, "the limit is gone", func() bool { return !tooLarge() })
	settings(map[string]string{"message.max.bytes": "1000"})
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	// The file that the next process is started with is older than the settings.
	cfg := w.config()
	cfg.Properties = map[string]string{"message.max.bytes": "1000000"}
	var err error
	if p, err = w.start(cfg); err != nil {
		t.Fatal(err)
	}
	if !tooLarge() {
		t.Error("a new process began with what the settings had replaced")
	}
}

func TestOneProcessAtATime(t *testing.T) {
	w := newWorld(t)
	p := w.mustStart()
	before, kv, _ := w.session()
	if _, err := w.start(w.config()); !errors.Is(err, disk.ErrLocked) {
		t.Fatalf("a second process: %v", err)
	}
	after, kv2, found := w.session()
	if !found || kv.Modified != kv2.Modified || cmp.Diff(before, after) != "" {
		t.Error("the second process touched the session")
	}
	if err := p.MarkReady(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// R6: the lease is not the fence.
func TestLostLeaseIsRegisteredAgain(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.LeaseTTL = 300 * time.Millisecond
	p, err := w.start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	topic := w.create("t", 1)
	q := p.await(partition.Key{Topic: topic.ID})
	if err := p.MarkReady(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	down := errors.Join(metadata.ErrUnavailable)
	w.store.SetFault(func(c metadata.Call) metadata.Fault {
		if c.Method == "KeepAlive" || c.Method == "Grant" {
			return metadata.Fault{Before: down}
		}
		return metadata.Fault{}
	})
	w.endLease() // as if it ran out
	if s, _, found := w.session(); found {
		t.Fatalf("without a lease there is a session: %+v", s)
	}
	mustAppend(t, q, "while nobody knows us")
	w.store.SetFault(nil)
	var back metadata.Session
	eventually(t, "the session is back", func() (found bool) { back, _, found = w.session(); return found })
	if !back.Ready || back.Incarnation != p.Incarnation() {
		t.Errorf("session %+v", back)
	}
	mustAppend(t, q, "and after")
}

// slow is a store that leases run out in before what they were taken for arrives.
type slow struct {
	metadata.Store
	left int // leases that still will
	last metadata.LeaseID
}

func (s *slow) Grant(ctx context.Context, ttl time.Duration) (metadata.LeaseID, error) {
	id, err := s.Store.Grant(ctx, ttl)
	s.last = id
	return id, err
}

func (s *slow) Commit(ctx context.Context, txn metadata.Txn) (metadata.Revision, error) {
	if s.last != 0 && s.left > 0 {
		s.left--
		if err := s.Revoke(ctx, s.last); err != nil {
			return 0, err
		}
	}
	return s.Store.Commit(ctx, txn)
}

// A start takes as long as it takes: a lease that ran out before the session was registered is replaced.
func TestLeaseRunsOutBeforeTheSession(t *testing.T) {
	w := newWorld(t)
	topic := w.create("t", 1)
	for _, leases := range []int{1, triesMax - 1} {
		p, err := w.startOn(w.config(), &slow{Store: lasting{w.store}, left: leases})
		if err != nil {
			t.Fatalf("%d leases ran out: %v", leases, err)
		}
		if s, kv, found := w.session(); !found || kv.Lease == 0 || kv.Created != p.Incarnation() {
			t.Errorf("%d leases ran out: session %+v", leases, s)
		}
		mustAppend(t, p.await(partition.Key{Topic: topic.ID}), "v")
		if err := p.MarkReady(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.startOn(w.config(), &slow{Store: lasting{w.store}, left: triesMax}); !errors.Is(err, metadata.ErrLeaseNotFound) {
		t.Errorf("no lease lasts: %v", err)
	}
}

// endLease takes the session's lease, and so the session, from the broker.
func (w *world) endLease() {
	w.t.Helper()
	_, kv, _ := w.session()
	if err := w.store.Revoke(w.t.Context(), kv.Lease); err != nil {
		w.t.Fatal(err)
	}
}

func TestSupersededBrokerEnds(t *testing.T) {
	w := newWorld(t)
	cfg := w.config()
	cfg.LeaseTTL = 300 * time.Millisecond
	p, err := w.start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, kv, _ := w.session()
	w.commit(metadata.Delete(metadata.SessionKey(cluster, 1)))
	w.commit(metadata.Put(metadata.SessionKey(cluster, 1), metadata.Encode(metadata.Session{Broker: 1, Incarnation: 999})))
	if err := w.store.Revoke(t.Context(), kv.Lease); err != nil { // last, or ours would be back before the other's is there
		t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if !errors.Is(err, ErrSuperseded) {
			t.Errorf("Run: %v", err)
		}
		p.ended <- nil
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
	if s, _, found := w.session(); !found || s.Incarnation != 999 {
		t.Error("it removed the other's session")
	}
}

// Others create and delete topics while we start.
func TestConflictsWhileTaking(t *testing.T) {
	w := newWorld(t)
	stays, goes := w.create("stays", 2), w.create("goes", 1)
	var commits atomic.Int32
	w.store.SetFault(func(c metadata.Call) metadata.Fault {
		if c.Method == "Commit" && commits.Add(1) == 2 { // step 5
			stays.Partitions = 4
			w.commit(append(topicOps(stays, 1), metadata.Delete(metadata.TopicKey(cluster, "goes")),
				metadata.DeletePrefix(metadata.ClusterPrefix(cluster)+"asg/"+goes.ID.String()))...)
		}
		return metadata.Fault{}
	})
	p := w.mustStart()
	w.store.SetFault(nil)
	mustAppend(t, p.await(partition.Key{Topic: stays.ID, Index: 3}), "v")
	for i, a := range w.assignment(stays).Partitions {
		if q := p.await(partition.Key{Topic: stays.ID, Index: int32(i)}); q.LeaderEpoch() != 1 || a.Epoch != 1 {
			t.Errorf("partition %d: epoch %d, in the store %d", i, q.LeaderEpoch(), a.Epoch)
		}
	}
	if _, err := p.Leaders().Get(partition.Key{Topic: goes.ID}); err == nil {
		t.Error("a deleted topic is led")
	}
}

// Many partitions take several transactions, none too large.
func TestManyPacks(t *testing.T) {
	w := newWorld(t)
	var topics []metadata.Topic
	for i := range 300 {
		topics = append(topics, w.create(fmt.Sprint("t", i), 2))
	}
	var mu sync.Mutex
	largest := 0
	w.store.SetFault(func(c metadata.Call) metadata.Fault { // for all who call at once
		mu.Lock()
		defer mu.Unlock()
		largest = max(largest, len(c.Txn.Then))
		return metadata.Fault{}
	})
	p := w.mustStart()
	w.store.SetFault(nil)
	mu.Lock()
	defer mu.Unlock()
	if largest == 0 || largest > opsMax {
		t.Errorf("a transaction of %d writes", largest)
	}
	for _, topic := range topics {
		if q, err := p.Leaders().Get(partition.Key{Topic: topic.ID, Index: 1}); err != nil || q.LeaderEpoch() != 1 {
			t.Fatal(err)
		}
	}
}

func TestMissingLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t)
	w.fs = disk.OS(dir)
	p := w.mustStart()
	topic := w.create("t", 1)
	mustAppend(t, p.await(partition.Key{Topic: topic.ID}), "v")
	lost := p.streamID()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/wal/"+string(lost), dir+"/elsewhere"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.start(w.config()); err == nil {
		t.Fatal("started without a part of its log")
	}
	if _, _, found := w.session(); found {
		t.Error("a session was left behind")
	}
	// The failed start took nothing away.
	if err := os.Rename(dir+"/elsewhere", dir+"/wal/"+string(lost)); err != nil {
		t.Fatal(err)
	}
	p = w.mustStart()
	if got := values(t, p.await(partition.Key{Topic: topic.ID})); len(got) != 1 {
		t.Errorf("read %v", got)
	}
	eventually(t, "the log of the failed start is gone", func() bool { return logs(t, dir) == 2 })
}

func logs(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(dir + "/wal")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "free" {
			n++
		}
	}
	return n
}

// Restarting an idle broker leaves nothing behind.
func TestIdleStreamsAreForgotten(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t)
	w.fs = disk.OS(dir)
	topic := w.create("t", 3)
	k := partition.Key{Topic: topic.ID}
	for range 5 {
		_ = w.mustStart().stop()
	}
	p := w.mustStart()
	mustAppend(t, p.await(k), "v")
	_ = p.stop()
	for range 5 {
		p = w.mustStart()
		p.kill()
	}
	p = w.mustStart()
	if a := mustAppend(t, p.await(k), "w"); a.BaseOffset != 1 {
		t.Errorf("%+v", a)
	}
	if n := len(w.streams()); n != 2 {
		t.Errorf("%d streams, want the one with data and ours: %v", n, w.streams())
	}
	eventually(t, "two logs are left", func() bool { return logs(t, dir) == 2 })
	if epoch := p.await(k).EpochAt(1); epoch != p.await(k).LeaderEpoch() {
		t.Errorf("epoch %d of the second record", epoch)
	}
	if e, end := p.await(k).EpochEnd(p.await(k).EpochAt(0)); e != p.await(k).EpochAt(0) || end != 1 {
		t.Errorf("the first record's epoch %d ends at %d", e, end)
	}
}

func TestStoreDownAtStart(t *testing.T) {
	w := newWorld(t)
	for fail := 1; fail <= 3; fail++ {
		var commits atomic.Int32
		w.store.SetFault(func(c metadata.Call) metadata.Fault {
			if c.Method == "Commit" && int(commits.Add(1)) == fail {
				return metadata.Fault{After: metadata.ErrUnavailable} // it took effect, and nobody knows
			}
			return metadata.Fault{}
		})
		p, err := w.start(w.config())
		if fail <= 2 && !errors.Is(err, metadata.ErrUnavailable) {
			t.Fatalf("commit %d lost: %v", fail, err)
		}
		if err == nil {
			_ = p.stop()
		}
	}
	w.store.SetFault(nil)
	p := w.mustStart()
	topic := w.create("t", 1)
	mustAppend(t, p.await(partition.Key{Topic: topic.ID}), "v")
}

// The store's part of a start, which the design bounds.
func TestStartNeedsFewRoundTrips(t *testing.T) {
	w := newWorld(t)
	count := func() (calls map[string]int) {
		calls = make(map[string]int)
		mu := make(chan struct{}, 1)
		cfg := w.config()
		w.store.SetFault(func(c metadata.Call) metadata.Fault {
			mu <- struct{}{}
			calls[c.Method]++
			<-mu
			return metadata.Fault{}
		})
		defer w.store.SetFault(nil)
		p, err := w.start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer p.kill()
		if _, err := p.image.Await(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		return calls
	}
	if got := count(); got["Commit"] != 2 || got["Grant"] != 1 || got["List"] != 2 { // one List is the image's
		t.Errorf("first start: %v", got)
	}
	w.create("t", 10)
	if got := count(); got["Commit"] != 3 { // one more to take the session over
		t.Errorf("after a kill: %v", got)
	}
}

func BenchmarkStartEmpty(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		b.StartTimer()
		p := w.mustStart()
		if err := p.MarkReady(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := p.stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
