package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The types of config resources.
const (
	topicResource         = 2
	brokerResource        = 4
	loggerResource        = 8
	clientMetricsResource = 16
	groupResource         = 32
)

func configScenarios() []scenario {
	return []scenario{
		{"describe configs", []int16{32}, describeConfigs},
		{"configs of groups and client metrics", []int16{32, 74}, newerConfigs},
		{"alter configs", []int16{33, 32}, alterConfigs},
		{"incremental alter configs", []int16{44, 32}, incrementalAlterConfigs},
		{"list config resources", []int16{74}, listConfigResources},
	}
}

func resource(kind kmsg.ConfigResourceType, name string, configs ...string) kmsg.DescribeConfigsRequestResource {
	return with(kmsg.NewDescribeConfigsRequestResource(), func(r *kmsg.DescribeConfigsRequestResource) {
		r.ResourceType, r.ResourceName = kind, name
		if len(configs) > 0 {
			r.ConfigNames = configs
		}
	})
}

func (d *dialogue) describe(label string, v int16, resources ...kmsg.DescribeConfigsRequestResource) {
	ask[*kmsg.DescribeConfigsResponse](d, label, v, asked(kmsg.NewPtrDescribeConfigsRequest(), func(r *kmsg.DescribeConfigsRequest) {
		r.Resources, r.IncludeSynonyms = resources, true
	}))
}

// brokerConfigs are those that users ask for most; what a JVM or a directory of logs needs is not among them.
var brokerConfigs = []string{ //nolint:gochecknoglobals // a table
	"log.retention.ms", "log.retention.hours", "log.retention.bytes", "log.segment.bytes", "num.partitions", "default.replication.factor",
	"min.insync.replicas", "message.max.bytes", "compression.type", "auto.create.topics.enable", "delete.topic.enable",
	"offsets.retention.minutes", "group.min.session.timeout.ms", "group.max.session.timeout.ms", "group.consumer.heartbeat.interval.ms",
	"transaction.max.timeout.ms", "unclean.leader.election.enable", "log.cleanup.policy", "log.message.timestamp.type",
	"group.share.record.lock.duration.ms", "max.connections", "fetch.max.bytes", "no.such.config",
}

func describeConfigs(d *dialogue) {
	d.topic("dc", 1, "retention.ms", "1000", "cleanup.policy", "compact")
	d.each(32, func(v int16) {
		d.describe("topic", v, resource(topicResource, "dc"))
		d.describe("some of a topic", v, resource(topicResource, "dc", "retention.ms", "no.such.config", "retention.ms"))
		d.describe("topics that there are not", v, resource(topicResource, "dc-absent"), resource(topicResource, ""), resource(topicResource, "a b"))
		d.describe("broker", v, resource(brokerResource, "1", brokerConfigs...))
		d.describe("default of brokers", v, resource(brokerResource, "", brokerConfigs...))
		d.describe("a broker that there is not", v, resource(brokerResource, "9"))
		d.describe("no broker's name", v, resource(brokerResource, "one"))
		d.describe("logger of a broker that there is not", v, resource(loggerResource, "9"))
		d.describe("logger", v, resource(loggerResource, "1", "no.such.logger"))
		d.describe("unknown type", v, resource(0, "dc"), resource(1, "dc"), resource(99, "dc"))
		d.describe("twice", v, resource(topicResource, "dc", "retention.ms"), resource(topicResource, "dc", "retention.ms"))
	})
}

func newerConfigs(d *dialogue) {
	d.describe("a group without configs", newest, resource(groupResource, "nc-group"))
	d.describe("client metrics that there are not", newest, resource(clientMetricsResource, "nc-metrics"))
	d.describe("nameless", newest, resource(groupResource, ""), resource(clientMetricsResource, ""))
	set := func(label string, kind kmsg.ConfigResourceType, name string, configs ...string) {
		ask[*kmsg.IncrementalAlterConfigsResponse](d, label, newest, increments(false, increment(kind, name, 0, configs...)))
	}
	set("group", groupResource, "nc-group", "consumer.session.timeout.ms", "50000", "consumer.heartbeat.interval.ms", "6000")
	set("group, share", groupResource, "nc-group", "share.record.lock.duration.ms", "20000", "share.auto.offset.reset", "earliest")
	set("group, streams", groupResource, "nc-group", "streams.num.standby.replicas", "1")
	set("group, out of bounds", groupResource, "nc-group", "consumer.session.timeout.ms", "1")
	set("group, too high", groupResource, "nc-group", "consumer.heartbeat.interval.ms", "100000000")
	set("group, no number", groupResource, "nc-group", "consumer.session.timeout.ms", "soon")
	set("group, no such config", groupResource, "nc-group", "no.such.config", "1")
	set("group without name", groupResource, "", "consumer.session.timeout.ms", "50000")
	set("metrics", clientMetricsResource, "nc-metrics", "metrics", "org.apache.kafka.producer.", "interval.ms", "30000", "match", "client_id=a")
	set("metrics, bad interval", clientMetricsResource, "nc-metrics", "interval.ms", "5")
	set("metrics, bad match", clientMetricsResource, "nc-metrics", "match", "no_such_label=a")
	set("metrics, bad pattern", clientMetricsResource, "nc-metrics", "match", "client_id=((")
	set("metrics, no such config", clientMetricsResource, "nc-metrics", "no.such.config", "1")
	set("metrics without name", clientMetricsResource, "", "interval.ms", "30000")
	d.settle()
	d.describe("a group with configs", newest, resource(groupResource, "nc-group"))
	d.describe("metrics", newest, resource(clientMetricsResource, "nc-metrics"))
	for _, kind := range []int8{groupResource, clientMetricsResource} {
		ask[*kmsg.ListConfigResourcesResponse](d, fmt.Sprintf("resources of type %d", kind), newest,
			asked(kmsg.NewPtrListConfigResourcesRequest(), func(r *kmsg.ListConfigResourcesRequest) { r.ResourceTypes = []int8{kind} }))
	}
}

// settle waits until what was changed so far is known to every part of the broker: a topic that is made afterwards is, and one that is made after that
// is seen when all parts have got the first one's change.
func (d *dialogue) settle() {
	for range 2 {
		d.topic(fmt.Sprintf("settle-%d-%d", len(d.entries), len(d.names.given)), 1)
	}
}

func alterConfigs(d *dialogue) {
	d.each(33, func(v int16) {
		name := fmt.Sprintf("ac-%d", v)
		d.topic(name, 1, "cleanup.policy", "compact")
		alter := func(label string, validateOnly bool, kind kmsg.ConfigResourceType, name string, configs ...string) {
			ask[*kmsg.AlterConfigsResponse](d, label, v, asked(kmsg.NewPtrAlterConfigsRequest(), func(r *kmsg.AlterConfigsRequest) {
				resource := kmsg.NewAlterConfigsRequestResource()
				resource.ResourceType, resource.ResourceName = kind, name
				for i := 0; i < len(configs); i += 2 {
					c := kmsg.NewAlterConfigsRequestResourceConfig()
					c.Name = configs[i]
					if configs[i+1] != "<null>" {
						c.Value = &configs[i+1]
					}
					resource.Configs = append(resource.Configs, c)
				}
				r.Resources, r.ValidateOnly = append(r.Resources, resource), validateOnly
			}))
		}
		alter("topic", false, topicResource, name, "retention.ms", "5000")
		alter("only validated", true, topicResource, name, "retention.ms", "6000")
		alter("bad value", false, topicResource, name, "retention.ms", "soon")
		alter("out of bounds", false, topicResource, name, "retention.ms", "-5")
		alter("null", false, topicResource, name, "retention.ms", "<null>")
		alter("no such config", false, topicResource, name, "no.such.config", "1")
		alter("absent topic", false, topicResource, "ac-absent", "retention.ms", "1")
		alter("no name", false, topicResource, "", "retention.ms", "1")
		alter("unknown type", false, 77, name, "retention.ms", "1")
		alter("config twice", false, topicResource, name, "retention.ms", "1", "retention.ms", "2")
		alter("broker that there is not", false, brokerResource, "9", "log.cleaner.threads", "2")
		alter("broker, static config", false, brokerResource, "1", "process.roles", "broker")
		alter("broker, no such name", false, brokerResource, "one", "log.cleaner.threads", "2")
		d.settle()
		d.describe("afterwards "+name, newest, resource(topicResource, name, "retention.ms", "cleanup.policy"))
	})
}

func increment(kind kmsg.ConfigResourceType, name string, op kmsg.IncrementalAlterConfigOp, configs ...string) kmsg.IncrementalAlterConfigsRequestResource {
	return with(kmsg.NewIncrementalAlterConfigsRequestResource(), func(r *kmsg.IncrementalAlterConfigsRequestResource) {
		r.ResourceType, r.ResourceName = kind, name
		for i := 0; i < len(configs); i += 2 {
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Name, c.Op = configs[i], op
			if configs[i+1] != "<null>" {
				c.Value = &configs[i+1]
			}
			r.Configs = append(r.Configs, c)
		}
	})
}

func increments(validateOnly bool, resources ...kmsg.IncrementalAlterConfigsRequestResource) *kmsg.IncrementalAlterConfigsRequest {
	return asked(kmsg.NewPtrIncrementalAlterConfigsRequest(), func(r *kmsg.IncrementalAlterConfigsRequest) {
		r.Resources, r.ValidateOnly = resources, validateOnly
	})
}

func incrementalAlterConfigs(d *dialogue) {
	const set, remove, app, subtract = 0, 1, 2, 3
	d.each(44, func(v int16) {
		name := fmt.Sprintf("iac-%d", v)
		d.topic(name, 1, "retention.ms", "1000")
		alter := func(label string, validateOnly bool, resources ...kmsg.IncrementalAlterConfigsRequestResource) {
			ask[*kmsg.IncrementalAlterConfigsResponse](d, label, v, increments(validateOnly, resources...))
		}
		topic := func(op kmsg.IncrementalAlterConfigOp, configs ...string) kmsg.IncrementalAlterConfigsRequestResource {
			return increment(topicResource, name, op, configs...)
		}
		alter("set", false, topic(set, "retention.ms", "5000", "segment.bytes", "2000000"))
		alter("only validated", true, topic(set, "retention.ms", "7000"))
		alter("delete", false, topic(remove, "segment.bytes", "<null>"))
		alter("delete what is not set", false, topic(remove, "max.message.bytes", "<null>"))
		alter("append", false, topic(app, "cleanup.policy", "compact"))
		alter("append again", false, topic(app, "cleanup.policy", "compact"))
		alter("subtract", false, topic(subtract, "cleanup.policy", "delete"))
		alter("subtract what is not there", false, topic(subtract, "cleanup.policy", "delete"))
		alter("append to a number", false, topic(app, "retention.ms", "5"))
		alter("unknown operation", false, topic(9, "retention.ms", "5"))
		alter("bad value", false, topic(set, "retention.ms", "soon"))
		alter("null", false, topic(set, "retention.ms", "<null>"))
		alter("no such config", false, topic(set, "no.such.config", "5"))
		alter("delete no such config", false, topic(remove, "no.such.config", "<null>"))
		alter("config twice", false, topic(set, "retention.ms", "1", "retention.ms", "2"))
		alter("resource twice", false, topic(set, "retention.ms", "1"), topic(set, "segment.bytes", "2000000"))
		alter("no configs", false, topic(set))
		alter("one of two is bad", false, topic(set, "retention.ms", "9000", "segment.bytes", "soon"))
		alter("absent topic", false, increment(topicResource, "iac-absent", set, "retention.ms", "1"))
		alter("no name", false, increment(topicResource, "", set, "retention.ms", "1"))
		alter("bad name", false, increment(topicResource, "a b", set, "retention.ms", "1"))
		alter("unknown type", false, increment(77, name, set, "retention.ms", "1"))
		alter("broker that there is not", false, increment(brokerResource, "9", set, "log.cleaner.threads", "2"))
		alter("broker without number", false, increment(brokerResource, "one", set, "log.cleaner.threads", "2"))
		alter("broker, static config", false, increment(brokerResource, "1", set, "process.roles", "broker"))
		alter("broker, bad value", false, increment(brokerResource, "1", set, "log.cleaner.threads", "many"))
		alter("broker", false, increment(brokerResource, "1", set, "background.threads", "12"))
		alter("default of brokers", false, increment(brokerResource, "", set, "log.retention.ms", "86400000"))
		alter("logger, no such level", false, increment(loggerResource, "1", set, "kafka.server", "LOUD"))
		alter("logger of a broker that there is not", false, increment(loggerResource, "9", set, "kafka.server", "INFO"))
		d.settle()
		d.describe("topic afterwards "+name, newest, resource(topicResource, name, "retention.ms", "cleanup.policy", "segment.bytes"))
		d.describe("broker afterwards "+name, newest, resource(brokerResource, "1", "background.threads", "log.retention.ms"))
		alter("broker, removed", false, increment(brokerResource, "1", remove, "background.threads", "<null>"))
		alter("default of brokers, removed", false, increment(brokerResource, "", remove, "log.retention.ms", "<null>"))
		d.settle()
		d.describe("broker at last "+name, newest, resource(brokerResource, "1", "background.threads", "log.retention.ms"))
	})
}

func listConfigResources(d *dialogue) {
	for _, types := range [][]int8{nil, {clientMetricsResource}, {groupResource}, {brokerResource}, {loggerResource}, {0}, {99}, {-1}} {
		ask[*kmsg.ListConfigResourcesResponse](d, fmt.Sprintf("types %v", types), newest,
			asked(kmsg.NewPtrListConfigResourcesRequest(), func(r *kmsg.ListConfigResourcesRequest) { r.ResourceTypes = types }))
	}
}
