package control

import (
	"slices"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// An update that fails is undone: brokers and settings become what the cluster's record still says. The operation's Problem is why, and that it is
// being undone; it ends as UPDATE_FAILED when nothing of it is left.

// undo begins to undo the update. What takes no time is done at once, and if that is all the operation ends.
func (o *observation) undo(why resource.StateInfo) *step {
	u := o.op.Update
	var balance func(*metadata.Balance)
	var restored []metadata.BrokerID // specs to put back at once
	var turns []resource.BrokerProgress
	switch o.op.Type {
	case resource.OpIncreaseBrokers:
		if len(u.Created) > 0 {
			balance = func(b *metadata.Balance) { b.Drain = slices.Clone(u.Created) }
		}
	case resource.OpStart:
		return o.endUpdate(why, func(c *resource.Cluster) { c.Stopped = false })
	default:
		for _, t := range u.Brokers {
			switch {
			case t.Status == resource.StepPending || t.Restart == 0:
			case o.refused(t.Reboot):
				restored = append(restored, t.Broker)
			case t.Status == resource.StepCompleted:
				turns = append(turns, turn(t.Broker))
			default: // the one that failed goes first
				turns = slices.Insert(turns, 0, turn(t.Broker))
			}
		}
	}
	gone := o.missing(u.Deleted)
	if balance == nil && len(turns) == 0 && len(gone) == 0 && o.op.Type != resource.OpStop {
		return o.restored(o.endUpdate(why, nil), restored)
	}
	var settings *metadata.Settings
	if o.properties != nil {
		settings = o.settingsFor(&o.cluster, o.properties, balance)
	}
	op := o.advanced(func(u *resource.Update) {
		u.Problem, u.Undo, u.UndoFrom, u.Moves = &why, turns, o.now, nil
		if settings != nil {
			u.Settings = settings.Number
		}
	})
	s := o.restored(o.commit(undo, o.cluster, op), restored).
		withSettings(o, settings).
		withNewSpecs(&o.cluster, o.properties, gone)
	if o.op.Type == resource.OpStop {
		s = o.withStopped(s, false)
	}
	return s
}

// restored adds to the step that brokers which refused their restart are wanted as they run.
func (o *observation) restored(s *step, ids []metadata.BrokerID) *step {
	for _, id := range ids {
		n, _ := o.cluster.BrokerNode(id)
		have := o.specs[id]
		want := newSpec(&o.cluster, o.properties, n)
		want.Restart, want.Replace = o.statuses[id].Restart, have.value.Replace
		s = s.withSpec(have, want)
	}
	return s
}

// missing are those of the brokers that no machine is asked for any more.
func (o *observation) missing(ids []metadata.BrokerID) []resource.BrokerNode {
	var nodes []resource.BrokerNode
	for _, id := range ids {
		if _, ok := o.specs[id]; !ok {
			n, _ := o.cluster.BrokerNode(id)
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// planUndo goes on with undoing an update.
func planUndo(o *observation, cfg Config) (*step, time.Duration) {
	u := o.op.Update
	switch {
	case o.op.Type == resource.OpIncreaseBrokers:
		return o.removeAdded(cfg)
	case len(u.Undo) > 0:
		l := o.lookAt(u.Undo, cfg.RebootTimeout, 0)
		record := o.advanced(func(u *resource.Update) { u.Undo = l.turns })
		switch {
		case l.failed != 0:
			return o.commit(undo, o.cluster, record), 0 // it stays to be healed; the others still have their turns
		case l.next != 0:
			return o.restart(l, &o.cluster, o.properties, record), 0
		case !l.over:
			return nil, l.wait
		}
		o.op = record
	default:
		if left := o.leftSince(u.UndoFrom, cfg.RebootTimeout); left > 0 && len(o.notServing()) > 0 {
			return nil, left
		}
	}
	return o.endUpdate(*u.Problem, nil), 0
}

// endUpdate ends the update as failed, with the cluster as its record says but for edit. The cluster is ACTIVE, or in HEALING if brokers are down.
func (o *observation) endUpdate(why resource.StateInfo, edit func(*resource.Cluster), then ...metadata.Op) *step {
	c := o.activated()
	if edit != nil {
		edit(&c)
	}
	down := slices.DeleteFunc(o.notServing(), func(id metadata.BrokerID) bool { _, ours := c.BrokerNode(id); return !ours })
	if len(down) > 0 {
		c.State = resource.Healing
		c.StateInfo = &resource.StateInfo{Code: "BrokerDown", Message: "After a failed update, not all brokers serve: " + o.reasons(down) + "."}
	}
	op := o.advanced(func(u *resource.Update) { u.Problem, u.Deleted = &why, nil }).Fail(o.now, why)
	s := o.end(failUpdate, c, &op, then...)
	if o.properties != nil {
		s = s.withSettings(o, o.settingsFor(&c, o.properties, nil))
	}
	return s
}
