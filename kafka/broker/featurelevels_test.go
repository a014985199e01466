package broker

import (
	"testing"

	"weir/kafka/feature"
	"weir/metadata"
)

// The levels that the cluster starts with are those of the version that the control plane says now, whatever version the process was started for.
func TestStartingLevelsFollowTheControlPlane(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	if got := b.featureLevel(feature.Group); got != feature.Starting("")[feature.Group] || got == 0 {
		t.Errorf("without settings: %d", got)
	}
	r.wants(metadata.Settings{Number: 1, KafkaVersion: "3.6.0"})
	if got := b.featureLevel(feature.Group); got != 0 {
		t.Errorf("a cluster of 3.6.0: %d", got)
	}
	r.wants(metadata.Settings{Number: 2, KafkaVersion: "4.2.x.kraft"})
	if got := b.featureLevel(feature.Group); got != feature.Starting("4.2.x.kraft")[feature.Group] {
		t.Errorf("updated to 4.2: %d", got)
	}
}
