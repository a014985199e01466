package group

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// static is a join of a member with a group.instance.id.
func static(member, instance string) Join {
	j := request(member)
	j.Instance = instance
	return j
}

// formStatic makes a stable group of the instances a and b and returns their member ids.
func (b *bench) formStatic() (a, c string) {
	b.t.Helper()
	one, two := b.join(static("", "a")), b.join(static("", "b"))
	r1, r2 := one.within(b.t, time.Second), two.within(b.t, time.Second)
	b.wantErr(r1.Err, nil)
	if r1.Leader != r1.Member || r1.Members[1].Instance != "b" {
		b.t.Fatalf("got %+v", r1)
	}
	b.wantErr(b.sync(1, r1.Member, map[string][]byte{r1.Member: []byte("1"), r2.Member: []byte("2")}).within(b.t, time.Second).Err, nil)
	b.wantErr(b.sync(1, r2.Member, nil).now(b.t).Err, nil)
	return r1.Member, r2.Member
}

func TestStaticMemberRestartsWithoutRebalance(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		leader, follower := b.formStatic()
		r := b.join(static("", "b")).within(t, time.Second)
		if r.Err != nil || r.Generation != 1 || r.Member == follower || r.Leader != leader || r.SkipAssignment {
			t.Errorf("follower: %+v", r)
		}
		b.want("Stable generation 1 members 2")
		if s := b.sync(1, r.Member, nil).now(t); string(s.Assignment) != "2" {
			t.Errorf("its assignment: %+v", s)
		}
		// The old process still runs: it is fenced.
		var err error
		b.do(func(s *state) { err = s.beat(Beat{Group: "g", Generation: 1, Member: follower, Instance: "b"}) })
		b.wantErr(err, kerr.FencedInstanceID)
		b.wantErr(b.commit(Commit{Group: "g", Generation: 1, Member: follower, Instance: "b", Offsets: []Offset{{Topic: "t"}}}).now(t), kerr.FencedInstanceID)
		b.wantErr(b.join(static(follower, "b")).now(t).Err, kerr.FencedInstanceID)

		r = b.join(static("", "a")).within(t, time.Second)
		if r.Err != nil || r.Leader != r.Member || !r.SkipAssignment || len(r.Members) != 2 {
			t.Errorf("leader at v9: %+v", r)
		}
		old := static("", "a")
		old.CanSkip = false
		before := r.Member
		r = b.join(old).within(t, time.Second)
		if r.Err != nil || r.Leader != before || r.SkipAssignment || r.Members != nil {
			t.Errorf("leader before v9: %+v", r)
		}
		b.want("Stable generation 1 members 2")
	})
}

func TestStaticMemberWithAnotherProtocolRebalances(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.formStatic()
		j := request("", "sticky", "range")
		j.Instance = "b"
		b.join(j).none(t, "waits for the others: the elected protocol could change")
		b.want("Stable generation 1 members 2")
	})
}

// Static members keep their place in a rebalance in which they take no part, until their session times out (G3).
func TestStaticMemberKeepsItsPlace(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		leader, _ := b.formStatic()
		third := b.join(request(b.id()))
		again := b.join(static(leader, "a"))
		time.Sleep(11 * time.Second) // b sends no heartbeats
		if r := again.now(t); r.Err != nil || len(r.Members) != 2 {
			t.Errorf("got %+v", r)
		}
		b.wantErr(third.now(t).Err, nil)
		b.want("CompletingRebalance generation 2 members 2")
	})
}

func TestStaticMemberLeavesByInstance(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.formStatic()
		var out []error
		b.do(func(s *state) { out = s.leave("g", []Leaving{{Instance: "b"}}) })
		b.wantErr(out[0], nil)
		b.want("PreparingRebalance generation 1 members 1")
	})
}
