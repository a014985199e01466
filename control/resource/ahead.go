package resource

import (
	"context"

	"weir/metadata"
)

// ReadAhead returns the cluster as it will be when the operation that is under way and those that wait for it are done: what a further operation that
// is to wait is checked against. Its state is the one that it will rest in then.
func ReadAhead(ctx context.Context, store metadata.Store, c Cluster) (Cluster, error) {
	for _, id := range append([]string{c.Operation}, c.Queue...) {
		op, _, ok, err := ReadOperation(ctx, store, c.Scope().OperationKey(c.UUID, id))
		if err != nil {
			return c, err
		}
		if ok && op.Update != nil {
			c = c.Apply(op.Update.Target)
		}
	}
	c.State = Active
	if c.Stopped {
		c.State = Maintenance
	}
	return c, nil
}

// CanQueue tells whether an operation may wait for what is going on with a cluster in the state.
func (s ClusterState) CanQueue() bool { return s == Updating || s == RebootingBroker }
