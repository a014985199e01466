package resource

// ClusterState is a cluster's state as MSK names it.
type ClusterState string

// The states of the service's model. UPDATING and MAINTENANCE are known to the table of allowed actions; nothing enters them yet.
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

// Action is something a caller wants of a cluster that depends on the cluster's state. Describing, listing and tagging do not.
type Action string

// The actions of the table.
const (
	ActionDelete           Action = "delete"
	ActionReboot           Action = "reboot"
	ActionUpdate           Action = "update" // any update operation
	ActionBootstrapBrokers Action = "bootstrap brokers"
	ActionListNodes        Action = "list nodes"
)

// Allows is the table of actions allowed per state, after the service's own (cluster states of the developer guide), with one
// difference: a cluster in HEALING may be deleted. There, somebody else repairs the machine; here, a broker that can never start
// again would make its cluster undeletable.
func (s ClusterState) Allows(a Action) bool {
	switch s {
	case Active:
		return true
	case Healing:
		return a == ActionDelete || a == ActionBootstrapBrokers || a == ActionListNodes
	case Updating, RebootingBroker, Maintenance:
		return a == ActionBootstrapBrokers || a == ActionListNodes
	case Failed:
		return a == ActionDelete || a == ActionListNodes
	case Deleting:
		return a == ActionListNodes
	case Creating:
		return false
	}
	return false
}
