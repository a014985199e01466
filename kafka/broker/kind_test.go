package broker

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/image"
	"weir/kafka/kind"
	"weir/kafka/partition"
	"weir/kafka/quota"
	"weir/kafka/topic"
	"weir/metadata"
)

// wants writes what the control plane wants of the cluster, and waits until all brokers hold to it.
func (r *rig) wants(s metadata.Settings) {
	r.t.Helper()
	r.commit(metadata.Put(metadata.SettingsKey(testCluster), metadata.Encode(s)))
	for _, b := range r.brokers {
		r.await("the settings are known", func() bool {
			now := b.live.Current().Settings()
			b.kind.mu.Lock()
			defer b.kind.mu.Unlock()
			return now != nil && now.Number == s.Number && b.kind.settings == now
		})
	}
}

// rule gives a broker rules that no kind has, so that a test needs no thousands of connections.
func (r *rig) rule(b *rigBroker, change func(*kind.Rules)) {
	r.t.Helper()
	r.await("the broker has counted the brokers, and takes no rules from the image any more", func() bool {
		b.kind.mu.Lock()
		defer b.kind.mu.Unlock()
		return b.kind.brokers == len(r.brokers) && b.kind.settings == b.live.Current().Settings()
	})
	b.kind.mu.Lock()
	defer b.kind.mu.Unlock()
	rules := kind.Of(&metadata.Settings{Kind: metadata.Serverless})
	change(rules)
	b.kind.set(rules, len(r.brokers))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.shared = b.kind.connections(len(r.brokers))
}

// Each broker has its part of what the cluster may take. Express brokers have limits of their own.
func TestRatesAreSharedOut(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	r.wants(metadata.Settings{Number: 1, Kind: metadata.Serverless})
	for _, b := range r.brokers {
		got := b.kind.bounded.Bounds()
		if got.In != 100e6 || got.Out != 200e6 || got.Requests != 7500 || got.Attempts != 50 || got.PartitionIn != 5e6 || got.PartitionOut != 10e6 || got.TopicRequests != 2 {
			t.Errorf("serverless: %+v", got)
		}
		if n := b.kind.connections(2); n != 1500 {
			t.Errorf("%d connections", n)
		}
	}
	r.wants(metadata.Settings{Number: 2, Kind: metadata.Express, Broker: metadata.BrokerLimits{IngressBytes: 7, EgressBytes: 8}})
	for _, b := range r.brokers {
		if got := b.kind.bounded.Bounds(); got.In != 7 || got.Out != 8 || got.PartitionIn != 15e6 || got.PartitionOut != 15e6 || got.Attempts != 0 {
			t.Errorf("Express: %+v", got)
		}
	}
	for n, s := range []metadata.Settings{{Kind: metadata.Standard}, {Kind: metadata.Serverless, Limits: metadata.LimitsOff}} {
		s.Number = int64(3 + n)
		s.Broker = metadata.BrokerLimits{IngressBytes: 7}
		r.wants(s)
		if got := r.brokers[0].kind.bounded.Bounds(); got.Limits() {
			t.Errorf("%s %s: %+v", s.Kind, s.Limits, got)
		}
	}
}

func TestExpressBrokerThrottlesProducers(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	made := r.create("t", 1)
	req := produceReq(9, -1, "t", made.ID, records(1, 50_000))
	if got := ask[*kmsg.ProduceResponse](r, b, req); got.ThrottleMillis != 0 {
		t.Errorf("Standard: throttle %d ms", got.ThrottleMillis)
	}
	r.wants(metadata.Settings{Number: 1, Kind: metadata.Express, Broker: metadata.BrokerLimits{IngressBytes: 1000}})
	got := ask[*kmsg.ProduceResponse](r, b, req)
	if got.ThrottleMillis < 1000 || got.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("throttle %d ms, want more than a second, and the records taken: %+v", got.ThrottleMillis, got.Topics)
	}
}

// Records that are too many come, and then the client pauses.
func TestExpressBrokerThrottlesConsumers(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	made := r.create("t", 1)
	ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", made.ID, records(1, 50_000)))
	r.wants(metadata.Settings{Number: 1, Kind: metadata.Express, Broker: metadata.BrokerLimits{EgressBytes: 1000}})
	got := ask[*kmsg.FetchResponse](r, b, fetchReq(12, "t", made.ID, 1, 0))
	if got.ThrottleMillis < 1000 || len(got.Topics[0].Partitions[0].RecordBatches) < 50_000 {
		t.Errorf("throttle %d ms with %d bytes", got.ThrottleMillis, len(got.Topics[0].Partitions[0].RecordBatches))
	}
}

func TestPartitionsAreThrottledOneByOne(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	made := r.create("t", 2)
	r.rule(b, func(rules *kind.Rules) { rules.PartitionIn, rules.PartitionOut = 1000, 1000 })
	for index := range int32(2) {
		req := produceReq(9, -1, "t", made.ID, records(1, 8000))
		req.Topics[0].Partitions[0].Partition = index
		if got := ask[*kmsg.ProduceResponse](r, b, req); got.ThrottleMillis != 0 {
			t.Errorf("partition %d: throttle %d ms", index, got.ThrottleMillis)
		}
	}
	if got := ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", made.ID, records(1, 20_000))); got.ThrottleMillis < 1000 {
		t.Errorf("throttle %d ms", got.ThrottleMillis)
	}
	if got := ask[*kmsg.FetchResponse](r, b, fetchReq(12, "t", made.ID, 1, 0)); got.ThrottleMillis < 1000 {
		t.Errorf("fetch: throttle %d ms", got.ThrottleMillis)
	}
}

func TestServerlessRequestsAreThrottled(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	metadataReq := kmsg.NewPtrMetadataRequest()
	metadataReq.Version = 8
	r.rule(b, func(rules *kind.Rules) { rules.Cluster.Requests = 0.01 })
	if got := ask[*kmsg.MetadataResponse](r, b, metadataReq); got.ThrottleMillis == 0 {
		t.Error("requests: no throttle time")
	}
	r.rule(b, func(rules *kind.Rules) { rules.TopicRequests = 0.01 })
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 5
	if got := ask[*kmsg.CreateTopicsResponse](r, b, req); got.ThrottleMillis == 0 {
		t.Error("topic requests: no throttle time")
	}
	if got := ask[*kmsg.MetadataResponse](r, b, metadataReq); got.ThrottleMillis != 0 {
		t.Error("another request has a throttle time")
	}
}

func TestServerlessMessageAndFetchSizes(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	made := r.create("t", 1)
	r.wants(metadata.Settings{Number: 1, Kind: metadata.Serverless})
	got := ask[*kmsg.ProduceResponse](r, b, produceReq(9, -1, "t", made.ID, records(1, 8<<20)))
	p := got.Topics[0].Partitions[0]
	if p.ErrorCode != kerr.InvalidRequest.Code || p.ErrorMessage == nil || !strings.Contains(*p.ErrorMessage, "8388608 bytes") {
		t.Errorf("%+v", p)
	}
	req := fetchReq(12, "t", made.ID, 1, 0)
	req.MaxWaitMillis = 1
	for bytes, code := range map[int32]int16{55_000_000: 0, 55_000_001: kerr.InvalidRequest.Code} {
		req.MaxBytes = bytes
		if got := ask[*kmsg.FetchResponse](r, b, req); got.ErrorCode != code {
			t.Errorf("fetch of %d bytes: code %d, want %d", bytes, got.ErrorCode, code)
		}
	}
}

func TestServerlessCompactedPartitionIsFull(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	rules := kind.Of(&metadata.Settings{Kind: metadata.Serverless})
	r.create("compacted", 1)
	plain := r.create("plain", 1)
	policy := "compact"
	if err := b.admin.AlterTopic(t.Context(), "compacted", []topic.ConfigOp{{Name: "cleanup.policy", Value: &policy}}, false, false); err != nil {
		t.Fatal(err)
	}
	compacted, _ := b.live.Current().Topic("compacted")
	key, other := partition.Key{Topic: compacted.ID}, partition.Key{Topic: plain.ID}
	img := b.live.Current()
	r.rule(b, func(*kind.Rules) {})
	if full := fullPartitions(rules, img, []partition.Size{{Key: key, Bytes: rules.CompactedBytes - 1}, {Key: other, Bytes: 1 << 50}}); full != nil {
		t.Errorf("full: %v", *full)
	}
	b.kind.full.Store(fullPartitions(rules, img, []partition.Size{{Key: key, Bytes: rules.CompactedBytes}, {Key: other, Bytes: 1 << 50}}))
	err := b.kind.checkBatch(compacted, 0, 10)
	if kafkaError(err) != kerr.ThrottlingQuotaExceeded || !strings.Contains(err.Error(), "may have 250000000000 bytes") {
		t.Errorf("a full partition: %v", err)
	}
	if err := b.kind.checkBatch(plain, 0, 10); err != nil {
		t.Errorf("a partition that is not compacted: %v", err)
	}
}

func TestServerlessConnections(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.rule(b, func(rules *kind.Rules) { rules.Connections = 2 })
	first := r.dial(b)
	alive := func(c net.Conn) bool {
		wc := &wireConn{Conn: c, t: t}
		req := kmsg.NewPtrApiVersionsRequest()
		if _, err := c.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, 1)); err != nil {
			return false
		}
		_, _, err := wc.frame()
		return err == nil
	}
	if second := r.dial(b); !alive(first) || !alive(second) {
		t.Fatal("the first two are not served")
	}
	third := r.dial(b)
	if _, err := third.Read(make([]byte, 1)); err != io.EOF && !isReset(err) {
		t.Errorf("the third: %v", err)
	}
	first.Close()
	r.await("another is served when one is gone", func() bool { return alive(r.dial(b)) })
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "reset") }

func TestServerlessConnectionAttempts(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.rule(b, func(rules *kind.Rules) { rules.Cluster.Attempts = 0.1 }) // one in ten seconds
	r.dial(b)
	second := r.dial(b)
	if _, err := second.Read(make([]byte, 1)); err != io.EOF && !isReset(err) {
		t.Errorf("the second: %v", err)
	}
}

// The groups of all brokers count.
func TestServerlessGroups(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2, limits: Limits{GroupsWait: time.Minute}})
	cl := r.client()
	join := func(group string) int16 {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.ProtocolType, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = group, "consumer", 30_000, 30_000
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
		for {
			resp, err := req.RequestWith(t.Context(), cl)
			if err != nil {
				t.Fatal(err)
			}
			if resp.ErrorCode != kerr.MemberIDRequired.Code {
				return resp.ErrorCode
			}
			req.MemberID = resp.MemberID
		}
	}
	const most = 5
	for i := range most {
		if code := join(fmt.Sprint("group-", i)); code != 0 {
			t.Fatalf("group %d: code %d", i, code)
		}
	}
	for _, b := range r.brokers {
		r.rule(b, func(rules *kind.Rules) { rules.Groups = most })
	}
	if code := join("one-more"); code != kerr.InvalidRequest.Code {
		t.Errorf("one more: code %d", code)
	}
	coordinators := 0
	for _, b := range r.brokers {
		if err := b.admitGroup(t.Context(), "one-more"); err == nil || !strings.Contains(err.Error(), "may have 5 consumer groups, and it has 5") {
			t.Errorf("broker %d: %v", b.cfg.Broker, err)
		}
		if b.admitGroup(t.Context(), "group-0") == nil { // it is there
			coordinators++
		}
	}
	if coordinators != 1 {
		t.Errorf("%d brokers take members of a group that is there", coordinators)
	}
}

func TestServerlessIsNotReassigned(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.create("t", 1)
	r.wants(metadata.Settings{Number: 1, Kind: metadata.Serverless, Limits: metadata.LimitsOff})
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: "t", Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: []int32{1}}}}}
	p := ask[*kmsg.AlterPartitionAssignmentsResponse](r, b, req).Topics[0].Partitions[0]
	if p.ErrorCode != kerr.InvalidRequest.Code || p.ErrorMessage == nil || !strings.Contains(*p.ErrorMessage, "cannot be reassigned") {
		t.Errorf("%+v", p)
	}
}

// What a broker carries is told to the control plane with what it leads, but for internal topics.
func TestLoadCountsWhatABrokerLeads(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	r.create("t", 4)
	if err := r.brokers[0].admin.CreateInternal("__consumer_offsets")(t.Context(), 5, 1, nil); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, b := range r.brokers {
		r.await("the topics are known", func() bool { return b.live.Current().TopicCount() == 2 })
		l := b.load(b.live.Current())
		sum += l.Leaders
		if l.Leaders == 0 || l.In != 0 || l.Out != 0 {
			t.Errorf("%+v", l)
		}
	}
	if sum != 4 {
		t.Errorf("%d leaders, want 4", sum)
	}
}

// Other clusters have as many brokers as somebody wants, so nobody asks what theirs carry.
func TestOnlyServerlessBrokersReportLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := metadata.NewMem()
		defer store.Close()
		live := image.New(store, testCluster)
		b := &Broker{cfg: Config{Cluster: testCluster, Broker: 7}, log: slog.New(slog.DiscardHandler), store: store, image: live, kind: newRuled(quota.Settings{}), kafka: newKafkaMetrics(nil)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.reportLoad(ctx) }()
		defer func() { cancel(); <-done }()
		reported := func() bool {
			_, ok, err := store.Get(t.Context(), metadata.BrokerLoadKey(testCluster, 7))
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		<-time.After(10 * loadEvery)
		synctest.Wait()
		if reported() {
			t.Error("a broker of a Standard cluster reports its load")
		}
		b.kind.rules.Store(kind.Of(&metadata.Settings{Kind: metadata.Serverless}))
		<-time.After(2 * loadEvery)
		synctest.Wait()
		if !reported() {
			t.Fatal("nothing is reported")
		}
		at := store.Revision()
		<-time.After(10 * loadEvery)
		synctest.Wait()
		if store.Revision() != at {
			t.Error("what has not changed is reported again")
		}
	})
}
