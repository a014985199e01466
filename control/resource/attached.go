package resource

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"weir/metadata"
)

// Records that belong to one cluster and go with it:
//
//	attached/<cluster uuid>/policy                ClusterPolicy
//	attached/<cluster uuid>/scram-secrets         ScramSecrets

// AttachedPrefix is the prefix of what is attached to one cluster.
func (s Scope) AttachedPrefix(cluster string) string { return s.Prefix() + "attached/" + cluster + "/" }

// ClusterPolicyKey holds the ClusterPolicy record.
func (s Scope) ClusterPolicyKey(cluster string) string { return s.AttachedPrefix(cluster) + "policy" }

// ScramSecretsKey holds the ScramSecrets record.
func (s Scope) ScramSecretsKey(cluster string) string {
	return s.AttachedPrefix(cluster) + "scram-secrets"
}

// ClusterPolicy is the resource policy of a cluster: who of other accounts may do what with it.
type ClusterPolicy struct {
	Text    string `json:"text"`    // JSON, as it was given
	Version string `json:"version"` // as NewVersion makes them; changes with each put
}

// ReadClusterPolicy returns a cluster's policy; ok is false if it has none.
func ReadClusterPolicy(ctx context.Context, store metadata.Store, c *Cluster) (p ClusterPolicy, at metadata.Revision, ok bool, err error) {
	return read[ClusterPolicy](ctx, store, c.Scope().ClusterPolicyKey(c.UUID))
}

// ScramSecrets are the secrets whose users may connect to a cluster with SASL/SCRAM.
type ScramSecrets struct {
	ARNs []string `json:"arns"` // sorted
}

// ReadScramSecrets returns a cluster's secrets; none if at is zero.
func ReadScramSecrets(ctx context.Context, store metadata.Store, c *Cluster) (s ScramSecrets, at metadata.Revision, err error) {
	s, at, _, err = read[ScramSecrets](ctx, store, c.Scope().ScramSecretsKey(c.UUID))
	return s, at, err
}

// VPCConnection lets clients of another VPC reach a cluster by one way of authentication. It belongs to the account of those clients.
type VPCConnection struct {
	UUID           string             `json:"uuid"`
	Account        string             `json:"account"`
	Region         string             `json:"region"`
	Cluster        string             `json:"cluster"`     // uuid
	ClusterName    string             `json:"clusterName"` // for the connection's ARN and the cluster's, also when that is gone
	Target         string             `json:"target"`      // ARN of the cluster
	Authentication ConnectionAuth     `json:"authentication"`
	VPC            string             `json:"vpc"`
	Subnets        []string           `json:"subnets"`
	SecurityGroups []string           `json:"securityGroups"`
	Created        time.Time          `json:"created"`
	Tags           map[string]string  `json:"tags,omitempty"`
	State          VPCConnectionState `json:"state"`
}

// VPCConnectionState is a connection's state as MSK names it.
type VPCConnectionState string

// The states that a connection's record can have. ConnectionInactive is never recorded: it is what a connection is seen to be whose cluster is gone or
// has switched that way of authentication off (VPCConnection.Seen). Creating, rejecting and deleting are one transaction each, so that the service's
// states for the time in between do not occur.
const (
	ConnectionAvailable VPCConnectionState = "AVAILABLE"
	ConnectionRejected  VPCConnectionState = "REJECTED"
	ConnectionInactive  VPCConnectionState = "INACTIVE"
)

// ConnectionAuth is a way of authentication as connections name it.
type ConnectionAuth string

// The ways.
const (
	ConnectIAM   ConnectionAuth = "SASL_IAM"
	ConnectSCRAM ConnectionAuth = "SASL_SCRAM"
	ConnectTLS   ConnectionAuth = "TLS"
)

// ConnectionAuths returns the ways of authentication of connections.
func ConnectionAuths() []ConnectionAuth {
	return []ConnectionAuth{ConnectIAM, ConnectSCRAM, ConnectTLS}
}

// Connects tells whether the cluster takes connections from other VPCs with that way of authentication.
func (c *Cluster) Connects(a ConnectionAuth) bool {
	vpc := c.Connectivity.VPC
	if vpc == nil {
		return false
	}
	on := map[ConnectionAuth]*bool{ConnectIAM: vpc.IAM, ConnectSCRAM: vpc.SCRAM, ConnectTLS: vpc.TLS}[a]
	return on != nil && *on
}

// VPCConnectionsPrefix is the prefix of the scope's VPCConnection records.
func (s Scope) VPCConnectionsPrefix() string { return s.Prefix() + "vpc-connection/" }

// Scope is the account and region that the connection belongs to.
func (v *VPCConnection) Scope() Scope { return Scope{Account: v.Account, Region: v.Region} }

// Key is the key of the connection's record.
func (v *VPCConnection) Key() string { return v.Scope().VPCConnectionsPrefix() + v.UUID }

// ARN is the connection's ARN: the first account is that of its clients, the second the cluster's.
func (v *VPCConnection) ARN() string {
	return arn(v.Scope(), fmt.Sprintf("vpc-connection/%s/%s/%s-%s", v.Account, v.ClusterName, v.UUID, generation))
}

// Seen is the state in which the connection is shown, given its cluster; c is nil if that is gone.
func (v *VPCConnection) Seen(c *Cluster) VPCConnectionState {
	if v.State == ConnectionAvailable && (c == nil || !c.Connects(v.Authentication)) {
		return ConnectionInactive
	}
	return v.State
}

// ParseVPCConnectionARN returns the scope and uuid that the ARN of a connection names; ok is false for a text of any other form.
func ParseVPCConnectionARN(text string) (s Scope, name, uuid string, ok bool) {
	s, parts, ok := parseARN(text)
	if !ok || len(parts) != 4 || parts[0] != "vpc-connection" {
		return Scope{}, "", "", false
	}
	uuid, ok = bareUUID(parts[3])
	return s, parts[2], uuid, ok
}

// ReadVPCConnection returns a connection; ok is false if there is none.
func ReadVPCConnection(ctx context.Context, store metadata.Store, s Scope, uuid string) (v VPCConnection, at metadata.Revision, ok bool, err error) {
	return read[VPCConnection](ctx, store, s.VPCConnectionsPrefix()+url.PathEscape(uuid))
}

// ListVPCConnections returns all connections of the scope, in no order that means anything.
func ListVPCConnections(ctx context.Context, store metadata.Store, s Scope) ([]VPCConnection, error) {
	return list[VPCConnection](ctx, store, s.VPCConnectionsPrefix())
}
