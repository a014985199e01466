package control

import (
	"fmt"
	"slices"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// A rolling restart: one broker after the other gets its new spec with a new Restart number, and the next has its turn when that one serves again,
// as a new incarnation, and nobody else is down.

// turns are the brokers whose process has to start again to be of cluster after, in the order in which they do.
func (o *observation) turns(after *resource.Cluster, properties map[string]string) []resource.BrokerProgress {
	var turns []resource.BrokerProgress
	for _, n := range o.cluster.Nodes {
		want := newSpec(after, properties, n)
		if have, ok := o.specs[n.Broker]; ok && have.value.NeedsRestart(&want) {
			turns = append(turns, turn(n.Broker))
		}
	}
	return turns
}

func turn(id metadata.BrokerID) resource.BrokerProgress {
	return resource.BrokerProgress{Reboot: resource.Reboot{Broker: id}, Status: resource.StepPending}
}

// look is what one look at a rolling restart found out.
type look struct {
	turns  []resource.BrokerProgress // as they are to be recorded
	next   metadata.BrokerID         // is to be restarted now, as recorded in turns; 0: nobody
	over   bool                      // all had their turn
	wait   time.Duration             // until something is wrong
	failed metadata.BrokerID         // whose turn failed, as recorded in turns; 0: nobody
	why    *resource.StateInfo       // why it failed
}

// lookAt says how to go on with the turns.
func (o *observation) lookAt(turns []resource.BrokerProgress, timeout, pace time.Duration) look {
	l := look{turns: slices.Clone(turns)}
	from := o.stepStart()
	var before time.Time // when the turn before began
	for i := range l.turns {
		t := &l.turns[i]
		switch t.Status {
		case resource.StepCompleted, resource.StepFailed:
			from = t.Ended
		case resource.StepInProgress:
			if !o.back(t.Reboot) {
				if l.wait = o.leftSince(t.Started, timeout); l.wait > 0 && !o.refused(t.Reboot) {
					return l
				}
				text := "Broker %d did not come back in %s: %s."
				if o.refused(t.Reboot) {
					text = "Broker %d could not be restarted after %s, and serves on as it was: %s."
				}
				t.Status, t.Ended, l.failed = resource.StepFailed, o.now, t.Broker
				l.why = &resource.StateInfo{
					Code:    "BrokerNotReady",
					Message: fmt.Sprintf(text, t.Broker, o.now.Sub(t.Started).Round(time.Second), o.reason(t.Broker)),
				}
				return l
			}
			t.Status, t.Ended = resource.StepCompleted, o.now
			from = o.now
		case resource.StepPending:
			if down := o.downBut(t.Broker, l.turns); len(down) > 0 {
				if l.wait = o.leftSince(from, timeout); l.wait > 0 {
					return l
				}
				t.Status, t.Ended, l.failed = resource.StepFailed, o.now, t.Broker
				l.why = &resource.StateInfo{
					Code:    "BrokerNotReady",
					Message: fmt.Sprintf("Broker %d could not be restarted because others don't serve: %s.", t.Broker, o.reasons(down)),
				}
				return l
			}
			if l.wait = before.Add(pace).Sub(o.now); l.wait > 0 {
				return l
			}
			t.Reboot, t.Status, t.Started = o.nextRestart(t.Broker), resource.StepInProgress, o.now
			l.next = t.Broker
			return l
		}
		before = t.Started
	}
	l.over = true
	return l
}

// downBut are the brokers that do not serve, without id and without those whose turn failed.
func (o *observation) downBut(id metadata.BrokerID, turns []resource.BrokerProgress) []metadata.BrokerID {
	return slices.DeleteFunc(o.notServing(), func(down metadata.BrokerID) bool {
		return down == id || slices.ContainsFunc(turns, func(t resource.BrokerProgress) bool {
			return t.Broker == down && t.Status == resource.StepFailed
		})
	})
}

// roll goes on with the rolling restart that is the given step.
func (o *observation) roll(name resource.StepName, cfg Config) (*step, time.Duration) {
	l := o.lookAt(o.op.Update.Brokers, cfg.RebootTimeout, cfg.RollPace)
	record := func(u *resource.Update) { u.Brokers = l.turns }
	switch {
	case l.failed != 0:
		o.op = o.advanced(record)
		return o.undo(*l.why), 0
	case l.over:
		return o.commit(restartsDone, o.cluster, o.advanced(record, name)), 0
	case l.next == 0:
		return nil, l.wait
	}
	after := o.cluster.Apply(o.op.Update.Target)
	return o.restart(l, &after, o.target, o.advanced(record)), 0
}

// restart asks for the restart that was found to be next, of the broker as one of cluster c.
func (o *observation) restart(l look, c *resource.Cluster, properties map[string]string, op *resource.Operation) *step {
	n, _ := o.cluster.BrokerNode(l.next)
	have := o.specs[l.next]
	want := newSpec(c, properties, n)
	want.Replace = have.value.Replace
	for _, t := range l.turns {
		if t.Broker == l.next {
			want.Restart = t.Restart
		}
	}
	return o.commit(restartBroker, o.cluster, op).withSpec(have, want)
}
