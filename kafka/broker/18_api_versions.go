package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/wire"
)

const apiVersionsKey = 18

// ApiVersions (key 18), versions 0-5. Answered from the dispatch table.
// v1 adds the throttle time; v3 is flexible in its body, never in its response header, and names the client's software (KIP-511);
// v3 also says which features the broker knows, and the finalized levels of the cluster with an epoch that only grows (KIP-584); v4 also shows
// features that have a level 0; v5 says which cluster and broker the client believes to talk to.
// A version that is not served gets the response of version 0 with UNSUPPORTED_VERSION and the versions of this API.
// Errors: UNSUPPORTED_VERSION, INVALID_REQUEST, REBOOTSTRAP_REQUIRED for a client that believes to talk to another cluster or broker (KIP-1242).
func (b *Broker) apiVersions(_ context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.ApiVersionsRequest](r), kmsg.NewPtrApiVersionsResponse()
	if req.Version >= 3 && (!softwareName(req.ClientSoftwareName) || !softwareName(req.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	if req.Version >= 5 && (req.ClusterID == nil) != (req.NodeID < 0) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	if req.Version >= 5 && req.ClusterID != nil && (*req.ClusterID != b.cfg.ClusterID || req.NodeID != int32(b.cfg.Broker)) {
		resp.ErrorCode = kerr.RebootstrapRequired.Code
		return resp
	}
	if r.conn != nil {
		r.conn.software = [2]string{req.ClientSoftwareName, req.ClientSoftwareVersion}
	}
	for _, row := range b.apis.rows {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: row.key, MinVersion: row.advertised(), MaxVersion: row.max})
	}
	if req.Version >= 3 {
		b.describeFeatures(resp, req.Version)
	}
	return resp
}

// apiVersionsFallback is what a client of an unknown version can read.
func (b *Broker) apiVersionsFallback(correlationID int32) encoded {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = 0
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	row := b.apis.find(apiVersionsKey)
	resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: row.key, MinVersion: row.min, MaxVersion: row.max}}
	return encoded(wire.AppendResponse(nil, correlationID, resp))
}

// softwareName matches [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? as KIP-511 demands.
func softwareName(s string) bool {
	alnum := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }
	if s == "" || !alnum(s[0]) || !alnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && s[i] != '-' && s[i] != '.' {
			return false
		}
	}
	return true
}
