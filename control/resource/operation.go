package resource

import (
	"time"

	"weir/metadata"
)

// OperationType is what an operation does.
type OperationType string

// CREATE_CLUSTER and DELETE_CLUSTER are ours: MSK shows no operation for them, and neither do our APIs (Listed). They exist because a
// killed control plane resumes from the steps they record.
const (
	OpCreate OperationType = "CREATE_CLUSTER"
	OpDelete OperationType = "DELETE_CLUSTER"
	OpReboot OperationType = "REBOOT_NODE"

	OpIncreaseBrokers  OperationType = "INCREASE_BROKER_COUNT"
	OpDecreaseBrokers  OperationType = "DECREASE_BROKER_COUNT"
	OpBrokerType       OperationType = "UPDATE_BROKER_TYPE"
	OpBrokerStorage    OperationType = "UPDATE_BROKER_STORAGE"
	OpStorage          OperationType = "UPDATE_STORAGE"
	OpConfiguration    OperationType = "UPDATE_CLUSTER_CONFIGURATION"
	OpKafkaVersion     OperationType = "UPDATE_CLUSTER_KAFKA_VERSION"
	OpMonitoring       OperationType = "UPDATE_MONITORING"
	OpSecurity         OperationType = "UPDATE_SECURITY"
	OpConnectivity     OperationType = "UPDATE_CONNECTIVITY"
	OpRebalancing      OperationType = "UPDATE_REBALANCING"
	OpCreateConnection OperationType = "CREATE_VPC_CONNECTION"
	OpRejectConnection OperationType = "REJECT_VPC_CONNECTION"
	OpDeleteConnection OperationType = "DELETE_VPC_CONNECTION"
	// STOP_CLUSTER and START_CLUSTER are ours: MSK cannot.
	OpStop  OperationType = "STOP_CLUSTER"
	OpStart OperationType = "START_CLUSTER"
)

// Listed tells whether the AWS APIs show operations of this type.
func (t OperationType) Listed() bool { return t != OpCreate && t != OpDelete }

// OperationState is how far an operation got.
type OperationState string

// The states that MSK uses for updates and, with names of their own, for reboots.
const (
	OpPending          OperationState = "PENDING"
	OpUpdateInProgress OperationState = "UPDATE_IN_PROGRESS"
	OpUpdateComplete   OperationState = "UPDATE_COMPLETE"
	OpUpdateFailed     OperationState = "UPDATE_FAILED"
	OpRebootInProgress OperationState = "REBOOT_IN_PROGRESS"
	OpRebootComplete   OperationState = "REBOOT_COMPLETE"
	OpRebootFailed     OperationState = "REBOOT_FAILED"
)

// Running is the state of an operation of this type after PENDING.
func (t OperationType) Running() OperationState {
	if t == OpReboot {
		return OpRebootInProgress
	}
	return OpUpdateInProgress
}

// Complete is the state after success.
func (t OperationType) Complete() OperationState {
	if t == OpReboot {
		return OpRebootComplete
	}
	return OpUpdateComplete
}

// FailedState is the state after failure.
func (t OperationType) FailedState() OperationState {
	if t == OpReboot {
		return OpRebootFailed
	}
	return OpUpdateFailed
}

// StepName names a step. INITIALIZE_UPDATE and FINALIZE_UPDATE are MSK's, the ones between are ours where MSK's are not known.
type StepName string

// The steps of the operations that exist.
const (
	StepPlaceBrokers   StepName = "PLACE_BROKERS"
	StepStartBrokers   StepName = "START_BROKERS"
	StepInitialize     StepName = "INITIALIZE_UPDATE"
	StepRebootBroker   StepName = "REBOOT_BROKER"
	StepApplySettings  StepName = "APPLY_SETTINGS"               // running brokers follow what needs no restart
	StepRollingRestart StepName = "ROLLING_RESTART"              // one broker after the other starts again as it is to be
	StepBinaries       StepName = "UPDATE_APACHE_KAFKA_BINARIES" // the rolling restart of a version's change
	StepSpread         StepName = "SPREAD_PARTITIONS"            // onto new brokers
	StepDrain          StepName = "DRAIN_BROKERS"                // partitions leave brokers that are to go
	StepFinalize       StepName = "FINALIZE_UPDATE"
	StepStopBrokers    StepName = "STOP_BROKERS"
	StepRemoveRecords  StepName = "REMOVE_RECORDS"
)

// OperationTypes returns all types, as the documentation lists them.
func OperationTypes() []OperationType {
	return []OperationType{
		OpCreate, OpDelete, OpReboot, OpIncreaseBrokers, OpDecreaseBrokers, OpBrokerType, OpBrokerStorage, OpStorage, OpConfiguration, OpKafkaVersion,
		OpMonitoring, OpSecurity, OpConnectivity, OpRebalancing, OpStop, OpStart, OpCreateConnection, OpRejectConnection, OpDeleteConnection,
	}
}

// Steps are the steps of an operation of this type, in order. A type that is not known has none.
func (t OperationType) Steps() []StepName {
	switch t {
	case OpCreate:
		return []StepName{StepPlaceBrokers, StepStartBrokers}
	case OpDelete:
		return []StepName{StepStopBrokers, StepRemoveRecords}
	case OpReboot:
		return []StepName{StepInitialize, StepRebootBroker, StepFinalize}
	case OpIncreaseBrokers:
		return []StepName{StepInitialize, StepPlaceBrokers, StepStartBrokers, StepSpread, StepFinalize}
	case OpDecreaseBrokers:
		return []StepName{StepInitialize, StepDrain, StepStopBrokers, StepFinalize}
	case OpKafkaVersion:
		return []StepName{StepInitialize, StepBinaries, StepFinalize}
	case OpConfiguration, OpBrokerType:
		return []StepName{StepInitialize, StepApplySettings, StepRollingRestart, StepFinalize}
	case OpSecurity, OpConnectivity:
		return []StepName{StepInitialize, StepRollingRestart, StepFinalize}
	case OpBrokerStorage, OpStorage, OpMonitoring, OpRebalancing:
		return []StepName{StepInitialize, StepApplySettings, StepFinalize}
	case OpStop:
		return []StepName{StepInitialize, StepStopBrokers, StepFinalize}
	case OpStart:
		return []StepName{StepInitialize, StepStartBrokers, StepFinalize}
	case OpCreateConnection, OpRejectConnection, OpDeleteConnection:
		return []StepName{StepInitialize, StepFinalize}
	}
	return nil
}

// StepStatus is how far a step got.
type StepStatus string

// The statuses that MSK shows.
const (
	StepPending    StepStatus = "PENDING"
	StepInProgress StepStatus = "IN_PROGRESS"
	StepCompleted  StepStatus = "COMPLETED"
	StepFailed     StepStatus = "FAILED"
)

// Step is one step of an operation.
type Step struct {
	Name    StepName   `json:"name"`
	Status  StepStatus `json:"status"`
	Started time.Time  `json:"started,omitzero"`
	Ended   time.Time  `json:"ended,omitzero"`
	// Expected is how long the step took the last times, of one broker if it goes from broker to broker; zero: nobody knows yet.
	Expected time.Duration `json:"expected,omitempty"`
}

// Operation is a change of a cluster that takes time: the journal from which its controller resumes.
type Operation struct {
	ID        string         `json:"id"`
	Cluster   string         `json:"cluster"` // uuid
	Type      OperationType  `json:"type"`
	State     OperationState `json:"state"`
	Created   time.Time      `json:"created"`
	Ended     time.Time      `json:"ended,omitzero"`
	RequestID string         `json:"requestId,omitempty"` // of the API call that started it
	Steps     []Step         `json:"steps"`
	Error     *StateInfo     `json:"error,omitempty"`
	Reboot    *Reboot        `json:"reboot,omitempty"`
	Update    *Update        `json:"update,omitempty"`
	// Connection is what an operation on a VPC connection was about.
	Connection *OperationConnection `json:"connection,omitempty"`
	// Queued tells that it waits in Cluster.Queue. Its state is PENDING.
	Queued bool `json:"queued,omitempty"`
}

// OperationConnection is what an operation tells of a VPC connection.
type OperationConnection struct {
	ARN     string    `json:"arn"`
	Owner   string    `json:"owner"` // account of the clients
	Created time.Time `json:"created"`
}

// Reboot is what a REBOOT_NODE operation works on. The last two are recorded together with the request to the node, so that a resumed
// control plane waits for that restart instead of asking for another.
type Reboot struct {
	Broker      metadata.BrokerID `json:"broker"`
	Restart     int64             `json:"restart,omitempty"`     // BrokerSpec.Restart that was asked for
	Incarnation metadata.Revision `json:"incarnation,omitempty"` // of the broker before it
}

// NewOperation returns an operation at its first step, PENDING.
func NewOperation(t OperationType, cluster, requestID string, now time.Time) Operation {
	names := t.Steps()
	steps := make([]Step, len(names))
	for i, n := range names {
		steps[i] = Step{Name: n, Status: StepPending}
	}
	return Operation{
		ID: NewUUID(), Cluster: cluster, Type: t, State: OpPending,
		Created: now, RequestID: requestID, Steps: steps,
	}
}

// NewUpdate returns an operation that makes the cluster what target says.
func NewUpdate(t OperationType, c *Cluster, target Change, requestID string, now time.Time) Operation {
	op := NewOperation(t, c.UUID, requestID, now)
	op.Update = &Update{Source: c.Current(target), Target: target, Version: c.CurrentVersion}
	return op
}

// Done tells whether the step was recorded as completed.
func (o *Operation) Done(name StepName) bool {
	for _, s := range o.Steps {
		if s.Name == name {
			return s.Status == StepCompleted
		}
	}
	return false
}

// Complete returns the operation with the named steps completed and the step after them in progress; the operation itself runs, or is
// complete when no step is left.
func (o Operation) Complete(now time.Time, names ...StepName) Operation {
	o.Steps = append([]Step(nil), o.Steps...)
	for _, name := range names {
		for i := range o.Steps {
			if s := &o.Steps[i]; s.Name == name && s.Status != StepCompleted {
				s.Status, s.Ended = StepCompleted, now
				if s.Started.IsZero() {
					s.Started = now
				}
			}
		}
	}
	o.State = o.Type.Running()
	for i := range o.Steps {
		if s := &o.Steps[i]; s.Status == StepCompleted {
			continue
		} else if s.Status == StepPending {
			s.Status, s.Started = StepInProgress, now
		}
		return o
	}
	o.State, o.Ended = o.Type.Complete(), now
	return o
}

// Fail returns the operation ended for the given reason; the step it was at has failed.
func (o Operation) Fail(now time.Time, why StateInfo) Operation {
	o.Steps = append([]Step(nil), o.Steps...)
	for i := range o.Steps {
		if s := &o.Steps[i]; s.Status != StepCompleted {
			s.Status, s.Ended = StepFailed, now
			break
		}
	}
	o.State, o.Ended, o.Error = o.Type.FailedState(), now, &why
	return o
}

// Current is when the step that is in progress began; the operation's own start before the first.
func (o *Operation) Current() time.Time {
	for _, s := range o.Steps {
		if s.Status == StepInProgress {
			return s.Started
		}
	}
	return o.Created
}

// Key is the key of the operation's record.
func (o *Operation) Key(s Scope) string { return s.OperationKey(o.Cluster, o.ID) }
