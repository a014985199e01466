package topic

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"weir/kafka/kind"
	"weir/metadata"
)

// wants writes what the control plane wants of the cluster, and waits until the Admin sees it.
func wants(t *testing.T, a *Admin, store *metadata.Mem, s metadata.Settings) {
	t.Helper()
	rev, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(metadata.SettingsKey(cluster), metadata.Encode(s))}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.image.Await(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
}

func kindOf(t *testing.T, brokers int, s metadata.Settings) (*Admin, *metadata.Mem) {
	t.Helper()
	a, store := start(t, brokers, nil)
	wants(t, a, store, s)
	return a, store
}

func set(name, value string) []ConfigOp { return []ConfigOp{{Name: name, Verb: Set, Value: &value}} }

func (a *Admin) alterForTest(t *testing.T, ops []ConfigOp, replace bool) error {
	t.Helper()
	return a.AlterTopic(t.Context(), "t", ops, replace, false)
}

func TestStandardHasNoRules(t *testing.T) {
	a, _ := kindOf(t, 3, metadata.Settings{Kind: metadata.Standard, Broker: metadata.BrokerLimits{Partitions: 1}})
	create(t, a, NewTopic{Name: "t", Partitions: 5, Replication: 2, Configs: map[string]string{"segment.bytes": "10485760"}})
	if err := a.AlterBroker(t.Context(), "", set("num.io.threads", "9"), false, false); err != nil {
		t.Error(err)
	}
	if err := a.CheckReassign([]metadata.BrokerID{1}); err != nil {
		t.Error(err)
	}
}

// Other replication factors than three are made three without a word, as on MSK.
func TestReplicasAreTheServicesChoice(t *testing.T) {
	for _, k := range []metadata.ClusterKind{metadata.Express, metadata.Serverless} {
		a, _ := kindOf(t, 4, metadata.Settings{Kind: k})
		for _, factor := range []int16{-1, 1, 2, 3, 30} {
			name := fmt.Sprint("t", factor)
			create(t, a, NewTopic{Name: name, Partitions: 1, Replication: factor})
			got, _ := a.image.Current().Topic(name)
			if n := len(got.Partitions[0].Replicas); n != 3 {
				t.Errorf("%s: factor %d: %d replicas", k, factor, n)
			}
		}
		wantFault(t, a.Create(t.Context(), []NewTopic{{Name: "x", Partitions: 1, Replication: 0}}, false)[0].Err, kerr.InvalidReplicationFactor, "larger than 0")
	}
}

func TestReplicaAssignmentsByKind(t *testing.T) {
	express, _ := kindOf(t, 4, metadata.Settings{Kind: metadata.Express})
	create(t, express, NewTopic{Name: "t", Partitions: -1, Replication: -1, Replicas: [][]metadata.BrokerID{{4, 2, 1}}})
	two := [][]metadata.BrokerID{{1, 2}}
	wantFault(t, express.Create(t.Context(), []NewTopic{{Name: "x", Partitions: -1, Replication: -1, Replicas: two}}, false)[0].Err,
		kerr.InvalidReplicationFactor, "have 3 replicas; 2 were chosen")
	wantFault(t, express.CheckReassign(two[0]), kerr.InvalidReplicationFactor, "have 3 replicas")
	if err := express.CheckReassign(nil); err != nil { // the end of one that runs
		t.Error(err)
	}

	serverless, _ := kindOf(t, 4, metadata.Settings{Kind: metadata.Serverless})
	create(t, serverless, NewTopic{Name: "t", Partitions: 1, Replication: -1})
	three := [][]metadata.BrokerID{{1, 2, 3}}
	wantFault(t, serverless.Create(t.Context(), []NewTopic{{Name: "x", Partitions: -1, Replication: -1, Replicas: three}}, false)[0].Err,
		kerr.InvalidReplicaAssignment, "places partitions itself")
	wantFault(t, serverless.Grow(t.Context(), Growth{Name: "t", Total: 2, Replicas: three}, false), kerr.InvalidReplicaAssignment, "places partitions itself")
	for _, replicas := range [][]metadata.BrokerID{three[0], nil} {
		wantFault(t, serverless.CheckReassign(replicas), kerr.InvalidRequest, "cannot be reassigned")
	}
}

func TestTopicConfigsByKind(t *testing.T) {
	tests := []struct {
		kind        metadata.ClusterKind
		name, value string
		refused     string // at creation; empty: allowed
		later       string // when it is altered; "same": as at creation
	}{
		{metadata.Express, "retention.ms", "1000", "", "same"},
		{metadata.Express, "cleanup.policy", "compact", "", "same"},
		{metadata.Express, "min.compaction.lag.ms", "5", "", "same"},
		{metadata.Express, "min.insync.replicas", "2", "min.insync.replicas cannot be set in an Express cluster. It is always 2.", "same"},
		{metadata.Express, "unclean.leader.election.enable", "true", "It is always false.", "same"},
		{metadata.Express, "segment.bytes", "1048576", "segments cannot be set", "same"},
		{metadata.Express, "flush.ms", "1", "Topics may have: cleanup.policy, compression.type, delete.retention.ms", "same"},
		{metadata.Serverless, "retention.ms", "-1", "", "same"},
		{metadata.Serverless, "retention.bytes", "-1", "", "same"},
		{metadata.Serverless, "message.timestamp.type", "LogAppendTime", "", "same"},
		{metadata.Serverless, "message.timestamp.difference.max.ms", "5", "", "same"},
		{metadata.Serverless, "compression.type", "zstd", "", "same"},
		{metadata.Serverless, "max.message.bytes", "8388608", "", "same"},
		{metadata.Serverless, "max.message.bytes", "8388609", "it can be 0 to 8388608 in a serverless cluster", "same"},
		{metadata.Serverless, "cleanup.policy", "compact", "", "can only be set when the topic is created"},
		{metadata.Serverless, "min.compaction.lag.ms", "5", "Topics may have: cleanup.policy, compression.type, max.message.bytes, " +
			"message.timestamp.difference.max.ms, message.timestamp.type, retention.bytes, retention.ms", "same"},
		{metadata.Serverless, "segment.bytes", "1048576", "Storage is managed by the service", "same"},
		{metadata.Serverless, "nope", "1", "nope cannot be set", "same"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.kind, " ", tt.name, "=", tt.value), func(t *testing.T) {
			check := func(err error, text string) {
				t.Helper()
				if text == "" && err != nil {
					t.Error(err)
				} else if text != "" {
					wantFault(t, err, kerr.InvalidConfig, text)
				}
			}
			a, _ := kindOf(t, 3, metadata.Settings{Kind: tt.kind})
			check(a.Create(t.Context(), []NewTopic{{Name: "new", Partitions: 1, Replication: -1, Configs: map[string]string{tt.name: tt.value}}}, false)[0].Err, tt.refused)
			create(t, a, NewTopic{Name: "t", Partitions: 1, Replication: -1})
			if tt.later == "same" {
				tt.later = tt.refused
			}
			check(a.alterForTest(t, set(tt.name, tt.value), false), tt.later)
			check(a.alterForTest(t, set(tt.name, tt.value), true), tt.later)
		})
	}
}

// The old name of the timestamps' bound is what Serverless documents; it stands for both of the new ones.
func TestServerlessOldTimestampConfigSetsBoth(t *testing.T) {
	a, _ := kindOf(t, 3, metadata.Settings{Kind: metadata.Serverless})
	create(t, a, NewTopic{Name: "t", Partitions: 1, Replication: -1, Configs: map[string]string{"message.timestamp.difference.max.ms": "7"}})
	configs := func() map[string]string {
		got, _ := a.image.Current().Topic("t")
		return got.Configs
	}
	if want := map[string]string{"message.timestamp.before.max.ms": "7", "message.timestamp.after.max.ms": "7"}; !cmp.Equal(configs(), want) {
		t.Errorf("got %v", configs())
	}
	if err := a.alterForTest(t, []ConfigOp{{Name: "message.timestamp.difference.max.ms", Verb: Unset}}, false); err != nil {
		t.Error(err)
	}
	if len(configs()) != 0 {
		t.Errorf("unset: %v", configs())
	}
}

func TestServerlessPolicyStays(t *testing.T) {
	a, _ := kindOf(t, 3, metadata.Settings{Kind: metadata.Serverless})
	create(t, a, NewTopic{Name: "t", Partitions: 1, Replication: -1, Configs: map[string]string{"cleanup.policy": "compact"}})
	wantFault(t, a.alterForTest(t, set("cleanup.policy", "delete"), false), kerr.InvalidConfig, "It is compact")
	wantFault(t, a.alterForTest(t, []ConfigOp{{Name: "cleanup.policy", Verb: Unset}}, false), kerr.InvalidConfig, "only be set when the topic is created")
	wantFault(t, a.alterForTest(t, set("retention.ms", "1"), true), kerr.InvalidConfig, "only be set when the topic is created") // the replacement has none
	value, days := "compact", "1"
	if err := a.alterForTest(t, []ConfigOp{{Name: "cleanup.policy", Value: &value}, {Name: "retention.ms", Value: &days}}, true); err != nil {
		t.Errorf("the same policy: %v", err)
	}
}

func TestBrokerConfigsByKind(t *testing.T) {
	express, store := kindOf(t, 3, metadata.Settings{Kind: metadata.Express})
	for _, name := range []string{"", "1"} {
		if err := express.AlterBroker(t.Context(), name, set("message.max.bytes", "1000000"), false, false); err != nil {
			t.Error(err)
		}
		wantFault(t, express.AlterBroker(t.Context(), name, set("num.io.threads", "9"), false, false), kerr.InvalidRequest, "cannot be changed dynamically in an Express cluster")
	}
	wants(t, express, store, metadata.Settings{Kind: metadata.Serverless})
	wantFault(t, express.AlterBroker(t.Context(), "", set("message.max.bytes", "1000000"), false, false), kerr.InvalidRequest, "a serverless cluster has no configs of brokers")
}

func TestExpressBrokersHoldSoManyPartitions(t *testing.T) {
	a, store := kindOf(t, 3, metadata.Settings{Kind: metadata.Express, Broker: metadata.BrokerLimits{Partitions: 5}})
	create(t, a, NewTopic{Name: "t", Partitions: 4, Replication: -1})
	const text = "a broker of this size may have 5 partitions, counting replicas."
	out := a.Create(t.Context(), []NewTopic{{Name: "a", Partitions: 1, Replication: -1}, {Name: "b", Partitions: 1, Replication: -1}}, true)
	if out[0].Err != nil {
		t.Error(out[0].Err)
	}
	wantFault(t, out[1].Err, kerr.PolicyViolation, text)
	wantFault(t, a.Grow(t.Context(), Growth{Name: "t", Total: 6}, false), kerr.PolicyViolation, text)
	if err := a.CreateInternal("__consumer_offsets")(t.Context(), 50, 3, nil); err != nil {
		t.Errorf("an internal topic: %v", err)
	}
	wants(t, a, store, metadata.Settings{Kind: metadata.Express, Broker: metadata.BrokerLimits{Partitions: 5}, Limits: metadata.LimitsOff})
	create(t, a, NewTopic{Name: "more", Partitions: 50, Replication: -1})
}

// clock replaces the Admin's clock.
func clock(a *Admin) (advance func(time.Duration)) {
	at := time.Unix(1_700_000_000, 0)
	a.churn = kind.NewChurn(func() time.Time { return at })
	a.Observe(a.image.Current())
	return func(d time.Duration) { at = at.Add(d) }
}

func TestServerlessCountsPartitions(t *testing.T) {
	a, store := kindOf(t, 3, metadata.Settings{Kind: metadata.Serverless})
	advance := clock(a)
	if err := a.CreateInternal("__consumer_offsets")(t.Context(), 50, 3, map[string]string{"cleanup.policy": "compact", "segment.bytes": "104857600"}); err != nil {
		t.Errorf("an internal topic: %v", err)
	}
	compact := map[string]string{"cleanup.policy": "compact,delete"}
	create(t, a, NewTopic{Name: "compacted", Partitions: 119, Replication: -1, Configs: compact})
	wantFault(t, a.Create(t.Context(), []NewTopic{{Name: "x", Partitions: 2, Replication: -1, Configs: compact}}, false)[0].Err, kerr.InvalidRequest,
		"a serverless cluster may have 120 partitions that are compacted. It has 119, and 2 more were asked for.")
	wantFault(t, a.Grow(t.Context(), Growth{Name: "compacted", Total: 121}, false), kerr.InvalidRequest, "120 partitions")
	if err := a.Grow(t.Context(), Growth{Name: "compacted", Total: 120}, false); err != nil {
		t.Error(err)
	}
	for i := range 9 {
		advance(5 * time.Minute)
		create(t, a, NewTopic{Name: fmt.Sprint("t", i), Partitions: 250, Replication: -1})
	}
	advance(5 * time.Minute)
	wantFault(t, a.Create(t.Context(), []NewTopic{{Name: "x", Partitions: 151, Replication: -1}}, false)[0].Err, kerr.InvalidRequest,
		"2400 partitions that are not compacted. It has 2250, and 151 more")
	create(t, a, NewTopic{Name: "last", Partitions: 150, Replication: -1})
	wants(t, a, store, metadata.Settings{Kind: metadata.Serverless, Limits: metadata.LimitsOff})
	create(t, a, NewTopic{Name: "more", Partitions: 500, Replication: -1, Configs: map[string]string{"segment.bytes": "1048576"}})
}

// KIP-599's error, for partitions that all clients together make and delete.
func TestServerlessPartitionsComeAndGoSlowly(t *testing.T) {
	a, _ := kindOf(t, 3, metadata.Settings{Kind: metadata.Serverless})
	advance := clock(a)
	const text = "250 partitions may be created and deleted in 5m0s."
	create(t, a, NewTopic{Name: "a", Partitions: 100, Replication: -1})
	out := a.Create(t.Context(), []NewTopic{{Name: "b", Partitions: 100, Replication: -1}, {Name: "c", Partitions: 100, Replication: -1}}, false)
	if out[0].Err != nil {
		t.Error(out[0].Err)
	}
	wantFault(t, out[1].Err, kerr.ThrottlingQuotaExceeded, text+" 200 were, and 100 more were asked for.")
	wantFault(t, a.Delete(t.Context(), []Ref{{Name: "a"}})[0].Err, kerr.ThrottlingQuotaExceeded, text)
	wantFault(t, a.Grow(t.Context(), Growth{Name: "a", Total: 151}, false), kerr.ThrottlingQuotaExceeded, text)
	if err := a.Grow(t.Context(), Growth{Name: "a", Total: 150}, false); err != nil {
		t.Error(err)
	}
	wantFault(t, a.Create(t.Context(), []NewTopic{{Name: "d", Partitions: 1, Replication: -1}}, false)[0].Err, kerr.ThrottlingQuotaExceeded, text)
	advance(5 * time.Minute)
	if err := a.Delete(t.Context(), []Ref{{Name: "a"}})[0].Err; err != nil {
		t.Error(err)
	}
	wantFault(t, a.Create(t.Context(), []NewTopic{{Name: "d", Partitions: 101, Replication: -1}}, false)[0].Err, kerr.ThrottlingQuotaExceeded, "150 were")
}

func TestServerlessOf2022(t *testing.T) {
	a, _ := kindOf(t, 3, metadata.Settings{Kind: metadata.Serverless, Limits: metadata.Limits2022})
	clock(a)
	wantFault(t, a.Create(t.Context(), []NewTopic{{Name: "x", Partitions: 121, Replication: -1}}, false)[0].Err, kerr.InvalidRequest, "120 partitions")
	create(t, a, NewTopic{Name: "t", Partitions: 1, Replication: -1})
	wantFault(t, a.alterForTest(t, set("retention.ms", "86400001"), false), kerr.InvalidConfig, "it can be 0 to 86400000")
	wantFault(t, a.alterForTest(t, set("retention.bytes", "-1"), false), kerr.InvalidConfig, "it can be 0 to 268435456000")
}
