package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// NewestFeatures raises every feature to the highest level that the brokers support, as a cluster of the newest version starts with. A demo
// cluster has the levels of the version that the service recommends, where the newer kinds of groups are off.
func NewestFeatures(t testing.TB, c Cluster) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.Bootstrap(), ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	behind := func() []kmsg.UpdateFeaturesRequestFeatureUpdate {
		resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), cl)
		if err != nil {
			t.Fatalf("ask for the features: %v", err)
		}
		var updates []kmsg.UpdateFeaturesRequestFeatureUpdate
		levels := map[string]int16{}
		for _, f := range resp.FinalizedFeatures {
			levels[f.Name] = f.MaxVersionLevel
		}
		for _, f := range resp.SupportedFeatures {
			if levels[f.Name] < f.MaxVersion {
				u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
				u.Feature, u.MaxVersionLevel, u.UpgradeType = f.Name, f.MaxVersion, 1
				updates = append(updates, u)
			}
		}
		return updates
	}
	req := kmsg.NewPtrUpdateFeaturesRequest()
	if req.FeatureUpdates = behind(); len(req.FeatureUpdates) == 0 {
		return
	}
	resp, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatalf("raise the features: %v", err)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		t.Fatalf("raise the features: %v", err)
	}
	for _, r := range resp.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			t.Fatalf("raise %s: %v", r.Feature, err)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for len(behind()) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("features did not come to their newest levels: %v", behind())
		}
		<-time.After(20 * time.Millisecond)
	}
}
