package broker

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

func parts(n int) []*fetchPart {
	return allParts(fetchReq(12, "t", metadata.TopicID{}, int32(n), 0), false)
}

// KIP-227's rules for ids and epochs.
func TestSessionsCheckIDAndEpoch(t *testing.T) {
	tests := []struct {
		name  string
		id    func(id int32) int32
		epoch int32
		byIDs bool
		want  *kerr.Error
	}{
		{"the next request", func(id int32) int32 { return id }, 1, false, nil},
		{"the same epoch again", func(id int32) int32 { return id }, 2, false, kerr.InvalidFetchSessionEpoch},
		{"another session", func(id int32) int32 { return id + 1 }, 1, false, kerr.FetchSessionIDNotFound},
		{"no session", func(int32) int32 { return 0 }, 1, false, kerr.FetchSessionIDNotFound},
		{"topic ids where names were used", func(id int32) int32 { return id }, 1, true, kerr.FetchSessionTopicIDError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSessions(10, newMetrics(nil, nil))
			id := s.create(parts(2), false)
			if id <= 0 {
				t.Fatalf("session id %d", id)
			}
			x, got := s.take(tt.id(id), tt.epoch, tt.byIDs)
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if x == nil {
				return
			}
			// While a request uses it, another one of the same epoch comes too late.
			if _, got := s.take(id, 1, false); got != kerr.InvalidFetchSessionEpoch {
				t.Errorf("taken twice: %v", got)
			}
			s.give(x)
		})
	}
}

func TestSessionEpochWrapsToOne(t *testing.T) {
	x := newSession(parts(1), false, time.Now())
	x.epoch = 1<<31 - 1
	x.update(&kmsg.FetchRequest{Version: 12})
	if x.epoch != 1 {
		t.Errorf("epoch %d after the largest", x.epoch)
	}
}

func TestSessionUpdate(t *testing.T) {
	x := newSession(parts(4), false, time.Now())
	req := fetchReq(12, "t", metadata.TopicID{}, 1, 77) // partition 0 moves on
	add := fetchReq(12, "u", metadata.TopicID{}, 1, 5)  // partition 0 of u is new
	req.Topics = append(req.Topics, add.Topics...)
	req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "t", Partitions: []int32{2, 9}}, {Topic: "x", Partitions: []int32{0}}}
	x.update(req)
	var got []string
	for _, p := range x.dirty() {
		got = append(got, fmt.Sprintf("%s-%d@%d", p.topic, p.index, p.offset))
	}
	if want := []string{"t-0@77", "t-1@0", "t-3@0", "u-0@5"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	x.toEnd(x.parts[fetchKey{topic: "t", index: 0}])
	if all := x.dirty(); all[0].index != 1 || all[3].index != 0 || all[3].topic != "t" || len(x.parts) != 4 {
		t.Error("the served partition is not the last one")
	}
}

// Who gets a slot when there is none: nobody at first; then the place of the session that rests for longest; or of a smaller, older one.
func TestSessionsGiveUpSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSessions(2, newMetrics(nil, nil))
		a := s.create(parts(3), false)
		time.Sleep(time.Second)
		b := s.create(parts(5), false)
		if id := s.create(parts(100), false); id != 0 {
			t.Fatal("a third session got a slot of two that are young")
		}
		use := func(id int32) {
			x, err := s.take(id, s.byID[id].epoch, false)
			if err != nil {
				t.Fatal(err)
			}
			x.update(&kmsg.FetchRequest{Version: 12})
			s.give(x)
		}
		time.Sleep(sessionRest)
		use(a)
		use(b)
		if id := s.create(parts(2), false); id != 0 {
			t.Fatal("a smaller session displaced one that is in use")
		}
		c := s.create(parts(4), false)
		if c == 0 || s.byID[a] != nil || s.byID[b] == nil {
			t.Fatalf("a session of 4 partitions should displace the one of 3: %v", s.byID)
		}
		time.Sleep(sessionRest + time.Second)
		use(b)
		d := s.create(parts(1), false)
		if d == 0 || s.byID[c] != nil || s.byID[b] == nil {
			t.Fatal("the session that was not used did not lose its slot")
		}
		if s.partitions != 6 {
			t.Errorf("%d partitions counted, want 6", s.partitions)
		}
		s.end(b)
		s.end(d)
		s.end(12345)
		if s.partitions != 0 || len(s.byID) != 0 {
			t.Errorf("%d partitions in %d sessions are left", s.partitions, len(s.byID))
		}
	})
}

func TestSessionsBoundPartitions(t *testing.T) {
	s := newSessions(10, newMetrics(nil, nil))
	if id := s.create(parts(sessionPartitionsMax+1), false); id != 0 {
		t.Error("a session larger than all may be together")
	}
	id := s.create(parts(sessionPartitionsMax-1), false)
	x, err := s.take(id, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	x.update(fetchReq(12, "u", metadata.TopicID{}, 5, 0))
	s.give(x)
	if _, err := s.take(id, 2, false); err != kerr.FetchSessionIDNotFound || s.partitions != 0 {
		t.Errorf("a session grew beyond the bound: %v, %d partitions", err, s.partitions)
	}
}
