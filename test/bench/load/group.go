package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/franz"
)

// Group is a consumer group of real clients whose assignments are watched. Its methods are not safe for concurrent use.
type Group struct {
	Bootstrap  string
	Name       string
	Topic      string
	Partitions int
	ServerSide bool // KIP-848 instead of the classic protocol

	members []*member
	changed chan struct{} // some member's assignment changed; buffered
}

// member is one client and what it was told to read.
type member struct {
	client *kgo.Client
	group  *Group

	mu    sync.Mutex
	holds int
}

func (m *member) add(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.change(parts, 1) }

func (m *member) drop(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	m.change(parts, -1)
}

func (m *member) change(parts map[string][]int32, sign int) {
	m.mu.Lock()
	for _, p := range parts {
		m.holds += sign * len(p)
	}
	m.mu.Unlock()
	select {
	case m.group.changed <- struct{}{}:
	default:
	}
}

// Join starts n more members at once and returns how long it took until the partitions were spread evenly over all members.
func (g *Group) Join(ctx context.Context, n int) (time.Duration, error) {
	if g.changed == nil {
		g.changed = make(chan struct{}, 1)
	}
	begin := time.Now()
	for range n {
		if err := g.start(); err != nil {
			return 0, err
		}
	}
	for {
		even, spread := g.even()
		if even {
			return time.Since(begin), nil
		}
		select {
		case <-g.changed:
		case <-ctx.Done():
			return 0, fmt.Errorf("group %s, %d members: %s: %w", g.Name, len(g.members), spread, context.Cause(ctx))
		}
	}
}

func (g *Group) start() error {
	m := &member{group: g}
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(g.Bootstrap, ",")...), kgo.ConsumerGroup(g.Name), kgo.ConsumeTopics(g.Topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(m.add), kgo.OnPartitionsRevoked(m.drop), kgo.OnPartitionsLost(m.drop),
	}
	if g.ServerSide {
		options = append(options, kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer())
	}
	var err error
	m.client, err = kgo.NewClient(options...)
	if err == nil {
		g.members = append(g.members, m)
	}
	return err
}

// even tells whether all partitions are held and nobody has two more than another.
func (g *Group) even() (bool, string) {
	total, least, most := 0, g.Partitions, 0
	for _, m := range g.members {
		m.mu.Lock()
		total, least, most = total+m.holds, min(least, m.holds), max(most, m.holds)
		m.mu.Unlock()
	}
	return total == g.Partitions && most-least <= 1, fmt.Sprintf("%d of %d partitions are held, %d to %d each", total, g.Partitions, least, most)
}

// Close lets all members leave.
func (g *Group) Close() {
	var all sync.WaitGroup
	for _, m := range g.members {
		all.Go(m.client.Close)
	}
	all.Wait()
	g.members = nil
}

// Transactors are producers that commit transactions one after the other, each of Records records to one topic's partitions in turn.
type Transactors struct {
	Bootstrap  string
	Topic      string
	Partitions int
	Producers  int
	Records    int
	Prefix     string // of the transactional ids

	clients []*kgo.Client
}

// Open makes the producers and has each commit a transaction.
func (l *Transactors) Open(ctx context.Context) error {
	for n := range l.Producers {
		cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(l.Bootstrap, ",")...), kgo.TransactionalID(fmt.Sprintf("%s-%d", l.Prefix, n)),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.DefaultProduceTopic(l.Topic),
			kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond })) // a broker may still be busy with the last transaction
		if err != nil {
			return err
		}
		l.clients = append(l.clients, cl)
	}
	return l.each(func(cl *kgo.Client) error { return l.commit(ctx, cl) })
}

// each calls f for every client, at most 50 at a time.
func (l *Transactors) each(f func(*kgo.Client) error) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	turns := make(chan struct{}, 50)
	for _, cl := range l.clients {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			if err := f(cl); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Run commits transactions for some time and returns how many a second, of all producers together.
func (l *Transactors) Run(ctx context.Context, duration time.Duration) (float64, error) {
	var mu sync.Mutex
	committed := 0
	begin := time.Now()
	err := l.each(func(cl *kgo.Client) error {
		n := 0
		for time.Since(begin) < duration {
			if err := l.commit(ctx, cl); err != nil {
				return err
			}
			n++
		}
		mu.Lock()
		committed += n
		mu.Unlock()
		return nil
	})
	return float64(committed) / time.Since(begin).Seconds(), err
}

func (l *Transactors) commit(ctx context.Context, cl *kgo.Client) error {
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	records := make([]*kgo.Record, l.Records)
	for i := range records {
		records[i] = &kgo.Record{Partition: int32(i % l.Partitions), Value: make([]byte, 100)}
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	if err := franz.AwaitPartitions(ctx, cl, l.Topic); err != nil {
		return err
	}
	return cl.EndTransaction(ctx, kgo.TryCommit)
}

// Close closes the producers.
func (l *Transactors) Close() {
	var all sync.WaitGroup
	for _, cl := range l.clients {
		all.Go(cl.Close)
	}
	all.Wait()
	l.clients = nil
}
