package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SaslHandshake (key 17), versions 0-1. All listeners are PLAINTEXT so far, where there is nothing to authenticate.
// v1 is followed by SaslAuthenticate rather than by bare tokens.
// Errors: ILLEGAL_SASL_STATE.
func (b *Broker) saslHandshake(context.Context, *Request) kmsg.Response {
	resp := kmsg.NewPtrSASLHandshakeResponse()
	resp.ErrorCode = kerr.IllegalSaslState.Code
	return resp
}
