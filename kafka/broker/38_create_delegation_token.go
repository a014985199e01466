package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The four requests about delegation tokens (KIP-48) are refused on PLAINTEXT listeners, which all are so far: a token stands for a client that
// authenticated itself.
//
// CreateDelegationToken (key 38), versions 1-3. v2 is flexible; v3 names the owner (KIP-373).
// Errors: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
func (b *Broker) createDelegationToken(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.CreateDelegationTokenRequest](r), kmsg.NewPtrCreateDelegationTokenResponse()
	resp.ErrorCode = kerr.DelegationTokenRequestNotAllowed.Code
	resp.PrincipalType, resp.PrincipalName = "User", "ANONYMOUS"
	resp.TokenRequesterPrincipalType, resp.TokenRequesterPrincipalName = resp.PrincipalType, resp.PrincipalName
	if req.OwnerPrincipalName != nil && *req.OwnerPrincipalName != "" {
		resp.PrincipalName = *req.OwnerPrincipalName
		if req.OwnerPrincipalType != nil {
			resp.PrincipalType = *req.OwnerPrincipalType
		}
	}
	resp.IssueTimestamp, resp.ExpiryTimestamp, resp.MaxTimestamp = -1, -1, -1
	resp.HMAC = []byte{}
	return resp
}
