package peer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/test/cluster"
)

// franzGo is the package's story, told with franz-go.
func franzGo(t *testing.T, c cluster.Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const topic, group, partitions, keys = "from-franz-go", "from-franz-go-group", 6, 50
	client := func(opts ...kgo.Opt) *kgo.Client {
		t.Helper()
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(c.Bootstrap(), ",")...))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	admin := kadm.NewClient(client())
	if _, err := admin.CreateTopic(ctx, partitions, int16(c.Replicas()), nil, topic); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopic(ctx, partitions, int16(c.Replicas()), nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("creating the topic twice: %v, want %v", err, kerr.TopicAlreadyExists)
	}

	produce := func(first, count int) {
		t.Helper()
		var records []*kgo.Record
		for i := first; i < first+count; i++ {
			records = append(records, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key-%d", i%keys), Value: strconv.AppendInt(nil, int64(i), 10)})
		}
		if err := client(kgo.ProducerBatchCompression(kgo.ZstdCompression())).ProduceSync(ctx, records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	type member struct {
		*kgo.Client
		records []*kgo.Record
	}
	join := func() *member {
		m := &member{}
		m.Client = client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
			kgo.HeartbeatInterval(500*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		return m
	}
	// poll lets every member poll once, briefly, and commit what it got.
	poll := func(members ...*member) {
		t.Helper()
		for _, m := range members {
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			fetches := m.PollFetches(short)
			cancel()
			fetches.EachError(func(_ string, p int32, err error) {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("partition %d: %v", p, err)
				}
			})
			if fetches.NumRecords() > 0 {
				m.records = append(m.records, fetches.Records()...)
				if err := m.CommitRecords(ctx, fetches.Records()...); err != nil {
					t.Fatal(err)
				}
			}
			m.AllowRebalance()
		}
	}
	total := func(members ...*member) int {
		n := 0
		for _, m := range members {
			n += len(m.records)
		}
		return n
	}

	members := []*member{join(), join(), join()}
	cluster.Eventually(t, time.Minute, func() error {
		poll(members...)
		described, err := admin.DescribeGroups(ctx, group)
		if err != nil {
			return err
		}
		g := described[group]
		if g.State != "Stable" || len(g.Members) != len(members) {
			return fmt.Errorf("the group is %s with %d members", g.State, len(g.Members))
		}
		for _, m := range g.Members {
			if a, ok := m.Assigned.AsConsumer(); !ok || len(a.Topics) != 1 || len(a.Topics[0].Partitions) != 2 {
				return fmt.Errorf("member %s is assigned %+v", m.MemberID, a)
			}
		}
		return nil
	})
	produce(0, 3000)
	cluster.Eventually(t, time.Minute, func() error {
		if poll(members...); total(members...) < 3000 {
			return fmt.Errorf("%d of 3,000 records", total(members...))
		}
		return nil
	})
	check := func(first, count int, members ...*member) {
		t.Helper()
		seen := map[int]bool{}
		last := map[string]int{}
		for _, m := range members {
			for _, r := range m.records {
				v, err := strconv.Atoi(string(r.Value))
				if err != nil || v < first || v >= first+count || seen[v] || string(r.Key) != fmt.Sprintf("key-%d", v%keys) {
					t.Fatalf("record %s: %s at %d/%d is foreign or there twice", r.Key, r.Value, r.Partition, r.Offset)
				}
				if before, ok := last[string(r.Key)]; ok && before >= v {
					t.Fatalf("%s: record %d after record %d", r.Key, v, before)
				}
				seen[v], last[string(r.Key)] = true, v
			}
		}
		if len(seen) != count {
			t.Errorf("%d of %d records were read", len(seen), count)
		}
	}
	check(0, 3000, members...)
	offsets, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	offsets.Each(func(o kadm.OffsetResponse) { sum += max(0, o.At) })
	if sum != 3000 {
		t.Errorf("the committed offsets add up to %d, want 3000", sum)
	}
	for _, m := range members {
		m.Close()
	}

	produce(3000, 1000)
	late := join()
	cluster.Eventually(t, time.Minute, func() error {
		if poll(late); total(late) < 1000 {
			return fmt.Errorf("%d of 1,000 records", total(late))
		}
		return nil
	})
	check(3000, 1000, late)
	late.Close()

	if _, err := admin.DeleteTopic(ctx, topic); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, 30*time.Second, func() error {
		topics, err := admin.ListTopics(ctx)
		if err == nil && topics.Has(topic) {
			err = errors.New("the deleted topic is still listed")
		}
		return err
	})
}
