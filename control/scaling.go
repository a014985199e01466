package control

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"weir/control/resource"
	"weir/metadata"
)

// Volumes grow by rules that callers register with Application Auto Scaling. What a caller would do, the controller does: it begins an operation
// UPDATE_BROKER_STORAGE, and notes the activity in the same transaction.

// scalingEvery is how often the volumes of a cluster with such rules are looked at while nobody changes the cluster.
const scalingEvery = 15 * time.Second

// scaling is the cluster's rules and what its volumes are like.
type scaling struct {
	resource.VolumeScaling
	at   metadata.Revision
	used map[metadata.BrokerID]int64 // as brokers last reported
}

// readScaling reads the rules by which the cluster's volumes grow, and how full they are.
func (o *observation) readScaling(ctx context.Context, store metadata.Store) error {
	v, at, ok, err := resource.ReadVolumeScaling(ctx, store, o.cluster.Scope(), o.cluster.UUID)
	if err != nil || !ok || len(v.Policies) == 0 {
		return err
	}
	o.scaling = &scaling{VolumeScaling: v, at: at, used: make(map[metadata.BrokerID]int64)}
	kvs, _, err := store.List(ctx, metadata.BrokerReportPrefix(o.cluster.UUID))
	if err != nil {
		return fmt.Errorf("list broker reports: %w", err)
	}
	for _, kv := range kvs {
		id, err := brokerID(kv.Key)
		if err != nil {
			return err
		}
		r, err := metadata.Decode[metadata.BrokerReport](kv)
		if err != nil {
			return err
		}
		o.scaling.used[id] = r.UsedBytes
	}
	return nil
}

// fullest is the broker whose volume is the fullest, and how full that is in percent. Brokers that have not reported do not count.
func (o *observation) fullest() (id metadata.BrokerID, percent float64) {
	for _, n := range o.cluster.Nodes {
		used, ok := o.scaling.used[n.Broker]
		if p := float64(used) * 100 / float64(int64(o.cluster.VolumeGiB)<<30); ok && (id == 0 || p > percent) {
			id, percent = n.Broker, p
		}
	}
	return id, percent
}

// planScaling lets the volumes of a cluster grow that is ACTIVE, or says when to look again.
func (o *observation) planScaling() (*step, time.Duration) {
	if o.scaling == nil || o.cluster.VolumeGiB == 0 {
		return nil, 0
	}
	broker, percent := o.fullest()
	policy, to, _ := o.scaling.Due(o.cluster.VolumeGiB, percent, o.now)
	if policy == nil {
		return nil, scalingEvery
	}
	op := resource.NewUpdate(resource.OpBrokerStorage, &o.cluster, resource.Change{VolumeGiB: &to}, "", o.now)
	after := o.scaling.With(resource.ScalingActivity{
		ID: uuid.NewString(), Operation: op.ID, Policy: policy.Name, Started: o.now,
		FromGiB: o.cluster.VolumeGiB, ToGiB: to, Percent: percent, Target: policy.Target, Broker: int32(broker),
	})
	txn := resource.StartUpdateTxn(o.cluster, o.clusterAt, op)
	key := o.cluster.Scope().VolumeScalingKey(o.cluster.UUID)
	txn.If = append(txn.If, metadata.Cond{Key: key, Modified: o.scaling.at})
	txn.Then = append(txn.Then, metadata.Put(key, metadata.Encode(after)))
	return &step{name: scaleVolumes, state: op.Type.State(), txn: txn}, 0
}
