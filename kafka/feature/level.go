package feature

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The features of Apache Kafka 4.4.
const (
	Metadata    = "metadata.version"
	KRaft       = "kraft.version"
	Transaction = "transaction.version"
	Group       = "group.version"
	ELR         = "eligible.leader.replicas.version"
	Share       = "share.version"
	Streams     = "streams.version"
)

// Levels are finalized levels by feature. A feature that is missing is at level 0.
type Levels map[string]int16

// Range is what a broker supports of a feature.
type Range struct {
	Name     string
	Min, Max int16
}

// Supported are the features of this broker and their levels, sorted by name.
func Supported() []Range {
	return []Range{
		{ELR, 0, 1}, {Group, 0, 1}, {KRaft, 0, 1}, {Metadata, 7, metadataMax}, {Share, 0, 2}, {Streams, 0, 1}, {Transaction, 0, 2},
	}
}

func supported(name string) (Range, bool) {
	all := Supported()
	i := slices.IndexFunc(all, func(r Range) bool { return r.Name == name })
	if i < 0 {
		return Range{}, false
	}
	return all[i], true
}

const metadataMax = 33 // 4.4-IV2

// release says which levels a newly formatted cluster of a Kafka release has.
type release struct {
	major, minor int
	levels       Levels
}

// releases are those that can run without ZooKeeper, oldest first.
func releases() []release {
	return []release{
		{3, 3, Levels{Metadata: 7}},
		{3, 4, Levels{Metadata: 8}},
		{3, 5, Levels{Metadata: 11}},
		{3, 6, Levels{Metadata: 14}},
		{3, 7, Levels{Metadata: 19}},
		{3, 8, Levels{Metadata: 20}},
		{3, 9, Levels{Metadata: 21, KRaft: 1}},
		{4, 0, Levels{Metadata: 25, KRaft: 1, Transaction: 2, Group: 1}},
		{4, 1, Levels{Metadata: 27, KRaft: 1, Transaction: 2, Group: 1, ELR: 1}},
		{4, 2, Levels{Metadata: 29, KRaft: 1, Transaction: 2, Group: 1, ELR: 1, Share: 1, Streams: 1}},
		{4, 3, Levels{Metadata: 30, KRaft: 1, Transaction: 2, Group: 1, ELR: 1, Share: 1, Streams: 1}},
		{4, 4, Levels{Metadata: metadataMax, KRaft: 1, Transaction: 2, Group: 1, ELR: 1, Share: 2, Streams: 1}},
	}
}

// Starting are the levels that a cluster of the Kafka version has until they are changed. The version is named as Amazon MSK names it (3.9.x,
// 3.9.x.kraft, 4.0.x, 2.8.1); the empty one is the newest. Versions that run on ZooKeeper have no levels.
func Starting(kafkaVersion string) Levels {
	all := releases()
	if kafkaVersion == "" {
		return all[len(all)-1].levels
	}
	major, minor, kraft := parseVersion(kafkaVersion)
	if !kraft {
		return Levels{}
	}
	levels := Levels{}
	for _, r := range all {
		if r.major > major || r.major == major && r.minor > minor {
			break
		}
		levels = r.levels
	}
	return levels
}

func parseVersion(name string) (major, minor int, kraft bool) {
	parts := strings.Split(name, ".")
	major, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	return major, minor, major >= 4 || parts[len(parts)-1] == "kraft"
}

// Finalized are the features that are not off, sorted by name.
func (l Levels) Finalized() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l)), func(name string) bool { return l[name] == 0 })
}
