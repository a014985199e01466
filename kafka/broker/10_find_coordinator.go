package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/sharestate"
)

// The types of coordinators.
const (
	groupCoordinator       = 0
	transactionCoordinator = 1
	shareCoordinator       = 2 // KIP-932
)

// FindCoordinator (key 10), versions 0-6. Served by any broker; the first call for a kind of coordinator creates its topic and waits for that.
// v1 has types and messages; v2 a throttle time; v3 is flexible; v4 asks for several keys (KIP-699); v5 is for transactions (KIP-890);
// v6 is for share groups (KIP-932).
// Errors: COORDINATOR_NOT_AVAILABLE; INVALID_REQUEST for kinds that do not exist and keys of share partitions that are none. Every other text
// is a key, also an empty one.
func (b *Broker) findCoordinator(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.FindCoordinatorRequest](r), kmsg.NewPtrFindCoordinatorResponse()
	if req.Version < 4 {
		c := b.coordinator(ctx, r, req.CoordinatorKey, req.CoordinatorType)
		resp.NodeID, resp.Host, resp.Port, resp.ErrorCode, resp.ErrorMessage = c.NodeID, c.Host, c.Port, c.ErrorCode, c.ErrorMessage
		return resp
	}
	for _, key := range req.CoordinatorKeys {
		resp.Coordinators = append(resp.Coordinators, b.coordinator(ctx, r, key, req.CoordinatorType))
	}
	return resp
}

func (b *Broker) coordinator(ctx context.Context, r *Request, key string, kind int8) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key, out.NodeID, out.Port = key, -1, -1
	var err error
	switch kind {
	case groupCoordinator:
		s, ferr := b.groups.Find(ctx, key)
		if err = ferr; err == nil {
			if n, ok := nodeOf(s, r.Listener); ok {
				out.NodeID, out.Host, out.Port = n.NodeID, n.Host, n.Port
			} else {
				err = kerr.CoordinatorNotAvailable
			}
		}
	case transactionCoordinator:
		s, ferr := b.txns.Find(ctx, key)
		if err = ferr; err == nil {
			if n, ok := nodeOf(s, r.Listener); ok {
				out.NodeID, out.Host, out.Port = n.NodeID, n.Host, n.Port
			} else {
				err = kerr.CoordinatorNotAvailable
			}
		}
	case shareCoordinator:
		var k sharestate.Key
		switch k, err = sharestate.ParseKey(key); {
		case err != nil:
			err = fmt.Errorf("%w: %w", kerr.InvalidRequest, err)
		case r.Body.GetVersion() < 6:
			err = kerr.InvalidRequest
		default:
			s, ferr := b.shares.states.Find(ctx, k)
			if err = ferr; err == nil {
				if n, ok := nodeOf(s, r.Listener); ok {
					out.NodeID, out.Host, out.Port = n.NodeID, n.Host, n.Port
				} else {
					err = kerr.CoordinatorNotAvailable
				}
			}
		}
	default:
		err = fmt.Errorf("%w: no coordinator has the type %d", kerr.InvalidRequest, kind)
	}
	if err != nil {
		out.ErrorCode, out.ErrorMessage = b.code(r, err, "group", key), message(err)
	}
	return out
}
