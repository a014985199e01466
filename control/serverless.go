package control

import (
	"context"
	"fmt"
	"math"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// How many brokers a serverless cluster has is the service's business: it is decided here, from what the brokers say they carry, and done like a
// caller's change of the number, except that no API shows the operation.

const (
	// What one broker is meant to carry. At the most brokers there are, it is what the cluster's quotas allow.
	serverlessIn      = 200e6 / resource.ServerlessBrokersMax
	serverlessOut     = 400e6 / resource.ServerlessBrokersMax
	serverlessLeaders = 2520 / resource.ServerlessBrokersMax

	// A cluster grows when its brokers would be fuller than the first, and shrinks when one fewer would be emptier than the second. The distance
	// between them, and the longer time over which shrinking looks, keep it from going to and fro.
	serverlessFull, serverlessEmpty = 0.7, 0.4

	// serverlessRest is how long a cluster that grew does not shrink.
	serverlessRest = 15 * time.Minute
	// serverlessEvery is how often a cluster that nobody changes is looked at.
	serverlessEvery = 30 * time.Second
)

// serverlessBrokers is how many brokers a serverless cluster is to have that has n now, of which the newest is that old. loads are those of its brokers
// that say what they carry; while any does not, nothing is taken away.
func serverlessBrokers(n int, loads []metadata.BrokerLoad, newest time.Duration) int {
	var now, long metadata.BrokerLoad
	for _, l := range loads {
		now.In, now.Out, now.Leaders = now.In+l.In, now.Out+l.Out, now.Leaders+l.Leaders
		long.In, long.Out, long.Leaders = long.In+max(l.In, l.InLong), long.Out+max(l.Out, l.OutLong), long.Leaders+l.Leaders
	}
	bounded := func(n int) int { return min(max(n, resource.ServerlessBrokersMin), resource.ServerlessBrokersMax) }
	if want := bounded(carriers(now, serverlessFull)); want > n {
		return want
	}
	if len(loads) == n && newest >= serverlessRest && carriers(long, serverlessEmpty) < n {
		return bounded(n - 1) // one at a time: each has to be emptied
	}
	return n
}

// carriers is how many brokers carry the load when they are to be that full.
func carriers(l metadata.BrokerLoad, full float64) int {
	most := max(l.In/serverlessIn, l.Out/serverlessOut, float64(l.Leaders)/serverlessLeaders)
	return int(math.Ceil(most / full))
}

// planServerless changes the number of brokers of a serverless cluster that is ACTIVE, or says when to look again.
func (o *observation) planServerless() (*step, time.Duration) {
	var loads []metadata.BrokerLoad
	newest := time.Duration(math.MaxInt64)
	for _, n := range o.cluster.Nodes {
		if l, ok := o.loads[n.Broker]; ok && o.sessions[n.Broker].Ready {
			loads = append(loads, l)
		}
		newest = min(newest, o.now.Sub(n.Joined))
	}
	have := len(o.cluster.Nodes)
	if want := serverlessBrokers(have, loads, newest); want != have {
		return o.scale(want), 0
	}
	return nil, serverlessEvery
}

// scale begins the operation that gives the cluster so many brokers.
func (o *observation) scale(brokers int) *step {
	t := resource.OpIncreaseBrokers
	if brokers < len(o.cluster.Nodes) {
		t = resource.OpDecreaseBrokers
	}
	op := resource.NewUpdate(t, &o.cluster, resource.Change{Brokers: &brokers}, "", o.now)
	return &step{name: scaleServerless, state: t.State(), txn: resource.StartUpdateTxn(o.cluster, o.clusterAt, op)}
}

// readLoads reads what the brokers of a serverless cluster carry.
func (o *observation) readLoads(ctx context.Context, store metadata.Store) error {
	kvs, _, err := store.List(ctx, metadata.BrokerLoadPrefix(o.cluster.UUID))
	if err != nil {
		return fmt.Errorf("list the brokers' loads: %w", err)
	}
	o.loads = make(map[metadata.BrokerID]metadata.BrokerLoad)
	for _, kv := range kvs {
		id, err := brokerID(kv.Key)
		if err != nil {
			return err
		}
		if o.loads[id], err = metadata.Decode[metadata.BrokerLoad](kv); err != nil {
			return err
		}
	}
	return nil
}
