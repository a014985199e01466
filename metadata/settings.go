package metadata

import "fmt"

// Settings are what the control plane wants of a running cluster's data plane. One record per cluster; the control plane alone writes it, every broker
// follows it (image.Image.Settings). What can change while a broker runs holds as soon as the record is seen, the rest from the broker's next start.
type Settings struct {
	// Number grows by one with every change. Brokers report which they hold (BrokerReport.Settings).
	Number int64 `json:"number"`
	// Kind is what was bought.
	Kind ClusterKind `json:"kind"`
	// KafkaVersion is the version that the cluster calls itself.
	KafkaVersion string `json:"kafkaVersion"`
	// Properties are the cluster's server.properties.
	Properties map[string]string `json:"properties"`
	// VolumeBytes is how much of its disk each broker may fill; zero: no limit of its own.
	VolumeBytes int64 `json:"volumeBytes,omitempty"`
	// Tiered allows topics with remote.storage.enable.
	Tiered bool `json:"tiered,omitempty"`
	// Broker are the limits of one broker, by its size. Zero limits nothing.
	Broker BrokerLimits `json:"broker"`
	// Balance says how partitions are spread over the brokers.
	Balance Balance `json:"balance"`
	// Limits says which of the limits of its kind hold for a cluster.
	Limits LimitsProfile `json:"limits,omitempty"`
}

// VolumeWall is how much of a broker's volume of that size records may fill: what is left is for groups and transactions, so that consumers can go on.
func VolumeWall(volume int64) int64 { return volume - min(volume/20, 2<<30) }

// LimitsProfile says which of the limits of a cluster's kind hold. The zero value is those that the real service has now.
type LimitsProfile string

// The other profiles.
const (
	LimitsOff  LimitsProfile = "off"  // none
	Limits2022 LimitsProfile = "2022" // Serverless as it was when it was new
)

// ClusterKind is what kind of cluster MSK would call it.
type ClusterKind string

// The kinds.
const (
	Standard   ClusterKind = "standard"
	Express    ClusterKind = "express"
	Serverless ClusterKind = "serverless"
)

// BrokerLimits are limits of one broker. Rates are bytes per second.
type BrokerLimits struct {
	Partitions   int   `json:"partitions,omitempty"`   // replicas; above it, no topic or partition is made
	IngressBytes int64 `json:"ingressBytes,omitempty"` // clients above it are throttled
	EgressBytes  int64 `json:"egressBytes,omitempty"`
}

// Balance says how partitions are spread over brokers.
type Balance struct {
	// Active lets partitions and leaders move by load at any time (intelligent rebalancing); reassignment by clients is refused meanwhile.
	Active bool `json:"active,omitempty"`
	// Drain are brokers that are to hold nothing: their partitions move away, and none is placed on them.
	Drain []BrokerID `json:"drain,omitempty"`
	// Spread, when it grows, asks for one round that fills brokers that have little, such as new ones.
	Spread int64 `json:"spread,omitempty"`
}

// BalanceStatus is how far the cluster's balancer is. The broker that clients are told is the controller writes it.
type BalanceStatus struct {
	Settings  int64      `json:"settings"`         // Settings.Number that it looked at
	Spread    int64      `json:"spread,omitempty"` // Balance.Spread that is done
	Remaining int        `json:"remaining"`        // partitions that are still to move for Drain and Spread
	Moving    int        `json:"moving"`           // under way
	Moved     int64      `json:"moved"`            // since the record exists
	Drained   []BrokerID `json:"drained,omitempty"`
	Problem   string     `json:"problem,omitempty"` // why nothing moves, for people
}

// BrokerReport is what a broker tells of itself. It is written when something changed, at most every few seconds, and belongs to no lease.
type BrokerReport struct {
	Settings   int64 `json:"settings"` // Settings.Number that it holds
	UsedBytes  int64 `json:"usedBytes"`
	Partitions int   `json:"partitions"`
	Leaders    int   `json:"leaders"`
}

// SettingsKey holds the cluster's Settings.
func SettingsKey(cluster string) string { return ClusterPrefix(cluster) + "settings" }

// BalanceStatusKey holds the cluster's BalanceStatus.
func BalanceStatusKey(cluster string) string { return ClusterPrefix(cluster) + "balance" }

// BrokerReportPrefix is the prefix of all brokers' reports.
func BrokerReportPrefix(cluster string) string { return ClusterPrefix(cluster) + "report/" }

// BrokerReportKey holds one broker's BrokerReport.
func BrokerReportKey(cluster string, b BrokerID) string {
	return fmt.Sprintf("%s%d", BrokerReportPrefix(cluster), b)
}
