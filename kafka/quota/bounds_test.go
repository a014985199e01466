package quota

import (
	"testing"
	"time"

	"weir/metadata"
)

// moment is a clock that stands until it is moved.
type moment struct{ at time.Time }

func (m *moment) now() time.Time          { return m.at }
func (m *moment) advance(d time.Duration) { m.at = m.at.Add(d) }

func bounded(b Bounds) (*Bounded, *moment) {
	m := &moment{time.Unix(1_700_000_000, 0)}
	q := NewBounded(Settings{}, m.now)
	q.Bind(b)
	return q, m
}

func TestNoBoundsNoPause(t *testing.T) {
	q, _ := bounded(Bounds{})
	if q.In(1<<40) != 0 || q.Out(1<<40) != 0 || q.Request() != 0 || q.TopicRequest() != 0 || q.PartitionIn(metadata.TopicID{}, 0, 1<<40) != 0 || !q.Attempt() {
		t.Error("something is bounded")
	}
}

// The rate is over ten seconds, so that a broker that was silent takes ten seconds' worth at once, as with Kafka's quotas.
func TestBoundsPauseForWhatIsTooMuch(t *testing.T) {
	q, m := bounded(Bounds{In: 1000, Out: 2000, Requests: 10, TopicRequests: 2})
	tests := []struct {
		name  string
		count func(n int64) time.Duration
		rate  int64
	}{
		{"in", q.In, 1000},
		{"out", q.Out, 2000},
		{"requests", times(q.Request), 10},
		{"topic requests", times(q.TopicRequest), 2},
	}
	for _, tt := range tests {
		if d := tt.count(10 * tt.rate); d != 0 {
			t.Errorf("%s: ten seconds' worth: pause %v", tt.name, d)
		}
		if d := tt.count(5 * tt.rate); d != 5*time.Second {
			t.Errorf("%s: five seconds too much: pause %v", tt.name, d)
		}
	}
	m.advance(20 * time.Second)
	for _, tt := range tests {
		if d := tt.count(1); d != 0 {
			t.Errorf("%s: later: pause %v", tt.name, d)
		}
	}
}

func times(f func() time.Duration) func(n int64) time.Duration {
	return func(n int64) (d time.Duration) {
		for range n {
			d = f()
		}
		return d
	}
}

func TestPartitionsAreBoundedApart(t *testing.T) {
	q, _ := bounded(Bounds{PartitionIn: 100, PartitionOut: 200})
	a, b := metadata.NewTopicID(), metadata.NewTopicID()
	if d := q.PartitionIn(a, 0, 2000); d != 10*time.Second {
		t.Errorf("pause %v", d)
	}
	for _, d := range []time.Duration{q.PartitionIn(a, 1, 1000), q.PartitionIn(b, 0, 1000), q.PartitionOut(a, 0, 2000)} {
		if d != 0 {
			t.Errorf("another partition or direction pauses %v", d)
		}
	}
}

func TestIdlePartitionsAreForgotten(t *testing.T) {
	q, m := bounded(Bounds{PartitionIn: 100})
	topic := metadata.NewTopicID()
	for i := range int32(sweepLeast) {
		q.PartitionIn(topic, i, 1)
	}
	m.advance(time.Minute)
	q.PartitionIn(topic, sweepLeast, 1)
	if n := len(q.partitions); n != 1 {
		t.Errorf("%d meters", n)
	}
}

func TestAttemptsAreRefusedAndNotCounted(t *testing.T) {
	q, m := bounded(Bounds{Attempts: 10})
	granted := 0
	for range 1000 {
		if q.Attempt() {
			granted++
		}
	}
	if granted != 100 {
		t.Errorf("%d of 1000 at once", granted)
	}
	m.advance(2 * time.Second)
	granted = 0
	for range 1000 {
		if q.Attempt() {
			granted++
		}
	}
	if granted != 0 {
		t.Errorf("%d after two seconds", granted)
	}
	m.advance(20 * time.Second)
	if !q.Attempt() {
		t.Error("refused when all is over")
	}
}

func TestLiftingBoundsHoldsAtOnce(t *testing.T) {
	q, _ := bounded(Bounds{In: 1})
	if q.In(1000) == 0 {
		t.Fatal("not bounded")
	}
	q.Bind(Bounds{})
	if q.In(1000) != 0 || q.Bounds() != (Bounds{}) {
		t.Error("still bounded")
	}
}
