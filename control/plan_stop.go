package control

import (
	"fmt"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// Stopping and starting, of whole clusters and of brokers that leave.

// withStopped adds to the step that the cluster's brokers are to be stopped, or to run. Those that are to run are as the cluster says now.
func (o *observation) withStopped(s *step, stopped bool) *step {
	for _, n := range o.cluster.Nodes {
		have, ok := o.specs[n.Broker]
		if !ok || have.value.Stopped == stopped {
			continue
		}
		want := have.value
		if !stopped {
			want = newSpec(&o.cluster, o.properties, n)
			want.Restart, want.Replace = have.value.Restart, have.value.Replace
		}
		want.Stopped = stopped
		s = s.withSpec(have, want)
	}
	return s
}

// awaitStop waits until brokers have ended: those of a cluster that is being stopped, or those that were removed, with their data.
func (o *observation) awaitStop(cfg Config) (*step, time.Duration) {
	var running []metadata.BrokerID
	timeout := cfg.StopTimeout
	if o.op.Type == resource.OpStop {
		for _, n := range o.cluster.Nodes {
			if _, up := o.sessions[n.Broker]; up || o.statuses[n.Broker].State != resource.BrokerStopped {
				running = append(running, n.Broker)
			}
		}
	} else {
		timeout = cfg.DeleteTimeout
		for _, id := range o.op.Update.Deleted {
			if _, there := o.statuses[id]; there {
				running = append(running, id)
			}
		}
	}
	if len(running) == 0 {
		return o.commit(brokersStopped, o.cluster, o.completed(resource.StepStopBrokers)), 0
	}
	if left := o.left(timeout); left > 0 {
		return nil, left
	}
	return o.undo(resource.StateInfo{
		Code: "BrokersNotStopped", Message: fmt.Sprintf("The nodes have not stopped brokers %v in %s.", running, timeout),
	}), 0
}
