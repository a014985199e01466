package resource

import (
	"slices"
	"time"

	"weir/metadata"
)

// Cluster is the record of a provisioned cluster. The AWS face writes what is desired and the state that an accepted call puts the
// cluster in; from there on only the cluster's controller writes. Every write is guarded by the record's last revision.
type Cluster struct {
	UUID    string    `json:"uuid"`
	Name    string    `json:"name"`
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Created time.Time `json:"created"`
	// KafkaID is the cluster id that Kafka clients see.
	KafkaID string `json:"kafkaId"`

	// What is desired.
	KafkaVersion   string            `json:"kafkaVersion"`
	Configuration  ConfigurationRef  `json:"configuration,omitzero"` // zero: the default configuration
	InstanceType   string            `json:"instanceType"`
	Brokers        int               `json:"brokers"`
	Subnets        []ClientSubnet    `json:"subnets"` // in the order of the request; one per availability zone
	SecurityGroups []string          `json:"securityGroups"`
	VolumeGiB      int32             `json:"volumeGiB,omitempty"` // per broker; zero for Express, which has no volumes
	Monitoring     string            `json:"monitoring"`          // enhancedMonitoring
	ClientBroker   string            `json:"clientBroker"`        // encryption in transit that the listeners serve
	InCluster      bool              `json:"inCluster"`           // as requested; see docs/adr/0006
	Settings       Settings          `json:"settings"`
	Tags           map[string]string `json:"tags,omitempty"`

	// What is observed.
	State     ClusterState `json:"state"`
	StateInfo *StateInfo   `json:"stateInfo,omitempty"`
	// CurrentVersion is opaque and changes with every update; see NewVersion.
	CurrentVersion string `json:"currentVersion"`
	// Operation is the id of the operation that is under way, or empty.
	Operation string       `json:"operation,omitempty"`
	Nodes     []BrokerNode `json:"nodes"`
}

// Settings are parts of the request that switch something off which is not built yet. They change nothing; they are kept because a
// cluster is described with what was asked for, and Terraform takes "absent" for a difference from "off".
type Settings struct {
	BrokerLogs           []LogDestination      `json:"brokerLogs,omitempty"`
	AuthorizerLogs       []LogDestination      `json:"authorizerLogs,omitempty"`
	ClientAuthentication *ClientAuthentication `json:"clientAuthentication,omitempty"`
	Throughput           *bool                 `json:"throughput,omitempty"` // storage's provisioned throughput
}

// LogDestination is one place that logs could be delivered to.
type LogDestination struct {
	Kind    LogKind `json:"kind"`
	Enabled bool    `json:"enabled"`
	Target  string  `json:"target,omitempty"` // log group, delivery stream or bucket
	Prefix  string  `json:"prefix,omitempty"` // in the bucket
}

// LogKind is a kind of log destination.
type LogKind string

// The kinds of the model.
const (
	LogToCloudWatch LogKind = "cloudWatchLogs"
	LogToFirehose   LogKind = "firehose"
	LogToS3         LogKind = "s3"
)

// ClientAuthentication is which ways of client authentication were asked for; nil means that nothing was said.
type ClientAuthentication struct {
	Unauthenticated *bool `json:"unauthenticated,omitempty"`
	SCRAM           *bool `json:"scram,omitempty"`
	IAM             *bool `json:"iam,omitempty"`
	TLS             *bool `json:"tls,omitempty"`
}

// ClientSubnet is where one zone's brokers live.
type ClientSubnet struct {
	ID     string `json:"id"`
	VPC    string `json:"vpc"`
	Zone   string `json:"zone"`   // us-east-1a
	ZoneID string `json:"zoneId"` // use1-az1, which is also the brokers' rack
}

// StateInfo says why a cluster is in FAILED or HEALING.
type StateInfo struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// BrokerNode is one broker of a cluster. Its ids are chosen when the cluster is created; Node when it is placed; the endpoints when it
// first serves, and again whenever they differ.
type BrokerNode struct {
	Broker    metadata.BrokerID   `json:"broker"`
	UUID      string              `json:"uuid"` // of the node's ARN
	ENI       string              `json:"eni"`
	Subnet    string              `json:"subnet"`
	ZoneID    string              `json:"zoneId"`
	Node      string              `json:"node,omitempty"` // id of the machine
	Endpoints []metadata.Endpoint `json:"endpoints,omitempty"`
	Joined    time.Time           `json:"joined,omitzero"` // when it was added to the cluster
}

// NewNodes returns n unplaced brokers, dealt out over the subnets in turn.
func NewNodes(n int, subnets []ClientSubnet, now time.Time) []BrokerNode {
	nodes := make([]BrokerNode, n)
	for i := range nodes {
		s := subnets[i%len(subnets)]
		nodes[i] = BrokerNode{
			Broker: metadata.BrokerID(i + 1), UUID: NewUUID(), ENI: NewEC2ID("eni"),
			Subnet: s.ID, ZoneID: s.ZoneID, Joined: now,
		}
	}
	return nodes
}

// ClusterName points from a name to the cluster that has it.
type ClusterName struct {
	UUID string `json:"uuid"`
}

// Scope is the account and region that the cluster belongs to.
func (c *Cluster) Scope() Scope { return Scope{Account: c.Account, Region: c.Region} }

// Key is the key of the cluster's record.
func (c *Cluster) Key() string { return c.Scope().ClusterKey(c.UUID) }

// Placed tells whether every broker has a machine.
func (c *Cluster) Placed() bool {
	for _, n := range c.Nodes {
		if n.Node == "" {
			return false
		}
	}
	return len(c.Nodes) > 0
}

// Machines returns the ids of the machines that hold brokers of the cluster, each once, in the order of the brokers.
func (c *Cluster) Machines() []string {
	var ids []string
	seen := make(map[string]bool)
	for _, n := range c.Nodes {
		if n.Node != "" && !seen[n.Node] {
			seen[n.Node] = true
			ids = append(ids, n.Node)
		}
	}
	return ids
}

// BrokerNode returns the cluster's node of that broker id.
func (c *Cluster) BrokerNode(id metadata.BrokerID) (BrokerNode, bool) {
	for _, n := range c.Nodes {
		if n.Broker == id {
			return n, true
		}
	}
	return BrokerNode{}, false
}

// BootstrapMax is how many brokers a bootstrap string names, as on MSK.
const BootstrapMax = 3

// BootstrapEndpoints returns the endpoints of one listener to start from: one broker per zone as far as there are, at most
// BootstrapMax. It is empty when no broker has that listener.
func (c *Cluster) BootstrapEndpoints(listener string) []metadata.Endpoint {
	var first, rest []metadata.Endpoint
	seen := make(map[string]bool)
	for _, n := range c.Nodes {
		for _, e := range n.Endpoints {
			if e.Name != listener {
				continue
			}
			if seen[n.ZoneID] {
				rest = append(rest, e)
			} else {
				first = append(first, e)
			}
			seen[n.ZoneID] = true
		}
	}
	all := slices.Concat(first, rest)
	return all[:min(len(all), BootstrapMax)]
}
