package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/acl"
	"weir/metadata"
)

// CreateAcls (key 30), versions 1-3 (KIP-140). Served by any broker; blocks on one metadata transaction for the entries that are valid. ACLs are kept and
// shown, and enforced by nothing yet.
// v1 has types of patterns (KIP-290); v2 is flexible; v3 allows the resource type USER.
// Errors, per entry: INVALID_REQUEST (the cluster under another name, an empty name or host, a principal without type, a type,
// operation or permission that there is not), UNKNOWN_SERVER_ERROR without message (one that only filters have, as Kafka answers it), POLICY_VIOLATION (too many, too long), REQUEST_TIMED_OUT.
func (b *Broker) createACLs(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.CreateACLsRequest](r), kmsg.NewPtrCreateACLsResponse()
	ctx, cancel := adminDeadline(ctx, 0)
	defer cancel()
	var valid []metadata.ACL
	faults := make([]error, len(req.Creations))
	for i := range req.Creations {
		in := &req.Creations[i]
		a := metadata.ACL{
			Resource: int8(in.ResourceType), Name: in.ResourceName, Pattern: int8(in.ResourcePatternType), Principal: in.Principal, Host: in.Host,
			Operation: int8(in.Operation), Permission: int8(in.PermissionType),
		}
		if faults[i] = acl.Validate(&a); faults[i] == nil {
			valid = append(valid, a)
		}
	}
	rev, err := acl.Add(ctx, b.store, b.cfg.Cluster, len(b.image.Current().ACLs()), valid)
	b.settle(ctx, rev)
	for _, fault := range faults {
		if fault == nil {
			fault = err
		}
		out := kmsg.NewCreateACLsResponseResult()
		out.ErrorMessage = kmsg.StringPtr("")
		switch refused, ok := errors.AsType[*acl.Invalid](fault); {
		case fault == nil:
		case ok:
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, &refused.Message
		case errors.Is(fault, acl.ErrFilterOnly):
			out.ErrorCode, out.ErrorMessage = kerr.UnknownServerError.Code, nil
		case errors.Is(fault, acl.ErrTooLong) || errors.Is(fault, acl.ErrTooMany):
			out.ErrorCode, out.ErrorMessage = kerr.PolicyViolation.Code, kmsg.StringPtr(fault.Error())
		default:
			fault = storeFault(fault)
			out.ErrorCode, out.ErrorMessage = b.code(r, fault), faultMessage(fault)
		}
		resp.Results = append(resp.Results, out)
	}
	return resp
}
