package topic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/internal/leak"
	"weir/kafka/image"
	"weir/metadata"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

const cluster = "c1"

// start returns an Admin over a memory store with n registered brokers in as many racks.
func start(t *testing.T, n int, props map[string]string) (*Admin, *metadata.Mem) {
	t.Helper()
	store := metadata.NewMem()
	var rev metadata.Revision
	for i := range n {
		id := metadata.BrokerID(i + 1)
		s := metadata.Session{Broker: id, Rack: fmt.Sprint("az", i+1), Ready: true}
		var err error
		if rev, err = store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(metadata.SessionKey(cluster, id), metadata.Encode(s))}}); err != nil {
			t.Fatal(err)
		}
	}
	live := image.New(store, cluster)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = live.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = store.Close()
	})
	if _, err := live.Await(ctx, rev); err != nil {
		t.Fatal(err)
	}
	return New(Config{Cluster: cluster, Broker: 1, Properties: props}, Deps{Store: store, Image: live, Log: slog.New(slog.DiscardHandler)}), store
}

func create(t *testing.T, a *Admin, nt NewTopic) metadata.Topic {
	t.Helper()
	c := a.Create(t.Context(), []NewTopic{nt}, false)
	if c[0].Err != nil {
		t.Fatal(c[0].Err)
	}
	return c[0].Topic
}

func wantFault(t *testing.T, err error, code *kerr.Error, text string) {
	t.Helper()
	var f *Fault
	if !errors.As(err, &f) || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want %s with %q", err, code.Message, text)
	}
}

func TestCreateSpreadsAndIsSeenAtOnce(t *testing.T) {
	a, _ := start(t, 3, map[string]string{"num.partitions": "6", "default.replication.factor": "3"})
	create(t, a, NewTopic{Name: "orders", Partitions: -1, Replication: -1, Configs: map[string]string{"retention.ms": "5"}})
	got, ok := a.image.Current().Topic("orders")
	if !ok || len(got.Partitions) != 6 || got.Configs["retention.ms"] != "5" {
		t.Fatalf("the image shows %+v", got)
	}
	leaders := map[metadata.BrokerID]int{}
	for _, p := range got.Partitions {
		leaders[p.Leader]++
		if len(p.Replicas) != 3 || p.Replicas[0] != p.Leader {
			t.Errorf("partition %+v", p)
		}
	}
	if want := map[metadata.BrokerID]int{1: 2, 2: 2, 3: 2}; !cmp.Equal(leaders, want) {
		t.Errorf("leaders: got %v, want %v", leaders, want)
	}
	for i := range 3 {
		create(t, a, NewTopic{Name: fmt.Sprint("one-", i), Partitions: 1, Replication: 1})
		tp, _ := a.image.Current().Topic(fmt.Sprint("one-", i))
		leaders[tp.Partitions[0].Leader]++
	}
	if want := map[metadata.BrokerID]int{1: 3, 2: 3, 3: 3}; !cmp.Equal(leaders, want) {
		t.Errorf("single partitions do not go round: %v", leaders)
	}
}

func TestCreateRefusals(t *testing.T) {
	a, _ := start(t, 3, nil)
	create(t, a, NewTopic{Name: "a.b", Partitions: 1, Replication: 1})
	type ids = [][]metadata.BrokerID
	tests := []struct {
		nt   NewTopic
		code *kerr.Error
		text string
	}{
		{NewTopic{Name: "a.b", Partitions: 1, Replication: 1}, kerr.TopicAlreadyExists, "Topic 'a.b' already exists."},
		{NewTopic{Name: "a_b", Partitions: 1, Replication: 1}, kerr.InvalidTopicException, "collides with existing topic: a.b"},
		{NewTopic{Name: "", Partitions: 1, Replication: 1}, kerr.InvalidTopicException, "empty string"},
		{NewTopic{Name: "a b", Partitions: 1, Replication: 1}, kerr.InvalidTopicException, "other than ASCII"},
		{NewTopic{Name: strings.Repeat("x", 250), Partitions: 1, Replication: 1}, kerr.InvalidTopicException, "longer than"},
		{NewTopic{Name: "x", Partitions: 0, Replication: 1}, kerr.InvalidPartitions, "non-positive"},
		{NewTopic{Name: "x", Partitions: 10_001, Replication: 1}, kerr.PolicyViolation, "Excessively"},
		{NewTopic{Name: "x", Partitions: 1, Replication: 0}, kerr.InvalidReplicationFactor, "larger than 0"},
		{NewTopic{Name: "x", Partitions: 1, Replication: 4}, kerr.InvalidReplicationFactor, "only 3 broker(s) are registered"},
		{NewTopic{Name: "x", Partitions: 1, Replication: 1, Configs: map[string]string{"nope": "1"}}, kerr.InvalidConfig, "Unknown topic config name: nope"},
		{NewTopic{Name: "x", Partitions: -1, Replication: -1, Replicas: ids{{1, 1}}}, kerr.InvalidReplicaAssignment, "more than once"},
		{NewTopic{Name: "x", Partitions: -1, Replication: -1, Replicas: ids{{9}}}, kerr.InvalidReplicaAssignment, "no such broker"},
		{NewTopic{Name: "x", Partitions: -1, Replication: -1, Replicas: ids{{1, 2}, {1}}}, kerr.InvalidReplicaAssignment, "not consistent"},
		{NewTopic{Name: "x", Partitions: 3, Replication: -1, Replicas: ids{{1}}}, kerr.InvalidRequest, "numPartitions"},
	}
	for _, tt := range tests {
		wantFault(t, a.Create(t.Context(), []NewTopic{tt.nt}, false)[0].Err, tt.code, tt.text)
	}
	if n := a.image.Current().TopicCount(); n != 1 {
		t.Errorf("%d topics exist, want 1", n)
	}
	c := a.Create(t.Context(), []NewTopic{{Name: "dry", Partitions: 2, Replication: 1}}, true)
	if c[0].Err != nil || c[0].Topic.Partitions != 2 || a.image.Current().TopicCount() != 1 {
		t.Errorf("validateOnly: %+v", c[0])
	}
}

func TestCreateManyInFewTransactions(t *testing.T) {
	a, store := start(t, 3, nil)
	var topics []NewTopic
	for i := range 1_000 {
		topics = append(topics, NewTopic{Name: fmt.Sprint("t", i), Partitions: 1, Replication: 3})
	}
	before := store.Revision()
	for _, c := range a.Create(t.Context(), topics, false) {
		if c.Err != nil {
			t.Fatal(c.Err)
		}
	}
	if n := store.Revision() - before; n != 2 {
		t.Errorf("took %d transactions, want 2", n)
	}
	if n := a.image.Current().TopicCount(); n != 1_000 {
		t.Errorf("%d topics", n)
	}
}

// A topic that another broker created between our look and our write costs only itself.
func TestCreateLosesARaceForOneName(t *testing.T) {
	a, store := start(t, 3, nil)
	other := metadata.Topic{Name: "b", ID: metadata.NewTopicID(), Partitions: 1}
	store.SetFault(func(metadata.Call) metadata.Fault {
		store.SetFault(nil)
		if _, err := store.Commit(context.Background(), metadata.Txn{Then: []metadata.Op{metadata.Put(metadata.TopicKey(cluster, "b"), metadata.Encode(other))}}); err != nil {
			t.Error(err)
		}
		return metadata.Fault{}
	})
	out := a.Create(t.Context(), []NewTopic{{Name: "a", Partitions: 1, Replication: 1}, {Name: "b", Partitions: 1, Replication: 1}, {Name: "c", Partitions: 1, Replication: 1}}, false)
	if out[0].Err != nil || out[2].Err != nil {
		t.Errorf("a: %v, c: %v", out[0].Err, out[2].Err)
	}
	wantFault(t, out[1].Err, kerr.TopicAlreadyExists, "'b'")
}

func TestDelete(t *testing.T) {
	a, store := start(t, 3, nil)
	one := create(t, a, NewTopic{Name: "one", Partitions: 300, Replication: 1})
	create(t, a, NewTopic{Name: "two", Partitions: 1, Replication: 1})
	out := a.Delete(t.Context(), []Ref{{ID: one.ID}, {Name: "two"}, {Name: "none"}, {ID: metadata.TopicID{1}}, {Name: image.ConsumerOffsets}})
	if out[0].Err != nil || out[0].Name != "one" || out[1].Err != nil {
		t.Errorf("got %+v", out)
	}
	wantFault(t, out[2].Err, kerr.UnknownTopicOrPartition, "")
	wantFault(t, out[3].Err, kerr.UnknownTopicID, "")
	wantFault(t, out[4].Err, kerr.InvalidRequest, "cannot be deleted")
	kvs, _, err := store.List(t.Context(), metadata.ClusterPrefix(cluster))
	if err != nil || len(kvs) != 3 { // the sessions
		t.Errorf("left behind: %v, %v", kvs, err)
	}
	if a.image.Current().TopicCount() != 0 {
		t.Error("the image still shows topics")
	}
}

func TestGrow(t *testing.T) {
	a, _ := start(t, 3, nil)
	create(t, a, NewTopic{Name: "g", Partitions: 250, Replication: 2})
	wantFault(t, a.Grow(t.Context(), Growth{Name: "g", Total: 250}, false), kerr.InvalidPartitions, "already has 250")
	wantFault(t, a.Grow(t.Context(), Growth{Name: "g", Total: 2}, false), kerr.InvalidPartitions, "would not be an increase")
	wantFault(t, a.Grow(t.Context(), Growth{Name: "none", Total: 2}, false), kerr.UnknownTopicOrPartition, "")
	if err := a.Grow(t.Context(), Growth{Name: "g", Total: 600}, true); err != nil {
		t.Error(err)
	}
	before, _ := a.image.Current().Topic("g")
	if err := a.Grow(t.Context(), Growth{Name: "g", Total: 600}, false); err != nil {
		t.Fatal(err)
	}
	after, _ := a.image.Current().Topic("g")
	if len(after.Partitions) != 600 || !cmp.Equal(after.Partitions[:250], before.Partitions) {
		t.Errorf("%d partitions, or the old ones changed", len(after.Partitions))
	}
	for i, p := range after.Partitions {
		if len(p.Replicas) != 2 {
			t.Fatalf("partition %d: %+v", i, p)
		}
	}
}

func TestAlterTopic(t *testing.T) {
	a, _ := start(t, 1, nil)
	create(t, a, NewTopic{Name: "c", Partitions: 1, Replication: 1, Configs: map[string]string{"retention.ms": "5", "segment.ms": "9"}})
	val := func(s string) *string { return &s }
	configs := func() map[string]string { tp, _ := a.image.Current().Topic("c"); return tp.Configs }
	if err := a.AlterTopic(t.Context(), "c", []ConfigOp{
		{"retention.ms", Set, val("6")}, {"segment.ms", Unset, nil}, {"cleanup.policy", Append, val("compact")},
	}, false, false); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"retention.ms": "6", "cleanup.policy": "delete,compact"}; !cmp.Equal(configs(), want) {
		t.Errorf("got %v", configs())
	}
	if err := a.AlterTopic(t.Context(), "c", []ConfigOp{{"cleanup.policy", Subtract, val("delete")}}, false, false); err != nil || configs()["cleanup.policy"] != "compact" {
		t.Errorf("%v, %v", err, configs())
	}
	wantFault(t, a.AlterTopic(t.Context(), "c", []ConfigOp{{"retention.ms", Set, val("x")}}, false, false), kerr.InvalidConfig, "Not a number")
	wantFault(t, a.AlterTopic(t.Context(), "c", []ConfigOp{{"retention.ms", Append, val("1")}}, false, false), kerr.InvalidConfig, "Can't APPEND to key retention.ms")
	wantFault(t, a.AlterTopic(t.Context(), "c", []ConfigOp{{"retention.ms", Set, nil}}, false, false), kerr.InvalidRequest, "Null value")
	wantFault(t, a.AlterTopic(t.Context(), "none", nil, false, false), kerr.UnknownTopicOrPartition, "")
	if err := a.AlterTopic(t.Context(), "c", []ConfigOp{{"retention.ms", Set, val("7")}}, true, false); err != nil || !cmp.Equal(configs(), map[string]string{"retention.ms": "7"}) {
		t.Errorf("replace: %v, %v", err, configs())
	}
}

func TestAlterBroker(t *testing.T) {
	a, _ := start(t, 1, map[string]string{"message.max.bytes": "100"})
	val := func(s string) *string { return &s }
	if err := a.AlterBroker(t.Context(), "", []ConfigOp{{"message.max.bytes", Set, val("200")}}, false, false); err != nil {
		t.Fatal(err)
	}
	if got := a.Layers().TopicInt("max.message.bytes"); got != 200 {
		t.Errorf("cluster default: %d", got)
	}
	if err := a.AlterBroker(t.Context(), "1", []ConfigOp{{"message.max.bytes", Set, val("300")}}, false, false); err != nil || a.Layers().TopicInt("max.message.bytes") != 300 {
		t.Errorf("broker: %v, %d", err, a.Layers().TopicInt("max.message.bytes"))
	}
	if err := a.AlterBroker(t.Context(), "1", []ConfigOp{{"message.max.bytes", Unset, nil}}, false, false); err != nil || a.Layers().TopicInt("max.message.bytes") != 200 {
		t.Errorf("unset: %v, %d", err, a.Layers().TopicInt("max.message.bytes"))
	}
	wantFault(t, a.AlterBroker(t.Context(), "1", []ConfigOp{{"num.partitions", Set, val("3")}}, false, false), kerr.InvalidRequest, "Cannot update these configs dynamically")
	wantFault(t, a.AlterBroker(t.Context(), "x", nil, false, false), kerr.InvalidRequest, "expected a number")
	wantFault(t, a.AlterBroker(t.Context(), "", []ConfigOp{{"message.max.bytes", Set, val("-3")}}, false, false), kerr.InvalidRequest, "at least 0")
}

func TestPlace(t *testing.T) {
	session := func(id int, rack string) metadata.Session {
		return metadata.Session{Broker: metadata.BrokerID(id), Rack: rack}
	}
	six := []metadata.Session{session(1, "a"), session(2, "a"), session(3, "b"), session(4, "b"), session(5, "c"), session(6, "c")}
	racks := map[metadata.BrokerID]string{}
	for _, s := range six {
		racks[s.Broker] = s.Rack
	}
	leaders := map[metadata.BrokerID]int{}
	for p, replicas := range place(six, 4, 600, 3) {
		leaders[replicas[0]]++
		seen := map[string]bool{}
		for _, r := range replicas {
			seen[racks[r]] = true
		}
		if len(replicas) != 3 || len(seen) != 3 {
			t.Fatalf("partition %d on %v: not in three racks", p, replicas)
		}
	}
	for b, n := range leaders {
		if n != 100 {
			t.Errorf("broker %d leads %d of 600", b, n)
		}
	}
	for factor := 1; factor <= 5; factor++ { // without racks, any factor up to all brokers
		five := []metadata.Session{session(1, ""), session(2, ""), session(3, ""), session(4, ""), session(5, "")}
		for _, replicas := range place(five, 3, 40, factor) {
			distinct := map[metadata.BrokerID]bool{}
			for _, r := range replicas {
				distinct[r] = true
			}
			if len(distinct) != factor {
				t.Fatalf("factor %d: %v", factor, replicas)
			}
		}
	}
	if got := place(six[:1], 7, 2, 1); !cmp.Equal(got, [][]metadata.BrokerID{{1}, {1}}) {
		t.Errorf("one broker: %v", got)
	}
}
