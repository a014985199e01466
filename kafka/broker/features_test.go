package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/feature"
)

func TestFeaturesAreDescribedAndUpdated(t *testing.T) {
	r := newRig(t, rigConfig{brokers: 2})
	c := r.dial(r.brokers[0])
	describe := func(version int16) *kmsg.ApiVersionsResponse {
		t.Helper()
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = version, "t", "1"
		c.send(1, req)
		return receive[*kmsg.ApiVersionsResponse](c, req, 1)
	}
	for version, want := range map[int16]int{2: 0, 3: 1, 4: 7, 5: 7} {
		resp := describe(version)
		if len(resp.SupportedFeatures) != want {
			t.Errorf("v%d: %d features, want %d", version, len(resp.SupportedFeatures), want)
		}
		if finalized := len(resp.FinalizedFeatures); (version >= 3) != (finalized == 7) {
			t.Errorf("v%d: %d finalized features", version, finalized)
		}
	}
	before := describe(5).FinalizedFeaturesEpoch
	update := func(version int16, dry bool, us ...kmsg.UpdateFeaturesRequestFeatureUpdate) *kmsg.UpdateFeaturesResponse {
		t.Helper()
		req := kmsg.NewPtrUpdateFeaturesRequest()
		req.Version, req.ValidateOnly, req.FeatureUpdates = version, dry, us
		c.send(1, req)
		return receive[*kmsg.UpdateFeaturesResponse](c, req, 1)
	}
	off := kmsg.UpdateFeaturesRequestFeatureUpdate{Feature: feature.Group, UpgradeType: 2}
	bad := kmsg.UpdateFeaturesRequestFeatureUpdate{Feature: feature.Group, MaxVersionLevel: 9, UpgradeType: 1}
	if resp := update(2, false, bad); resp.ErrorCode != kerr.InvalidUpdateVersion.Code || resp.ErrorMessage == nil {
		t.Errorf("a level that is too high: %+v", resp)
	}
	if resp := update(1, true, off); resp.ErrorCode != 0 || len(resp.Results) != 1 || r.brokers[0].featureLevel(feature.Group) != 1 {
		t.Errorf("a dry run: %+v", resp)
	}
	if resp := update(0, false, kmsg.UpdateFeaturesRequestFeatureUpdate{Feature: feature.Group}); resp.ErrorCode != kerr.InvalidUpdateVersion.Code {
		t.Errorf("a downgrade that is not allowed: %+v", resp)
	}
	if resp := update(2, false, off); resp.ErrorCode != 0 || len(resp.Results) != 0 {
		t.Errorf("a downgrade: %+v", resp)
	}
	if resp := describe(5); len(resp.FinalizedFeatures) != 6 || resp.FinalizedFeaturesEpoch <= before {
		t.Errorf("after the downgrade: %+v, epoch %d", resp.FinalizedFeatures, resp.FinalizedFeaturesEpoch)
	}
	r.await("the other broker knows", func() bool { return r.brokers[1].featureLevel(feature.Group) == 0 })
}
