package control

import (
	"fmt"
	"strings"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// What a broker leads has no other leader while the broker is down, since only its directory has the data. So if it cannot be started, its node is asked for a recoverer,
// which gives everything to the other brokers (docs/adr/0020-takeover.md). One that is being started is left alone: a recoverer would have to read the same log.

const brokerDownCode = "BrokerDown"

// planTakeOver asks for recoverers of brokers that are down for long, and keeps what the cluster says of them true.
func (o *observation) planTakeOver(cfg Config) (*step, time.Duration) {
	var wait time.Duration
	for _, n := range o.cluster.Nodes {
		st := o.statuses[n.Broker]
		sp, ok := o.specs[n.Broker]
		if !ok || st.State != resource.BrokerBackOff || st.Down.IsZero() || sp.value.TakeOver.Equal(st.Down) || !o.others(n.Broker) {
			continue
		}
		if left := st.Down.Add(cfg.TakeOverAfter).Sub(o.now); left > 0 {
			wait = sooner(wait, left)
			continue
		}
		return o.askTakeOver(n.Broker), 0
	}
	if info := o.takeOverInfo(0); info != nil && (o.cluster.StateInfo == nil || *o.cluster.StateInfo != *info) {
		c := o.cluster
		c.StateInfo = info
		return o.commit(noteHealing, c, nil), 0
	}
	return nil, wait
}

// others reports whether another broker of the cluster serves.
func (o *observation) others(id metadata.BrokerID) bool {
	for _, n := range o.cluster.Nodes {
		if n.Broker != id && o.serving(n.Broker) {
			return true
		}
	}
	return false
}

// askTakeOver asks the broker's node for a recoverer, in this time of being down.
func (o *observation) askTakeOver(id metadata.BrokerID) *step {
	broker := o.specs[id]
	wanted := broker.value
	wanted.TakeOver = o.statuses[id].Down
	c := o.cluster
	c.StateInfo = o.takeOverInfo(id)
	return o.commit(askTakeOver, c, nil).withSpec(broker, wanted)
}

// takeOverInfo says for people what is done about brokers that cannot be started; nil if nothing is but replacing them. For one, or 0, a recoverer is asked
// just now.
func (o *observation) takeOverInfo(asking metadata.BrokerID) *resource.StateInfo {
	var texts []string
	asked := false
	for _, n := range o.cluster.Nodes {
		st, sp := o.statuses[n.Broker], o.specs[n.Broker].value
		if o.serving(n.Broker) || st.Down.IsZero() {
			continue
		}
		ours := n.Broker == asking || sp.TakeOver.Equal(st.Down)
		asked = asked || ours
		what := "It is being started again"
		switch {
		case ours && st.IsTakenOver():
			what = "Other brokers lead its partitions, and it is tried again and again"
		case ours:
			what = "The other brokers take over its partitions"
		}
		why := st.LastExit
		if why == "" {
			why = fmt.Sprintf("its process is %s", st.State)
		}
		texts = append(texts, fmt.Sprintf("Broker %d has not served since %s: %s. %s.", n.Broker, st.Down.UTC().Format(time.RFC3339), why, what))
	}
	if !asked {
		return nil
	}
	return &resource.StateInfo{Code: brokerDownCode, Message: strings.Join(texts, " ")}
}

// brokerStarting returns a broker that is down and whose start takes long, or how long it takes until there is one; zero and zero if there is none.
func (o *observation) brokerStarting(after time.Duration) (metadata.BrokerID, time.Duration) {
	var wait time.Duration
	for _, n := range o.cluster.Nodes {
		st := o.statuses[n.Broker]
		if _, ok := o.specs[n.Broker]; !ok || st.Down.IsZero() || o.serving(n.Broker) {
			continue
		}
		left := st.Down.Add(after).Sub(o.now)
		if left <= 0 {
			return n.Broker, 0
		}
		wait = sooner(wait, left)
	}
	return 0, wait
}

// showHealing shows that a broker does not serve, without asking for anything: its node is at it.
func (o *observation) showHealing(name stepName, id metadata.BrokerID) *step {
	c := o.cluster
	c.State = resource.Healing
	st := o.statuses[id]
	c.StateInfo = &resource.StateInfo{
		Code: brokerDownCode,
		Message: fmt.Sprintf("Broker %d has not served since %s and is being started: %s.",
			id, st.Down.UTC().Format(time.RFC3339), o.reason(id)),
	}
	return o.commit(name, c, nil)
}

// sooner is the smaller of two times to wait, of which zero is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
