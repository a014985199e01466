package balance

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"weir/kafka/topic"
	"weir/metadata"
)

// Whatever the cluster is like, a recoverer leads nothing in the end; partitions that have another replica keep theirs in their order, so that the preferred leader is who it was, and
// those that have none get another broker in its place.
func TestRecoverersGiveEverythingAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		defer d.stop()
		victim := metadata.BrokerID(rapid.IntRange(1, d.brokers).Draw(t, "victim"))
		before := make(map[spotKey]metadata.PartitionAssignment)
		for _, topic := range d.live.Current().Topics() {
			for i, as := range topic.Partitions {
				before[spotKey{topic.ID, int32(i)}] = as
			}
		}
		d.recoverer(victim)
		last, _ := d.apply(Input{}, d.sound(func(name string) int { return d.factor[name] }, nil))
		if last.Problem != "" {
			t.Fatalf("problem %q", last.Problem)
		}
		for _, topic := range d.live.Current().Topics() {
			for i, as := range topic.Partitions {
				was := before[spotKey{topic.ID, int32(i)}]
				switch {
				case as.Leader == victim:
					t.Fatalf("%s-%d is led by the recoverer", topic.Name, i)
				case was.Leader != victim && as.Leader != was.Leader:
					t.Fatalf("%s-%d moved from %d to %d for nothing", topic.Name, i, was.Leader, as.Leader)
				case len(was.Replicas) > 1 && !slices.Equal(as.Replicas, was.Replicas):
					t.Fatalf("%s-%d: replicas were %v and are %v", topic.Name, i, was.Replicas, as.Replicas)
				case len(as.Replicas) != len(was.Replicas):
					t.Fatalf("%s-%d: replicas were %v and are %v", topic.Name, i, was.Replicas, as.Replicas)
				}
			}
		}
	})
}

func TestRecoverersPartitionsAreSpread(t *testing.T) {
	p := forTest(t)
	for b := metadata.BrokerID(1); b <= 4; b++ {
		p.broker(b, "az", true)
	}
	p.topic("t", ids{1, 2, 3, 4}, ids{1, 2, 3, 4}, ids{1, 2, 3, 4}, ids{1, 2, 3, 4}, ids{1, 2, 3, 4}, ids{1, 2, 3, 4})
	p.topic("alone", ids{1}, ids{1}, ids{1})
	p.recoverer(1)
	p.apply(Input{}, nil)
	leaders, _ := tally(p.live.Current())
	if diff := cmp.Diff(map[metadata.BrokerID]int{2: 3, 3: 3, 4: 3}, leaders); diff != "" {
		t.Errorf("leaders, -want +got:\n%s", diff)
	}
	// The broker is back, and leads what it is the preferred leader of.
	p.broker(1, "az", true)
	p.apply(Input{Prefer: true}, nil)
	if leaders, _ = tally(p.live.Current()); leaders[1] != 6 {
		t.Errorf("leaders are %v", leaders)
	}
}

func TestRecovererIsPassedBy(t *testing.T) {
	p := forTest(t)
	for b := metadata.BrokerID(1); b <= 3; b++ {
		p.broker(b, "az", true)
	}
	p.topic("t", ids{1, 2, 3}, ids{2, 1, 3})
	p.recoverer(1)
	p.broker(2, "az", false)
	p.want(metadata.Balance{Drain: ids{3}})
	look := func() Plan { return Look(Input{Image: p.live.Current(), Moves: 3}) }
	// One broker is down, the other is being emptied: nothing is put on either.
	copies := func(m topic.Move) bool { return m.Copies() }
	if got := look(); slices.ContainsFunc(got.Moves, copies) || !strings.Contains(got.Problem, "partition 0 of topic t: broker 1 leads it and cannot serve") {
		t.Errorf("plan %+v", got)
	}
	p.want(metadata.Balance{})
	got := look()
	if len(got.Moves) != 1 || got.Moves[0].Leader != 3 || got.Moves[0].Cause != metadata.MoveRecover {
		t.Fatalf("plan %+v", got)
	}
	if _, begun, err := p.topics.Move(t.Context(), p.live.Current(), got.Moves); err != nil || begun != 1 {
		t.Fatal(begun, err)
	}
	// Its target goes: another one is found. A client's target is left alone while it serves.
	p.broker(2, "az", true)
	p.broker(3, "az", false)
	if got = look(); len(got.Moves) != 1 || got.Moves[0].Leader != 2 {
		t.Errorf("plan %+v", got)
	}
	p.broker(3, "az", true)
	p.each(func(as *metadata.PartitionAssignment) {
		if as.Target != 0 {
			as.Target, as.Cause = 2, ""
		}
	})
	if got = look(); len(got.Moves) != 0 {
		t.Errorf("plan %+v", got)
	}
	// The broker is back before anybody had its data: it leads on.
	p.each(func(as *metadata.PartitionAssignment) {
		if as.Target != 0 {
			as.Cause = metadata.MoveRecover
		}
	})
	p.broker(1, "az", true)
	if got = look(); len(got.Moves) != 1 || got.Moves[0].Replicas != nil {
		t.Errorf("plan %+v", got)
	}
}
