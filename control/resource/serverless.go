package resource

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"weir/metadata"
)

// Serverless is what only a serverless cluster has: the networks that its clients are in, and how they say who they are.
type Serverless struct {
	VPCs []VPCAccess `json:"vpcs"`
	IAM  bool        `json:"iam"`
}

// VPCAccess is a VPC whose clients may connect.
type VPCAccess struct {
	VPC            string         `json:"vpc"`
	Subnets        []ClientSubnet `json:"subnets"` // in the order of the request
	SecurityGroups []string       `json:"securityGroups"`
}

// What the service chooses for serverless clusters. Brokers are added and taken away between the bounds, by load (see package control).
const (
	ServerlessBrokersMin   = 3
	ServerlessBrokersMax   = 9
	ServerlessInstanceType = "kafka.m7g.large"
	ServerlessKafkaVersion = DefaultKafkaVersion
)

// serverlessRetentionBytes is how much a partition keeps unless its topic says otherwise.
const serverlessRetentionBytes = 250 << 30

// serverlessProperties changes the default properties to those of a serverless cluster, which has three replicas in however many zones.
func serverlessProperties(p map[string]string) {
	for _, name := range []string{"default.replication.factor", "offsets.topic.replication.factor", "transaction.state.log.replication.factor"} {
		p[name] = "3"
	}
	p["min.insync.replicas"], p["transaction.state.log.min.isr"] = "2", "2"
	p["unclean.leader.election.enable"] = "false"
	p[timestampBefore], p[timestampAfter] = strconv.FormatInt(math.MaxInt64, 10), strconv.FormatInt(math.MaxInt64, 10)
	p["log.retention.bytes"] = strconv.FormatInt(serverlessRetentionBytes, 10)
}

// LimitsTag is the tag that says which of the limits of its kind hold for an Express or serverless cluster. MSK has nothing like it.
const LimitsTag = "weir:limits"

// ParseLimits reads LimitsTag from a cluster's tags.
func ParseLimits(tags map[string]string) (metadata.LimitsProfile, error) {
	switch p := metadata.LimitsProfile(tags[LimitsTag]); p {
	case metadata.LimitsOff, metadata.Limits2022, "":
		return p, nil
	case "on":
		return "", nil
	}
	return "", fmt.Errorf("the tag %s is %q; it can be on, off or 2022", LimitsTag, tags[LimitsTag])
}

// Limits is which of the limits of its kind hold for the cluster. A tag that cannot be read, which nobody could set, lifts nothing.
func (c *Cluster) Limits() metadata.LimitsProfile {
	p, err := ParseLimits(c.Tags)
	if err != nil {
		return ""
	}
	return p
}

// Shows tells whether the AWS APIs show operations of that type of the cluster. A serverless cluster's brokers are the service's business, and so is what
// changes their number.
func (c *Cluster) Shows(t OperationType) bool { return t.Listed() && !c.Scales(t) }

// Scales tells whether an operation of that type is the service's own on this cluster: it changes the number of brokers of a serverless cluster, which
// callers neither ask for nor see.
func (c *Cluster) Scales(t OperationType) bool {
	return c.Kind() == metadata.Serverless && (t == OpIncreaseBrokers || t == OpDecreaseBrokers)
}

// serverlessActions are those of the table that a serverless cluster knows at all.
func serverlessActions() []Action {
	return []Action{
		ActionDescribe, ActionTag, ActionBootstrapBrokers, ActionDelete, ActionStop, ActionStart,
		ActionReadPolicy, ActionWritePolicy, ActionReadConnections, ActionConnect, ActionReject, ActionDisconnect,
	}
}

// KindAllows tells whether clusters of that kind know the action. What a cluster's state says of it is another matter.
func KindAllows(k metadata.ClusterKind, a Action) bool {
	return k != metadata.Serverless || slices.Contains(serverlessActions(), a)
}

// ServerlessCalls are the API's operations that are not possible on serverless clusters, sorted.
func ServerlessCalls() (refused []string) {
	calls := make(map[string]bool)
	for _, r := range Rules() {
		if !KindAllows(metadata.Serverless, r.Action) {
			for _, call := range r.Calls {
				calls[call] = true
			}
		}
	}
	// These are of actions that serverless clusters know, but come from the time when there were none.
	for _, call := range []string{"DescribeCluster", "ListClusterOperations", "DescribeClusterOperation", "GetCompatibleKafkaVersions"} {
		calls[call] = true
	}
	return slices.Sorted(maps.Keys(calls))
}

// serverlessGeneration takes the place of generation in the ARNs of serverless clusters.
const serverlessGeneration = "s" + generation

// generation is what the cluster's ARNs have after the uuid.
func (c *Cluster) generation() string {
	if c.Kind() == metadata.Serverless {
		return serverlessGeneration
	}
	return generation
}

// cutGeneration takes the generation off the uuid of an ARN.
func cutGeneration(text string) (id string, serverless, ok bool) {
	i := strings.LastIndexByte(text, '-')
	if i < 0 {
		return "", false, false
	}
	switch text[i+1:] {
	case generation:
		return text[:i], false, true
	case serverlessGeneration:
		return text[:i], true, true
	}
	return "", false, false
}
