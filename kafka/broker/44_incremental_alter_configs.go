package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/topic"
)

// IncrementalAlterConfigs (key 44), versions 0-1 (KIP-339). Served by any broker; blocks on a metadata transaction per resource.
// v1 is flexible.
// The levels of loggers are those of this process, until it ends (KIP-412).
// Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_CONFIG, INVALID_REQUEST (a resource or a config given twice, one of another type
// or another broker, a broker config that is not dynamic or has a bad value, an unknown operation), POLICY_VIOLATION (too many resources),
// REQUEST_TIMED_OUT.
func (b *Broker) incrementalAlterConfigs(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.IncrementalAlterConfigsRequest](r), kmsg.NewPtrIncrementalAlterConfigsResponse()
	ctx, cancel := adminDeadline(ctx, 0)
	defer cancel()
	seen := newResources(len(req.Resources))
	for i := range req.Resources {
		seen.count(req.Resources[i].ResourceType, req.Resources[i].ResourceName)
	}
	for i := range req.Resources {
		in := &req.Resources[i]
		ops := make([]topic.ConfigOp, len(in.Configs))
		for j, c := range in.Configs {
			ops[j] = topic.ConfigOp{Name: c.Name, Verb: topic.Verb(c.Op), Value: c.Value}
		}
		err, answered := seen.check(in.ResourceType, in.ResourceName)
		if answered {
			continue
		}
		if err == nil {
			err = b.alter(ctx, in.ResourceType, in.ResourceName, ops, false, req.ValidateOnly)
		}
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		if err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, err), faultMessage(err)
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}
