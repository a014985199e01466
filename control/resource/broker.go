package resource

import (
	"time"

	"weir/kafka/configdef"
	"weir/metadata"
)

// The records through which control and nodes talk about broker processes. Control writes BrokerSpec, the node writes BrokerStatus;
// neither writes the other's.

// BrokerSpecKey is where control puts the desired state of one broker on its node.
func BrokerSpecKey(node, cluster, broker string) string {
	return metadata.NodePrefix(node) + "spec/" + cluster + "/" + broker
}

// BrokerStatusKey is where the node reports.
func BrokerStatusKey(node, cluster, broker string) string {
	return metadata.NodePrefix(node) + "status/" + cluster + "/" + broker
}

// BrokerSpec asks a node to run a broker. Removing the record asks it to stop the process and delete its data;
// the node then removes the BrokerStatus last.
type BrokerSpec struct {
	Cluster     string            `json:"cluster"`   // uuid
	ClusterID   string            `json:"clusterId"` // Kafka's cluster id
	ClusterName string            `json:"clusterName"`
	Broker      metadata.BrokerID `json:"broker"`
	Rack        string            `json:"rack"`
	Restart     int64             `json:"restart"` // a new number asks for one graceful restart (RebootBroker)
	VCPU        int               `json:"vcpu"`
	MemoryBytes int64             `json:"memoryBytes"` // of the instance type; the node turns it into GOMEMLIMIT
	Properties  map[string]string `json:"properties"`  // server.properties

	// KafkaVersion is the cluster's. It decides the feature levels that the cluster starts with; a spec that has none is of the newest.
	KafkaVersion string `json:"kafkaVersion,omitempty"`

	// Stopped asks for no process: it is ended in order, and data and address are kept. The node answers with BrokerStopped.
	Stopped bool `json:"stopped,omitempty"`
	// Replace, a new number, asks for the broker to be started anew with the same data, and at another address if its own was why it could not serve
	// or if it never got as far as serving. A broker that serves is restarted where it is.
	Replace int64 `json:"replace,omitempty"`
	// TakeOver, if it is the BrokerStatus.Down of the moment, asks for a recoverer to be started instead of the broker: a process that reads what the broker has
	// written, gives the partitions that it leads to other brokers, serves no client, and ends.
	TakeOver time.Time `json:"takeOver,omitzero"`
}

// NeedsRestart tells whether a process that was started by s must be started again to be as want says. What a running broker follows by itself
// (metadata.Settings) is no reason, and a spec keeps the properties of its process's start until there is one.
func (s *BrokerSpec) NeedsRestart(want *BrokerSpec) bool {
	return s.VCPU != want.VCPU || s.MemoryBytes != want.MemoryBytes || s.KafkaVersion != want.KafkaVersion || s.Rack != want.Rack ||
		len(configdef.NeedsRestart(s.Properties, want.Properties)) > 0
}

// BrokerProcessState is what the node sees of the process.
type BrokerProcessState string

// The states. A broker that is gone has no status at all.
const (
	BrokerStarting BrokerProcessState = "STARTING"
	BrokerRunning  BrokerProcessState = "RUNNING"
	BrokerBackOff  BrokerProcessState = "BACKOFF" // it exited and will be started again
	BrokerStopping BrokerProcessState = "STOPPING"
	// BrokerRecovering: a recoverer runs, as BrokerSpec.TakeOver asks for.
	BrokerRecovering BrokerProcessState = "RECOVERING"
	BrokerStopped    BrokerProcessState = "STOPPED" // as BrokerSpec.Stopped asks for
)

// BrokerStatus is what a node reports of a broker process. Address is given by the node at first start and kept for the
// broker's life, restarts included; only BrokerSpec.Replace may change it.
type BrokerStatus struct {
	State    BrokerProcessState `json:"state"`
	PID      int                `json:"pid,omitempty"`
	Address  string             `json:"address"` // IP the listeners are on
	Port     int32              `json:"port"`    // of the plaintext listener: 9092 unless addresses are scarce
	Restart  int64              `json:"restart"` // the BrokerSpec.Restart that the running process was started for
	Restarts int                `json:"restarts"`
	LastExit string             `json:"lastExit,omitempty"` // why the last process ended, for people
	Since    time.Time          `json:"since"`

	// Refused is a BrokerSpec.Restart that came to nothing: its process ended before it could take over, LastExit says why, and the process of
	// Restart serves on as if nothing had been asked. A newer number is tried again.
	Refused int64 `json:"refused,omitempty"`
	// Replaced is the BrokerSpec.Replace that was done last.
	Replaced int64 `json:"replaced,omitempty"`

	// Down is since when the broker has not served, as its node sees it: its process ended, or could not be started. Zero while it serves, before its first
	// failure, and while it is stopped as was asked.
	Down time.Time `json:"down,omitzero"`
	// TakenOver is the Down for which a recoverer has ended with nothing left to give away.
	TakenOver time.Time `json:"takenOver,omitzero"`
}

// IsTakenOver reports whether what the broker led was given to others since it is down.
func (s *BrokerStatus) IsTakenOver() bool { return !s.Down.IsZero() && s.TakenOver.Equal(s.Down) }

// Recovers reports whether a recoverer is to run, or to be tried again, for a broker with that status.
func (s *BrokerSpec) Recovers(st *BrokerStatus) bool {
	return !st.Down.IsZero() && s.TakeOver.Equal(st.Down) && !st.IsTakenOver()
}

// Node is a machine's registration under NodePrefix + "node": which instances it can hold.
type Node struct {
	ID      string    `json:"id"`
	VCPU    int       `json:"vcpu"`
	Memory  int64     `json:"memoryBytes"`
	Started time.Time `json:"started"`
}
