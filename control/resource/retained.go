package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"weir/metadata"
)

// How many of a cluster's operations that have ended are kept: the newest of those that the AWS APIs show, and of the others. MSK says of neither how
// long it keeps them.
const (
	OperationsKept       = 1000
	HiddenOperationsKept = 100
)

// Outdated returns those of a cluster's operations that are not kept any more, oldest first. One that has not ended, or that the cluster's record
// names, is kept in any case.
func Outdated(c *Cluster, all []Operation) []Operation {
	var shown, hidden []Operation
	for _, op := range all {
		switch {
		case op.Ended.IsZero(), op.ID == c.Operation, slices.Contains(c.Queue, op.ID):
		case c.Shows(op.Type):
			shown = append(shown, op)
		default:
			hidden = append(hidden, op)
		}
	}
	return slices.Concat(allButNewest(shown, OperationsKept), allButNewest(hidden, HiddenOperationsKept))
}

// allButNewest returns the operations but for the n newest, in the order in which they are listed from the end.
func allButNewest(ops []Operation, n int) []Operation {
	slices.SortFunc(ops, func(a, b Operation) int {
		if d := a.Created.Compare(b.Created); d != 0 {
			return d
		}
		return strings.Compare(b.ID, a.ID) // lists show the lower id first
	})
	return ops[:max(0, len(ops)-n)]
}

// collectedAtOnce is how many operations one transaction of CollectOperations removes.
const collectedAtOnce = 500

// CollectOperations removes the operations of a cluster that are not kept any more, and returns how many that were. What has ended never changes, so that
// nothing is lost to a call that comes in between.
func CollectOperations(ctx context.Context, store metadata.Store, key string) (int, error) {
	c, _, ok, err := ReadCluster(ctx, store, key)
	if err != nil || !ok { // the operations of a cluster go with it
		return 0, err
	}
	all, err := ListOperations(ctx, store, c.Scope(), c.UUID)
	if err != nil {
		return 0, err
	}
	old := Outdated(&c, all)
	for ops := range slices.Chunk(old, collectedAtOnce) {
		var txn metadata.Txn
		for i := range ops {
			txn.Then = append(txn.Then, metadata.Delete(ops[i].Key(c.Scope())))
		}
		if _, err := store.Commit(ctx, txn); err != nil {
			return 0, fmt.Errorf("collect operations of cluster %s: %w", c.Name, err)
		}
	}
	return len(old), nil
}
