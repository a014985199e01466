package broker

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// UnregisterBroker (key 64), version 0 (KIP-631). A broker's registration ends with its session, so that there is never one of a broker that is gone to
// take away. Those that are there belong to the control plane: Kafka would unregister one that runs, which makes it stop.
// Errors: BROKER_ID_NOT_REGISTERED, INVALID_REQUEST (the broker runs).
func (b *Broker) unregisterBroker(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.UnregisterBrokerRequest](r), kmsg.NewPtrUnregisterBrokerResponse()
	id := strconv.Itoa(int(req.BrokerID))
	if _, ok := b.image.Current().Broker(metadata.BrokerID(req.BrokerID)); !ok {
		resp.ErrorCode, resp.ErrorMessage = kerr.BrokerIDNotRegistered.Code, kmsg.StringPtr("Broker ID "+id+" is not currently registered")
		return resp
	}
	resp.ErrorCode = kerr.InvalidRequest.Code
	resp.ErrorMessage = kmsg.StringPtr("Broker " + id + " runs. Brokers are added and removed by changing the cluster, and one that is gone is not registered any more.")
	return resp
}
