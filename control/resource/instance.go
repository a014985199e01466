package resource

import "strings"

// InstanceType is a broker size. The figures are the service's own table (developer guide, 2026).
type InstanceType struct {
	Name      string
	VCPU      int
	MemoryGiB int
	// PartitionsMax is how many partition replicas a broker may hold. The service refuses more on Express, and some updates of a Standard
	// cluster that has more.
	PartitionsMax int
	// IngressBytesMax and EgressBytesMax are bytes per second above which an Express broker's clients are throttled. Standard has no such quotas.
	IngressBytesMax, EgressBytesMax int64
}

// Express tells whether the size belongs to an Express cluster.
func (t InstanceType) Express() bool { return strings.HasPrefix(t.Name, "express.") }

// MemoryBytes is what a broker of this size may use.
func (t InstanceType) MemoryBytes() int64 { return int64(t.MemoryGiB) << 30 }

// NoKRaft tells whether the service refuses this size for clusters in KRaft mode.
func (t InstanceType) NoKRaft() bool { return t.Name == "kafka.t3.small" }

// InstanceTypes returns all sizes, Standard then Express, small to large.
func InstanceTypes() []InstanceType {
	return []InstanceType{
		{"kafka.t3.small", 2, 2, 300, 0, 0},
		{"kafka.m5.large", 2, 8, 1500, 0, 0},
		{"kafka.m5.xlarge", 4, 16, 1500, 0, 0},
		{"kafka.m5.2xlarge", 8, 32, 3000, 0, 0},
		{"kafka.m5.4xlarge", 16, 64, 6000, 0, 0},
		{"kafka.m5.8xlarge", 32, 128, 6000, 0, 0},
		{"kafka.m5.12xlarge", 48, 192, 6000, 0, 0},
		{"kafka.m5.16xlarge", 64, 256, 6000, 0, 0},
		{"kafka.m5.24xlarge", 96, 384, 6000, 0, 0},
		{"kafka.m7g.large", 2, 8, 1500, 0, 0},
		{"kafka.m7g.xlarge", 4, 16, 1500, 0, 0},
		{"kafka.m7g.2xlarge", 8, 32, 3000, 0, 0},
		{"kafka.m7g.4xlarge", 16, 64, 6000, 0, 0},
		{"kafka.m7g.8xlarge", 32, 128, 6000, 0, 0},
		{"kafka.m7g.12xlarge", 48, 192, 6000, 0, 0},
		{"kafka.m7g.16xlarge", 64, 256, 6000, 0, 0},
		{"express.m7g.large", 2, 8, 1500, 23_400_000, 58_500_000},
		{"express.m7g.xlarge", 4, 16, 2000, 46_800_000, 117_000_000},
		{"express.m7g.2xlarge", 8, 32, 4000, 93_700_000, 234_200_000},
		{"express.m7g.4xlarge", 16, 64, 8000, 187_500_000, 468_700_000},
		{"express.m7g.8xlarge", 32, 128, 16000, 375_000_000, 937_500_000},
		{"express.m7g.12xlarge", 48, 192, 24000, 562_500_000, 1_406_200_000},
		{"express.m7g.16xlarge", 64, 256, 32000, 750_000_000, 1_875_000_000},
	}
}

// LookupInstanceType finds a size by name.
func LookupInstanceType(name string) (InstanceType, bool) {
	for _, t := range InstanceTypes() {
		if t.Name == name {
			return t, true
		}
	}
	return InstanceType{}, false
}
