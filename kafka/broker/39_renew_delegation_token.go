package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RenewDelegationToken (key 39), versions 1-2. v2 is flexible.
// Errors: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
func (b *Broker) renewDelegationToken(context.Context, *Request) kmsg.Response {
	resp := kmsg.NewPtrRenewDelegationTokenResponse()
	resp.ErrorCode, resp.ExpiryTimestamp = kerr.DelegationTokenRequestNotAllowed.Code, -1
	return resp
}
