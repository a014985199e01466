package control

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/control/resource"
	"weir/metadata"
)

// TestFailedUpdatesAreUndone: an update that cannot be done ends as UPDATE_FAILED and says why, and the cluster is as it was before.
func TestFailedUpdatesAreUndone(t *testing.T) {
	newProperties := func(b metadata.BrokerID) func(resource.BrokerSpec) string {
		return func(s resource.BrokerSpec) string {
			if s.Broker == b && s.Properties["num.partitions"] == "7" {
				return "exit status 1: no such thing"
			}
			return ""
		}
	}
	static := updateCase{op: resource.OpConfiguration, target: resource.Change{Configuration: new(staticRevision)}}
	tests := []struct {
		name  string
		u     updateCase
		spoil func(f *fleet)
		code  string
		says  string
		state resource.ClusterState     // "" is ACTIVE
		start map[metadata.BrokerID]int // how often each broker was started
		kept  bool                      // the brokers that were added stay
	}{
		{
			"a broker refuses its restart", static, func(f *fleet) { f.refuses = newProperties(2) },
			"BrokerNotReady", "Broker 2 could not be restarted after 0s, and serves on as it was: exit status 1: no such thing",
			"",
			map[metadata.BrokerID]int{1: 3, 2: 1, 3: 1},
			false,
		},
		{
			"a broker does not come back as it is to be", static, func(f *fleet) { f.breaks = newProperties(2) },
			"BrokerNotReady", "Broker 2 did not come back in 5m0s: exit status 1: no such thing",
			"",
			map[metadata.BrokerID]int{1: 3, 2: 3, 3: 1},
			false,
		},
		{
			"a broker does not come back at all", static, func(f *fleet) {
				broken := false
				f.breaks = func(s resource.BrokerSpec) string {
					broken = broken || newProperties(2)(s) != ""
					if s.Broker == 2 && broken && s.Replace == 0 {
						return "the disk is full"
					}
					return ""
				}
			},
			"BrokerNotReady", "Broker 2 did not come back in 5m0s: the disk is full",
			resource.Healing, nil, false,
		},
		{
			"an added broker does not start",
			updateCase{op: resource.OpIncreaseBrokers, target: resource.Change{Brokers: new(6)}, prepare: active},
			func(f *fleet) {
				f.broken = func(b metadata.BrokerID) string {
					if b == 5 {
						return "address already in use"
					}
					return ""
				}
			},
			"BrokersNotReady", "1 brokers did not become ready: broker 5: address already in use",
			"", nil, false,
		},
		{
			"added brokers get nothing",
			updateCase{op: resource.OpIncreaseBrokers, target: resource.Change{Brokers: new(6)}, prepare: active},
			func(f *fleet) { f.stuck = true },
			"PartitionsNotSpread", "Brokers [4 5 6] were added and serve, but no partition moved onto them in 10m0s",
			"", nil, true,
		},
		{
			"brokers cannot be emptied",
			updateCase{op: resource.OpDecreaseBrokers, target: resource.Change{Brokers: new(3)}, brokers: 6},
			func(f *fleet) { f.stuck = true },
			"PartitionsNotMoved", "Brokers [4 5 6] could not be emptied: no partition moved away in 10m0s",
			"", nil, false,
		},
		{
			"emptied brokers do not go",
			updateCase{op: resource.OpDecreaseBrokers, target: resource.Change{Brokers: new(3)}, brokers: 6},
			func(f *fleet) { f.busy = true },
			"BrokersNotStopped", "The nodes have not stopped brokers [4 5 6] in 5m0s.",
			"",
			map[metadata.BrokerID]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1},
			false,
		},
		{
			"brokers do not stop",
			updateCase{op: resource.OpStop, target: resource.Change{Stopped: new(true)}},
			func(f *fleet) { f.busy = true },
			"BrokersNotStopped", "The nodes have not stopped brokers [1 2 3] in 5m0s.",
			"",
			map[metadata.BrokerID]int{1: 1, 2: 1, 3: 1},
			false,
		},
		{
			"no such revision",
			updateCase{op: resource.OpConfiguration, target: resource.Change{
				Configuration: &resource.ConfigurationRef{ARN: testConfiguration.ARN(), Revision: 9},
			}},
			func(*fleet) {}, "ConfigurationUnusable", "revision 9 of configuration", "", nil, false,
		},
		{
			"volumes hold more",
			updateCase{op: resource.OpStorage, target: resource.Change{VolumeGiB: new(int32(50))}},
			func(f *fleet) { f.used = 60 << 30 }, "VolumeTooSmall", "broker 1 uses 60.0 GiB", "", nil, false,
		},
		{
			"brokers do not follow",
			updateCase{op: resource.OpStorage, target: resource.Change{VolumeGiB: new(int32(500))}},
			func(f *fleet) { f.deaf = true }, "SettingsNotApplied", "Brokers [1 2 3] have not taken over the change in 1m0s.", "", nil, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if tt.name == "volumes hold more" {
					tt.spoil(w.fleet)
				}
				w.startFleet()
				prepare := tt.u.prepare
				tt.u.prepare = func(c *resource.Cluster) {
					c.VolumeGiB = 100
					if prepare != nil {
						prepare(c)
					}
				}
				key := tt.u.before(t, w)
				tt.spoil(w.fleet)
				was, _, _, err := resource.ReadCluster(w.ctx, w.store, key)
				if err != nil {
					t.Fatal(err)
				}
				before := w.settings(t, was.UUID)
				w.startControl(t, w.store)
				op := tt.u.begin(t, w, key)
				op = w.ended(t, op)
				if op.State != resource.OpUpdateFailed || op.Error.Code != tt.code || !strings.Contains(op.Error.Message, tt.says) {
					t.Errorf("operation %s, %+v: want %s, %s", op.State, op.Error, tt.code, tt.says)
				}
				is, _, _, err := resource.ReadCluster(w.ctx, w.store, key)
				if err != nil {
					t.Fatal(err)
				}
				state := tt.state
				if state == "" {
					state = resource.Active
				}
				if state == resource.Healing { // by now it may be over
					if all := w.states(t); !slices.Contains(all, state) {
						t.Errorf("states %v, want %s among them", all, state)
					}
				} else if is.State != state || is.Operation != "" {
					t.Errorf("%s with operation %q, %+v; want %s", is.State, is.Operation, is.StateInfo, state)
				}
				if tt.kept {
					if is.Brokers != 6 || len(is.Nodes) != 6 || is.CurrentVersion == was.CurrentVersion {
						t.Errorf("%d brokers, %d nodes", is.Brokers, len(is.Nodes))
					}
					return
				}
				if got := is.Current(tt.u.target); !cmp.Equal(got, was.Current(tt.u.target)) || is.CurrentVersion != was.CurrentVersion {
					t.Errorf("the cluster is %+v", got)
				}
				after := w.settings(t, was.UUID)
				before.Number, before.Balance.Spread, after.Number, after.Balance.Spread = 0, 0, 0, 0
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("settings (-before +after):\n%s", diff)
				}
				if len(is.Nodes) != len(was.Nodes) {
					t.Errorf("%d nodes, before %d", len(is.Nodes), len(was.Nodes))
				}
				if tt.start != nil {
					got := make(map[metadata.BrokerID]int)
					for k, n := range w.fleet.starts {
						id, _ := strconv.Atoi(metadata.LastSegment(k))
						got[metadata.BrokerID(id)] = n
					}
					if diff := cmp.Diff(tt.start, got); diff != "" {
						t.Errorf("starts (-want +got):\n%s", diff)
					}
				}
				for k := range w.fleet.starts {
					kv, ok, err := w.store.Get(w.ctx, k)
					if err != nil || ok != (len(is.Nodes) == 6 || metadata.LastSegment(k) <= "3") || strings.Contains(string(kv.Value), `"stopped":true`) {
						t.Errorf("spec %s: %v, %v, %s", k, ok, err, kv.Value)
					}
				}
				w.in(w.ctx, t, key, resource.Active) // what is healing heals: the fleet's broker starts when it was replaced
				for _, k := range w.keys(t) {
					if id := metadata.LastSegment(k); strings.Contains(k, was.UUID) && len(is.Nodes) == 3 && (id == "4" || id == "5" || id == "6") {
						t.Errorf("left behind: %s", k)
					}
				}
			})
		})
	}
}

func (w *world) settings(t *testing.T, cluster string) metadata.Settings {
	t.Helper()
	kv, ok, err := w.store.Get(w.ctx, metadata.SettingsKey(cluster))
	if err != nil || !ok {
		t.Fatalf("settings: %v, %v", ok, err)
	}
	v, err := metadata.Decode[metadata.Settings](kv)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ended waits until the operation has ended.
func (w *world) ended(t *testing.T, op resource.Operation) resource.Operation {
	t.Helper()
	for range 10_000 {
		v, _, ok, err := resource.ReadOperation(w.ctx, w.store, op.Key(w.scope))
		if err != nil || !ok {
			t.Fatal(err, ok)
		}
		if !v.Ended.IsZero() {
			return v
		}
		<-time.After(time.Second)
	}
	t.Fatal("the operation does not end")
	return op
}

// TestStartThatFailsHeals: a cluster that is started although a broker does not start is in HEALING, not stopped again: the others serve.
func TestStartThatFailsHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		u := updateCase{op: resource.OpStart, prepare: func(c *resource.Cluster) { c.Stopped = true }, target: resource.Change{Stopped: new(false)}}
		key := u.before(t, w)
		w.fleet.breaks = func(s resource.BrokerSpec) string {
			if s.Broker == 3 && s.Replace < 2 {
				return "the disk is full"
			}
			return ""
		}
		w.startControl(t, w.store)
		op := w.ended(t, u.begin(t, w, key))
		c, _, _, err := resource.ReadCluster(w.ctx, w.store, key)
		if err != nil || op.State != resource.OpUpdateFailed || c.State != resource.Healing || c.Stopped || !strings.Contains(c.StateInfo.Message, "the disk is full") {
			t.Errorf("operation %+v, cluster %+v, %v", op, c, err)
		}
		began := time.Now()
		c = w.in(w.ctx, t, key, resource.Active) // at the second replacement
		if took := time.Since(began); took < 50*time.Second || took > 2*time.Minute || c.StateInfo != nil {
			t.Errorf("healed after %v, %+v", took, c.StateInfo)
		}
	})
}

// TestQueuedOperationsFollowEachOther: what waits begins in the transaction that ends what was before it, and what makes no sense then fails and
// says so.
func TestQueuedOperationsFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		u := updateCase{op: resource.OpBrokerType, target: resource.Change{InstanceType: new("kafka.m7g.xlarge")}}
		key := u.before(t, w)
		ops := []resource.Operation{u.begin(t, w, key)}
		add := func(typ resource.OperationType, target resource.Change) {
			op, err := w.queue(w.ctx, key, func(c resource.Cluster) resource.Operation {
				return resource.NewUpdate(typ, &c, target, "req", time.Now())
			})
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, op)
		}
		add(resource.OpIncreaseBrokers, resource.Change{Brokers: new(6)})
		add(resource.OpBrokerType, u.target)
		add(resource.OpDecreaseBrokers, resource.Change{Brokers: new(3)})
		reboot, err := w.queue(w.ctx, key, func(c resource.Cluster) resource.Operation {
			op := resource.NewOperation(resource.OpReboot, c.UUID, "req", time.Now())
			op.Reboot = &resource.Reboot{Broker: 5}
			return op
		})
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, reboot)
		add(resource.OpStop, resource.Change{Stopped: new(true)})
		add(resource.OpStorage, resource.Change{VolumeGiB: new(int32(7))})
		add(resource.OpStart, resource.Change{Stopped: new(false)})
		<-time.After(time.Hour) // time in the queue is held against nobody
		w.startControl(t, w.store)
		var got []string
		for _, op := range ops {
			op = w.ended(t, op)
			text := string(op.Type) + " " + string(op.State)
			if op.Error != nil {
				text += " " + op.Error.Code
			}
			if op.Queued {
				t.Errorf("%s is still queued", text)
			}
			got = append(got, text)
		}
		want := []string{
			"UPDATE_BROKER_TYPE UPDATE_COMPLETE", "INCREASE_BROKER_COUNT UPDATE_COMPLETE", "UPDATE_BROKER_TYPE UPDATE_FAILED NothingToChange",
			"DECREASE_BROKER_COUNT UPDATE_COMPLETE", "REBOOT_NODE REBOOT_FAILED BrokerGone", "STOP_CLUSTER UPDATE_COMPLETE",
			"UPDATE_STORAGE UPDATE_FAILED InvalidState", "START_CLUSTER UPDATE_COMPLETE",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("operations (-want +got):\n%s", diff)
		}
		c := w.in(w.ctx, t, key, resource.Active)
		if len(c.Queue) > 0 || c.Stopped || c.Brokers != 3 || c.VolumeGiB == 7 {
			t.Errorf("cluster %+v", c)
		}
		if diff := cmp.Diff([]resource.ClusterState{resource.Creating, resource.Active, resource.Updating, resource.Active}, w.states(t)); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if len(c.Took) == 0 {
			t.Error("nothing was measured")
		}
		next := resource.NewUpdate(resource.OpBrokerType, &c, resource.Change{InstanceType: new("kafka.m7g.large")}, "req", time.Now()).Expect(c.Took)
		if p := resource.Progress(&next, time.Now()); !slices.ContainsFunc(p.Steps, func(s resource.StepProgress) bool { return s.Expected == c.Took["REBOOT_BROKER"] }) {
			t.Errorf("nothing of %v is expected of the next: %+v", c.Took, p)
		}
	})
}

// TestClustersOfEarlierReleasesConverge: what a release without settings left behind is taken over: the settings are written, nothing is restarted,
// and updates work.
func TestClustersOfEarlierReleasesConverge(t *testing.T) {
	data, err := os.ReadFile("resource/testdata/cluster-before-updates.json")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c, err := metadata.Decode[resource.Cluster](metadata.KV{Value: data})
		if err != nil {
			t.Fatal(err)
		}
		then := []metadata.Op{
			metadata.Put(c.Key(), data),
			metadata.Put(w.scope.ClusterNameKey(c.Name), metadata.Encode(resource.ClusterName{UUID: c.UUID})),
		}
		for _, n := range c.Nodes {
			key := resource.BrokerSpecKey(n.Node, c.UUID, strconv.Itoa(int(n.Broker)))
			then = append(then, metadata.Put(key, metadata.Encode(newSpec(&c, resource.DefaultProperties(&c), n))))
		}
		if _, err := w.store.Commit(w.ctx, metadata.Txn{Then: then}); err != nil {
			t.Fatal(err)
		}
		w.startFleet()
		<-time.After(time.Second)
		w.startControl(t, w.store)
		w.bg.Go(func() { _ = w.fleet.follow(w.ctx, c.UUID) })
		<-time.After(time.Minute)
		if s := w.settings(t, c.UUID); s.Number != 1 || s.Kind != metadata.Standard || s.VolumeBytes != 100<<30 || s.KafkaVersion != "3.9.x" {
			t.Errorf("settings %+v", s)
		}
		if is := w.in(w.ctx, t, c.Key(), resource.Active); is.CurrentVersion != c.CurrentVersion || is.Security.ClientBroker != "PLAINTEXT" {
			t.Errorf("cluster %+v", is)
		}
		if n := slices.Max(slices.Collect(maps.Values(w.fleet.starts))); n != 1 {
			t.Errorf("a broker was started %d times", n)
		}
		op, err := w.update(w.ctx, c.Key(), resource.OpIncreaseBrokers, resource.Change{Brokers: new(6)})
		if err != nil {
			t.Fatal(err)
		}
		if op = w.ended(t, op); op.State != resource.OpUpdateComplete {
			t.Errorf("operation %+v", op)
		}
		if err := w.delete(w.ctx, c.Key()); err != nil {
			t.Fatal(err)
		}
		w.in(w.ctx, t, c.Key(), "")
		if diff := cmp.Diff([]string{resource.NodeKey("n1")}, w.keys(t)); diff != "" {
			t.Errorf("keys left (-want +got):\n%s", diff)
		}
	})
}

// TestUndoResumesFromEveryCrashPoint kills the control plane before and after each commit of an update that fails: it is undone all the same.
func TestUndoResumesFromEveryCrashPoint(t *testing.T) {
	fleets := map[string]struct {
		u     updateCase
		spoil func(f *fleet)
	}{
		"roll back": {
			updateCase{op: resource.OpConfiguration, target: resource.Change{Configuration: new(staticRevision)}},
			func(f *fleet) {
				f.breaks = func(s resource.BrokerSpec) string {
					if s.Broker == 3 && s.Properties["num.partitions"] == "7" {
						return "exit status 1"
					}
					return ""
				}
			},
		},
		"remove added brokers": {
			updateCase{op: resource.OpIncreaseBrokers, target: resource.Change{Brokers: new(6)}, prepare: active},
			func(f *fleet) {
				f.broken = func(b metadata.BrokerID) string {
					if b == 5 {
						return "address already in use"
					}
					return ""
				}
			},
		},
	}
	for name, tt := range fleets {
		t.Run(name, func(t *testing.T) {
			run := func(n int, after bool) (steps []stepName) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.startFleet()
					key := tt.u.before(t, w)
					tt.spoil(w.fleet)
					was, _, _, err := resource.ReadCluster(w.ctx, w.store, key)
					if err != nil {
						t.Fatal(err)
					}
					if n == 0 {
						w.startControl(t, w.store)
					} else {
						w.controlThatIsKilled(t, n, after, false)
					}
					op := w.ended(t, tt.u.begin(t, w, key))
					is := w.in(w.ctx, t, key, resource.Active)
					if op.State != resource.OpUpdateFailed || is.Changes(was.Current(tt.u.target)) || len(is.Nodes) != 3 {
						t.Errorf("%d after=%v: operation %s, %+v", n, after, op.State, is)
					}
					for _, id := range []string{"1", "2", "3"} {
						if n := w.fleet.starts[resource.BrokerSpecKey("n1", was.UUID, id)]; n > 3 {
							t.Errorf("broker %s was started %d times", id, n)
						}
					}
					steps = w.trace.drain()
				})
				return steps
			}
			for n := range len(run(0, false)) {
				run(n+1, false)
				run(n+1, true)
			}
		})
	}
}
