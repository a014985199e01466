package robustness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic      = "load"
	partitions = 12
	producers  = 3
	// recordsPerSecond is of each producer. It keeps the log small enough to be read back in seconds, and every partition busy enough to
	// have batches in flight at each kill.
	recordsPerSecond = 600
	// recoveryLimit bounds how long a partition may stand still after a kill. The promise is 5 s (p99); the limit allows for a loaded machine.
	recoveryLimit = 90 * time.Second
)

// place is where a record is.
type place struct {
	partition int32
	offset    int64
}

// load is idempotent producers that never stop, a reader that follows them, and the record of all that both were told.
type load struct {
	mu      sync.Mutex
	acked   map[string]place // by value
	ackedAt map[place]string
	counts  [partitions]int  // acknowledged records, by partition
	seen    map[place]string // what the reader was given
	errs    []error          // what must not happen
}

func newLoad() *load {
	return &load{acked: map[string]place{}, ackedAt: map[place]string{}, seen: map[place]string{}}
}

// start starts the load; the function it returns ends it and waits until every record sent has its answer.
func (l *load) start(t *testing.T, bootstrap []string) (stop func()) {
	t.Helper()
	sending, stopSending := context.WithCancel(t.Context())
	reading, stopReading := context.WithCancel(t.Context())
	var senders, reader sync.WaitGroup
	for id := range producers {
		cl, err := kgo.NewClient(
			kgo.SeedBrokers(bootstrap...),
			kgo.ClientID(fmt.Sprintf("producer-%d", id)),
			kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerLinger(2*time.Millisecond),
			kgo.StopProducerOnDataLossDetected(), // a sequence that the broker no longer knows is a loss
			kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
			kgo.MetadataMinAge(50*time.Millisecond),
		)
		if err != nil {
			t.Fatal(err)
		}
		senders.Go(func() {
			defer cl.Close()
			l.produce(sending, cl, id)
		})
	}
	assigned := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		assigned[p] = kgo.NewOffset().At(0)
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: assigned}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // an offset that is out of range is a loss
		kgo.KeepRetryableFetchErrors(),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.MetadataMinAge(50*time.Millisecond),
	)
	if err != nil {
		t.Fatal(err)
	}
	reader.Go(func() {
		defer cl.Close()
		l.follow(reading, cl)
	})
	return sync.OnceFunc(func() {
		stopSending()
		senders.Wait()
		stopReading()
		reader.Wait()
	})
}

// produce sends numbered records to all partitions in turn until ctx ends, then waits for the outstanding answers.
func (l *load) produce(ctx context.Context, cl *kgo.Client, id int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			flush, cancel := context.WithTimeout(context.Background(), recoveryLimit)
			defer cancel()
			if err := cl.Flush(flush); err != nil {
				l.fail(fmt.Errorf("producer %d: records are still unanswered after %v: %w", id, recoveryLimit, err))
			}
			return
		case <-tick.C:
		}
		for range recordsPerSecond / 100 {
			value := fmt.Sprintf("%d/%d", id, n)
			r := &kgo.Record{Topic: topic, Partition: int32(n % partitions), Key: []byte(value), Value: []byte(value + strings.Repeat(".", 90))}
			n++
			// Not ctx: a record once sent keeps being retried until it is answered.
			cl.TryProduce(context.Background(), r, func(r *kgo.Record, err error) {
				switch {
				case err == nil:
					l.ack(string(r.Key), place{r.Partition, r.Offset})
				case !errors.Is(err, kgo.ErrMaxBuffered): // that one was never sent
					l.fail(fmt.Errorf("producer %d: record %s: %w", id, value, err))
				}
			})
		}
	}
}

func (l *load) ack(value string, at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, taken := l.ackedAt[at]; taken {
		l.errs = append(l.errs, fmt.Errorf("partition %d offset %d was acknowledged for %s and for %s", at.partition, at.offset, other, value))
	}
	l.acked[value], l.ackedAt[at] = at, value
	l.counts[at.partition]++
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

// follow reads all partitions as the records come.
func (l *load) follow(ctx context.Context, cl *kgo.Client) {
	for ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) { l.see(place{r.Partition, r.Offset}, string(r.Key)) })
		fetches.EachError(func(_ string, p int32, err error) {
			if data := (*kgo.ErrDataLoss)(nil); errors.As(err, &data) {
				l.fail(fmt.Errorf("reader: partition %d: %w", p, err))
			}
			if isOutOfRange(err) {
				l.fail(fmt.Errorf("reader: partition %d: %w", p, err))
			}
		})
	}
}

func (l *load) see(at place, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.seen[at]; ok && before != value {
		l.errs = append(l.errs, fmt.Errorf("partition %d offset %d was read as %s and then as %s", at.partition, at.offset, before, value))
	}
	l.seen[at] = value
}

// progress is how many records each partition has acknowledged so far.
func (l *load) progress() [partitions]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// behind says which partitions have acknowledged nothing since before.
func (l *load) behind(before [partitions]int) error {
	var stuck []string
	for p, n := range l.progress() {
		if n == before[p] {
			stuck = append(stuck, strconv.Itoa(p))
		}
	}
	if len(stuck) > 0 {
		return fmt.Errorf("partitions %s have acknowledged nothing since", strings.Join(stuck, ", "))
	}
	return nil
}
