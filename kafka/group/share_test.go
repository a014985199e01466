package group

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/sharestate"
	"weir/metadata"
)

// memStates are share coordinators in memory, which can fail.
type memStates struct {
	mu     sync.Mutex
	states map[sharestate.Key]sharestate.State
	fail   error
}

func (s *memStates) InitializeState(_ context.Context, k sharestate.Key, epoch int32, start int64) error {
	time.Sleep(10 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if old, ok := s.states[k]; ok && old.StateEpoch > epoch {
		return kerr.FencedStateEpoch
	}
	s.states[k] = sharestate.State{StateEpoch: epoch, Start: start, Complete: -1}
	return nil
}

func (s *memStates) DeleteState(_ context.Context, k sharestate.Key) error {
	time.Sleep(10 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	delete(s.states, k)
	return nil
}

func (s *memStates) StateSummary(_ context.Context, k sharestate.Key) (sharestate.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states[k], nil
}

func (s *memStates) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.states)
}

func (s *memStates) failWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// shareBench is a bench with share coordinators.
type shareBench struct {
	*bench
	states *memStates
	work   *shareWork
}

func shareBubble(t *testing.T, fn func(*testing.T, *shareBench)) {
	t.Helper()
	bubble(t, func(t *testing.T, b *bench) {
		s := &shareBench{bench: b, states: &memStates{states: make(map[sharestate.Key]sharestate.State)}}
		s.work = &shareWork{states: s.states}
		ctx, cancel := context.WithCancel(context.Background())
		s.work.jobs.begin(ctx)
		b.state.shares = s.work
		b.partitions = map[string]int32{"t": 4}
		fn(t, s)
		cancel()
		s.work.jobs.end()
	})
}

// reopen makes the state anew from the log, as another broker would.
func (b *shareBench) reopen() {
	b.t.Helper()
	synctest.Wait()
	b.open(b.timers)
	b.state.shares = b.work
}

func (b *shareBench) beat(q ShareBeat) ShareBeatResult {
	b.t.Helper()
	if q.Group == "" {
		q.Group = "g"
	}
	q.ClientID, q.ClientHost = "client", "/127.0.0.1"
	a := make(answer[ShareBeatResult], 1)
	if err := q.check(); err != nil {
		return ShareBeatResult{Err: err}
	}
	b.do(func(s *state) { s.shareBeat(q, func(r ShareBeatResult) { a <- r }) })
	return a.within(b.t, time.Second)
}

// settle sends heartbeats until the group does not move any more, and returns what the members have.
func (b *shareBench) settle(members ...string) map[string]string {
	b.t.Helper()
	epochs := make(map[string]int32)
	out := make(map[string]string)
	for range 20 {
		time.Sleep(200 * time.Millisecond)
		for _, m := range members {
			r := b.beat(ShareBeat{Member: m, Epoch: epochs[m], Topics: []string{"t"}})
			if r.Err != nil {
				b.t.Fatal(r.Err)
			}
			epochs[m] = r.Epoch
			if r.Assignment != nil {
				out[m] = fmt.Sprint(r.Assignment[testTopic])
			}
		}
	}
	return out
}

// Partitions are assigned once their states exist; members share them if they are more.
func TestShareMembersGetInitializedPartitions(t *testing.T) {
	shareBubble(t, func(t *testing.T, b *shareBench) {
		b.states.failWith(kerr.CoordinatorNotAvailable)
		r := b.beat(ShareBeat{Member: "a", Topics: []string{"t"}})
		if r.Err != nil || r.Epoch == 0 || r.Interval > 500*time.Millisecond || len(r.Assignment) != 0 || r.Assignment == nil {
			t.Fatalf("%+v", r)
		}
		if got := b.settle("a"); got["a"] != "[]" {
			t.Errorf("without states %v", got)
		}
		b.states.failWith(nil)
		time.Sleep(initRetry)
		if got := b.settle("a"); got["a"] != "[0 1 2 3]" || b.states.count() != 4 {
			t.Errorf("%v, %d states", got, b.states.count())
		}
		if got := b.settle("a", "b"); len(got["a"]) != len("[0 1]") || len(got["b"]) != len("[0 1]") || got["a"] == got["b"] {
			t.Errorf("two members: %v", got)
		}
		six := b.settle("a", "b", "c", "d", "e", "f")
		parts := map[string]int{}
		for _, got := range six {
			for _, c := range got {
				parts[string(c)]++
			}
		}
		for p := range 4 {
			if n := parts[fmt.Sprint(p)]; n < 1 || n > 2 {
				t.Errorf("partition %d has %d members: %v", p, n, six)
			}
		}
		// New partitions begin at their start.
		b.partitions["t"] = 6
		b.do(func(s *state) { s.topicsChanged([]string{"t"}) })
		b.settle("a")
		st, _ := b.states.StateSummary(t.Context(), sharestate.Key{Group: "g", Topic: testTopic, Partition: 5})
		if b.states.count() != 6 || st.Start != 0 {
			t.Errorf("%d states, the new one is %+v", b.states.count(), st)
		}
	})
}

func TestShareHeartbeatsAreChecked(t *testing.T) {
	shareBubble(t, func(t *testing.T, b *shareBench) {
		empty := ""
		tests := []struct {
			name string
			beat ShareBeat
			want *kerr.Error
		}{
			{"no member", ShareBeat{Topics: []string{"t"}}, kerr.InvalidRequest},
			{"no topics", ShareBeat{Member: "a"}, kerr.InvalidRequest},
			{"empty rack", ShareBeat{Member: "a", Topics: []string{"t"}, Rack: &empty}, kerr.InvalidRequest},
			{"epoch", ShareBeat{Member: "a", Epoch: -2}, kerr.InvalidRequest},
			{"no group", ShareBeat{Member: "a", Epoch: 1, Group: "none"}, kerr.GroupIDNotFound},
			{"leaves no group", ShareBeat{Member: "a", Epoch: -1, Group: "none"}, kerr.GroupIDNotFound},
		}
		for _, tt := range tests {
			if r := b.beat(tt.beat); !errors.Is(r.Err, tt.want) {
				t.Errorf("%s: %v", tt.name, r.Err)
			}
		}
		r := b.beat(ShareBeat{Member: "a", Topics: []string{"t"}})
		for _, tt := range []struct {
			name string
			beat ShareBeat
			want *kerr.Error
		}{
			{"unknown member", ShareBeat{Member: "b", Epoch: 1}, kerr.UnknownMemberID},
			{"epoch of the future", ShareBeat{Member: "a", Epoch: r.Epoch + 1}, kerr.FencedMemberEpoch},
			{"leaves unknown", ShareBeat{Member: "b", Epoch: -1}, kerr.UnknownMemberID},
		} {
			if got := b.beat(tt.beat); !errors.Is(got.Err, tt.want) {
				t.Errorf("%s: %v", tt.name, got.Err)
			}
		}
		b.do(func(s *state) {
			if _, err := s.describeConsumer("g"); !errors.Is(err, kerr.GroupIDNotFound) {
				t.Errorf("described as a consumer group: %v", err)
			}
			s.join(request(""), func(j JoinResult) {
				if j.Err == nil {
					t.Error("a consumer joined a share group")
				}
			})
		})
		if r := b.beat(ShareBeat{Member: "a", Epoch: -1}); r.Err != nil || r.Epoch != -1 {
			t.Errorf("%+v", r)
		}
		if r := b.beat(ShareBeat{Member: "a", Epoch: r.Epoch}); !errors.Is(r.Err, kerr.UnknownMemberID) {
			t.Errorf("%+v", r)
		}
	})
}

// Another coordinator knows all, and members go on where they were.
func TestShareGroupsSurviveTheCoordinator(t *testing.T) {
	shareBubble(t, func(t *testing.T, b *shareBench) {
		b.settle("a", "b")
		var before, after ShareDescription
		b.do(func(s *state) { before, _ = s.describeShare("g") })
		b.reopen()
		b.do(func(s *state) { after, _ = s.describeShare("g") })
		if fmt.Sprint(before) != fmt.Sprint(after) || len(after.Members) != 2 || after.State != "Stable" {
			t.Errorf("before %+v\nafter %+v", before, after)
		}
		if r := b.beat(ShareBeat{Member: "a", Epoch: after.Members[0].Epoch}); r.Err != nil || r.Assignment != nil {
			t.Errorf("%+v", r)
		}
		b.do(func(s *state) {
			if g := s.share("g"); len(g.topics[testTopic].initialized) != 4 || len(g.topics[testTopic].initializing) != 0 {
				t.Errorf("%+v", g.topics[testTopic])
			}
		})
		time.Sleep(time.Minute) // nobody sends heartbeats
		b.do(func(s *state) {
			if d, err := s.describeShare("g"); err != nil || d.State != "Empty" {
				t.Errorf("%+v %v", d, err)
			}
			s.sweep() // an empty share group stays
		})
		b.reopen()
		b.do(func(s *state) {
			if d, err := s.describeShare("g"); err != nil || d.State != "Empty" || len(s.share("g").topics) != 1 {
				t.Errorf("%+v %v", d, err)
			}
		})
	})
}

func TestShareOffsetsAreAlteredAndDeleted(t *testing.T) {
	shareBubble(t, func(t *testing.T, b *shareBench) {
		alter := func(offsets []ShareOffset) error {
			a := make(answer[error], 1)
			b.do(func(s *state) { s.alterShare("g", offsets, func(err error) { a <- err }) })
			return a.within(t, time.Second)
		}
		offsets := []ShareOffset{{Topic: testTopic, Partition: 1, Start: 42}, {Topic: testTopic, Partition: 9}, {Topic: metadata.TopicID{1}}}
		if err := alter(offsets); err != nil || offsets[0].Err != nil || !errors.Is(offsets[1].Err, kerr.UnknownTopicOrPartition) || !errors.Is(offsets[2].Err, kerr.UnknownTopicOrPartition) {
			t.Fatalf("%v %+v", err, offsets)
		}
		st, _ := b.states.StateSummary(t.Context(), sharestate.Key{Group: "g", Topic: testTopic, Partition: 1})
		if st.Start != 42 {
			t.Errorf("%+v", st)
		}
		b.settle("a")
		if err := alter(offsets[:1]); !errors.Is(err, kerr.NonEmptyGroup) {
			t.Errorf("with members: %v", err)
		}
		st, _ = b.states.StateSummary(t.Context(), sharestate.Key{Group: "g", Topic: testTopic, Partition: 1})
		if st.Start != 42 || b.states.count() != 4 {
			t.Errorf("joining changed what was altered: %+v, %d states", st, b.states.count())
		}
		b.beat(ShareBeat{Member: "a", Epoch: -1})
		remove := func(names ...string) (map[string]ShareDeleted, error) {
			a := make(answer[map[string]ShareDeleted], 1)
			var all error
			b.do(func(s *state) {
				s.deleteShareOffsets("g", names, func(each map[string]ShareDeleted, err error) { all = err; a <- each })
			})
			each := a.within(t, time.Second)
			return each, all
		}
		b.states.failWith(kerr.CoordinatorNotAvailable)
		if each, err := remove("t", "none"); err != nil || !errors.Is(each["t"].Err, kerr.CoordinatorNotAvailable) || !errors.Is(each["none"].Err, kerr.UnknownTopicOrPartition) {
			t.Errorf("%+v %v", each, err)
		}
		b.states.failWith(nil)
		b.reopen()
		if each, err := remove("t"); err != nil || each["t"].Err != nil || b.states.count() != 0 { // what is left of the first try goes
			t.Errorf("%+v %v, %d states", each, err, b.states.count())
		}
		if each, err := remove("t"); err != nil || !errors.Is(each["t"].Err, kerr.UnknownTopicOrPartition) {
			t.Errorf("%+v %v", each, err)
		}
		b.settle("a")
		b.beat(ShareBeat{Member: "a", Epoch: -1})
		a := make(answer[error], 2)
		b.do(func(s *state) { s.clearShare("g", func(err error) { a <- err }) })
		if err := a.within(t, time.Second); err != nil || b.states.count() != 0 {
			t.Errorf("%v, %d states", err, b.states.count())
		}
		b.do(func(s *state) { s.deleteGroup("g", func(err error) { a <- err }) })
		if err := a.within(t, time.Second); err != nil {
			t.Error(err)
		}
		b.reopen()
		b.do(func(s *state) {
			if len(s.groups) != 0 {
				t.Errorf("%d groups are left", len(s.groups))
			}
		})
	})
}

// Every partition that is ready has a member, loads differ by one at most where all subscribe to the same, and little moves when members come and go.
func TestSimpleAssignor(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		topics := []metadata.TopicID{{1}, {2}, {3}}
		ready := assignment{}
		for _, id := range topics {
			for p := range int32(rnd.IntN(8)) {
				ready[id] = append(ready[id], p)
			}
		}
		s := spec{topics: map[metadata.TopicID]int32{}}
		same := rnd.IntN(2) == 0
		current := map[string]assignment{}
		for round := range 4 {
			n := 1 + rnd.IntN(30)
			s.members = nil
			for i := range n {
				m := specMember{id: fmt.Sprintf("m%02d", i), topics: topics, current: current[fmt.Sprintf("m%02d", i)]}
				if !same {
					m.topics = topics[:1+i%3]
				}
				s.members = append(s.members, m)
			}
			got := simple(s, ready)
			if again := simple(s, ready); fmt.Sprint(again) != fmt.Sprint(got) {
				t.Fatalf("seed %d: not the same twice", seed)
			}
			shared := map[partitionID]int{}
			least, most := 1<<30, 0
			for _, m := range s.members {
				a := got[m.id]
				least, most = min(least, a.count()), max(most, a.count())
				for id, ps := range a {
					if !slices.Contains(m.topics, id) || !slices.IsSorted(ps) || len(slices.Compact(slices.Clone(ps))) != len(ps) {
						t.Fatalf("seed %d: %s gets %v", seed, m.id, a)
					}
					for _, p := range ps {
						if _, ok := slices.BinarySearch(ready[id], p); !ok {
							t.Fatalf("seed %d: %d is not ready", seed, p)
						}
						shared[partitionID{id, p}]++
					}
				}
			}
			for id, ps := range ready {
				for _, p := range ps {
					if shared[partitionID{id, p}] == 0 && (same || id == topics[0]) {
						t.Fatalf("seed %d round %d: nobody has %v of %d members", seed, round, partitionID{id, p}, n)
					}
				}
			}
			if same && len(shared) > 0 && most-least > 1 {
				t.Fatalf("seed %d: loads from %d to %d", seed, least, most)
			}
			current = got
			if again := simple(spec{members: withCurrent(s.members, got), topics: s.topics}, ready); fmt.Sprint(again) != fmt.Sprint(got) {
				t.Fatalf("seed %d: partitions move although nothing changed", seed)
			}
		}
	}
}

func withCurrent(members []specMember, current map[string]assignment) []specMember {
	out := slices.Clone(members)
	for i := range out {
		out[i].current = current[out[i].id]
	}
	return out
}

// Values of foreign logs are errors at worst.
func FuzzShareRecords(f *testing.F) {
	g := newShare(&group{id: "g"})
	g.topic(metadata.TopicID{1}, "t").initialized[3] = true
	g.topic(metadata.TopicID{2}, "u").deleting = true
	m := newModernMember("m")
	m.names = []string{"t"}
	fm := shareFormat()
	for kind, val := range map[int16][]byte{
		shareStatesKey: g.statesRecord().Value, shareMemberKey: fm.memberValue(m), shareCurrentKey: fm.currentValue(m), shareEpochKey: fm.epochValue(g.modern),
	} {
		f.Add(kind, "g", val)
	}
	f.Fuzz(func(_ *testing.T, kind int16, id string, val []byte) {
		s := &state{groups: make(map[string]*group)}
		key := groupKeyOf(0, id)[2:]
		if kind == shareMemberKey || kind == shareCurrentKey || kind == shareTargetKey {
			key = memberKeyOf(0, id, "m")[2:]
		}
		_ = s.replayShare(kind, key, val)
	})
}
