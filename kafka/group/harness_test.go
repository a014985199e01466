package group

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/leak"
	"weir/kafka/coordinator"
	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// memLog is a partition in memory. Appends become durable in order, a millisecond later, unless it is held; fail makes them fail.
type memLog struct {
	mu      sync.Mutex
	batches [][]byte
	end     int64
	queue   chan func()
	held    chan struct{}
	fail    error
}

func newMemLog() *memLog { return &memLog{queue: make(chan func(), 1000)} }

func (l *memLog) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case done := <-l.queue:
			time.Sleep(time.Millisecond) // in a synctest bubble
			l.mu.Lock()
			held := l.held
			l.mu.Unlock()
			if held != nil {
				<-held
			}
			done()
		}
	}
}

// hold makes appends wait until the function that it returns is called.
func (l *memLog) hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := make(chan struct{})
	l.held = held
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held = nil
		close(held)
	}
}

func (l *memLog) failWith(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *memLog) Append(a partition.Append, done func(partition.Appended, error)) error {
	l.queue <- func() {
		l.mu.Lock()
		err := l.fail
		if err == nil {
			l.end = batch.SetOffsets(a.Batches, l.end, 0)
			l.batches = append(l.batches, a.Batches)
		}
		l.mu.Unlock()
		done(partition.Appended{}, err)
	}
	return nil
}

func (l *memLog) Read(_ context.Context, r partition.ReadRequest) (partition.Records, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.batches {
		if h, err := batch.Parse(b); err != nil || h.LastOffset() >= r.Offset {
			return partition.Records{Segments: [][]byte{b}}, err
		}
	}
	return partition.Records{}, nil
}

func (l *memLog) Offsets() partition.Offsets {
	l.mu.Lock()
	defer l.mu.Unlock()
	return partition.Offsets{HighWatermark: l.end, LastStable: l.end}
}

// bench is one shard over a memLog, in a synctest bubble.
type bench struct {
	t      *testing.T
	log    *memLog
	shard  *coordinator.Shard
	state  *state
	start  time.Time
	timers *coordinator.Timers

	topics     map[string]metadata.TopicID // that exist
	partitions map[string]int32            // of topics that have not one
	members    atomic.Int64
	migration  string // group.consumer.migration.policy, "" for the default
}

func (b *bench) byName(name string) (topicInfo, bool) {
	id, ok := b.topics[name]
	return topicInfo{name: name, id: id, partitions: max(b.partitions[name], 1)}, ok
}

func (b *bench) byID(id metadata.TopicID) (topicInfo, bool) {
	for name, t := range b.topics {
		if t == id {
			return b.byName(name)
		}
	}
	return topicInfo{}, false
}

func (b *bench) names() []string { return slices.Sorted(maps.Keys(b.topics)) }

var testTopic = metadata.NewTopicID()

var testSettings = SettingsFrom(nil)

// bubble runs fn with a bench in a synctest bubble.
func bubble(t *testing.T, fn func(*testing.T, *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		b := &bench{t: t, log: newMemLog(), start: time.Now()}
		timers := coordinator.NewTimers()
		var wg sync.WaitGroup
		wg.Go(func() { b.log.run(ctx) })
		wg.Go(func() { _ = timers.Run(ctx) })
		b.timers, b.topics = timers, map[string]metadata.TopicID{"t": testTopic}
		b.open(timers)
		fn(t, b)
		cancel()
		wg.Wait()
	})
}

// open makes the state anew from the log, as another broker would.
func (b *bench) open(timers *coordinator.Timers) {
	b.t.Helper()
	settings := testSettings
	if b.migration != "" {
		settings.Migration = b.migration
	}
	b.shard = coordinator.NewShard(0, b.log, timers)
	b.state = newState(b.shard, &settings, b, &b.members, newMetrics(nil), slog.New(slog.NewTextHandler(b.t.Output(), nil)))
	if err := b.shard.Load(b.t.Context(), b.state, batch.NewDecoder(1<<20)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) do(fn func(*state)) {
	b.t.Helper()
	if err := b.shard.Locked(func() { fn(b.state) }); err != nil {
		b.t.Fatal(err)
	}
}

// answer is a reply that may not have come yet.
type answer[T any] chan T

func (a answer[T]) now(t *testing.T) T {
	t.Helper()
	synctest.Wait()
	select {
	case v := <-a:
		return v
	default:
		t.Fatal("there is no answer yet")
		panic("unreachable")
	}
}

// within waits up to d of the bubble's time.
func (a answer[T]) within(t *testing.T, d time.Duration) T {
	t.Helper()
	select {
	case v := <-a:
		return v
	case <-time.After(d):
		t.Fatalf("there is no answer after %v", d)
		panic("unreachable")
	}
}

func (a answer[T]) none(t *testing.T, what string) {
	t.Helper()
	synctest.Wait()
	select {
	case v := <-a:
		t.Fatalf("%s: got %+v, want no answer yet", what, v)
	default:
	}
}

// request is a join with usual values.
func request(member string, protocols ...string) Join {
	j := Join{
		Group: "g", Member: member, ClientID: "client", ClientHost: "/127.0.0.1", ProtocolType: consumerType,
		SessionTimeout: 10 * time.Second, RebalanceTimeout: 60 * time.Second, NeedsID: true, CanSkip: true,
	}
	if len(protocols) == 0 {
		protocols = []string{"range"}
	}
	for _, p := range protocols {
		j.Protocols = append(j.Protocols, Protocol{Name: p, Metadata: []byte("sub-" + p)})
	}
	return j
}

func (b *bench) join(j Join) answer[JoinResult] {
	b.t.Helper()
	a := make(answer[JoinResult], 1)
	b.do(func(s *state) { s.join(j, func(r JoinResult) { a <- r }) })
	return a
}

// id gets a member id as a new client does.
func (b *bench) id() string {
	b.t.Helper()
	r := b.join(request("")).now(b.t)
	if r.Err != kerr.MemberIDRequired || !strings.HasPrefix(r.Member, "client-") {
		b.t.Fatalf("got %+v, want a member id", r)
	}
	return r.Member
}

func (b *bench) sync(generation int32, member string, assignments map[string][]byte) answer[SyncResult] {
	b.t.Helper()
	a := make(answer[SyncResult], 1)
	b.do(func(s *state) {
		s.sync(Sync{Group: "g", Generation: generation, Member: member, Assignments: assignments}, func(r SyncResult) { a <- r })
	})
	return a
}

func (b *bench) beat(generation int32, member string) (err error) {
	b.t.Helper()
	b.do(func(s *state) { err = s.beat(Beat{Group: "g", Generation: generation, Member: member}) })
	return err
}

func (b *bench) commit(c Commit) answer[error] {
	b.t.Helper()
	a := make(answer[error], 1)
	b.do(func(s *state) {
		s.commit(c, func(each []error, all error) {
			for _, err := range each {
				if all == nil {
					all = err
				}
			}
			a <- all
		})
	})
	return a
}

func (b *bench) fetch(group string) map[string]int64 {
	b.t.Helper()
	out := map[string]int64{}
	b.do(func(s *state) {
		for _, o := range s.fetch(group, nil) {
			out[fmt.Sprint(o.Topic, "-", o.Partition)] = o.Offset
		}
	})
	return out
}

// show is the group as describe sees it: state, generation and members.
func (b *bench) show() string {
	b.t.Helper()
	out := "none"
	b.do(func(s *state) {
		if g := s.classic("g"); g != nil {
			out = fmt.Sprintf("%v generation %d members %d", g.status, g.generation, len(g.members))
		}
	})
	return out
}

func (b *bench) want(want string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.show(); got != want {
		b.t.Fatalf("the group is %q, want %q", got, want)
	}
}

func (b *bench) wantErr(got, want error) {
	b.t.Helper()
	if got != want {
		b.t.Fatalf("got %v, want %v", got, want)
	}
}

// form makes a stable group of n members in generation 1 and returns their ids, the leader first.
func (b *bench) form(n int) []string {
	b.t.Helper()
	var joins []answer[JoinResult]
	for range n {
		joins = append(joins, b.join(request(b.id())))
	}
	var ids []string
	assignments := map[string][]byte{}
	for _, a := range joins {
		r := a.within(b.t, time.Second)
		b.wantErr(r.Err, nil)
		if r.Leader == r.Member {
			ids = append([]string{r.Member}, ids...)
		} else {
			ids = append(ids, r.Member)
		}
		assignments[r.Member] = []byte("for " + r.Member)
	}
	var syncs []answer[SyncResult]
	for _, id := range slices.Backward(ids) {
		var as map[string][]byte
		if id == ids[0] {
			as = assignments
		}
		syncs = append(syncs, b.sync(1, id, as))
	}
	for i, id := range slices.Backward(ids) {
		r := syncs[len(ids)-1-i].within(b.t, time.Second)
		if r.Err != nil || string(r.Assignment) != "for "+id {
			b.t.Fatalf("member %s: %+v", id, r)
		}
	}
	b.want(fmt.Sprintf("Stable generation 1 members %d", n))
	return ids
}

func diff(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s:\n%s", what, d)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func contextOf() (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}
