package metadata

import (
	"fmt"
	"net/url"
	"strings"
)

// Root is the prefix of every key. The digit is the layout's version; FormatKey holds it as a record so that an older
// binary refuses a newer layout.
const (
	Root      = "weir/1/"
	FormatKey = Root + "format"
)

// Keys of one Kafka cluster's data plane, all under ClusterPrefix, so that deleting a cluster is deleting a prefix.
//
//	weir/1/k/<cluster uuid>/sess/<broker>        Session    leased; brokers that serve
//	weir/1/k/<cluster uuid>/reg/<broker>         Registration brokers that ever served, also while they do not
//	weir/1/k/<cluster uuid>/topic/<name>         Topic      name -> id, partitions, configs
//	weir/1/k/<cluster uuid>/asg/<topic id>/<i>   Assignment leaders and epochs of partitions i*256..i*256+255
//	weir/1/k/<cluster uuid>/stream/<stream id>   Stream     WAL streams and their fencing state
//	weir/1/k/<cluster uuid>/config/<type>/<name> ConfigEntry dynamic configs of brokers ("" = cluster-wide default), groups, client metrics
//	weir/1/k/<cluster uuid>/config/client-quotas ClientQuotas
//	weir/1/k/<cluster uuid>/features             Features   finalized levels, once they were changed
//	weir/1/k/<cluster uuid>/acl/<hash>           ACL        named by what it says
//	weir/1/k/<cluster uuid>/scram/<user>         ScramUser  SCRAM credentials; the name is escaped
//	weir/1/k/<cluster uuid>/pid                  ProducerIDBlock
//	weir/1/k/<cluster uuid>/settings             Settings   what the control plane wants of the brokers
//	weir/1/k/<cluster uuid>/report/<broker>      BrokerReport
//	weir/1/k/<cluster uuid>/load/<broker>        BrokerLoad, of serverless clusters
//	weir/1/k/<cluster uuid>/balance              BalanceStatus

// ClusterPrefix is the prefix of all data-plane keys of the cluster.
func ClusterPrefix(cluster string) string { return Root + "k/" + cluster + "/" }

// SessionKey is where the broker registers under its lease.
func SessionKey(cluster string, b BrokerID) string {
	return fmt.Sprintf("%ssess/%d", ClusterPrefix(cluster), b)
}

// RegistrationKey is where a broker is known as long as it belongs to the cluster.
func RegistrationKey(cluster string, b BrokerID) string {
	return fmt.Sprintf("%sreg/%d", ClusterPrefix(cluster), b)
}

// TopicKey holds the Topic record.
func TopicKey(cluster, name string) string { return ClusterPrefix(cluster) + "topic/" + name }

// AssignmentKey holds the i-th pack of partition assignments of the topic.
func AssignmentKey(cluster string, id TopicID, i int) string {
	return fmt.Sprintf("%sasg/%s/%04d", ClusterPrefix(cluster), id, i)
}

// StreamKey holds the state of a stream.
func StreamKey(cluster string, id StreamID) string {
	return ClusterPrefix(cluster) + "stream/" + string(id)
}

// ClientQuotasKey holds the limits of clients.
func ClientQuotasKey(cluster string) string { return ClusterPrefix(cluster) + "config/client-quotas" }

// The kinds of dynamic config resources.
const (
	BrokerConfigs        = "broker"         // by broker id, or "" for the cluster-wide default
	GroupConfigs         = "group"          // by group id
	ClientMetricsConfigs = "client-metrics" // by the name of the subscription
)

// ConfigKey holds the dynamic config resource of that kind and name, which may be any text.
func ConfigKey(cluster, kind, name string) string {
	return ClusterPrefix(cluster) + "config/" + kind + "/" + url.PathEscape(name)
}

// ConfigName is the name in the last part of a ConfigKey.
func ConfigName(part string) (string, error) {
	name, err := url.PathUnescape(part)
	if err != nil {
		return "", fmt.Errorf("metadata: name of a config resource: %w", err)
	}
	return name, nil
}

// FeaturesKey holds the finalized feature levels.
func FeaturesKey(cluster string) string { return ClusterPrefix(cluster) + "features" }

// ACLKey holds an access control list; with an empty id it is the prefix of all of them.
func ACLKey(cluster, id string) string { return ClusterPrefix(cluster) + "acl/" + id }

// ScramKey holds the SCRAM credentials of a user.
func ScramKey(cluster, user string) string {
	return ClusterPrefix(cluster) + "scram/" + url.PathEscape(user)
}

// ProducerIDKey holds the next producer id to hand out.
func ProducerIDKey(cluster string) string { return ClusterPrefix(cluster) + "pid" }

// NodePrefix is the prefix of what concerns one machine; control/resource defines the records under it.
func NodePrefix(node string) string { return Root + "node/" + node + "/" }

// AccountPrefix is the prefix of the control plane's resources of one account in one region; control/resource and the aws
// packages define the keys under it.
func AccountPrefix(account, region string) string {
	return Root + "a/" + account + "/" + region + "/"
}

// LastSegment is the part of key after its last slash.
func LastSegment(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }
