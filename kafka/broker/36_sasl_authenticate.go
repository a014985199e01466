package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SaslAuthenticate (key 36), versions 0-2. All listeners are PLAINTEXT so far, where there is nothing to authenticate.
// v1 has the session's lifetime (KIP-368); v2 is flexible.
// Errors: ILLEGAL_SASL_STATE.
func (b *Broker) saslAuthenticate(context.Context, *Request) kmsg.Response {
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.ErrorCode = kerr.IllegalSaslState.Code
	resp.ErrorMessage = kmsg.StringPtr("SaslAuthenticate request received after successful authentication")
	return resp
}
