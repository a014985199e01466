package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeDelegationToken (key 41), versions 1-3. v2 is flexible; v3 shows who asked for a token (KIP-373).
// Errors: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
func (b *Broker) describeDelegationToken(context.Context, *Request) kmsg.Response {
	resp := kmsg.NewPtrDescribeDelegationTokenResponse()
	resp.ErrorCode = kerr.DelegationTokenRequestNotAllowed.Code
	return resp
}
