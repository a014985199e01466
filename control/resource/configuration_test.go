package resource

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kafka/configdef"
	"weir/metadata"
)

func newConfiguration(name string) (Configuration, ConfigurationRevision) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	r := ConfigurationRevision{
		RevisionHead: RevisionHead{Number: 1, Created: now, Description: "first"},
		Text:         "num.partitions=3\n", Properties: map[string]string{"num.partitions": "3"},
	}
	return Configuration{
		UUID: NewUUID(), Name: name, Account: "000000000000", Region: "us-east-1", Created: now, State: ConfigurationActive, Latest: r.RevisionHead,
	}, r
}

func newStore(t *testing.T) *metadata.Mem {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func TestConfigurationRecords(t *testing.T) {
	store, ctx := newStore(t), t.Context()
	c, r := newConfiguration("c")
	if err := CreateConfiguration(ctx, store, c, r, 100); err != nil {
		t.Fatal(err)
	}
	if other, r := newConfiguration("c"); !errors.Is(CreateConfiguration(ctx, store, other, r, 100), ErrConfigurationName) {
		t.Error("a name was taken twice")
	}
	id, ok := ParseConfigurationARN(c.ARN())
	if !ok || id != (ConfigurationID{Scope: c.Scope(), Name: "c", UUID: c.UUID}) {
		t.Fatalf("%s: %+v, %v", c.ARN(), id, ok)
	}
	// Eleven revisions, so that the order is that of numbers and not of digits.
	for n := int64(2); n <= 11; n++ {
		read, at, ok, err := ReadConfiguration(ctx, store, id)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		next := r
		next.Number = n
		if _, err := store.Commit(ctx, read.AddRevision(at, next)); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Commit(ctx, read.AddRevision(at, next)); !errors.Is(err, metadata.ErrConflict) {
			t.Fatalf("revision %d was added twice: %v", n, err)
		}
	}
	all, err := ListRevisions(ctx, store, &c)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		if r.Number != int64(i+1) {
			t.Errorf("place %d: revision %d", i, r.Number)
		}
	}
	read, at, _, err := ReadConfiguration(ctx, store, id)
	if err != nil || read.Latest.Number != 11 || len(all) != 11 {
		t.Fatalf("latest %d of %d: %v", read.Latest.Number, len(all), err)
	}
	if _, err := store.Commit(ctx, read.Remove(at)); err != nil {
		t.Fatal(err)
	}
	kvs, _, err := store.List(ctx, c.Scope().Prefix()+"configuration")
	if err != nil {
		t.Fatal(err)
	}
	if len(kvs) != 1 || kvs[0].Key != c.Scope().ConfigurationQuotaKey() {
		t.Errorf("left after the removal: %v", kvs)
	}
}

// Two creations never take the last free place.
func TestConfigurationQuotaHoldsUnderRaces(t *testing.T) {
	store, ctx := newStore(t), t.Context()
	const writers, most = 8, 100
	var wg sync.WaitGroup
	var mu sync.Mutex
	made, refused := 0, 0
	for w := range writers {
		wg.Go(func() {
			for i := range most/writers + 2 {
				c, r := newConfiguration(fmt.Sprintf("c-%d-%d", w, i))
				err := CreateConfiguration(ctx, store, c, r, 100)
				mu.Lock()
				switch {
				case err == nil:
					made++
				case errors.Is(err, ErrConfigurationQuota):
					refused++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if made != most || refused == 0 {
		t.Errorf("%d made, %d refused", made, refused)
	}
}

// A cluster that takes a configuration and a call that removes it: one of them wins.
func TestRemovingAConfigurationExcludesUsingIt(t *testing.T) {
	ctx := t.Context()
	for _, taken := range []bool{true, false} {
		store := newStore(t)
		c, r := newConfiguration("c")
		if err := CreateConfiguration(ctx, store, c, r, 100); err != nil {
			t.Fatal(err)
		}
		id, _ := ParseConfigurationARN(c.ARN())
		read, at, _, err := ReadConfiguration(ctx, store, id)
		if err != nil {
			t.Fatal(err)
		}
		cond, op := read.Use(at)
		use, remove := metadata.Txn{If: []metadata.Cond{cond}, Then: []metadata.Op{op}}, read.Remove(at)
		first, second := use, remove
		if !taken {
			first, second = remove, use
		}
		if _, err := store.Commit(ctx, first); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Commit(ctx, second); !errors.Is(err, metadata.ErrConflict) {
			t.Errorf("taken first %v: the second got %v", taken, err)
		}
	}
}

func TestConfigurationUsers(t *testing.T) {
	store, ctx := newStore(t), t.Context()
	c, _ := newConfiguration("c")
	ref := ConfigurationRef{ARN: c.ARN(), Revision: 1}
	put := func(name string, change func(*Cluster, *Operation)) {
		k := Cluster{UUID: NewUUID(), Name: name, Account: c.Account, Region: c.Region}
		o := Operation{ID: NewUUID(), Cluster: k.UUID, Type: OpConfiguration, Update: &Update{}}
		change(&k, &o)
		_, err := store.Commit(ctx, metadata.Txn{Then: []metadata.Op{
			metadata.Put(k.Key(), metadata.Encode(k)), metadata.Put(o.Key(k.Scope()), metadata.Encode(o)),
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("other", func(*Cluster, *Operation) {})
	put("has-it", func(k *Cluster, _ *Operation) { k.Configuration = ref })
	put("gets-it", func(_ *Cluster, o *Operation) { o.Update.Target.Configuration = &ref })
	put("may-go-back", func(_ *Cluster, o *Operation) { o.Update.Source.Configuration = &ref })
	put("had-it", func(_ *Cluster, o *Operation) { o.Update.Target.Configuration, o.Ended = &ref, time.Unix(1, 0) })
	got, err := ConfigurationUsers(ctx, store, &c)
	if want := []string{"gets-it", "has-it", "may-go-back"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestProperties(t *testing.T) {
	zones := func(n int) []ClientSubnet { return make([]ClientSubnet, n) }
	tests := []struct {
		name    string
		cluster Cluster
		custom  map[string]string
		want    map[string]string // "" is: not there
	}{
		{
			"standard",
			Cluster{InstanceType: "kafka.m7g.large", KafkaVersion: "3.9.x.kraft", Subnets: zones(3)},
			nil,
			map[string]string{
				"default.replication.factor": "3", "min.insync.replicas": "2", "unclean.leader.election.enable": "true", "auto.create.topics.enable": "false",
				"log.segment.bytes": "1073741824", "zookeeper.set.acl": "",
			},
		},
		{
			"two zones, with ZooKeeper",
			Cluster{InstanceType: "kafka.m7g.large", KafkaVersion: "3.6.0", Subnets: zones(2)},
			nil,
			map[string]string{"default.replication.factor": "2", "min.insync.replicas": "1", "zookeeper.session.timeout.ms": "18000", "zookeeper.set.acl": "false"},
		},
		{
			"tiered",
			Cluster{InstanceType: "kafka.m7g.16xlarge", KafkaVersion: "3.7.x", Subnets: zones(3), StorageMode: StorageTiered},
			nil,
			map[string]string{
				"unclean.leader.election.enable": "false", "log.segment.bytes": "134217728", "num.io.threads": "64", "num.network.threads": "32",
				"num.replica.fetchers": "16", "remote.log.reader.threads": "42", timestampBefore: "86400000", timestampDifference: "",
			},
		},
		{
			"tiered preview",
			Cluster{InstanceType: "kafka.m5.large", KafkaVersion: "2.8.2.tiered", Subnets: zones(3), StorageMode: StorageTiered},
			nil,
			map[string]string{timestampDifference: "86400000", timestampBefore: ""},
		},
		{
			"express",
			Cluster{InstanceType: "express.m7g.4xlarge", KafkaVersion: "3.9.x", Subnets: zones(3)},
			nil,
			map[string]string{"unclean.leader.election.enable": "false", "num.io.threads": "32", "num.network.threads": "16", timestampAfter: "86400000"},
		},
		{
			"custom wins",
			Cluster{InstanceType: "kafka.m7g.large", KafkaVersion: "4.2.x", Subnets: zones(3)},
			map[string]string{"min.insync.replicas": "1", "log.retention.ms": "5"},
			map[string]string{"min.insync.replicas": "1", "log.retention.ms": "5", "num.partitions": "1"},
		},
		{
			"what stands in for two is not hidden by their defaults",
			Cluster{InstanceType: "kafka.m7g.large", KafkaVersion: "3.7.x", Subnets: zones(3), StorageMode: StorageTiered},
			map[string]string{timestampDifference: "1000"},
			map[string]string{timestampDifference: "1000", timestampBefore: "", timestampAfter: ""},
		},
	}
	for _, tt := range tests {
		got := Properties(&tt.cluster, tt.custom)
		for n, want := range tt.want {
			if v, ok := got[n]; v != want || ok != (want != "") {
				t.Errorf("%s: %s is %q (%v), want %q", tt.name, n, v, ok, want)
			}
		}
		for n, v := range got {
			if err := configdef.ValidateBroker(n, v); err != nil {
				t.Errorf("%s: brokers refuse it: %v", tt.name, err)
			}
		}
	}
}

func TestReadProperties(t *testing.T) {
	store, ctx := newStore(t), t.Context()
	c, r := newConfiguration("c")
	if err := CreateConfiguration(ctx, store, c, r, 100); err != nil {
		t.Fatal(err)
	}
	k := Cluster{InstanceType: "kafka.m7g.large", KafkaVersion: "4.2.x", Subnets: make([]ClientSubnet, 3)}
	plain, err := ReadProperties(ctx, store, &k)
	if err != nil || !maps.Equal(plain, DefaultProperties(&k)) {
		t.Errorf("without a configuration: %v, %v", plain, err)
	}
	k.Configuration = ConfigurationRef{ARN: c.ARN(), Revision: 1}
	if got, err := ReadProperties(ctx, store, &k); err != nil || got["num.partitions"] != "3" || got["min.insync.replicas"] != "2" {
		t.Errorf("with one: %v, %v", got, err)
	}
	for _, ref := range []ConfigurationRef{{ARN: c.ARN(), Revision: 2}, {ARN: "nonsense", Revision: 1}} {
		k.Configuration = ref
		if _, err := ReadProperties(ctx, store, &k); err == nil {
			t.Errorf("%+v was read", ref)
		}
	}
}

// Every finding names its line, the property, and what to do; all come at once.
func TestCheckProperties(t *testing.T) {
	std, exp := metadata.Standard, metadata.Express
	v := func(names ...string) []string { return names }
	tests := []struct {
		name, text string
		versions   []string
		kind       metadata.ClusterKind
		want       string // findings, one on a line
	}{
		{"all in order", "# mine\nnum.partitions = 3\nlog.retention.hours=24", v("3.9.x"), std, ""},
		{"empty", "", nil, "", ""},
		{"more than MSK's list", "log.cleaner.max.compaction.lag.ms=1000\nmax.connections=500\noffsets.topic.num.partitions=10\nlog.roll.hours=1", v("3.9.x"), std, ""},
		{
			"not a number", "x=1\nlog.retention.ms=a week", nil, "",
			"line 1, x: There is no such property.\n" +
				`line 2, log.retention.ms: "a week" is not valid: Not a number of type LONG. It takes a whole number of type LONG.`,
		},
		{
			"out of range", "log.cleaner.min.cleanable.ratio=1.5\nlog.roll.ms=0\nnum.partitions=0", nil, "",
			`line 1, log.cleaner.min.cleanable.ratio: "1.5" is not valid: Value must be no more than 1. It takes a number from 0 to 1.` + "\n" +
				`line 2, log.roll.ms: "0" is not valid: Value must be at least 1. It takes a whole number of type LONG from 1 on.` + "\n" +
				`line 3, num.partitions: "0" is not valid: Value must be at least 1. It takes a whole number of type INT from 1 on.`,
		},
		{
			"MSK's ranges", "replica.lag.time.max.ms=9999\nzookeeper.session.timeout.ms=18001", v("3.5.1"), std,
			`line 1, replica.lag.time.max.ms: "9999" is not valid: It takes a whole number from 10000 to 30000.` + "\n" +
				`line 2, zookeeper.session.timeout.ms: "18001" is not valid: It takes a whole number from 6000 to 18000.`,
		},
		{
			"one of", "compression.type=brotli\nreplica.selector.class=com.example.Mine\nauto.create.topics.enable=yes", nil, "",
			`line 1, compression.type: "brotli" is not valid: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer. It takes one of: uncompressed, zstd, lz4, snappy, gzip, producer.` + "\n" +
				`line 2, replica.selector.class: "com.example.Mine" is not valid: It takes org.apache.kafka.common.replica.RackAwareReplicaSelector only.` + "\n" +
				`line 3, auto.create.topics.enable: "yes" is not valid: Expected value to be either true or false. It takes true or false.`,
		},
		{"nearest name", "num.partition=3", nil, "", "line 1, num.partition: There is no such property. Did you mean num.partitions?"},
		{
			"of topics and groups", "retention.ms=5\nremote.storage.enable=true\nshare.isolation.level=read_committed", nil, "",
			"line 1, retention.ms: It is a property of topics. What holds for topics that do not set it is the broker's log.retention.ms.\n" +
				"line 2, remote.storage.enable: It is a property of topics, not of brokers: set it on each topic.\n" +
				"line 3, share.isolation.level: It is a property of groups, not of brokers: set it on each group.",
		},
		{
			"what Weir chooses", "listeners=PLAINTEXT://:1\nssl.key.password=secret", nil, "",
			"line 1, listeners: It cannot be set: a broker is told by its node; leave it unset.\n" +
				"line 2, ssl.key.password: It cannot be set: TLS is not built yet; leave it unset.",
		},
		{
			"no effect, and not on MSK's list", "queued.max.requests=5", nil, "",
			"line 1, queued.max.requests: It cannot be part of a configuration. No effect: Weir has no such threads or queues. Work spreads over the processors there are. Remove the line.",
		},
		{"no effect, and on MSK's list", "num.io.threads=16\nreplica.fetch.max.bytes=5", nil, "", ""},
		{
			"run time only", "leader.replication.throttled.rate=5", nil, "",
			"line 1, leader.replication.throttled.rate: It is set at run time only: use AlterConfigs (kafka-configs.sh --alter --entity-type brokers).",
		},
		{
			"versions", "log.message.timestamp.before.max.ms=5\nlog.message.timestamp.difference.max.ms=5\nzookeeper.session.timeout.ms=6000", v("3.5.1", "4.0.x"), "",
			"line 1, log.message.timestamp.before.max.ms: Kafka 3.5.1 has no such property: it is there from 3.6 on.\n" +
				"line 2, log.message.timestamp.difference.max.ms: Kafka 4.0.x has no such property: it is there before 4.0.\n" +
				"line 3, zookeeper.session.timeout.ms: Kafka 4.0.x has no such property: it is there before 4.0.",
		},
		{"without ZooKeeper", "zookeeper.set.acl=true", v("3.9.x.kraft"), std, "line 1, zookeeper.set.acl: Clusters of version 3.9.x.kraft run without ZooKeeper. Remove the line."},
		{"of the tiered preview", "log.local.retention.ms=-2", v("2.8.2.tiered"), std, ""},
		{
			"Express", "min.insync.replicas=1\nlog.segment.bytes=1048576\nnum.replica.fetchers=2\nmessage.max.bytes=5", v("3.9.x"), exp,
			"line 1, min.insync.replicas: Express clusters set it themselves. Remove the line.\n" +
				"line 2, log.segment.bytes: Express clusters manage their segments and storage themselves. Remove the line.\n" +
				"line 3, num.replica.fetchers: It cannot be part of a configuration. No effect: partitions are copied to another broker only to move there. Remove the line.",
		},
		{
			"together", "group.min.session.timeout.ms=9000\ngroup.max.session.timeout.ms=8000\nmax.connections.per.ip=0", nil, "",
			"line 1, group.min.session.timeout.ms: 9000 is more than group.max.session.timeout.ms, which is 8000.\n" +
				"line 3, max.connections.per.ip: It can be 0 only together with max.connections.per.ip.overrides.",
		},
		{"against a default", "group.max.session.timeout.ms=5000", nil, "", "line 1, group.max.session.timeout.ms: 5000 is less than group.min.session.timeout.ms, which is 6000."},
		{
			"twice, and a literal line break", "num.partitions=1\nnum.partitions=2\nlog.roll.ms=1\\nx=2", nil, "",
			"line 2, num.partitions: The property is set on line 1 already.\n" +
				`line 3, log.roll.ms: The line holds a line break that is written as a backslash and a letter (\n). Put each property on a line of its own.`,
		},
		{"a very long name", strings.Repeat("n", 500) + "=1", nil, "", "line 1, " + strings.Repeat("n", 80) + "...: There is no such property."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Findings(CheckProperties(tt.text, tt.versions, tt.kind)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestCheckConfigurationAgainstTheCluster(t *testing.T) {
	r := &ConfigurationRevision{Text: "log.message.timestamp.before.max.ms=5\nmin.insync.replicas=1"}
	if got := CheckConfiguration(&Cluster{KafkaVersion: "3.9.x", InstanceType: "kafka.m5.large"}, r); len(got) != 0 {
		t.Errorf("standard: %v", got)
	}
	if got := CheckConfiguration(&Cluster{KafkaVersion: "3.5.1", InstanceType: "kafka.m5.large"}, r); len(got) != 1 || got[0].Line != 1 {
		t.Errorf("older version: %v", got)
	}
	if got := CheckConfiguration(&Cluster{KafkaVersion: "3.9.x", InstanceType: "express.m7g.large"}, r); len(got) != 1 || got[0].Line != 2 {
		t.Errorf("express: %v", got)
	}
	if got := CheckConfiguration(&Cluster{Type: metadata.Serverless}, r); len(got) != 1 {
		t.Errorf("serverless: %v", got)
	}
}

// What a check lets pass starts a broker, for every property that there is and some values of it.
func TestCheckedPropertiesStartABroker(t *testing.T) {
	for _, c := range configdef.Brokers() {
		for _, v := range []string{c.Default, "0", "1", "-1", "100", "true", "delete", "x"} {
			text := c.Name + "=" + v
			if len(CheckProperties(text, nil, "")) == 0 && configdef.ValidateBroker(c.Name, v) != nil {
				t.Errorf("%s passes and is refused by brokers", text)
			}
		}
	}
}

// Whatever comes, a check neither panics nor says nothing of what it finds, and what it lets pass starts a broker.
func FuzzCheckProperties(f *testing.F) {
	for _, s := range []string{"num.partitions=1", "group.min.session.timeout.ms=9\ngroup.max.session.timeout.ms=1", "max.connections.per.ip=0", "x=1\nlisteners=a", "a\\"} {
		f.Add(s, uint8(0))
	}
	kinds := []metadata.ClusterKind{"", metadata.Standard, metadata.Express, metadata.Serverless}
	versions := KafkaVersions()
	f.Fuzz(func(t *testing.T, text string, pick uint8) {
		findings := CheckProperties(text, []string{versions[int(pick)%len(versions)].Name}, kinds[int(pick)%len(kinds)])
		last := 0
		for _, p := range findings {
			if p.Line < last || p.Message == "" {
				t.Fatalf("finding %+v after line %d", p, last)
			}
			last = p.Line
		}
		if len(findings) > 0 {
			return
		}
		properties, _ := configdef.ParseProperties(text)
		for _, p := range properties {
			if err := configdef.ValidateBroker(p.Name, p.Value); err != nil {
				t.Fatalf("passed, and a broker refuses it: %v", err)
			}
		}
	})
}
