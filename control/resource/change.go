package resource

import (
	"reflect"
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

// Apply returns the cluster with the change's fields as desired. Each field is replaced as a whole. Only what is desired changes: brokers and
// state are the controller's business.
func (c Cluster) Apply(ch Change) Cluster {
	set(&c.Brokers, ch.Brokers)
	set(&c.InstanceType, ch.InstanceType)
	set(&c.VolumeGiB, ch.VolumeGiB)
	set(&c.StorageMode, ch.StorageMode)
	set(&c.KafkaVersion, ch.KafkaVersion)
	set(&c.Configuration, ch.Configuration)
	set(&c.Monitoring, ch.Monitoring)
	set(&c.Logging, ch.Logging)
	set(&c.Security, ch.Security)
	set(&c.Connectivity, ch.Connectivity)
	set(&c.Rebalancing, ch.Rebalancing)
	set(&c.Stopped, ch.Stopped)
	if ch.Throughput != nil {
		c.Throughput = new(*ch.Throughput)
	}
	if ch.OpenMonitoring != nil {
		c.OpenMonitoring = new(*ch.OpenMonitoring)
	}
	return c
}

// Current is the change that says what the cluster is like now in the fields that ch sets: the source of an operation whose target is ch.
func (c *Cluster) Current(ch Change) Change {
	var now Change
	get(&now.Brokers, ch.Brokers, c.Brokers)
	get(&now.InstanceType, ch.InstanceType, c.InstanceType)
	get(&now.VolumeGiB, ch.VolumeGiB, c.VolumeGiB)
	get(&now.Throughput, ch.Throughput, value(c.Throughput))
	get(&now.StorageMode, ch.StorageMode, c.StorageMode)
	get(&now.KafkaVersion, ch.KafkaVersion, c.KafkaVersion)
	get(&now.Configuration, ch.Configuration, c.Configuration)
	get(&now.Monitoring, ch.Monitoring, c.Monitoring)
	get(&now.OpenMonitoring, ch.OpenMonitoring, value(c.OpenMonitoring))
	get(&now.Logging, ch.Logging, c.Logging)
	get(&now.Security, ch.Security, c.Security)
	get(&now.Connectivity, ch.Connectivity, c.Connectivity)
	get(&now.Rebalancing, ch.Rebalancing, c.Rebalancing)
	get(&now.Stopped, ch.Stopped, c.Stopped)
	return now
}

// Changes tells whether applying ch would change anything.
func (c *Cluster) Changes(ch Change) bool { return !reflect.DeepEqual(c.Current(ch), ch) }

// set puts v in place of field unless it is nil.
func set[T any](field, v *T) {
	if v != nil {
		*field = *v
	}
}

// get sets field to v if the change that is asked about has that field.
func get[T any](field **T, asked *T, v T) {
	if asked != nil {
		*field = &v
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

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
	// Settings is the metadata.Settings.Number that running brokers must have seen; Spread the Balance.Spread that was asked for.
	Settings int64 `json:"settings,omitempty"`
	Spread   int64 `json:"spread,omitempty"`
	// Moves is how far partitions have come that leave brokers or spread onto them.
	Moves *Moves `json:"moves,omitempty"`

	// Problem is why the update is being undone, or was; Undo are the brokers that are restarted as they were.
	Problem  *StateInfo       `json:"problem,omitempty"`
	Undo     []BrokerProgress `json:"undo,omitempty"`
	UndoFrom time.Time        `json:"undoFrom,omitzero"` // when what is being waited for now began
}

// Moves is how many partitions have to move, as the balancer last said.
type Moves struct {
	Total     int       `json:"total"`     // the most that were ever left
	Remaining int       `json:"remaining"` // now
	At        time.Time `json:"at"`        // when that last changed
	Problem   string    `json:"problem,omitempty"`
}

// BrokerProgress is how far a rolling change is with one broker.
type BrokerProgress struct {
	Reboot
	Status  StepStatus `json:"status"`
	Started time.Time  `json:"started,omitzero"`
	Ended   time.Time  `json:"ended,omitzero"`
}
