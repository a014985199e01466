package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// fleet plays one machine's node and its brokers: it follows the machine's specs and answers in statuses and sessions, as the real ones do.
type fleet struct {
	node  string
	store metadata.Store
	// broken brokers exit as soon as they are started, with this reason.
	broken func(b metadata.BrokerID) string
	// startsIn is the time from a start to Ready.
	startsIn time.Duration

	wg      sync.WaitGroup
	mu      sync.Mutex
	brokers map[string]*fakeBroker // spec key ->
	starts  map[string]int         // how often each was started
}

type fakeBroker struct {
	spec  resource.BrokerSpec
	lease metadata.LeaseID
}

const (
	fakeStart = 5 * time.Millisecond // from process start to Ready
	fakeTTL   = 10 * time.Second
)

func newFleet(node string, store metadata.Store) *fleet {
	return &fleet{
		node: node, store: store, startsIn: fakeStart,
		brokers: make(map[string]*fakeBroker), starts: make(map[string]int),
		broken: func(metadata.BrokerID) string { return "" },
	}
}

// run registers the machine and works until ctx ends.
func (f *fleet) run(ctx context.Context) error {
	n := resource.Node{ID: f.node, VCPU: 2, Memory: 8 << 30, Started: time.Now()}
	if _, err := f.store.Commit(ctx, metadata.Txn{Then: []metadata.Op{
		metadata.Put(resource.NodeKey(f.node), metadata.Encode(n)),
	}}); err != nil {
		return err
	}
	defer f.wg.Wait()
	return metadata.Follow(ctx, f.store, metadata.NodePrefix(f.node)+"spec/", func(u metadata.Update) error {
		for _, e := range u.Events {
			if err := f.apply(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *fleet) apply(ctx context.Context, e metadata.Event) error {
	have := f.brokers[e.Key]
	if e.Deleted {
		if have != nil {
			delete(f.brokers, e.Key)
			f.stop(ctx, have)
		}
		f.commit(ctx, metadata.Delete(strings.Replace(e.Key, "/spec/", "/status/", 1)))
		return nil
	}
	spec, err := metadata.Decode[resource.BrokerSpec](e.KV)
	if err != nil {
		return err
	}
	if have != nil && have.spec.Restart == spec.Restart {
		return nil
	}
	if have != nil {
		f.stop(ctx, have)
	}
	b := &fakeBroker{spec: spec}
	f.brokers[e.Key] = b
	return f.start(ctx, e.Key, b)
}

func (f *fleet) start(ctx context.Context, key string, b *fakeBroker) error {
	f.mu.Lock()
	f.starts[key]++
	f.mu.Unlock()
	if why := f.broken(b.spec.Broker); why != "" {
		f.report(ctx, b, resource.BrokerBackOff, why)
		return nil
	}
	f.report(ctx, b, resource.BrokerStarting, "")
	id, err := f.store.Grant(ctx, fakeTTL)
	if err != nil {
		return err
	}
	b.lease = id
	f.wg.Go(func() { f.serve(ctx, b) })
	return nil
}

// serve is the broker process: it registers, becomes ready, and keeps its lease until that is revoked.
func (f *fleet) serve(ctx context.Context, b *fakeBroker) {
	session := metadata.Session{
		Broker: b.spec.Broker, Rack: b.spec.Rack, Started: time.Now(),
		Endpoints: []metadata.Endpoint{{Name: "CLIENT", Host: fmt.Sprintf("127.0.1.%d", b.spec.Broker), Port: 9092}},
	}
	key := metadata.SessionKey(b.spec.Cluster, b.spec.Broker)
	put := func() {
		f.commit(ctx, metadata.PutLeased(key, metadata.Encode(session), b.lease))
	}
	put()
	select {
	case <-ctx.Done():
		return
	case <-time.After(f.startsIn):
	}
	session.Ready = true
	put()
	f.report(ctx, b, resource.BrokerRunning, "")
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(fakeTTL / 3):
		}
		if f.store.KeepAlive(ctx, b.lease) != nil {
			return
		}
	}
}

func (f *fleet) stop(ctx context.Context, b *fakeBroker) {
	if b.lease != 0 {
		_ = f.store.Revoke(ctx, b.lease) // gone already is as good
	}
}

func (f *fleet) report(ctx context.Context, b *fakeBroker, s resource.BrokerProcessState, exit string) {
	st := resource.BrokerStatus{
		State: s, Address: fmt.Sprintf("127.0.1.%d", b.spec.Broker), Port: 9092,
		Restart: b.spec.Restart, LastExit: exit, Since: time.Now(),
	}
	id := fmt.Sprint(b.spec.Broker)
	spec := resource.BrokerSpecKey(f.node, b.spec.Cluster, id)
	kv, ok, err := f.store.Get(ctx, spec)
	if err != nil || !ok {
		return // the broker is being removed: its status must not come back
	}
	_, _ = f.store.Commit(ctx, metadata.Txn{
		If:   []metadata.Cond{{Key: spec, Modified: kv.Modified}},
		Then: []metadata.Op{metadata.Put(resource.BrokerStatusKey(f.node, b.spec.Cluster, id), metadata.Encode(st))},
	})
}

func (f *fleet) commit(ctx context.Context, op metadata.Op) {
	_, _ = f.store.Commit(ctx, metadata.Txn{Then: []metadata.Op{op}}) // a lost lease or the test's end: nothing to do
}

// caller plays the AWS face.
type caller struct {
	store metadata.Store
	scope resource.Scope
}

func newCluster(scope resource.Scope, name string, brokers int) resource.Cluster {
	id, kafkaID := resource.NewClusterUUID()
	var subnets []resource.ClientSubnet
	for i, z := range resource.Zones(scope.Region) {
		subnets = append(subnets, resource.ClientSubnet{ID: fmt.Sprintf("subnet-%d", i), VPC: "vpc-1", Zone: z.Name, ZoneID: z.ID})
	}
	return resource.Cluster{
		UUID: id, Name: name, Account: scope.Account, Region: scope.Region, Created: time.Now(), KafkaID: kafkaID,
		KafkaVersion: "3.9.x", InstanceType: "kafka.m7g.large", Brokers: brokers, Subnets: subnets,
		CurrentVersion: resource.NewVersion(), Nodes: resource.NewNodes(brokers, subnets, time.Now()),
	}
}

func (c caller) create(ctx context.Context, name string, brokers int) (string, error) {
	cl := newCluster(c.scope, name, brokers)
	op := resource.NewOperation(resource.OpCreate, cl.UUID, "req", time.Now())
	_, err := c.store.Commit(ctx, resource.CreateTxn(cl, op))
	return cl.Key(), err
}

// begin starts an operation on a cluster in its present state.
func (c caller) begin(ctx context.Context, key string, state resource.ClusterState, op func(resource.Cluster) resource.Operation) (
	resource.Operation, error,
) {
	for {
		cl, at, ok, err := resource.ReadCluster(ctx, c.store, key)
		if err != nil || !ok {
			return resource.Operation{}, errors.Join(err, errors.New("no cluster"))
		}
		o := op(cl)
		_, err = c.store.Commit(ctx, resource.StartTxn(cl, at, state, o))
		if !errors.Is(err, metadata.ErrConflict) {
			return o, err
		}
	}
}

func (c caller) reboot(ctx context.Context, key string, b metadata.BrokerID) (resource.Operation, error) {
	return c.begin(ctx, key, resource.RebootingBroker, func(cl resource.Cluster) resource.Operation {
		o := resource.NewOperation(resource.OpReboot, cl.UUID, "req", time.Now())
		o.Reboot = &resource.Reboot{Broker: b}
		return o
	})
}

func (c caller) delete(ctx context.Context, key string) error {
	_, err := c.begin(ctx, key, resource.Deleting, func(cl resource.Cluster) resource.Operation {
		return resource.NewOperation(resource.OpDelete, cl.UUID, "req", time.Now())
	})
	return err
}

// in waits until the cluster is in the given state; "" means gone.
func (c caller) in(ctx context.Context, t *testing.T, key string, state resource.ClusterState) resource.Cluster {
	t.Helper()
	cl, err := resource.Await(ctx, c.store, key, func(c resource.Cluster, ok bool) bool {
		return ok && c.State == state || !ok && state == ""
	})
	if err != nil {
		t.Fatalf("waiting for state %q: %v", state, err)
	}
	return cl
}
