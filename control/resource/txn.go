package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"weir/metadata"
)

// The transactions with which the AWS face starts something. Each is one commit: either all of it is asked for or nothing.

// CreateTxn records a new cluster in CREATING together with the operation that will make it, guarded by its name being free and by the
// further conditions, which are the revisions of the records that the request was checked against. op becomes the cluster's operation.
func CreateTxn(c Cluster, op Operation, given ...metadata.Cond) metadata.Txn {
	s := c.Scope()
	c.State, c.Operation = Creating, op.ID
	return metadata.Txn{
		If: append([]metadata.Cond{{Key: s.ClusterNameKey(c.Name)}, {Key: c.Key()}}, given...),
		Then: []metadata.Op{
			metadata.Put(s.ClusterNameKey(c.Name), metadata.Encode(ClusterName{UUID: c.UUID})),
			UseNetwork(s),
			metadata.Put(c.Key(), metadata.Encode(c)),
			metadata.Put(op.Key(s), metadata.Encode(op)),
		},
	}
}

// StartTxn puts the cluster, read at revision at, into state because of the new operation op. given are further conditions: the revisions of
// the records that the request was checked against.
func StartTxn(c Cluster, at metadata.Revision, state ClusterState, op Operation, given ...metadata.Cond) metadata.Txn {
	c.State, c.Operation, c.StateInfo = state, op.ID, nil
	return withOperation(c, at, op, given)
}

// StartUpdateTxn starts op as StartTxn does, in the state of an operation of its type: UPDATING, or REBOOTING_BROKER.
func StartUpdateTxn(c Cluster, at metadata.Revision, op Operation, given ...metadata.Cond) metadata.Txn {
	return StartTxn(c, at, op.Type.State(), op, given...)
}

// State is the state of a cluster while an operation of this type runs.
func (t OperationType) State() ClusterState {
	switch t {
	case OpCreate:
		return Creating
	case OpDelete:
		return Deleting
	case OpReboot:
		return RebootingBroker
	default:
		return Updating
	}
}

// ErrQueueFull is the error of QueueTxn when the cluster has QueueMax operations waiting.
var ErrQueueFull = errors.New("resource: the cluster has as many operations waiting as may wait")

// QueueTxn lets op wait until the operations before it have ended. Whether it still makes sense then is decided then, by the controller.
func QueueTxn(c Cluster, at metadata.Revision, op Operation, given ...metadata.Cond) (metadata.Txn, error) {
	if len(c.Queue) >= QueueMax {
		return metadata.Txn{}, ErrQueueFull
	}
	op.Queued = true
	c.Queue = append(slices.Clone(c.Queue), op.ID)
	return withOperation(c, at, op, given), nil
}

func withOperation(c Cluster, at metadata.Revision, op Operation, given []metadata.Cond) metadata.Txn {
	return metadata.Txn{
		If: append([]metadata.Cond{{Key: c.Key(), Modified: at}}, given...),
		Then: []metadata.Op{
			metadata.Put(c.Key(), metadata.Encode(c)),
			metadata.Put(op.Key(c.Scope()), metadata.Encode(op)),
		},
	}
}

// ReadCluster returns a cluster and the revision to guard its next change with; ok is false if there is none.
func ReadCluster(ctx context.Context, store metadata.Store, key string) (c Cluster, at metadata.Revision, ok bool, err error) {
	return read[Cluster](ctx, store, key)
}

// FindCluster returns the cluster of that name.
func FindCluster(ctx context.Context, store metadata.Store, s Scope, name string) (c Cluster, at metadata.Revision, ok bool, err error) {
	n, _, ok, err := read[ClusterName](ctx, store, s.ClusterNameKey(name))
	if err != nil || !ok {
		return Cluster{}, 0, false, err
	}
	return ReadCluster(ctx, store, s.ClusterKey(n.UUID))
}

// ListClusters returns all clusters of the scope, in no order that means anything.
func ListClusters(ctx context.Context, store metadata.Store, s Scope) ([]Cluster, error) {
	return list[Cluster](ctx, store, s.ClustersPrefix())
}

// ReadOperation returns an operation; ok is false if there is none.
func ReadOperation(ctx context.Context, store metadata.Store, key string) (o Operation, at metadata.Revision, ok bool, err error) {
	return read[Operation](ctx, store, key)
}

// ListOperations returns all operations of a cluster, in no order that means anything.
func ListOperations(ctx context.Context, store metadata.Store, s Scope, cluster string) ([]Operation, error) {
	return list[Operation](ctx, store, s.OperationsPrefix(cluster))
}

func read[T any](ctx context.Context, store metadata.Store, key string) (v T, at metadata.Revision, ok bool, err error) {
	kv, ok, err := store.Get(ctx, key)
	if err != nil {
		return v, 0, false, fmt.Errorf("read %s: %w", key, err)
	}
	if !ok {
		return v, 0, false, nil
	}
	v, err = metadata.Decode[T](kv)
	return v, kv.Modified, err == nil, err
}

func list[T any](ctx context.Context, store metadata.Store, prefix string) ([]T, error) {
	kvs, _, err := store.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	out := make([]T, 0, len(kvs))
	for _, kv := range kvs {
		v, err := metadata.Decode[T](kv)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
