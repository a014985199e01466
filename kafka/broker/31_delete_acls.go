package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/acl"
	"weir/metadata"
)

// DeleteAcls (key 31), versions 1-3 (KIP-140). Served by any broker; blocks on reading all ACLs and a metadata transaction for each 1,024 that go.
// v1 has types of patterns (KIP-290); v2 is flexible; v3 allows the resource type USER.
// Errors, per filter: INVALID_REQUEST (an unknown type, operation or permission), REQUEST_TIMED_OUT.
func (b *Broker) deleteACLs(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DeleteACLsRequest](r), kmsg.NewPtrDeleteACLsResponse()
	ctx, cancel := adminDeadline(ctx, 0)
	defer cancel()
	all, err := acl.List(ctx, b.store, b.cfg.Cluster)
	slices.SortFunc(all, acl.Compare)
	var gone []metadata.ACL
	for i := range req.Filters {
		in := &req.Filters[i]
		f := acl.Filter{
			Resource: int8(in.ResourceType), Pattern: int8(in.ResourcePatternType), Name: in.ResourceName, Principal: in.Principal, Host: in.Host,
			Operation: int8(in.Operation), Permission: int8(in.PermissionType),
		}
		out := kmsg.NewDeleteACLsResponseResult()
		if err := f.Validate(); err != nil {
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr(err.Error())
		} else {
			for _, a := range all {
				if f.Matches(&a) {
					gone = append(gone, a)
					out.MatchingACLs = append(out.MatchingACLs, deletedACL(&a))
				}
			}
		}
		resp.Results = append(resp.Results, out)
	}
	var rev metadata.Revision
	if err == nil {
		rev, err = acl.Remove(ctx, b.store, b.cfg.Cluster, gone)
	}
	b.settle(ctx, rev)
	if err != nil {
		err = storeFault(err)
		for i := range resp.Results {
			if out := &resp.Results[i]; out.ErrorCode == 0 {
				out.ErrorCode, out.ErrorMessage, out.MatchingACLs = b.code(r, err), faultMessage(err), nil
			}
		}
	}
	return resp
}

func deletedACL(a *metadata.ACL) kmsg.DeleteACLsResponseResultMatchingACL {
	out := kmsg.NewDeleteACLsResponseResultMatchingACL()
	out.ResourceType, out.ResourceName, out.ResourcePatternType = kmsg.ACLResourceType(a.Resource), a.Name, kmsg.ACLResourcePatternType(a.Pattern)
	out.Principal, out.Host = a.Principal, a.Host
	out.Operation, out.PermissionType = kmsg.ACLOperation(a.Operation), kmsg.ACLPermissionType(a.Permission)
	return out
}
