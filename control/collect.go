package control

import (
	"context"
	"time"

	"weir/control/reconcile"
	"weir/control/resource"
	"weir/metadata"
)

// What nobody asks to be removed and would stay for ever: operations of clusters that ended long ago, and secrets whose recovery window has passed.

// collectEvery is how many changes of a cluster's operations there are between two looks for old ones. More than what is kept, and as many again, are never
// there.
const collectEvery = 100

// noteOperation counts a change of an operation of the cluster under key, and asks for a look when there were enough. Only watchAccounts calls it.
func (c *Controller) noteOperation(key string) {
	c.changes[key]++
	if c.changes[key] >= collectEvery {
		c.changes[key] = 0
		c.outdated.Enqueue(key)
	}
}

// collect removes the old operations of the cluster under key.
func (c *Controller) collect(ctx context.Context, key string) (reconcile.Result, error) {
	n, err := resource.CollectOperations(ctx, c.store, key)
	if n > 0 {
		c.log.Info("old operations removed", "cluster", key, "operations", n)
	}
	return reconcile.Result{}, err
}

// eraseLook is the longest time between two looks at a secret that is to be erased: timers stand still while a machine sleeps.
const eraseLook = time.Hour

// noteSecret asks for a look at a secret that is to be erased some time, or that cannot be read.
func (c *Controller) noteSecret(e metadata.Event) {
	if v, err := metadata.Decode[resource.Secret](e.KV); err != nil || !v.PurgeAt.IsZero() {
		c.erasing.Enqueue(e.Key)
	}
}

// erase removes the secret under key, values and all, if its recovery window has passed, or comes back when it has.
func (c *Controller) erase(ctx context.Context, key string) (reconcile.Result, error) {
	left, erased, err := resource.EraseSecret(ctx, c.store, key, time.Now())
	if erased {
		c.log.Info("deleted secret erased", "key", key)
	}
	return reconcile.Result{RequeueAfter: min(left, eraseLook)}, err
}
