package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/feature"
	"weir/kafka/image"
)

// featureLevel is the finalized level of one of the features that package feature names; 0 is off. It is cheap.
func (b *Broker) featureLevel(name string) int16 { return b.featureLevels(b.image.Current())[name] }

func (b *Broker) featureLevels(img *image.Image) feature.Levels {
	if f := img.Features(); f != nil {
		return f.Levels
	}
	return b.startingLevels(img)
}

// startingLevels are those that the cluster's version starts with: the version that the control plane says now, so that all brokers change at one moment
// when a rolling update of the version ends, and not each at its restart.
func (b *Broker) startingLevels(img *image.Image) feature.Levels {
	s := img.Settings()
	if s == nil || s.KafkaVersion == b.cfg.KafkaVersion {
		return b.features
	}
	if f := b.followed.Load(); f != nil && f.version == s.KafkaVersion {
		return f.levels
	}
	f := &followedLevels{s.KafkaVersion, feature.Starting(s.KafkaVersion)}
	b.followed.Store(f)
	return f.levels
}

// followedLevels are the levels of a version that is not the one the broker was started for.
type followedLevels struct {
	version string
	levels  feature.Levels
}

// describeFeatures adds the features to an answer to ApiVersions. Its epoch grows with every change of the metadata, as in Kafka.
func (b *Broker) describeFeatures(resp *kmsg.ApiVersionsResponse, version int16) {
	img := b.image.Current()
	for _, f := range feature.Supported() {
		if f.Min == 0 && version < 4 {
			continue // older clients take a lowest level of 0 for an error (KAFKA-17011)
		}
		resp.SupportedFeatures = append(resp.SupportedFeatures, kmsg.ApiVersionsResponseSupportedFeature{Name: f.Name, MinVersion: f.Min, MaxVersion: f.Max})
	}
	levels := b.featureLevels(img)
	for _, name := range levels.Finalized() {
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, kmsg.ApiVersionsResponseFinalizedFeature{
			Name: name, MinVersionLevel: levels[name], MaxVersionLevel: levels[name],
		})
	}
	resp.FinalizedFeaturesEpoch = int64(img.Revision)
}
