// Package kafka is what `aws kafka` does: the behaviour behind Amazon MSK's API. A call checks its request against the rules that
// the model cannot express, commits what is desired in one metadata transaction, and returns; package control moves clusters from
// there. One file per resource, one function per operation.
package kafka

import (
	"time"

	gen "weir/awsapi/gen/kafka"
	"weir/control/dataplane"
	"weir/control/resource"
	"weir/metadata"
	"weir/secret"
)

// api holds what the operations share.
type api struct {
	store   metadata.Store
	now     func() time.Time
	brokers *dataplane.Clients

	objectStore bool // channels have one to deliver to

	master *secret.Master
	quotas resource.Quotas // none is zero
}

// Deps are what the operations work with beside the store.
type Deps struct {
	// Brokers reaches the brokers of clusters, for topic operations.
	Brokers *dataplane.Clients
	// ObjectStore says that channels have a store to deliver to.
	ObjectStore bool
	// Master opens the secrets that become SCRAM users.
	Master *secret.Master
	// Quotas are MSK's where they are zero.
	Quotas resource.Quotas
}

// New returns the operations that are built. All others stay nil, which the front answers as not implemented. Every call's context
// must carry an awsapi.Scope, whose account and region must have a network (resource.SeedNetwork).
func New(store metadata.Store, deps Deps) *gen.Service {
	a := &api{
		store: store, now: time.Now, brokers: deps.Brokers, objectStore: deps.ObjectStore, master: deps.Master, quotas: deps.Quotas.WithDefaults(),
	}
	return &gen.Service{
		CreateCluster:                 a.createCluster,
		CreateClusterV2:               a.createClusterV2,
		DescribeCluster:               a.describeCluster,
		DescribeClusterV2:             a.describeClusterV2,
		ListClusters:                  a.listClusters,
		ListClustersV2:                a.listClustersV2,
		DeleteCluster:                 a.deleteCluster,
		GetBootstrapBrokers:           a.getBootstrapBrokers,
		ListNodes:                     a.listNodes,
		RebootBroker:                  a.rebootBroker,
		UpdateBrokerCount:             a.updateBrokerCount,
		UpdateBrokerStorage:           a.updateBrokerStorage,
		UpdateBrokerType:              a.updateBrokerType,
		UpdateClusterConfiguration:    a.updateClusterConfiguration,
		UpdateClusterKafkaVersion:     a.updateClusterKafkaVersion,
		UpdateConnectivity:            a.updateConnectivity,
		UpdateMonitoring:              a.updateMonitoring,
		UpdateRebalancing:             a.updateRebalancing,
		UpdateSecurity:                a.updateSecurity,
		UpdateStorage:                 a.updateStorage,
		DescribeClusterOperation:      a.describeClusterOperation,
		DescribeClusterOperationV2:    a.describeClusterOperationV2,
		ListClusterOperations:         a.listClusterOperations,
		ListClusterOperationsV2:       a.listClusterOperationsV2,
		ListKafkaVersions:             a.listKafkaVersions,
		GetCompatibleKafkaVersions:    a.getCompatibleKafkaVersions,
		CreateConfiguration:           a.createConfiguration,
		UpdateConfiguration:           a.updateConfiguration,
		DescribeConfiguration:         a.describeConfiguration,
		DescribeConfigurationRevision: a.describeConfigurationRevision,
		ListConfigurations:            a.listConfigurations,
		ListConfigurationRevisions:    a.listConfigurationRevisions,
		DeleteConfiguration:           a.deleteConfiguration,
		CreateTopic:                   a.createTopic,
		DescribeTopic:                 a.describeTopic,
		DescribeTopicPartitions:       a.describeTopicPartitions,
		ListTopics:                    a.listTopics,
		UpdateTopic:                   a.updateTopic,
		DeleteTopic:                   a.deleteTopic,
		CreateChannel:                 a.createChannel,
		DescribeChannel:               a.describeChannel,
		ListChannels:                  a.listChannels,
		UpdateChannel:                 a.updateChannel,
		DeleteChannel:                 a.deleteChannel,
		PutClusterPolicy:              a.putClusterPolicy,
		GetClusterPolicy:              a.getClusterPolicy,
		DeleteClusterPolicy:           a.deleteClusterPolicy,
		CreateVpcConnection:           a.createVpcConnection,
		DescribeVpcConnection:         a.describeVpcConnection,
		DeleteVpcConnection:           a.deleteVpcConnection,
		ListVpcConnections:            a.listVpcConnections,
		ListClientVpcConnections:      a.listClientVpcConnections,
		RejectClientVpcConnection:     a.rejectClientVpcConnection,
		BatchAssociateScramSecret:     a.batchAssociateScramSecret,
		BatchDisassociateScramSecret:  a.batchDisassociateScramSecret,
		ListScramSecrets:              a.listScramSecrets,
		TagResource:                   a.tagResource,
		UntagResource:                 a.untagResource,
		ListTagsForResource:           a.listTagsForResource,
	}
}
