package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/feature"
)

// AddRaftVoter (key 80), versions 0-1 (KIP-853). The metadata is in a store of its own and not kept by a quorum of controllers, so that no voter can be
// added; what is wrong with a request is said first, as Kafka says it.
// v1 may answer before the voter is committed (KIP-1186).
// Errors: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST (no voter, or that there is no quorum), UNSUPPORTED_VERSION (kraft.version is 0).
func (b *Broker) addRaftVoter(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.AddRaftVoterRequest](r), kmsg.NewPtrAddRaftVoterResponse()
	code, text := b.checkVoter("Add", "adding", req.ClusterID, req.VoterID, req.VoterDirectoryID)
	if code == nil {
		code, text = kerr.InvalidRequest, "The metadata of this cluster is not kept by a quorum of controllers: there are no voters that could be added to."
	}
	resp.ErrorCode, resp.ErrorMessage = code.Code, &text
	return resp
}

// checkVoter is what AddRaftVoter and RemoveRaftVoter have in common; code is nil if the request is sound.
func (b *Broker) checkVoter(what, doing string, cluster *string, id int32, directory [16]byte) (code *kerr.Error, text string) {
	switch {
	case cluster != nil && *cluster != b.cfg.ClusterID:
		return kerr.InconsistentClusterID, fmt.Sprintf("The given id %q doesn't match the cluster id %q", *cluster, b.cfg.ClusterID)
	case id < 0 || directory == [16]byte{}:
		return kerr.InvalidRequest, what + " voter request didn't include a valid voter"
	case b.featureLevel(feature.KRaft) == 0:
		return kerr.UnsupportedVersion, "Cluster doesn't support " + doing + " voter because the kraft.version feature is 0"
	}
	return nil, ""
}
