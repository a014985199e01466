package broker

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/acl"
	"weir/metadata"
)

// DescribeAcls (key 29), versions 1-3 (KIP-140). Answered from the image: the ACLs that a filter selects, sorted by resource.
// v1 has types of patterns (KIP-290); v2 is flexible; v3 allows the resource type USER.
// Errors: INVALID_REQUEST (a type, operation or permission 0, which stands for one that is unknown). Others that there are not match nothing.
func (b *Broker) describeACLs(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeACLsRequest](r), kmsg.NewPtrDescribeACLsResponse()
	resp.ErrorMessage = kmsg.StringPtr("")
	f := acl.Filter{
		Resource: int8(req.ResourceType), Pattern: int8(req.ResourcePatternType), Name: req.ResourceName, Principal: req.Principal, Host: req.Host,
		Operation: int8(req.Operation), Permission: int8(req.PermissionType),
	}
	if f.Resource == 0 || f.Pattern == 0 || f.Operation == 0 || f.Permission == 0 {
		resp.ErrorCode, resp.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("The filter contains UNKNOWN elements.")
		return resp
	}
	var last *kmsg.DescribeACLsResponseResource
	for _, a := range slices.SortedFunc(maps.Values(b.image.Current().ACLs()), acl.Compare) {
		if !f.Matches(&a) {
			continue
		}
		if last == nil || !ofResource(last, &a) {
			out := kmsg.NewDescribeACLsResponseResource()
			out.ResourceType, out.ResourceName, out.ResourcePatternType = kmsg.ACLResourceType(a.Resource), a.Name, kmsg.ACLResourcePatternType(a.Pattern)
			resp.Resources = append(resp.Resources, out)
			last = &resp.Resources[len(resp.Resources)-1]
		}
		out := kmsg.NewDescribeACLsResponseResourceACL()
		out.Principal, out.Host = a.Principal, a.Host
		out.Operation, out.PermissionType = kmsg.ACLOperation(a.Operation), kmsg.ACLPermissionType(a.Permission)
		last.ACLs = append(last.ACLs, out)
	}
	return resp
}

func ofResource(r *kmsg.DescribeACLsResponseResource, a *metadata.ACL) bool {
	return int8(r.ResourceType) == a.Resource && r.ResourceName == a.Name && int8(r.ResourcePatternType) == a.Pattern
}
