package resource

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/google/uuid"

	"weir/awsapi"
)

// generation is the number that MSK hangs on the uuids of its ARNs, and puts into host names as "c1".
const generation = "1"

// NewUUID returns a random UUID in its usual text form.
func NewUUID() string { return uuid.NewString() }

// NewClusterUUID returns a random UUID and the cluster id that Kafka clients see for it: its bytes in 22 characters of URL-safe base64,
// as Kafka's own Uuid prints. Like Kafka it avoids ids that start with a dash, which command lines take for a flag.
func NewClusterUUID() (clusterUUID, kafkaID string) {
	for {
		id := uuid.New()
		kafkaID = base64.RawURLEncoding.EncodeToString(id[:])
		if kafkaID[0] != '-' {
			return id.String(), kafkaID
		}
	}
}

// versionAlphabet and versionChars make versions look like the service's own (K3AEGXETSR30VB).
const (
	versionAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	versionChars    = 13
)

// NewVersion returns a cluster's next currentVersion: an opaque string that starts with K. It carries no order and no meaning.
func NewVersion() string {
	var b [versionChars]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = versionAlphabet[int(b[i])%len(versionAlphabet)]
	}
	return "K" + string(b[:])
}

// NewEC2ID returns a random id in EC2's form: the prefix ("eni", "vpc", ...), a dash and 17 hex digits.
func NewEC2ID(prefix string) string {
	var b [9]byte
	rand.Read(b[:])
	return prefix + "-" + hex.EncodeToString(b[:])[:17]
}

func arn(s Scope, resource string) string {
	return awsapi.ARN{Partition: awsapi.Partition, Service: "kafka", Region: s.Region, Account: s.Account, Resource: resource}.String()
}

// ARN is the cluster's ARN.
func (c *Cluster) ARN() string {
	return arn(c.Scope(), "cluster/"+c.Name+"/"+c.UUID+"-"+c.generation())
}

// OperationARN is the ARN of an operation of the cluster.
func (c *Cluster) OperationARN(id string) string {
	return arn(c.Scope(), "cluster-operation/"+c.Name+"/"+c.UUID+"-"+c.generation()+"/"+id)
}

// NodeARN is the ARN of a broker of the cluster.
func (c *Cluster) NodeARN(n BrokerNode) string {
	return arn(c.Scope(), "broker/"+c.Name+"/"+c.UUID+"-"+generation+"/"+n.UUID)
}

// ClusterRef is what a cluster's ARN names.
type ClusterRef struct {
	Scope
	Name string
	UUID string
	// Serverless is whether the ARN is that of a serverless cluster, by its form.
	Serverless bool
}

// ParseClusterARN takes a cluster's ARN apart; ok is false for a text of any other form.
func ParseClusterARN(text string) (ref ClusterRef, ok bool) {
	scope, parts, ok := parseARN(text)
	if !ok || len(parts) != 3 || parts[0] != "cluster" {
		return ClusterRef{}, false
	}
	id, serverless, ok := clusterUUID(parts[2])
	return ClusterRef{Scope: scope, Name: parts[1], UUID: id, Serverless: serverless}, ok
}

// ParseOperationARN takes an operation's ARN apart into its cluster and the operation's id.
func ParseOperationARN(text string) (ref ClusterRef, id string, ok bool) {
	scope, parts, ok := parseARN(text)
	if !ok || len(parts) != 4 || parts[0] != "cluster-operation" || uuid.Validate(parts[3]) != nil {
		return ClusterRef{}, "", false
	}
	cluster, serverless, ok := clusterUUID(parts[2])
	return ClusterRef{Scope: scope, Name: parts[1], UUID: cluster, Serverless: serverless}, parts[3], ok
}

// parseARN takes apart an ARN of the kafka service. No part may be empty or hold a slash: parts end up in keys.
func parseARN(text string) (s Scope, parts []string, ok bool) {
	a, err := awsapi.ParseARN(text)
	if err != nil || a.Partition != awsapi.Partition || a.Service != "kafka" || !plainSegment(a.Region) || !plainSegment(a.Account) {
		return Scope{}, nil, false
	}
	parts = a.ResourceParts()
	return Scope{Region: a.Region, Account: a.Account}, parts, !slices.Contains(parts, "")
}

// plainSegment tells whether text can be one segment of a key.
func plainSegment(text string) bool { return text != "" && !strings.ContainsRune(text, '/') }

// bareUUID takes the generation off the uuid of an ARN.
func bareUUID(text string) (string, bool) {
	id, serverless, ok := clusterUUID(text)
	return id, ok && !serverless
}

// clusterUUID takes the generation off the uuid of a cluster's ARN.
func clusterUUID(text string) (id string, serverless, ok bool) {
	id, serverless, ok = cutGeneration(text)
	// Only the form that we print: uuid.Validate also takes braces and URNs, which would name the same cluster by other keys.
	return id, serverless, ok && len(id) == 36 && uuid.Validate(id) == nil && id == strings.ToLower(id)
}
