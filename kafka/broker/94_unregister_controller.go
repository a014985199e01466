package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// UnregisterController (key 94), version 0. The metadata are not kept by controllers, so there is none to forget.
// Errors: CONTROLLER_ID_NOT_REGISTERED.
func (b *Broker) unregisterController(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.UnregisterControllerRequest](r), kmsg.NewPtrUnregisterControllerResponse()
	text := fmt.Sprintf("Controller ID %d is not currently registered", req.ControllerID)
	resp.ErrorCode, resp.ErrorMessage = kerr.ControllerIDNotRegistered.Code, &text
	return resp
}
