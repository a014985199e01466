package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/feature"
)

// StreamsGroupDescribe (key 89), versions 0-1 (KIP-1071). Served by the groups' coordinator.
// v1 names the assignor (KIP-1357), and has the description of a topology (KIP-1331), of which none is ever stored: that is a plugin's of the broker.
// Errors: UNSUPPORTED_VERSION (streams.version is 0), NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, INVALID_GROUP_ID, GROUP_ID_NOT_FOUND.
func (b *Broker) streamsGroupDescribe(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.StreamsGroupDescribeRequest](r), kmsg.NewPtrStreamsGroupDescribeResponse()
	enabled := b.featureLevel(feature.Streams) >= 1
	for _, id := range req.Groups {
		out := kmsg.NewStreamsGroupDescribeResponseGroup()
		err := error(kerr.UnsupportedVersion)
		if enabled {
			out, err = b.groups.DescribeStreams(ctx, id)
		}
		switch {
		case err != nil:
			out = kmsg.NewStreamsGroupDescribeResponseGroup()
			out.Group, out.ErrorCode, out.ErrorMessage = id, b.code(r, err, "group", id), plainMessage(err)
		default:
			if req.IncludeAuthorizedOperations {
				out.AuthorizedOperations = groupOperations
			}
			if req.IncludeTopologyDescription {
				out.TopologyDescriptionStatus = 1 // not stored
			}
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}
