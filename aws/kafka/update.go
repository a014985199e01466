package kafka

import (
	"context"
	"errors"
	"fmt"

	"weir/awsapi"
	gen "weir/awsapi/gen/kafka"
	"weir/control/resource"
	"weir/metadata"
)

// What all updates have in common: each is checked against the cluster as it is or, if it is queued, as it will be; what it changes is recorded as an
// operation, and package control does it.

// wanted is what an update asks for.
type wanted struct {
	operation resource.OperationType
	target    resource.Change
	// given and then go into the transaction that starts the operation: conditions on records that the target was checked against, and writes
	// that keep them.
	given []metadata.Cond
	then  []metadata.Op
}

// started is what the answer to an update says.
type started struct{ cluster, operation *string }

// update starts the operation that wants makes of the cluster which arn names. The cluster's state must allow the action, or the caller must have
// asked to queue and an operation must be under way; version must be the cluster's current one. When the cluster changes meanwhile, everything is
// checked again.
func (a *api) update(ctx context.Context, arn, version *string, action resource.Action, wants func(*resource.Cluster) (wanted, error)) (started, error) {
	for {
		c, at, err := a.cluster(ctx, arn)
		if err != nil {
			return started{}, err
		}
		as, queue, err := a.turn(ctx, &c, action)
		if err != nil {
			return started{}, err
		}
		if *version != c.CurrentVersion {
			return started{}, badRequest("currentVersion", "%s", textStaleVersion)
		}
		w, err := wants(&as)
		if err != nil {
			return started{}, err
		}
		op := resource.NewUpdate(w.operation, &as, w.target, awsapi.ScopeFrom(ctx).RequestID, a.now().UTC())
		txn, err := startOrQueue(c, at, op, queue, w.given...)
		if err != nil {
			return started{}, err
		}
		txn.Then = append(txn.Then, w.then...)
		_, err = a.store.Commit(ctx, txn)
		if err == nil {
			return started{new(c.ARN()), new(c.OperationARN(op.ID))}, nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return started{}, storeError(err)
		}
	}
}

// turn says what an update is to be checked against, and whether it has to wait: the cluster itself if its state allows the action, else, if the
// caller wants to wait, the cluster as it will be when the operations before this one are done.
func (a *api) turn(ctx context.Context, c *resource.Cluster, action resource.Action) (as resource.Cluster, queue bool, err error) {
	if c.State.Allows(action) {
		return *c, false, nil
	}
	if scaling, err := a.scaling(ctx, c); err != nil || scaling && action == resource.ActionDelete {
		return *c, false, err
	}
	// A cluster's end waits for nothing.
	if action == resource.ActionDelete || !c.State.CanQueue() || !awsapi.ScopeFrom(ctx).Queue {
		return resource.Cluster{}, false, refused(action, c.State)
	}
	if as, err = resource.ReadAhead(ctx, a.store, *c); err != nil {
		return resource.Cluster{}, false, storeError(err)
	}
	if !as.State.Allows(action) {
		return resource.Cluster{}, false, refused(action, as.State)
	}
	return as, true, nil
}

// startOrQueue is the transaction that starts op, or lets it wait.
func startOrQueue(c resource.Cluster, at metadata.Revision, op resource.Operation, queue bool, given ...metadata.Cond) (metadata.Txn, error) {
	if !queue {
		return resource.StartUpdateTxn(c, at, op, given...), nil
	}
	txn, err := resource.QueueTxn(c, at, op, given...)
	if errors.Is(err, resource.ErrQueueFull) {
		return txn, &gen.TooManyRequestsException{
			InvalidParameter: "clusterArn", Message: fmt.Sprintf("The cluster has %d operations waiting already. Try again later.", resource.QueueMax),
		}
	}
	return txn, err
}

// unchanged refuses an update of something to what it is. The service has this text for volumes; clients match its first sentence.
func unchanged(parameter, what string) error {
	return badRequest(parameter, "The request does not include any updates to %s of the cluster. Verify the request, then try again.", what)
}

// textSeveralKinds is the service's text for a request that changes two things which it changes one at a time.
const textSeveralKinds = "You can't update multiple attributes of the cluster in same request. Use a different request for each update."
