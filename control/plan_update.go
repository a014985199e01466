package control

import (
	"fmt"
	"strings"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// An update goes through the steps of its type in order. Until FINALIZE_UPDATE the cluster's record keeps saying what was there before, so that
// undoing an update is bringing brokers and settings back to what the record says.

// planUpdate says what to do next about a cluster that is being updated.
func planUpdate(o *observation, cfg Config) (*step, time.Duration) {
	if o.op == nil || o.op.Update == nil {
		return o.abandon(), 0
	}
	if o.op.Update.Problem != nil {
		return planUndo(o, cfg)
	}
	if o.problem != nil {
		return o.undo(o.unreadable()), 0
	}
	name, ok := nextStep(o.op)
	if !ok {
		return o.abandon(), 0
	}
	switch name {
	case resource.StepInitialize:
		return o.initialize(), 0
	case resource.StepApplySettings:
		return o.awaitSettings(cfg)
	case resource.StepRollingRestart, resource.StepBinaries:
		return o.roll(name, cfg)
	case resource.StepPlaceBrokers:
		return o.awaitMachines(cfg)
	case resource.StepStartBrokers:
		return o.awaitStart(cfg)
	case resource.StepDrain:
		return o.awaitDrain(cfg)
	case resource.StepSpread:
		return o.awaitSpread(cfg)
	case resource.StepStopBrokers:
		return o.awaitStop(cfg)
	case resource.StepFinalize:
		return o.finalize(), 0
	case resource.StepRebootBroker, resource.StepRemoveRecords:
	}
	return o.abandon(), 0
}

// nextStep is the first step of the operation that is not done.
func nextStep(op *resource.Operation) (resource.StepName, bool) {
	for _, s := range op.Steps {
		if s.Status != resource.StepCompleted {
			return s.Name, true
		}
	}
	return "", false
}

// advanced is the operation with those steps done and its Update changed by edit.
func (o *observation) advanced(edit func(*resource.Update), names ...resource.StepName) *resource.Operation {
	op := o.op.Complete(o.now, names...)
	u := *op.Update
	if edit != nil {
		edit(&u)
	}
	op.Update = &u
	return &op
}

// initialize records what the update needs, and does at once what takes no time: new settings for running brokers, the list of those that are to
// be restarted. What turns out to need nothing is a step that is done.
func (o *observation) initialize() *step {
	after := o.cluster.Apply(o.op.Update.Target)
	if why := o.tooSmall(&after); why != nil {
		return o.undo(*why)
	}
	done := []resource.StepName{resource.StepInitialize}
	var balance func(*metadata.Balance)
	var leaving []metadata.BrokerID
	desired, properties := after, o.target
	switch o.op.Type {
	case resource.OpIncreaseBrokers, resource.OpStart, resource.OpStop:
		desired, properties = o.cluster, o.properties
	case resource.OpDecreaseBrokers:
		leaving = o.cluster.Leaving(*o.op.Update.Target.Brokers)
		balance = func(b *metadata.Balance) { b.Drain = leaving }
		desired, properties = o.cluster, o.properties
	case resource.OpKafkaVersion:
		if newer(after.KafkaVersion, o.cluster.KafkaVersion) {
			desired.KafkaVersion = o.cluster.KafkaVersion // brokers first, then what the cluster calls itself; the other way round going back
		}
	default:
	}
	settings := o.settingsFor(&desired, properties, balance)
	if settings == nil {
		done = append(done, resource.StepApplySettings)
	}
	var turns []resource.BrokerProgress
	if rolls(o.op.Type) {
		turns = o.turns(&after, o.target)
		if len(turns) == 0 {
			done = append(done, resource.StepRollingRestart, resource.StepBinaries)
		}
	}
	op := o.advanced(func(u *resource.Update) {
		u.Brokers, u.Deleted = turns, leaving
		if settings != nil {
			u.Settings = settings.Number
		} else if o.settings != nil {
			u.Settings = o.settings.Number
		}
	}, done...)
	*op = op.Expect(o.cluster.Took)
	s := o.commit(initialize, o.cluster, op).withSettings(o, settings)
	switch o.op.Type {
	case resource.OpStop:
		s = o.withStopped(s, true)
	case resource.OpStart:
		s = o.withStopped(s, false)
	default:
	}
	return s
}

// rolls tells whether updates of the type may restart brokers one by one.
func rolls(t resource.OperationType) bool {
	switch t {
	case resource.OpBrokerType, resource.OpConfiguration, resource.OpKafkaVersion, resource.OpSecurity, resource.OpConnectivity:
		return true
	default:
		return false
	}
}

// newer tells whether version a is after b in the list of versions.
func newer(a, b string) bool {
	at := func(name string) int {
		for i, v := range resource.KafkaVersions() {
			if v.Name == name {
				return i
			}
		}
		return -1
	}
	return at(a) > at(b)
}

// tooSmall says that brokers have more on their volumes than is to be left of them.
func (o *observation) tooSmall(after *resource.Cluster) *resource.StateInfo {
	if after.VolumeGiB == 0 || after.VolumeGiB >= o.cluster.VolumeGiB && o.cluster.VolumeGiB > 0 {
		return nil
	}
	const gib = 1 << 30
	var texts []string
	for _, n := range o.cluster.Nodes {
		if used := o.reports[n.Broker].UsedBytes; used > int64(after.VolumeGiB)*gib {
			texts = append(texts, fmt.Sprintf("broker %d uses %.1f GiB", n.Broker, float64(used)/gib))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return &resource.StateInfo{
		Code:    "VolumeTooSmall",
		Message: fmt.Sprintf("The volumes can't shrink to %d GiB: %s. Delete data first.", after.VolumeGiB, strings.Join(texts, ", ")),
	}
}

// awaitSettings waits until the brokers that report have taken the settings over. One that does not serve takes them when it starts.
func (o *observation) awaitSettings(cfg Config) (*step, time.Duration) {
	var late []metadata.BrokerID
	for _, n := range o.cluster.Nodes {
		if r, ok := o.reports[n.Broker]; ok && o.serving(n.Broker) && r.Settings < o.op.Update.Settings {
			late = append(late, n.Broker)
		}
	}
	if len(late) == 0 {
		return o.commit(settingsApplied, o.cluster, o.completed(resource.StepApplySettings)), 0
	}
	if left := o.left(cfg.ApplyTimeout); left > 0 {
		return nil, left
	}
	return o.undo(resource.StateInfo{
		Code: "SettingsNotApplied", Message: fmt.Sprintf("Brokers %v have not taken over the change in %s.", late, cfg.ApplyTimeout),
	}), 0
}

// finalize makes the cluster what the update was for.
func (o *observation) finalize() *step {
	u := o.op.Update
	c := o.activated().Apply(u.Target)
	c.CurrentVersion = resource.NewVersion()
	if o.op.Type == resource.OpDecreaseBrokers {
		c = c.Without(u.Deleted...)
	}
	if c.Stopped {
		c.State = resource.Maintenance
		c.StateInfo = &resource.StateInfo{Code: resource.CodeStopped, Message: "The cluster is stopped: its brokers don't run, its data is kept."}
	}
	s := o.end(finalize, c, o.advanced(nil, resource.StepFinalize), o.forget(u.Deleted)...)
	return s.withSettings(o, o.settingsFor(&c, o.target, nil))
}

// forget removes what is kept of brokers that are gone: the data plane's records of them. What they led has moved before.
func (o *observation) forget(ids []metadata.BrokerID) []metadata.Op {
	k := o.cluster.UUID
	var ops []metadata.Op
	for _, id := range ids {
		ops = append(ops,
			metadata.Delete(metadata.SessionKey(k, id)), metadata.Delete(metadata.RegistrationKey(k, id)),
			metadata.Delete(metadata.BrokerReportKey(k, id)), metadata.Delete(metadata.BrokerLoadKey(k, id)),
			metadata.Delete(metadata.ConfigKey(k, metadata.BrokerConfigs, fmt.Sprint(id))),
			metadata.DeletePrefix(metadata.StreamKey(k, metadata.StreamID(fmt.Sprintf("%d-", id)))),
		)
	}
	return ops
}
