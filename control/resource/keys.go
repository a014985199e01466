package resource

import (
	"fmt"
	"strings"

	"weir/metadata"
)

// Keys of one account's resources in one region, under metadata.AccountPrefix:
//
//	cluster/<uuid>                          Cluster
//	cluster-name/<name>                     ClusterName   makes names unique; removed with the cluster, which frees the name
//	operation/<cluster uuid>/<operation id> Operation
//	configuration/<uuid>                    Configuration
//	configuration-name/<name>               ConfigurationName
//	configuration-revision/<uuid>/<number>  ConfigurationRevision, the number in 19 digits
//	configuration-quota cluster-quota vpc-connection-quota   change with everything that is created, so that two never take the last free place
//	vpc/<id> subnet/<id> security-group/<id> network records, see network.go

// Scope names whose resources are meant: an account's, in one region.
type Scope struct {
	Account string
	Region  string
}

// Prefix is the prefix of all keys of the scope.
func (s Scope) Prefix() string { return metadata.AccountPrefix(s.Account, s.Region) }

// ClustersPrefix is the prefix of the scope's Cluster records.
func (s Scope) ClustersPrefix() string { return s.Prefix() + "cluster/" }

// ClusterKey holds the Cluster record.
func (s Scope) ClusterKey(uuid string) string { return s.ClustersPrefix() + uuid }

// ClusterNameKey holds the ClusterName record.
func (s Scope) ClusterNameKey(name string) string { return s.Prefix() + "cluster-name/" + name }

// OperationsPrefix is the prefix of all operations of one cluster.
func (s Scope) OperationsPrefix(cluster string) string {
	return s.Prefix() + "operation/" + cluster + "/"
}

// OperationKey holds an Operation record.
func (s Scope) OperationKey(cluster, id string) string { return s.OperationsPrefix(cluster) + id }

// ConfigurationsPrefix is the prefix of the scope's Configuration records.
func (s Scope) ConfigurationsPrefix() string { return s.Prefix() + "configuration/" }

// ConfigurationKey holds the Configuration record.
func (s Scope) ConfigurationKey(uuid string) string { return s.ConfigurationsPrefix() + uuid }

// ConfigurationNameKey holds the ConfigurationName record.
func (s Scope) ConfigurationNameKey(name string) string {
	return s.Prefix() + "configuration-name/" + name
}

// ConfigurationRevisionsPrefix is the prefix of all revisions of a configuration.
func (s Scope) ConfigurationRevisionsPrefix(uuid string) string {
	return s.Prefix() + "configuration-revision/" + uuid + "/"
}

// ConfigurationRevisionKey holds a ConfigurationRevision. Keys sort as the numbers do.
func (s Scope) ConfigurationRevisionKey(uuid string, number int64) string {
	return fmt.Sprintf("%s%019d", s.ConfigurationRevisionsPrefix(uuid), number)
}

// AccountsPrefix is the prefix of the resources of all accounts.
const AccountsPrefix = metadata.Root + "a/"

// ParseClusterKey takes the key of a Cluster record apart; ok is false for every other key.
func ParseClusterKey(key string) (s Scope, uuid string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, AccountsPrefix), "/")
	if !strings.HasPrefix(key, AccountsPrefix) || len(parts) != 4 || parts[2] != "cluster" || parts[3] == "" {
		return Scope{}, "", false
	}
	return Scope{Account: parts[0], Region: parts[1]}, parts[3], true
}

// ParseOperationKey takes the key of an Operation record apart; ok is false for every other key.
func ParseOperationKey(key string) (s Scope, cluster, id string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, AccountsPrefix), "/")
	if !strings.HasPrefix(key, AccountsPrefix) || len(parts) != 5 || parts[2] != "operation" || parts[4] == "" {
		return Scope{}, "", "", false
	}
	return Scope{Account: parts[0], Region: parts[1]}, parts[3], parts[4], true
}

// NodesPrefix is the prefix of what concerns machines.
const NodesPrefix = metadata.Root + "node/"

// NodeKey is where a machine registers its Node record.
func NodeKey(node string) string { return metadata.NodePrefix(node) + "node" }

// ParseNodeKey says what a key under NodesPrefix is about: the node, and the cluster's uuid when it is of a broker's spec or status.
func ParseNodeKey(key string) (node, cluster string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, NodesPrefix), "/")
	switch {
	case !strings.HasPrefix(key, NodesPrefix) || parts[0] == "":
		return "", "", false
	case len(parts) == 2 && parts[1] == "node":
		return parts[0], "", true
	case len(parts) == 4 && (parts[1] == "spec" || parts[1] == "status"):
		return parts[0], parts[2], true
	}
	return "", "", false
}

// BrokerStatusPrefix is the prefix of a node's reports on one cluster's brokers.
func BrokerStatusPrefix(node, cluster string) string {
	return metadata.NodePrefix(node) + "status/" + cluster + "/"
}

// BrokerSpecPrefix is the prefix of one cluster's specs on a node.
func BrokerSpecPrefix(node, cluster string) string {
	return metadata.NodePrefix(node) + "spec/" + cluster + "/"
}
