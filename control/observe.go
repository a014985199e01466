package control

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// observation is everything that plan looks at. It is read anew for every step.
type observation struct {
	now     time.Time
	started time.Time // when the controller started

	cluster   resource.Cluster
	clusterAt metadata.Revision
	op        *resource.Operation // the cluster's operation, or nil
	opAt      metadata.Revision

	machines []machine // all that are registered; read only while the cluster is not placed
	specs    map[metadata.BrokerID]spec
	statuses map[metadata.BrokerID]resource.BrokerStatus
	sessions map[metadata.BrokerID]session
}

type machine struct {
	node    resource.Node
	brokers int // of any cluster
}

type spec struct {
	key   string
	at    metadata.Revision
	value resource.BrokerSpec
}

type session struct {
	metadata.Session
	incarnation metadata.Revision // creation revision of its key
}

// observe reads what concerns the cluster under key; ok is false if it does not exist.
func observe(ctx context.Context, store metadata.Store, key string) (o *observation, ok bool, err error) {
	o = &observation{
		specs:    make(map[metadata.BrokerID]spec),
		statuses: make(map[metadata.BrokerID]resource.BrokerStatus),
		sessions: make(map[metadata.BrokerID]session),
	}
	o.cluster, o.clusterAt, ok, err = resource.ReadCluster(ctx, store, key)
	if err != nil || !ok {
		return nil, false, err
	}
	if err := o.readOperation(ctx, store); err != nil {
		return nil, false, err
	}
	if o.cluster.State == resource.Failed {
		return o, true, nil // nothing is done until somebody deletes it
	}
	if o.cluster.State == resource.Creating && !o.cluster.Placed() {
		if err := o.readMachines(ctx, store); err != nil {
			return nil, false, err
		}
		return o, true, nil
	}
	for _, node := range o.cluster.Machines() {
		if err := o.readBrokers(ctx, store, node); err != nil {
			return nil, false, err
		}
	}
	if err := o.readSessions(ctx, store); err != nil {
		return nil, false, err
	}
	return o, true, nil
}

func (o *observation) readOperation(ctx context.Context, store metadata.Store) error {
	if o.cluster.Operation == "" {
		return nil
	}
	op, at, ok, err := resource.ReadOperation(ctx, store, o.cluster.Scope().OperationKey(o.cluster.UUID, o.cluster.Operation))
	if err == nil && ok {
		o.op, o.opAt = &op, at
	}
	return err
}

// readMachines reads the registered machines and how many brokers each is to run.
func (o *observation) readMachines(ctx context.Context, store metadata.Store) error {
	kvs, _, err := store.List(ctx, resource.NodesPrefix)
	if err != nil {
		return fmt.Errorf("list machines: %w", err)
	}
	brokers := make(map[string]int)
	for _, kv := range kvs {
		node, cluster, ok := resource.ParseNodeKey(kv.Key)
		switch {
		case !ok:
		case cluster == "":
			n, err := metadata.Decode[resource.Node](kv)
			if err != nil {
				return err
			}
			n.ID = node
			o.machines = append(o.machines, machine{node: n})
		case strings.HasPrefix(kv.Key, resource.BrokerSpecPrefix(node, cluster)):
			brokers[node]++
		}
	}
	for i := range o.machines {
		o.machines[i].brokers = brokers[o.machines[i].node.ID]
	}
	return nil
}

// readBrokers reads the specs and statuses of the cluster's brokers on one machine.
func (o *observation) readBrokers(ctx context.Context, store metadata.Store, node string) error {
	kvs, _, err := store.List(ctx, resource.BrokerSpecPrefix(node, o.cluster.UUID))
	if err != nil {
		return fmt.Errorf("list broker specs: %w", err)
	}
	for _, kv := range kvs {
		v, err := metadata.Decode[resource.BrokerSpec](kv)
		if err != nil {
			return err
		}
		o.specs[v.Broker] = spec{kv.Key, kv.Modified, v}
	}
	kvs, _, err = store.List(ctx, resource.BrokerStatusPrefix(node, o.cluster.UUID))
	if err != nil {
		return fmt.Errorf("list broker statuses: %w", err)
	}
	for _, kv := range kvs {
		id, err := brokerID(kv.Key)
		if err != nil {
			return err
		}
		v, err := metadata.Decode[resource.BrokerStatus](kv)
		if err != nil {
			return err
		}
		o.statuses[id] = v
	}
	return nil
}

func (o *observation) readSessions(ctx context.Context, store metadata.Store) error {
	kvs, _, err := store.List(ctx, metadata.ClusterPrefix(o.cluster.UUID)+"sess/")
	if err != nil {
		return fmt.Errorf("list broker sessions: %w", err)
	}
	for _, kv := range kvs {
		v, err := metadata.Decode[metadata.Session](kv)
		if err != nil {
			return err
		}
		o.sessions[v.Broker] = session{v, kv.Created}
	}
	return nil
}

func brokerID(key string) (metadata.BrokerID, error) {
	n, err := strconv.ParseInt(metadata.LastSegment(key), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("key %s: its last part is no broker id: %w", key, err)
	}
	return metadata.BrokerID(n), nil
}

// stepStart is when what is under way began.
func (o *observation) stepStart() time.Time {
	if o.op == nil {
		return o.now
	}
	return o.op.Current()
}

// left is how much of timeout is left for the step that is under way.
func (o *observation) left(timeout time.Duration) time.Duration {
	from := o.stepStart()
	if o.started.After(from) {
		from = o.started
	}
	return from.Add(timeout).Sub(o.now)
}

// serving tells whether the broker has recovered its log and its listeners answer.
func (o *observation) serving(id metadata.BrokerID) bool {
	s, ok := o.sessions[id]
	return ok && s.Ready
}
