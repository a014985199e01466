package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"weir/test/bench/load"
)

// coordination are the cases of groups and transactions.
func coordination() []benchCase {
	return []benchCase{
		{name: "join", what: "10 members join a group at once, then an 11th; classic and KIP-848", run: join, once: true},
		{name: "join1k", what: "1,000 members join a group at once, classic and KIP-848", run: joinMany, once: true},
		{name: "groups", what: "500 groups of one member start at once", run: manyGroups, once: true},
		{name: "txn", what: "transactions of 10 records, one producer and ten", run: transactions},
		{name: "txn1k", what: "1,000 transactional producers: the first transaction, memory", run: manyTransactors, once: true},
	}
}

var protocols = []struct {
	name       string
	serverSide bool
}{{"classic", false}, {"consumer", true}}

// joinLimit is how long a group may take to be even.
const joinLimit = 3 * time.Minute

func (b *turn) group(name, topic string, partitions int, serverSide bool) *load.Group {
	b.topics++ // the name is this turn's own
	return &load.Group{Bootstrap: b.seeds, Name: fmt.Sprintf("%s-%d", name, b.topics), Topic: topic, Partitions: partitions, ServerSide: serverSide}
}

// joined adds members and returns the time until all is even.
func (b *turn) joined(g *load.Group, n int) time.Duration {
	ctx, cancel := context.WithTimeout(b.ctx, joinLimit)
	defer cancel()
	took, err := g.Join(ctx, n)
	if err != nil {
		b.t.Fatal(err)
	}
	return took
}

func join(b *turn) {
	const partitions = 110 // 11 each, then 10
	topic, _ := b.topic(partitions)
	for _, p := range protocols {
		g := b.group("join", topic, partitions, p.serverSide)
		b.got["join."+p.name+"_10_s"] = b.joined(g, 10).Seconds()
		b.got["join."+p.name+"_11th_s"] = b.joined(g, 1).Seconds()
		g.Close()
	}
	b.drop(topic)
}

func joinMany(b *turn) {
	const members = 1000
	topic, _ := b.topic(members)
	for _, p := range protocols {
		g := b.group("many", topic, members, p.serverSide)
		var took time.Duration
		cpu, _ := b.measure(func() { took = b.joined(g, members) })
		b.got["join1k."+p.name+"_s"], b.got["join1k."+p.name+"_cpu_s"] = took.Seconds(), cpu.Seconds()
		g.Close()
	}
	b.drop(topic)
}

func manyGroups(b *turn) {
	const groups = 500
	topic, _ := b.topic(4)
	for _, p := range protocols {
		var all sync.WaitGroup
		var mu sync.Mutex
		var failed error
		started := make([]*load.Group, groups)
		ctx, cancel := context.WithTimeout(b.ctx, joinLimit)
		cpu, wall := b.measure(func() {
			for i := range started {
				started[i] = b.group("one-of-many", topic, 4, p.serverSide)
				all.Go(func() {
					if _, err := started[i].Join(ctx, 1); err != nil {
						mu.Lock()
						failed = err
						mu.Unlock()
					}
				})
			}
			all.Wait()
		})
		cancel()
		for _, g := range started {
			all.Go(g.Close)
		}
		all.Wait()
		if failed != nil {
			b.t.Fatal(failed)
		}
		b.got["groups."+p.name+"_s"], b.got["groups."+p.name+"_cpu_s"] = wall.Seconds(), cpu.Seconds()
	}
	b.drop(topic)
}

func transactions(b *turn) {
	const partitions = 10
	topic, _ := b.topic(partitions)
	for _, c := range []struct {
		name      string
		producers int
	}{{"one", 1}, {"ten", 10}} {
		b.topics++
		l := &load.Transactors{
			Bootstrap: b.seeds, Topic: topic, Partitions: partitions, Producers: c.producers, Records: 10, Prefix: fmt.Sprintf("txn-%d", b.topics),
		}
		if err := l.Open(b.ctx); err != nil {
			b.t.Fatal(err)
		}
		var rate float64
		var err error
		cpu, wall := b.measure(func() { rate, err = l.Run(b.ctx, length(4*time.Second)) })
		l.Close()
		if err != nil {
			b.t.Fatal(err)
		}
		b.got["txn."+c.name+"_s"] = rate
		b.got["txn."+c.name+"_cpu_ms"] = cpu.Seconds() * 1e3 / (rate * wall.Seconds())
	}
	b.drop(topic)
}

func manyTransactors(b *turn) {
	const producers = 1000
	topic, _ := b.topic(10)
	before := b.usage()
	l := &load.Transactors{Bootstrap: b.seeds, Topic: topic, Partitions: 10, Producers: producers, Records: 1, Prefix: "thousand"}
	begin := time.Now()
	err := l.Open(b.ctx)
	took := time.Since(begin)
	after := b.usage()
	l.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	b.got["txn1k.first_s"] = took.Seconds()
	b.got["txn1k.rss_mb"] = float64(after.rssBytes-before.rssBytes) / mb
	b.drop(topic)
}
