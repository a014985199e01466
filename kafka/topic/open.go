package topic

import (
	"context"
	"slices"

	"weir/kafka/image"
	"weir/metadata"
)

// What places partitions looks at which brokers are being emptied, and must not act on an image that does not show it yet: otherwise one could be
// placed on a broker that leaves the cluster in the next moment. So each such transaction needs the control plane's settings to be as its image shows them.

// asPlaced is the condition that the settings by which partitions were placed still hold.
func (a *Admin) asPlaced(img *image.Image) metadata.Cond {
	return metadata.Cond{Key: metadata.SettingsKey(a.cfg.Cluster), Modified: img.SettingsRevision()}
}

// caughtUp returns an image that shows the settings there are.
func (a *Admin) caughtUp(ctx context.Context) (*image.Image, error) {
	kv, found, err := a.store.Get(ctx, metadata.SettingsKey(a.cfg.Cluster))
	if err != nil {
		return nil, unavailable(err)
	}
	if !found {
		return a.image.Current(), nil
	}
	img, err := a.image.Await(ctx, kv.Modified)
	if err != nil {
		return nil, unavailable(err)
	}
	return img, nil
}

// open are those brokers of the list that may get partitions.
func open(img *image.Image, brokers []metadata.Session) []metadata.Session {
	if !slices.ContainsFunc(brokers, func(s metadata.Session) bool { return img.Draining(s.Broker) }) {
		return brokers
	}
	out := make([]metadata.Session, 0, len(brokers))
	for _, s := range brokers {
		if !img.Draining(s.Broker) {
			out = append(out, s)
		}
	}
	return out
}

// besidesDrained ends a sentence about how many brokers there are.
func besidesDrained(img *image.Image) string {
	if s := img.Settings(); s == nil || len(s.Balance.Drain) == 0 {
		return ""
	}
	return ", not counting those that are being emptied"
}
