package balance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"weir/kafka/image"
	"weir/metadata"
)

// drawn is a cluster of any shape.
type drawn struct {
	*paper
	brokers int
	racks   int
	factor  map[string]int // of each topic
}

func draw(t *rapid.T) *drawn {
	d := &drawn{paper: newPaper(t), factor: make(map[string]int)}
	d.brokers = rapid.IntRange(2, 7).Draw(t, "brokers")
	d.racks = rapid.IntRange(1, 3).Draw(t, "racks")
	for b := 1; b <= d.brokers; b++ {
		d.broker(metadata.BrokerID(b), fmt.Sprint("az", b%d.racks), true)
	}
	for n := range rapid.IntRange(1, 4).Draw(t, "topics") {
		name, factor := fmt.Sprint("t", n), rapid.IntRange(1, min(3, d.brokers)).Draw(t, "factor")
		var partitions []ids
		for range rapid.IntRange(1, 12).Draw(t, "partitions") {
			partitions = append(partitions, rapid.Permutation(all(d.brokers)).Draw(t, "replicas")[:factor])
		}
		d.factor[name] = factor
		d.topic(name, partitions...)
	}
	return d
}

func all(n int) (out ids) {
	for b := 1; b <= n; b++ {
		out = append(out, metadata.BrokerID(b))
	}
	return out
}

// sound checks what holds at each moment: replicas are as many as they are to be, each on another broker, over as many racks as before, and the leader is one of them.
func (d *drawn) sound(least func(topic string) int, racks map[string]int) func(*image.Image) {
	return func(img *image.Image) {
		m := newModel(img, nil)
		for _, s := range m.spots {
			name := fmt.Sprintf("%s-%d", s.topic.Name, s.index)
			now := slices.Clone(s.seen.Replicas)
			slices.Sort(now)
			switch {
			case len(slices.Compact(now)) != len(s.seen.Replicas):
				d.Fatalf("%s is twice on one broker: %v", name, s.seen.Replicas)
			case !slices.Contains(s.seen.Replicas, s.seen.Leader):
				d.Fatalf("%s is led by %d and on %v", name, s.seen.Leader, s.seen.Replicas)
			case !slices.Contains(s.replicas, s.leader):
				d.Fatalf("%s is to be led by %d and on %v", name, s.leader, s.replicas)
			case len(s.replicas) < least(s.topic.Name):
				d.Fatalf("%s has fewer replicas than it should: %v", name, s.replicas)
			case m.racks(s.seen.Replicas) < racks[name]:
				d.Fatalf("%s is in fewer racks than before: %v", name, s.seen.Replicas)
			}
		}
	}
}

// racksOf is over how many racks each partition can be at least, with these brokers.
func (d *drawn) racksOf(gone func(metadata.BrokerID) bool) map[string]int {
	m := newModel(d.live.Current(), nil)
	left := make(map[string]int)
	for _, p := range m.places {
		if !gone(p.id) {
			left[p.rack]++
		}
	}
	out := make(map[string]int)
	for _, s := range m.spots {
		out[fmt.Sprintf("%s-%d", s.topic.Name, s.index)] = min(m.racks(s.replicas), len(left), len(slices.DeleteFunc(slices.Clone(s.replicas), gone))+len(s.replicas))
	}
	return out
}

// Whatever the cluster looks like, emptying brokers ends, they hold nothing then, and nothing has fewer replicas than the brokers that remain allow.
func TestDrainEmptiesBrokers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		defer d.stop()
		leave := rapid.Permutation(all(d.brokers)).Draw(t, "leave")[:rapid.IntRange(1, d.brokers-1).Draw(t, "n")]
		gone := func(b metadata.BrokerID) bool { return slices.Contains(leave, b) }
		d.want(metadata.Balance{Drain: leave})
		remain := d.brokers - len(leave)
		p, _ := d.apply(Input{}, d.sound(func(topic string) int { return min(d.factor[topic], remain) }, d.racksOf(gone)))
		if p.Remaining != 0 || p.Problem != "" || !cmp.Equal(p.Drained, leave) {
			t.Fatalf("%+v\n%s", p, show(d.live.Current()))
		}
		leaders, replicas := tally(d.live.Current())
		for _, b := range leave {
			if leaders[b]+replicas[b] > 0 {
				t.Fatalf("broker %d holds something:\n%s", b, show(d.live.Current()))
			}
		}
	})
}

// Spreading comes to rest, evens out what it can, and a second round has nothing to do.
func TestSpreadFillsNewBrokers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		defer d.stop()
		for range rapid.IntRange(0, 3).Draw(t, "new") {
			d.brokers++
			d.broker(metadata.BrokerID(d.brokers), fmt.Sprint("az", d.brokers%d.racks), true)
		}
		d.want(metadata.Balance{Spread: 1})
		check := d.sound(func(topic string) int { return d.factor[topic] }, d.racksOf(func(metadata.BrokerID) bool { return false }))
		p, _ := d.apply(Input{}, check)
		if p.Spread != 1 || p.Remaining != 0 {
			t.Fatalf("%+v", p)
		}
		leaders, _ := tally(d.live.Current())
		least, most := 1<<30, 0
		for b := 1; b <= d.brokers; b++ {
			least, most = min(least, leaders[metadata.BrokerID(b)]), max(most, leaders[metadata.BrokerID(b)])
		}
		if topics := len(d.factor); d.racks == 1 && most-least > 1+topics {
			t.Fatalf("brokers lead between %d and %d:\n%s", least, most, show(d.live.Current()))
		}
		d.want(metadata.Balance{Spread: 2})
		if p, copied := d.apply(Input{Spread: 1}, check); copied > 0 || p.Spread != 2 {
			t.Fatalf("a second round copies %d: %+v", copied, p)
		}
	})
}

// Levelling comes to rest, and makes the most loaded broker no worse.
func TestLevellingComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		defer d.stop()
		loads := make(map[metadata.TopicID]map[int32]float64)
		weigh := func(id metadata.TopicID, i int32) float64 { return weightBase + loads[id][i] }
		for _, tp := range d.live.Current().Topics() {
			loads[tp.ID] = make(map[int32]float64)
			for i := range tp.Partitions {
				loads[tp.ID][int32(i)] = float64(rapid.SampledFrom([]int{0, 0, 1 << 10, 1 << 20, 50 << 20}).Draw(t, "load"))
			}
		}
		d.want(metadata.Balance{Active: true})
		_, before, _ := newModel(d.live.Current(), weigh).loads(func(*place) bool { return true })
		check := d.sound(func(topic string) int { return d.factor[topic] }, d.racksOf(func(metadata.BrokerID) bool { return false }))
		d.apply(Input{Level: true, Weigh: weigh}, check)
		_, after, _ := newModel(d.live.Current(), weigh).loads(func(*place) bool { return true })
		if after.load > before.load*1.000001 {
			t.Fatalf("the most loaded broker had %.0f and has %.0f", before.load, after.load)
		}
	})
}

func TestDrainKeepsOrderAndSpreadsRacks(t *testing.T) {
	p := forTest(t)
	for b, rack := range map[metadata.BrokerID]string{1: "a", 2: "b", 3: "c", 4: "a", 5: "c"} {
		p.broker(b, rack, true)
	}
	p.topic("led", ids{3, 1, 2})     // 3 leaves: only 5 is in its rack
	p.topic("follows", ids{1, 2, 3}) // nothing is copied
	p.topic("alone", ids{3})         // the data go along
	p.topic("elsewhere", ids{1, 2})  // nothing happens
	p.want(metadata.Balance{Drain: ids{3}})
	plan, copied := p.apply(Input{}, nil)
	if copied != 2 || !cmp.Equal(plan.Drained, ids{3}) {
		t.Errorf("%d copied, %+v", copied, plan)
	}
	img := p.live.Current()
	for name, want := range map[string]ids{"follows": {1, 2, 5}, "elsewhere": {1, 2}} {
		if tp, _ := img.Topic(name); !cmp.Equal(tp.Partitions[0].Replicas, want) {
			t.Errorf("%s: %+v", name, tp.Partitions[0])
		}
	}
	tp, _ := img.Topic("led")
	r := slices.Clone(tp.Partitions[0].Replicas)
	slices.Sort(r)
	if as := tp.Partitions[0]; !cmp.Equal(r, ids{1, 2, 5}) || as.Leader != as.Replicas[0] {
		t.Errorf("led: %+v", as)
	}
}

func TestDrainSaysWhatIsInItsWay(t *testing.T) {
	p := forTest(t)
	p.broker(1, "", true)
	p.broker(2, "", false)
	p.broker(3, "", true)
	p.topic("a", ids{2, 1}, ids{2}, ids{1, 2})
	p.want(metadata.Balance{Drain: ids{2}})
	plan, copied := p.apply(Input{}, nil)
	if copied != 0 || plan.Remaining != 2 || len(plan.Drained) != 0 || !strings.Contains(plan.Problem, "broker 2 leads it and is down") || !strings.Contains(plan.Problem, "1 more") {
		t.Errorf("%d copied, %+v", copied, plan)
	}
	if tp, _ := p.live.Current().Topic("a"); !cmp.Equal(tp.Partitions[2].Replicas, ids{1, 3}) {
		t.Errorf("a replica without data stays: %+v", tp.Partitions[2])
	}
	p.broker(2, "", true)
	if plan, copied = p.apply(Input{}, nil); copied != 2 || plan.Remaining != 0 || plan.Problem != "" || !cmp.Equal(plan.Drained, ids{2}) {
		t.Errorf("back: %d copied, %+v", copied, plan)
	}
	p.want(metadata.Balance{Drain: ids{1, 2, 3}})
	if plan, _ = p.apply(Input{}, nil); !strings.Contains(plan.Problem, "no broker is left") {
		t.Errorf("all: %+v", plan)
	}
}

// What is under way for a broker that is not to be emptied after all is called off; what clients do is not.
func TestDrainWithdrawn(t *testing.T) {
	p := forTest(t)
	for b := range metadata.BrokerID(4) {
		p.broker(b+1, "", true)
	}
	p.topic("a", ids{4, 1}, ids{4}, ids{1, 4})
	p.want(metadata.Balance{Drain: ids{4}})
	img := p.live.Current()
	plan := Look(Input{Image: img, Moves: 1})
	if _, _, err := p.topics.Move(t.Context(), img, plan.Moves); err != nil {
		t.Fatal(err)
	}
	if plan = Look(Input{Image: p.live.Current(), Moves: 1}); plan.Moving != 1 || plan.Remaining != 2 || len(plan.Moves) != 0 {
		t.Errorf("one at a time: %+v", plan)
	}
	p.want(metadata.Balance{})
	plan, copied := p.apply(Input{}, nil)
	if copied != 0 || plan.Moving != 0 {
		t.Errorf("%+v", plan)
	}
	tp, _ := p.live.Current().Topic("a")
	for i, want := range []ids{{4, 1}, {4}} {
		if as := tp.Partitions[i]; as.Leader != 4 || as.Target != 0 || len(as.Removing) > 0 || len(as.Replicas) != len(want) || !slices.Contains(as.Replicas, 4) {
			t.Errorf("partition %d: %+v", i, as)
		}
	}
}

// A target that died is replaced.
func TestDrainFindsAnotherTarget(t *testing.T) {
	p := forTest(t)
	for b := range metadata.BrokerID(3) {
		p.broker(b+1, "", true)
	}
	p.topic("a", ids{3})
	p.want(metadata.Balance{Drain: ids{3}})
	img := p.live.Current()
	if _, _, err := p.topics.Move(t.Context(), img, Look(Input{Image: img, Moves: 1}).Moves); err != nil {
		t.Fatal(err)
	}
	tp, _ := p.live.Current().Topic("a")
	first := tp.Partitions[0].Target
	p.broker(first, "", false)
	plan, _ := p.apply(Input{Moves: 1}, nil)
	tp, _ = p.live.Current().Topic("a")
	if as := tp.Partitions[0]; as.Leader == 3 || as.Leader == first || len(as.Replicas) != 1 || !cmp.Equal(plan.Drained, ids{3}) {
		t.Errorf("%+v, %+v", as, plan)
	}
}

func TestPreferredLeadersComeBack(t *testing.T) {
	p := forTest(t)
	for b := range metadata.BrokerID(3) {
		p.broker(b+1, "", true)
	}
	p.topic("a", ids{1, 2}, ids{1, 2}, ids{2, 1}, ids{2, 1}, ids{3, 1})
	n := 0
	p.each(func(as *metadata.PartitionAssignment) { // one of two of broker 1, and the one of broker 3, are led by others
		if n == 0 || n == 4 {
			as.Leader = as.Replicas[1]
		}
		n++
	})
	if _, copied := p.apply(Input{Prefer: true, Percentage: 100}, nil); copied != 0 {
		t.Error("within the percentage leaders stay")
	}
	p.broker(3, "", false)
	if _, copied := p.apply(Input{Prefer: true, Percentage: 10}, nil); copied != 1 {
		t.Errorf("%d copied", copied)
	}
	p.broker(3, "", true)
	p.want(metadata.Balance{Drain: ids{}})
	if _, copied := p.apply(Input{Prefer: true, Percentage: 10}, nil); copied != 1 {
		t.Errorf("back: %d copied", copied)
	}
	tp, _ := p.live.Current().Topic("a")
	for i, as := range tp.Partitions {
		if as.Leader != as.Replicas[0] {
			t.Errorf("partition %d: %+v", i, as)
		}
	}
}

// Load that is a little uneven is left alone; a hot broker gives leaders away until it is like the others, and then all is quiet.
func TestLevellingHasHysteresis(t *testing.T) {
	p := forTest(t)
	for b := range metadata.BrokerID(3) {
		p.broker(b+1, "", true)
	}
	tp := p.topic("a", ids{1, 2, 3}, ids{1, 2, 3}, ids{1, 2, 3}, ids{2, 3, 1}, ids{2, 3, 1}, ids{3, 1, 2}, ids{3, 1, 2})
	loads := []float64{10 << 20, 10 << 20, 10 << 20, 10 << 20, 12 << 20, 14 << 20, 10 << 20}
	weigh := func(_ metadata.TopicID, i int32) float64 { return loads[i] }
	p.want(metadata.Balance{Active: true})
	in := Input{Image: p.live.Current(), Weigh: weigh}
	if plan := Look(in); plan.Skewed {
		t.Error("30, 22 and 24 MiB/s are no skew")
	}
	loads[0] = 30 << 20
	if plan := Look(in); !plan.Skewed || len(plan.Moves) != 0 {
		t.Errorf("without a round nothing moves: %+v", plan)
	}
	in.Level = true
	_, copied := p.apply(in, nil)
	if copied == 0 || copied > 4 {
		t.Errorf("%d copied", copied)
	}
	in.Image = p.live.Current()
	if plan := Look(in); plan.Skewed || len(plan.Moves) != 0 {
		t.Errorf("%+v", plan)
	}
	rests := func(metadata.TopicID, int32) bool { return true }
	loads[0], loads[6] = 1, 100<<20
	in.Rests = rests
	if plan := Look(in); len(plan.Moves) != 0 {
		t.Errorf("what was moved just now is moved again: %+v", plan.Moves)
	}
	_ = tp
}
