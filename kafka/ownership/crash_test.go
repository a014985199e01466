package ownership_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/image"
	"weir/kafka/ownership"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/sim"
	"weir/storage/batch"
	"weir/storage/buffer"
	"weir/storage/tier"
	"weir/storage/wal"
)

// More seeds: go test -run Crash ./kafka/ownership -args -seeds 10000 [-first 1]
var (
	seeds = flag.Int("seeds", 150, "how many seeds the crash test runs")
	first = flag.Uint64("first", 1, "the first of them")
)

// A broker is killed, and its machine crashes, at any operation of its disk, under load; the disk fails and fills up. Then the next incarnation
// must have every acknowledged record (L1) under its offset (L2), every record that was ever read (L4), a high watermark that did
// not fall (L3), and exactly one copy of each batch of an idempotent producer, in order (P1). Meanwhile checkpoints are taken at any moment, data move out of
// the journal, and what nobody needs is deleted; the metadata sometimes take a checkpoint without saying so, or say so late.
func TestNothingIsLostInCrashes(t *testing.T) {
	var total stats
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		c := newCrashWorld(t, seed)
		c.run()
		total.add(c.stats)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%+v", total)
	if *seeds >= 100 && (total.Acked == 0 || total.Duplicates == 0 || total.Crashes == 0 || total.Full == 0 || total.Checkpoints == 0 || total.Flushes == 0 || total.Restored == 0) {
		t.Error("the test does not test what it should")
	}
}

type stats struct {
	Lives, Crashes, Kills, Failures, Full, Appends, Acked, Duplicates, Read int
	Checkpoints, Flushes                                                    int // that worked
	Restored                                                                int // lives that began with a checkpoint
}

func (s *stats) add(o stats) {
	s.Lives += o.Lives
	s.Crashes += o.Crashes
	s.Kills += o.Kills
	s.Failures += o.Failures
	s.Full += o.Full
	s.Appends += o.Appends
	s.Acked += o.Acked
	s.Duplicates += o.Duplicates
	s.Read += o.Read
	s.Checkpoints += o.Checkpoints
	s.Flushes += o.Flushes
	s.Restored += o.Restored
}

const (
	crashCluster = "crash"
	partitions   = 3
	producers    = 2 // for each partition
)

type crashWorld struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	disk  *sim.Disk
	store *metadata.Mem
	topic metadata.Topic
	model [partitions]*logModel
	stats stats

	faulty  atomic.Bool                    // a fault was played in this life
	publish atomic.Pointer[metadata.Fault] // of what is written to the metadata once the broker runs
	moving  chan error                     // outcomes of what the tiers are asked for; nil if nothing
}

// logModel is what the world knows of a partition.
type logModel struct {
	seen map[int64]string // offset -> value, acknowledged or read
	high int64            // largest high watermark seen
	from [producers]*client
}

// client is an idempotent producer of one partition with up to five batches in flight.
type client struct {
	id     int64
	queue  []int32 // sequence numbers sent and not acknowledged, in order
	next   int32
	flying int
	broken bool // something failed: wait for the rest, then send again in order
}

func newCrashWorld(t *testing.T, seed uint64) *crashWorld {
	c := &crashWorld{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), disk: sim.NewDisk(seed), store: metadata.NewMem()}
	c.disk.Tear = seed%2 == 0
	c.topic = metadata.Topic{Name: "t", ID: metadata.NewTopicID(), Partitions: partitions}
	a := metadata.Assignment{}
	for i := range c.model {
		a.Partitions = append(a.Partitions, metadata.PartitionAssignment{Leader: 1})
		c.model[i] = &logModel{seen: make(map[int64]string)}
		for j := range c.model[i].from {
			c.model[i].from[j] = &client{id: int64(i*producers + j)}
		}
	}
	_, err := c.store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{
		metadata.Put(metadata.TopicKey(crashCluster, "t"), metadata.Encode(c.topic)),
		metadata.Put(metadata.AssignmentKey(crashCluster, c.topic.ID, 0), metadata.Encode(a)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *crashWorld) run() {
	defer c.store.Close()
	c.store.SetFault(func(call metadata.Call) metadata.Fault {
		if call.Method == "Revoke" { // nobody says goodbye here
			return metadata.Fault{Before: errors.New("dead")}
		}
		if f := c.publish.Load(); f != nil && call.Method == "Commit" {
			c.faulty.Store(true)
			return *f
		}
		return metadata.Fault{}
	})
	for range 2 + c.rng.IntN(4) {
		c.plan()
		c.life(false)
		c.disk.Plan(nil)
		if c.t.Failed() {
			return
		}
		c.stats.Lives++
		if c.rng.IntN(3) == 0 {
			c.stats.Kills++
			c.disk.Kill()
		} else {
			c.stats.Crashes++
			c.disk.Crash(c.rng.Uint64())
		}
	}
	c.publish.Store(nil)
	c.life(true)
}

// plan chooses what goes wrong in the next life.
func (c *crashWorld) plan() {
	c.faulty.Store(false)
	c.publish.Store(nil)
	at := c.disk.Ops() + 1 + c.rng.IntN(120+c.rng.IntN(600))
	kinds := []sim.FaultKind{sim.CrashBefore, sim.CrashAfter, sim.Fail, sim.LoseSync, sim.None}
	kind := kinds[c.rng.IntN(len(kinds))]
	full, short := c.rng.IntN(3) == 0, c.rng.IntN(2) == 0
	fullRng := rand.New(rand.NewPCG(c.rng.Uint64(), 1))
	c.disk.Plan(func(op sim.Op) sim.Fault {
		if op.N >= at {
			at = 1 << 60
			c.faulty.Store(true)
			return sim.Fault{Kind: kind}
		}
		if full && op.Kind == sim.Write && fullRng.IntN(4) == 0 {
			c.faulty.Store(true)
			if short {
				return sim.Fault{Kind: sim.Short}
			}
			return sim.Fault{Kind: sim.NoSpace}
		}
		return sim.Fault{}
	})
}

// life is one incarnation: start, check what is there, produce and read for a while, die. The last one finishes what is left and
// checks everything.
func (c *crashWorld) life(last bool) {
	img := image.New(c.store, crashCluster)
	ctx, cancel := context.WithCancel(context.Background())
	images, runs := make(chan error, 1), make(chan error, 1)
	go func() { images <- img.Run(ctx) }()
	defer func() { cancel(); <-images }()
	o, err := ownership.Acquire(ctx, ownership.Config{
		Cluster: crashCluster, Broker: 1, LeaseTTL: time.Hour, WAL: wal.Config{FirstFileBytes: 16 << 10, FileBytes: 64 << 10}, Tier: c.tiers(),
	}, ownership.Deps{Log: slog.New(slog.DiscardHandler), Store: c.store, Image: img, Disk: c.disk, Pool: buffer.NewPool(1 << 20)})
	if err != nil {
		c.stats.Failures++
		if last || !c.faulty.Load() {
			c.t.Errorf("start without a fault: %v", err)
		}
		return
	}
	if o.Restored() {
		c.stats.Restored++
	}
	go func() { runs <- o.Run(ctx) }()
	defer func() {
		c.moved()
		if !last && c.rng.IntN(4) > 0 { // no goodbye: what the next life begins with is older
			c.publish.Store(&metadata.Fault{Before: errors.New("dead")})
		}
		cancel()
		if err := <-runs; last && err != nil {
			c.t.Errorf("the last life: %v", err)
		}
	}()
	var ps [partitions]*partition.Partition
	for i := range ps {
		if ps[i], err = o.Leaders().Get(partition.Key{Topic: c.topic.ID, Index: int32(i)}); err != nil {
			if !c.faulty.Load() {
				c.t.Error(err)
			}
			return
		}
		for _, cl := range c.model[i].from {
			cl.flying, cl.broken = 0, true
		}
		if hw := ps[i].Offsets().HighWatermark; hw < c.model[i].high {
			c.t.Errorf("partition %d: the high watermark fell from %d to %d", i, c.model[i].high, hw)
		}
		if c.rng.IntN(3) == 0 {
			c.read(i, ps[i], 0)
		}
	}
	outcomes := make(chan outcome, 1000)
	flying := 0
	steps := 20 + c.rng.IntN(60)
	for step := 0; step < steps && !c.t.Failed(); step++ {
		i := c.rng.IntN(partitions)
		switch c.rng.IntN(10) {
		case 0:
			c.read(i, ps[i], max(0, c.model[i].high-int64(c.rng.IntN(20))))
		case 3:
			c.move(ctx, o)
		case 1, 2:
			for ; flying > 0; flying-- {
				if !c.settle(<-outcomes) {
					steps = 0
				}
			}
		default:
			flying += c.produce(i, ps[i], c.model[i].from[c.rng.IntN(producers)], outcomes)
		}
	}
	for ; flying > 0; flying-- {
		c.settle(<-outcomes)
	}
	if !last {
		return
	}
	for i, m := range c.model {
		for _, cl := range m.from {
			for tries := 0; len(cl.queue) > 0 && !c.t.Failed(); tries++ {
				for n := c.produce(i, ps[i], cl, outcomes); n > 0; n-- {
					c.settle(<-outcomes)
				}
				if tries > 1000 {
					c.t.Errorf("partition %d: producer %d cannot finish", i, cl.id)
				}
			}
		}
		c.read(i, ps[i], 0)
		c.checkOnce(i)
	}
}

// tiers is how the tiers of the next life behave: as they are asked to by move, or by themselves and in a hurry.
func (c *crashWorld) tiers() tier.Config {
	cfg := tier.Config{
		CheckpointBytes: -1, CheckpointInterval: -1, FlushBytes: -1, FlushAge: -1, FlushExtents: -1, FlushIdle: -1, RetainInterval: time.Hour,
		CollectInterval: -1, DeleteDelay: 1, UnitFiles: 1 + c.rng.IntN(3), OwnBytes: 2000, BundleBytes: 8000,
	}
	if c.rng.IntN(3) == 0 {
		cfg.Tick, cfg.CheckpointBytes, cfg.FlushBytes, cfg.CollectInterval = time.Millisecond, 1+int64(c.rng.IntN(64<<10)), 1+int64(c.rng.IntN(128<<10)), 1
	}
	return cfg
}

// move asks the tiers for something, which happens while appends go on.
func (c *crashWorld) move(ctx context.Context, o *ownership.Owner) {
	c.moved()
	step := o.Tiers().Checkpoint
	switch c.rng.IntN(6) {
	case 0, 1:
		step = o.Tiers().Flush
		c.stats.Flushes++
	case 2:
		step = o.Tiers().Collect
	default:
		c.stats.Checkpoints++
	}
	if f := c.rng.IntN(10); f < 2 {
		c.publish.Store(&[]metadata.Fault{{Before: errors.New("away")}, {After: errors.New("not heard")}}[f])
	}
	moving := make(chan error, 1)
	c.moving = moving
	go func() { moving <- step(ctx) }()
	if c.rng.IntN(2) == 0 {
		c.moved()
	}
}

// moved waits until that is done.
func (c *crashWorld) moved() {
	if c.moving == nil {
		return
	}
	if err := <-c.moving; err != nil && !c.faulty.Load() {
		c.t.Errorf("tiers: %v", err)
	}
	c.moving = nil
	c.publish.Store(nil)
}

type outcome struct {
	partition int
	client    *client
	seq       int32
	appended  partition.Appended
	err       error
}

// produce sends the client's next batch, or, after a failure, all that are not acknowledged. It returns how many outcomes will come.
func (c *crashWorld) produce(i int, p *partition.Partition, cl *client, outcomes chan<- outcome) (sent int) {
	var seqs []int32
	switch {
	case cl.broken && cl.flying > 0, len(cl.queue) >= 5 && !cl.broken:
		return 0
	case cl.broken:
		seqs, cl.broken = cl.queue, false
	case c.rng.IntN(8) == 0 && len(cl.queue) > 0: // an impatient retry of what is in flight
		seqs = cl.queue[len(cl.queue)-1:]
	}
	if len(seqs) == 0 {
		seqs = []int32{cl.next}
		cl.queue = append(cl.queue, cl.next)
		cl.next++
	}
	for _, seq := range seqs {
		b := batch.NewBuilder()
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = cl.id, 0, seq
		b.Add(time.Now().UnixMilli(), nil, []byte(value(cl.id, seq)))
		err := p.Append(partition.Append{Batches: b.Batch()}, func(a partition.Appended, err error) { outcomes <- outcome{i, cl, seq, a, err} })
		if err != nil {
			if !errors.Is(err, kerr.KafkaStorageError) && !errors.Is(err, kerr.OutOfOrderSequenceNumber) && !errors.Is(err, kerr.NotLeaderForPartition) {
				c.t.Errorf("partition %d: append: %v", i, err)
			}
			// Out of order: what came before it failed, and we have not heard yet.
			cl.broken = true
			break
		}
		c.stats.Appends++
		cl.flying++
		sent++
	}
	return sent
}

func value(id int64, seq int32) string { return fmt.Sprintf("producer %d batch %d", id, seq) }

// settle takes an outcome into the model. It returns false if the log failed.
func (c *crashWorld) settle(o outcome) bool {
	o.client.flying--
	if o.err != nil {
		if errors.Is(o.err, wal.ErrFull) {
			c.stats.Full++
		}
		o.client.broken = true
		return errors.Is(o.err, wal.ErrFull)
	}
	c.stats.Acked++
	if o.appended.Duplicate {
		c.stats.Duplicates++
	}
	c.saw(o.partition, o.appended.BaseOffset, value(o.client.id, o.seq))
	m := c.model[o.partition]
	m.high = max(m.high, o.appended.BaseOffset+1)
	for j, seq := range o.client.queue {
		if seq == o.seq {
			o.client.queue = append(o.client.queue[:j:j], o.client.queue[j+1:]...)
			break
		}
	}
	return true
}

func (c *crashWorld) saw(i int, offset int64, value string) {
	m := c.model[i]
	if before, ok := m.seen[offset]; ok && before != value {
		c.t.Errorf("partition %d offset %d was %q and is %q", i, offset, before, value)
	}
	m.seen[offset] = value
}

// read reads from offset to the high watermark and compares with what was seen before.
func (c *crashWorld) read(i int, p *partition.Partition, offset int64) {
	m, d := c.model[i], batch.NewDecoder(1<<20)
	for {
		recs, err := p.Read(context.Background(), partition.ReadRequest{
			Offset: offset, MaxBytes: int32(1 + c.rng.IntN(2000)), AtLeastOne: true, ClientEpoch: p.LeaderEpoch(),
		})
		if err != nil {
			// The process may be on its way out.
			if !errors.Is(err, kerr.KafkaStorageError) && !errors.Is(err, kerr.NotLeaderForPartition) {
				c.t.Errorf("partition %d: read at %d: %v", i, offset, err)
			}
			return
		}
		m.high = max(m.high, recs.Offsets.HighWatermark)
		if recs.Bytes == 0 {
			break
		}
		for _, seg := range recs.Segments {
			for len(seg) > 0 {
				h, one, rest, err := batch.Next(seg)
				if err != nil || h.BaseOffset != offset || h.LastOffset() >= recs.Offsets.HighWatermark {
					c.t.Errorf("partition %d at %d: batch %+v, high watermark %d, %v", i, offset, h, recs.Offsets.HighWatermark, err)
					return
				}
				for r, err := range d.Records(one) {
					if err != nil {
						c.t.Error(err)
						return
					}
					c.saw(i, r.Offset, string(r.Value))
					c.stats.Read++
				}
				offset, seg = h.LastOffset()+1, rest
			}
		}
		recs.Release()
	}
	if offset < m.high {
		c.t.Errorf("partition %d ends at %d, was seen up to %d", i, offset, m.high)
	}
}

// checkOnce checks that the log holds each producer's batches once and in order, and nothing else.
func (c *crashWorld) checkOnce(i int) {
	m := c.model[i]
	var next [producers]int32
	for offset := range m.high {
		got, ok := m.seen[offset]
		if !ok {
			c.t.Errorf("partition %d: nothing at offset %d", i, offset)
			return
		}
		found := false
		for j, cl := range m.from {
			if got == value(cl.id, next[j]) {
				next[j]++
				found = true
			}
		}
		if !found {
			c.t.Errorf("partition %d offset %d: %q is out of order or a duplicate (next are %v)", i, offset, got, next)
			return
		}
	}
	for j, cl := range m.from {
		if next[j] != cl.next {
			c.t.Errorf("partition %d: producer %d sent %d batches, %d are there", i, cl.id, cl.next, next[j])
		}
	}
}

// A disk that is full when the broker comes back costs the appends only, and no restart once there is space.
func TestFullDiskStillServesReads(t *testing.T) {
	c := newCrashWorld(t, 1)
	defer c.store.Close()
	var full atomic.Bool
	c.disk.Plan(func(op sim.Op) sim.Fault {
		if op.Kind == sim.Write && full.Load() {
			return sim.Fault{Kind: sim.NoSpace}
		}
		return sim.Fault{}
	})
	life := func(body func(*ownership.Owner, *partition.Partition)) {
		img := image.New(c.store, crashCluster)
		ctx, cancel := context.WithCancel(context.Background())
		images, runs := make(chan error, 1), make(chan error, 1)
		go func() { images <- img.Run(ctx) }()
		full.Store(false) // making a log needs space
		o, err := ownership.Acquire(ctx, ownership.Config{Cluster: crashCluster, Broker: 1, LeaseTTL: time.Hour},
			ownership.Deps{Log: slog.New(slog.DiscardHandler), Store: c.store, Image: img, Disk: c.disk, Pool: buffer.NewPool(1 << 20)})
		if err != nil {
			t.Fatal(err)
		}
		full.Store(true) // before ADOPT is written
		go func() { runs <- o.Run(ctx) }()
		p, err := o.Leaders().Get(partition.Key{Topic: c.topic.ID})
		if err != nil {
			t.Fatal(err)
		}
		body(o, p)
		cancel()
		<-images
		if err := <-runs; err != nil {
			t.Error(err)
		}
	}
	try := func(p *partition.Partition, seq int32) error {
		out := make(chan outcome, 1)
		b := batch.NewBuilder()
		b.Add(time.Now().UnixMilli(), nil, []byte(value(0, seq)))
		if err := p.Append(partition.Append{Batches: b.Batch()}, func(a partition.Appended, err error) { out <- outcome{appended: a, err: err} }); err != nil {
			return err
		}
		o := <-out
		if o.err == nil {
			c.saw(0, o.appended.BaseOffset, value(0, seq))
			c.model[0].high = o.appended.BaseOffset + 1
		}
		return o.err
	}
	for round := range int32(3) {
		life(func(o *ownership.Owner, p *partition.Partition) {
			if err := o.MarkReady(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := try(p, 100); !errors.Is(err, kerr.KafkaStorageError) {
					t.Fatalf("append to a full disk: %v", err)
				}
			}
			c.read(0, p, 0)
			full.Store(false)
			for i := range int32(3) {
				// An ADOPT before it may still be on its way to the disk as it was, and takes it along.
				until(t, "appends are taken again", func() bool {
					err := try(p, round*3+i)
					if err != nil && (i > 0 || !errors.Is(err, kerr.KafkaStorageError)) {
						t.Fatal(err)
					}
					return err == nil
				})
			}
		})
	}
	if c.model[0].high != 9 || len(c.model[0].seen) != 9 {
		t.Errorf("%+v", c.model[0])
	}
}
