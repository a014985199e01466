package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// EndToEnd offers records at a fixed rate and measures, for each, the time from when it was due until a consumer has it. Both clients are franz-go
// with its defaults, an idempotent producer among them.
type EndToEnd struct {
	Bootstrap  string
	Topic      string
	Partitions int
	ValueBytes int           // at least 8
	Rate       int           // records a second
	Linger     time.Duration // of the producer
	Lead       time.Duration // records of this first time are not counted
	Duration   time.Duration // how long they are offered after that
}

// Delivered is what EndToEnd saw.
type Delivered struct {
	Latency Histogram     // from due to consumed
	Ack     Histogram     // from due to acknowledged
	Late    time.Duration // how much later than due the producing loop was at most
}

// Run offers the records and waits until all are consumed. measured is called when Lead is over.
func (e EndToEnd) Run(ctx context.Context, measured func()) (*Delivered, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Lead+e.Duration+grace)
	defer cancel()
	seeds := kgo.SeedBrokers(strings.Split(e.Bootstrap, ",")...)
	consumer, err := kgo.NewClient(seeds, kgo.ConsumeTopics(e.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	linger := kgo.ProducerLinger(e.Linger)
	client, err := kgo.NewClient(seeds, linger, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(1<<20))
	if err != nil {
		return nil, err
	}
	defer client.Close()

	skipped := int(e.Lead.Seconds() * float64(e.Rate))
	count := skipped + int(e.Duration.Seconds()*float64(e.Rate))
	var result Delivered
	begin := time.Now()
	consumed := make(chan error, 1)
	go func() { consumed <- e.consume(ctx, consumer, begin, skipped, count, &result.Latency) }()
	err = e.produce(ctx, client, begin, skipped, count, &result, measured)
	if err != nil {
		cancel()
	}
	return &result, errors.Join(err, <-consumed)
}

// due is when record n is to be sent, since the begin.
func (e EndToEnd) due(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(e.Rate)
}

func (e EndToEnd) produce(ctx context.Context, cl *kgo.Client, begin time.Time, skipped, count int, result *Delivered, measured func()) error {
	type outcome struct {
		n    int
		took time.Duration
		err  error
	}
	outcomes := make(chan outcome, count)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; n < count; {
		now := time.Since(begin)
		if e.due(n) > now {
			timer.Reset(e.due(n) - now)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		if n == skipped {
			measured()
		}
		if n >= skipped {
			result.Late = max(result.Late, now-e.due(n))
		}
		v := make([]byte, e.ValueBytes)
		binary.BigEndian.PutUint64(v, uint64(n))
		id := n
		cl.Produce(ctx, &kgo.Record{Topic: e.Topic, Partition: int32(n % e.Partitions), Value: v}, func(_ *kgo.Record, err error) {
			outcomes <- outcome{id, time.Since(begin) - e.due(id), err}
		})
		n++
	}
	for range count {
		o := <-outcomes
		if o.err != nil {
			return fmt.Errorf("produce record %d: %w", o.n, o.err)
		}
		if o.n >= skipped {
			result.Ack.Record(o.took)
		}
	}
	return nil
}

func (e EndToEnd) consume(ctx context.Context, cl *kgo.Client, begin time.Time, skipped, count int, latency *Histogram) error {
	for seen := 0; seen < count; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("consume, %d of %d records seen: %w", seen, count, err)
		}
		now := time.Since(begin)
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			if n := int(binary.BigEndian.Uint64(r.Value)); n >= skipped {
				latency.Record(now - e.due(n))
			}
		})
	}
	return nil
}
