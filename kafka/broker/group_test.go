package broker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"weir/kafka/image"
)

// groupOpts are those of a consumer in a group of the classic protocol.
func groupOpts(group, topic string, more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
	}, more...)
}

func produce(ctx context.Context, t *testing.T, cl *kgo.Client, topic string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		cl.Produce(ctx, &kgo.Record{Topic: topic, Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("record %d: %v", i, err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// Several members share the partitions, commit, and a later member of the group goes on where they ended. Idempotent producers write.
func TestGroupConsumesCommitsAndResumes(t *testing.T) {
	tests := []struct {
		name     string
		versions *kversion.Versions
	}{
		{"newest", nil},
		{"kafka 2.1", kversion.V2_1_0()},
		{"kafka 3.0", kversion.V3_0_0()},
		{"kafka 3.9", kversion.V3_9_0()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, rigConfig{brokers: 3, properties: map[string]string{"offsets.topic.num.partitions": "8"}})
			r.create("trips", 6)
			var version []kgo.Opt
			if tt.versions != nil {
				version = append(version, kgo.MaxVersions(tt.versions))
			}
			ctx, cancel := context.WithTimeout(t.Context(), testTime)
			defer cancel()
			producer := r.client(version...)
			produce(ctx, t, producer, "trips", 0, 900)

			var mu sync.Mutex
			seen := map[string]int{}
			count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
			reached := func(n int) <-chan struct{} {
				done := make(chan struct{})
				go func() {
					defer close(done)
					for count() < n && ctx.Err() == nil {
						<-time.After(time.Millisecond)
					}
				}()
				return done
			}
			// Members that start at different moments rebalance while they read, which they let happen between a commit and the next poll.
			run := func(ctx context.Context, cl *kgo.Client) {
				defer cl.AllowRebalance()
				for {
					cl.AllowRebalance()
					fs := cl.PollFetches(ctx)
					if ctx.Err() != nil {
						return
					}
					if err := fs.Err(); err != nil {
						t.Errorf("poll: %v", err)
						return
					}
					fs.EachRecord(func(rec *kgo.Record) {
						mu.Lock()
						defer mu.Unlock()
						seen[string(rec.Value)]++
					})
					if err := cl.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
						t.Errorf("commit: %v", err)
					}
				}
			}
			start := time.Now()
			members, stop := context.WithCancel(ctx)
			var wg sync.WaitGroup
			var clients []*kgo.Client
			for range 3 {
				cl := r.client(append(groupOpts("readers", "trips", kgo.BlockRebalanceOnPoll()), version...)...)
				clients = append(clients, cl)
				wg.Go(func() { run(members, cl) })
			}
			<-reached(900)
			t.Logf("three members read everything %v after their start", time.Since(start).Round(time.Millisecond))
			// Whoever polled last may not have committed yet.
			adm := kadm.NewClient(producer)
			r.await("all is committed", func() bool {
				offsets, err := adm.FetchOffsets(ctx, "readers")
				if err != nil {
					t.Fatal(err)
				}
				var sum int64
				offsets.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
				return sum == 900
			})
			stop()
			wg.Wait()
			for _, cl := range clients {
				cl.Close()
			}

			produce(ctx, t, producer, "trips", 900, 1000)
			late := r.client(append(groupOpts("readers", "trips", kgo.BlockRebalanceOnPoll()), version...)...)
			ctx2, stop2 := context.WithCancel(ctx)
			wg.Go(func() { run(ctx2, late) })
			<-reached(1000)
			stop2()
			wg.Wait()
			for v, n := range seen {
				if n != 1 {
					t.Errorf("record %s was read %d times", v, n)
				}
			}
			if len(seen) != 1000 {
				t.Errorf("%d records", len(seen))
			}
		})
	}
}

// Administration of groups: list, describe, offsets of a group without members, deletion.
func TestGroupAdministration(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 3, properties: map[string]string{"offsets.topic.num.partitions": "8"}})
	r.create("t", 4)
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	cl := r.client()
	adm := kadm.NewClient(cl)
	produce(ctx, t, cl, "t", 0, 40)

	var want kadm.Offsets
	for p := range int32(4) {
		want.Add(kadm.Offset{Topic: "t", Partition: p, At: int64(p) + 1, LeaderEpoch: 0, Metadata: fmt.Sprint("note ", p)})
	}
	if _, err := adm.CommitOffsets(ctx, "by-hand", want); err != nil {
		t.Fatal(err)
	}
	got, err := adm.FetchOffsets(ctx, "by-hand")
	withoutID := cmp.Transformer("withoutID", func(o kadm.Offset) [4]any { return [4]any{o.Topic, o.Partition, o.At, o.Metadata} })
	if err != nil || !cmp.Equal(got.Offsets(), want, withoutID) {
		t.Errorf("%v: %s", err, cmp.Diff(want, got.Offsets(), withoutID))
	}
	none, err := adm.FetchOffsetsForTopics(ctx, "never", "t")
	if at, ok := none.Lookup("t", 3); err != nil || !ok || at.At != -1 {
		t.Errorf("group without offsets: %v, %v", none, err)
	}

	member := r.client(groupOpts("live", "t")...)
	fs := member.PollFetches(ctx)
	if err := fs.Err(); err != nil {
		t.Fatal(err)
	}
	listed, err := adm.ListGroups(ctx)
	if err != nil || listed["live"].State != "Stable" || listed["live"].ProtocolType != "consumer" || listed["by-hand"].State != "Empty" {
		t.Errorf("listed %v, %v", listed, err)
	}
	if listed, err := adm.ListGroups(ctx, "Empty"); err != nil || len(listed) != 1 {
		t.Errorf("filtered: %v, %v", listed, err)
	}
	described, err := adm.DescribeGroups(ctx, "live", "none")
	if err != nil {
		t.Fatal(err)
	}
	if g := described["live"]; g.State != "Stable" || len(g.Members) != 1 || len(g.AssignedPartitions()["t"]) != 4 {
		t.Errorf("described %+v", g)
	}
	if g := described["none"]; g.State != "Dead" {
		t.Errorf("a group that does not exist: %+v", g)
	}

	deleted, err := adm.DeleteGroups(ctx, "live", "by-hand", "none")
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, g := range []string{"live", "by-hand", "none"} {
		codes = append(codes, fmt.Sprint(deleted[g].Err))
	}
	if want := []string{"NON_EMPTY_GROUP: The group is not empty.", "<nil>", "GROUP_ID_NOT_FOUND: The group id does not exist."}; !cmp.Equal(codes, want) {
		t.Errorf("deleted: %s", cmp.Diff(want, codes))
	}
	if err := member.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	member.Close()
	r.await("the group is empty", func() bool {
		d, err := adm.DescribeGroups(ctx, "live")
		return err == nil && d["live"].State == "Empty"
	})
	if _, err := adm.CommitOffsets(ctx, "live", want); err != nil {
		t.Fatal(err)
	}
	if res, err := adm.DeleteOffsets(ctx, "live", kadm.TopicsSet{"t": {0: {}}}); err != nil || res["t"][0] != nil {
		t.Errorf("delete offsets: %v, %v", res, err)
	}
	left, err := adm.FetchOffsets(ctx, "live")
	if _, ok := left.Lookup("t", 0); err != nil || ok || len(left["t"]) != 3 {
		t.Errorf("after the deletion of one: %v, %v", left, err)
	}
}

// Offsets of a topic that was deleted and created anew do not come back.
func TestOffsetsDoNotOutliveTheirTopic(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"offsets.topic.num.partitions": "1"}})
	r.create("t", 1)
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	adm := kadm.NewClient(r.client())
	var o kadm.Offsets
	o.AddOffset("t", 0, 7, -1)
	if err := adm.CommitAllOffsets(ctx, "g", o); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.DeleteTopics(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	r.create("t", 1)
	got, err := adm.FetchOffsetsForTopics(ctx, "g", "t")
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := got.Lookup("t", 0); at.At != -1 {
		t.Errorf("offset %d of the deleted topic", at.At)
	}
}

// Ten members that start together form one generation, in well under a second (performance design: 0.15 s).
func TestTenMembersJoin(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 3, properties: map[string]string{"offsets.topic.num.partitions": "8"}})
	r.create("t", 10)
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	adm := kadm.NewClient(r.client())
	start := time.Now()
	var wg sync.WaitGroup
	pctx, stop := context.WithCancel(ctx)
	for range 10 {
		cl := r.client(groupOpts("ten", "t")...)
		wg.Go(func() { cl.PollFetches(pctx) })
	}
	r.await("all members have their partition", func() bool {
		gs, err := adm.DescribeGroups(ctx, "ten")
		g := gs["ten"]
		if err != nil || g.State != "Stable" || len(g.Members) != 10 {
			return false
		}
		for _, m := range g.Members {
			if a, ok := m.Assigned.AsConsumer(); !ok || len(a.Topics) != 1 || len(a.Topics[0].Partitions) != 1 {
				return false
			}
		}
		return true
	})
	t.Logf("ten members had their partition after %v", time.Since(start).Round(time.Millisecond))
	stop()
	wg.Wait()
	if _, ok := r.brokers[0].live.Current().Topic(image.ConsumerOffsets); !ok {
		t.Error("there is no offsets topic")
	}
}
