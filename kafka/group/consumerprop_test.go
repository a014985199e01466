package group

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var seeds = flag.Int("seeds", 10, "random scripts that a consumer group is run through")

// script runs random members of both protocols against one group, and watches that no partition is owned twice.
type script struct {
	t       *testing.T
	b       *bench
	r       *rand.Rand
	seed    uint64
	clients map[string]*client      // of the consumer protocol
	classic map[string]*oldConsumer // of the classic protocol
	made    int
}

// oldConsumer is a cooperative consumer with the classic protocol.
type oldConsumer struct {
	id         string
	generation int32
	owns       []int32
}

func (s *script) check(what string) {
	s.t.Helper()
	owner := map[int32]string{}
	take := func(p int32, id string) {
		if other, ok := owner[p]; ok {
			s.t.Fatalf("seed %d: after %s partition %d is owned by %s and %s", s.seed, what, p, other, id)
		}
		owner[p] = id
	}
	known := map[string]bool{} // who was removed knows that by its own clock, and stops
	s.b.do(func(st *state) {
		if g := st.consumer("g"); g != nil {
			for id := range g.members {
				known[id] = true
			}
		}
	})
	for _, c := range s.clients {
		for p := range c.owns {
			if known[c.id] {
				take(p.partition, c.id)
			}
		}
	}
	for _, c := range s.classic {
		for _, p := range c.owns {
			if known[c.id] {
				take(p, c.id)
			}
		}
	}
}

func (s *script) pick() *client {
	ids := make([]string, 0, len(s.clients))
	for id := range s.clients {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return s.clients[ids[s.r.IntN(len(ids))]]
}

func (s *script) pickClassic() *oldConsumer {
	ids := make([]string, 0, len(s.classic))
	for id := range s.classic {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return s.classic[ids[s.r.IntN(len(ids))]]
}

// lost lets a client forget what it has: it was fenced.
func (s *script) lost(c *client) { delete(s.clients, c.id) }

func (s *script) join() {
	s.made++
	c := s.b.client(fmt.Sprint("m", s.made))
	c.got(s.b.consumerBeat(joinBeat(c.id, "t")).within(s.t, time.Second))
	if c.last.Err != nil {
		s.t.Fatalf("seed %d: join: %v", s.seed, c.last.Err)
	}
	s.clients[c.id] = c
}

// beat sends a heartbeat; the answer may be lost, and the client may be slow to give partitions up.
func (s *script) beat() {
	c := s.pick()
	if c == nil {
		return
	}
	r := s.b.consumerBeat(c.request()).within(s.t, time.Second)
	switch {
	case errors.Is(r.Err, kerr.UnknownMemberID), errors.Is(r.Err, kerr.FencedMemberEpoch), errors.Is(r.Err, kerr.GroupIDNotFound):
		s.lost(c)
	case r.Err != nil:
		s.t.Fatalf("seed %d: heartbeat: %v", s.seed, r.Err)
	case s.r.IntN(5) > 0: // else the answer is lost
		c.got(r)
		c.full = false
	default:
		c.full = true
	}
}

// old is a JoinGroup and SyncGroup of a classic member, new or old; it has no partition while it does that but those that it keeps.
func (s *script) old(c *oldConsumer) {
	sub := kmsg.NewConsumerMemberMetadata()
	sub.Version, sub.Topics = 1, []string{"t"}
	if c == nil {
		s.made++
		c = &oldConsumer{id: fmt.Sprint("c", s.made)}
	}
	if len(c.owns) > 0 {
		sub.OwnedPartitions = []kmsg.ConsumerMemberMetadataOwnedPartition{{Topic: "t", Partitions: c.owns}}
	}
	j := request(c.id)
	j.Protocols = []Protocol{{Name: "cooperative-sticky", Metadata: sub.AppendTo(nil)}}
	r := s.b.join(j).within(s.t, time.Second)
	if r.Err != nil {
		delete(s.classic, c.id)
		return
	}
	s.classic[c.id] = c
	c.generation = r.Generation
	a := s.b.sync(c.generation, c.id, nil).within(s.t, time.Second)
	if a.Err != nil {
		if !errors.Is(a.Err, kerr.RebalanceInProgress) {
			delete(s.classic, c.id)
		}
		return
	}
	var as kmsg.ConsumerMemberAssignment
	if err := as.ReadFrom(a.Assignment); err != nil {
		s.t.Fatal(err)
	}
	c.owns = nil
	for _, t := range as.Topics {
		c.owns = append(c.owns, t.Partitions...)
	}
}

// leave closes the shard at a moment when all that it knows is in its log, and returns what that is. What is on its way, nobody was told of.
func (b *bench) leave(dump func(*state) map[string]any) (before map[string]any) {
	b.t.Helper()
	for before == nil {
		time.Sleep(5 * time.Millisecond)
		b.do(func(s *state) {
			for _, g := range s.groups {
				if g.unsettled > 0 {
					return
				}
			}
			before = dump(s)
			s.Closed(kerr.NotCoordinator)
		})
	}
	return before
}

func (s *script) step() string {
	switch n := s.r.IntN(100); {
	case n < 12 && len(s.clients) < 6:
		s.join()
		return "join"
	case n < 20 && len(s.clients) > 1:
		c := s.pick()
		_ = c.leave(-1, nil)
		s.lost(c)
		return "leave"
	case n < 24 && len(s.clients) > 1: // it dies; the coordinator notices later
		s.lost(s.pick())
		return "death"
	case n < 30 && len(s.clients) > 0 && len(s.classic) < 3:
		s.old(nil)
		return "join of a classic member"
	case n < 40:
		if c := s.pickClassic(); c != nil {
			if err := s.b.beat(c.generation, c.id); errors.Is(err, kerr.RebalanceInProgress) {
				s.old(c)
			} else if err != nil {
				delete(s.classic, c.id)
			}
		}
		return "heartbeat of a classic member"
	case n < 44:
		before := s.b.leave((*state).dump)
		s.b.open(s.b.timers)
		diff(s.t, fmt.Sprintf("seed %d: replay", s.seed), s.b.dump(), before)
		return "restart"
	case n < 47:
		s.b.topic("t", s.b.partitions["t"]+1)
		s.b.do(func(st *state) { st.topicsChanged([]string{"t"}) })
		return "new partition"
	case n < 60:
		time.Sleep(time.Duration(s.r.IntN(4000)) * time.Millisecond)
		return "time"
	default:
		s.beat()
		return "heartbeat"
	}
}

// Whatever members of both protocols, coordinators and topics do, no partition ever has two owners, a coordinator that reads its log knows
// what the one before knew, and when all is quiet everything is owned, evenly.
func TestNoPartitionHasTwoOwners(t *testing.T) {
	for seed := range uint64(*seeds) {
		bubble(t, func(t *testing.T, b *bench) {
			s := &script{t: t, b: b, r: rand.New(rand.NewPCG(seed, 848)), seed: seed, clients: map[string]*client{}, classic: map[string]*oldConsumer{}}
			b.state.settings.Migration = "upgrade" // going down is another test's
			b.migration = "upgrade"
			b.topic("t", int32(1+s.r.IntN(12)))
			s.join()
			for range 80 {
				s.check(s.step())
			}
			if len(s.clients) == 0 {
				s.join()
			}
			for range 200 { // who is dead expires, the others do what they are told
				time.Sleep(500 * time.Millisecond)
				for _, c := range s.clients {
					if err := c.beat(); err != nil {
						s.lost(c)
					}
					s.check("the end")
				}
				for _, c := range s.classic {
					if err := b.beat(c.generation, c.id); errors.Is(err, kerr.RebalanceInProgress) {
						s.old(c)
					} else if err != nil {
						delete(s.classic, c.id)
					}
					s.check("the end")
				}
				if len(s.clients) == 0 {
					s.join()
				}
			}
			total, least, most := 0, 1<<30, 0
			count := func(n int) { total, least, most = total+n, min(least, n), max(most, n) }
			for _, c := range s.clients {
				count(len(c.owns))
			}
			for _, c := range s.classic {
				count(len(c.owns))
			}
			if total != int(b.partitions["t"]) || most-least > 1 {
				t.Fatalf("seed %d: %d of %d partitions are owned, from %d to %d each, by %d and %d members", seed, total, b.partitions["t"], least, most, len(s.clients), len(s.classic))
			}
			if got := b.consumerState(); got != "consumer Stable" {
				t.Fatalf("seed %d: the group is %s", seed, got)
			}
		})
	}
}
