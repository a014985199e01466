package kafka

import (
	"cmp"
	"context"
	"strings"

	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// The volumes of Standard brokers. Their size is a quota of the broker; provisioned throughput is recorded, and nothing is throttled by it.

const (
	// volumeDefaultGiB is the size of a volume when the request has none.
	volumeDefaultGiB = 100
	volumeMinGiB     = 1
	volumeMaxGiB     = 16384
	// Provisioned throughput in MiB/s, and the smallest volume that can have it.
	throughputMin       = 250
	throughputVolumeMin = 10
)

// throughputMax is how many MiB/s of provisioned throughput a size can have; zero if none.
func throughputMax(size string) int32 {
	switch size {
	case "kafka.m7g.2xlarge":
		return 312
	case "kafka.m5.4xlarge":
		return 593
	case "kafka.m7g.4xlarge":
		return 625
	case "kafka.m5.8xlarge":
		return 850
	case "kafka.m5.12xlarge", "kafka.m5.16xlarge", "kafka.m5.24xlarge", "kafka.m7g.8xlarge", "kafka.m7g.12xlarge", "kafka.m7g.16xlarge":
		return 1000
	}
	return 0
}

func sizesWithThroughput() string {
	var names []string
	for _, t := range resource.InstanceTypes() {
		if throughputMax(t.Name) > 0 {
			names = append(names, t.Name)
		}
	}
	return strings.Join(names, ", ")
}

// throughputAsked reads the block of a request; nil if there is none. Without a figure it is the least that there is.
func throughputAsked(in *gen.ProvisionedThroughput) (*resource.Throughput, error) {
	switch {
	case in == nil || in.Enabled == nil && in.VolumeThroughput == nil:
		return nil, nil //nolint:nilnil // nothing was said
	case !deref(in.Enabled) && in.VolumeThroughput != nil:
		return nil, badRequest("volumeThroughput", "Specify volumeThroughput only together with enabled provisioned throughput.")
	case !*in.Enabled:
		return &resource.Throughput{}, nil
	}
	return &resource.Throughput{Enabled: true, MiBps: cmp.Or(deref(in.VolumeThroughput), throughputMin)}, nil
}

// checkVolume checks the size of the volumes and their throughput for brokers of that size.
func checkVolume(size string, gib int32, t *resource.Throughput) error {
	if gib < volumeMinGiB || gib > volumeMaxGiB {
		return badRequest("volumeSize", "The volume size must be between %d and %d GiB.", volumeMinGiB, volumeMaxGiB)
	}
	if t == nil || !t.Enabled {
		return nil
	}
	most := throughputMax(size)
	switch {
	case most == 0:
		return badRequest("provisionedThroughput", "Brokers of the type %s can't have provisioned throughput. Types that can: [%s]", size, sizesWithThroughput())
	case gib < throughputVolumeMin:
		return badRequest("provisionedThroughput", "Provisioned throughput needs volumes of at least %d GiB.", throughputVolumeMin)
	case t.MiBps < throughputMin || t.MiBps > most:
		return badRequest("volumeThroughput", "The volume throughput of brokers of the type %s must be between %d and %d MiB per second.", size, throughputMin, most)
	}
	return nil
}

// checkTiered checks that a cluster can have the storage mode TIERED.
func checkTiered(size string, version resource.KafkaVersion) error {
	switch {
	case size == "kafka.t3.small":
		return badRequest("storageMode", "Brokers of the type %s don't support the storage mode TIERED.", size)
	case !version.Tiered() && !version.AtLeast("3.6.0"):
		return badRequest("storageMode", "KafkaVersion [%s] doesn't support the storage mode TIERED. It needs 2.8.2.tiered, or 3.6.0 or newer.", version.Name)
	}
	return nil
}

func tiered(c *resource.Cluster) bool { return c.StorageMode == resource.StorageTiered }

// storageMode of Express clusters is not shown: they have no volumes.
func storageMode(c *resource.Cluster) gen.StorageMode {
	if c.VolumeGiB == 0 {
		return ""
	}
	return cmp.Or(gen.StorageMode(c.StorageMode), gen.StorageModeLocal)
}

func provisionedThroughput(t *resource.Throughput) *gen.ProvisionedThroughput {
	if t == nil {
		return nil
	}
	out := &gen.ProvisionedThroughput{Enabled: new(t.Enabled)}
	if t.Enabled {
		out.VolumeThroughput = new(t.MiBps)
	}
	return out
}

// actionRecommendedPercent is from how full a volume on the service says that somebody should act. When it takes no more records, somebody must.
const actionRecommendedPercent = 60

// customerAction says whether the cluster's owner has to see to its volumes, by what the fullest broker reports of itself.
func (a *api) customerAction(ctx context.Context, c *resource.Cluster) (gen.CustomerActionStatus, error) {
	if c.VolumeGiB == 0 {
		return gen.CustomerActionStatusNone, nil
	}
	reports, err := a.reports(ctx, c)
	if err != nil {
		return "", err
	}
	var used int64
	for _, r := range reports {
		used = max(used, r.UsedBytes)
	}
	switch size := int64(c.VolumeGiB) << 30; {
	case used >= metadata.VolumeWall(size):
		return gen.CustomerActionStatusCriticalActionRequired, nil
	case used >= size/100*actionRecommendedPercent:
		return gen.CustomerActionStatusActionRecommended, nil
	}
	return gen.CustomerActionStatusNone, nil
}
