package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Idle holds clients that do next to nothing: consumers of partitions that nobody writes to, and producers of one record a second each. Consumers
// wait 500 ms for records, as Apache Kafka's do.
type Idle struct {
	Bootstrap   string
	Silent      string // topic of the consumers
	SilentParts int
	Busy        string // topic of the producers
	BusyParts   int
	Consumers   int
	Producers   int
	Lead        time.Duration // how long everything runs before measured is called
	Duration    time.Duration // how long it runs after that
}

// Run connects all clients, lets them be, and returns the latency of the producers' acknowledgements once Lead is over.
func (i Idle) Run(ctx context.Context, measured, over func()) (*Histogram, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Lead+i.Duration+3*grace)
	defer cancel()
	seeds := kgo.SeedBrokers(strings.Split(i.Bootstrap, ",")...)
	var clients []*kgo.Client
	defer func() {
		var wait sync.WaitGroup
		for _, cl := range clients {
			wait.Go(cl.Close)
		}
		wait.Wait()
	}()
	dial := func(options ...kgo.Opt) error {
		cl, err := kgo.NewClient(append(options, seeds, kgo.DisableIdempotentWrite())...)
		if err == nil {
			err = cl.Ping(ctx)
			clients = append(clients, cl)
		}
		return err
	}
	for n := range i.Consumers {
		at := map[string]map[int32]kgo.Offset{i.Silent: {int32(n % i.SilentParts): kgo.NewOffset().AtEnd()}}
		if err := dial(kgo.ConsumePartitions(at), kgo.FetchMaxWait(maxWait)); err != nil {
			return nil, fmt.Errorf("connect consumer %d: %w", n, err)
		}
	}
	for n := range i.Producers {
		if err := dial(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0)); err != nil {
			return nil, fmt.Errorf("connect producer %d: %w", n, err)
		}
	}

	pace, stop := context.WithCancel(ctx)
	defer stop()
	var (
		wait     sync.WaitGroup
		mu       sync.Mutex
		counting bool
		acks     Histogram
		failures []error
	)
	for n, cl := range clients[i.Consumers:] {
		wait.Go(func() {
			// Spread over the second.
			timer := time.NewTimer(time.Duration(n) * time.Second / time.Duration(i.Producers))
			defer timer.Stop()
			for {
				select {
				case <-pace.Done():
					return
				case <-timer.C:
				}
				timer.Reset(time.Second)
				start := time.Now()
				err := cl.ProduceSync(ctx, &kgo.Record{Topic: i.Busy, Partition: int32(n % i.BusyParts), Value: make([]byte, 100)}).FirstErr()
				mu.Lock()
				if counting {
					acks.Record(time.Since(start))
				}
				if err != nil {
					failures = append(failures, err)
					stop()
				}
				mu.Unlock()
			}
		})
	}
	count := func(on bool) {
		mu.Lock()
		defer mu.Unlock()
		counting = on
	}
	await(pace, i.Lead)
	count(true)
	measured()
	await(pace, i.Duration)
	over()
	count(false)
	stop()
	wait.Wait()
	return &acks, errors.Join(failures...)
}

func await(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
