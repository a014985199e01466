package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/feature"
)

// UpdateFeatures (key 57), versions 0-2 (KIP-584). Served by any broker; blocks on one metadata transaction. All updates are made, or none.
// v1 has types of upgrades and validate-only requests (KIP-778); v2 drops the results by feature.
// Errors: INVALID_UPDATE_VERSION with the first update that cannot be made, REQUEST_TIMED_OUT.
func (b *Broker) updateFeatures(ctx context.Context, r *Request) kmsg.Response {
	req, resp := body[*kmsg.UpdateFeaturesRequest](r), kmsg.NewPtrUpdateFeaturesResponse()
	ctx, cancel := adminDeadline(ctx, req.TimeoutMillis)
	defer cancel()
	updates := make([]feature.Update, len(req.FeatureUpdates))
	for i, u := range req.FeatureUpdates {
		updates[i] = feature.Update{Name: u.Feature, Level: u.MaxVersionLevel, Type: feature.UpgradeType(u.UpgradeType)}
		if req.Version == 0 {
			updates[i].Type = feature.Upgrade
			if u.AllowDowngrade {
				updates[i].Type = feature.SafeDowngrade
			}
		}
	}
	rev, err := feature.Change(ctx, b.store, b.cfg.Cluster, b.startingLevels(b.image.Current()), updates, b.cfg.Broker, req.Version >= 1 && req.ValidateOnly)
	if refused, ok := errors.AsType[*feature.Invalid](err); ok {
		message := "The update failed for all features since the following feature had an error: " + refused.Message
		resp.ErrorCode, resp.ErrorMessage = kerr.InvalidUpdateVersion.Code, &message
		return resp
	}
	if err != nil {
		err = storeFault(err)
		resp.ErrorCode, resp.ErrorMessage = b.code(r, err), faultMessage(err)
		return resp
	}
	b.settle(ctx, rev)
	if req.Version < 2 {
		for _, u := range req.FeatureUpdates {
			out := kmsg.NewUpdateFeaturesResponseResult()
			out.Feature, out.ErrorMessage = u.Feature, kmsg.StringPtr("NONE") // as Kafka has it
			resp.Results = append(resp.Results, out)
		}
	}
	return resp
}
