package resource

import (
	"slices"
	"strconv"
	"strings"
)

// KafkaVersion is a version that a cluster may be created with. Every cluster is served by the same broker, which speaks the newest
// protocol to clients that do; the version is what the cluster calls itself, what clients and Terraform compare, and what the rules on
// sizes and features look at.
type KafkaVersion struct {
	Name string
	// Deprecated versions are past their end of support on MSK (as of November 2026). They are shown as such; clusters may still be
	// created with them, because what ended is a support contract.
	Deprecated bool
	// Express tells whether Express clusters may have it.
	Express bool
}

// KafkaVersions returns all versions, oldest first.
func KafkaVersions() []KafkaVersion {
	deprecated := []string{
		"1.1.1", "2.1.0", "2.2.1", "2.3.1", "2.4.1", "2.4.1.1", "2.5.1", "2.6.0", "2.6.1", "2.6.2", "2.6.3", "2.7.0", "2.7.1", "2.7.2",
		"2.8.0", "2.8.1", "2.8.2.tiered", "3.1.1", "3.2.0", "3.3.1", "3.3.2", "3.4.0", "3.5.1", "3.6.0", "3.7.x", "3.7.x.kraft",
	}
	supported := []string{
		"3.8.x", "3.8.x.kraft", "3.9.x", "3.9.x.kraft", "4.0.x", "4.0.x.kraft", "4.1.x", "4.1.x.kraft", "4.2.x", "4.2.x.kraft",
	}
	express := []string{"3.6.0", "3.8.x", "3.8.x.kraft", "3.9.x", "3.9.x.kraft", "4.2.x", "4.2.x.kraft"}
	var all []KafkaVersion
	for i, name := range slices.Concat(deprecated, supported) {
		all = append(all, KafkaVersion{Name: name, Deprecated: i < len(deprecated), Express: slices.Contains(express, name)})
	}
	return all
}

// DefaultKafkaVersion is the version of clusters for which nobody chose one: the newest, because it has all features on. (What the service
// recommends is a support contract's matter, and older: 3.9.x.)
const DefaultKafkaVersion = "4.2.x.kraft"

// LookupKafkaVersion finds a version by name.
func LookupKafkaVersion(name string) (KafkaVersion, bool) {
	for _, v := range KafkaVersions() {
		if v.Name == name {
			return v, true
		}
	}
	return KafkaVersion{}, false
}

// KRaft tells whether clusters of this version call themselves KRaft clusters: by suffix, and all from 4.0 on.
func (v KafkaVersion) KRaft() bool {
	return strings.HasSuffix(v.Name, ".kraft") || v.numbers()[0] >= 4
}

// Tiered tells whether the version is of the tiered-storage preview line, which has no upgrades.
func (v KafkaVersion) Tiered() bool { return strings.HasSuffix(v.Name, ".tiered") }

// Compatible returns the versions that a cluster of version v can be updated to: newer supported ones in the same metadata mode.
func (v KafkaVersion) Compatible() []KafkaVersion {
	var out []KafkaVersion
	for _, t := range KafkaVersions() {
		if !t.Deprecated && t.KRaft() == v.KRaft() && slices.Compare(v.numbers(), t.numbers()) < 0 {
			out = append(out, t)
		}
	}
	return out
}

// AtLeast tells whether the version is min or newer, where min is as "3.6.0".
func (v KafkaVersion) AtLeast(min string) bool {
	return slices.Compare(v.numbers(), KafkaVersion{Name: min}.numbers()) >= 0
}

// numbers are the numeric parts of the version; x counts as none.
func (v KafkaVersion) numbers() []int {
	var out []int
	for part := range strings.SplitSeq(v.Name, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		out = append(out, n)
	}
	return out
}
