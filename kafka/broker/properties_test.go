package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/configdef"
	"weir/kafka/group"
	"weir/kafka/txn"
	"weir/metadata"
)

// settle puts the control plane's settings in place and waits until all brokers have them.
func (r *rig) settle(number int64, properties map[string]string) {
	r.t.Helper()
	r.commit(metadata.Put(metadata.SettingsKey(testCluster), metadata.Encode(metadata.Settings{Number: number, Kind: metadata.Standard, Properties: properties})))
	for _, b := range r.brokers {
		r.await("the settings are known", func() bool {
			s := b.live.Current().Settings()
			return s != nil && s.Number == number
		})
	}
}

// brokerConfigs are what DescribeConfigs says of the first broker.
func brokerConfigs(t *testing.T, ctx context.Context, adm *kadm.Client) map[string]kadm.Config {
	t.Helper()
	res, err := adm.DescribeBrokerConfigs(ctx, 1)
	if err != nil || len(res) != 1 || res[0].Err != nil {
		t.Fatal(err, res)
	}
	all := make(map[string]kadm.Config)
	for _, c := range res[0].Configs {
		all[c.Key] = c
	}
	return all
}

// A change of the cluster's properties reaches a running broker where Kafka can change them at run time; what is read-only stays as it was when the
// process started. Both are shown as what they are, with the static file as their source.
func TestSettingsAreTheStaticLayer(t *testing.T) {
	started := map[string]string{"num.partitions": "2", "message.max.bytes": "2000000", "log.retention.ms": "1000", "auto.create.topics.enable": "false"}
	r, adm, ctx := newAdmin(t, started)
	r.create("t", 1)
	check := func(when string, want map[string]string) {
		t.Helper()
		got := brokerConfigs(t, ctx, adm)
		for name, value := range want {
			c, ok := got[name]
			source := kmsg.ConfigSourceStaticBrokerConfig
			if value == "" { // not set: the default, or nothing for what has none
				def, _ := configdef.Broker(name)
				source = kmsg.ConfigSourceDefaultConfig
				if def.Unlisted {
					if ok {
						t.Errorf("%s: %s is shown: %+v", when, name, c)
					}
					continue
				}
				value = def.Default
			}
			if c.MaybeValue() != value || c.Source != source {
				t.Errorf("%s: %s is %q from %v, want %q from %v", when, name, c.MaybeValue(), c.Source, value, source)
			}
		}
	}
	check("before there are settings", map[string]string{"num.partitions": "2", "message.max.bytes": "2000000", "log.retention.ms": "1000"})

	r.settle(1, map[string]string{
		"num.partitions": "5", "message.max.bytes": "3000000", "min.insync.replicas": "2", "auto.create.topics.enable": "true",
		"log.message.timestamp.difference.max.ms": "9",
	})
	check("after", map[string]string{
		"num.partitions": "2", "auto.create.topics.enable": "false", // from the next start
		"message.max.bytes": "3000000", "min.insync.replicas": "2", "log.message.timestamp.difference.max.ms": "9",
		"log.retention.ms": "", // it is gone from the file
	})
	res, err := adm.DescribeTopicConfigs(ctx, "t")
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	for _, c := range res[0].Configs {
		want := map[string]string{
			"max.message.bytes": "3000000", "min.insync.replicas": "2", "message.timestamp.before.max.ms": "9", "message.timestamp.after.max.ms": "9",
			"retention.ms": "604800000",
		}[c.Key]
		if want != "" && c.MaybeValue() != want {
			t.Errorf("topic: %s is %q, want %q", c.Key, c.MaybeValue(), want)
		}
		if c.Key == "max.message.bytes" && c.Source != kmsg.ConfigSourceStaticBrokerConfig {
			t.Errorf("topic: max.message.bytes comes from %v", c.Source)
		}
	}

	// What clients set at run time stands above it, and the file shows again when that goes.
	set := kadm.AlterConfig{Op: kadm.SetConfig, Name: "message.max.bytes", Value: kadm.StringPtr("4000000")}
	if res, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{set}); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	r.await("the dynamic default holds", func() bool {
		c := brokerConfigs(t, ctx, adm)["message.max.bytes"]
		return c.MaybeValue() == "4000000" && c.Source == kmsg.ConfigSourceDynamicDefaultBrokerConfig
	})
	r.settle(2, map[string]string{"message.max.bytes": "3500000"})
	if c := brokerConfigs(t, ctx, adm)["message.max.bytes"]; c.MaybeValue() != "4000000" {
		t.Errorf("a new file hides what was set at run time: %+v", c)
	}
	if res, err := adm.AlterBrokerConfigs(ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "message.max.bytes"}}); err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
	r.await("the file shows again", func() bool {
		c := brokerConfigs(t, ctx, adm)["message.max.bytes"]
		return c.MaybeValue() == "3500000"
	})
}

// Listeners of configs hear of new settings: here the one that counts connections.
func TestSettingsLimitConnections(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	limit := func() int64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.count.max
	}
	r.settle(1, map[string]string{"max.connections": "7"})
	r.await("the limit holds", func() bool { return limit() == 7 })
	r.settle(2, map[string]string{})
	r.await("the limit is gone", func() bool { return limit() > 7 })
}

// Typical properties of MSK configurations do what they say on a broker that starts with them.
func TestPropertiesTakeEffect(t *testing.T) {
	t.Run("auto.create.topics.enable", func(t *testing.T) {
		for _, value := range []string{"true", "false"} {
			r := newRig(t, rigConfig{properties: map[string]string{"auto.create.topics.enable": value, "num.partitions": "3", "default.replication.factor": "1"}})
			cl := r.client(kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
			ctx, cancel := context.WithTimeout(t.Context(), testTime)
			defer cancel()
			if value == "false" {
				if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "new", Value: []byte("v")}).FirstErr(); !errors.Is(err, kerr.UnknownTopicOrPartition) {
					t.Errorf("without: %v", err)
				}
				continue
			}
			r.await("the topic is made", func() bool {
				return cl.ProduceSync(ctx, &kgo.Record{Topic: "new", Value: []byte("v")}).FirstErr() == nil
			})
			tp, _ := r.brokers[0].live.Current().Topic("new")
			if len(tp.Partitions) != 3 {
				t.Errorf("%d partitions by num.partitions=3", len(tp.Partitions))
			}
		}
	})
	t.Run("default.replication.factor", func(t *testing.T) {
		r, adm, ctx := newAdmin(t, map[string]string{"default.replication.factor": "2", "num.partitions": "4"})
		if res, err := adm.CreateTopic(ctx, -1, -1, nil, "t"); err != nil || res.Err != nil {
			t.Fatal(err, res.Err)
		}
		tp, _ := r.brokers[0].live.Current().Topic("t")
		if tp == nil || len(tp.Partitions) != 4 || len(tp.Partitions[0].Replicas) != 2 {
			t.Errorf("%+v", tp)
		}
	})
	t.Run("delete.topic.enable", func(t *testing.T) {
		r, adm, ctx := newAdmin(t, map[string]string{"delete.topic.enable": "false"})
		r.create("t", 1)
		if _, err := adm.DeleteTopic(ctx, "t"); !errors.Is(err, kerr.TopicDeletionDisabled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("socket.request.max.bytes", func(t *testing.T) {
		r := newRig(t, rigConfig{properties: map[string]string{"socket.request.max.bytes": "1000"}})
		topic := r.create("t", 1)
		c := r.dial(r.brokers[0])
		c.send(1, produceReq(9, -1, "t", topic.ID, records(1, 2000)))
		if _, _, err := c.frame(); err == nil {
			t.Error("a request above the limit was answered")
		}
	})
	t.Run("transaction.max.timeout.ms", func(t *testing.T) {
		r := newRig(t, rigConfig{properties: map[string]string{
			"transaction.max.timeout.ms": "5000", "transaction.state.log.num.partitions": "1", "transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
		}})
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 4, kadm.StringPtr("x"), 5001
		r.await("the coordinator answers", func() bool {
			return ask[*kmsg.InitProducerIDResponse](r, r.brokers[0], req).ErrorCode == kerr.InvalidTransactionTimeout.Code
		})
	})
	t.Run("group.max.session.timeout.ms", func(t *testing.T) {
		r := newRig(t, rigConfig{properties: map[string]string{"group.max.session.timeout.ms": "7000", "offsets.topic.num.partitions": "1", "offsets.topic.replication.factor": "1"}})
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.ProtocolType, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 5, "g", "consumer", 7001, 1000
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.Version, find.CoordinatorKeys = 4, []string{"g"}
		r.await("the coordinator answers", func() bool {
			ask[*kmsg.FindCoordinatorResponse](r, r.brokers[0], find) // makes __consumer_offsets
			return ask[*kmsg.JoinGroupResponse](r, r.brokers[0], req).ErrorCode == kerr.InvalidSessionTimeout.Code
		})
	})
}

// The engines are told what they take from the file at their start; what they do with it is tested where they are.
func TestPropertiesReachTheEngines(t *testing.T) {
	g := group.SettingsFrom(map[string]string{
		"group.initial.rebalance.delay.ms": "20", "group.max.size": "7", "group.min.session.timeout.ms": "5", "offsets.retention.minutes": "3",
	})
	if g.InitialRebalanceDelay != 20*time.Millisecond || g.SizeMax != 7 || g.SessionTimeoutMin != 5*time.Millisecond || g.OffsetRetention != 3*time.Minute {
		t.Errorf("groups: %+v", g)
	}
	if x := txn.SettingsFrom(map[string]string{"transactional.id.expiration.ms": "9000"}); x.Expiration != 9*time.Second {
		t.Errorf("transactions: %+v", x)
	}
	p, err := readProperties(map[string]string{"max.incremental.fetch.session.cache.slots": "3", "connections.max.idle.ms": "1000", "fetch.max.bytes": "2048"})
	if err != nil || p.fetchSessionSlots != 3 || p.idle != time.Second || p.fetchBytesMax != 2048 {
		t.Errorf("connections: %+v, %v", p, err)
	}
}

// A rate of connections that the cluster's properties set holds on a running broker: what comes too fast waits to be accepted.
func TestSettingsLimitTheRateOfConnections(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"quota.window.num": "2"}})
	b := r.brokers[0]
	r.settle(1, map[string]string{"max.connection.creation.rate": "1"})
	r.await("a connection has to wait", func() bool { return b.quotas.Accept() > 0 })
	r.settle(2, map[string]string{})
	r.await("none has to wait", func() bool { return b.quotas.Accept() == 0 })
}
