package control

import (
	"testing"
	"testing/synctest"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

func TestPlanScaling(t *testing.T) {
	tests := []struct {
		name string
		do   func(*observation)
		to   int32 // 0: nothing is done
		wait time.Duration
	}{
		{"no rules", func(o *observation) { o.scaling = nil }, 0, 0},
		{"no volumes", func(o *observation) { o.cluster.VolumeGiB, o.cluster.InstanceType = 0, "express.m7g.large" }, 0, 0},
		{"room", func(o *observation) { o.scaling.used[2] = 60 << 30 }, 0, scalingEvery},
		{"one is too full", func(*observation) {}, 110, 0},
		{"nobody has reported", func(o *observation) { clear(o.scaling.used) }, 0, scalingEvery},
		{"one that is too full is gone", func(o *observation) {
			o.scaling.used[9], o.scaling.used[2] = 99<<30, 0
		}, 0, scalingEvery},
		{"as large as it may be", func(o *observation) { o.scaling.MaxGiB = 100 }, 0, scalingEvery},
		{"suspended", func(o *observation) { o.scaling.Suspended.Out = true }, 0, scalingEvery},
		{"only shrinking is suspended", func(o *observation) { o.scaling.Suspended.In = true }, 110, 0},
		{"it has just grown", func(o *observation) {
			o.scaling.Activities = []resource.ScalingActivity{{Started: o.now.Add(-resource.ScalingRest + time.Second)}}
		}, 0, scalingEvery},
		{"it grew before the cool-down", func(o *observation) {
			o.scaling.Policies[0].ScaleOutCooldown = new(int32(3600))
			o.scaling.Activities = []resource.ScalingActivity{{Started: o.now.Add(-time.Hour)}}
		}, 110, 0},
		{"it grew in the cool-down", func(o *observation) {
			o.scaling.Policies[0].ScaleOutCooldown = new(int32(3600))
			o.scaling.Activities = []resource.ScalingActivity{{Started: o.now.Add(-time.Hour + time.Second)}}
		}, 0, scalingEvery},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := situation(t, resource.Active, "")
			o.cluster.VolumeGiB = 100
			o.scaling = &scaling{used: map[metadata.BrokerID]int64{1: 0, 2: 61 << 30, 3: 1}}
			o.scaling.MaxGiB, o.scaling.Policies = 1000, []resource.ScalingPolicy{{Name: "p", Target: 60}}
			tt.do(o)
			o.settings = new(o.cluster.DesiredSettings(o.properties))
			s, wait := plan(o, Config{}.withDefaults())
			if (s != nil) != (tt.to != 0) || wait != tt.wait {
				t.Fatalf("step %+v after %v", s, wait)
			}
			if s == nil {
				return
			}
			v, err := metadata.Decode[resource.VolumeScaling](metadata.KV{Value: s.txn.Then[len(s.txn.Then)-1].Value})
			if err != nil || s.name != scaleVolumes || s.state != resource.Updating {
				t.Fatalf("step %+v, %v", s, err)
			}
			if a := v.Activities[len(v.Activities)-1]; a.ToGiB != tt.to || a.FromGiB != 100 || a.Broker != 2 || a.Percent != 61 || a.Policy != "p" {
				t.Errorf("activity %+v", a)
			}
		})
	}
}

// Volumes that fill grow step by step up to the maximum, each step an operation with its activity, and nothing of it outlives the cluster.
func TestVolumesGrowAsTheyFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		w.startControl(t, w.store)
		c := newCluster(w.scope, "orders", 3)
		c.VolumeGiB = 100
		op := resource.NewOperation(resource.OpCreate, c.UUID, "req", time.Now())
		if _, err := w.store.Commit(w.ctx, resource.CreateTxn(c, op)); err != nil {
			t.Fatal(err)
		}
		w.in(w.ctx, t, c.Key(), resource.Active)
		put := func(key string, v any) {
			t.Helper()
			if _, err := w.store.Commit(w.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(key, metadata.Encode(v))}}); err != nil {
				t.Fatal(err)
			}
		}
		use := func(gib int64) {
			t.Helper()
			put(metadata.BrokerReportKey(c.UUID, 2), metadata.BrokerReport{Settings: 1 << 40, UsedBytes: gib << 30})
		}
		volumes := func(gib int32) {
			t.Helper()
			if _, err := resource.Await(w.ctx, w.store, c.Key(), func(c resource.Cluster, _ bool) bool {
				return c.State == resource.Active && c.VolumeGiB == gib
			}); err != nil {
				t.Fatal(err)
			}
			if got := w.settings(t, c.UUID).VolumeBytes; got != int64(gib)<<30 {
				t.Errorf("brokers have volumes of %d bytes, the cluster of %d GiB", got, gib)
			}
		}
		use(65)
		key := w.scope.VolumeScalingKey(c.UUID)
		put(key, resource.VolumeScaling{MinGiB: 1, MaxGiB: 125, Policies: []resource.ScalingPolicy{{Name: "p", Target: 60}}})
		volumes(110) // 59 %
		use(100)
		volumes(125) // by way of 121; 80 %
		<-time.After(time.Hour)
		volumes(125)

		v, _, ok, err := resource.ReadVolumeScaling(w.ctx, w.store, w.scope, c.UUID)
		if err != nil || !ok || len(v.Activities) != 3 {
			t.Fatalf("%+v, %v", v, err)
		}
		for i, a := range v.Activities {
			op, _, ok, err := resource.ReadOperation(w.ctx, w.store, w.scope.OperationKey(c.UUID, a.Operation))
			if err != nil || !ok || op.State != resource.OpUpdateComplete || *op.Update.Target.VolumeGiB != a.ToGiB || *op.Update.Source.VolumeGiB != a.FromGiB {
				t.Errorf("activity %+v: operation %+v, %v", a, op, err)
			}
			if i > 0 && a.Started.Sub(v.Activities[i-1].Started) < resource.ScalingRest {
				t.Errorf("activity %+v came too soon", a)
			}
		}

		if err := w.delete(w.ctx, c.Key()); err != nil {
			t.Fatal(err)
		}
		if _, err := resource.Await(w.ctx, w.store, c.Key(), func(_ resource.Cluster, ok bool) bool { return !ok }); err != nil {
			t.Fatal(err)
		}
		if _, there, err := w.store.Get(w.ctx, key); err != nil || there {
			t.Errorf("its rules are there: %v, %v", there, err)
		}
	})
}
