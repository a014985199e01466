package broker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/franz"
)

// A group that reads committed records only gets none of an aborted transaction, and passes by them; others get all (share.isolation.level).
func TestShareGroupsIsolation(t *testing.T) {
	r := newRig(t, rigConfig{quiet: true, properties: map[string]string{
		"share.coordinator.state.topic.num.partitions": "2", "transaction.state.log.num.partitions": "2",
	}})
	r.create("t", 1)
	r.fromStart("all")
	r.fromStart("committed", "share.isolation.level", "read_committed")
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	producer := r.client(kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("t"))
	for i := range 6 {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for j := range 3 {
			producer.Produce(ctx, kgo.StringRecord(fmt.Sprintf("%d-%d", i, j)), func(rec *kgo.Record, err error) {
				if err != nil {
					t.Errorf("produce %s: %v", rec.Value, err)
				}
			})
		}
		if err := producer.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if err := franz.AwaitPartitions(ctx, producer, "t"); err != nil {
			t.Fatal(err)
		}
		if err := producer.EndTransaction(ctx, kgo.TransactionEndTry(i%2 == 0)); err != nil {
			t.Fatal(err)
		}
	}
	for group, want := range map[string]int{"all": 18, "committed": 9} {
		cl := r.client(kgo.ShareGroup(group), kgo.ConsumeTopics("t"), kgo.FetchMaxWait(50*time.Millisecond))
		got := 0
		for end := time.Now().Add(r.timeout); time.Now().Before(end); {
			pctx, stop := context.WithTimeout(ctx, 500*time.Millisecond)
			fs := cl.PollFetches(pctx)
			stop()
			if got >= want && fs.NumRecords() == 0 {
				break
			}
			fs.EachRecord(func(rec *kgo.Record) {
				if got++; group == "committed" && (rec.Value[0]-'0')%2 == 1 {
					t.Errorf("%s got %s", group, rec.Value)
				}
				rec.Ack(kgo.AckAccept)
			})
		}
		cl.Close()
		if got != want {
			t.Errorf("%s got %d records, want %d", group, got, want)
		}
	}
}
