package control

import (
	"cmp"
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
	// breaks tells the same of brokers of a spec.
	breaks func(s resource.BrokerSpec) string
	// refuses tells why a broker of that spec cannot take over from the one that runs; "" if it can.
	refuses func(s resource.BrokerSpec) string
	// startsIn is the time from a start to Ready.
	startsIn time.Duration
	stuck    bool  // the balancer moves nothing
	busy     bool  // the node ends no broker
	used     int64 // bytes on each volume
	// deaf brokers do not report that they follow settings.
	deaf bool

	wg      sync.WaitGroup
	mu      sync.Mutex
	brokers map[string]*fakeBroker // spec key ->
	starts  map[string]int         // how often each was started
}

type fakeBroker struct {
	spec             resource.BrokerSpec
	running, refused int64 // BrokerSpec.Restart
	lease            metadata.LeaseID
	down             time.Time
}

const (
	fakeStart = 5 * time.Millisecond // from process start to Ready
	fakeTTL   = 10 * time.Second
)

func newFleet(node string, store metadata.Store) *fleet {
	return &fleet{
		node: node, store: store, startsIn: fakeStart,
		brokers: make(map[string]*fakeBroker), starts: make(map[string]int),
		broken:  func(metadata.BrokerID) string { return "" },
		breaks:  func(resource.BrokerSpec) string { return "" },
		refuses: func(resource.BrokerSpec) string { return "" },
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
	if e.Deleted && f.busy {
		return nil
	}
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
	switch {
	case spec.Stopped && f.busy:
		return nil
	case have == nil:
		have = &fakeBroker{spec: spec}
		f.brokers[e.Key] = have
	case spec.Stopped != have.spec.Stopped, spec.Replace != have.spec.Replace:
		f.stop(ctx, have)
	case !spec.TakeOver.Equal(have.spec.TakeOver):
		have.spec = spec
		f.report(ctx, have, resource.BrokerBackOff, cmp.Or(f.broken(spec.Broker), f.breaks(spec)))
		return nil
	case spec.Restart != have.running:
		if why := f.refuses(spec); why != "" {
			have.spec, have.refused = spec, spec.Restart
			f.report(ctx, have, resource.BrokerRunning, why)
			return nil
		}
		f.stop(ctx, have)
	default:
		have.spec = spec
		return nil
	}
	have.spec, have.running = spec, spec.Restart
	if spec.Stopped {
		f.report(ctx, have, resource.BrokerStopped, "")
		return nil
	}
	return f.start(ctx, e.Key, have)
}

func (f *fleet) start(ctx context.Context, key string, b *fakeBroker) error {
	f.mu.Lock()
	f.starts[key]++
	f.mu.Unlock()
	if why := cmp.Or(f.broken(b.spec.Broker), f.breaks(b.spec)); why != "" {
		if b.down.IsZero() {
			b.down = time.Now().UTC()
		}
		f.report(ctx, b, resource.BrokerBackOff, why)
		return nil
	}
	b.down = time.Time{}
	f.report(ctx, b, resource.BrokerStarting, "")
	id, err := f.store.Grant(ctx, fakeTTL)
	if err != nil {
		return err
	}
	b.lease = id
	now := *b
	f.wg.Go(func() { f.serve(ctx, &now) })
	return nil
}

// serve is the broker process: it registers, becomes ready, and keeps its lease until that is revoked.
func (f *fleet) serve(ctx context.Context, b *fakeBroker) {
	session := metadata.Session{
		Broker: b.spec.Broker, Rack: b.spec.Rack, Started: time.Now(),
		Endpoints: []metadata.Endpoint{{Name: "CLIENT", Host: fmt.Sprintf("127.0.1.%d", b.spec.Broker), Port: 9092}},
	}
	key := metadata.SessionKey(b.spec.Cluster, b.spec.Broker)
	put := func(more ...metadata.Op) {
		f.commit(ctx, append(more, metadata.PutLeased(key, metadata.Encode(session), b.lease))...)
	}
	put()
	select {
	case <-ctx.Done():
		return
	case <-time.After(f.startsIn):
	}
	session.Ready = true
	// In one transaction, which fails when the lease is gone: what a removed cluster had must not come back.
	put(metadata.Put(metadata.RegistrationKey(b.spec.Cluster, b.spec.Broker), metadata.Encode(metadata.Registration{Broker: b.spec.Broker})))
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
		b.lease = 0
	}
}

func (f *fleet) report(ctx context.Context, b *fakeBroker, s resource.BrokerProcessState, exit string) {
	st := resource.BrokerStatus{
		State: s, Address: fmt.Sprintf("127.0.1.%d", b.spec.Broker), Port: 9092,
		Restart: b.running, Refused: b.refused, Replaced: b.spec.Replace, LastExit: exit, Since: time.Now(), Down: b.down,
	}
	if b.spec.Recovers(&st) {
		st.TakenOver = b.down
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

func (f *fleet) commit(ctx context.Context, ops ...metadata.Op) {
	_, _ = f.store.Commit(ctx, metadata.Txn{Then: ops}) // a lost lease or the test's end: nothing to do
}

// follow plays brokers that follow the cluster's settings, and its balancer, which moves two partitions off or onto each broker.
func (f *fleet) follow(ctx context.Context, cluster string) error {
	key := metadata.SettingsKey(cluster)
	status := metadata.BalanceStatus{}
	return metadata.Follow(ctx, f.store, key, func(u metadata.Update) error {
		for _, e := range u.Events {
			if e.Key != key || e.Deleted {
				continue
			}
			v, err := metadata.Decode[metadata.Settings](e.KV)
			if err != nil {
				return err
			}
			put := func() {
				f.commitIf(ctx, key, metadata.Put(metadata.BalanceStatusKey(cluster), metadata.Encode(status)))
			}
			status.Settings = v.Number
			if todo := len(v.Balance.Drain) + int(v.Balance.Spread-status.Spread); todo > 0 && !f.stuck {
				for status.Remaining = 2 * todo; status.Remaining > 0; status.Remaining-- {
					put()
					<-time.After(2 * time.Second)
				}
			}
			if !f.stuck {
				status.Drained, status.Spread = v.Balance.Drain, v.Balance.Spread
			}
			put()
			for b := metadata.BrokerID(1); b <= 3 && !f.deaf; b++ {
				f.commitIf(ctx, key, metadata.Put(metadata.BrokerReportKey(cluster, b), metadata.Encode(metadata.BrokerReport{Settings: v.Number, UsedBytes: f.used})))
			}
		}
		return nil
	})
}

// commitIf commits op if the key exists: what a removed cluster had must not come back.
func (f *fleet) commitIf(ctx context.Context, key string, op metadata.Op) {
	kv, ok, err := f.store.Get(ctx, key)
	if err != nil || !ok {
		return
	}
	_, _ = f.store.Commit(ctx, metadata.Txn{If: []metadata.Cond{{Key: key, Modified: kv.Modified}}, Then: []metadata.Op{op}})
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

// update starts an update of the given type.
func (c caller) update(ctx context.Context, key string, t resource.OperationType, target resource.Change) (resource.Operation, error) {
	return c.begin(ctx, key, resource.Updating, func(cl resource.Cluster) resource.Operation {
		return resource.NewUpdate(t, &cl, target, "req", time.Now())
	})
}

// queue lets an operation wait.
func (c caller) queue(ctx context.Context, key string, op func(resource.Cluster) resource.Operation) (resource.Operation, error) {
	for {
		cl, at, ok, err := resource.ReadCluster(ctx, c.store, key)
		if err != nil || !ok {
			return resource.Operation{}, errors.Join(err, errors.New("no cluster"))
		}
		o := op(cl)
		txn, err := resource.QueueTxn(cl, at, o)
		if err != nil {
			return o, err
		}
		if _, err = c.store.Commit(ctx, txn); !errors.Is(err, metadata.ErrConflict) {
			return o, err
		}
	}
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
