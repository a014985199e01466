package broker

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A real client produces to a topic over three brokers and reads everything back in order, at the newest protocol versions and at old ones.
func TestClientProducesAndConsumes(t *testing.T) {
	tests := []struct {
		name     string
		versions *kversion.Versions
	}{
		{"newest", nil},
		{"kafka 2.1", kversion.V2_1_0()},
		{"kafka 3.0", kversion.V3_0_0()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, rigConfig{brokers: 3})
			r.create("flights", 6)
			opts := []kgo.Opt{kgo.DefaultProduceTopic("flights"), kgo.RecordPartitioner(kgo.ManualPartitioner())}
			consume := []kgo.Opt{kgo.ConsumeTopics("flights"), kgo.FetchMaxWait(500 * time.Millisecond)}
			if tt.versions != nil {
				opts, consume = append(opts, kgo.MaxVersions(tt.versions)), append(consume, kgo.MaxVersions(tt.versions))
			}
			const n = 3000
			ctx, cancel := context.WithTimeout(t.Context(), testTime)
			defer cancel()
			producer := r.client(opts...)
			for i := range n {
				producer.Produce(ctx, &kgo.Record{Partition: int32(i % 6), Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) {
					if err != nil {
						t.Errorf("record %d: %v", i, err)
					}
				})
			}
			if err := producer.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			consumer := r.client(consume...)
			next := [6]int{0, 1, 2, 3, 4, 5}
			for got := 0; got < n; {
				fs := consumer.PollFetches(ctx)
				if err := fs.Err(); err != nil {
					t.Fatalf("after %d records: %v", got, err)
				}
				fs.EachRecord(func(rec *kgo.Record) {
					if want := strconv.Itoa(next[rec.Partition]); string(rec.Value) != want {
						t.Fatalf("partition %d offset %d: got record %s, want %s", rec.Partition, rec.Offset, rec.Value, want)
					}
					next[rec.Partition] += 6
					got++
				})
			}
		})
	}
}

// A record reaches a consumer that waits as soon as it is durable, not when the wait is over.
func TestWaitingConsumerSeesNewRecordAtOnce(t *testing.T) {
	r := newRig(t, rigConfig{})
	r.create("t", 1)
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()
	consumer := r.client(kgo.ConsumeTopics("t"), kgo.FetchMaxWait(2*testTime))
	producer := r.client(kgo.DefaultProduceTopic("t"))
	for i := range 20 {
		if err := producer.ProduceSync(ctx, kgo.StringRecord(strconv.Itoa(i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
		for got := 0; got == 0; {
			fs := consumer.PollFetches(ctx)
			if err := fs.Err(); err != nil {
				t.Fatal(err)
			}
			fs.EachRecord(func(rec *kgo.Record) {
				got++
				if string(rec.Value) != strconv.Itoa(i) {
					t.Errorf("got %s, want %d", rec.Value, i)
				}
			})
		}
	}
}
