package control

import (
	"context"
	"errors"
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

	// queued are the operations that wait, by id; those of the cluster's queue that exist.
	queued map[string]queued

	// properties is the cluster's server.properties, target what the update under way makes of them. When problem is set, they could not be
	// worked out, and it says why.
	properties, target map[string]string
	problem            error

	settings   *metadata.Settings // nil until they are first written
	settingsAt metadata.Revision
	balance    metadata.BalanceStatus                      // read only during updates, as what follows
	reports    map[metadata.BrokerID]metadata.BrokerReport // of brokers that report
	loads      map[metadata.BrokerID]metadata.BrokerLoad   // read only while a serverless cluster is ACTIVE
	registered map[metadata.BrokerID]bool                  // brokers that ever served
	scaling    *scaling                                    // read only while a cluster is ACTIVE; nil if it has none

	machines []machine // all that are registered; read only while there are brokers to place
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

type queued struct {
	at metadata.Revision
	op resource.Operation
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
	switch o.cluster.State {
	case resource.Failed:
		return o, true, nil // nothing is done until somebody deletes it
	case resource.Deleting:
	default:
		if err := o.readDesired(ctx, store); err != nil {
			return nil, false, err
		}
	}
	if o.placing() {
		if err := o.readMachines(ctx, store); err != nil {
			return nil, false, err
		}
		if o.cluster.State == resource.Creating {
			return o, true, nil
		}
	}
	for _, node := range o.cluster.Machines() {
		if err := o.readBrokers(ctx, store, node); err != nil {
			return nil, false, err
		}
	}
	if err := o.readSessions(ctx, store); err != nil {
		return nil, false, err
	}
	if o.cluster.State == resource.Updating {
		if err := o.readReports(ctx, store); err != nil {
			return nil, false, err
		}
	}
	if o.cluster.State == resource.Active && o.cluster.Kind() == metadata.Serverless {
		if err := o.readLoads(ctx, store); err != nil {
			return nil, false, err
		}
	}
	if o.cluster.State == resource.Active && o.cluster.VolumeGiB > 0 {
		if err := o.readScaling(ctx, store); err != nil {
			return nil, false, err
		}
	}
	return o, true, nil
}

// placing tells whether the next step is to find machines for brokers.
func (o *observation) placing() bool {
	switch o.cluster.State {
	case resource.Creating:
		return !o.cluster.Placed()
	case resource.Updating:
		return o.op != nil && o.op.Type == resource.OpIncreaseBrokers && o.op.Done(resource.StepInitialize) && !o.op.Done(resource.StepPlaceBrokers)
	default:
		return false
	}
}

// readDesired reads what the brokers are to be like, and what waits.
func (o *observation) readDesired(ctx context.Context, store metadata.Store) (err error) {
	c := &o.cluster
	o.properties, o.problem = resource.ReadProperties(ctx, store, c)
	if o.problem == nil && o.op != nil && o.op.Update != nil {
		after := c.Apply(o.op.Update.Target)
		o.target, o.problem = resource.ReadProperties(ctx, store, &after)
	}
	if errors.Is(o.problem, metadata.ErrUnavailable) {
		return o.problem
	}
	kv, ok, err := store.Get(ctx, metadata.SettingsKey(c.UUID))
	if err != nil {
		return fmt.Errorf("read the cluster's settings: %w", err)
	}
	if ok {
		v, err := metadata.Decode[metadata.Settings](kv)
		if err != nil {
			return err
		}
		o.settings, o.settingsAt = &v, kv.Modified
	}
	o.queued = make(map[string]queued)
	for _, id := range c.Queue {
		op, at, ok, err := resource.ReadOperation(ctx, store, c.Scope().OperationKey(c.UUID, id))
		if err != nil {
			return err
		}
		if ok {
			o.queued[id] = queued{at, op}
		}
	}
	return nil
}

// readReports reads what brokers and the balancer tell of themselves.
func (o *observation) readReports(ctx context.Context, store metadata.Store) error {
	c := o.cluster.UUID
	kv, ok, err := store.Get(ctx, metadata.BalanceStatusKey(c))
	if err != nil {
		return fmt.Errorf("read the balancer's status: %w", err)
	}
	if ok {
		if o.balance, err = metadata.Decode[metadata.BalanceStatus](kv); err != nil {
			return err
		}
	}
	kvs, _, err := store.List(ctx, metadata.BrokerReportPrefix(c))
	if err != nil {
		return fmt.Errorf("list broker reports: %w", err)
	}
	o.reports = make(map[metadata.BrokerID]metadata.BrokerReport)
	for _, kv := range kvs {
		id, err := brokerID(kv.Key)
		if err != nil {
			return err
		}
		if o.reports[id], err = metadata.Decode[metadata.BrokerReport](kv); err != nil {
			return err
		}
	}
	if kvs, _, err = store.List(ctx, metadata.ClusterPrefix(c)+"reg/"); err != nil {
		return fmt.Errorf("list registered brokers: %w", err)
	}
	o.registered = make(map[metadata.BrokerID]bool)
	for _, kv := range kvs {
		id, err := brokerID(kv.Key)
		if err != nil {
			return err
		}
		o.registered[id] = true
	}
	return nil
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
	return o.leftSince(o.stepStart(), timeout)
}

// leftSince is how much of timeout is left for what began then.
func (o *observation) leftSince(from time.Time, timeout time.Duration) time.Duration {
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
