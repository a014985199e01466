package weir

import (
	"context"
	"errors"
	"net/http"

	"weir/awsapi"
	gen "weir/awsapi/gen/weir"
	"weir/control/resource"
	"weir/metadata"
)

// stopCluster ends the brokers' processes. Records, addresses, configuration and everything else stay.
func (a *api) stopCluster(ctx context.Context, in *gen.StopClusterInput) (*gen.StopClusterOutput, error) {
	c, operation, err := a.change(ctx, in.ClusterArn, in.CurrentVersion, resource.OpStop)
	if err != nil {
		return nil, err
	}
	return &gen.StopClusterOutput{ClusterArn: new(c.ARN()), ClusterOperationArn: operation, State: gen.ClusterState(c.State)}, nil
}

// startCluster brings the brokers of a stopped cluster back.
func (a *api) startCluster(ctx context.Context, in *gen.StartClusterInput) (*gen.StartClusterOutput, error) {
	c, operation, err := a.change(ctx, in.ClusterArn, in.CurrentVersion, resource.OpStart)
	if err != nil {
		return nil, err
	}
	return &gen.StartClusterOutput{ClusterArn: new(c.ARN()), ClusterOperationArn: operation, State: gen.ClusterState(c.State)}, nil
}

// change starts the operation, or lets it wait if the caller wants that and another one is under way. It returns the cluster in the state that the call
// put it into. The version is checked if it is given.
func (a *api) change(ctx context.Context, arn, version *string, t resource.OperationType) (resource.Cluster, *string, error) {
	ref, ok := resource.ParseClusterARN(*arn)
	if !ok {
		return resource.Cluster{}, nil, badRequest("clusterArn", "%q is not the ARN of a cluster.", *arn)
	}
	scope := awsapi.ScopeFrom(ctx)
	for {
		c, at, err := a.cluster(ctx, ref, "clusterArn")
		if err != nil {
			return c, nil, err
		}
		if c.ARN() != *arn {
			return c, nil, notFound("clusterArn")
		}
		as, queue := c, false
		if !c.State.Allows(t.Action()) && c.State.CanQueue() && scope.Queue {
			if as, err = resource.ReadAhead(ctx, a.store, c); err != nil {
				return c, nil, storeError(err)
			}
			queue = true
		}
		if !as.State.Allows(t.Action()) {
			return c, nil, badRequest("clusterArn", "You can't %s a cluster in %s state.", t.Action(), as.State)
		}
		if version != nil && *version != c.CurrentVersion {
			return c, nil, badRequest("currentVersion", "%s", textStaleVersion)
		}
		op := resource.NewUpdate(t, &as, resource.Change{Stopped: new(t == resource.OpStop)}, scope.RequestID, a.now().UTC())
		var txn metadata.Txn
		if queue {
			txn, err = resource.QueueTxn(c, at, op)
		} else {
			txn = resource.StartUpdateTxn(c, at, op)
			c.State = t.State()
		}
		if err == nil {
			_, err = a.store.Commit(ctx, txn)
		}
		switch {
		case errors.Is(err, resource.ErrQueueFull):
			return c, nil, awsapi.NewFault(http.StatusTooManyRequests, "TooManyRequestsException",
				"The cluster has %d operations waiting already. Try again later.", resource.QueueMax)
		case errors.Is(err, metadata.ErrConflict): // the cluster changed meanwhile: look again
		case err != nil:
			return c, nil, storeError(err)
		default:
			return c, new(c.OperationARN(op.ID)), nil
		}
	}
}
