package control

import (
	"bytes"
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

// withSpec adds to the step that a broker's spec is v.
func (s *step) withSpec(sp spec, v resource.BrokerSpec) *step {
	s.txn.If = append(s.txn.If, metadata.Cond{Key: sp.key, Modified: sp.at})
	s.txn.Then = append(s.txn.Then, metadata.Put(sp.key, metadata.Encode(v)))
	return s
}

// withSettings adds to the step that the cluster's settings are v, unless it is nil.
func (s *step) withSettings(o *observation, v *metadata.Settings) *step {
	if v != nil {
		key := metadata.SettingsKey(o.cluster.UUID)
		s.txn.If = append(s.txn.If, metadata.Cond{Key: key, Modified: o.settingsAt})
		s.txn.Then = append(s.txn.Then, metadata.Put(key, metadata.Encode(*v)))
	}
	return s
}

// settingsFor returns the settings that brokers of cluster c with those properties are to follow, with balance applied to them; nil if they are
// recorded already. Balance.Spread stays unless balance raises it; nothing is drained unless balance says so.
func (o *observation) settingsFor(c *resource.Cluster, properties map[string]string, balance func(*metadata.Balance)) *metadata.Settings {
	want := c.DesiredSettings(properties)
	if o.settings != nil {
		want.Number, want.Balance.Spread = o.settings.Number, o.settings.Balance.Spread
	}
	if balance != nil {
		balance(&want.Balance)
	}
	if o.settings != nil && bytes.Equal(metadata.Encode(want), metadata.Encode(*o.settings)) {
		return nil
	}
	want.Number++
	return &want
}

// newSpec is what the node of a broker of cluster c is asked for.
func newSpec(c *resource.Cluster, properties map[string]string, n resource.BrokerNode) resource.BrokerSpec {
	size, _ := resource.LookupInstanceType(c.InstanceType)
	return resource.BrokerSpec{
		Cluster: c.UUID, ClusterID: c.KafkaID, ClusterName: c.Name,
		Broker: n.Broker, Rack: n.ZoneID,
		VCPU: size.VCPU, MemoryBytes: size.MemoryBytes(),
		Properties: properties, KafkaVersion: c.KafkaVersion,
	}
}

// withNewSpecs adds to the step that machines are asked to run those brokers, which they were not yet.
func (s *step) withNewSpecs(c *resource.Cluster, properties map[string]string, nodes []resource.BrokerNode) *step {
	for _, n := range nodes {
		key := resource.BrokerSpecKey(n.Node, c.UUID, strconv.Itoa(int(n.Broker)))
		s.txn.If = append(s.txn.If, metadata.Cond{Key: key})
		s.txn.Then = append(s.txn.Then, metadata.Put(key, metadata.Encode(newSpec(c, properties, n))))
	}
	return s
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
	return o.commit(placeBrokers, c, o.completed(resource.StepPlaceBrokers)).
		withNewSpecs(&c, o.properties, c.Nodes).
		withSettings(o, o.settingsFor(&c, o.properties, nil))
}

// place deals brokers that have no machine out to machines: each to the machine with the fewest brokers of this cluster so far, among those to
// the one with the fewest brokers of all clusters, then by id.
func place(nodes []resource.BrokerNode, machines []machine) []resource.BrokerNode {
	nodes = slices.Clone(nodes)
	ours := make(map[string]int)
	for _, n := range nodes {
		ours[n.Node]++
	}
	for i := range nodes {
		if nodes[i].Node != "" {
			continue
		}
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
	return o.end(activate, o.activated(), o.completed(resource.StepStartBrokers))
}

// activated is the cluster in ACTIVE with the endpoints of now.
func (o *observation) activated() resource.Cluster {
	c := o.cluster
	c.State, c.StateInfo = resource.Active, nil
	c.Nodes, _ = o.withEndpoints()
	return c
}

// failCreate gives up on a new cluster and stops what was started of it.
func (o *observation) failCreate(why resource.StateInfo) *step {
	c := o.cluster
	c.State, c.StateInfo, c.Operation, c.Queue = resource.Failed, &why, "", nil
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
			metadata.DeletePrefix(s.AttachedPrefix(o.cluster.UUID)),
			metadata.Delete(s.ClusterNameKey(o.cluster.Name)),
			metadata.Delete(o.cluster.Key()),
		},
	}}
}

// nextRestart is a restart of the broker that its node was never asked for, with what is to be remembered to recognize its end.
func (o *observation) nextRestart(id metadata.BrokerID) resource.Reboot {
	return resource.Reboot{
		Broker: id, Restart: max(o.specs[id].value.Restart, o.statuses[id].Restart, o.statuses[id].Refused) + 1, Incarnation: o.sessions[id].incarnation,
	}
}

// back tells whether that restart is over: the broker serves, as a new incarnation.
func (o *observation) back(r resource.Reboot) bool {
	return o.serving(r.Broker) && o.sessions[r.Broker].incarnation > r.Incarnation && o.statuses[r.Broker].Restart == r.Restart
}

// refused tells whether the node gave the restart up, and serves with the process that it was to replace.
func (o *observation) refused(r resource.Reboot) bool {
	return r.Restart != 0 && o.statuses[r.Broker].Refused == r.Restart
}

// requestRestart asks the machine for one restart of the broker and remembers which, so that it is asked for only once.
func (o *observation) requestRestart() *step {
	op := o.op.Complete(o.now, resource.StepInitialize).Expect(o.cluster.Took)
	r := o.nextRestart(op.Reboot.Broker)
	op.Reboot = &r
	broker := o.specs[r.Broker]
	wanted := broker.value
	wanted.Restart = r.Restart
	return o.commit(requestRestart, o.cluster, &op).withSpec(broker, wanted)
}

// finishReboot ends a reboot: the broker serves again, as a new incarnation.
func (o *observation) finishReboot() *step {
	return o.end(finishReboot, o.activated(), o.completed(resource.StepRebootBroker, resource.StepFinalize))
}

// failReboot gives up waiting for the broker. Unless the old process serves on, the cluster goes into HEALING: the node keeps trying.
func (o *observation) failReboot() *step {
	r := *o.op.Reboot
	why := resource.StateInfo{
		Code:    "BrokerNotReady",
		Message: fmt.Sprintf("Broker %d did not come back: %s.", r.Broker, o.reason(r.Broker)),
	}
	if !o.refused(r) {
		c := o.cluster
		c.State, c.StateInfo = resource.Healing, &why
		return o.end(failReboot, c, o.failed(why))
	}
	why.Message = fmt.Sprintf("Broker %d could not be restarted and serves on as it was: %s.", r.Broker, o.reason(r.Broker))
	broker := o.specs[r.Broker]
	wanted := broker.value
	wanted.Restart = o.statuses[r.Broker].Restart
	return o.end(failReboot, o.activated(), o.failed(why)).withSpec(broker, wanted)
}

// startHealing shows that a broker is down, and asks its machine to set it up anew. In HEALING it does so again.
func (o *observation) replaceBroker(name stepName, id metadata.BrokerID) *step {
	c := o.cluster
	c.State = resource.Healing
	broker := o.specs[id]
	wanted := broker.value
	wanted.Replace++
	c.Nodes = slices.Clone(c.Nodes)
	for i := range c.Nodes {
		if c.Nodes[i].Broker == id {
			c.Nodes[i].Replaced = o.now
		}
	}
	c.StateInfo = &resource.StateInfo{
		Code:    brokerDownCode,
		Message: fmt.Sprintf("Broker %d is down and is being replaced on its data (attempt %d): %s.", id, wanted.Replace, o.reason(id)),
	}
	if !o.others(id) {
		c.StateInfo.Message += " No other broker of the cluster serves that could take over its partitions."
	}
	if info := o.takeOverInfo(0); info != nil {
		c.StateInfo = info // which says more
	}
	return o.commit(name, c, nil).withSpec(broker, wanted)
}

// endHealing shows that all brokers run and serve again.
func (o *observation) endHealing() *step { return o.end(endHealing, o.activated(), nil) }

// writeSettings brings the settings that brokers follow up to what the cluster's record says: the first of a cluster from before there were
// any, and those that this release words differently.
func (o *observation) writeSettings(v *metadata.Settings) *step {
	return o.commit(writeSettings, o.cluster, nil).withSettings(o, v)
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
	c.State = resource.Active
	return o.end(abandon, c, o.failed(why))
}
