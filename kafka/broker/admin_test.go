package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"weir/kafka/partition"
)

// admin returns an admin client of a fresh cluster of three brokers.
func newAdmin(t *testing.T, properties map[string]string, opts ...kgo.Opt) (*rig, *kadm.Client, context.Context) {
	t.Helper()
	r := newRig(t, rigConfig{brokers: 3, properties: properties})
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	t.Cleanup(cancel)
	adm := kadm.NewClient(r.client(opts...))
	adm.SetTimeoutMillis(int32(testTime.Milliseconds()))
	return r, adm, ctx
}

func TestTopicLifeCycle(t *testing.T) {
	for _, v := range []*kversion.Versions{nil, kversion.V2_1_0(), kversion.V3_0_0()} {
		t.Run(fmt.Sprint(v != nil), func(t *testing.T) {
			var opts []kgo.Opt
			if v != nil {
				opts = append(opts, kgo.MaxVersions(v))
			}
			r, adm, ctx := newAdmin(t, map[string]string{"num.partitions": "4", "default.replication.factor": "3"}, opts...)
			partitions, factor := int32(-1), int16(-1)
			if v != nil { // older clients do not know the broker's defaults
				partitions, factor = 4, 3
			}
			res, err := adm.CreateTopics(ctx, partitions, factor, map[string]*string{"retention.ms": kmsg.StringPtr("1000")}, "a", "b")
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"a", "b"} {
				if c := res[name]; c.Err != nil {
					t.Errorf("%s: %v %s", name, c.Err, c.ErrMessage)
				} else if v == nil && (c.NumPartitions != 4 || c.ReplicationFactor != 3 || *c.Configs["retention.ms"].Value != "1000" || c.ID == (kadm.TopicID{})) {
					t.Errorf("%s: %+v", name, c)
				}
			}
			again, err := adm.CreateTopics(ctx, 1, 1, nil, "a")
			if err != nil || !errors.Is(again["a"].Err, kerr.TopicAlreadyExists) || v == nil && again["a"].ErrMessage != "Topic 'a' already exists." {
				t.Errorf("again: %+v, %v", again, err)
			}
			if dry, err := adm.ValidateCreateTopics(ctx, 1, 1, nil, "dry"); err != nil || dry["dry"].Err != nil {
				t.Errorf("dry: %+v, %v", dry, err)
			}
			grown, err := adm.UpdatePartitions(ctx, 9, "a", "none")
			if err != nil || grown["a"].Err != nil || !errors.Is(grown["none"].Err, kerr.UnknownTopicOrPartition) {
				t.Errorf("grown: %+v, %v", grown, err)
			}
			if shrunk, err := adm.UpdatePartitions(ctx, 2, "a"); err != nil || !errors.Is(shrunk["a"].Err, kerr.InvalidPartitions) {
				t.Errorf("shrunk: %+v, %v", shrunk, err)
			}
			for _, b := range r.brokers { // only the broker that was asked has seen it for sure
				r.await("all brokers serve the new partitions", func() bool {
					tp, ok := b.live.Current().Topic("a")
					if !ok || len(tp.Partitions) != 9 {
						return false
					}
					for i, p := range tp.Partitions {
						if _, err := b.leaders.Get(partition.Key{Topic: tp.ID, Index: int32(i)}); p.Leader == b.cfg.Broker && err != nil {
							return false
						}
					}
					return true
				})
			}
			topics, err := adm.ListTopics(ctx)
			if err != nil || len(topics) != 2 || len(topics["a"].Partitions) != 9 {
				t.Errorf("topics: %v, %v", topics, err)
			}
			// Produce to the new partitions too.
			cl := r.client(kgo.DefaultProduceTopic("a"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			for p := range int32(9) {
				if err := cl.ProduceSync(ctx, &kgo.Record{Partition: p, Value: []byte("x")}).FirstErr(); err != nil {
					t.Errorf("partition %d: %v", p, err)
				}
			}
			deleted, err := adm.DeleteTopics(ctx, "a", "b", "none")
			if err != nil || deleted["a"].Err != nil || deleted["b"].Err != nil || !errors.Is(deleted["none"].Err, kerr.UnknownTopicOrPartition) {
				t.Errorf("deleted: %+v, %v", deleted, err)
			}
			for i, b := range r.brokers {
				r.await("deleted everywhere", func() bool { return b.live.Current().TopicCount() == 0 })
				r.await(fmt.Sprint("broker ", i+1, " leads nothing"), func() bool { return len(b.leaders.Keys()) == 0 })
			}
		})
	}
}

func TestThousandTopicsInOneRequest(t *testing.T) {
	_, adm, ctx := newAdmin(t, nil)
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprint("topic-", i))
	}
	start := time.Now()
	res, err := adm.CreateTopics(ctx, 1, 3, nil, names...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1,000 topics in one request: %v", time.Since(start).Round(time.Millisecond))
	if err := res.Error(); err != nil {
		t.Fatal(err)
	}
	too, err := adm.CreateTopics(ctx, 5001, 1, nil, "x", "y")
	if err != nil || !errors.Is(too["x"].Err, kerr.PolicyViolation) || !errors.Is(too["y"].Err, kerr.PolicyViolation) {
		t.Errorf("10,002 partitions: %+v, %v", too, err)
	}
}

func TestDescribeAndAlterConfigs(t *testing.T) {
	r, adm, ctx := newAdmin(t, map[string]string{"log.retention.hours": "1", "message.max.bytes": "2000000"})
	r.create("t", 1)
	topicConfig := func(name string) kadm.Config {
		t.Helper()
		res, err := adm.DescribeTopicConfigs(ctx, "t")
		if err != nil {
			t.Fatal(err)
		}
		rc, err := res.On("t", nil)
		if err != nil || rc.Err != nil {
			t.Fatal(err, rc.Err)
		}
		for _, c := range rc.Configs {
			if c.Key == name {
				return c
			}
		}
		t.Fatalf("there is no %s", name)
		panic("unreachable")
	}
	// As in Kafka, where log.retention.ms is not set what stands in for it is not shown; its value holds.
	if c := topicConfig("retention.ms"); *c.Value != "3600000" || c.Source != kmsg.ConfigSourceDefaultConfig || len(c.Synonyms) != 0 {
		t.Errorf("retention.ms: %+v", c)
	}
	if c := topicConfig("max.message.bytes"); *c.Value != "2000000" || c.Source != kmsg.ConfigSourceStaticBrokerConfig {
		t.Errorf("max.message.bytes: %+v", c)
	}
	set := func(name, value string) kadm.AlterConfig {
		return kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value}
	}
	res, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{set("retention.ms", "77"), set("cleanup.policy", "compact")}, "t")
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	r.await("all brokers show the change", func() bool {
		for _, b := range r.brokers {
			if tp, _ := b.live.Current().Topic("t"); tp.Configs["retention.ms"] != "77" {
				return false
			}
		}
		return true
	})
	if c := topicConfig("retention.ms"); *c.Value != "77" || c.Source != kmsg.ConfigSourceDynamicTopicConfig {
		t.Errorf("after: %+v", c)
	}
	for name, value := range map[string]string{"retention.ms": "x", "nope": "1", "compression.type": "brotli", "remote.storage.enable": "true"} {
		res, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{set(name, value)}, "t")
		if err != nil || !errors.Is(res[0].Err, kerr.InvalidConfig) || res[0].ErrMessage == "" {
			t.Errorf("%s=%s: %+v, %v", name, value, res, err)
		}
	}
	if res, err := adm.ValidateAlterTopicConfigs(ctx, []kadm.AlterConfig{set("retention.ms", "78")}, "t"); err != nil || res[0].Err != nil || *topicConfig("retention.ms").Value != "77" {
		t.Errorf("dry: %+v, %v", res, err)
	}
	if res, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "retention.ms"}}, "t"); err != nil || res[0].Err != nil {
		t.Errorf("delete: %+v, %v", res, err)
	}
	r.await("all brokers show the default again", func() bool { return *topicConfig("retention.ms").Value == "3600000" })

	brokers, err := adm.DescribeBrokerConfigs(ctx, 1, 2, 3)
	if err != nil || len(brokers) != 3 {
		t.Fatal(err, brokers)
	}
	for _, b := range brokers {
		got := map[string]string{}
		for _, c := range b.Configs {
			if c.Value != nil {
				got[c.Key] = *c.Value
			}
		}
		if b.Err != nil || got["broker.id"] != b.Name || got["message.max.bytes"] != "2000000" || got["log.retention.hours"] != "1" {
			t.Errorf("broker %s: %v %v", b.Name, b.Err, got)
		}
	}
	if res, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{set("message.max.bytes", "3000000")}); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	r.await("the default reaches every broker", func() bool {
		for _, b := range r.brokers {
			if b.admin.Layers().TopicInt("max.message.bytes") != 3000000 {
				return false
			}
		}
		return true
	})
	if res, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{set("num.partitions", "3")}); err != nil || !errors.Is(res[0].Err, kerr.InvalidRequest) {
		t.Errorf("read-only: %+v, %v", res, err)
	}
}

// What is unknown is refused, and a broker does not answer for another.
func TestConfigRefusals(t *testing.T) {
	r, _, ctx := newAdmin(t, nil)
	cl := r.client()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = []kmsg.DescribeConfigsRequestResource{
		{ResourceType: 3, ResourceName: "g"},
		{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "3"},
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "none"},
		{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: ""},
	}
	resp, err := cl.Broker(1).RetriableRequest(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	var codes []int16
	for _, res := range resp.(*kmsg.DescribeConfigsResponse).Resources {
		codes = append(codes, res.ErrorCode)
	}
	if want := []int16{kerr.InvalidRequest.Code, kerr.InvalidRequest.Code, kerr.UnknownTopicOrPartition.Code, 0}; !cmp.Equal(codes, want) {
		t.Errorf("got %v, want %v", codes, want)
	}
}

func TestProducerIDs(t *testing.T) {
	r, _, ctx := newAdmin(t, nil)
	cl := r.client()
	seen := map[int64]bool{}
	for range 30 {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 1000
		if len(seen) > 0 { // KIP-360: naming the old one gives a new one, as in Kafka
			req.ProducerID, req.ProducerEpoch = int64(rand.IntN(1000)), 4
		}
		resp, err := cl.Broker(1+rand.IntN(3)).RetriableRequest(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		id := resp.(*kmsg.InitProducerIDResponse)
		if id.ErrorCode != 0 || id.ProducerEpoch != 0 || seen[id.ProducerID] {
			t.Errorf("got %+v", id)
		}
		seen[id.ProducerID] = true
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	for id, want := range map[string]*kerr.Error{"": kerr.InvalidRequest, "tx": kerr.InvalidTransactionTimeout} {
		req.TransactionalID, req.TransactionTimeoutMillis = &id, 1_000_000
		resp, err := cl.Broker(1).RetriableRequest(ctx, req)
		if err != nil || resp.(*kmsg.InitProducerIDResponse).ErrorCode != want.Code {
			t.Errorf("transactional id %q: %+v, %v, want %v", id, resp, err, want)
		}
	}
}
