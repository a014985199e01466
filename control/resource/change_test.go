package resource

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/metadata"
)

// full is a change of everything.
func full() Change {
	return Change{
		Brokers: new(6), InstanceType: new("kafka.m7g.xlarge"), VolumeGiB: new(int32(200)), Throughput: &Throughput{Enabled: true, MiBps: 250},
		StorageMode: new(StorageTiered), KafkaVersion: new("4.2.x"), Configuration: &ConfigurationRef{ARN: "a", Revision: 2},
		Monitoring: new("PER_BROKER"), OpenMonitoring: &OpenMonitoring{JMX: true},
		Logging:  &Logging{Broker: []LogDestination{{Kind: LogToS3, Enabled: true, Target: "b"}}},
		Security: &Security{ClientBroker: "TLS", ClientAuthentication: &ClientAuthentication{IAM: new(true)}},
		Connectivity: &Connectivity{
			PublicAccess: "DISABLED", NetworkType: "DUAL",
		},
		Rebalancing: new(RebalancingActive), Stopped: new(true),
	}
}

func TestChangesApplyFieldByField(t *testing.T) {
	all := full()
	v := reflect.ValueOf(all)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsNil() {
			t.Fatalf("the test's change has no %s", name)
		}
		var one Change
		reflect.ValueOf(&one).Elem().Field(i).Set(v.Field(i))
		before := Cluster{Name: "orders", Brokers: 3, State: Active, CurrentVersion: "K1"}
		if !before.Changes(one) {
			t.Errorf("%s: changes nothing", name)
		}
		after := before.Apply(one)
		if got := after.Current(one); !reflect.DeepEqual(got, one) {
			t.Errorf("%s: applied %+v, but it is %+v", name, one, got)
		}
		if after.Changes(one) {
			t.Errorf("%s: changes something although it was applied", name)
		}
		if diff := cmp.Diff(before, after.Apply(before.Current(one)), cmp.Comparer(func(a, b *Throughput) bool { return value(a) == value(b) }),
			cmp.Comparer(func(a, b *OpenMonitoring) bool { return value(a) == value(b) })); diff != "" {
			t.Errorf("%s: applying the source does not undo it (-before +undone):\n%s", name, diff)
		}
	}
	c := Cluster{Name: "orders"}
	if c.Changes(Change{}) || !reflect.DeepEqual(c.Apply(Change{}), c) {
		t.Error("an empty change changes something")
	}
}

func TestUpdatesStartOrWait(t *testing.T) {
	store := metadata.NewMem()
	c := Cluster{UUID: "u", Name: "orders", Account: "0", Region: "r", State: Active, CurrentVersion: "K1", Brokers: 3}
	rev, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(c.Key(), metadata.Encode(c))}})
	if err != nil {
		t.Fatal(err)
	}
	op := NewUpdate(OpIncreaseBrokers, &c, Change{Brokers: new(6)}, "req", time.Now())
	if *op.Update.Source.Brokers != 3 || op.Update.Version != "K1" {
		t.Errorf("update %+v", op.Update)
	}
	given := metadata.Cond{Key: "weir/1/other", Modified: 7}
	if _, err := store.Commit(t.Context(), StartUpdateTxn(c, rev, op, given)); !errors.Is(err, metadata.ErrConflict) {
		t.Errorf("started although a condition did not hold: %v", err)
	}
	rev, err = store.Commit(t.Context(), StartUpdateTxn(c, rev, op))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for {
		c, at, _, err := ReadCluster(t.Context(), store, c.Key())
		if err != nil || at != rev || c.State != Updating || c.Operation != op.ID {
			t.Fatalf("cluster %+v at %d, %v", c, at, err)
		}
		next := NewUpdate(OpMonitoring, &c, Change{Monitoring: new("PER_BROKER")}, "req", time.Now())
		txn, err := QueueTxn(c, at, next)
		if err != nil {
			if !errors.Is(err, ErrQueueFull) || len(ids) != QueueMax {
				t.Errorf("%d wait, %v", len(ids), err)
			}
			break
		}
		if rev, err = store.Commit(t.Context(), txn); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, next.ID)
		c, _, _, _ = ReadCluster(t.Context(), store, c.Key())
		if diff := cmp.Diff(ids, c.Queue); diff != "" {
			t.Errorf("queue (-want +got):\n%s", diff)
		}
		o, _, ok, err := ReadOperation(t.Context(), store, next.Key(c.Scope()))
		if err != nil || !ok || !o.Queued || o.State != OpPending {
			t.Errorf("waiting: %+v, %v, %v", o, ok, err)
		}
	}
}

func TestClustersGrowAndShrinkZoneByZone(t *testing.T) {
	zones := []ClientSubnet{{ID: "s1", ZoneID: "a"}, {ID: "s2", ZoneID: "b"}, {ID: "s3", ZoneID: "c"}}
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	c := Cluster{Subnets: zones, Nodes: NewNodes(3, zones, now)}
	ids := func(c Cluster) (out []metadata.BrokerID) {
		for _, n := range c.Nodes {
			out = append(out, n.Broker)
		}
		return out
	}
	c, added := c.Grown(6, now)
	if diff := cmp.Diff([]metadata.BrokerID{4, 5, 6}, added); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	for zone, n := range c.perZone() {
		if n != 2 {
			t.Errorf("zone %s has %d brokers", zone, n)
		}
	}
	leaving := c.Leaving(3)
	if diff := cmp.Diff([]metadata.BrokerID{4, 5, 6}, leaving); diff != "" {
		t.Errorf("leaving (-want +got):\n%s", diff)
	}
	c = c.Without(leaving...)
	c, added = c.Grown(6, now)
	if diff := cmp.Diff([]metadata.BrokerID{1, 2, 3, 7, 8, 9}, ids(c)); diff != "" || len(added) != 3 {
		t.Errorf("ids are used again (-want +got):\n%s", diff)
	}
	odd := c.Without(2) // a zone with one broker keeps it
	if diff := cmp.Diff([]metadata.BrokerID{7, 9}, odd.Leaving(3)); diff != "" {
		t.Errorf("leaving of an uneven cluster (-want +got):\n%s", diff)
	}
}
