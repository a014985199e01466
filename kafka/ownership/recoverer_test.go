package ownership_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"weir/kafka/image"
	"weir/kafka/partition"
	"weir/metadata"
)

// The leader cannot be started any more, again and again another one: recoverers give its partition away, while they and everyone else are killed, their machines crash at any
// operation of a disk, questions and answers are lost, and the metadata take a transaction without saying so. The properties are those of TestMovesSurviveCrashes; besides, who
// serves is never a recoverer, and the partition is always led by another broker in the end.
func TestTakeoversSurviveCrashes(t *testing.T) {
	n := uint64(*seeds) / 30
	var taken, crashes, records int
	for seed := *first; seed < *first+n && !t.Failed(); seed++ {
		m, c, r := takeOverUnderFaults(t, seed)
		taken, crashes, records = taken+m, crashes+c, records+r
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d takeovers, %d crashes, %d records", taken, crashes, records)
	if n >= 5 && (taken == 0 || crashes == 0) {
		t.Error("the test does not test what it should")
	}
}

func takeOverUnderFaults(t *testing.T, seed uint64) (taken, crashes, records int) {
	brokers := []metadata.BrokerID{1, 2, 3}[:2+seed%2]
	s := &stormy{
		moveWorld: newMoveWorld(t, 1<<32+seed*100, nil, brokers...), seed: 1<<32 + seed, rng: rand.New(rand.NewPCG(seed, 4)),
		seen: map[int64]string{}, sound: map[metadata.BrokerID]bool{},
	}
	defer s.store.Close()
	s.moves, s.moveWorld.heard = s.moveConfig, s.lose
	s.store.SetFault(s.storeFault)
	ctx, cancel := context.WithCancel(context.Background())
	var brokersUp, clients sync.WaitGroup
	for _, b := range brokers {
		brokersUp.Go(func() { s.keepAlive(ctx, b) })
	}
	producing, stopProducing := context.WithCancel(context.Background())
	sent := make([]int32, 3)
	for i := range sent {
		clients.Go(func() { sent[i] = s.produce(producing, int64(i)) })
	}
	for range 4 {
		before := s.acknowledged()
		s.during("somebody serves", func() bool { return s.acknowledged() > before+3 || t.Failed() })
		victim := s.assignment().Leader
		s.down.Store(int32(victim))
		s.moveWorld.mu.Lock()
		if l := s.alive[victim]; l != nil {
			l.cancel()
		}
		s.moveWorld.mu.Unlock()
		s.during(fmt.Sprintf("another broker leads than %d", victim), func() bool {
			a := s.assignment()
			if a.Leader == victim && a.Target == 0 { // what the balancer does
				s.target(brokers[s.roll(len(brokers))])
			}
			return a.Leader != victim
		})
		taken++
		s.down.Store(0)
	}
	s.calm.Store(true)
	s.moveWorld.mu.Lock()
	for _, l := range s.alive { // a disk may be about to fail
		l.cancel()
	}
	s.moveWorld.mu.Unlock()
	stopProducing()
	clients.Wait()
	var p *partition.Partition
	s.during("it is over", func() (ok bool) { p, ok = s.over(); return ok })
	s.check(p, sent)
	cancel()
	brokersUp.Wait()
	return taken, int(s.crashes.Load()), len(s.seen)
}

// crashesAtOnce is how many crashes may come before something has to happen in peace: on a slow machine a broker's start takes longer than the storm leaves it.
const crashesAtOnce = 20

// during waits for something to happen in the storm.
func (s *stormy) during(what string, ok func() bool) {
	s.t.Helper()
	before := s.crashes.Load()
	defer s.lull.Store(false)
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if s.crashes.Load() > before+crashesAtOnce {
			s.lull.Store(true)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("seed %d: not in time: %s; assignment %+v", s.seed, what, s.assignment())
		}
		<-tick.C
	}
}

func (s *stormy) acknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// A recoverer is unknown to whoever looks for brokers, is not the target of anything, gives its partition to another broker and knows when it has none left. Then the broker
// serves as ever, and leads again.
func TestRecovererGivesAwayAndTakesNothing(t *testing.T) {
	w := newMoveWorld(t, 7, nil, 1, 2)
	one, two := w.start(1), w.start(2)
	p := one.awaitLead()
	if _, err := sendBatch(p, moveBatch(5, 0, 3, "k", "before"), partition.FromClient); err != nil {
		t.Fatal(err)
	}
	before := contentOf(t, p)
	one.crash(1)

	rec, err := w.tryStartAs(1, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.MarkReady(t.Context(), []metadata.Endpoint{{Name: "PEER", Host: "127.0.0.1", Port: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := two.MarkReady(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	img := w.imageNow()
	_, isBroker := img.Broker(1)
	if s, ok := img.Recoverer(1); isBroker || !ok || s.Ready || len(s.Endpoints) != 1 || !img.Recovering() {
		t.Errorf("recoverer %+v, %v; a broker: %v", s, ok, isBroker)
	}
	if c, ok := img.Controller(); !ok || c.Broker != 2 {
		t.Errorf("controller is %+v, %v", c, ok)
	}
	select {
	case <-rec.left:
		t.Fatal("nothing was left although it leads")
	default:
	}

	w.target(2)
	q := w.moved(two)
	<-rec.left
	if after := contentOf(t, q); len(after.Records) != len(before.Records) || after.Offsets.HighWatermark != before.Offsets.HighWatermark {
		t.Errorf("before %+v, after %+v", before, after)
	}
	// What it is to lead it does not take, whatever it is asked for.
	w.target(1)
	if _, err := sendBatch(q, moveBatch(5, 3, 1, "k", "meanwhile"), partition.FromClient); err != nil {
		t.Fatal(err)
	}
	rec.stop()
	if a := w.assignment(); a.Leader != 2 || a.Target != 1 {
		t.Errorf("assignment %+v; the recoverer took it", a)
	}

	back := w.start(1)
	again := w.moved(back)
	if c := contentOf(t, again); len(c.Records) != len(before.Records)+1 {
		t.Errorf("%d records; want %d", len(c.Records), len(before.Records)+1)
	}
	if img := w.imageNow(); img.Recovering() {
		t.Error("the recoverer is known after its end")
	}
}

// imageNow is the metadata of the moment.
func (w *moveWorld) imageNow() *image.Image {
	w.t.Helper()
	live := image.New(w.store, crashCluster)
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = live.Run(ctx) }()
	_, rev, err := w.store.List(ctx, metadata.ClusterPrefix(crashCluster))
	if err != nil {
		w.t.Fatal(err)
	}
	img, err := live.Await(ctx, rev)
	if err != nil {
		w.t.Fatal(err)
	}
	cancel()
	<-ended
	return img
}
