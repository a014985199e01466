package control

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

func TestServerlessBrokers(t *testing.T) {
	const old, young = time.Hour, time.Minute
	each := func(n int, l metadata.BrokerLoad) []metadata.BrokerLoad {
		out := make([]metadata.BrokerLoad, n)
		for i := range out {
			out[i] = l
		}
		return out
	}
	tests := []struct {
		name   string
		n      int
		loads  []metadata.BrokerLoad
		newest time.Duration
		want   int
	}{
		{"nothing is known", 3, nil, old, 3},
		{"nobody is there", 3, each(3, metadata.BrokerLoad{}), old, 3},
		{"a little", 3, each(3, metadata.BrokerLoad{In: 10e6, Out: 20e6, Leaders: 100}), old, 3},
		{"much comes", 3, each(3, metadata.BrokerLoad{In: 20e6}), young, 4},
		{"much goes", 3, each(3, metadata.BrokerLoad{Out: 60e6}), young, 6},
		{"many partitions", 3, each(3, metadata.BrokerLoad{Leaders: 300}), young, 5},
		{"one is full, which is for the balancer", 3, []metadata.BrokerLoad{{In: 40e6}, {}, {}}, young, 3},
		{"all that the quotas allow", 3, each(3, metadata.BrokerLoad{In: 67e6, Out: 134e6}), old, 9},
		{"more than there may be", 9, each(9, metadata.BrokerLoad{In: 60e6}), old, 9},
		{"one does not say, and the others are full", 4, each(3, metadata.BrokerLoad{In: 30e6}), old, 6},
		{"less", 6, each(6, metadata.BrokerLoad{In: 5e6}), old, 5},
		{"less, but for a short time only", 6, each(6, metadata.BrokerLoad{In: 5e6, InLong: 15e6}), old, 6},
		{"less, but it has just grown", 6, each(6, metadata.BrokerLoad{In: 5e6}), young, 6},
		{"less, but one does not say", 6, each(5, metadata.BrokerLoad{In: 5e6}), old, 6},
		{"nothing is left", 9, each(9, metadata.BrokerLoad{}), old, 8},
		{"the least", 3, each(3, metadata.BrokerLoad{}), old, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := serverlessBrokers(tt.n, tt.loads, tt.newest); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// Whatever the load is, the number of brokers comes to rest, and does not move again while the load stays the same.
func TestServerlessBrokersComeToRest(t *testing.T) {
	for total := 0.0; total <= 250e6; total += 1e6 {
		for start := resource.ServerlessBrokersMin; start <= resource.ServerlessBrokersMax; start++ {
			n, moves := start, 0
			rising, falling := false, false
			for range 20 {
				loads := make([]metadata.BrokerLoad, n)
				for i := range loads {
					loads[i] = metadata.BrokerLoad{In: total / float64(n), InLong: total / float64(n)}
				}
				next := serverlessBrokers(n, loads, time.Hour)
				rising, falling = rising || next > n, falling || next < n
				if next != n {
					moves++
				}
				n = next
			}
			if rising && falling || moves > resource.ServerlessBrokersMax {
				t.Fatalf("%.0f bytes a second from %d brokers: %d moves, to and fro %v", total, start, moves, rising && falling)
			}
		}
	}
}

// A serverless cluster grows and shrinks by itself, through the same steps as one whose caller asks for it.
func TestServerlessClusterFollowsItsLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		w.startControl(t, w.store)
		c := newCluster(w.scope, "orders", resource.ServerlessBrokersMin)
		c.Type, c.Rebalancing = metadata.Serverless, resource.RebalancingActive
		op := resource.NewOperation(resource.OpCreate, c.UUID, "req", time.Now())
		if _, err := w.store.Commit(w.ctx, resource.CreateTxn(c, op)); err != nil {
			t.Fatal(err)
		}
		w.bg.Go(func() { _ = w.fleet.follow(w.ctx, c.UUID) })
		w.in(w.ctx, t, c.Key(), resource.Active)

		load := func(brokers int, total float64) {
			t.Helper()
			var ops []metadata.Op
			for i := range brokers {
				each := total / float64(brokers)
				ops = append(ops, metadata.Put(metadata.BrokerLoadKey(c.UUID, metadata.BrokerID(i+1)), metadata.Encode(metadata.BrokerLoad{In: each, InLong: each})))
			}
			if _, err := w.store.Commit(w.ctx, metadata.Txn{Then: ops}); err != nil {
				t.Fatal(err)
			}
		}
		settled := func(brokers int) resource.Cluster {
			t.Helper()
			is, err := resource.Await(w.ctx, w.store, c.Key(), func(c resource.Cluster, _ bool) bool {
				return c.State == resource.Active && len(c.Nodes) == brokers
			})
			if err != nil {
				t.Fatal(err)
			}
			return is
		}
		load(3, 90e6)
		grown := settled(6)
		if grown.Brokers != 6 || !w.settings(t, c.UUID).Balance.Active || w.settings(t, c.UUID).Balance.Spread == 0 {
			t.Errorf("grown: %+v, settings %+v", grown, w.settings(t, c.UUID))
		}
		began := time.Now()
		load(6, 0)
		settled(3)
		if past := time.Since(began); past < serverlessRest-time.Minute {
			t.Errorf("it shrank after %v", past)
		}
		kvs, _, err := w.store.List(w.ctx, metadata.BrokerLoadPrefix(c.UUID))
		if err != nil || len(kvs) != 3 {
			t.Errorf("%d loads are left, %v", len(kvs), err)
		}
		ops, err := resource.ListOperations(w.ctx, w.store, w.scope, c.UUID)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range ops {
			if op.Error != nil || op.Ended.IsZero() || op.Type != resource.OpCreate && !c.Scales(op.Type) {
				t.Errorf("operation %+v", op)
			}
		}
		if want := fmt.Sprint(resource.OpIncreaseBrokers); len(ops) != 5 {
			t.Errorf("%d operations, want the creation, one %s and three that shrink", len(ops), want)
		}
	})
}

// A provisioned cluster has as many brokers as its caller wants.
func TestProvisionedClusterDoesNotScale(t *testing.T) {
	o := situation(t, resource.Active, "")
	o.loads = map[metadata.BrokerID]metadata.BrokerLoad{1: {In: 1e12}}
	if s, wait := plan(o, Config{}.withDefaults()); s != nil || wait != 0 {
		t.Errorf("step %+v after %v", s, wait)
	}
	o.cluster.Type = metadata.Serverless
	o.settings = new(o.cluster.DesiredSettings(o.properties))
	if s, _ := plan(o, Config{}.withDefaults()); s == nil || s.name != scaleServerless || s.state != resource.Updating {
		t.Errorf("serverless: %+v", s)
	}
}
