package kind

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"weir/kafka/image"
	"weir/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serverless(limits metadata.LimitsProfile) *Rules {
	return Of(&metadata.Settings{Kind: metadata.Serverless, Limits: limits})
}

func express(limits metadata.LimitsProfile) *Rules {
	return Of(&metadata.Settings{
		Kind: metadata.Express, Limits: limits, Broker: metadata.BrokerLimits{Partitions: 1500, IngressBytes: 15_600_000, EgressBytes: 31_200_000},
	})
}

// numbers are what rules limit, by name, without what they do not.
func numbers(r *Rules) map[string]float64 {
	all := map[string]float64{
		"replication": float64(r.Replication), "partitions of a broker": float64(r.BrokerPartitions), "partitions": float64(r.Partitions),
		"compacted": float64(r.Compacted), "changes": float64(r.Changes), "changes in": r.ChangesIn.Seconds(), "groups": float64(r.Groups),
		"connections": float64(r.Connections), "message": float64(r.MessageBytes), "fetch": float64(r.FetchBytes),
		"compacted bytes": float64(r.CompactedBytes), "cluster in": r.Cluster.In, "cluster out": r.Cluster.Out, "requests": r.Cluster.Requests,
		"attempts": r.Cluster.Attempts, "broker in": r.Broker.In, "broker out": r.Broker.Out, "partition in": r.PartitionIn,
		"partition out": r.PartitionOut, "topic requests": r.TopicRequests,
	}
	maps.DeleteFunc(all, func(_ string, v float64) bool { return v == 0 })
	return all
}

// Each kind under each profile has the numbers of the service's documentation, and no others.
func TestNumbersOfKinds(t *testing.T) {
	now := map[string]float64{
		"replication": 3, "cluster in": 200e6, "cluster out": 400e6, "requests": 15_000, "attempts": 100, "partition in": 5e6, "partition out": 10e6,
		"connections": 3000, "groups": 500, "message": 8 << 20, "fetch": 55e6, "topic requests": 2, "partitions": 2400, "compacted": 120,
		"changes": 250, "changes in": 300, "compacted bytes": 250e9,
	}
	before := maps.Clone(now)
	maps.Copy(before, map[string]float64{"connections": 1000, "partitions": 120, "changes": 120})
	tests := []struct {
		name string
		got  *Rules
		want map[string]float64
	}{
		{"no settings", Of(nil), map[string]float64{}},
		{"Standard", Of(&metadata.Settings{Kind: metadata.Standard}), map[string]float64{}},
		{"an unknown kind", Of(&metadata.Settings{Kind: "later"}), map[string]float64{}},
		{"Express", express(""), map[string]float64{
			"replication": 3, "partitions of a broker": 1500, "broker in": 15_600_000, "broker out": 31_200_000, "partition in": 15e6, "partition out": 15e6,
		}},
		{"Express, lifted", express(metadata.LimitsOff), map[string]float64{"replication": 3}},
		{"Serverless", serverless(""), now},
		{"Serverless of 2022", serverless(metadata.Limits2022), before},
		{"Serverless, lifted", serverless(metadata.LimitsOff), map[string]float64{"replication": 3}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, numbers(tt.got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if placed := strings.HasPrefix(tt.name, "Serverless"); tt.got.Placed != placed {
			t.Errorf("%s: placed is %v", tt.name, tt.got.Placed)
		}
	}
}

func TestRatesAreShared(t *testing.T) {
	r := Rates{In: 12, Out: 24, Requests: 6, Attempts: 3}
	for n, want := range map[int]Rates{0: r, -1: r, 1: r, 3: {In: 4, Out: 8, Requests: 2, Attempts: 1}} {
		if got := r.Per(n); got != want {
			t.Errorf("for %d brokers: %+v", n, got)
		}
	}
}

func TestCapReplication(t *testing.T) {
	tests := []struct {
		rules               *Rules
		want, brokers, gets int
	}{
		{Of(nil), 2, 9, 2},
		{Of(nil), 5, 3, 5}, // refused elsewhere
		{express(""), 1, 3, 3},
		{express(""), 5, 9, 3},
		{express(metadata.LimitsOff), 1, 2, 2},
		{serverless(""), 2, 1, 1},
		{serverless(""), 3, 0, 1},
	}
	for _, tt := range tests {
		if got := tt.rules.CapReplication(tt.want, tt.brokers); got != tt.gets {
			t.Errorf("%q: %d of %d brokers: %d, want %d", tt.rules.name, tt.want, tt.brokers, got, tt.gets)
		}
	}
}

func TestTopicConfigs(t *testing.T) {
	const old = "message.timestamp.difference.max.ms"
	for _, r := range []*Rules{Of(nil), express(metadata.LimitsOff), serverless(metadata.LimitsOff)} {
		if names := r.TopicConfigs(); names != nil {
			t.Errorf("%q: %v", r.name, names)
		}
		if got := r.Renamed(old); !slices.Equal(got, []string{old}) {
			t.Errorf("%q: %v", r.name, got)
		}
	}
	want := []string{"cleanup.policy", "compression.type", "max.message.bytes", old, "message.timestamp.type", "retention.bytes", "retention.ms"}
	r := serverless("")
	if diff := cmp.Diff(want, r.TopicConfigs()); diff != "" {
		t.Errorf("serverless (-want +got):\n%s", diff)
	}
	if got := r.Renamed(old); !slices.Equal(got, []string{"message.timestamp.before.max.ms", "message.timestamp.after.max.ms"}) {
		t.Errorf("renamed: %v", got)
	}
	if got := r.Renamed("retention.ms"); !slices.Equal(got, []string{"retention.ms"}) {
		t.Errorf("not renamed: %v", got)
	}
	e := express("")
	if names := e.TopicConfigs(); len(names) != 11 || !slices.IsSorted(names) || slices.Contains(names, old) || !slices.Contains(names, "delete.retention.ms") {
		t.Errorf("express: %v", names)
	}
}

func TestCheckTopic(t *testing.T) {
	type configs = map[string]string
	const day = "86400000"
	tests := []struct {
		name          string
		rules         *Rules
		before, after configs
		creating      bool
		want          string // part of the error; empty: allowed
	}{
		{"anything in Standard", Of(nil), nil, configs{"segment.bytes": "1"}, true, ""},
		{"anything when lifted", serverless(metadata.LimitsOff), nil, configs{"min.insync.replicas": "1"}, true, ""},
		{"nothing", serverless(""), nil, nil, true, ""},
		{"in serverless", serverless(""), nil, configs{"retention.ms": "-1", "cleanup.policy": "compact", "max.message.bytes": "8388608"}, true, ""},
		{"segments", serverless(""), nil, configs{"segment.bytes": "1"}, true, "segment.bytes cannot be set in a serverless cluster. Storage is managed"},
		{"replicas", express(""), nil, configs{"min.insync.replicas": "2"}, true, "cannot be set in an Express cluster. It is always 2. Topics may have: cleanup.policy, "},
		{"unclean", express(""), nil, configs{"unclean.leader.election.enable": "true"}, true, "It is always false."},
		{"in Express only", serverless(""), nil, configs{"delete.retention.ms": "1"}, true, "delete.retention.ms cannot be set in a serverless cluster. Topics may have: "},
		{"what was there", serverless(""), configs{"segment.bytes": "1"}, configs{"segment.bytes": "1", "retention.ms": "1"}, false, ""},
		{"what was there, changed", serverless(""), configs{"segment.bytes": "1"}, configs{"segment.bytes": "2"}, false, "segment.bytes cannot be set"},
		{"what was there, taken away", serverless(""), configs{"segment.bytes": "1"}, nil, false, ""},
		{"a policy later", serverless(""), nil, configs{"cleanup.policy": "compact"}, false, "can only be set when the topic is created in a serverless cluster. It is delete"},
		{"another policy", serverless(""), configs{"cleanup.policy": "compact"}, configs{"cleanup.policy": "delete"}, false, "It is compact"},
		{"no policy any more", serverless(""), configs{"cleanup.policy": "compact"}, nil, false, "It is compact"},
		{"the default policy, said", serverless(""), nil, configs{"cleanup.policy": "delete"}, false, ""},
		{"the default policy, not said any more", serverless(""), configs{"cleanup.policy": "delete"}, nil, false, ""},
		{"a policy in another order", serverless(""), configs{"cleanup.policy": "compact,delete"}, configs{"cleanup.policy": "delete, compact"}, false, ""},
		{"a policy in Express", express(""), nil, configs{"cleanup.policy": "compact"}, false, ""},
		{"too long messages", serverless(""), nil, configs{"max.message.bytes": "8388609"}, true, "invalid value 8388609 for max.message.bytes: it can be 0 to 8388608"},
		{"negative messages", serverless(""), nil, configs{"max.message.bytes": "-1"}, true, "invalid value -1"},
		{"no number", serverless(""), nil, configs{"max.message.bytes": "many"}, true, "invalid value many"},
		{"a huge number", serverless(""), nil, configs{"max.message.bytes": strings.Repeat("9", 40)}, true, "invalid value 9"},
		{"spaces around", serverless(""), nil, configs{"max.message.bytes": " 1 "}, true, ""},
		{"a day in 2022", serverless(metadata.Limits2022), nil, configs{"retention.ms": day, "retention.bytes": "268435456000"}, true, ""},
		{"for ever in 2022", serverless(metadata.Limits2022), nil, configs{"retention.ms": "-1"}, true, "invalid value -1 for retention.ms: it can be 0 to " + day},
		{"more bytes in 2022", serverless(metadata.Limits2022), nil, configs{"retention.bytes": "268435456001"}, true, "invalid value 268435456001"},
	}
	for _, tt := range tests {
		err := tt.rules.CheckTopic(tt.before, tt.after, tt.creating)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCheckBroker(t *testing.T) {
	tests := []struct {
		rules *Rules
		name  string
		want  string
	}{
		{Of(nil), "num.io.threads", ""},
		{express(metadata.LimitsOff), "num.io.threads", ""},
		{express(""), "max.connections", ""},
		{express(""), "num.io.threads", "num.io.threads cannot be changed dynamically in an Express cluster. These can: advertised.listeners, "},
		{express(""), "", "cannot be changed dynamically"},
		{serverless(""), "max.connections", "max.connections cannot be changed: a serverless cluster has no configs of brokers"},
	}
	for _, tt := range tests {
		err := tt.rules.CheckBroker(tt.name)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %q: %v, want %q", tt.name, tt.rules.name, err, tt.want)
		}
	}
}

func TestCompacted(t *testing.T) {
	for policy, want := range map[string]bool{"": false, "delete": false, "compact": true, "delete, compact": true, "compacted": false} {
		if got := Compacted(map[string]string{"cleanup.policy": policy}); got != want {
			t.Errorf("%q: %v", policy, got)
		}
	}
	if Compacted(nil) {
		t.Error("no configs")
	}
}

// topics is a cluster's metadata and its image.
type topics struct {
	t     *testing.T
	store *metadata.Mem
	live  *image.Live
	ids   map[string]metadata.TopicID
}

func newTopics(t *testing.T) *topics {
	t.Helper()
	c := &topics{t: t, store: metadata.NewMem(), ids: make(map[string]metadata.TopicID)}
	c.live = image.New(c.store, "u")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.live.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := c.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// put makes the topic have so many partitions, on the brokers 1 to replicas; none removes it. It returns the image of that.
func (c *topics) put(name string, partitions, replicas int, configs map[string]string) *image.Image {
	c.t.Helper()
	id, ok := c.ids[name]
	if !ok {
		id = metadata.TopicID{byte(len(c.ids) + 1)}
		c.ids[name] = id
	}
	ops := []metadata.Op{metadata.Delete(metadata.TopicKey("u", name)), metadata.Delete(metadata.AssignmentKey("u", id, 0))}
	if partitions > 0 {
		one := metadata.PartitionAssignment{Leader: 1, Epoch: 1}
		for b := range replicas {
			one.Replicas = append(one.Replicas, metadata.BrokerID(b+1))
		}
		ops = []metadata.Op{
			metadata.Put(metadata.TopicKey("u", name), metadata.Encode(metadata.Topic{Name: name, ID: id, Partitions: int32(partitions), Configs: configs})),
			metadata.Put(metadata.AssignmentKey("u", id, 0), metadata.Encode(metadata.Assignment{Partitions: slices.Repeat([]metadata.PartitionAssignment{one}, partitions)})),
		}
	} else {
		delete(c.ids, name)
	}
	rev, err := c.store.Commit(c.t.Context(), metadata.Txn{Then: ops})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	img, err := c.live.Await(ctx, rev)
	if err != nil {
		c.t.Fatal(err)
	}
	return img
}

func TestCountAndReplicas(t *testing.T) {
	c := newTopics(t)
	c.put("a", 4, 3, nil)
	c.put("b", 2, 1, map[string]string{"cleanup.policy": "delete,compact"})
	img := c.put("__consumer_offsets", 50, 2, map[string]string{"cleanup.policy": "compact"})
	if plain, compacted := Count(img); plain != 4 || compacted != 2 {
		t.Errorf("%d and %d partitions, want 4 and 2", plain, compacted)
	}
	if diff := cmp.Diff(map[metadata.BrokerID]int{1: 56, 2: 54, 3: 4}, Replicas(img)); diff != "" {
		t.Errorf("replicas (-want +got):\n%s", diff)
	}
	if plain, compacted := Count(&image.Image{}); plain != 0 || compacted != 0 || len(Replicas(&image.Image{})) != 0 {
		t.Error("no topics")
	}
}

// Partitions that come and go count, once each, for as long as was asked; those of internal topics and what was there before do not.
func TestChurn(t *testing.T) {
	c := newTopics(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	churn := NewChurn(func() time.Time { return now })
	if got := churn.Within(time.Hour); got != 0 {
		t.Errorf("before the first image: %d", got)
	}
	first := c.put("before", 9, 1, nil)
	churn.Observe(first)
	within := func(what string, d time.Duration, want int) {
		t.Helper()
		if got := churn.Within(d); got != want {
			t.Errorf("%s: %d within %s, want %d", what, got, d, want)
		}
	}
	within("what was there", time.Hour, 0)
	img := c.put("a", 3, 1, nil)
	churn.Observe(img)
	churn.Observe(img)   // the same again
	churn.Observe(first) // an older one, late
	within("a new topic", time.Minute, 3)
	churn.Observe(c.put("a", 5, 1, nil))
	within("partitions added in the same second", time.Minute, 5)
	churn.Observe(c.put("a", 5, 1, map[string]string{"retention.ms": "1"}))
	churn.Observe(c.put("__consumer_offsets", 50, 1, nil))
	within("a config, and an internal topic", time.Minute, 5)
	now = now.Add(5 * time.Minute)
	within("later", 5*time.Minute, 0)
	within("later", 6*time.Minute, 5)
	churn.Observe(c.put("a", 0, 0, nil))
	churn.Observe(c.put("__consumer_offsets", 0, 0, nil))
	within("a topic that went", 5*time.Minute, 5)
	within("all of it", 6*time.Minute, 10)
	now = now.Add(churnKept + time.Second)
	churn.Observe(c.put("before", 0, 0, nil))
	within("what is forgotten", time.Hour, 9)
}

// However many seconds have changes, only those of the time that is remembered are kept.
func TestChurnIsBounded(t *testing.T) {
	c := newTopics(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	churn := NewChurn(func() time.Time { return now })
	churn.Observe(c.put("t0", 1, 1, nil))
	for i := range 100 {
		now = now.Add(30 * time.Second)
		churn.Observe(c.put(fmt.Sprintf("t%d", i+1), 1, 1, nil))
	}
	if n, most := len(churn.moves), int(churnKept/(30*time.Second))+2; n > most {
		t.Errorf("%d changes are kept, at most %d are looked at", n, most)
	}
	if got := churn.Within(churnKept); got != int(churnKept/(30*time.Second)) {
		t.Errorf("%d within %s", got, churnKept)
	}
}

// Without a clock of its own it takes the real one.
func TestChurnByTheRealClock(t *testing.T) {
	c := newTopics(t)
	churn := NewChurn(nil)
	churn.Observe(c.put("a", 1, 1, nil))
	churn.Observe(c.put("b", 2, 1, nil))
	if got := churn.Within(24 * time.Hour); got != 2 {
		t.Errorf("%d", got)
	}
}
