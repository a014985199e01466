package broker

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// ListConfigResources (key 74), versions 0-1. Served by any broker: groups and subscriptions to clients' metrics that have configs, all brokers, also as
// loggers, and all topics.
// v0 lists subscriptions to clients' metrics only (KIP-714); v1 takes types, none being all of them (KIP-1142).
// Errors: UNSUPPORTED_VERSION (a type that is unknown).
func (b *Broker) listConfigResources(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ListConfigResourcesRequest](r), kmsg.NewPtrListConfigResourcesResponse()
	img := b.image.Current()
	names := map[kmsg.ConfigResourceType]func() []string{
		kmsg.ConfigResourceTypeGroupConfig:   func() []string { return slices.Sorted(maps.Keys(img.Configs(metadata.GroupConfigs))) },
		kmsg.ConfigResourceTypeClientMetrics: func() []string { return slices.Sorted(maps.Keys(img.Configs(metadata.ClientMetricsConfigs))) },
		kmsg.ConfigResourceTypeBrokerLogger:  func() []string { return brokerNames(img.Brokers) },
		kmsg.ConfigResourceTypeBroker:        func() []string { return brokerNames(img.Brokers) },
		kmsg.ConfigResourceTypeTopic: func() (topics []string) {
			for _, t := range img.Topics() {
				topics = append(topics, t.Name)
			}
			return topics
		},
	}
	types := []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeClientMetrics}
	if req.Version >= 1 {
		types = nil
		for _, t := range req.ResourceTypes {
			types = append(types, kmsg.ConfigResourceType(t))
		}
		if len(types) == 0 {
			types = slices.Collect(maps.Keys(names))
		}
	}
	for _, t := range types {
		if names[t] == nil {
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			return resp
		}
	}
	slices.Sort(types)
	slices.Reverse(types) // the order that Kafka lists them in
	for _, t := range slices.Compact(types) {
		for _, name := range names[t]() {
			out := kmsg.NewListConfigResourcesResponseConfigResource()
			out.Name, out.Type = name, int8(t)
			resp.ConfigResources = append(resp.ConfigResources, out)
		}
	}
	return resp
}

func brokerNames(brokers []metadata.Session) []string {
	names := make([]string, len(brokers))
	for i, s := range brokers {
		names[i] = strconv.Itoa(int(s.Broker))
	}
	return names
}
