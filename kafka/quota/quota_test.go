package quota

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func newClock() *clock                     { return &clock{time.Unix(1_700_000_000, 0)} }
func (c *clock) now() time.Time            { return c.at }
func (c *clock) advance(d time.Duration)   { c.at = c.at.Add(d) }
func (c *clock) quotas(t Table) *Quotas    { return c.with(Settings{}, t) }
func entity(user, client Name) Entity      { return Entity{User: user, Client: client} }
func (c *clock) since(t time.Time) float64 { return c.at.Sub(t).Seconds() }

func (c *clock) with(s Settings, t Table) *Quotas {
	q := New(s, c.now)
	q.Configure(t)
	return q
}

// The order in which Kafka looks limits up: each row takes the strongest one away from the table.
func TestTheStrongestLimitHolds(t *testing.T) {
	own := entity(One("u"), One("c"))
	steps := []struct{ key, bucket Entity }{
		{own, own},
		{entity(One("u"), Any()), own},
		{Entity{User: One("u")}, Entity{User: One("u")}},
		{entity(Any(), One("c")), own},
		{entity(Any(), Any()), own},
		{Entity{User: Any()}, Entity{User: One("u")}},
		{Entity{Client: One("c")}, Entity{Client: One("c")}},
		{Entity{Client: Any()}, Entity{Client: One("c")}},
	}
	table := Table{Entity{User: One("other")}: {Produce: 999}, entity(One("u"), One("other")): {Produce: 999}, Entity{Client: One("other")}: {Produce: 999}}
	for i, s := range steps {
		table[s.key] = Limits{Produce: float64(i + 1)}
	}
	produced := func(l *Limits) float64 { return l.Produce }
	for i, s := range steps {
		if rate, bucket := table.find("u", "c", produced); rate != float64(i+1) || bucket != s.bucket {
			t.Errorf("step %d: rate %v of %+v", i+1, rate, bucket)
		}
		// A limit of another kind does not hide the weaker ones.
		table[s.key] = Limits{Fetch: 1}
	}
	if rate, _ := table.find("u", "c", produced); rate != 0 {
		t.Errorf("no limit is left, but %v holds", rate)
	}
}

func TestPausesKeepTheRate(t *testing.T) {
	c := newClock()
	q := c.quotas(nil)
	if d := q.Produced("u", "c", 1<<40); d != 0 {
		t.Errorf("without limits: %v", d)
	}
	q.Configure(Table{Entity{Client: Any()}: {Produce: 1000}})
	began := c.at
	sent := int64(0)
	for range 2000 {
		sent += 700
		c.advance(q.Produced("u", "c", 700))
	}
	// Up to ten windows' worth may go at once, and a sample stays whole while it reaches into the time that is measured.
	if rate := float64(sent-10_000) / c.since(began); rate < 950 || rate > 1050 {
		t.Errorf("%d bytes at 1000/s took %v s", sent, c.since(began))
	}
	if d := q.Produced("u", "other", 700); d != 0 {
		t.Errorf("another client id has to pause %v", d)
	}
	if d, _ := q.Fetched("u", "c", 1<<40); d != 0 {
		t.Errorf("fetching is not limited, but pauses %v", d)
	}
	if d := q.Produced("u", "c", 1<<62); d != pauseMax*time.Millisecond {
		t.Errorf("the longest pause is %v", d)
	}
	q.Configure(nil)
	if d := q.Produced("u", "c", 1<<40); d != 0 {
		t.Errorf("limits were removed, but it pauses %v", d)
	}
}

// The figures are those of Kafka's Rate: 10 s count at least, one sample of 1 s is being filled.
func TestThePauseIsKafkas(t *testing.T) {
	c := newClock()
	q := c.quotas(Table{Entity{Client: Any()}: {Produce: 100}})
	for _, step := range []struct {
		after time.Duration
		bytes int64
		want  time.Duration
	}{
		{0, 1000, 0},                                         // 1000 in 10 s: the rate itself
		{0, 500, 5 * time.Second},                            // 1500 in 10 s: 15 s are due
		{5 * time.Second, 0, 5 * time.Second},                // the sample is 5 s old, 5 more are missing to 10: still 10 s
		{5 * time.Second, 0, 5 * time.Second},                // 10 s old
		{500 * time.Millisecond, 0, 4500 * time.Millisecond}, // 10.5 s old: now the time counts
		{600 * time.Millisecond, 0, 0},                       // all that was sent is 11 s old
	} {
		c.advance(step.after)
		if got := q.Produced("", "c", step.bytes); got != step.want {
			t.Errorf("%v later, %d bytes: pause %v, want %v", step.after, step.bytes, got, step.want)
		}
	}
}

// A fetch that would be too much is taken back, so that the client comes to its records once it has paused.
func TestFetchedIsTakenBack(t *testing.T) {
	c := newClock()
	q := c.quotas(Table{Entity{User: One("u")}: {Fetch: 1000}})
	if got := q.FetchMax("u", "x"); got != 10_000 {
		t.Errorf("at once: %d", got)
	}
	if got := q.FetchMax("other", "x"); got != math.MaxInt64 {
		t.Errorf("at once, without a limit: %d", got)
	}
	if d, _ := q.Fetched("u", "x", 8000); d != 0 {
		t.Errorf("8000: %v", d)
	}
	for range 3 { // however often it tries
		if d, alone := q.Fetched("u", "y", 8000); d != 6*time.Second || alone {
			t.Errorf("16000: %v, alone %v", d, alone)
		}
		q.Unfetched("u", "y", 8000)
	}
	c.advance(11 * time.Second)
	if d, _ := q.Fetched("u", "y", 8000); d != 0 {
		t.Errorf("after the first was forgotten: %v", d)
	}
	c.advance(11 * time.Second)
	if d, alone := q.Fetched("u", "y", 15_000); d != 5*time.Second || !alone {
		t.Errorf("a batch that will never be within the limit: %v, alone %v", d, alone)
	}
}

func TestRequestTimeIsLimited(t *testing.T) {
	c := newClock()
	q := c.quotas(Table{Entity{Client: Any()}: {Produce: 1}})
	if q.LimitsRequests() {
		t.Error("no request's time is limited")
	}
	q.Configure(Table{Entity{Client: Any()}: {Request: 10}})
	if !q.LimitsRequests() {
		t.Error("requests' time is limited")
	}
	if d := q.Requested("", "c", 900*time.Millisecond); d != 0 {
		t.Errorf("9%% of 10 s: %v", d)
	}
	if d := q.Requested("", "c", 200*time.Millisecond); d != time.Second {
		t.Errorf("11%% of 10 s: %v, want one window at most", d)
	}
	if d := q.Requested("", "d", time.Millisecond); d != 0 {
		t.Errorf("another one: %v", d)
	}
}

// KIP-599: the bucket may be overdrawn by a request that finds it in credit.
func TestMutations(t *testing.T) {
	c := newClock()
	q := c.with(Settings{MutationWindows: 10}, Table{Entity{User: One("u")}: {Mutation: 2}})
	if m := q.Mutations("other", "", true); m != nil || !m.Take(1000) || m.Pause() != 0 {
		t.Error("others have no limit")
	}
	strict := q.Mutations("u", "", true)
	if !strict.Take(20) || strict.Pause() != 0 {
		t.Error("as many as the bucket holds")
	}
	if !strict.Take(6) || strict.Pause() != 0 {
		t.Error("a bucket that is empty but not overdrawn still gives")
	}
	if strict.Take(1) || strict.Pause() != 3*time.Second {
		t.Errorf("6 too many at 2 a second: pause %v", strict.Pause())
	}
	c.advance(time.Second)
	if strict.Pause() != 2*time.Second {
		t.Errorf("a second later: %v", strict.Pause())
	}
	old := q.Mutations("u", "any", false)
	if !old.Take(4) || old.Pause() != 4*time.Second {
		t.Errorf("an old version is done and pays: %v", old.Pause())
	}
	c.advance(4 * time.Second)
	if again := q.Mutations("u", "", true); !again.Take(1) || again.Pause() != 0 {
		t.Error("after the pause")
	}
}

func TestConnectionsByAddress(t *testing.T) {
	c := newClock()
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	q := c.with(Settings{Window: 2 * time.Second}, Table{{IP: One("10.0.0.1")}: {Connection: 1}, {IP: Any()}: {Connection: 2}})
	open := func(addr netip.Addr, n int) (accepted int, last time.Duration) {
		for range n {
			if last = q.Connected(addr); last == 0 {
				accepted++
			}
		}
		return accepted, last
	}
	if n, d := open(a, 30); n != 20 || d != time.Second {
		t.Errorf("%d connections, then %v", n, d)
	}
	if n, d := open(b, 50); n != 40 || d != 500*time.Millisecond {
		t.Errorf("by default %d connections, then %v", n, d)
	}
	if d := q.Accept(); d != 0 {
		t.Errorf("the broker has no limit: %v", d)
	}
}

func TestConnectionsOfTheBroker(t *testing.T) {
	c := newClock()
	q := c.quotas(nil)
	q.LimitConnections(5)
	for i := range 50 {
		if d := q.Accept(); d != 0 {
			t.Fatalf("connection %d: %v", i, d)
		}
	}
	if d := q.Accept(); d != 200*time.Millisecond {
		t.Errorf("the next: %v", d)
	}
}

// Clients that take a new id for each connection do not fill the memory.
func TestIdleMetersAreDropped(t *testing.T) {
	c := newClock()
	q := c.quotas(Table{Entity{Client: Any()}: {Produce: 1000, Mutation: 1}, {IP: Any()}: {Connection: 1}})
	for i := range 20_000 {
		c.advance(20 * time.Millisecond)
		name := fmt.Sprint("client ", i)
		q.Produced("", name, 10)
		q.Mutations("", name, true).Take(1)
		q.Connected(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := q.Meters(); n > 3*2*sweepLeast {
		t.Errorf("%d meters", n)
	}
	c.advance(-80 * time.Second) // a clock that goes back gives and takes nothing
	if d := q.Produced("", "client 19999", 1); d != 0 {
		t.Errorf("it pauses %v", d)
	}
}

func TestSetAndRecord(t *testing.T) {
	user, ip := Entity{User: One("u")}, Entity{IP: Any()}
	for _, tt := range []struct {
		entity Entity
		key    string
		value  float64
		want   string
	}{
		{user, "producer_byte_rate", 1, ""},
		{user, "consumer_byte_rate", 1 << 30, ""},
		{user, "request_percentage", 12.5, ""},
		{user, "controller_mutation_rate", 0.1, ""},
		{ip, "connection_creation_rate", 10, ""},
		{user, "producer_byte_rate", 0, "Quota producer_byte_rate must be greater than 0"},
		{user, "producer_byte_rate", -1, "Quota producer_byte_rate must be greater than 0"},
		{user, "producer_byte_rate", math.NaN(), "Quota producer_byte_rate must be a finite number"},
		{user, "request_percentage", math.Inf(1), "Quota request_percentage must be a finite number"},
		{user, "consumer_byte_rate", 1.5, "consumer_byte_rate cannot be a fractional value."},
		{user, "consumer_byte_rate", 1e19, "Proposed value for consumer_byte_rate is too large for a LONG."},
		{ip, "connection_creation_rate", 1 << 31, "Proposed value for connection_creation_rate is too large for an INT."},
		{user, "connection_creation_rate", 1, "Invalid configuration key connection_creation_rate"},
		{ip, "producer_byte_rate", 1, "Invalid configuration key producer_byte_rate"},
		{user, "nope", 1, "Invalid configuration key nope"},
	} {
		var l Limits
		got := ""
		if err := l.Set(tt.entity, tt.key, tt.value, false); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s=%v: got %q, want %q", tt.key, tt.value, got, tt.want)
		}
		if err := l.Set(tt.entity, tt.key, 0, true); err != nil || l != (Limits{}) {
			t.Errorf("removing %s: %v, left %+v", tt.key, err, l)
		}
	}
	table := Table{
		{Client: Any()}: {Produce: 5, Request: 1.5}, {Client: One("c")}: {Fetch: 6}, {User: Any(), Client: One("c")}: {Produce: 7, Fetch: 8},
		{User: One("u")}: {Fetch: 9, Mutation: 0.5}, {IP: Any()}: {Connection: 3}, {IP: One("::1")}: {Connection: 4},
	}
	r := table.Record()
	if diff := cmp.Diff(table, FromRecord(&r)); diff != "" {
		t.Error(diff)
	}
}
