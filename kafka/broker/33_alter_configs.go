package broker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/topic"
	"weir/metadata"
)

// AlterConfigs (key 33), versions 0-2. Served by any broker; blocks on a metadata transaction per resource. What a request does not name returns
// to its default; IncrementalAlterConfigs is the better way (KIP-339).
// v2 is flexible.
// Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_CONFIG, INVALID_REQUEST (a resource given twice, one of another type or another
// broker, a broker config that is not dynamic or has a bad value), POLICY_VIOLATION (too many resources), REQUEST_TIMED_OUT.
func (b *Broker) alterConfigs(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.AlterConfigsRequest](r), kmsg.NewPtrAlterConfigsResponse()
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
			ops[j] = topic.ConfigOp{Name: c.Name, Verb: topic.Set, Value: c.Value}
		}
		err, answered := seen.check(in.ResourceType, in.ResourceName)
		if answered {
			continue
		}
		if err == nil {
			err = b.alter(ctx, in.ResourceType, in.ResourceName, ops, true, req.ValidateOnly)
		}
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		if err != nil {
			out.ErrorCode, out.ErrorMessage = b.code(r, err), faultMessage(err)
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// alter changes the configs of one resource. Loggers are changed by IncrementalAlterConfigs only.
func (b *Broker) alter(ctx context.Context, kind kmsg.ConfigResourceType, name string, ops []topic.ConfigOp, replace, validateOnly bool) error {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		if name == "" {
			return &topic.Fault{Code: kerr.InvalidRequest, Message: "Default topic resources are not allowed."}
		}
		if err := topic.ValidateName(name); err != nil {
			return err
		}
		return b.topics.AlterTopic(ctx, name, ops, replace, validateOnly)
	case kmsg.ConfigResourceTypeBroker:
		if name != "" {
			if err := b.checkNode(name, "broker"); err != nil {
				return err
			}
		}
		return b.topics.AlterBroker(ctx, name, ops, replace, validateOnly)
	case kmsg.ConfigResourceTypeGroupConfig:
		return b.topics.AlterGroup(ctx, name, ops, replace, validateOnly)
	case kmsg.ConfigResourceTypeClientMetrics:
		return b.topics.AlterClientMetrics(ctx, name, ops, replace, validateOnly, checkSubscription)
	case kmsg.ConfigResourceTypeBrokerLogger:
		if !replace {
			return b.alterLoggers(name, ops, validateOnly)
		}
	}
	return &topic.Fault{Code: kerr.InvalidRequest, Message: "Unknown resource type " + strconv.Itoa(int(kind))}
}

// checkNode refuses the name of a resource of another broker: what is dynamic of a broker is told to itself, as in Kafka.
func (b *Broker) checkNode(name, what string) error {
	n, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return &topic.Fault{Code: kerr.InvalidRequest, Message: "Node id must be an integer, but it is: " + name}
	case metadata.BrokerID(n) == b.cfg.Broker:
		return nil
	case what == "broker":
		return &topic.Fault{Code: kerr.InvalidRequest, Message: fmt.Sprintf("Unexpected broker id, expected %d, but received %s", b.cfg.Broker, name)}
	}
	return &topic.Fault{Code: kerr.InvalidRequest, Message: fmt.Sprintf("Unexpected node id. Expected %d, but received %s", b.cfg.Broker, name)}
}

// resources finds those that a request names more than once.
type resources map[resource]int

type resource struct {
	kind kmsg.ConfigResourceType
	name string
}

func newResources(n int) resources { return make(resources, n) }

func (rs resources) count(kind kmsg.ConfigResourceType, name string) { rs[resource{kind, name}]++ }

// check refuses a resource that is named more than once, at its first place; at the others it is answered already.
func (rs resources) check(kind kmsg.ConfigResourceType, name string) (err error, answered bool) {
	k := resource{kind, name}
	switch n := rs[k]; {
	case n == 0:
		return nil, true
	case n > 1:
		rs[k] = 0
		return &topic.Fault{Code: kerr.InvalidRequest, Message: "Each resource must appear at most once."}, false
	}
	return nil, false
}
