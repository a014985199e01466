package resource

import "strings"

// InstanceType is a broker size. The figures are the service's own table (developer guide, 2026).
type InstanceType struct {
	Name      string
	VCPU      int
	MemoryGiB int
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
		{"kafka.t3.small", 2, 2},
		{"kafka.m5.large", 2, 8},
		{"kafka.m5.xlarge", 4, 16},
		{"kafka.m5.2xlarge", 8, 32},
		{"kafka.m5.4xlarge", 16, 64},
		{"kafka.m5.8xlarge", 32, 128},
		{"kafka.m5.12xlarge", 48, 192},
		{"kafka.m5.16xlarge", 64, 256},
		{"kafka.m5.24xlarge", 96, 384},
		{"kafka.m7g.large", 2, 8},
		{"kafka.m7g.xlarge", 4, 16},
		{"kafka.m7g.2xlarge", 8, 32},
		{"kafka.m7g.4xlarge", 16, 64},
		{"kafka.m7g.8xlarge", 32, 128},
		{"kafka.m7g.12xlarge", 48, 192},
		{"kafka.m7g.16xlarge", 64, 256},
		{"express.m7g.large", 2, 8},
		{"express.m7g.xlarge", 4, 16},
		{"express.m7g.2xlarge", 8, 32},
		{"express.m7g.4xlarge", 16, 64},
		{"express.m7g.8xlarge", 32, 128},
		{"express.m7g.12xlarge", 48, 192},
		{"express.m7g.16xlarge", 64, 256},
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
