package resource

import "slices"

// ClusterState is a cluster's state as MSK names it.
type ClusterState string

// The states of the service's model. MAINTENANCE is that of a stopped cluster here: nothing else is maintained by taking a cluster away.
const (
	Creating        ClusterState = "CREATING"
	Active          ClusterState = "ACTIVE"
	Updating        ClusterState = "UPDATING"
	RebootingBroker ClusterState = "REBOOTING_BROKER"
	Maintenance     ClusterState = "MAINTENANCE"
	Healing         ClusterState = "HEALING"
	Failed          ClusterState = "FAILED"
	Deleting        ClusterState = "DELETING"
)

// ClusterStates returns all states, in the order of a cluster's life.
func ClusterStates() []ClusterState {
	return []ClusterState{Creating, Active, Updating, RebootingBroker, Maintenance, Healing, Failed, Deleting}
}

// CodeStopped is the code of the StateInfo of a stopped cluster.
const CodeStopped = "Stopped"

// Action is something a caller wants of a cluster.
type Action string

// The actions of the table.
const (
	ActionDescribe         Action = "describe"
	ActionTag              Action = "tag"
	ActionBootstrapBrokers Action = "bootstrap brokers"
	ActionListNodes        Action = "list nodes"
	ActionDelete           Action = "delete"
	ActionReboot           Action = "reboot"
	ActionUpdateCount      Action = "update broker count"
	ActionUpdateStorage    Action = "update storage"
	ActionUpdateType       Action = "update broker type"
	ActionUpdateConfig     Action = "update configuration"
	ActionUpdateConnect    Action = "update connectivity"
	ActionUpdateVersion    Action = "update Kafka version"
	ActionUpdateMonitoring Action = "update monitoring"
	ActionUpdateRebalance  Action = "update rebalancing"
	ActionUpdateSecurity   Action = "update security"
	ActionStop             Action = "stop"
	ActionStart            Action = "start"
	ActionReadTopics       Action = "read topics"
	ActionWriteTopics      Action = "write topics"
	ActionReadChannels     Action = "read channels"
	ActionWriteChannels    Action = "write channels"
	ActionReadPolicy       Action = "read policy"
	ActionWritePolicy      Action = "write policy"
	ActionReadConnections  Action = "read VPC connections"
	ActionConnect          Action = "create VPC connection"
	ActionReject           Action = "reject VPC connection"
	ActionDisconnect       Action = "delete VPC connection"
	ActionReadSecrets      Action = "read SCRAM secrets"  //nolint:gosec // no credential
	ActionWriteSecrets     Action = "write SCRAM secrets" //nolint:gosec // no credential
)

// Rule says in which states of a cluster an action is allowed.
type Rule struct {
	Action Action
	Calls  []string // the API's operations that are this action
	States []ClusterState
}

// Rules is the table of actions allowed per state. What a cluster's state allows is decided by it and nowhere else, and the documentation's table is
// made of it. It follows the service's own (cluster states of the developer guide; the state column of the operations' reference), except that it
// allows more where refusing helps nobody: a cluster in HEALING may be deleted (there, somebody else repairs the machine; here, a broker that can
// never start again would make its cluster undeletable), a stopped one may be deleted and started, topics may be looked at whenever brokers
// serve, and asking for the bootstrap brokers of a FAILED cluster gets none instead of an error, at which Terraform could not destroy it. Creating is not in it: whether a cluster can be created is no matter of its state.
func Rules() []Rule {
	all := ClusterStates()
	serving := []ClusterState{Active, Updating, RebootingBroker, Healing}
	started := []ClusterState{Active, Updating, RebootingBroker, Maintenance, Healing}
	active := []ClusterState{Active}
	return []Rule{
		{ActionDescribe, []string{
			"DescribeCluster", "DescribeClusterV2", "ListClusterOperations", "ListClusterOperationsV2", "DescribeClusterOperation",
			"DescribeClusterOperationV2", "DescribeOperationProgress", "GetCompatibleKafkaVersions",
		}, all},
		{ActionTag, []string{"TagResource", "UntagResource", "ListTagsForResource"}, all},
		{ActionBootstrapBrokers, []string{"GetBootstrapBrokers"}, slices.Concat(started, []ClusterState{Failed})},
		{ActionListNodes, []string{"ListNodes"}, slices.Concat(started, []ClusterState{Failed, Deleting})},
		{ActionDelete, []string{"DeleteCluster"}, []ClusterState{Active, Maintenance, Healing, Failed}},
		{ActionReboot, []string{"RebootBroker"}, active},
		{ActionUpdateCount, []string{"UpdateBrokerCount"}, active},
		{ActionUpdateStorage, []string{"UpdateBrokerStorage", "UpdateStorage"}, active},
		{ActionUpdateType, []string{"UpdateBrokerType"}, active},
		{ActionUpdateConfig, []string{"UpdateClusterConfiguration"}, active},
		{ActionUpdateConnect, []string{"UpdateConnectivity"}, active},
		{ActionUpdateVersion, []string{"UpdateClusterKafkaVersion"}, active},
		{ActionUpdateMonitoring, []string{"UpdateMonitoring"}, active},
		{ActionUpdateRebalance, []string{"UpdateRebalancing"}, active},
		{ActionUpdateSecurity, []string{"UpdateSecurity"}, active},
		{ActionStop, []string{"StopCluster"}, active},
		{ActionStart, []string{"StartCluster"}, []ClusterState{Maintenance}},
		{ActionReadTopics, []string{"ListTopics", "DescribeTopic", "DescribeTopicPartitions"}, serving},
		{ActionWriteTopics, []string{"CreateTopic", "UpdateTopic", "DeleteTopic"}, active},
		{ActionReadChannels, []string{"ListChannels", "DescribeChannel"}, all},
		{ActionWriteChannels, []string{"CreateChannel", "UpdateChannel", "DeleteChannel"}, active},
		{ActionReadPolicy, []string{"GetClusterPolicy"}, all},
		{ActionWritePolicy, []string{"PutClusterPolicy", "DeleteClusterPolicy"}, active},
		{ActionReadConnections, []string{"DescribeVpcConnection", "ListClientVpcConnections"}, all},
		{ActionConnect, []string{"CreateVpcConnection"}, active},
		{ActionReject, []string{"RejectClientVpcConnection"}, started},
		{ActionDisconnect, []string{"DeleteVpcConnection"}, all},
		{ActionReadSecrets, []string{"ListScramSecrets"}, all},
		{ActionWriteSecrets, []string{"BatchAssociateScramSecret", "BatchDisassociateScramSecret"}, active},
	}
}

// Allows tells whether the table allows the action in the state. A state or action that the table does not know allows nothing.
func (s ClusterState) Allows(a Action) bool {
	for _, r := range Rules() {
		if r.Action == a {
			return slices.Contains(r.States, s)
		}
	}
	return false
}

// Action is the action that an operation of this type carries out, by which the table says when it may begin.
func (t OperationType) Action() Action {
	switch t {
	case OpReboot:
		return ActionReboot
	case OpIncreaseBrokers, OpDecreaseBrokers:
		return ActionUpdateCount
	case OpBrokerType:
		return ActionUpdateType
	case OpBrokerStorage, OpStorage:
		return ActionUpdateStorage
	case OpConfiguration:
		return ActionUpdateConfig
	case OpKafkaVersion:
		return ActionUpdateVersion
	case OpMonitoring:
		return ActionUpdateMonitoring
	case OpSecurity:
		return ActionUpdateSecurity
	case OpConnectivity:
		return ActionUpdateConnect
	case OpRebalancing:
		return ActionUpdateRebalance
	case OpCreateConnection:
		return ActionConnect
	case OpRejectConnection:
		return ActionReject
	case OpDeleteConnection:
		return ActionDisconnect
	case OpStop:
		return ActionStop
	case OpStart:
		return ActionStart
	case OpDelete:
		return ActionDelete
	case OpCreate:
	}
	return ""
}
