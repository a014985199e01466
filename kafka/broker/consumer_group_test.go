package broker

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Three consumers with the new protocol (KIP-848) read everything once, and what one read the others do not read again when it leaves.
func TestConsumerGroupReadsEverythingOnce(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 3, properties: map[string]string{"offsets.topic.num.partitions": "4"}})
	r.create("t", 6)
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	producer := r.client()
	produce := func(from, to int) {
		var rs []*kgo.Record
		for i := from; i < to; i++ {
			rs = append(rs, &kgo.Record{Topic: "t", Partition: int32(i % 6), Value: fmt.Append(nil, i)})
		}
		if err := producer.ProduceSync(ctx, rs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	seen := map[string]int{}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
	var wg sync.WaitGroup
	pctx, stop := context.WithCancel(ctx)
	consume := func() *kgo.Client {
		cl := r.client(append(groupOpts("g", "t"), kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer())...)
		wg.Go(func() {
			for pctx.Err() == nil {
				fetches := cl.PollFetches(pctx)
				if fetches.IsClientClosed() {
					return
				}
				fetches.EachRecord(func(rec *kgo.Record) {
					mu.Lock()
					seen[string(rec.Value)]++
					mu.Unlock()
				})
				if err := cl.CommitUncommittedOffsets(pctx); err != nil && pctx.Err() == nil {
					t.Logf("commit: %v", err)
				}
			}
		})
		return cl
	}
	describe := func() kmsg.ConsumerGroupDescribeResponseGroup {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = []string{"g"}
		resp, err := req.RequestWith(ctx, producer)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Groups[0]
	}
	stable := func(members int) func() bool {
		return func() bool {
			g := describe()
			if g.State != "Stable" || len(g.Members) != members {
				return false
			}
			for _, m := range g.Members {
				if len(m.Assignment.TopicPartitions) != 1 || len(m.Assignment.TopicPartitions[0].Partitions) != 6/members {
					return false
				}
			}
			return true
		}
	}
	first := consume()
	consume()
	third := consume()
	r.await("all members have their partitions", stable(3))
	produce(0, 60)
	r.await("everything is read", func() bool { return count() == 60 })
	adm := kadm.NewClient(producer)
	r.await("all is committed", func() bool { // or the others would read again what the third did not get to commit
		offsets, err := adm.FetchOffsets(ctx, "g")
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		offsets.Each(func(o kadm.OffsetResponse) { sum += max(o.At, 0) })
		return sum == 60
	})
	third.Close()
	r.await("the others have all partitions", stable(2))
	produce(60, 120)
	r.await("everything is read", func() bool { return count() == 120 })
	g := describe()
	if g.AssignorName != "uniform" || g.Epoch != g.AssignmentEpoch || g.Members[0].MemberType != 1 || g.Members[0].SubscribedTopics[0] != "t" {
		t.Errorf("got %+v", g)
	}
	classic := kmsg.NewPtrDescribeGroupsRequest()
	classic.Groups = []string{"g"}
	if resp, err := classic.RequestWith(ctx, producer); err != nil || resp.Groups[0].ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("as a classic group: %+v, %v", resp, err)
	}
	stop()
	wg.Wait()
	first.Close()
	mu.Lock()
	defer mu.Unlock()
	for v, n := range seen {
		if n > 1 {
			t.Errorf("record %s was read %d times although nobody failed", v, n)
		}
	}
}
