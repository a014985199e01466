package broker

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/logger"
)

// change is one op of IncrementalAlterConfigs and what Apache Kafka 4.4.0 answers to it.
type change struct {
	kind        kmsg.ConfigResourceType
	name, key   string
	op          kmsg.IncrementalAlterConfigOp
	value, want string
	code        *kerr.Error
}

const (
	aTopic, aBroker, aLogger = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger
	aGroup, aSubscription    = kmsg.ConfigResourceTypeGroupConfig, kmsg.ConfigResourceTypeClientMetrics
	apis                     = "kafka.server.KafkaApis"
)

func TestConfigResourcesAnswerAsKafka(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	c := r.dial(r.brokers[0])
	for _, tt := range []change{
		{aGroup, "g", "consumer.session.timeout.ms", 0, "50000", "", nil},
		{aGroup, "g", "consumer.session.timeout.ms", 0, "5000", "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive.", kerr.InvalidConfig},
		{aGroup, "g", "nosuch", 0, "1", "Unknown group config name: nosuch", kerr.InvalidConfig},
		{aGroup, "", "consumer.session.timeout.ms", 0, "50000", "Default group resources are not allowed.", kerr.InvalidRequest},
		{aGroup, "g", "streams.rack.aware.assignment.tags", 2, "c", "Can't APPEND to key streams.rack.aware.assignment.tags because its type is not LIST.", kerr.InvalidConfig},
		{aGroup, "g", "nosuch", 1, "", "", nil},
		{aSubscription, "s", "interval.ms", 0, "1000", "", nil},
		{aSubscription, "s", "interval.ms", 0, "99", "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)", kerr.InvalidRequest},
		{aSubscription, "s", "match", 0, "foo=.*", "Illegal client matching pattern: foo=.*", kerr.InvalidConfig},
		{aSubscription, "s", "nosuch", 0, "1", "Unknown client metrics configuration: nosuch", kerr.InvalidRequest},
		{aSubscription, "", "interval.ms", 0, "1000", "Subscription name can't be empty", kerr.InvalidRequest},
		{aSubscription, "s", "metrics", 2, "x", "Can't APPEND to key metrics because its type is not LIST.", kerr.InvalidConfig},
		{aLogger, "1", apis, 0, "DEBUG", "", nil},
		{
			aLogger, "1", apis, 0, "debug", "Cannot set the log level of kafka.server.KafkaApis to debug as it is not a supported log level. " +
				"Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN", kerr.InvalidConfig,
		},
		{aLogger, "1", "nosuch", 0, "INFO", "Logger nosuch does not exist!", kerr.InvalidConfig},
		{aLogger, "1", "nosuch", 1, "", "Logger nosuch does not exist!", kerr.InvalidConfig},
		{aLogger, "1", logger.Root, 1, "", "Removing the log level of the root logger is not allowed", kerr.InvalidRequest},
		{aLogger, "1", apis, 2, "INFO", "APPEND operation is not allowed for the BROKER_LOGGER resource", kerr.InvalidRequest},
		{aLogger, "2", logger.Root, 0, "INFO", "Unexpected node id. Expected 1, but received 2", kerr.InvalidRequest},
		{aLogger, "", logger.Root, 0, "INFO", "Node id must be an integer, but it is: ", kerr.InvalidRequest},
		{aBroker, "1", "message.max.bytes", 0, "-1", "Invalid value -1 for configuration message.max.bytes: Value must be at least 0", kerr.InvalidRequest},
		{aBroker, "2", "message.max.bytes", 0, "1000", "Unexpected broker id, expected 1, but received 2", kerr.InvalidRequest},
		{aBroker, "x", "message.max.bytes", 0, "1000", "Node id must be an integer, but it is: x", kerr.InvalidRequest},
		{aTopic, "", "retention.ms", 0, "1", "Default topic resources are not allowed.", kerr.InvalidRequest},
		{9, "x", "retention.ms", 0, "1", "Unknown resource type 9", kerr.InvalidRequest},
	} {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version = 1
		config := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: tt.key, Op: tt.op, Value: &tt.value}
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: tt.kind, ResourceName: tt.name, Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{config}}}
		c.send(1, req)
		got := receive[*kmsg.IncrementalAlterConfigsResponse](c, req, 1).Resources[0]
		var code int16
		if tt.code != nil {
			code = tt.code.Code
		}
		if message := deref(got.ErrorMessage); got.ErrorCode != code || message != tt.want {
			t.Errorf("%v %s %s %v %s: got %d %q, want %d %q", tt.kind, tt.name, tt.key, tt.op, tt.value, got.ErrorCode, message, code, tt.want)
		}
	}
	if got := r.brokers[0].loggers.All(); got[apis] != "DEBUG" || got[logger.Root] != "INFO" {
		t.Errorf("levels: %v", got)
	}
	list := func(version int16, types ...int8) *kmsg.ListConfigResourcesResponse {
		req := kmsg.NewPtrListConfigResourcesRequest()
		req.Version, req.ResourceTypes = version, types
		c.send(1, req)
		return receive[*kmsg.ListConfigResourcesResponse](c, req, 1)
	}
	names := func(resp *kmsg.ListConfigResourcesResponse) (out []string) {
		for _, res := range resp.ConfigResources {
			out = append(out, kmsg.ConfigResourceType(res.Type).String()+" "+res.Name)
		}
		return out
	}
	if got, want := names(list(1)), []string{"GROUP_CONFIG g", "CLIENT_METRICS s", "BROKER_LOGGER 1", "BROKER_LOGGER 2", "BROKER 1", "BROKER 2"}; !cmp.Equal(got, want) {
		t.Errorf("all: got %v", got)
	}
	if got, want := names(list(0)), []string{"CLIENT_METRICS s"}; !cmp.Equal(got, want) {
		t.Errorf("version 0: got %v", got)
	}
	if got, want := names(list(1, 4, 32, 4)), []string{"GROUP_CONFIG g", "BROKER 1", "BROKER 2"}; !cmp.Equal(got, want) {
		t.Errorf("two types: got %v", got)
	}
	if got := list(1, 99); got.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("unknown type: %+v", got)
	}
}

func TestConfigResourcesAreDescribed(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"group.consumer.heartbeat.interval.ms": "7000"}})
	c := r.dial(r.brokers[0])
	alter := kmsg.NewPtrAlterConfigsRequest()
	value := "50000"
	alter.Resources = []kmsg.AlterConfigsRequestResource{
		{ResourceType: aGroup, ResourceName: "g/1", Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "consumer.session.timeout.ms", Value: &value}}},
		{ResourceType: aLogger, ResourceName: "1"},
	}
	c.send(1, alter)
	if resp := receive[*kmsg.AlterConfigsResponse](c, alter, 1); resp.Resources[0].ErrorCode != 0 || deref(resp.Resources[1].ErrorMessage) != "Unknown resource type 8" {
		t.Errorf("alter: %+v", resp)
	}
	describe := func(kind kmsg.ConfigResourceType, name string, keys ...string) kmsg.DescribeConfigsResponseResource {
		t.Helper()
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Version, req.IncludeSynonyms = 4, true
		req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kind, ResourceName: name, ConfigNames: keys}}
		c.send(1, req)
		return receive[*kmsg.DescribeConfigsResponse](c, req, 1).Resources[0]
	}
	lines := func(res kmsg.DescribeConfigsResponseResource) (out []string) {
		for _, e := range res.Configs {
			line := e.Name + "=" + deref(e.Value) + " " + e.Source.String()
			for _, s := range e.ConfigSynonyms {
				line += " " + s.Name + "=" + deref(s.Value) + ":" + s.Source.String()
			}
			out = append(out, line)
		}
		return out
	}
	if got, want := lines(describe(aGroup, "g/1", "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms", "share.isolation.level", "nosuch")), []string{
		"consumer.heartbeat.interval.ms=7000 STATIC_BROKER_CONFIG group.consumer.heartbeat.interval.ms=7000:STATIC_BROKER_CONFIG group.consumer.heartbeat.interval.ms=5000:DEFAULT_CONFIG",
		"consumer.session.timeout.ms=50000 GROUP_CONFIG consumer.session.timeout.ms=50000:GROUP_CONFIG group.consumer.session.timeout.ms=45000:DEFAULT_CONFIG",
		"share.isolation.level=read_uncommitted DEFAULT_CONFIG share.isolation.level=read_uncommitted:DEFAULT_CONFIG",
	}; !cmp.Equal(got, want) {
		t.Errorf("group: %s", cmp.Diff(want, got))
	}
	if got, want := lines(describe(aSubscription, "none")), []string{"interval.ms=300000 DEFAULT_CONFIG", "match= DEFAULT_CONFIG", "metrics= DEFAULT_CONFIG"}; !cmp.Equal(got, want) {
		t.Errorf("client metrics: %s", cmp.Diff(want, got))
	}
	if got, want := lines(describe(aLogger, "1", logger.Root)), []string{"root=INFO DYNAMIC_BROKER_LOGGER_CONFIG"}; !cmp.Equal(got, want) {
		t.Errorf("loggers: %s", cmp.Diff(want, got))
	}
	for _, tt := range []struct {
		kind       kmsg.ConfigResourceType
		name, want string
		code       *kerr.Error
	}{
		{aGroup, "", "Group name must not be empty", kerr.InvalidRequest},
		{aSubscription, "", "Client metrics subscription name must not be empty", kerr.InvalidRequest},
		{aLogger, "", "Broker id must not be empty", kerr.InvalidRequest},
		{aLogger, "2", "Unexpected broker id, expected 1 but received 2", kerr.InvalidRequest},
		{aLogger, "x", "Broker id must be an integer, but it is: x", kerr.InvalidRequest},
		{aBroker, "2", "Unexpected broker id, expected 1 or empty string, but received 2", kerr.InvalidRequest},
		{aBroker, "x", "Broker id must be an integer, but it is: x", kerr.InvalidRequest},
		{aTopic, "nosuch", "", kerr.UnknownTopicOrPartition},
		{aTopic, "", "Topic name is invalid: the empty string is not allowed", kerr.InvalidTopicException},
		{7, "x", "Unsupported resource type: 7", kerr.InvalidRequest},
	} {
		if got := describe(tt.kind, tt.name); got.ErrorCode != tt.code.Code || deref(got.ErrorMessage) != tt.want {
			t.Errorf("%v %q: got %d %q", tt.kind, tt.name, got.ErrorCode, deref(got.ErrorMessage))
		}
	}
}

func TestTelemetryFollowsItsConfigs(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	c := r.dial(b)
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version, versions.ClientSoftwareName, versions.ClientSoftwareVersion = 3, "my-client", "1.0"
	c.send(1, versions)
	receive[*kmsg.ApiVersionsResponse](c, versions, 1)
	get := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
	ask := func() *kmsg.GetTelemetrySubscriptionsResponse {
		t.Helper()
		c.send(2, get)
		return receive[*kmsg.GetTelemetrySubscriptionsResponse](c, get, 2)
	}
	first := ask()
	if first.ErrorCode != 0 || len(first.RequestedMetrics) != 0 || first.PushIntervalMillis != 300_000 || first.TelemetryMaxBytes != 1<<20 || !first.DeltaTemporality {
		t.Errorf("without subscriptions: %+v", first)
	}
	get.ClientInstanceID = first.ClientInstanceID
	if again := ask(); again.ErrorCode != kerr.ThrottlingQuotaExceeded.Code {
		t.Errorf("at once again: %+v", again)
	}
	value := func(s string) *string { return &s }
	alter := kmsg.NewPtrAlterConfigsRequest()
	alter.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: aSubscription, ResourceName: "s", Configs: []kmsg.AlterConfigsRequestResourceConfig{
		{Name: "interval.ms", Value: value("100")},
		{Name: "metrics", Value: value("org.apache.kafka.")},
		{Name: "match", Value: value("client_software_name=my-.*,client_source_address=127\\..*,client_source_port=[0-9]+,client_id=test")},
	}}}
	c.send(3, alter)
	if resp := receive[*kmsg.AlterConfigsResponse](c, alter, 3); resp.Resources[0].ErrorCode != 0 {
		t.Fatalf("alter: %+v", resp)
	}
	var a *kmsg.GetTelemetrySubscriptionsResponse
	r.await("the client is asked", func() bool { a = ask(); return a.ErrorCode == 0 })
	if !cmp.Equal(a.RequestedMetrics, []string{"org.apache.kafka."}) || a.PushIntervalMillis != 100 || a.SubscriptionID == first.SubscriptionID {
		t.Errorf("after: %+v", a)
	}
	push := kmsg.NewPtrPushTelemetryRequest()
	push.ClientInstanceID, push.SubscriptionID, push.Metrics = a.ClientInstanceID, a.SubscriptionID, []byte{0x0a, 0x00}
	c.send(4, push)
	if resp := receive[*kmsg.PushTelemetryResponse](c, push, 4); resp.ErrorCode != 0 {
		t.Errorf("push: %+v", resp)
	}
	push.Metrics = []byte{0xff}
	<-time.After(110 * time.Millisecond)
	c.send(5, push)
	if resp := receive[*kmsg.PushTelemetryResponse](c, push, 5); resp.ErrorCode != kerr.InvalidRecord.Code {
		t.Errorf("push of nonsense: %+v", resp)
	}
}
