package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// StreamsGroupTopologyDescriptionUpdate (key 93), version 0 (KIP-1331). A broker without a plugin that keeps descriptions of topologies refuses it, and
// asks no client for one; plugins cannot be configured (group.streams.topology.description.plugin.class).
// Errors: UNSUPPORTED_VERSION.
func (b *Broker) streamsGroupTopologyDescriptionUpdate(_ context.Context, r *Request) kmsg.Response {
	resp := kmsg.NewPtrStreamsGroupTopologyDescriptionUpdateResponse()
	err := fmt.Errorf("%w: The broker has no streams group topology description plugin configured.", kerr.UnsupportedVersion) //nolint:staticcheck // as Kafka writes it
	resp.ErrorCode, resp.ErrorMessage = b.code(r, err), plainMessage(err)
	return resp
}
