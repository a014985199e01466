package resource

import (
	"cmp"
	"encoding/json"
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

	// What is desired. The fields that an update changes are those of Change.
	Type           metadata.ClusterKind `json:"type,omitempty"` // see Kind
	KafkaVersion   string               `json:"kafkaVersion"`
	Configuration  ConfigurationRef     `json:"configuration,omitzero"`
	InstanceType   string               `json:"instanceType"`
	Brokers        int                  `json:"brokers"`
	Subnets        []ClientSubnet       `json:"subnets"` // in the order of the request; one per availability zone
	SecurityGroups []string             `json:"securityGroups"`
	VolumeGiB      int32                `json:"volumeGiB,omitempty"`   // per broker; zero for Express, which has no volumes
	Throughput     *Throughput          `json:"throughput,omitempty"`  // nil: nothing was said
	StorageMode    string               `json:"storageMode,omitempty"` // empty is LOCAL, and nothing was said
	Monitoring     string               `json:"monitoring"`            // enhancedMonitoring
	OpenMonitoring *OpenMonitoring      `json:"openMonitoring,omitempty"`
	Logging        Logging              `json:"logging,omitzero"`
	Security       Security             `json:"security,omitzero"`
	InCluster      bool                 `json:"inCluster"`        // encryption between brokers, as requested; see docs/adr/0006
	KMSKey         string               `json:"kmsKey,omitempty"` // of encryption at rest: an ARN, as requested; see docs/adr/0006
	Connectivity   Connectivity         `json:"connectivity,omitzero"`
	Rebalancing    RebalancingStatus    `json:"rebalancing,omitempty"` // empty is PAUSED, and nothing was said
	Stopped        bool                 `json:"stopped,omitempty"`
	Serverless     *Serverless          `json:"serverless,omitempty"` // of a serverless cluster only
	Tags           map[string]string    `json:"tags,omitempty"`

	// What is observed.
	State     ClusterState `json:"state"`
	StateInfo *StateInfo   `json:"stateInfo,omitempty"`
	// CurrentVersion is opaque and changes with every update; see NewVersion.
	CurrentVersion string `json:"currentVersion"`
	// Operation is the id of the operation that is under way, or empty.
	Operation string `json:"operation,omitempty"`
	// Queue are the ids of operations that are to begin one after the other when that one has ended, in order; at most QueueMax.
	Queue []string     `json:"queue,omitempty"`
	Nodes []BrokerNode `json:"nodes"`
	// LastBroker is the largest broker id that the cluster ever gave out, once a broker was added or removed: ids are not used again.
	LastBroker metadata.BrokerID `json:"lastBroker,omitempty"`
	// Took are measured durations of steps, by type of operation and step (TookKey): what Progress estimates from.
	Took map[string]time.Duration `json:"took,omitempty"`
}

// QueueMax bounds Cluster.Queue.
const QueueMax = 16

// UnmarshalJSON reads the record, also as it was written when there were no updates: then what is now in Security, Logging and Throughput
// was elsewhere.
func (c *Cluster) UnmarshalJSON(data []byte) error {
	type plain Cluster
	v := struct {
		*plain
		ClientBroker string `json:"clientBroker"`
		Settings     struct {
			BrokerLogs           []LogDestination      `json:"brokerLogs"`
			AuthorizerLogs       []LogDestination      `json:"authorizerLogs"`
			ClientAuthentication *ClientAuthentication `json:"clientAuthentication"`
			Throughput           *bool                 `json:"throughput"`
		} `json:"settings"`
	}{plain: (*plain)(c)}
	if err := json.Unmarshal(data, &v); err != nil {
		return err //nolint:wrapcheck // encoding/json asks for its own errors
	}
	if v.ClientBroker != "" {
		c.Security.ClientBroker = v.ClientBroker
	}
	old := v.Settings
	if old.ClientAuthentication != nil {
		c.Security.ClientAuthentication = old.ClientAuthentication
	}
	if old.BrokerLogs != nil {
		c.Logging.Broker = old.BrokerLogs
	}
	if old.AuthorizerLogs != nil {
		c.Logging.Authorizer = old.AuthorizerLogs
	}
	if old.Throughput != nil {
		c.Throughput = &Throughput{Enabled: *old.Throughput}
	}
	return nil
}

// Kind is what kind of cluster it is. Records from before there were kinds do not say it, but their size does.
func (c *Cluster) Kind() metadata.ClusterKind {
	if c.Type != "" {
		return c.Type
	}
	if t, ok := LookupInstanceType(c.InstanceType); ok && t.Express() {
		return metadata.Express
	}
	return metadata.Standard
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

// StateInfo says why a cluster is in FAILED, HEALING or MAINTENANCE.
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
	Joined    time.Time           `json:"joined,omitzero"`   // when it was added to the cluster
	Replaced  time.Time           `json:"replaced,omitzero"` // when its node was last asked to set it up anew (BrokerSpec.Replace)
}

// NewNodes returns n unplaced brokers, dealt out over the subnets in turn.
func NewNodes(n int, subnets []ClientSubnet, now time.Time) []BrokerNode {
	nodes := make([]BrokerNode, n)
	for i := range nodes {
		nodes[i] = newNode(metadata.BrokerID(i+1), subnets[i%len(subnets)], now)
	}
	return nodes
}

func newNode(id metadata.BrokerID, s ClientSubnet, now time.Time) BrokerNode {
	return BrokerNode{Broker: id, UUID: NewUUID(), ENI: NewEC2ID("eni"), Subnet: s.ID, ZoneID: s.ZoneID, Joined: now}
}

// Grown returns the cluster with as many more unplaced nodes as it takes to have n, each in the zone that has the fewest, and the ids of those.
// Their ids are larger than any that the cluster ever had.
func (c Cluster) Grown(n int, now time.Time) (Cluster, []metadata.BrokerID) {
	c.Nodes = slices.Clone(c.Nodes)
	last := c.lastBroker()
	var added []metadata.BrokerID
	for len(c.Nodes) < n {
		held := c.perZone()
		fewest := slices.MinFunc(c.Subnets, func(a, b ClientSubnet) int { return held[a.ZoneID] - held[b.ZoneID] })
		last++
		c.Nodes = append(c.Nodes, newNode(last, fewest, now))
		added = append(added, last)
	}
	c.LastBroker = last
	return c, added
}

// Leaving returns which brokers go when the cluster shrinks to n: the latest of the zone that has the most, one by one.
func (c *Cluster) Leaving(n int) []metadata.BrokerID {
	rest := Cluster{Nodes: slices.Clone(c.Nodes)}
	var ids []metadata.BrokerID
	for len(rest.Nodes) > n {
		held := rest.perZone()
		last := slices.MaxFunc(rest.Nodes, func(a, b BrokerNode) int {
			return cmp.Or(held[a.ZoneID]-held[b.ZoneID], int(a.Broker-b.Broker))
		})
		ids = append(ids, last.Broker)
		rest = rest.Without(last.Broker)
	}
	slices.Sort(ids)
	return ids
}

// Without returns the cluster without those nodes. Their ids are not given out again.
func (c Cluster) Without(ids ...metadata.BrokerID) Cluster {
	c.LastBroker = c.lastBroker()
	c.Nodes = slices.DeleteFunc(slices.Clone(c.Nodes), func(n BrokerNode) bool { return slices.Contains(ids, n.Broker) })
	return c
}

func (c *Cluster) lastBroker() metadata.BrokerID {
	last := c.LastBroker
	for _, n := range c.Nodes {
		last = max(last, n.Broker)
	}
	return last
}

func (c *Cluster) perZone() map[string]int {
	held := make(map[string]int)
	for _, n := range c.Nodes {
		held[n.ZoneID]++
	}
	return held
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
