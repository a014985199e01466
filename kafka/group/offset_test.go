package group

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/coordinator"
	"weir/metadata"
)

func offsets(at int64, partitions ...int32) (out []Offset) {
	for _, p := range partitions {
		out = append(out, Offset{Topic: "t", Partition: p, Offset: at, LeaderEpoch: -1})
	}
	return out
}

// G1: whoever is not a member of the current generation cannot commit.
func TestCommitIsChecked(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		commit := func(generation int32, member string) error {
			return b.commit(Commit{Group: "g", Generation: generation, Member: member, Offsets: offsets(5, 0)}).within(t, time.Second)
		}
		b.wantErr(commit(3, "x"), kerr.IllegalGeneration) // no such group
		b.wantErr(commit(-1, "x"), nil)                   // generation -1 is from outside
		ids := b.form(2)
		b.wantErr(commit(1, ids[0]), nil)
		b.wantErr(commit(0, ids[0]), kerr.IllegalGeneration)
		b.wantErr(commit(1, "x"), kerr.UnknownMemberID)
		b.wantErr(commit(-1, ""), kerr.UnknownMemberID) // not from outside while there are members
		third := b.join(request(b.id()))
		b.wantErr(commit(1, ids[1]), nil) // its last chance before it joins again
		b.join(request(ids[0]))
		b.join(request(ids[1]))
		b.wantErr(third.now(t).Err, nil)
		b.wantErr(commit(2, ids[0]), kerr.RebalanceInProgress) // no assignment yet
		b.wantErr(commit(1, ids[0]), kerr.IllegalGeneration)
	})
}

func TestCommitIsVisibleOnlyWhenDurable(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.wantErr(b.commit(Commit{Group: "g", Generation: -1, Offsets: offsets(1, 0)}).within(t, time.Second), nil)
		release := b.log.hold()
		first := b.commit(Commit{Group: "g", Generation: -1, Offsets: offsets(2, 0)})
		second := b.commit(Commit{Group: "g", Generation: -1, Offsets: offsets(3, 0, 1)})
		time.Sleep(time.Second)
		first.none(t, "held")
		diff(t, "before", b.fetch("g"), map[string]int64{"t-0": 1})
		release()
		b.wantErr(first.within(t, time.Second), nil)
		b.wantErr(second.within(t, time.Second), nil)
		diff(t, "after", b.fetch("g"), map[string]int64{"t-0": 3, "t-1": 3})
	})
}

// A heartbeat that has nothing to store answers behind what is being stored, whatever that is: here a commit.
func TestHeartbeatAnswersBehindACommit(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 1)
		one := b.client("one")
		one.join("t")
		settle(t, one)
		release := b.log.hold()
		offset := Offset{Topic: "t", TopicID: b.topics["t"], Offset: 7}
		commit := b.commit(Commit{Version: 9, Group: "g", Member: "one", Generation: one.epoch, Offsets: []Offset{offset}})
		beat := b.consumerBeat(one.request())
		beat.none(t, "held")
		release()
		b.wantErr(commit.within(t, time.Second), nil)
		b.wantErr(beat.within(t, time.Second).Err, nil)
	})
}

func TestOffsetMetadataIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		os := offsets(1, 0)
		os[0].Metadata = strings.Repeat("x", 4097)
		b.wantErr(b.commit(Commit{Group: "g", Generation: -1, Offsets: os}).now(t), kerr.OffsetMetadataTooLarge)
		b.want("none")
	})
}

// Another broker takes over: members keep their generation and assignment, commits survive, and who is gone expires.
func TestReload(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		timers := coordinator.NewTimers()
		stop := make(chan struct{})
		defer func() { <-stop }()
		ctx, cancel := contextOf()
		defer cancel()
		go func() { defer close(stop); _ = timers.Run(ctx) }()

		ids := b.form(2)
		b.wantErr(b.commit(Commit{Group: "g", Generation: 1, Member: ids[0], Offsets: []Offset{
			{Topic: "t", TopicID: testTopic, Partition: 3, Offset: 77, LeaderEpoch: 4, Metadata: "note"},
		}}).within(t, time.Second), nil)
		b.wantErr(b.commit(Commit{Group: "other", Generation: -1, Offsets: offsets(9, 0)}).within(t, time.Second), nil)

		b.open(timers)
		b.want("Stable generation 1 members 2")
		b.wantErr(b.beat(1, ids[0]), nil)
		if s := b.sync(1, ids[1], nil).now(t); s.Err != nil || string(s.Assignment) != "for "+ids[1] || s.ProtocolName != "range" {
			t.Errorf("got %+v", s)
		}
		b.do(func(s *state) {
			got := s.fetch("g", offsets(0, 3))
			diff(t, "offset", got[0], Offset{Topic: "t", TopicID: testTopic, Partition: 3, Offset: 77, LeaderEpoch: 4, Metadata: "note"})
			b.topics["t"] = metadata.TopicID{1}
			if got = s.fetch("g", offsets(0, 3)); got[0].Offset != -1 {
				t.Errorf("an offset of an older topic of that name: %+v", got[0])
			}
			delete(b.topics, "t")
			if got = s.fetch("g", offsets(0, 3)); got[0].Offset != -1 {
				t.Errorf("an offset of a topic that is gone: %+v", got[0])
			}
			b.topics["t"] = testTopic
			d, _ := s.describe("g")
			if d.Members[0].ClientID != "client" || d.Members[0].ClientHost != "/127.0.0.1" || string(d.Members[0].Metadata) != "sub-range" {
				t.Errorf("described %+v", d)
			}
		})
		diff(t, "other", b.fetch("other"), map[string]int64{"t-0": 9})

		time.Sleep(9 * time.Second)
		b.wantErr(b.beat(1, ids[0]), nil)
		time.Sleep(2 * time.Second)
		b.want("PreparingRebalance generation 1 members 1") // the other one never came back
		if r := b.join(request(ids[0])).now(t); r.Err != nil || r.Generation != 2 {
			t.Errorf("got %+v", r)
		}
		b.wantErr(b.sync(2, ids[0], map[string][]byte{ids[0]: []byte("x")}).within(t, time.Second).Err, nil)
		b.do(func(s *state) { s.leave("g", []Leaving{{Member: ids[0]}}) })
		time.Sleep(time.Second)

		b.open(timers)
		b.want("Empty generation 3 members 0")
		deleted := make(answer[error], 1)
		b.do(func(s *state) { s.deleteGroup("g", func(err error) { deleted <- err }) })
		b.wantErr(deleted.within(t, time.Second), nil)
		b.want("none")
		gone := make(answer[error], 1)
		b.do(func(s *state) {
			s.deleteOffsets("other", []topicPartition{{"t", 0}, {"t", 5}}, func(_ []error, err error) { gone <- err })
		})
		b.wantErr(gone.within(t, time.Second), nil)

		b.open(timers)
		b.want("none")
		diff(t, "deleted", b.fetch("g"), map[string]int64{})
		diff(t, "deleted one by one", b.fetch("other"), map[string]int64{})
	})
}

func TestDeleteGroup(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		remove := func(id string) error {
			done := make(answer[error], 1)
			b.do(func(s *state) { s.deleteGroup(id, func(err error) { done <- err }) })
			return done.within(t, time.Second)
		}
		b.wantErr(remove("g"), kerr.GroupIDNotFound)
		ids := b.form(1)
		b.wantErr(remove("g"), kerr.NonEmptyGroup)
		b.do(func(s *state) { s.leave("g", []Leaving{{Member: ids[0]}}) })
		time.Sleep(time.Second)
		release := b.log.hold()
		done := make(answer[error], 1)
		b.do(func(s *state) { s.deleteGroup("g", func(err error) { done <- err }) })
		b.wantErr(b.join(request("")).now(t).Err, kerr.CoordinatorNotAvailable) // while it is being deleted
		b.wantErr(b.commit(Commit{Group: "g", Generation: -1, Offsets: offsets(1, 0)}).now(t), kerr.CoordinatorNotAvailable)
		release()
		b.wantErr(done.within(t, time.Second), nil)
		b.form(1)
	})
}

func TestOffsetsExpire(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		const week = 7 * 24 * time.Hour
		commit := func(group string, partition int32) {
			t.Helper()
			b.wantErr(b.commit(Commit{Group: group, Generation: -1, Offsets: offsets(1, partition)}).within(t, time.Second), nil)
		}
		commit("by-hand", 0)
		ids := b.form(1)
		b.wantErr(b.commit(Commit{Group: "g", Generation: 1, Member: ids[0], Offsets: offsets(1, 0)}).within(t, time.Second), nil)
		for b.start.Add(week + time.Hour).After(time.Now()) {
			time.Sleep(9 * time.Second)
			_ = b.beat(1, ids[0])
			if since := time.Since(b.start); since > week/2 && since < week/2+10*time.Second {
				commit("by-hand", 1)
			}
		}
		diff(t, "by hand: one of two is older than a week", b.fetch("by-hand"), map[string]int64{"t-1": 1})
		diff(t, "a group with members", b.fetch("g"), map[string]int64{"t-0": 1})
		b.do(func(s *state) { s.leave("g", []Leaving{{Member: ids[0]}}) })
		time.Sleep(week - time.Hour)
		diff(t, "its members left less than a week ago", b.fetch("g"), map[string]int64{"t-0": 1})
		time.Sleep(2 * time.Hour)
		b.want("none")
		diff(t, "by hand", b.fetch("by-hand"), map[string]int64{})

		commit("g", 2)
		b.do(func(s *state) { delete(b.topics, "t") })
		time.Sleep(11 * time.Minute)
		b.want("none") // nothing but offsets of a topic that is gone
	})
}

func TestIDsHandedOutAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		for range pendingMax {
			b.do(func(s *state) { s.join(request(""), func(JoinResult) {}) })
		}
		b.wantErr(b.join(request("")).now(t).Err, kerr.GroupMaxSizeReached)
		time.Sleep(11 * time.Second)
		b.want("none")
	})
}

func TestPartitionFor(t *testing.T) {
	// From Apache Kafka 4.4's own function, with 50 partitions.
	for id, want := range map[string]int32{
		"": 0, "g": 3, "my-group": 12, "console-consumer-12345": 6, "grüße-€": 0, "😀": 49, "polygenelubricants": 0, "billing.v2": 47,
	} {
		if got := partitionFor(id, 50); got != want {
			t.Errorf("%q: got %d, want %d", id, got, want)
		}
	}
}

func FuzzReplay(f *testing.F) {
	s := newState(coordinator.NewShard(0, newMemLog(), coordinator.NewTimers()), &testSettings, &bench{topics: map[string]metadata.TopicID{"t": testTopic}}, new(atomic.Int64), newMetrics(nil), discard())
	g := newClassic(newGroup(s, "g"))
	g.add(&member{id: "m", instance: "i", protocols: []Protocol{{Name: "range", Metadata: []byte("x")}}})
	r := g.groupRecord(map[string][]byte{"m": []byte("y")})
	f.Add(r.Key, r.Value)
	r = offsetRecord("g", topicPartition{"t", 1}, &offset{offset: 5, metadata: "m"})
	f.Add(r.Key, r.Value)
	f.Add(r.Key, []byte(nil))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		s := newState(coordinator.NewShard(0, newMemLog(), coordinator.NewTimers()), &testSettings, &bench{topics: map[string]metadata.TopicID{"t": testTopic}}, new(atomic.Int64), newMetrics(nil), discard())
		_ = s.Replay(key, value) // must not panic or take memory by what a length says
	})
}
