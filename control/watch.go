package control

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// watchAccounts enqueues clusters whose own records or operations changed, and keeps the index of clusters. It notes what is to be removed some time.
func (c *Controller) watchAccounts(ctx context.Context) error {
	return metadata.Follow(ctx, c.store, resource.AccountsPrefix, func(u metadata.Update) error {
		if u.Full {
			clear(c.changes)
		}
		for _, e := range u.Events {
			if _, uuid, ok := resource.ParseClusterKey(e.Key); ok {
				if err := c.index(uuid, e); err != nil {
					return err
				}
				c.queue.Enqueue(e.Key)
				if e.Deleted {
					delete(c.changes, e.Key)
				}
			}
			if s, cluster, _, ok := resource.ParseOperationKey(e.Key); ok && !e.Deleted {
				c.queue.Enqueue(s.ClusterKey(cluster))
				c.noteOperation(s.ClusterKey(cluster))
			}
			if _, _, ok := resource.ParseSecretKey(e.Key); ok && !e.Deleted {
				c.noteSecret(e)
			}
			if s, cluster, kind, ok := resource.ParseAttachedKey(e.Key); ok && resource.IsVolumeScaling(kind) && !e.Deleted {
				c.queue.Enqueue(s.ClusterKey(cluster))
			}
		}
		return nil
	})
}

// watchNodes enqueues the cluster of each changed broker spec or status, and all of them when a machine appears: one may be waiting
// for it.
func (c *Controller) watchNodes(ctx context.Context) error {
	return metadata.Follow(ctx, c.store, resource.NodesPrefix, func(u metadata.Update) error {
		for _, e := range u.Events {
			_, cluster, ok := resource.ParseNodeKey(e.Key)
			switch {
			case !ok:
			case cluster == "":
				c.enqueueAll()
			default:
				c.enqueue(cluster, false)
			}
		}
		return nil
	})
}

// Bounds of the pause after a lost watch.
const (
	rewatchMin = 20 * time.Millisecond
	rewatchMax = 2 * time.Second
)

// watchSessions enqueues the cluster of each changed broker session, and of each report while it is being updated. It does not use metadata.Follow: that lists everything under
// the prefix, which is all topics of all clusters, to learn of a few sessions that reconciling reads anyway.
func (c *Controller) watchSessions(ctx context.Context) error {
	pause := rewatchMin
	for ctx.Err() == nil {
		if c.watchSessionsOnce(ctx) {
			pause = rewatchMin
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause/2)): //nolint:gosec // jitter is no secret
		}
		pause = min(2*pause, rewatchMax)
	}
	return ctx.Err()
}

// watchSessionsOnce watches until the watch is lost. It tells whether there was a watch at all.
func (c *Controller) watchSessionsOnce(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	prefix := metadata.ClusterPrefix("")
	prefix = strings.TrimSuffix(prefix, "/") // ClusterPrefix of no cluster ends in two slashes
	watched := false
	for b := range c.store.Watch(ctx, prefix, 0) {
		if !watched && b.Err == nil {
			watched = true
			c.enqueueAll() // whatever happened before is seen by looking
		}
		for _, e := range b.Events {
			cluster, kind, _ := strings.Cut(strings.TrimPrefix(e.Key, prefix), "/")
			switch {
			case strings.HasPrefix(kind, "sess/"):
				c.enqueue(cluster, false)
			case strings.HasPrefix(kind, "report/"), kind == "balance":
				c.enqueue(cluster, true) // they change all the time, and matter to updates only
			}
		}
	}
	return watched
}

// indexed is what the controller remembers of a cluster.
type indexed struct {
	key      string // of its record
	updating bool
}

func (c *Controller) index(uuid string, e metadata.Event) error {
	var v indexed
	if !e.Deleted {
		record, err := metadata.Decode[resource.Cluster](e.KV)
		if err != nil {
			return err
		}
		v = indexed{e.Key, record.State == resource.Updating}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Deleted {
		delete(c.clusters, uuid)
	} else {
		c.clusters[uuid] = v
	}
	return nil
}

// enqueue asks for a cluster by uuid, or only if it is being updated. One that is not in the index yet is enqueued when its record comes by.
func (c *Controller) enqueue(uuid string, updating bool) {
	c.mu.Lock()
	v := c.clusters[uuid]
	c.mu.Unlock()
	if v.key != "" && (v.updating || !updating) {
		c.queue.Enqueue(v.key)
	}
}

func (c *Controller) enqueueAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.clusters {
		c.queue.Enqueue(v.key)
	}
}
