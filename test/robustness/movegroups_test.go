package robustness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/franz"
	"weir/test/cluster"
)

// TestMovingCoordinatorsKeepOffsets moves the partitions of groups' and transactions' state while a group consumes and transactions commit: every committed
// offset is there afterwards, and each transaction's records are there once.
func TestMovingCoordinatorsKeepOffsets(t *testing.T) {
	t.Parallel()
	w := cluster.StartWeir(t, cluster.Options{Storage: restless})
	bootstrap := strings.Split(w.Bootstrap(), ",")
	createTopic(t, w, bootstrap)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.MetadataMinAge(10*time.Millisecond), kgo.TransactionalID("mover"), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	group, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.ConsumeTopics(topic), kgo.ConsumerGroup("g"), kgo.DisableAutoCommit(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	admin := kadm.NewClient(cl)
	want := make(map[string]bool)
	got := make(map[string]int)
	consume := func() {
		t.Helper()
		for len(got) < len(want) {
			fetches := group.PollFetches(ctx)
			if ctx.Err() != nil {
				t.Fatalf("%d of %d records were consumed in time", len(got), len(want))
			}
			fetches.EachRecord(func(r *kgo.Record) { got[string(r.Value)]++ })
			cluster.Eventually(t, recoveryLimit, func() error {
				if err := group.CommitUncommittedOffsets(ctx); err != nil {
					return fmt.Errorf("commit: %w", err)
				}
				return nil
			})
		}
	}
	for round := range 8 {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			text := fmt.Sprintf("round %d record %d", round, i)
			if round%3 != 2 {
				want[text] = true
			}
			cl.Produce(ctx, &kgo.Record{Value: []byte(text)}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce: %v", err)
				}
			})
		}
		if round > 0 {
			shuffleInternal(t, ctx, admin)
		}
		if err := cl.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if err := franz.AwaitPartitions(ctx, cl, topic); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(ctx, kgo.TransactionEndTry(round%3 != 2)); err != nil {
			t.Fatalf("round %d: end the transaction: %v", round, err)
		}
		consume()
	}
	for text, n := range got {
		if n != 1 || !want[text] {
			t.Errorf("%q came %d times, wanted: %v", text, n, want[text])
		}
	}
	var committed, end int64
	cluster.Eventually(t, recoveryLimit, func() error {
		offsets, err := admin.FetchOffsets(ctx, "g")
		if err != nil {
			return err
		}
		ends, err := admin.ListEndOffsets(ctx, topic)
		if err != nil {
			return err
		}
		committed, end = 0, 0
		offsets.Each(func(o kadm.OffsetResponse) { committed += o.At })
		ends.Each(func(o kadm.ListedOffset) { end += o.Offset })
		return nil
	})
	if committed == 0 || committed > end {
		t.Errorf("offsets committed add up to %d, ends to %d", committed, end)
	}
	examine(t, w)
}

// shuffleInternal gives the partitions of coordinators' state, and some others, other leaders.
func shuffleInternal(t *testing.T, ctx context.Context, admin *kadm.Client) {
	t.Helper()
	topics, err := admin.ListTopicsWithInternal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var req kadm.AlterPartitionAssignmentsReq
	for _, d := range topics {
		for _, p := range d.Partitions {
			if d.IsInternal || rand.IntN(3) == 0 {
				order := rand.Perm(3)
				req.Assign(d.Topic, p.Partition, []int32{int32(order[0]) + 1, int32(order[1]) + 1})
			}
		}
	}
	if _, err := admin.AlterPartitionAssignments(ctx, req); err != nil {
		t.Logf("reassign: %v", err)
	}
}
