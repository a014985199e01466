package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/checker"
	"weir/test/cluster"
)

// Topics, each for one kind of client.
const (
	plain  = "plain"  // idempotent producers, readers, groups
	txns   = "txns"   // transactions
	shared = "shared" // a share group
	stages = 3        // of the pipeline: pipe-0 -> pipe-1 -> pipe-2 -> pipe-3

	partitions = 4
)

func pipe(stage int) string { return "pipe-" + strconv.Itoa(stage) }

// run is the clients of one run and what they note.
type run struct {
	bootstrap []string
	rec       *checker.Recorder
	seed      uint64
	patience  time.Duration // with which drain waits
	left      error         // what it left undone
	names     atomic.Int64
	values    atomic.Int64
	mu        sync.Mutex
	surprises map[string]int // errors of clients, by text, to be shown
}

func newRun(c cluster.Cluster, seed uint64) *run {
	return &run{bootstrap: strings.Split(c.Bootstrap(), ","), rec: checker.NewRecorder(), seed: seed, patience: drainLimit, surprises: map[string]int{}}
}

// dice are those of one actor: what it does is a matter of the seed, whatever the others do.
func (r *run) dice(actor string) *rand.Rand {
	h := uint64(14695981039346656037)
	for _, b := range []byte(actor) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(r.seed, h))
}

// value is one that was never written before.
func (r *run) value(prefix string) string { return fmt.Sprintf("%s%d", prefix, r.values.Add(1)) }

// name is a new process.
func (r *run) name(actor string) string { return fmt.Sprintf("%s.%d", actor, r.names.Add(1)) }

func (r *run) surprised(actor string, err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.surprises[actor+": "+err.Error()]++
}

// client makes a client that comes back quickly after faults.
func (r *run) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(r.options(opts...)...)
}

func (r *run) options(opts ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(r.bootstrap...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
		kgo.RetryBackoffFn(func(tries int) time.Duration {
			return min(time.Duration(tries)*20*time.Millisecond, 500*time.Millisecond)
		}),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RequestTimeoutOverhead(5 * time.Second),
		kgo.RetryTimeout(30 * time.Second),
		kgo.SessionTimeout(10 * time.Second),
		kgo.HeartbeatInterval(time.Second),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}, opts...)
}

// opTimeout is when an operation is given up: its outcome is unknown then.
const opTimeout = 30 * time.Second

// lives runs one life after the other until ctx ends. A life ends by itself after some seconds, or by an error that it returns.
func (r *run) lives(ctx context.Context, wg *sync.WaitGroup, actor string, life func(ctx context.Context, name string, dice *rand.Rand) error) {
	dice := r.dice(actor)
	wg.Go(func() {
		for ctx.Err() == nil {
			limit, cancel := context.WithTimeout(ctx, time.Duration(5+dice.IntN(20))*time.Second)
			err := life(limit, r.name(actor), dice)
			cancel()
			if err != nil && limit.Err() == nil {
				r.surprised(actor, err)
				pause(ctx, 100*time.Millisecond)
			}
		}
	})
}

// pause waits between a client's operations, which is what makes it a client and not a flood.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func partitionOf(topic string, p int32) checker.Partition {
	return checker.Partition(topic + "-" + strconv.Itoa(int(p)))
}

// createTopics makes the topics of a run.
func (r *run) createTopics(t *testing.T, replicas int) {
	t.Helper()
	cl, err := r.client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	names := []string{plain, txns, shared}
	for s := range stages + 1 {
		names = append(names, pipe(s))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	made, err := kadm.NewClient(cl).CreateTopics(ctx, partitions, int16(replicas), nil, names...)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		t.Fatalf("create the topics: %v", err)
	}
}
