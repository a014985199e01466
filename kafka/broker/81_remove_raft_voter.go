package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RemoveRaftVoter (key 81), version 0 (KIP-853). There are no voters; see AddRaftVoter.
// Errors: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST (no voter), UNSUPPORTED_VERSION (kraft.version is 0), VOTER_NOT_FOUND.
func (b *Broker) removeRaftVoter(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.RemoveRaftVoterRequest](r), kmsg.NewPtrRemoveRaftVoterResponse()
	code, text := b.checkVoter("Remove", "removing", req.ClusterID, req.VoterID, req.VoterDirectoryID)
	if code == nil {
		code, text = kerr.VoterNotFound, fmt.Sprintf("Cannot remove voter %d: the metadata of this cluster is not kept by a quorum of controllers.", req.VoterID)
	}
	resp.ErrorCode, resp.ErrorMessage = code.Code, &text
	return resp
}
