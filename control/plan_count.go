package control

import (
	"fmt"
	"slices"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// Adding and removing brokers.

// awaitMachines adds brokers to the cluster, as soon as there is a machine for them.
func (o *observation) awaitMachines(cfg Config) (*step, time.Duration) {
	if len(o.machines) > 0 {
		return o.addBrokers(), 0
	}
	if left := o.left(cfg.CreateTimeout); left > 0 {
		return nil, left
	}
	return o.undo(resource.StateInfo{
		Code: "NoNode", Message: "The brokers could not be placed: no node has registered with the control plane.",
	}), 0
}

// addBrokers gives the cluster its new brokers and asks machines to run them.
func (o *observation) addBrokers() *step {
	c, added := o.cluster.Grown(*o.op.Update.Target.Brokers, o.now)
	c.Nodes = place(c.Nodes, o.machines)
	op := o.advanced(func(u *resource.Update) { u.Created = added }, resource.StepPlaceBrokers)
	return o.commit(addBrokers, c, op).withNewSpecs(&c, o.properties, c.Nodes[len(c.Nodes)-len(added):])
}

// awaitStart waits for brokers that were added, or for all of a cluster that is being started.
func (o *observation) awaitStart(cfg Config) (*step, time.Duration) {
	down, timeout := o.notServing(), cfg.RebootTimeout
	if o.op.Type == resource.OpIncreaseBrokers {
		down = slices.DeleteFunc(down, func(id metadata.BrokerID) bool { return !slices.Contains(o.op.Update.Created, id) })
		timeout = cfg.CreateTimeout
	}
	if len(down) == 0 {
		return o.brokersStarted(), 0
	}
	if left := o.left(timeout); left > 0 {
		return nil, left
	}
	return o.undo(resource.StateInfo{
		Code: "BrokersNotReady", Message: fmt.Sprintf("%d brokers did not become ready: %s.", len(down), o.reasons(down)),
	}), 0
}

// brokersStarted goes on after brokers have started: new ones are filled, if the cluster moves partitions at all.
func (o *observation) brokersStarted() *step {
	if o.op.Type != resource.OpIncreaseBrokers || o.cluster.Rebalancing != resource.RebalancingActive {
		return o.commit(brokersStarted, o.cluster, o.completed(resource.StepStartBrokers, resource.StepSpread))
	}
	settings := o.settingsFor(&o.cluster, o.properties, func(b *metadata.Balance) { b.Spread++ })
	op := o.advanced(func(u *resource.Update) { u.Settings, u.Spread = settings.Number, settings.Balance.Spread }, resource.StepStartBrokers)
	return o.commit(brokersStarted, o.cluster, op).withSettings(o, settings)
}

// awaitSpread waits until the balancer has filled the new brokers.
func (o *observation) awaitSpread(cfg Config) (*step, time.Duration) {
	if o.balance.Spread >= o.op.Update.Spread {
		return o.commit(partitionsMoved, o.cluster, o.completed(resource.StepSpread)), 0
	}
	s, wait := o.watchMoves(cfg)
	if s != nil || wait > 0 {
		return s, wait
	}
	// The brokers are there and serve; taking them away again would help nobody.
	return o.endUpdate(resource.StateInfo{
		Code:    "PartitionsNotSpread",
		Message: fmt.Sprintf("Brokers %v were added and serve, but no partition moved onto them in %s%s.", o.op.Update.Created, cfg.MoveTimeout, o.moveProblem()),
	}, func(c *resource.Cluster) {
		c.Brokers, c.CurrentVersion = len(c.Nodes), resource.NewVersion()
	}), 0
}

// awaitDrain waits until brokers that are to go hold nothing, and has them stopped then.
func (o *observation) awaitDrain(cfg Config) (*step, time.Duration) {
	u := o.op.Update
	if o.drained(u.Deleted) {
		return o.commit(partitionsMoved, o.cluster, o.completed(resource.StepDrain), o.deleteSpecsOf(u.Deleted)...), 0
	}
	s, wait := o.watchMoves(cfg)
	if s != nil || wait > 0 {
		return s, wait
	}
	return o.undo(resource.StateInfo{
		Code:    "PartitionsNotMoved",
		Message: fmt.Sprintf("Brokers %v could not be emptied: no partition moved away in %s%s.", u.Deleted, cfg.MoveTimeout, o.moveProblem()),
	}), 0
}

// drained tells whether the balancer, knowing of the drain, says that those brokers hold nothing.
func (o *observation) drained(ids []metadata.BrokerID) bool {
	return o.balance.Settings >= o.op.Update.Settings &&
		!slices.ContainsFunc(ids, func(id metadata.BrokerID) bool { return !slices.Contains(o.balance.Drained, id) })
}

func (o *observation) moveProblem() string {
	if o.balance.Problem == "" {
		return ""
	}
	return " (" + o.balance.Problem + ")"
}

func (o *observation) deleteSpecsOf(ids []metadata.BrokerID) []metadata.Op {
	var ops []metadata.Op
	for _, id := range ids {
		if sp, ok := o.specs[id]; ok {
			ops = append(ops, metadata.Delete(sp.key))
		}
	}
	return ops
}

// noteEvery is how often progress of moving partitions is recorded at most.
const noteEvery = time.Second

// watchMoves records how many partitions are left to move when that changed, or says how long to wait for a change; neither if nothing moves.
func (o *observation) watchMoves(cfg Config) (*step, time.Duration) {
	m := resource.Moves{At: o.stepStart()}
	if had := o.op.Update.Moves; had != nil {
		m = *had
	}
	informed := o.balance.Settings >= o.op.Update.Settings
	if informed && (o.op.Update.Moves == nil || m.Remaining != o.balance.Remaining || m.Problem != o.balance.Problem) {
		if left := m.At.Add(noteEvery).Sub(o.now); left > 0 && o.op.Update.Moves != nil {
			return nil, left
		}
		if o.op.Update.Moves == nil || m.Remaining != o.balance.Remaining {
			m.At = o.now
		}
		m.Remaining, m.Total, m.Problem = o.balance.Remaining, max(m.Total, o.balance.Remaining), o.balance.Problem
		return o.commit(noteMoves, o.cluster, o.advanced(func(u *resource.Update) { u.Moves = &m })), 0
	}
	return nil, max(0, o.leftSince(m.At, cfg.MoveTimeout))
}

// removeAdded takes away the brokers that a failed update had added: they are emptied first, since clients may have used those that served.
func (o *observation) removeAdded(cfg Config) (*step, time.Duration) {
	u := o.op.Update
	wanted, there := false, false
	for _, id := range u.Created {
		_, spec := o.specs[id]
		_, status := o.statuses[id]
		wanted, there = wanted || spec, there || status
	}
	switch {
	case !wanted && (!there || o.leftSince(u.UndoFrom, cfg.DeleteTimeout) <= 0):
		// A machine that has not reported in time removes them when it sees that nobody wants them.
		return o.endUpdate(*u.Problem, func(c *resource.Cluster) { *c = c.Without(u.Created...) }, o.forget(u.Created)...), 0
	case !wanted:
		return nil, o.leftSince(u.UndoFrom, cfg.DeleteTimeout)
	}
	served := slices.DeleteFunc(slices.Clone(u.Created), func(id metadata.BrokerID) bool { return !o.registered[id] })
	if o.drained(served) {
		return o.commit(removeAdded, o.cluster, o.advanced(func(u *resource.Update) { u.UndoFrom = o.now }), o.deleteSpecsOf(u.Created)...), 0
	}
	s, wait := o.watchMoves(cfg)
	if s != nil || wait > 0 {
		return s, wait
	}
	why := *u.Problem
	why.Message += fmt.Sprintf(" Brokers %v hold partitions that can't be moved away%s, so they stay.", served, o.moveProblem())
	return o.endUpdate(why, func(c *resource.Cluster) { c.Brokers, c.CurrentVersion = len(c.Nodes), resource.NewVersion() }), 0
}
