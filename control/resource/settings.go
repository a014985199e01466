package resource

import (
	"slices"
	"time"

	"weir/metadata"
)

// DesiredSettings is what the running brokers of the cluster are to follow, given its server.properties. Number and the Drain and Spread of Balance are the
// controller's to fill in.
func (c *Cluster) DesiredSettings(properties map[string]string) metadata.Settings {
	s := metadata.Settings{
		Kind: c.Kind(), KafkaVersion: c.KafkaVersion, Properties: properties,
		VolumeBytes: int64(c.VolumeGiB) << 30, Tiered: c.StorageMode == StorageTiered,
		Balance: metadata.Balance{Active: c.Rebalancing == RebalancingActive}, Limits: c.Limits(),
	}
	if t, ok := LookupInstanceType(c.InstanceType); ok && t.Express() {
		// Only Express brokers refuse what goes beyond their size; a Standard broker is as good as its machine.
		s.Broker = metadata.BrokerLimits{Partitions: t.PartitionsMax, IngressBytes: t.IngressBytesMax, EgressBytes: t.EgressBytesMax}
	}
	return s
}

// Begun returns a queued operation at the moment at which it begins on the cluster: its source is what the cluster is like then.
func (o Operation) Begun(c *Cluster, now time.Time) Operation {
	o.Queued, o.State = false, o.Type.Running()
	o.Steps = slices.Clone(o.Steps)
	if len(o.Steps) > 0 {
		o.Steps[0].Status, o.Steps[0].Started = StepInProgress, now
	}
	if o.Update != nil {
		u := *o.Update
		u.Source, u.Version = c.Current(u.Target), c.CurrentVersion
		o.Update = &u
	}
	return o
}

// Obstacle says why the operation cannot begin on the cluster as it is, or nil. It is asked of an operation that waited, because what made sense
// when it was asked for need not do so any more.
func (o *Operation) Obstacle(c *Cluster) *StateInfo {
	why := func(code, text string) *StateInfo { return &StateInfo{Code: code, Message: text} }
	if !c.State.Allows(o.Type.Action()) {
		return why("InvalidState", "When its turn came, the cluster was in "+string(c.State)+" state, in which this operation isn't possible.")
	}
	if o.Type == OpReboot {
		if o.Reboot == nil || !slices.ContainsFunc(c.Nodes, func(n BrokerNode) bool { return n.Broker == o.Reboot.Broker }) {
			return why("BrokerGone", "When its turn came, the broker was not one of the cluster any more.")
		}
		return nil
	}
	if o.Update == nil {
		return why("OperationLost", "The operation's record doesn't say what to do.")
	}
	target := o.Update.Target
	switch {
	case o.Type == OpIncreaseBrokers && value(target.Brokers) <= c.Brokers, o.Type == OpDecreaseBrokers && value(target.Brokers) >= c.Brokers,
		o.Type == OpDecreaseBrokers && value(target.Brokers) < len(c.Subnets):
		return why("BrokerCount", "When its turn came, the cluster's number of brokers had changed, and this one is no such change of it any more.")
	case o.Type != OpStop && o.Type != OpStart && o.Type != OpSecurity && !c.Changes(target): // security may be asked for twice, as on MSK
		return why("NothingToChange", "When its turn came, the cluster was as it asks for already.")
	}
	if target.InstanceType != nil {
		to, ok := LookupInstanceType(*target.InstanceType)
		from, _ := LookupInstanceType(c.InstanceType)
		if !ok || to.Express() != from.Express() {
			return why("InstanceType", "When its turn came, the cluster's brokers could not be changed into "+*target.InstanceType+".")
		}
	}
	return nil
}
