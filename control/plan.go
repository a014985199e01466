package control

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// stepName says what a step does, for logs, tests and the table of crash points.
type stepName string

const (
	placeBrokers    stepName = "place brokers"
	activate        stepName = "activate"
	failCreate      stepName = "fail create"
	stopBrokers     stepName = "stop brokers"
	failDelete      stepName = "fail delete"
	removeRecords   stepName = "remove records"
	requestRestart  stepName = "request restart"
	finishReboot    stepName = "finish reboot"
	failReboot      stepName = "fail reboot"
	startHealing    stepName = "start healing"
	replaceAgain    stepName = "replace again"
	noteHealing     stepName = "note healing"
	askTakeOver     stepName = "ask for takeover"
	endHealing      stepName = "end healing"
	updateEndpoints stepName = "update endpoints"
	writeSettings   stepName = "write settings"
	beginQueued     stepName = "begin queued"
	abandon         stepName = "abandon operation"

	initialize      stepName = "initialize"
	settingsApplied stepName = "settings applied"
	restartBroker   stepName = "restart broker"
	restartsDone    stepName = "restarts done"
	addBrokers      stepName = "add brokers"
	brokersStarted  stepName = "brokers started"
	noteMoves       stepName = "note moves"
	partitionsMoved stepName = "partitions moved"
	brokersStopped  stepName = "brokers stopped"
	finalize        stepName = "finalize"
	undo            stepName = "undo"
	removeAdded     stepName = "remove added brokers"
	failUpdate      stepName = "fail update"
	scaleServerless stepName = "scale a serverless cluster"
	scaleVolumes    stepName = "scale volumes"
)

// step is one change of the records: all of it in one transaction.
type step struct {
	name  stepName
	state resource.ClusterState // the cluster's state afterwards
	txn   metadata.Txn
}

// plan says what to do next about a cluster: a step, or nothing until something changes or the returned time has passed (zero: only
// when something changes). It reads nothing but its arguments.
func plan(o *observation, cfg Config) (*step, time.Duration) {
	switch o.cluster.State {
	case resource.Creating:
		return planCreate(o, cfg)
	case resource.Deleting:
		return planDelete(o, cfg)
	case resource.RebootingBroker:
		return planReboot(o, cfg)
	case resource.Updating:
		return planUpdate(o, cfg)
	case resource.Active, resource.Healing:
		return planSteady(o, cfg)
	case resource.Maintenance:
		return planStopped(o)
	case resource.Failed:
	}
	return nil, 0
}

func planCreate(o *observation, cfg Config) (*step, time.Duration) {
	left := o.left(cfg.CreateTimeout)
	if !o.cluster.Placed() {
		if o.problem != nil {
			return o.failCreate(o.unreadable()), 0
		}
		if len(o.machines) > 0 {
			return o.placeBrokers(), 0
		}
		if left > 0 {
			return nil, left
		}
		return o.failCreate(resource.StateInfo{
			Code: "NoNode", Message: "The brokers could not be placed: no node has registered with the control plane.",
		}), 0
	}
	down := o.notServing()
	switch {
	case len(down) == 0:
		return o.activate(), 0
	case left > 0:
		return nil, left
	}
	return o.failCreate(resource.StateInfo{
		Code: "BrokersNotReady",
		Message: fmt.Sprintf("%d of %d brokers did not become ready: %s.",
			len(down), len(o.cluster.Nodes), o.reasons(down)),
	}), 0
}

func planDelete(o *observation, cfg Config) (*step, time.Duration) {
	if len(o.specs) > 0 {
		return o.stopBrokers(), 0
	}
	if len(o.statuses) == 0 {
		return o.removeRecords(), 0
	}
	if left := o.left(cfg.DeleteTimeout); left > 0 {
		return nil, left
	}
	return o.failDelete(), 0
}

func planReboot(o *observation, cfg Config) (*step, time.Duration) {
	if o.op == nil || o.op.Reboot == nil {
		return o.abandon(), 0
	}
	if !o.op.Done(resource.StepInitialize) {
		if _, ok := o.specs[o.op.Reboot.Broker]; !ok {
			return o.abandon(), 0
		}
		return o.requestRestart(), 0
	}
	r := o.op.Reboot
	if o.back(*r) {
		return o.finishReboot(), 0
	}
	if left := o.left(cfg.RebootTimeout); left > 0 && !o.refused(*r) {
		return nil, left
	}
	return o.failReboot(), 0
}

// planSteady watches over a cluster that nobody is changing.
func planSteady(o *observation, cfg Config) (*step, time.Duration) {
	if o.problem == nil {
		if v := o.settingsFor(&o.cluster, o.properties, nil); v != nil {
			return o.writeSettings(v), 0
		}
	}
	if o.cluster.State == resource.Healing {
		return planHealing(o, cfg)
	}
	if len(o.cluster.Queue) > 0 {
		return o.end(beginQueued, o.cluster, nil), 0
	}
	id, wait := o.brokerDown(cfg.HealingAfter)
	if id != 0 {
		return o.replaceBroker(startHealing, id), 0
	}
	id, starting := o.brokerStarting(cfg.StartingAfter)
	if id != 0 {
		return o.showHealing(startHealing, id), 0
	}
	wait = sooner(wait, starting)
	if nodes, changed := o.withEndpoints(); changed {
		return o.updateEndpoints(nodes), 0
	} else if wait > 0 {
		return nil, wait
	}
	if o.cluster.Kind() == metadata.Serverless {
		return o.planServerless()
	}
	return o.planScaling()
}

// planHealing watches over a cluster with a broker that is being replaced.
func planHealing(o *observation, cfg Config) (*step, time.Duration) {
	running := func(id metadata.BrokerID) bool { return o.statuses[id].State == resource.BrokerRunning }
	if len(o.notServing()) == 0 && allBrokers(&o.cluster, running) {
		return o.endHealing(), 0
	}
	s, wait := o.planTakeOver(cfg)
	if s != nil {
		return s, 0
	}
	for _, n := range o.cluster.Nodes {
		st := o.statuses[n.Broker]
		sp, ok := o.specs[n.Broker]
		if !ok || st.State != resource.BrokerBackOff || st.Replaced != sp.value.Replace {
			continue // it runs, or its node has not come to the last replacement yet
		}
		from, pause := n.Replaced, cfg.ReplaceAgain
		if from.IsZero() {
			from, pause = st.Since, cfg.HealingAfter
		}
		if left := from.Add(pause).Sub(o.now); left > 0 {
			wait = sooner(wait, left)
			continue
		}
		return o.replaceBroker(replaceAgain, n.Broker), 0
	}
	return nil, wait
}

// planStopped: nothing is done about a stopped cluster but to begin what waits.
func planStopped(o *observation) (*step, time.Duration) {
	if len(o.cluster.Queue) > 0 {
		return o.end(beginQueued, o.cluster, nil), 0
	}
	return nil, 0
}

// brokerDown returns a broker that is down for long, or how long it takes until one is; zero and zero if none is down.
func (o *observation) brokerDown(after time.Duration) (metadata.BrokerID, time.Duration) {
	var wait time.Duration
	for _, n := range o.cluster.Nodes {
		st := o.statuses[n.Broker]
		if _, ok := o.specs[n.Broker]; !ok || st.State != resource.BrokerBackOff {
			continue
		}
		left := st.Since.Add(after).Sub(o.now)
		if left <= 0 {
			return n.Broker, 0
		}
		if wait == 0 || left < wait {
			wait = left
		}
	}
	return 0, wait
}

func allBrokers(c *resource.Cluster, ok func(metadata.BrokerID) bool) bool {
	return !slices.ContainsFunc(c.Nodes, func(n resource.BrokerNode) bool { return !ok(n.Broker) })
}

// notServing returns the brokers that do not serve, in order.
func (o *observation) notServing() []metadata.BrokerID {
	var ids []metadata.BrokerID
	for _, n := range o.cluster.Nodes {
		if !o.serving(n.Broker) {
			ids = append(ids, n.Broker)
		}
	}
	return ids
}

// reasons says for people why brokers do not serve.
func (o *observation) reasons(ids []metadata.BrokerID) string {
	texts := make([]string, 0, len(ids))
	for _, id := range ids {
		texts = append(texts, fmt.Sprintf("broker %d: %s", id, o.reason(id)))
	}
	return strings.Join(texts, "; ")
}

func (o *observation) reason(id metadata.BrokerID) string {
	st, ok := o.statuses[id]
	n, _ := o.cluster.BrokerNode(id)
	switch {
	case !ok:
		return fmt.Sprintf("node %s has not reported on it", n.Node)
	case st.LastExit != "" && st.Restarts > 0:
		return fmt.Sprintf("%s (started again %d times)", st.LastExit, st.Restarts)
	case st.LastExit != "":
		return st.LastExit
	}
	return fmt.Sprintf("its process is %s and has not reported ready", st.State)
}

// unreadable is why nothing can be done without the cluster's properties.
func (o *observation) unreadable() resource.StateInfo {
	return resource.StateInfo{Code: "ConfigurationUnusable", Message: "The configuration can't be used: " + o.problem.Error() + "."}
}

// withEndpoints returns the cluster's nodes with the endpoints that serving brokers advertise, and whether that changes any.
func (o *observation) withEndpoints() (nodes []resource.BrokerNode, changed bool) {
	nodes = slices.Clone(o.cluster.Nodes)
	for i := range nodes {
		n := &nodes[i]
		s, ok := o.sessions[n.Broker]
		if ok && s.Ready && !reflect.DeepEqual(n.Endpoints, s.Endpoints) {
			n.Endpoints, changed = s.Endpoints, true
		}
	}
	return nodes, changed
}
