package resource

import (
	"time"

	"weir/metadata"
)

// Change is the part of a cluster's desired state that one operation changes: fields that are nil stay as they are. An operation keeps what it
// changes to (target) and what was there before (source), which is how MSK shows it and how a failed operation is undone.
type Change struct {
	Brokers        *int               `json:"brokers,omitempty"`
	InstanceType   *string            `json:"instanceType,omitempty"`
	VolumeGiB      *int32             `json:"volumeGiB,omitempty"`
	Throughput     *Throughput        `json:"throughput,omitempty"`
	StorageMode    *string            `json:"storageMode,omitempty"`
	KafkaVersion   *string            `json:"kafkaVersion,omitempty"`
	Configuration  *ConfigurationRef  `json:"configuration,omitempty"`
	Monitoring     *string            `json:"monitoring,omitempty"`
	OpenMonitoring *OpenMonitoring    `json:"openMonitoring,omitempty"`
	Logging        *Logging           `json:"logging,omitempty"`
	Security       *Security          `json:"security,omitempty"`
	Connectivity   *Connectivity      `json:"connectivity,omitempty"`
	Rebalancing    *RebalancingStatus `json:"rebalancing,omitempty"`
	Stopped        *bool              `json:"stopped,omitempty"`
}

// ConfigurationRef names a revision of a configuration. The zero value is the default configuration.
type ConfigurationRef struct {
	ARN      string `json:"arn,omitempty"`
	Revision int64  `json:"revision,omitempty"`
}

// Throughput is the provisioned throughput of the brokers' volumes.
type Throughput struct {
	Enabled bool  `json:"enabled"`
	MiBps   int32 `json:"mibps,omitempty"`
}

// The storage modes of the model.
const (
	StorageLocal  = "LOCAL"
	StorageTiered = "TIERED"
)

// OpenMonitoring says which exporters are open.
type OpenMonitoring struct {
	JMX  bool `json:"jmx"`
	Node bool `json:"node"`
}

// Logging is where logs are to be delivered.
type Logging struct {
	Broker     []LogDestination `json:"broker,omitempty"`
	Authorizer []LogDestination `json:"authorizer,omitempty"`
}

// Security is who may connect and how.
type Security struct {
	ClientAuthentication *ClientAuthentication `json:"clientAuthentication,omitempty"`
	CertificateAuthority []string              `json:"certificateAuthority,omitempty"` // ARNs, for mutual TLS
	ClientBroker         string                `json:"clientBroker,omitempty"`         // encryption between clients and brokers
}

// Connectivity is from where clients may connect.
type Connectivity struct {
	PublicAccess string                `json:"publicAccess,omitempty"` // DISABLED or SERVICE_PROVIDED_EIPS
	VPC          *ClientAuthentication `json:"vpc,omitempty"`          // multi-VPC connectivity by way of authentication
	NetworkType  string                `json:"networkType,omitempty"`  // IPV4 or DUAL
	ZooKeeper    *bool                 `json:"zooKeeper,omitempty"`    // access to ZooKeeper; recorded only
}

// RebalancingStatus says whether partitions move by load.
type RebalancingStatus string

// The statuses of the model.
const (
	RebalancingActive RebalancingStatus = "ACTIVE"
	RebalancingPaused RebalancingStatus = "PAUSED"
)

// Update is what an update operation works on. The controller records in it what it has done of a rolling change, so that a resumed one goes on
// with the broker that it was at.
type Update struct {
	Source Change `json:"source"`
	Target Change `json:"target"`
	// Version is the currentVersion that the request named.
	Version string `json:"version,omitempty"`

	Created []metadata.BrokerID `json:"created,omitempty"` // by INCREASE_BROKER_COUNT
	Deleted []metadata.BrokerID `json:"deleted,omitempty"` // by DECREASE_BROKER_COUNT
	Brokers []BrokerProgress    `json:"brokers,omitempty"` // of a rolling change, in the order in which they take their turns
}

// BrokerProgress is how far a rolling change is with one broker.
type BrokerProgress struct {
	Reboot
	Status  StepStatus `json:"status"`
	Started time.Time  `json:"started,omitzero"`
	Ended   time.Time  `json:"ended,omitzero"`
}
