package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// UnregisterBroker (key 64), version 0 (KIP-631). A broker that does not serve is forgotten until it comes back: it counts no more where replicas are
// placed. What it has stored stays where it is. Those that serve belong to the control plane: Kafka would unregister one that runs, which makes it stop.
// Errors: BROKER_ID_NOT_REGISTERED, INVALID_REQUEST (the broker runs).
func (b *Broker) unregisterBroker(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.UnregisterBrokerRequest](r), kmsg.NewPtrUnregisterBrokerResponse()
	id, img := metadata.BrokerID(req.BrokerID), b.image.Current()
	name := strconv.Itoa(int(id))
	if !img.IsRegistered(id) {
		resp.ErrorCode, resp.ErrorMessage = kerr.BrokerIDNotRegistered.Code, kmsg.StringPtr("Broker ID "+name+" is not currently registered")
		return resp
	}
	err := errBrokerRuns
	if _, ok := img.Broker(id); !ok {
		_, err = b.store.Commit(ctx, metadata.Txn{
			If:   []metadata.Cond{{Key: metadata.SessionKey(b.cfg.Cluster, id)}}, // there is none
			Then: []metadata.Op{metadata.Delete(metadata.RegistrationKey(b.cfg.Cluster, id))},
		})
		if errors.Is(err, metadata.ErrConflict) {
			err = errBrokerRuns
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, errBrokerRuns):
		resp.ErrorCode = kerr.InvalidRequest.Code
		resp.ErrorMessage = kmsg.StringPtr("Broker " + name + " runs. Brokers are added and removed by changing the cluster.")
	default:
		resp.ErrorCode = b.code(r, fmt.Errorf("unregister broker %s: %w", name, err))
	}
	return resp
}

var errBrokerRuns = errors.New("the broker runs")
