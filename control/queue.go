package control

import (
	"slices"

	"weir/control/resource"
	"weir/metadata"
)

// end makes a step that ends the operation of the cluster, which is c from then on, and begins the next that waits, all in one transaction: there
// is no moment at which a cluster with a queue can be taken by somebody else. A waiting operation that makes no sense any more ends as failed, and
// the one after it gets its chance. In a state in which nothing may begin, such as HEALING, they go on waiting. op is the ended operation, or nil.
func (o *observation) end(name stepName, c resource.Cluster, op *resource.Operation, then ...metadata.Op) *step {
	c.Operation = ""
	if op != nil {
		c.Took = op.Measured(c.Took)
	}
	var ops []queued
	if c.State == resource.Active || c.State == resource.Maintenance {
		c, ops = o.dequeue(c)
	}
	s := o.commit(name, c, op, then...)
	for _, q := range ops {
		key := q.op.Key(c.Scope())
		s.txn.If = append(s.txn.If, metadata.Cond{Key: key, Modified: q.at})
		s.txn.Then = append(s.txn.Then, metadata.Put(key, metadata.Encode(q.op)))
	}
	return s
}

// dequeue takes operations from the cluster's queue until one can begin, and begins it. It returns those operations as they are then.
func (o *observation) dequeue(c resource.Cluster) (resource.Cluster, []queued) {
	var ops []queued
	for len(c.Queue) > 0 && c.Operation == "" {
		q, ok := o.queued[c.Queue[0]]
		c.Queue = slices.Clone(c.Queue[1:])
		if !ok {
			continue // its record is lost: nobody can ask for it
		}
		if why := q.op.Obstacle(&c); why != nil {
			q.op.Queued = false
			q.op = q.op.Fail(o.now, *why)
		} else {
			q.op = q.op.Begun(&c, o.now)
			c.State, c.StateInfo, c.Operation = q.op.Type.State(), nil, q.op.ID
		}
		ops = append(ops, q)
	}
	if len(c.Queue) == 0 {
		c.Queue = nil
	}
	return c, ops
}
