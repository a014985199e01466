package control

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"weir/control/resource"
	"weir/metadata"
)

// The steps. Each builds its transaction from the observation alone and guards it with the revisions of what it builds on.

// commit makes a step that writes the cluster and, if op is not nil, its operation, and does then.
func (o *observation) commit(name stepName, c resource.Cluster, op *resource.Operation, then ...metadata.Op) *step {
	t := metadata.Txn{
		If:   []metadata.Cond{{Key: c.Key(), Modified: o.clusterAt}},
		Then: append([]metadata.Op{metadata.Put(c.Key(), metadata.Encode(c))}, then...),
	}
	if op != nil {
		key := op.Key(c.Scope())
		t.If = append(t.If, metadata.Cond{Key: key, Modified: o.opAt})
		t.Then = append(t.Then, metadata.Put(key, metadata.Encode(*op)))
	}
	return &step{name: name, state: c.State, txn: t}
}

// completed is the cluster's operation with the named steps done, or nil if it has none.
func (o *observation) completed(names ...resource.StepName) *resource.Operation {
	if o.op == nil {
		return nil
	}
	op := o.op.Complete(o.now, names...)
	return &op
}

func (o *observation) failed(why resource.StateInfo) *resource.Operation {
	if o.op == nil {
		return nil
	}
	op := o.op.Fail(o.now, why)
	return &op
}

// placeBrokers chooses a machine for each broker and asks it to run the broker.
func (o *observation) placeBrokers() *step {
	c := o.cluster
	c.Nodes = place(c.Nodes, o.machines)
	size, _ := resource.LookupInstanceType(c.InstanceType)
	properties := resource.DefaultProperties(&c)
	var then []metadata.Op
	var given []metadata.Cond
	for _, n := range c.Nodes {
		key := resource.BrokerSpecKey(n.Node, c.UUID, strconv.Itoa(int(n.Broker)))
		given = append(given, metadata.Cond{Key: key})
		then = append(then, metadata.Put(key, metadata.Encode(resource.BrokerSpec{
			Cluster: c.UUID, ClusterID: c.KafkaID, ClusterName: c.Name,
			Broker: n.Broker, Rack: n.ZoneID,
			VCPU: size.VCPU, MemoryBytes: size.MemoryBytes(),
			Properties: properties, KafkaVersion: c.KafkaVersion,
		})))
	}
	s := o.commit(placeBrokers, c, o.completed(resource.StepPlaceBrokers), then...)
	s.txn.If = append(s.txn.If, given...)
	return s
}

// place deals brokers out to machines: each to the machine with the fewest brokers of this cluster so far, among those to
// the one with the fewest brokers of all clusters, then by id.
func place(nodes []resource.BrokerNode, machines []machine) []resource.BrokerNode {
	nodes = slices.Clone(nodes)
	ours := make(map[string]int)
	for i := range nodes {
		best := machines[0]
		for _, m := range machines[1:] {
			a, b := ours[m.node.ID], ours[best.node.ID]
			if a < b || a == b && (m.brokers < best.brokers || m.brokers == best.brokers && m.node.ID < best.node.ID) {
				best = m
			}
		}
		ours[best.node.ID]++
		nodes[i].Node = best.node.ID
	}
	return nodes
}

// activate opens the cluster for use: all brokers serve.
func (o *observation) activate() *step {
	c := o.cluster
	c.State, c.StateInfo, c.Operation = resource.Active, nil, ""
	c.Nodes, _ = o.withEndpoints()
	return o.commit(activate, c, o.completed(resource.StepStartBrokers))
}

// failCreate gives up on a new cluster and stops what was started of it.
func (o *observation) failCreate(why resource.StateInfo) *step {
	c := o.cluster
	c.State, c.StateInfo, c.Operation = resource.Failed, &why, ""
	return o.commit(failCreate, c, o.failed(why), o.deleteSpecs()...)
}

func (o *observation) deleteSpecs() []metadata.Op {
	var ops []metadata.Op
	for _, id := range slices.Sorted(maps.Keys(o.specs)) {
		ops = append(ops, metadata.Delete(o.specs[id].key))
	}
	return ops
}

// stopBrokers asks the machines to stop the brokers and delete their data.
func (o *observation) stopBrokers() *step {
	return o.commit(stopBrokers, o.cluster, o.completed(), o.deleteSpecs()...)
}

// failDelete gives up waiting for machines. The cluster can be deleted again.
func (o *observation) failDelete() *step {
	c := o.cluster
	ids := slices.Sorted(maps.Keys(o.statuses))
	why := resource.StateInfo{
		Code:    "BrokersNotRemoved",
		Message: fmt.Sprintf("The nodes have not removed brokers %v in time. Delete the cluster again once they are up.", ids),
	}
	c.State, c.StateInfo, c.Operation = resource.Failed, &why, ""
	return o.commit(failDelete, c, o.failed(why))
}

// removeRecords ends a deleted cluster: what its brokers kept in metadata, its operations, its name and itself.
func (o *observation) removeRecords() *step {
	s := o.cluster.Scope()
	return &step{name: removeRecords, txn: metadata.Txn{
		If: []metadata.Cond{{Key: o.cluster.Key(), Modified: o.clusterAt}},
		Then: []metadata.Op{
			metadata.DeletePrefix(metadata.ClusterPrefix(o.cluster.UUID)),
			metadata.DeletePrefix(s.OperationsPrefix(o.cluster.UUID)),
			metadata.Delete(s.ClusterNameKey(o.cluster.Name)),
			metadata.Delete(o.cluster.Key()),
		},
	}}
}

// requestRestart asks the machine for one restart of the broker and remembers which, so that it is asked for only once.
func (o *observation) requestRestart() *step {
	op := o.op.Complete(o.now, resource.StepInitialize)
	broker := o.specs[op.Reboot.Broker]
	wanted := broker.value
	wanted.Restart++
	op.Reboot = &resource.Reboot{
		Broker: wanted.Broker, Restart: wanted.Restart, Incarnation: o.sessions[wanted.Broker].incarnation,
	}
	s := o.commit(requestRestart, o.cluster, &op, metadata.Put(broker.key, metadata.Encode(wanted)))
	s.txn.If = append(s.txn.If, metadata.Cond{Key: broker.key, Modified: broker.at})
	return s
}

// finishReboot ends a reboot: the broker serves again, as a new incarnation.
func (o *observation) finishReboot() *step {
	c := o.cluster
	c.State, c.StateInfo, c.Operation = resource.Active, nil, ""
	c.Nodes, _ = o.withEndpoints()
	return o.commit(finishReboot, c, o.completed(resource.StepRebootBroker, resource.StepFinalize))
}

// failReboot gives up waiting for the broker. The cluster goes into HEALING: the node keeps trying.
func (o *observation) failReboot() *step {
	c := o.cluster
	why := resource.StateInfo{
		Code:    "BrokerNotReady",
		Message: fmt.Sprintf("Broker %d did not come back: %s.", o.op.Reboot.Broker, o.reason(o.op.Reboot.Broker)),
	}
	c.State, c.StateInfo, c.Operation = resource.Healing, &why, ""
	return o.commit(failReboot, c, o.failed(why))
}

// startHealing shows that a broker is down and being started again.
func (o *observation) startHealing(id metadata.BrokerID) *step {
	c := o.cluster
	c.State = resource.Healing
	c.StateInfo = &resource.StateInfo{
		Code: "BrokerDown", Message: fmt.Sprintf("Broker %d is down and will be started again: %s.", id, o.reason(id)),
	}
	return o.commit(startHealing, c, nil)
}

// endHealing shows that all brokers run and serve again.
func (o *observation) endHealing() *step {
	c := o.cluster
	c.State, c.StateInfo = resource.Active, nil
	c.Nodes, _ = o.withEndpoints()
	return o.commit(endHealing, c, nil)
}

// updateEndpoints records that brokers advertise other endpoints than before.
func (o *observation) updateEndpoints(nodes []resource.BrokerNode) *step {
	c := o.cluster
	c.Nodes = nodes
	return o.commit(updateEndpoints, c, nil)
}

// abandon leaves a state whose operation is missing or cannot be done. It takes a damaged store or a newer version's records to get here.
func (o *observation) abandon() *step {
	c := o.cluster
	why := resource.StateInfo{Code: "OperationLost", Message: "The operation's record or its broker does not exist."}
	c.State, c.Operation = resource.Active, ""
	return o.commit(abandon, c, o.failed(why))
}
