package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
	"weir/metadata"
)

// streamsBench is a bench whose topics can be created.
type streamsBench struct {
	*bench
	work    *streamsWork
	fail    error
	configs map[string]string // of every group
}

func streamsBubble(t *testing.T, fn func(*testing.T, *streamsBench)) {
	t.Helper()
	bubble(t, func(t *testing.T, b *bench) {
		s := &streamsBench{bench: b, configs: map[string]string{"streams.initial.rebalance.delay.ms": "0", "streams.assignment.interval.ms": "0"}}
		s.work = &streamsWork{create: func(_ context.Context, topics []StreamsTopic) []error {
			time.Sleep(10 * time.Millisecond)
			out := make([]error, len(topics))
			b.do(func(st *state) {
				for i, topic := range topics {
					if out[i] = s.fail; s.fail == nil {
						b.topic(topic.Name, topic.Partitions)
						st.topicsChanged([]string{topic.Name})
					}
				}
			})
			return out
		}}
		ctx, cancel := context.WithCancel(context.Background())
		s.work.jobs.begin(ctx)
		s.use()
		fn(t, s)
		cancel()
		s.work.jobs.end()
	})
}

func (b *streamsBench) use() {
	b.state.topicsOfStreams = b.work
	b.state.settings.GroupConfig = func(string) map[string]string { return b.configs }
}

func (b *streamsBench) reopen() {
	b.t.Helper()
	synctest.Wait()
	b.open(b.timers)
	b.use()
}

// thread is a member of a streams group as its client sees it.
type thread struct {
	b       *streamsBench
	id      string
	process string
	epoch   int32
	active  taskSet
	standby taskSet
}

func (b *streamsBench) thread(id, process string) *thread {
	return &thread{b: b, id: id, process: process, active: taskSet{}, standby: taskSet{}}
}

// counting is a topology that counts words: it reads t, writes a repartition topic and keeps a store.
func counting() *kmsg.StreamsGroupHeartbeatRequestTopology {
	return &kmsg.StreamsGroupHeartbeatRequestTopology{Epoch: 1, Subtopologies: []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{
		{SubtopologyID: "1", RepartitionSourceTopics: []kmsg.TopicInfo{{Topic: "g-repartition"}}, StateChangelogTopics: []kmsg.TopicInfo{{
			Topic: "g-changelog", Configs: []kmsg.TopicInfoConfig{{Key: "cleanup.policy", Value: "compact"}},
		}}},
		{SubtopologyID: "0", SourceTopics: []string{"t"}, RepartitionSinkTopics: []string{"g-repartition"}},
	}}
}

func (b *streamsBench) send(r *kmsg.StreamsGroupHeartbeatRequest) (*kmsg.StreamsGroupHeartbeatResponse, error) {
	b.t.Helper()
	beat := StreamsBeat{StreamsGroupHeartbeatRequest: r, ClientID: "client", ClientHost: "/127.0.0.1"}
	if err := beat.check(); err != nil {
		return nil, err
	}
	type result struct {
		resp *kmsg.StreamsGroupHeartbeatResponse
		err  error
	}
	a := make(answer[result], 1)
	b.do(func(s *state) {
		s.streamsBeat(beat, func(resp *kmsg.StreamsGroupHeartbeatResponse, err error) { a <- result{resp, err} })
	})
	got := a.within(b.t, time.Second)
	return got.resp, got.err
}

func (c *thread) request() *kmsg.StreamsGroupHeartbeatRequest {
	r := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch = 1, "g", c.id, c.epoch
	if c.epoch == 0 {
		r.RebalanceTimeoutMillis, r.ProcessID, r.Topology = 30_000, &c.process, counting()
		r.ActiveTasks, r.StandbyTasks, r.WarmupTasks = []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
	} else {
		r.ActiveTasks, r.StandbyTasks, r.WarmupTasks = publicTasks(c.active), publicTasks(c.standby), []kmsg.TaskIDs{}
	}
	return r
}

func (c *thread) got(r *kmsg.StreamsGroupHeartbeatResponse) {
	c.epoch = r.MemberEpoch
	if r.ActiveTasks != nil {
		c.active, c.standby = taskSetOf(r.ActiveTasks), taskSetOf(r.StandbyTasks)
	}
}

func (c *thread) beat() (*kmsg.StreamsGroupHeartbeatResponse, error) {
	c.b.t.Helper()
	r, err := c.b.send(c.request())
	if err == nil {
		c.got(r)
	}
	return r, err
}

func (c *thread) must() *kmsg.StreamsGroupHeartbeatResponse {
	c.b.t.Helper()
	r, err := c.beat()
	if err != nil {
		c.b.t.Fatal(err)
	}
	return r
}

// rest sends heartbeats until nothing moves any more.
func rest(threads ...*thread) {
	for range 20 {
		time.Sleep(200 * time.Millisecond)
		for _, c := range threads {
			c.must()
		}
	}
}

func statusOf(r *kmsg.StreamsGroupHeartbeatResponse) (out []string) {
	for _, s := range r.Status {
		out = append(out, fmt.Sprint(s.StatusCode, " ", s.StatusDetail))
	}
	return out
}

// The coordinator creates the topics of the application, and then gives its members their tasks.
func TestStreamsGroupStarts(t *testing.T) {
	streamsBubble(t, func(t *testing.T, b *streamsBench) {
		b.topic("t", 4)
		one := b.thread("one", "p1")
		b.fail = kerr.PolicyViolation
		diff(t, "status", statusOf(one.must()), []string{"3 Internal topics are missing: g-changelog, g-repartition"})
		time.Sleep(100 * time.Millisecond)
		if got := statusOf(one.must()); len(got) != 1 || !strings.Contains(got[0], "; Creation failed: g-changelog (POLICY_VIOLATION") {
			t.Errorf("after a failure: %v", got)
		}
		b.fail = nil
		time.Sleep(createRetry)
		rest(one)
		diff(t, "partitions", []int32{b.partitions["g-changelog"], b.partitions["g-repartition"]}, []int32{4, 4})
		if len(one.active) != 8 || len(one.standby) != 0 {
			t.Errorf("one has %v", sortedTasks(one.active))
		}
		two := b.thread("two", "p2")
		rest(one, two)
		if len(one.active) != 4 || len(two.active) != 4 {
			t.Errorf("%d and %d tasks", len(one.active), len(two.active))
		}
		b.configs["streams.num.standby.replicas"] = "1"
		rest(one, two)
		for _, c := range []*thread{one, two} {
			for task := range c.standby {
				if c.active[task] || task.subtopology != "1" {
					t.Errorf("%s keeps a copy of %v", c.id, task)
				}
			}
		}
		if n := len(one.standby) + len(two.standby); n != 4 {
			t.Errorf("%d standby tasks", n)
		}
		// The one that is left runs what it had copies of.
		r := two.request()
		r.MemberEpoch = leaves
		if _, err := b.send(r); err != nil {
			t.Fatal(err)
		}
		rest(one)
		if len(one.active) != 8 || len(one.standby) != 0 {
			t.Errorf("one has %d tasks and %d copies", len(one.active), len(one.standby))
		}
	})
}

// A new group waits for more members, and changes of a group for one another.
func TestStreamsAssignmentsAreDelayed(t *testing.T) {
	streamsBubble(t, func(t *testing.T, b *streamsBench) {
		b.topic("t", 4)
		b.topic("g-repartition", 4)
		b.topic("g-changelog", 4)
		clear(b.configs)
		one, two := b.thread("one", "p1"), b.thread("two", "p2")
		both := make(answer[*kmsg.StreamsGroupHeartbeatResponse], 2)
		for _, c := range []*thread{one, two} {
			b.do(func(s *state) {
				s.streamsBeat(StreamsBeat{StreamsGroupHeartbeatRequest: c.request()}, func(r *kmsg.StreamsGroupHeartbeatResponse, err error) {
					if err != nil {
						t.Error(err)
					}
					c.got(r)
					both <- r
				})
			})
			time.Sleep(assignQuiet / 2)
		}
		both.none(t, "while others may come")
		both.within(t, time.Second)
		both.within(t, time.Second)
		if len(one.active) != 4 || len(two.active) != 4 {
			t.Errorf("%d and %d tasks", len(one.active), len(two.active))
		}
		three := b.thread("three", "p3")
		diff(t, "third", statusOf(three.must()), []string{"5 Assignment delayed due to the configured assignment interval."})
		time.Sleep(time.Second)
		rest(one, two, three)
		if len(three.active) == 0 {
			t.Error("the third has nothing")
		}
	})
}

func TestStreamsHeartbeatsAreChecked(t *testing.T) {
	streamsBubble(t, func(t *testing.T, b *streamsBench) {
		b.topic("t", 2)
		one := b.thread("one", "p1")
		rest(one)
		try := func(set func(*kmsg.StreamsGroupHeartbeatRequest)) error {
			r := one.request()
			set(r)
			_, err := b.send(r)
			return err
		}
		join := func(set func(*kmsg.StreamsGroupHeartbeatRequest)) error {
			r := b.thread("new", "p9").request()
			set(r)
			_, err := b.send(r)
			return err
		}
		type beat = kmsg.StreamsGroupHeartbeatRequest
		for name, tt := range map[string]struct {
			got  error
			want *kerr.Error
		}{
			"no member":           {try(func(r *beat) { r.MemberID = " " }), kerr.InvalidRequest},
			"no group":            {try(func(r *beat) { r.Group = "" }), kerr.InvalidRequest},
			"absent group":        {try(func(r *beat) { r.Group = "none" }), kerr.GroupIDNotFound},
			"stranger":            {try(func(r *beat) { r.MemberID = "two" }), kerr.UnknownMemberID},
			"future":              {try(func(r *beat) { r.MemberEpoch++ }), kerr.FencedMemberEpoch},
			"past":                {try(func(r *beat) { r.MemberEpoch = 1 }), kerr.FencedMemberEpoch},
			"epoch -3":            {try(func(r *beat) { r.MemberEpoch = -3 }), kerr.InvalidRequest},
			"topology later":      {try(func(r *beat) { r.Topology = counting() }), kerr.InvalidRequest},
			"unknown subtopology": {try(func(r *beat) { r.ActiveTasks = []kmsg.TaskIDs{{SubtopologyID: "9", Partitions: []int32{0}}} }), kerr.InvalidRequest},
			"unknown task":        {try(func(r *beat) { r.ActiveTasks = []kmsg.TaskIDs{{SubtopologyID: "0", Partitions: []int32{2}}} }), kerr.InvalidRequest},
			"one role":            {try(func(r *beat) { r.StandbyTasks = nil }), kerr.InvalidRequest},
			"other topology":      {join(func(r *beat) { r.Topology.Subtopologies = r.Topology.Subtopologies[1:] }), kerr.InvalidRequest},
			"fixed changelog": {join(func(r *beat) {
				r.Topology.Subtopologies[0].StateChangelogTopics[0].NumPartitions = 3
			}), kerr.StreamsInvalidTopology},
			"loop": {join(func(r *beat) { r.Group, r.Topology.Subtopologies = "h", r.Topology.Subtopologies[:1] }), kerr.StreamsInvalidTopology},
			"copartition": {join(func(r *beat) {
				r.Group = "h"
				r.Topology.Subtopologies[0].CopartitionGroups = []kmsg.StreamsGroupHeartbeatRequestTopologySubtopologyCopartitionGroup{{SourceTopics: []int16{7}}}
			}), kerr.StreamsInvalidTopology},
			"regex": {join(func(r *beat) { r.Topology.Subtopologies[0].SourceTopicRegex = []string{"a.*"} }), kerr.InvalidRequest},
		} {
			if !errors.Is(tt.got, tt.want) {
				t.Errorf("%s: got %v, want %v", name, tt.got, tt.want)
			}
		}
		b.do(func(s *state) {
			if s.groups["h"] != nil || len(s.streams("g").members) != 1 {
				t.Error("what was refused left something")
			}
			s.join(request(""), func(j JoinResult) { b.wantErr(j.Err, kerr.InconsistentGroupProtocol) })
			if _, _, err := s.consumerFor("g", true); !errors.Is(err, kerr.GroupIDNotFound) {
				t.Errorf("as a consumer group: %v", err)
			}
		})
		old := b.thread("old", "p2").request()
		old.Topology.Epoch = 0
		r, err := b.send(old)
		if err != nil || len(r.Status) == 0 || r.Status[0].StatusCode != staleTopology {
			t.Errorf("older topology: %v %v", r, err)
		}
	})
}

func TestStreamsStatuses(t *testing.T) {
	streamsBubble(t, func(t *testing.T, b *streamsBench) {
		delete(b.topics, "t")
		one := b.thread("one", "p1")
		diff(t, "no source", statusOf(one.must()), []string{"1 Source topics t are missing."})
		b.topic("t", 3)
		b.topic("g-changelog", 2)
		b.do(func(s *state) { s.topicsChanged([]string{"t"}) })
		diff(t, "wrong", statusOf(one.must()), []string{"2 Existing topic g-changelog has different number of partitions: expected 3, found 2"})
		b.do(func(s *state) {
			if got := s.streams("g").stateName(); got != "NotReady" {
				t.Errorf("the group is %s", got)
			}
		})
		b.topic("g-changelog", 3)
		b.do(func(s *state) { s.topicsChanged([]string{"g-changelog"}) })
		rest(one)
		b.configs["streams.rack.aware.assignment.tags"] = "zone"
		diff(t, "tags", statusOf(one.must()), []string{"6 Missing required client tags for rack-aware standby assignment: [zone]. Configure them via 'client.tag.<tagKey>' in your Streams config."})
		delete(b.configs, "streams.rack.aware.assignment.tags")
		two := b.thread("two", "p2")
		rest(one, two)
		r := two.request()
		r.ShutdownApplication = true
		if _, err := b.send(r); err != nil {
			t.Fatal(err)
		}
		diff(t, "shutdown", statusOf(one.must()), []string{"4 Streams group member two encountered a fatal error and requested a shutdown for the entire application."})
	})
}

// A static member that comes back within its session has its tasks again, and nobody else moves.
func TestStreamsStaticMemberReturns(t *testing.T) {
	streamsBubble(t, func(t *testing.T, b *streamsBench) {
		b.topic("t", 4)
		instance := "i"
		one, two := b.thread("one", "p1"), b.thread("two", "p2")
		r := one.request()
		r.InstanceID = &instance
		if resp, err := b.send(r); err != nil {
			t.Fatal(err)
		} else {
			one.got(resp)
		}
		rest(one, two)
		before := maps.Clone(one.active)
		other := b.thread("other", "p1").request()
		other.InstanceID = &instance
		if _, err := b.send(other); !errors.Is(err, kerr.UnreleasedInstanceID) {
			t.Errorf("while it is there: %v", err)
		}
		gone := one.request()
		gone.MemberEpoch, gone.InstanceID = leftStatic, &instance
		if _, err := b.send(gone); err != nil {
			t.Fatal(err)
		}
		b.reopen()
		back := b.thread("other", "p1")
		r = back.request()
		r.InstanceID = &instance
		resp, err := b.send(r)
		if err != nil {
			t.Fatal(err)
		}
		back.got(resp)
		diff(t, "tasks", back.active, before)
		again := gone
		again.MemberEpoch = 5
		again.Topology = nil
		if _, err := b.send(again); !errors.Is(err, kerr.FencedInstanceID) {
			t.Errorf("the old one: %v", err)
		}
	})
}

func TestStreamsEndpointsAreTold(t *testing.T) {
	streamsBubble(t, func(t *testing.T, b *streamsBench) {
		b.topic("t", 2)
		one, two := b.thread("one", "p1"), b.thread("two", "p2")
		r := one.request()
		r.UserEndpoint = &kmsg.StreamsGroupHeartbeatRequestUserEndpoint{Host: "h", Port: 80}
		resp, err := b.send(r)
		if err != nil {
			t.Fatal(err)
		}
		one.got(resp)
		rest(one, two)
		told := two.must()
		if told.EndpointInformationEpoch == 0 || len(told.PartitionsByUserEndpoint) != 1 || told.PartitionsByUserEndpoint[0].UserEndpoint.Port != 80 {
			t.Fatalf("%+v", told)
		}
		n := 0
		for _, p := range told.PartitionsByUserEndpoint[0].ActivePartitions {
			n += len(p.Partitions)
		}
		if n != len(one.active) {
			t.Errorf("%d partitions of %d tasks", n, len(one.active))
		}
		r = two.request()
		r.EndpointInformationEpoch = told.EndpointInformationEpoch
		if told, err = b.send(r); err != nil || told.PartitionsByUserEndpoint != nil {
			t.Errorf("told again: %+v %v", told, err)
		}
	})
}

// Commits of a member that has not heard of its new epoch count for tasks that it had already.
func TestStreamsCommits(t *testing.T) {
	streamsBubble(t, func(t *testing.T, b *streamsBench) {
		b.topic("t", 2)
		one := b.thread("one", "p1")
		rest(one)
		commit := func(epoch int32, topic string, p int32) error {
			return b.commit(Commit{Version: 9, Group: "g", Member: "one", Generation: epoch, Offsets: []Offset{{Topic: topic, Partition: p, Offset: 5}}}).within(t, time.Second)
		}
		b.wantErr(commit(one.epoch, "t", 0), nil)
		b.wantErr(commit(one.epoch+1, "t", 0), kerr.StaleMemberEpoch)
		before := one.epoch
		two := b.thread("two", "p2")
		rest(one, two)
		kept := sortedTasks(one.active)[0]
		for task := range one.active {
			if task.subtopology == "0" {
				kept = task
			}
		}
		if kept.subtopology == "0" {
			b.wantErr(commit(before, "t", kept.partition), nil)
		}
		for task := range two.active {
			if task.subtopology == "0" {
				b.wantErr(commit(before, "t", task.partition), kerr.StaleMemberEpoch)
			}
		}
		if err := b.commit(Commit{Version: 9, Group: "g", Member: "x", Generation: 3, Offsets: []Offset{{Topic: "t"}}}).within(t, time.Second); !errors.Is(err, kerr.UnknownMemberID) {
			t.Error(err)
		}
		del := func() error {
			a := make(answer[error], 1)
			b.do(func(s *state) { s.deleteGroup("g", func(err error) { a <- err }) })
			return a.within(t, time.Second)
		}
		b.wantErr(del(), kerr.NonEmptyGroup)
		for _, c := range []*thread{one, two} {
			r := c.request()
			r.MemberEpoch = leaves
			if _, err := b.send(r); err != nil {
				t.Fatal(err)
			}
		}
		b.wantErr(del(), nil)
		b.reopen()
		b.do(func(s *state) {
			if len(s.groups) != 0 {
				t.Error("the group is there after its deletion")
			}
		})
	})
}

func (s *state) dumpStreams() map[string]any {
	out := map[string]any{}
	for id, found := range s.groups {
		g, ok := found.kind.(*streams)
		if !ok {
			continue
		}
		out[id] = fmt.Sprint(g.epoch, g.assignmentEpoch, g.assignedAtMs, g.hash, g.validated, g.stored, g.configs, g.static, len(g.target))
		if g.topology != nil {
			out[id+" topology"] = string(g.topology.encoded)
		}
		for _, m := range g.members {
			target := newTasks()
			if g.target[m.id] != nil {
				target = g.target[m.id]
			}
			out[id+" member "+m.id] = fmt.Sprint(m.instance, m.rack, m.clientID, m.clientHost, m.process, m.rebalanceTimeout, m.topologyEpoch, m.endpoint, m.tags, m.epoch,
				m.previous, m.state, m.assigned, m.revoking, target.active, target.standby)
		}
		for t, holder := range g.held.active {
			out[id+" held "+fmt.Sprint(t)] = holder
		}
		for t, ids := range g.held.standby {
			out[id+" kept "+fmt.Sprint(t)] = slices.Sorted(slices.Values(ids))
		}
	}
	return out
}

// Whatever members, coordinators and topics do, no task is active twice, no process has a task twice, a coordinator that reads its log knows what the
// one before knew, and when all is quiet every task is run.
func TestNoTaskHasTwoOwners(t *testing.T) {
	for seed := range uint64(*seeds) {
		streamsBubble(t, func(t *testing.T, b *streamsBench) {
			r := rand.New(rand.NewPCG(seed, 1071))
			b.topic("t", int32(1+r.IntN(8)))
			b.topic("g-repartition", b.partitions["t"])
			b.topic("g-changelog", b.partitions["t"])
			b.configs["streams.num.standby.replicas"] = fmt.Sprint(r.IntN(3))
			if seed%2 == 1 { // with the delays that there usually are
				delete(b.configs, "streams.initial.rebalance.delay.ms")
				delete(b.configs, "streams.assignment.interval.ms")
			}
			threads, made := map[string]*thread{}, 0
			check := func(what string) {
				t.Helper()
				known := map[string]bool{}
				b.do(func(s *state) {
					if g := s.streams("g"); g != nil {
						for id := range g.members {
							known[id] = true
						}
					}
				})
				owner, in := map[taskID]string{}, map[string]string{}
				for id, c := range threads {
					if !known[id] { // it was removed, and knows that by its own clock
						continue
					}
					for task := range c.active {
						if other := owner[task]; other != "" {
							t.Fatalf("seed %d: after %s %v is run by %s and %s", seed, what, task, other, id)
						}
						owner[task] = id
					}
					for task := range maps.Clone(c.standby) {
						key := fmt.Sprint(c.process, task)
						if other := in[key]; other != "" {
							t.Fatalf("seed %d: after %s %v is kept by %s and %s of one process", seed, what, task, other, id)
						}
						in[key] = id
					}
				}
				for task, id := range owner {
					if other := in[fmt.Sprint(threads[id].process, task)]; other != "" && other != id {
						t.Fatalf("seed %d: after %s %v is run by %s and kept by %s of one process", seed, what, task, id, other)
					}
				}
			}
			pick := func() *thread {
				ids := slices.Sorted(maps.Keys(threads))
				if len(ids) == 0 {
					return nil
				}
				return threads[ids[r.IntN(len(ids))]]
			}
			join := func() {
				made++
				c := b.thread(fmt.Sprint("m", made), fmt.Sprint("p", r.IntN(3)))
				c.must()
				threads[c.id] = c
			}
			beat := func(c *thread, lose bool) {
				req := c.request()
				resp, err := b.send(req)
				switch {
				case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.FencedMemberEpoch), errors.Is(err, kerr.GroupIDNotFound):
					delete(threads, c.id)
				case err != nil:
					t.Fatalf("seed %d: heartbeat: %v", seed, err)
				case !lose:
					c.got(resp)
				}
			}
			for range 150 {
				what := "heartbeat"
				switch n := r.IntN(100); {
				case n < 10 && len(threads) < 6 || len(threads) == 0:
					join()
					what = "join"
				case n < 16 && len(threads) > 1:
					c := pick()
					req := c.request()
					req.MemberEpoch, req.Topology = leaves, nil
					_, _ = b.send(req)
					delete(threads, c.id)
					what = "leave"
				case n < 20 && len(threads) > 1:
					delete(threads, pick().id)
					what = "death"
				case n < 25:
					before, after := b.leave((*state).dumpStreams), map[string]any(nil)
					b.reopen()
					b.do(func(s *state) { after = s.dumpStreams() })
					diff(t, fmt.Sprintf("seed %d: replay", seed), after, before)
					what = "restart"
				case n < 28:
					b.configs["streams.num.standby.replicas"] = fmt.Sprint(r.IntN(3))
					what = "configs"
				case n < 40:
					time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
					what = "time"
				default:
					beat(pick(), r.IntN(5) == 0)
				}
				check(what)
			}
			for range 150 {
				time.Sleep(500 * time.Millisecond)
				for _, id := range slices.Sorted(maps.Keys(threads)) {
					beat(threads[id], false)
					check("the end")
				}
				if len(threads) == 0 {
					join()
				}
			}
			total := 0
			for _, c := range threads {
				total += len(c.active)
			}
			if total != 2*int(b.partitions["t"]) {
				t.Fatalf("seed %d: %d of %d tasks are run by %d members", seed, total, 2*b.partitions["t"], len(threads))
			}
			b.do(func(s *state) {
				if got := s.streams("g").stateName(); got != "Stable" {
					t.Fatalf("seed %d: the group is %s", seed, got)
				}
			})
		})
	}
}

// What the assignor gives out is complete, even, and stays where it was when nothing changes.
func TestStickyTasks(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := streamsSpec{standbys: r.IntN(3)}
		total, stateful := 0, 0
		for i := range 1 + r.IntN(3) {
			sub := streamsSpecSubtopology{id: fmt.Sprint(i), tasks: int32(1 + r.IntN(10)), stateful: r.IntN(2) == 0}
			s.subtopologies = append(s.subtopologies, sub)
			if total += int(sub.tasks); sub.stateful {
				stateful += int(sub.tasks)
			}
		}
		for i := range 1 + r.IntN(8) {
			s.members = append(s.members, streamsSpecMember{id: fmt.Sprint("m", i), process: fmt.Sprint("p", i)})
		}
		out := stickyTasks(s)
		look := func() {
			t.Helper()
			active, standby := map[taskID]bool{}, 0
			least, most := 1<<30, 0
			for id, a := range out {
				least, most = min(least, len(a.active)), max(most, len(a.active))
				for task := range a.active {
					if active[task] {
						t.Fatalf("seed %d: %v is active twice", seed, task)
					}
					active[task] = true
				}
				for task := range a.standby {
					if standby++; a.active[task] {
						t.Fatalf("seed %d: %s has %v twice", seed, id, task)
					}
				}
			}
			if len(active) != total || most-least > 1 {
				t.Fatalf("seed %d: %d of %d tasks, %d to %d each", seed, len(active), total, least, most)
			}
			if want := stateful * min(s.standbys, len(s.members)-1); standby != want {
				t.Fatalf("seed %d: %d standby tasks, want %d", seed, standby, want)
			}
		}
		look()
		for i := range s.members {
			s.members[i].current = out[s.members[i].id]
		}
		again := stickyTasks(s)
		for id, a := range out {
			if !maps.Equal(a.active, again[id].active) {
				t.Fatalf("seed %d: the active tasks of %s moved from %v to %v", seed, id, sortedTasks(a.active), sortedTasks(again[id].active))
			}
		}
		s.members = append(s.members, streamsSpecMember{id: "new", process: "new"})
		out = stickyTasks(s)
		look()
	}
}

func FuzzReplayStreams(f *testing.F) {
	g := newStreams(&group{id: "g"})
	top, err := newTopology(counting())
	if err != nil {
		f.Fatal(err)
	}
	g.topology, g.validated, g.configs, g.assignedAtMs = top, 1, map[string]string{"num.standby.replicas": "1"}, 7
	m := newStreamsMember("m")
	m.endpoint, m.tags = &kmsg.Endpoint{Host: "h", Port: 1}, map[string]string{"zone": "a"}
	m.assigned.active[taskID{"0", 1}], m.assigned.standby[taskID{"1", 0}], m.revoking.active[taskID{"0", 2}] = 3, true, 2
	for _, r := range []coordinator.Record{
		g.epochRecord(), g.memberRecord(m), g.targetEpochRecord(), g.targetRecord("m", &tasks{active: taskSet{{"0", 1}: true}, standby: taskSet{}}),
		g.currentRecord(m), g.topologyRecord(),
	} {
		f.Add(r.Key, r.Value)
		f.Add(r.Key, []byte(nil))
	}
	f.Fuzz(func(_ *testing.T, key, value []byte) {
		b := &bench{topics: map[string]metadata.TopicID{"t": testTopic}}
		s := newState(coordinator.NewShard(0, newMemLog(), coordinator.NewTimers()), &testSettings, b, &b.members, newMetrics(nil), discard())
		_ = s.Replay(key, value)
	})
}
