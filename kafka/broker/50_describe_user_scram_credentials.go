package broker

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/scram"
)

// DescribeUserScramCredentials (key 50), version 0 (KIP-554). Answered from the image: mechanisms and iterations, never keys. No users are all.
// Errors, per user: RESOURCE_NOT_FOUND, DUPLICATE_RESOURCE (named twice).
func (b *Broker) describeUserScramCredentials(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.DescribeUserSCRAMCredentialsRequest](r), kmsg.NewPtrDescribeUserSCRAMCredentialsResponse()
	resp.ErrorMessage = kmsg.StringPtr("")
	users := b.image.Current().ScramUsers()
	named := make(map[string]int)
	for _, u := range req.Users {
		named[u.Name]++
	}
	if len(named) == 0 {
		for name := range users {
			named[name] = 1
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		out := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
		out.User, out.ErrorMessage = name, kmsg.StringPtr("")
		u, ok := users[name]
		switch {
		case named[name] > 1:
			out.ErrorCode = kerr.DuplicateResource.Code
			out.ErrorMessage = kmsg.StringPtr("Cannot describe SCRAM credentials for the same user twice in a single request: " + name)
		case !ok:
			out.ErrorCode = kerr.ResourceNotFound.Code
			out.ErrorMessage = kmsg.StringPtr("Attempt to describe a user credential that does not exist: " + name)
		default:
			for _, m := range scram.Mechanisms() {
				if c, ok := u.Credentials[m.String()]; ok {
					info := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
					info.Mechanism, info.Iterations = int8(m), c.Iterations
					out.CredentialInfos = append(out.CredentialInfos, info)
				}
			}
		}
		resp.Results = append(resp.Results, out)
	}
	return resp
}
