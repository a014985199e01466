package group

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/coordinator"
	"weir/kafka/partition"
	"weir/metadata"
)

// client is a member of a consumer group that does what it is told, when a test lets it.
type client struct {
	b     *bench
	id    string
	epoch int32
	owns  map[partitionID]bool
	told  assignment // the last assignment it got
	last  ConsumerBeatResult
	full  bool // an answer was lost: the next heartbeat says everything
}

func (b *bench) client(id string) *client { return &client{b: b, id: id, owns: map[partitionID]bool{}} }

func (b *bench) consumerBeat(q ConsumerBeat) answer[ConsumerBeatResult] {
	b.t.Helper()
	a := make(answer[ConsumerBeatResult], 1)
	if err := q.check(assignors()); err != nil {
		a <- ConsumerBeatResult{Err: err}
		return a
	}
	b.do(func(s *state) { s.consumerBeat(q, func(r ConsumerBeatResult) { a <- r }) })
	return a
}

func joinBeat(id string, topics ...string) ConsumerBeat {
	return ConsumerBeat{
		Version: 1, Group: "g", Member: id, RebalanceTimeout: 30 * time.Second, Topics: topics, Owned: map[metadata.TopicID][]int32{},
		ClientID: "client", ClientHost: "/127.0.0.1",
	}
}

// owned is what the client reports.
func (c *client) owned() map[metadata.TopicID][]int32 {
	out := map[metadata.TopicID][]int32{}
	for p := range c.owns {
		out[p.topic] = append(out[p.topic], p.partition)
	}
	return out
}

// got takes over an answer: partitions that it may not have any more it gives up at once.
func (c *client) got(r ConsumerBeatResult) {
	c.last = r
	if r.Err != nil {
		return
	}
	c.epoch = r.Epoch
	if r.Assignment != nil {
		c.told = r.Assignment
		clear(c.owns)
		for t, ps := range r.Assignment {
			for _, p := range ps {
				c.owns[partitionID{t, p}] = true
			}
		}
	}
}

func (c *client) join(topics ...string) *client {
	c.b.t.Helper()
	c.got(c.b.consumerBeat(joinBeat(c.id, topics...)).within(c.b.t, time.Second))
	c.b.wantErr(c.last.Err, nil)
	return c
}

// request is a heartbeat that reports what it has.
func (c *client) request() ConsumerBeat {
	q := ConsumerBeat{Version: 1, Group: "g", Member: c.id, Epoch: c.epoch, RebalanceTimeout: -1, Owned: c.owned()}
	if c.full {
		q.RebalanceTimeout, q.Topics = 30*time.Second, []string{"t"}
	}
	return q
}

func (c *client) beat() error {
	c.b.t.Helper()
	c.got(c.b.consumerBeat(c.request()).within(c.b.t, time.Second))
	c.full = false
	return c.last.Err
}

func (c *client) leave(epoch int32, instance *string) error {
	c.b.t.Helper()
	return c.b.consumerBeat(ConsumerBeat{Version: 1, Group: "g", Member: c.id, Epoch: epoch, Instance: instance, RebalanceTimeout: -1}).within(c.b.t, time.Second).Err
}

// settle lets the clients send heartbeats until nothing changes any more.
func settle(t *testing.T, cs ...*client) {
	t.Helper()
	for range 30 {
		time.Sleep(110 * time.Millisecond) // longer than the pause between assignments
		before := ""
		for _, c := range cs {
			before += fmt.Sprint(c.epoch, c.owned())
		}
		after := ""
		for _, c := range cs {
			if err := c.beat(); err != nil {
				t.Fatalf("%s: %v", c.id, err)
			}
			after += fmt.Sprint(c.epoch, c.owned())
		}
		if before == after {
			return
		}
	}
	t.Fatal("the group does not settle")
}

// counts is how many partitions the clients have.
func counts(cs ...*client) []int {
	var out []int
	for _, c := range cs {
		out = append(out, len(c.owns))
	}
	return out
}

func (b *bench) wantIs(err, want error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Fatalf("got %v, want %v", err, want)
	}
}

// consumerState is what clients see of the group.
func (b *bench) consumerState() string {
	b.t.Helper()
	out := "none"
	b.do(func(s *state) {
		if g := s.groups["g"]; g != nil {
			out = g.kind.name() + " " + g.stateName()
		}
	})
	return out
}

func (b *bench) topic(name string, partitions int32) metadata.TopicID {
	if b.partitions == nil {
		b.partitions = map[string]int32{}
	}
	if _, ok := b.topics[name]; !ok {
		b.topics[name] = metadata.NewTopicID()
	}
	b.partitions[name] = partitions
	return b.topics[name]
}

func TestMembersThatJoinTogetherShareAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 10)
		var answers []answer[ConsumerBeatResult]
		for i := range 10 {
			answers = append(answers, b.consumerBeat(joinBeat(fmt.Sprint("m", i), "t")))
			time.Sleep(4 * time.Millisecond)
		}
		for _, a := range answers {
			r := a.within(t, 200*time.Millisecond)
			if r.Err != nil || r.Epoch != 10 || len(r.Assignment[b.topics["t"]]) != 1 {
				t.Errorf("got %+v", r)
			}
		}
		if got := b.consumerState(); got != "consumer Stable" {
			t.Errorf("the group is %s", got)
		}
	})
}

func TestNewcomerGetsItsShareWhenOthersGaveItUp(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 6)
		one := b.client("one").join("t")
		if got := counts(one); got[0] != 6 {
			t.Fatalf("alone it has %v", got)
		}
		time.Sleep(time.Second)
		two := b.client("two").join("t")
		if len(two.owns) != 0 || two.last.Interval != awaitBeat {
			t.Errorf("got %+v although nobody gave anything up", two.last)
		}
		if got := b.consumerState(); got != "consumer Reconciling" {
			t.Errorf("the group is %s", got)
		}
		// It is told, but has not confirmed: the other one has nothing yet.
		r := b.consumerBeat(ConsumerBeat{Version: 1, Group: "g", Member: "one", Epoch: one.epoch, RebalanceTimeout: -1}).within(t, time.Second)
		if r.Epoch != one.epoch || r.Assignment == nil || len(r.Assignment[b.topics["t"]]) != 3 {
			t.Errorf("got %+v", r)
		}
		b.wantErr(two.beat(), nil)
		if len(two.owns) != 0 {
			t.Error("two members have a partition")
		}
		one.got(r)
		b.wantErr(one.beat(), nil)
		b.wantErr(two.beat(), nil)
		diff(t, "counts", counts(one, two), []int{3, 3})
		if got := b.consumerState(); got != "consumer Stable" {
			t.Errorf("the group is %s", got)
		}
		b.wantErr(two.leave(-1, nil), nil)
		settle(t, one)
		diff(t, "counts", counts(one), []int{6})
		b.wantIs(two.beat(), kerr.UnknownMemberID)
	})
}

func TestMemberThatDoesNotGiveUpIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 4)
		one := b.client("one").join("t")
		time.Sleep(time.Second)
		two := b.client("two").join("t")
		keeps := one.owned()
		beat := func() error {
			return b.consumerBeat(ConsumerBeat{Version: 1, Group: "g", Member: "one", Epoch: one.epoch, RebalanceTimeout: -1, Owned: keeps}).within(t, time.Second).Err
		}
		for range 29 {
			b.wantErr(beat(), nil)
			b.wantErr(two.beat(), nil)
			time.Sleep(time.Second)
		}
		if len(two.owns) != 0 {
			t.Fatal("two members have a partition")
		}
		time.Sleep(2 * time.Second)
		b.wantIs(beat(), kerr.UnknownMemberID)
		settle(t, two)
		diff(t, "counts", counts(two), []int{4})
	})
}

func TestSilentConsumerIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 4)
		one, two := b.client("one").join("t"), b.client("two").join("t")
		settle(t, one, two)
		for range 46 {
			time.Sleep(time.Second)
			b.wantErr(two.beat(), nil)
		}
		settle(t, two)
		diff(t, "counts", counts(two), []int{4})
		b.wantIs(one.beat(), kerr.UnknownMemberID)
	})
}

func TestMemberEpochsAreFenced(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 4)
		one := b.client("one").join("t")
		beat := func(epoch int32, owned map[metadata.TopicID][]int32) error {
			return b.consumerBeat(ConsumerBeat{Version: 1, Group: "g", Member: "one", Epoch: epoch, RebalanceTimeout: -1, Owned: owned}).within(t, time.Second).Err
		}
		b.wantIs(beat(one.epoch+1, nil), kerr.FencedMemberEpoch)
		b.wantErr(b.consumerBeat(joinBeat("one", "t")).within(t, time.Second).Err, nil) // its first answer was lost
		time.Sleep(time.Second)
		two := b.client("two").join("t")
		settle(t, one, two)
		b.wantIs(beat(one.epoch-1, nil), kerr.FencedMemberEpoch)
		b.wantErr(beat(one.epoch-1, one.owned()), nil)
		b.wantIs(b.consumerBeat(ConsumerBeat{Version: 1, Group: "g", Member: "x", Epoch: 5, RebalanceTimeout: -1}).now(t).Err, kerr.UnknownMemberID)
		b.wantIs(b.consumerBeat(ConsumerBeat{Version: 1, Group: "h", Member: "x", Epoch: 5, RebalanceTimeout: -1}).now(t).Err, kerr.GroupIDNotFound)

		commit := func(epoch int32, partition int32) error {
			return b.commit(Commit{Version: 9, Group: "g", Generation: epoch, Member: "one", Offsets: []Offset{{Topic: "t", TopicID: b.topics["t"], Partition: partition}}}).within(t, time.Second)
		}
		has := one.owned()[b.topics["t"]][0]
		b.wantErr(commit(one.epoch, has), nil)
		b.wantIs(commit(one.epoch+1, has), kerr.StaleMemberEpoch)
		b.wantErr(commit(one.epoch-1, has), nil) // KIP-1251: it has had it since then
		b.wantIs(commit(one.epoch-1, two.owned()[b.topics["t"]][0]), kerr.StaleMemberEpoch)
		old := Commit{Version: 8, Group: "g", Generation: one.epoch, Member: "one", Offsets: []Offset{{Topic: "t"}}}
		b.wantIs(b.commit(old).within(t, time.Second), kerr.UnsupportedVersion)
		b.do(func(s *state) {
			id := "one"
			b.wantIs(s.groups["g"].kind.mayFetch(&id, one.epoch-1), kerr.StaleMemberEpoch)
			b.wantErr(s.groups["g"].kind.mayFetch(&id, one.epoch), nil)
			b.wantErr(s.groups["g"].kind.mayFetch(nil, -1), nil)
		})
	})
}

func TestStaticConsumerComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 4)
		i := "i"
		join := func(id string) ConsumerBeatResult {
			q := joinBeat(id, "t")
			q.Instance = &i
			return b.consumerBeat(q).within(t, time.Second)
		}
		one := b.client("one")
		one.got(join("one"))
		two := b.client("two").join("t")
		settle(t, one, two)
		had, epoch := one.owned(), two.epoch

		b.wantIs(join("again").Err, kerr.UnreleasedInstanceID)
		b.wantErr(one.leave(-2, &i), nil)
		b.wantErr(two.beat(), nil)
		if two.epoch != epoch || len(two.owns) != 2 {
			t.Errorf("a static member that leaves for a while changed the group: %+v", two.last)
		}
		r := join("again")
		if r.Err != nil || r.Epoch != epoch {
			t.Errorf("got %+v", r)
		}
		diff(t, "its partitions", len(r.Assignment[b.topics["t"]]), len(had[b.topics["t"]]))
		q := ConsumerBeat{Version: 1, Group: "g", Member: "one", Epoch: epoch, Instance: &i, RebalanceTimeout: -1}
		b.wantIs(b.consumerBeat(q).now(t).Err, kerr.FencedInstanceID)
		unknown := "x"
		q.Instance = &unknown
		b.wantIs(b.consumerBeat(q).now(t).Err, kerr.UnknownMemberID)
	})
}

func TestHeartbeatsThatAreNotValid(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		empty, bad, regex := " ", "best", "(a"
		tests := map[string]struct {
			change func(*ConsumerBeat)
			want   error
		}{
			"no group":              {func(q *ConsumerBeat) { q.Group = "" }, kerr.InvalidRequest},
			"no member":             {func(q *ConsumerBeat) { q.Member = "" }, kerr.InvalidRequest},
			"empty instance":        {func(q *ConsumerBeat) { q.Instance = &empty }, kerr.InvalidRequest},
			"empty rack":            {func(q *ConsumerBeat) { q.Rack = &empty }, kerr.InvalidRequest},
			"no rebalance timeout":  {func(q *ConsumerBeat) { q.RebalanceTimeout = -1 }, kerr.InvalidRequest},
			"joins with partitions": {func(q *ConsumerBeat) { q.Owned = map[metadata.TopicID][]int32{{1}: {1}} }, kerr.InvalidRequest},
			"no partitions":         {func(q *ConsumerBeat) { q.Owned = nil }, kerr.InvalidRequest},
			"no topics":             {func(q *ConsumerBeat) { q.Topics = nil }, kerr.InvalidRequest},
			"epoch":                 {func(q *ConsumerBeat) { q.Epoch = -3 }, kerr.InvalidRequest},
			"static, no instance":   {func(q *ConsumerBeat) { q.Epoch = -2 }, kerr.InvalidRequest},
			"assignor":              {func(q *ConsumerBeat) { q.Assignor = &bad }, kerr.UnsupportedAssignor},
			"regex":                 {func(q *ConsumerBeat) { q.Regex = &regex }, kerr.InvalidRegularExpression},
			"leaves no group":       {func(q *ConsumerBeat) { q.Epoch = -1 }, kerr.GroupIDNotFound},
		}
		for name, tt := range tests {
			q := joinBeat("m", "t")
			tt.change(&q)
			if err := b.consumerBeat(q).now(t).Err; !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", name, err, tt.want)
			}
		}
		if got := b.consumerState(); got != "none" {
			t.Errorf("refused requests left a group that is %s", got)
		}
		b.state.settings.ConsumerSizeMax = 1
		b.client("one").join("t")
		b.wantIs(b.consumerBeat(joinBeat("two", "t")).now(t).Err, kerr.GroupMaxSizeReached)
	})
}

func TestRegexFollowsTopics(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("logs-1", 1)
		b.topic("xlogs-1", 1)
		q := joinBeat("one")
		expr := "logs-.*"
		q.Regex = &expr
		one := b.client("one")
		one.got(b.consumerBeat(q).within(t, time.Second))
		diff(t, "counts", counts(one), []int{1})
		changed := func(name string) {
			b.do(func(s *state) { s.topicsChanged([]string{name}) })
			settle(t, one)
		}
		b.topic("logs-2", 3)
		changed("logs-2")
		diff(t, "a topic more", counts(one), []int{4})
		b.topic("logs-2", 5)
		changed("logs-2")
		diff(t, "partitions more", counts(one), []int{6})
		delete(b.topics, "logs-1")
		changed("logs-1")
		diff(t, "a topic less", counts(one), []int{5})
		epoch := one.epoch
		b.topic("other", 1)
		changed("other")
		diff(t, "epoch after a topic that does not matter", one.epoch, epoch)

		// It becomes a subscription by name.
		q = joinBeat("one", "other")
		none := ""
		q.Epoch, q.Regex = one.epoch, &none
		one.got(b.consumerBeat(q).within(t, time.Second))
		settle(t, one)
		diff(t, "by name", counts(one), []int{1})
	})
}

// What a coordinator knows after it read its log is what the one before knew, and it goes on from there.
func TestConsumerGroupIsReplayed(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 5)
		b.topic("logs-1", 2)
		one, two := b.client("one"), b.client("two")
		q := joinBeat("one", "t")
		expr, rack, instance, assignor := "logs-.*", "r", "i", "range"
		q.Regex, q.Rack, q.Instance, q.Assignor = &expr, &rack, &instance, &assignor
		one.got(b.consumerBeat(q).within(t, time.Second))
		time.Sleep(time.Second)
		two.join("t") // one has not given up anything yet
		b.wantErr(b.consumerBeat(ConsumerBeat{Version: 1, Group: "g", Member: "one", Epoch: one.epoch, Instance: &instance, RebalanceTimeout: -1, Owned: one.owned()}).within(t, time.Second).Err, nil)
		before := b.dump()
		b.open(b.timers)
		diff(t, "after replay", b.dump(), before)
		one.instance(&instance)
		settle(t, one, two)
		diff(t, "counts", len(one.owns)+len(two.owns), 7)
	})
}

// instance makes later heartbeats harmless for a static member: they need not name it.
func (c *client) instance(*string) {}

// dump is all that a shard knows of its consumer groups.
func (b *bench) dump() (out map[string]any) {
	b.t.Helper()
	b.do(func(s *state) { out = s.dump() })
	return out
}

func (s *state) dump() map[string]any {
	out := map[string]any{}
	for id, g := range s.groups {
		k, ok := g.kind.(*consumer)
		if !ok {
			continue
		}
		out[id] = fmt.Sprint(k.epoch, k.assignmentEpoch, k.assignedAtMs, k.hash, k.stored, k.settledCount)
		out[id+" topics"] = maps.Clone(k.topics)
		out[id+" static"] = maps.Clone(k.static)
		held := map[string]string{}
		for p, m := range k.held {
			held[fmt.Sprintf("%x-%d", p.topic, p.partition)] = m
		}
		out[id+" held"] = held
		for expr, r := range k.regexes {
			out[id+" regex "+expr] = fmt.Sprint(r.users, r.topics, r.version, r.resolvedMs)
		}
		for _, m := range k.members {
			out[id+" member "+m.id] = fmt.Sprint(m.instance, m.rack, m.clientID, m.clientHost, m.names, m.regex, m.rebalanceTimeout, m.assignor,
				m.epoch, m.previous, m.state, m.assigned, m.revoking, m.settled, k.target[m.id])
			if m.classic != nil {
				out[id+" classic "+m.id] = fmt.Sprint(m.classic.sessionTimeout, m.classic.protocols)
			}
		}
	}
	return out
}

func TestEmptyConsumerGroupIsDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		one := b.client("one").join("t")
		del := func() error {
			a := make(answer[error], 1)
			b.do(func(s *state) { s.deleteGroup("g", func(err error) { a <- err }) })
			return a.within(t, time.Second)
		}
		b.wantIs(del(), kerr.NonEmptyGroup)
		b.wantErr(one.leave(-1, nil), nil)
		if got := b.consumerState(); got != "consumer Empty" {
			t.Errorf("the group is %s", got)
		}
		b.open(b.timers)
		if got := b.consumerState(); got != "consumer Empty" {
			t.Errorf("replayed the group is %s", got)
		}
		b.wantErr(del(), nil)
		b.open(b.timers)
		if got := b.consumerState(); got != "none" {
			t.Errorf("deleted and replayed the group is %s", got)
		}
	})
}

// A change that is not durable was never told to anyone, and the shard is loaded again.
func TestFailedAppendReloadsTheShard(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		one := b.client("one").join("t")
		b.log.failWith(kerr.KafkaStorageError)
		b.wantIs(one.leave(-1, nil), kerr.NotCoordinator)
		if err := b.shard.Locked(func() {}); !errors.Is(err, kerr.CoordinatorLoadInProgress) {
			t.Errorf("the shard says %v", err)
		}
		b.log.failWith(nil)
		b.open(b.timers)
		b.wantErr(one.beat(), nil)
	})
}

func TestOffsetsOfConsumerGroupsExpire(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 1)
		b.topic("old", 1)
		one := b.client("one").join("t")
		for _, topic := range []string{"t", "old"} {
			c := Commit{Version: 10, Group: "g", Member: "one", Generation: one.epoch, Offsets: []Offset{{Topic: topic, TopicID: b.topics[topic], Offset: 1}}}
			b.wantErr(b.commit(c).within(t, time.Second), nil)
		}
		for range 8 * 24 * 60 * 2 {
			time.Sleep(30 * time.Second)
			if err := one.beat(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		diff(t, "only what is subscribed to", b.fetch("g"), map[string]int64{"t-0": 1})
	})
}

func FuzzReplayConsumer(f *testing.F) {
	m := newModernMember("m")
	m.instance, m.names, m.regex = "i", []string{"t"}, "t.*"
	m.classic = &classicSupport{sessionTimeout: time.Second, protocols: []Protocol{{Name: "range", Metadata: []byte("x")}}}
	m.assigned.add(partitionID{testTopic, 1}, 3)
	form := consumerFormat()
	for _, r := range []coordinator.Record{
		form.memberRecord("g", m), form.currentRecord("g", m), form.targetRecord("g", "m", m.assigned.plain()),
		regexRecord("g", "t.*", &resolved{topics: []string{"t"}}),
	} {
		f.Add(r.Key, r.Value)
		f.Add(r.Key, []byte(nil))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		b := &bench{t: nil, topics: map[string]metadata.TopicID{"t": testTopic}}
		s := newState(coordinator.NewShard(0, newMemLog(), coordinator.NewTimers()), &testSettings, b, &b.members, newMetrics(nil), discard())
		_ = s.Replay(key, value)
	})
}

// subscription is a classic consumer's embedded subscription to topic t.
func subscription(owned ...int32) []byte {
	sub := kmsg.NewConsumerMemberMetadata()
	sub.Version, sub.Topics = 1, []string{"t"}
	if len(owned) > 0 {
		sub.OwnedPartitions = []kmsg.ConsumerMemberMetadataOwnedPartition{{Topic: "t", Partitions: owned}}
	}
	return sub.AppendTo(nil)
}

func embedded(t *testing.T, b []byte) []int32 {
	t.Helper()
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	var out []int32
	for _, topic := range a.Topics {
		out = append(out, topic.Partitions...)
	}
	return out
}

// A group goes up with its classic members' assignments when the first member with the new protocol joins, and down when the last one leaves
// (KIP-848); offsets stay, and a coordinator that takes over in between goes on.
func TestGroupIsUpgradedAndDowngraded(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.topic("t", 4)
		old := func(id string, owned ...int32) Join {
			j := request(id)
			j.Protocols = []Protocol{{Name: "cooperative-sticky", Metadata: subscription(owned...)}}
			return j
		}
		id := b.join(old("")).now(t).Member
		r := b.join(old(id)).within(t, time.Second)
		b.wantErr(r.Err, nil)
		all := kmsg.NewConsumerMemberAssignment()
		all.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "t", Partitions: []int32{0, 1, 2, 3}}}
		b.wantErr(b.sync(r.Generation, id, map[string][]byte{id: all.AppendTo(nil)}).within(t, time.Second).Err, nil)
		b.wantErr(b.commit(Commit{Group: "g", Generation: 1, Member: id, Offsets: []Offset{{Topic: "t", TopicID: b.topics["t"], Offset: 7}}}).within(t, time.Second), nil)

		fresh := b.client("new").join("t")
		if got := b.consumerState(); got != "consumer Reconciling" || len(fresh.owns) != 0 {
			t.Fatalf("the group is %s, the new member has %v", got, fresh.owns)
		}
		diff(t, "offsets", b.fetch("g"), map[string]int64{"t-0": 7})
		b.open(b.timers)
		b.wantErr(b.beat(1, id), kerr.RebalanceInProgress)
		r = b.join(old(id, 0, 1, 2, 3)).within(t, time.Second)
		b.wantErr(r.Err, nil)
		s := b.sync(r.Generation, id, nil).within(t, time.Second)
		b.wantErr(s.Err, nil)
		keeps := embedded(t, s.Assignment)
		diff(t, "it keeps", len(keeps), 2)
		b.wantErr(fresh.beat(), nil)
		if len(fresh.owns) != 0 {
			t.Fatal("the new member has partitions that the old one did not confirm to have given up")
		}
		b.wantErr(b.beat(r.Generation, id), kerr.RebalanceInProgress)
		r = b.join(old(id, keeps...)).within(t, time.Second)
		b.wantErr(b.sync(r.Generation, id, nil).within(t, time.Second).Err, nil)
		b.wantErr(fresh.beat(), nil)
		diff(t, "the new member", len(fresh.owns), 2)
		b.wantErr(b.beat(r.Generation, id), nil)
		b.wantErr(b.commit(Commit{Group: "g", Generation: r.Generation, Member: id, Offsets: []Offset{{Topic: "t", TopicID: b.topics["t"], Offset: 9}}}).within(t, time.Second), nil)
		b.wantErr(b.beat(r.Generation+1, id), kerr.IllegalGeneration)

		b.wantErr(fresh.leave(-1, nil), nil)
		b.open(b.timers)
		if got := b.consumerState(); got != "classic Stable" && got != "classic PreparingRebalance" {
			t.Fatalf("the group is %s", got)
		}
		diff(t, "offsets", b.fetch("g"), map[string]int64{"t-0": 9})
		r = b.join(old(id, keeps...)).within(t, 61*time.Second)
		if r.Err != nil || r.Leader != id {
			t.Errorf("got %+v", r)
		}
	})
}

func TestUpgradeCanBeForbidden(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.state.settings.Migration = "downgrade"
		b.form(1)
		b.wantIs(b.consumerBeat(joinBeat("new", "t")).now(t).Err, kerr.GroupIDNotFound)
		b.want("Stable generation 1 members 1")
	})
}

// Each of n members joins, and the group settles. What a join costs must not grow with the members that are there.
func BenchmarkJoin(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint("members=", n), func(b *testing.B) {
			for b.Loop() {
				joinAll(b, n)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/member")
		})
	}
}

// instant is a log whose appends are durable when they return.
type instant struct {
	memLog
	queued []func()
	bytes  int
}

func (l *instant) Append(a partition.Append, done func(partition.Appended, error)) error {
	l.bytes += len(a.Batches)
	l.queued = append(l.queued, func() { done(partition.Appended{}, nil) })
	return nil
}

func joinAll(b *testing.B, n int) {
	l := &instant{}
	c := &bench{topics: map[string]metadata.TopicID{}, partitions: map[string]int32{}}
	c.topic("t", int32(n))
	timers := coordinator.NewTimers()
	settings := testSettings
	shard := coordinator.NewShard(0, l, timers)
	s := newState(shard, &settings, c, &c.members, newMetrics(nil), discard())
	ids := make([]string, n)
	epochs := make([]int32, n)
	drain := func() {
		for len(l.queued) > 0 {
			q := l.queued
			l.queued = nil
			for _, fn := range q {
				fn()
			}
		}
	}
	beat := func(i int, q ConsumerBeat) {
		_ = shard.Locked(func() {
			s.consumerBeat(q, func(r ConsumerBeatResult) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
				epochs[i] = r.Epoch
			})
		})
		drain()
	}
	for i := range ids {
		ids[i] = fmt.Sprintf("member-%04d", i)
		beat(i, joinBeat(ids[i], "t"))
		if i%50 == 49 { // as many as join within the pause between two assignments
			_ = shard.Locked(func() { g := s.consumer("g"); g.assignNow(); g.flush(g.logFailure) })
			drain()
		}
	}
	for range 3 {
		for i, id := range ids {
			beat(i, ConsumerBeat{Version: 1, Group: "g", Member: id, Epoch: epochs[i], RebalanceTimeout: -1, Owned: map[metadata.TopicID][]int32{}})
		}
	}
	_ = shard.Locked(func() {
		if g := s.consumer("g"); g.settledCount != n {
			b.Fatalf("%d of %d members are settled", g.settledCount, n)
		}
	})
	b.ReportMetric(float64(l.bytes)/float64(n), "log-B/member")
}
