package broker

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/configdef"
	"weir/kafka/topic"
	"weir/metadata"
)

// DescribeConfigs (key 32), versions 1-4. Topics, groups, subscriptions to clients' metrics and the cluster-wide defaults (the broker "") are described
// by any broker; a broker and its loggers by itself. Groups and subscriptions need not exist: they have the defaults.
// v1 has sources and synonyms (KIP-226); v3 types and documentation (KIP-569); v4 is flexible.
// Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_REQUEST (another broker, a name that is empty or no number, another type of
// resource).
func (b *Broker) describeConfigs(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeConfigsRequest](r), kmsg.NewPtrDescribeConfigsResponse()
	for i := range req.Resources {
		in := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		entries, err := b.configsOf(in)
		out.ErrorCode, out.ErrorMessage = b.code(r, err), kmsg.StringPtr("")
		if m := faultMessage(err); m != nil && out.ErrorCode != kerr.UnknownTopicOrPartition.Code {
			out.ErrorMessage = m
		}
		out.Configs = []kmsg.DescribeConfigsResponseResourceConfig{}
		for _, e := range entries {
			if len(in.ConfigNames) == 0 || slices.Contains(in.ConfigNames, e.Name) {
				out.Configs = append(out.Configs, describeConfig(&e, in.ResourceType, req))
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// configsOf returns the configs of a resource with their values.
func (b *Broker) configsOf(in *kmsg.DescribeConfigsRequestResource) ([]configdef.Entry, error) {
	invalid := func(message string) error { return &topic.Fault{Code: kerr.InvalidRequest, Message: message} }
	switch in.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		if err := topic.ValidateName(in.ResourceName); err != nil {
			return nil, err
		}
		t, err := findTopic(b.image.Current(), &in.ResourceName, metadata.TopicID{})
		if err != nil {
			return nil, err
		}
		l := b.topics.Layers()
		l.Topic = t.Configs
		return l.DescribeTopic(), nil
	case kmsg.ConfigResourceTypeBroker:
		if in.ResourceName == "" {
			return dynamicOnly(configdef.Layers{ClusterDefault: b.topics.Layers().ClusterDefault}.DescribeBroker()), nil
		}
		switch n, err := strconv.ParseInt(in.ResourceName, 10, 32); {
		case err != nil:
			return nil, invalid("Broker id must be an integer, but it is: " + in.ResourceName)
		case metadata.BrokerID(n) != b.cfg.Broker:
			return nil, invalid("Unexpected broker id, expected " + strconv.Itoa(int(b.cfg.Broker)) + " or empty string, but received " + in.ResourceName)
		}
		l := b.topics.Layers()
		l.Static = b.staticConfigs(l.Static)
		return l.DescribeBroker(), nil
	case kmsg.ConfigResourceTypeBrokerLogger:
		if in.ResourceName == "" {
			return nil, invalid("Broker id must not be empty")
		}
		switch n, err := strconv.ParseInt(in.ResourceName, 10, 32); {
		case err != nil:
			return nil, invalid("Broker id must be an integer, but it is: " + in.ResourceName)
		case metadata.BrokerID(n) != b.cfg.Broker:
			return nil, invalid("Unexpected broker id, expected " + strconv.Itoa(int(b.cfg.Broker)) + " but received " + in.ResourceName)
		}
		return b.describeLoggers(), nil
	case kmsg.ConfigResourceTypeGroupConfig:
		if in.ResourceName == "" {
			return nil, invalid("Group name must not be empty")
		}
		return b.groupLayers(in.ResourceName).DescribeGroup(), nil
	case kmsg.ConfigResourceTypeClientMetrics:
		if in.ResourceName == "" {
			return nil, invalid("Client metrics subscription name must not be empty")
		}
		return configdef.DescribeClientMetrics(b.image.Current().Configs(metadata.ClientMetricsConfigs)[in.ResourceName]), nil
	}
	return nil, invalid("Unsupported resource type: " + strconv.Itoa(int(in.ResourceType)))
}

// groupLayers are the configs that hold for a group, whether it exists or not.
func (b *Broker) groupLayers(group string) configdef.Layers {
	l := b.topics.Layers()
	l.Group = b.image.Current().GroupConfigs(group)
	return l
}

// dynamicOnly keeps what was set, and leaves the defaults out.
func dynamicOnly(entries []configdef.Entry) []configdef.Entry {
	entries = slices.DeleteFunc(entries, func(e configdef.Entry) bool { return e.Source != configdef.DynamicBrokerDefault })
	for i := range entries {
		e := &entries[i]
		e.Candidates = slices.DeleteFunc(e.Candidates, func(c configdef.Candidate) bool { return c.Source == configdef.DefaultConfig })
	}
	return entries
}

// staticConfigs adds what the node told the broker to its properties.
func (b *Broker) staticConfigs(properties map[string]string) map[string]string {
	all := maps.Clone(properties)
	if all == nil {
		all = make(map[string]string)
	}
	all["broker.id"] = strconv.Itoa(int(b.cfg.Broker))
	all["node.id"], all["process.roles"] = all["broker.id"], "broker"
	if b.cfg.LogDir != "" {
		all["log.dirs"] = b.cfg.LogDir
	}
	if b.cfg.Rack != "" {
		all["broker.rack"] = b.cfg.Rack
	}
	var advertised, protocols []string
	for _, e := range b.cfg.Endpoints {
		protocols = append(protocols, e.Name+":PLAINTEXT")
		advertised = append(advertised, e.Name+"://"+e.Host+":"+strconv.Itoa(int(e.Port)))
	}
	if advertised != nil {
		all["advertised.listeners"] = strings.Join(advertised, ",")
		all["listeners"] = all["advertised.listeners"]
		all["listener.security.protocol.map"] = strings.Join(protocols, ",")
	}
	return all
}

func describeConfig(e *configdef.Entry, kind kmsg.ConfigResourceType, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	out := kmsg.NewDescribeConfigsResponseResourceConfig()
	out.Name, out.Source, out.ConfigType = e.Name, kmsg.ConfigSource(e.Source), kmsg.ConfigType(e.Type)
	out.IsDefault = e.Source == configdef.DefaultConfig
	out.IsSensitive = e.Sensitive()
	out.ReadOnly = kind == kmsg.ConfigResourceTypeBroker && e.Mode == configdef.ReadOnly
	if !e.IsNull && !out.IsSensitive {
		out.Value = &e.Value
	}
	if req.IncludeSynonyms {
		for _, c := range e.Candidates {
			s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			s.Name, s.Source = c.Name, kmsg.ConfigSource(c.Source)
			if !out.IsSensitive {
				s.Value = &c.Value
			}
			out.ConfigSynonyms = append(out.ConfigSynonyms, s)
		}
	}
	if req.IncludeDocumentation {
		doc := e.Documentation()
		out.Documentation = &doc
	}
	return out
}
