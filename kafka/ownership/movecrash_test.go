package ownership_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/ownership"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/sim"
	"weir/storage/batch"
)

// A partition moves to and fro under load while brokers are killed and their machines crash at any operation of a disk, questions and answers are lost, and the
// metadata take a transaction without saying so. Whatever is the case: an acknowledged record is there (L1), once (P1), under its offset, which was given to
// no other (L2, so nobody else led), and the high watermark does not fall (L3). In the end the move is over and only its leader has data.
func TestMovesSurviveCrashes(t *testing.T) {
	n := uint64(*seeds) / 15
	var moves, crashes, records int
	for seed := *first; seed < *first+n && !t.Failed(); seed++ {
		m, c, r := moveUnderFaults(t, seed)
		moves, crashes, records = moves+m, crashes+c, records+r
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d moves, %d crashes, %d records", moves, crashes, records)
	if n >= 10 && (moves == 0 || crashes == 0) {
		t.Error("the test does not test what it should")
	}
}

// stormy is a cluster under faults.
type stormy struct {
	*moveWorld
	seed    uint64
	crashes atomic.Int64
	calm    atomic.Bool  // no more faults
	lull    atomic.Bool  // no more faults for now
	down    atomic.Int32 // a broker that cannot be started: all of its lives are recoverers; 0 is none

	mu   sync.Mutex
	rng  *rand.Rand
	seen map[int64]string
	high int64

	sound map[metadata.BrokerID]bool // began its life when it was calm
}

func (s *stormy) quiet() bool { return s.calm.Load() || s.lull.Load() }

func (s *stormy) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func moveUnderFaults(t *testing.T, seed uint64) (moves, crashes, records int) {
	configs := map[string]string{}
	if seed%3 == 0 {
		configs["cleanup.policy"] = "compact"
		configs["min.cleanable.dirty.ratio"] = "0.9"
	}
	brokers := []metadata.BrokerID{1, 2, 3}[:2+seed%2]
	s := &stormy{moveWorld: newMoveWorld(t, seed*100, configs, brokers...), seed: seed, rng: rand.New(rand.NewPCG(seed, 3)), seen: map[int64]string{}, sound: map[metadata.BrokerID]bool{}}
	defer s.store.Close()
	s.moves = s.moveConfig
	s.moveWorld.heard = s.lose
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
	for range 6 {
		s.target(brokers[s.roll(len(brokers))])
		began := s.assignment()
		for tick := time.NewTicker(time.Millisecond); ; {
			<-tick.C
			if a := s.assignment(); a.Target == 0 || a.Epoch > began.Epoch+2 || s.roll(60) == 0 {
				tick.Stop()
				break
			}
		}
		if s.assignment().Leader != began.Leader {
			moves++
		}
	}
	led := s.assignment().Leader
	s.calm.Store(true)
	s.moveWorld.mu.Lock()
	for _, l := range s.alive { // a disk may be about to fail
		l.cancel()
	}
	s.moveWorld.mu.Unlock()
	stopProducing()
	clients.Wait()
	var p *partition.Partition
	until(t, fmt.Sprintf("seed %d: the moves are over", seed), func() (ok bool) { p, ok = s.over(); return ok })
	if s.assignment().Leader != led { // a slow machine may be done with none before
		moves++
	}
	s.check(p, sent)
	cancel()
	brokersUp.Wait()
	return moves, int(s.crashes.Load()), len(s.seen)
}

// lose makes answers late, and loses questions and answers.
func (s *stormy) lose(_ metadata.BrokerID, answered bool) error {
	switch {
	case s.quiet():
		return nil
	case answered && s.roll(8) == 0: // meanwhile the leader may crash, or go on
		<-time.After(time.Duration(s.roll(150)) * time.Millisecond)
	}
	if s.roll(12) == 0 {
		return kerr.BrokerNotAvailable
	}
	return nil
}

// moveConfig leaves hand-overs little time, so that some come too late, until it is calm.
func (s *stormy) moveConfig() ownership.MoveConfig {
	handOver := time.Minute
	if !s.quiet() {
		handOver = 300 * time.Millisecond
	}
	return ownership.MoveConfig{HandOver: handOver, Retry: 5 * time.Millisecond}
}

// over reports whether nothing moves any more, nobody but the leader has data, and the leader serves; then it returns the partition.
func (s *stormy) over() (*partition.Partition, bool) {
	a := s.assignment()
	if a.Target != 0 || len(a.Former) > 0 {
		return nil, false
	}
	s.moveWorld.mu.Lock()
	l, kept := s.alive[a.Leader], 0
	for _, other := range s.alive {
		kept += other.Copies()
	}
	s.moveWorld.mu.Unlock()
	if kept > 0 || l == nil || l.recovers {
		return nil, false
	}
	p, ok := l.leads()
	s.mu.Lock()
	defer s.mu.Unlock()
	return p, ok && p.LeaderEpoch() == a.Epoch && s.sound[a.Leader]
}

func (s *stormy) storeFault(c metadata.Call) metadata.Fault {
	switch {
	case c.Method == "Revoke":
		return metadata.Fault{Before: errors.New("dead")}
	case s.quiet() || c.Method != "Commit":
		return metadata.Fault{}
	}
	switch s.roll(40) {
	case 0:
		return metadata.Fault{Before: metadata.ErrUnavailable}
	case 1:
		return metadata.Fault{After: metadata.ErrUnavailable}
	}
	return metadata.Fault{}
}

// keepAlive starts the broker again and again.
func (s *stormy) keepAlive(ctx context.Context, b metadata.BrokerID) {
	disk := s.disks[b]
	for life := uint64(1); ctx.Err() == nil; life++ {
		calm := s.quiet()
		if !calm && s.roll(3) > 0 {
			kinds := []sim.FaultKind{sim.CrashBefore, sim.CrashAfter, sim.Fail, sim.LoseSync}
			at, kind := disk.Ops()+1+s.roll(300), kinds[s.roll(len(kinds))]
			disk.Plan(func(op sim.Op) sim.Fault {
				if op.N >= at {
					at = 1 << 60
					return sim.Fault{Kind: kind}
				}
				return sim.Fault{}
			})
		}
		l, err := s.tryStartAs(b, s.down.Load() == int32(b))
		if err == nil {
			s.mu.Lock()
			s.sound[b] = calm
			s.mu.Unlock()
			select {
			case <-l.ended:
			case <-l.left:
			case <-ctx.Done():
			case <-s.kill(calm):
			}
			l.stop()
		}
		disk.Plan(nil)
		if ctx.Err() != nil {
			return
		}
		s.crashes.Add(1)
		if life%2 == 0 {
			disk.Kill()
		}
		disk.Crash(s.seed*1000 + life)
	}
}

// kill ends after a while, or never once it is calm.
func (s *stormy) kill(calm bool) <-chan time.Time {
	if calm {
		return nil
	}
	return time.After(time.Duration(10+s.roll(80)) * time.Millisecond)
}

// produce is an idempotent producer that sends batch after batch to whoever leads. It returns how many were acknowledged, which is all that it sent.
func (s *stormy) produce(ctx context.Context, id int64) (seq int32) {
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	acked := time.Now()
	for retry := false; ; {
		<-tick.C
		if !retry && ctx.Err() != nil {
			return seq
		}
		if time.Since(acked) > 2*time.Minute {
			s.t.Errorf("seed %d: producer %d seq %d: nobody takes it", s.seed, id, seq)
			return seq
		}
		retry = true
		text := fmt.Sprintf("producer %d batch %d", id, seq)
		b := batch.NewBuilder()
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = id, 0, seq
		b.Add(time.Now().UnixMilli(), []byte(text), []byte(text))
		s.moveWorld.mu.Lock()
		var led []*partition.Partition
		for _, l := range s.alive {
			if p, ok := l.leads(); ok && !l.recovers {
				led = append(led, p)
			}
		}
		s.moveWorld.mu.Unlock()
		for _, p := range led {
			a, err := sendBatch(p, b.Batch(), partition.FromClient)
			if err != nil {
				if errors.Is(err, kerr.OutOfOrderSequenceNumber) || errors.Is(err, kerr.InvalidProducerEpoch) {
					s.t.Errorf("seed %d: producer %d seq %d: %v", s.seed, id, seq, err)
					return seq
				}
				continue
			}
			s.mu.Lock()
			if before, ok := s.seen[a.BaseOffset]; ok && before != text {
				s.t.Errorf("seed %d: offset %d is %q and %q", s.seed, a.BaseOffset, before, text)
			}
			s.seen[a.BaseOffset] = text
			s.high = max(s.high, a.BaseOffset+1)
			s.mu.Unlock()
			seq++
			retry, acked = false, time.Now()
			break
		}
		if s.t.Failed() {
			return seq
		}
	}
}

// check reads everything.
func (s *stormy) check(p *partition.Partition, sent []int32) {
	c := contentOf(s.t, p)
	if c.Offsets.HighWatermark < s.high {
		s.t.Errorf("seed %d: the log ends at %d, %d were acknowledged", s.seed, c.Offsets.HighWatermark, s.high)
	}
	next := make([]int32, len(sent))
	have := map[string]bool{}
	for _, r := range c.Records {
		at, text, _ := strings.Cut(r, "=")
		var offset, epoch int64
		var id int
		var seq int32
		if _, err := fmt.Sscanf(at, "%d@%d", &offset, &epoch); err != nil {
			s.t.Fatal(err)
		}
		if _, err := fmt.Sscanf(text, "producer %d batch %d", &id, &seq); err != nil {
			s.t.Fatal(err)
		}
		if seq != next[id] {
			s.t.Errorf("seed %d: offset %d: producer %d batch %d, where %d is next", s.seed, offset, id, seq, next[id])
			return
		}
		next[id]++
		if was, ok := s.seen[offset]; ok && was != text {
			s.t.Errorf("seed %d: offset %d is %q, was acknowledged as %q", s.seed, offset, text, was)
		}
		have[text] = true
	}
	for offset, text := range s.seen {
		if !have[text] {
			s.t.Errorf("seed %d: %q, acknowledged at %d, is lost", s.seed, text, offset)
		}
	}
	if !slices.Equal(next, sent) {
		s.t.Errorf("seed %d: sent %v, there are %v", s.seed, sent, next)
	}
}
