package balance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/ownership"
	"weir/kafka/partition"
	"weir/kafka/topic"
	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/disk"
	"weir/storage/wal"
)

// machines is a cluster of brokers that have data, each with a balancer.
type machines struct {
	t     *testing.T
	store *metadata.Mem
	dir   string

	properties map[string]string // of brokers

	mu    sync.Mutex
	alive map[metadata.BrokerID]*machine
}

type machine struct {
	*ownership.Owner
	image  *image.Live
	topics *topic.Admin
	cancel context.CancelFunc
	ended  chan struct{}
}

// leaseTTL is longer than a machine with much to do keeps a broker from renewing its session. Nothing waits for it: end says that a session is over.
const leaseTTL = 10 * time.Minute

func newMachines(t *testing.T) *machines {
	c := &machines{t: t, store: metadata.NewMem(), dir: t.TempDir(), alive: make(map[metadata.BrokerID]*machine)}
	t.Cleanup(func() {
		c.mu.Lock()
		var all []*machine
		for _, m := range c.alive {
			all = append(all, m)
		}
		c.mu.Unlock()
		for _, m := range all {
			m.cancel()
			<-m.ended
		}
		_ = c.store.Close()
	})
	return c
}

// Request implements ownership.Peers.
func (c *machines) Request(ctx context.Context, to metadata.BrokerID, req kmsg.Request) (kmsg.Response, error) {
	c.mu.Lock()
	m := c.alive[to]
	c.mu.Unlock()
	in, ok := req.(*kmsg.AlterPartitionAssignmentsRequest)
	if m == nil || !ok {
		return nil, kerr.BrokerNotAvailable
	}
	out := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	in.UnknownTags.Each(func(tag uint32, b []byte) {
		if tag == ownership.Tag {
			out.UnknownTags.Set(tag, m.Answer(ctx, b))
		}
	})
	return out, nil
}

func (c *machines) start(id metadata.BrokerID) *machine {
	c.t.Helper()
	dir := filepath.Join(c.dir, fmt.Sprint(id))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	m := &machine{image: image.New(c.store, cluster), cancel: cancel, ended: make(chan struct{})}
	var group sync.WaitGroup
	group.Go(func() { _ = m.image.Run(ctx) })
	var err error
	m.Owner, err = ownership.Acquire(ctx, ownership.Config{
		Cluster: cluster, Broker: id, LeaseTTL: leaseTTL, WAL: wal.Config{FirstFileBytes: 64 << 10, FileBytes: 256 << 10},
		Moves: ownership.MoveConfig{Retry: 10 * time.Millisecond},
	}, ownership.Deps{Log: log, Store: c.store, Image: m.image, Disk: disk.OS(dir), Pool: buffer.NewPool(4 << 20)})
	if err != nil {
		cancel()
		group.Wait()
		c.t.Fatal(err)
	}
	m.topics = topic.New(topic.Config{Cluster: cluster, Broker: id, Properties: c.properties}, topic.Deps{Store: c.store, Image: m.image, Log: log})
	b := New(Config{Cluster: cluster, Broker: id, Tick: 20 * time.Millisecond, Level: 100 * time.Millisecond}, Deps{
		Log: log, Store: c.store, Image: m.image, Topics: m.topics,
		Traffic: func(ctx context.Context, of metadata.BrokerID) ([]partition.Traffic, error) {
			return ownership.AskTraffic(ctx, c, of)
		},
	})
	group.Go(func() { _ = m.Run(ctx); cancel() })
	group.Go(func() { _ = m.Move(ctx, c) })
	group.Go(func() { _ = b.Run(ctx) })
	go func() { group.Wait(); close(m.ended) }()
	c.mu.Lock()
	c.alive[id] = m
	c.mu.Unlock()
	if err := m.MarkReady(ctx, []metadata.Endpoint{{Name: "CLIENT", Host: "127.0.0.1", Port: 9092}}); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// end stops a broker; one that is killed does not say goodbye, and its lease runs out.
func (c *machines) end(id metadata.BrokerID, kill bool) {
	c.mu.Lock()
	m := c.alive[id]
	delete(c.alive, id)
	c.mu.Unlock()
	if kill {
		c.store.SetFault(func(call metadata.Call) metadata.Fault {
			if call.Method == "Revoke" {
				return metadata.Fault{Before: errors.New("dead")}
			}
			return metadata.Fault{}
		})
		defer c.store.SetFault(nil)
	}
	m.cancel()
	<-m.ended
	if kill {
		_, err := c.store.Commit(c.t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Delete(metadata.SessionKey(cluster, id))}})
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// image is what a broker knows once it has heard of all that was written so far.
func (c *machines) image(id metadata.BrokerID) *image.Image {
	c.t.Helper()
	img, err := c.alive[id].image.Await(c.t.Context(), c.store.Revision())
	if err != nil {
		c.t.Fatal(err)
	}
	return img
}

func (c *machines) want(number int64, b metadata.Balance) {
	c.t.Helper()
	_, err := c.store.Commit(c.t.Context(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.SettingsKey(cluster), metadata.Encode(metadata.Settings{Number: number, Balance: b})),
	}})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *machines) status() (s metadata.BalanceStatus) {
	c.t.Helper()
	kv, found, err := c.store.Get(c.t.Context(), metadata.BalanceStatusKey(cluster))
	if err != nil {
		c.t.Fatal(err)
	}
	if found {
		if s, err = metadata.Decode[metadata.BalanceStatus](kv); err != nil {
			c.t.Fatal(err)
		}
	}
	return s
}

// until polls until ok.
func (c *machines) until(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			c.t.Fatalf("not in time: %s; the status is %+v", what, c.status())
		}
		<-tick.C
	}
}

// leads finds who leads a partition; nil: nobody now.
func (c *machines) leads(k partition.Key) *partition.Partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.alive {
		if p, err := m.Leaders().Get(k); err == nil {
			return p
		}
	}
	return nil
}

// client appends numbers to a partition, each until it is acknowledged, as an idempotent producer does.
type client struct {
	c        *machines
	key      partition.Key
	producer int64
	sent     int32
	stalls   []time.Duration // of appends that had to be tried again
}

func (p *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		data := p.next()
		for began, tries := time.Now(), 1; ; tries++ {
			if p.once(data) {
				if tries > 1 {
					p.stalls = append(p.stalls, time.Since(began))
				}
				break
			}
			<-time.After(time.Millisecond)
		}
		p.sent++
		<-time.After(2 * time.Millisecond)
	}
}

// next is the batch that is to be appended.
func (p *client) next() []byte {
	b := batch.NewBuilder()
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = p.producer, 0, p.sent
	b.Add(time.Now().UnixMilli(), nil, fmt.Append(nil, p.sent))
	return b.Batch()
}

// write appends one, if there is a leader.
func (p *client) write() bool {
	ok := p.once(p.next())
	if ok {
		p.sent++
	}
	return ok
}

func (p *client) once(data []byte) bool {
	l := p.c.leads(p.key)
	if l == nil {
		return false
	}
	out := make(chan error, 1)
	if err := l.Append(partition.Append{Batches: append([]byte(nil), data...)}, func(_ partition.Appended, err error) { out <- err }); err != nil {
		return false
	}
	select {
	case err := <-out:
		return err == nil
	case <-time.After(30 * time.Second):
		return false
	}
}

// leader is who leads the partition, now or in a moment: leaders may be given back just now.
func (p *client) leader() (l *partition.Partition) {
	p.c.t.Helper()
	p.c.until(fmt.Sprintf("%v is led", p.key), func() bool { l = p.c.leads(p.key); return l != nil })
	return l
}

// check reads the partition: all that was acknowledged is there, once and in order.
func (p *client) check() {
	p.c.t.Helper()
	l := p.leader()
	d := batch.NewDecoder(1 << 20)
	next := int32(0)
	for at := int64(0); at < l.Offsets().HighWatermark; {
		recs, err := l.Read(p.c.t.Context(), partition.ReadRequest{Offset: at, MaxBytes: 1 << 20, AtLeastOne: true, ClientEpoch: -1})
		if errors.Is(err, kerr.NotLeaderForPartition) { // it was given away meanwhile
			l = p.leader()
			continue
		}
		if err != nil || recs.Bytes == 0 {
			p.c.t.Errorf("%v at %d: %v", p.key, at, err)
			return
		}
		for _, seg := range recs.Segments {
			for len(seg) > 0 {
				h, one, rest, err := batch.Next(seg)
				if err != nil {
					p.c.t.Fatal(err)
				}
				for r, err := range d.Records(one) {
					if err != nil || string(r.Value) != fmt.Sprint(next) {
						p.c.t.Fatalf("%v: %s where %d should be: %v", p.key, r.Value, next, err)
					}
					next++
				}
				at, seg = h.LastOffset()+1, rest
			}
		}
		recs.Release()
	}
	if next != p.sent {
		p.c.t.Errorf("%v: %d records, %d were acknowledged", p.key, next, p.sent)
	}
}

// A cluster grows by a broker and shrinks again while producers write, and the controller is killed in the middle of it: nothing is lost or written twice, and the status
// says what is true.
func TestClusterGrowsAndShrinksUnderLoad(t *testing.T) {
	c := newMachines(t)
	for id := range metadata.BrokerID(3) {
		c.start(id + 1)
	}
	c.until("all know each other", func() bool { return len(c.alive[1].image.Current().Registered()) == 3 })
	keys := c.create(topic.NewTopic{Name: "replicated", Partitions: 9, Replication: 3}, topic.NewTopic{Name: "alone", Partitions: 3, Replication: 1})
	load, stop := context.WithCancel(context.Background())
	defer stop()
	var producing sync.WaitGroup
	var clients []*client
	for i, k := range keys {
		cl := &client{c: c, key: k, producer: int64(i)}
		clients = append(clients, cl)
		producing.Go(func() { cl.run(load) })
	}
	c.start(4)
	c.want(1, metadata.Balance{Spread: 1})
	c.until("the new broker has its share", func() bool { s := c.status(); return s.Spread == 1 && s.Settings == 1 && s.Moving == 0 })
	if leaders, replicas := tally(c.image(1)); leaders[4] < 2 || replicas[4] < 6 {
		t.Errorf("after spreading: %v lead, %v have", leaders, replicas)
	}
	before := c.status().Moved
	c.want(2, metadata.Balance{Drain: ids{4}})
	c.until("a partition has left", func() bool { return c.status().Moved > before })
	c.end(1, true)
	c.until("there is another controller", func() bool {
		now, ok := c.alive[2].image.Current().Controller()
		return ok && now.Broker == 2
	})
	c.start(1)
	c.until("broker 4 is empty", func() bool { return cmp.Equal(c.status().Drained, ids{4}) })
	if s := c.status(); s.Remaining != 0 || s.Problem != "" || s.Settings != 2 {
		t.Errorf("%+v", s)
	}
	img := c.image(2)
	for _, tp := range img.Topics() {
		for i := range tp.Partitions {
			if want := map[string]int{"replicated": 3, "alone": 1}[tp.Name]; len(tp.Partitions[i].Replicas) != want {
				t.Errorf("%s-%d: %+v", tp.Name, i, tp.Partitions[i])
			}
		}
	}
	c.until("broker 4 leads nothing", func() bool { return len(c.alive[4].Leaders().Keys()) == 0 })
	c.end(4, false)
	stop()
	producing.Wait()
	for _, cl := range clients {
		cl.check()
		if cl.sent == 0 {
			t.Error("nothing was written")
		}
	}
}

// create makes topics, and waits until they are led.
func (c *machines) create(topics ...topic.NewTopic) (keys []partition.Key) {
	c.t.Helper()
	for _, out := range c.alive[1].topics.Create(c.t.Context(), topics, false) {
		if out.Err != nil {
			c.t.Fatal(out.Err)
		}
		for i := range out.Topic.Partitions {
			keys = append(keys, partition.Key{Topic: out.Topic.ID, Index: i})
		}
	}
	for _, k := range keys {
		c.until("it is led", func() bool { return c.leads(k) != nil })
	}
	return keys
}

// A cluster that balances itself moves leaders away from the broker that has all the load.
func TestLoadIsLevelled(t *testing.T) {
	c := newMachines(t)
	c.start(1)
	c.start(2)
	c.until("all know each other", func() bool { return len(c.alive[1].image.Current().Registered()) == 2 })
	keys := c.create(topic.NewTopic{Name: "hot", Partitions: -1, Replication: -1, Replicas: []ids{{1, 2}, {1, 2}, {2, 1}, {2, 1}}})
	load, stop := context.WithCancel(context.Background())
	defer stop()
	var producing sync.WaitGroup
	var wrote atomic.Int64
	value := make([]byte, 64<<10)
	for i, k := range keys[:2] {
		producing.Go(func() {
			for seq := int32(0); load.Err() == nil; {
				b := batch.NewBuilder()
				b.ProducerID, b.ProducerEpoch, b.BaseSequence = int64(i), 0, seq
				b.Add(time.Now().UnixMilli(), nil, value)
				if (&client{c: c, key: k}).once(b.Batch()) {
					wrote.Add(1)
					seq++
				}
				<-time.After(5 * time.Millisecond)
			}
		})
	}
	c.until("there is load", func() bool { return wrote.Load() > 20 })
	c.want(1, metadata.Balance{Active: true})
	c.until("the two hot partitions have two leaders", func() bool {
		tp, _ := c.alive[2].image.Current().Topic("hot")
		return tp.Partitions[0].Leader != tp.Partitions[1].Leader
	})
	stop()
	producing.Wait()
}
