package group

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestFirstRebalanceEndsAfterAQuietWindow(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		one := b.join(request(b.id()))
		time.Sleep(40 * time.Millisecond)
		one.none(t, "a member may still come")
		two := b.join(request(b.id()))
		time.Sleep(40 * time.Millisecond)
		one.none(t, "the window begins anew with each member")
		r1, r2 := one.within(t, 13*time.Millisecond), two.within(t, 13*time.Millisecond)
		if r1.Generation != 1 || r2.Generation != 1 || r1.Leader != r1.Member || len(r1.Members) != 2 || r2.Leader != r1.Member || len(r2.Members) != 0 {
			t.Errorf("got %+v and %+v", r1, r2)
		}
		if r1.ProtocolName != "range" || r1.ProtocolType != consumerType || string(r1.Members[1].Metadata) != "sub-range" {
			t.Errorf("got %+v", r1)
		}
	})
}

func TestFirstRebalanceWaitsForIDsHandedOutButNotForEver(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		id, lost := b.id(), b.id()
		one := b.join(request(id))
		time.Sleep(500 * time.Millisecond)
		one.none(t, "an id is out")
		two := b.join(request(lost))
		r := one.within(t, 53*time.Millisecond)
		if r.Err != nil || len(r.Members) != 2 || two.now(t).Err != nil {
			t.Errorf("got %+v", r)
		}
	})
	bubble(t, func(t *testing.T, b *bench) {
		b.id()
		one := b.join(request(b.id()))
		time.Sleep(2990 * time.Millisecond)
		one.none(t, "the initial rebalance delay is 3 s")
		if r := one.within(t, 11*time.Millisecond); r.Err != nil || len(r.Members) != 1 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestAssignmentIsDurableBeforeAnyoneHasIt(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		r := b.join(request(b.id())).within(t, time.Second)
		release := b.log.hold()
		s := b.sync(1, r.Member, map[string][]byte{r.Member: []byte("all")})
		time.Sleep(5 * time.Second)
		s.none(t, "the log is held")
		b.want("CompletingRebalance generation 1 members 1")
		release()
		if got := s.now(t); got.Err != nil || string(got.Assignment) != "all" {
			t.Errorf("got %+v", got)
		}
		b.want("Stable generation 1 members 1")
	})
}

func TestLogFailureSendsMembersAway(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		r := b.join(request(b.id())).within(t, time.Second)
		b.log.failWith(kerr.NotLeaderForPartition)
		s := b.sync(1, r.Member, map[string][]byte{r.Member: []byte("all")})
		b.wantErr(s.within(t, time.Second).Err, kerr.NotCoordinator)
		b.want("PreparingRebalance generation 1 members 1")
		b.wantErr(b.commit(Commit{Group: "other", Generation: -1, Offsets: []Offset{{Topic: "t"}}}).within(t, time.Second), kerr.NotCoordinator)
		diff(t, "a commit that failed", b.fetch("other"), map[string]int64{})
	})
}

func TestRebalanceOnNewMember(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		ids := b.form(2)
		third := b.join(request(b.id()))
		b.want("PreparingRebalance generation 1 members 3")
		b.wantErr(b.beat(1, ids[0]), kerr.RebalanceInProgress)
		b.wantErr(b.sync(1, ids[0], nil).now(t).Err, kerr.RebalanceInProgress)
		again := b.join(request(ids[0]))
		again.none(t, "one member has not joined again")
		last := b.join(request(ids[1]))
		for _, a := range []answer[JoinResult]{third, again, last} {
			if r := a.now(t); r.Err != nil || r.Generation != 2 || r.Leader != ids[0] {
				t.Errorf("got %+v", r)
			}
		}
		b.wantErr(b.beat(1, ids[0]), kerr.IllegalGeneration)
		b.wantErr(b.beat(2, ids[0]), nil)
	})
}

func TestMemberThatDoesNotRejoinIsOut(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		ids := b.form(2)
		third := b.join(request(b.id()))
		again := b.join(request(ids[0]))
		for range 11 { // the slow one sends heartbeats all the time
			time.Sleep(5 * time.Second)
			b.wantErr(b.beat(1, ids[1]), kerr.RebalanceInProgress)
		}
		again.none(t, "the rebalance timeout is 60 s")
		if r := again.within(t, 6*time.Second); r.Err != nil || len(r.Members) != 2 {
			t.Errorf("got %+v", r)
		}
		b.wantErr(third.now(t).Err, nil)
		b.wantErr(b.beat(2, ids[1]), kerr.UnknownMemberID)
	})
}

func TestSessionTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		ids := b.form(2)
		for range 5 {
			time.Sleep(9 * time.Second)
			b.wantErr(b.beat(1, ids[0]), nil)
			b.wantErr(b.beat(1, ids[1]), nil)
		}
		time.Sleep(9 * time.Second)
		b.wantErr(b.beat(1, ids[0]), nil)
		time.Sleep(1100 * time.Millisecond)
		b.want("PreparingRebalance generation 1 members 1")
		b.wantErr(b.beat(1, ids[1]), kerr.UnknownMemberID)
		r := b.join(request(ids[0])).now(t)
		if r.Err != nil || r.Generation != 2 || len(r.Members) != 1 {
			t.Errorf("got %+v", r)
		}
		time.Sleep(61 * time.Second) // it never syncs
		b.want("Empty generation 3 members 0")
	})
}

func TestMemberThatWaitsDoesNotExpire(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		ids := b.form(2)
		again := b.join(request(ids[0])) // the leader forces a rebalance
		for range 5 {
			time.Sleep(9 * time.Second)
			b.wantErr(b.beat(1, ids[1]), kerr.RebalanceInProgress)
		}
		again.none(t, "not all have joined")
		b.want("PreparingRebalance generation 1 members 2")
		b.join(request(ids[1])).now(t)
		b.wantErr(again.now(t).Err, nil)
	})
}

func TestLeave(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		ids := b.form(3)
		leave := func(l ...Leaving) (out []error) {
			b.do(func(s *state) { out = s.leave("g", l) })
			return out
		}
		b.wantErr(leave(Leaving{Member: ids[0]})[0], nil)
		b.want("PreparingRebalance generation 1 members 2")
		out := leave(Leaving{Member: ids[0]}, Leaving{Member: ids[1]}, Leaving{Member: ids[2]}, Leaving{Instance: "none"})
		if out[0] != kerr.UnknownMemberID || out[1] != nil || out[2] != nil || out[3] != kerr.UnknownMemberID {
			t.Errorf("got %v", out)
		}
		b.want("Empty generation 2 members 0")
		time.Sleep(time.Second)
		pending := b.id()
		b.wantErr(leave(Leaving{Member: pending})[0], nil)
		b.wantErr(b.join(request(pending)).now(t).Err, kerr.UnknownMemberID)
	})
}

func TestJoinRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		short := request("")
		short.SessionTimeout = time.Second
		b.wantErr(b.join(short).now(t).Err, kerr.InvalidSessionTimeout)
		b.wantErr(b.join(request("made-up")).now(t).Err, kerr.UnknownMemberID)
		b.want("none")
		b.wantErr(b.join(Join{Group: "g", SessionTimeout: 10 * time.Second}).now(t).Err, kerr.InconsistentGroupProtocol)
		b.want("none")
		b.form(1)
		b.wantErr(b.join(request("made-up")).now(t).Err, kerr.UnknownMemberID)
		b.wantErr(b.join(request("", "sticky")).now(t).Err, kerr.InconsistentGroupProtocol)
		connect := request("")
		connect.ProtocolType = "connect"
		b.wantErr(b.join(connect).now(t).Err, kerr.InconsistentGroupProtocol)
	})
}

func TestGroupSizeIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.state.settings.SizeMax = 2
		b.form(2)
		b.wantErr(b.join(request("")).now(t).Err, kerr.GroupMaxSizeReached)
		b.want("Stable generation 1 members 2")
	})
}

func TestProtocolIsVotedFor(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		one := b.join(request(b.id(), "range", "sticky", "own"))
		b.join(request(b.id(), "sticky", "range"))
		b.join(request(b.id(), "sticky", "range", "other"))
		if r := one.within(t, time.Second); r.ProtocolName != "sticky" || string(r.Members[0].Metadata) != "sub-sticky" {
			t.Errorf("got %+v", r)
		}
	})
}

func TestRetriesInAGeneration(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		leader := b.join(request(b.id()))
		other := b.join(request(b.id()))
		l, o := leader.within(t, time.Second), other.within(t, time.Second)
		// The answers were lost: both ask again and learn the same.
		diff(t, "leader", b.join(request(l.Member)).now(t), l)
		diff(t, "other", b.join(request(o.Member)).now(t), o)
		b.wantErr(b.sync(2, l.Member, nil).now(t).Err, kerr.IllegalGeneration)
		early := b.sync(1, o.Member, nil)
		early.none(t, "the leader has not assigned")
		b.sync(1, l.Member, map[string][]byte{l.Member: []byte("a"), o.Member: []byte("b")})
		if r := early.within(t, time.Second); string(r.Assignment) != "b" {
			t.Errorf("got %+v", r)
		}
		if r := b.sync(1, o.Member, nil).now(t); string(r.Assignment) != "b" {
			t.Errorf("again: %+v", r)
		}
		if r := b.join(request(o.Member)).now(t); r.Err != nil || r.Generation != 1 || r.Members != nil {
			t.Errorf("a follower rejoins unchanged: %+v", r)
		}
		b.want("Stable generation 1 members 2")
		changed := b.join(request(o.Member, "range", "sticky"))
		changed.none(t, "a new subscription is a rebalance")
		b.want("PreparingRebalance generation 1 members 2")
	})
}

func TestMembersThatNeverSyncAreExpelled(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		leader := b.join(request(b.id()))
		other := b.join(request(b.id()))
		l, o := leader.within(t, time.Second), other.within(t, time.Second)
		b.wantErr(b.sync(1, l.Member, nil).within(t, time.Second).Err, nil)
		for range 12 {
			time.Sleep(5 * time.Second)
			_ = b.beat(1, l.Member)
			_ = b.beat(1, o.Member)
		}
		time.Sleep(time.Second)
		b.wantErr(b.beat(1, o.Member), kerr.UnknownMemberID)
		b.wantErr(b.beat(1, l.Member), kerr.RebalanceInProgress)
	})
}

func TestOldVersionsJoinWithoutAnID(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		j := request("")
		j.NeedsID = false
		if r := b.join(j).within(t, time.Second); r.Err != nil || r.Member == "" || r.Leader != r.Member {
			t.Errorf("got %+v", r)
		}
	})
}

func TestRebalanceWithoutDelay(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.state.settings.InitialRebalanceDelay = 0
		b.wantErr(b.join(request(b.id())).now(t).Err, nil)
		synctest.Wait()
		b.want("CompletingRebalance generation 1 members 1")
	})
}
