package broker

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeCluster (key 60), versions 0-2. Served by any broker from its image.
// v1 asks for brokers or controllers (KIP-919); v2 may list brokers that are registered and not ready, as fenced ones (KIP-1073).
// Controllers have no endpoints of their own here, which is what Kafka's brokers answer too.
// Errors: MISMATCHED_ENDPOINT_TYPE, UNSUPPORTED_ENDPOINT_TYPE.
func (b *Broker) describeCluster(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeClusterRequest](r), kmsg.NewPtrDescribeClusterResponse()
	switch {
	case req.Version < 1 || req.EndpointType == brokerEndpoint:
	case req.EndpointType == controllerEndpoint:
		resp.ErrorCode = kerr.MismatchedEndpointType.Code
		resp.ErrorMessage = new("The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER")
		return resp
	default:
		resp.ErrorCode = kerr.UnsupportedEndpointType.Code
		resp.ErrorMessage = new("Unsupported endpoint type " + strconv.Itoa(int(req.EndpointType)))
		return resp
	}
	resp.ClusterID = b.cfg.ClusterID
	img := b.image.Current()
	if c, ok := img.Controller(); ok {
		resp.ControllerID = int32(c.Broker)
	}
	for _, s := range img.Brokers {
		fenced := !s.Ready
		if fenced && !req.IncludeFencedBrokers {
			continue
		}
		s.Ready = true
		if n, ok := nodeOf(s, r.Listener); ok {
			resp.Brokers = append(resp.Brokers,
				kmsg.DescribeClusterResponseBroker{NodeID: n.NodeID, Host: n.Host, Port: n.Port, Rack: nullable(n.Rack), IsFenced: fenced})
		}
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	return resp
}

// The types of endpoints.
const brokerEndpoint, controllerEndpoint int8 = 1, 2
