package control

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/control/resource"
	"weir/metadata"
)

// kind of update, as the tests run it.
type updateCase struct {
	op      resource.OperationType
	name    string // what makes it different from others of its type
	brokers int    // before
	prepare func(c *resource.Cluster)
	target  resource.Change
	reboot  metadata.BrokerID

	// What the cluster is like afterwards.
	starts map[metadata.BrokerID]int // how often each broker was started, creation included; nil: once each of the first three
	state  resource.ClusterState
	check  func(t *testing.T, w *world, before, after resource.Cluster)
}

func active(c *resource.Cluster) { c.Rebalancing = resource.RebalancingActive }

// updateCases are all operations on a cluster that exists, but those of VPC connections, which control has no part in.
func updateCases() []updateCase {
	all := func(n int) map[metadata.BrokerID]int { return map[metadata.BrokerID]int{1: n, 2: n, 3: n} }
	settings := func(want string) func(t *testing.T, w *world, before, after resource.Cluster) {
		return func(t *testing.T, w *world, _, after resource.Cluster) {
			t.Helper()
			kv, _, err := w.store.Get(w.ctx, metadata.SettingsKey(after.UUID))
			if err != nil || !strings.Contains(string(kv.Value), want) {
				t.Errorf("settings %s, %v: want %s", kv.Value, err, want)
			}
		}
	}
	gone := func(t *testing.T, w *world, _, after resource.Cluster) {
		t.Helper()
		for _, k := range w.keys(t) {
			if n := metadata.LastSegment(k); strings.Contains(k, after.UUID) && (n == "4" || n == "5" || n == "6" || strings.HasPrefix(n, "4-")) {
				t.Errorf("left of a removed broker: %s", k)
			}
		}
	}
	return []updateCase{
		{op: resource.OpReboot, reboot: 2, starts: map[metadata.BrokerID]int{1: 1, 2: 2, 3: 1}},
		{
			op: resource.OpIncreaseBrokers, name: "rebalancing active", prepare: active, target: resource.Change{Brokers: new(6)},
			starts: map[metadata.BrokerID]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}, check: settings(`"spread":1`),
		},
		{
			op: resource.OpIncreaseBrokers, name: "rebalancing paused", target: resource.Change{Brokers: new(6)},
			starts: map[metadata.BrokerID]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}, check: settings(`"balance":{}`),
		},
		{
			op: resource.OpDecreaseBrokers, brokers: 6, target: resource.Change{Brokers: new(3)},
			starts: map[metadata.BrokerID]int{1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}, check: gone,
		},
		{op: resource.OpBrokerType, target: resource.Change{InstanceType: new("kafka.m7g.xlarge")}, starts: all(2)},
		{op: resource.OpBrokerStorage, target: resource.Change{VolumeGiB: new(int32(200))}, check: settings(`"volumeBytes":214748364800`)},
		{op: resource.OpStorage, target: resource.Change{StorageMode: new(resource.StorageTiered)}, check: settings(`"tiered":true`)},
		{op: resource.OpConfiguration, name: "dynamic properties only", target: resource.Change{Configuration: new(dynamicRevision)}, check: settings(`"log.retention.ms":"60000"`)},
		{op: resource.OpConfiguration, name: "read-only properties", target: resource.Change{Configuration: new(staticRevision)}, starts: all(2), check: settings(`"num.partitions":"7"`)},
		{op: resource.OpKafkaVersion, name: "up", target: resource.Change{KafkaVersion: new("4.2.x")}, starts: all(2), check: settings(`"kafkaVersion":"4.2.x"`)},
		{op: resource.OpKafkaVersion, name: "back", target: resource.Change{KafkaVersion: new("3.8.x")}, starts: all(2), check: settings(`"kafkaVersion":"3.8.x"`)},
		{op: resource.OpMonitoring, target: resource.Change{Monitoring: new("PER_BROKER")}},
		{op: resource.OpSecurity, target: resource.Change{Security: &resource.Security{ClientBroker: "TLS"}}},
		{op: resource.OpConnectivity, target: resource.Change{Connectivity: &resource.Connectivity{NetworkType: "DUAL"}}},
		{op: resource.OpRebalancing, target: resource.Change{Rebalancing: new(resource.RebalancingActive)}, check: settings(`"active":true`)},
		{op: resource.OpStop, target: resource.Change{Stopped: new(true)}, state: resource.Maintenance},
		{
			op: resource.OpStart, prepare: func(c *resource.Cluster) { c.Stopped = true }, target: resource.Change{Stopped: new(false)}, starts: all(2),
		},
	}
}

// The configuration that tests use, and its two revisions.
var ( //nolint:gochecknoglobals // they are constants
	testConfiguration = resource.Configuration{UUID: "0d8e8bb8-9f3c-4f0c-8a43-0a4f5b2d1f11", Name: "k", Account: "000000000000", Region: "us-east-1"}
	dynamicRevision   = resource.ConfigurationRef{ARN: testConfiguration.ARN(), Revision: 1}
	staticRevision    = resource.ConfigurationRef{ARN: testConfiguration.ARN(), Revision: 2}
)

func (w *world) configure(t *testing.T) {
	t.Helper()
	s := testConfiguration.Scope()
	put := func(n int64, p map[string]string) metadata.Op {
		r := resource.ConfigurationRevision{RevisionHead: resource.RevisionHead{Number: n}, Properties: p}
		return metadata.Put(s.ConfigurationRevisionKey(testConfiguration.UUID, n), metadata.Encode(r))
	}
	if _, err := w.store.Commit(w.ctx, metadata.Txn{Then: []metadata.Op{
		put(1, map[string]string{"log.retention.ms": "60000"}), put(2, map[string]string{"num.partitions": "7"}),
	}}); err != nil {
		t.Fatal(err)
	}
}

// before brings a cluster into being on which the case's operation makes sense.
func (u *updateCase) before(t *testing.T, w *world) (key string) {
	t.Helper()
	w.configure(t)
	stop := w.startControl(t, w.store)
	cl := newCluster(w.scope, "orders", max(3, u.brokers))
	stopped := false
	if u.prepare != nil {
		u.prepare(&cl)
		stopped, cl.Stopped = cl.Stopped, false
	}
	op := resource.NewOperation(resource.OpCreate, cl.UUID, "req", time.Now())
	if _, err := w.store.Commit(w.ctx, resource.CreateTxn(cl, op)); err != nil {
		t.Fatal(err)
	}
	w.bg.Go(func() { _ = w.fleet.follow(w.ctx, cl.UUID) })
	w.in(w.ctx, t, cl.Key(), resource.Active)
	if stopped {
		if _, err := w.update(w.ctx, cl.Key(), resource.OpStop, resource.Change{Stopped: new(true)}); err != nil {
			t.Fatal(err)
		}
		w.in(w.ctx, t, cl.Key(), resource.Maintenance)
	}
	synctest.Wait()
	stop()
	w.trace.drain()
	return cl.Key()
}

func (u *updateCase) begin(t *testing.T, w *world, key string) resource.Operation {
	t.Helper()
	var op resource.Operation
	var err error
	if u.reboot != 0 {
		op, err = w.reboot(w.ctx, key, u.reboot)
	} else {
		op, err = w.update(w.ctx, key, u.op, u.target)
	}
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// run runs the case's operation with control planes that are killed at their n-th commit, or with one that is not if n is zero, and expects the
// same outcome each time.
func (u *updateCase) run(t *testing.T, n int, after, always bool) (steps []stepName, kills int) {
	t.Helper()
	w := newWorld(t)
	w.startFleet()
	key := u.before(t, w)
	was, _, _, err := resource.ReadCluster(w.ctx, w.store, key)
	if err != nil {
		t.Fatal(err)
	}
	killed := func() int { return 0 }
	if n == 0 {
		w.startControl(t, w.store)
	} else {
		killed = w.controlThatIsKilled(t, n, after, always)
	}
	op := u.begin(t, w, key)
	state := u.state
	if state == "" {
		state = resource.Active
	}
	is := w.in(w.ctx, t, key, state)
	synctest.Wait()
	op, _, _, err = resource.ReadOperation(w.ctx, w.store, op.Key(w.scope))
	if err != nil || op.State != op.Type.Complete() || op.Ended.IsZero() || op.Error != nil {
		t.Errorf("operation %+v, %v", op, err)
	}
	for _, s := range op.Steps {
		if s.Status != resource.StepCompleted {
			t.Errorf("step %s is %s", s.Name, s.Status)
		}
	}
	if is.Changes(u.target) {
		t.Errorf("the cluster is not what was asked for: %+v", is)
	}
	if u.reboot == 0 && is.CurrentVersion == was.CurrentVersion {
		t.Error("the update left the current version as it was")
	}
	if is.Brokers != len(is.Nodes) || is.Operation != "" {
		t.Errorf("%d brokers, %d nodes, operation %q", is.Brokers, len(is.Nodes), is.Operation)
	}
	starts := u.starts
	if starts == nil {
		starts = map[metadata.BrokerID]int{1: 1, 2: 1, 3: 1}
	}
	got := make(map[metadata.BrokerID]int)
	for k, n := range w.fleet.starts {
		id, err := brokerID(k)
		if err != nil {
			t.Fatal(err)
		}
		got[id] = n
	}
	if diff := cmp.Diff(starts, got); diff != "" {
		t.Errorf("starts of each broker (-want +got):\n%s", diff)
	}
	if u.check != nil {
		u.check(t, w, was, is)
	}
	if p := resource.Progress(&op, time.Now()); p.Percent != 100 || p.Remaining != 0 {
		t.Errorf("progress of an ended operation: %+v", p)
	}
	states := w.states(t)
	if want := []resource.ClusterState{op.Type.State(), state}; !slices.Equal(states[len(states)-2:], want) {
		t.Errorf("states %v, want them to end in %v", states, want)
	}
	return w.trace.drain(), killed()
}

func (u *updateCase) String() string {
	if u.name == "" {
		return string(u.op)
	}
	return string(u.op) + " (" + u.name + ")"
}

// TestUpdatesResumeFromEveryCrashPoint runs every operation, kills the control plane once before and once after each commit of it, and last at every
// commit, and expects the same outcome each time: the operation complete, no broker started more often than asked for.
func TestUpdatesResumeFromEveryCrashPoint(t *testing.T) {
	for _, u := range updateCases() {
		t.Run(u.String(), func(t *testing.T) {
			var steps []stepName
			synctest.Test(t, func(t *testing.T) { steps, _ = u.run(t, 0, false, false) })
			if len(steps) == 0 {
				t.Fatal("no steps")
			}
			for n := 1; n <= len(steps); n++ {
				for _, after := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d %s after=%v", n, steps[n-1], after), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							if _, kills := u.run(t, n, after, false); kills != 1 {
								t.Errorf("killed %d times", kills)
							}
						})
					})
				}
			}
			t.Run("at every commit", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if _, kills := u.run(t, 1, true, true); kills < len(steps) {
						t.Errorf("killed %d times in %d steps", kills, len(steps))
					}
				})
			})
		})
	}
}

var update = flag.Bool("update", false, "write the documentation's generated parts")

// TestOperationsAreDocumented: the table of operations, steps and crash points in the guide is what the code does.
func TestOperationsAreDocumented(t *testing.T) {
	path := filepath.Join("..", "docs", "guide", "operations.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- generated: operations -->\n", "<!-- end of generated -->\n"
	head, rest, ok1 := strings.Cut(string(data), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	var b strings.Builder
	b.WriteString("| operation | steps | commits of the control plane, each a crash point |\n|---|---|---|\n")
	for _, u := range updateCases() {
		var steps []stepName
		synctest.Test(t, func(t *testing.T) { steps, _ = u.run(t, 0, false, false) })
		var names []string
		for _, s := range u.op.Steps() {
			names = append(names, string(s))
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", u.String(), strings.Join(names, ", "), commits(steps))
	}
	want := head + begin + b.String() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("%s is not up to date; run: go test ./control -run TestOperationsAreDocumented -update (-want +got):\n%s", path, diff)
	}
}

// commits words the steps of a cluster of three, with repeated ones counted.
func commits(steps []stepName) string {
	var out []string
	for i := 0; i < len(steps); {
		n := 1
		for i+n < len(steps) && steps[i+n] == steps[i] {
			n++
		}
		text := string(steps[i])
		switch {
		case steps[i] == noteMoves:
			text += " (now and then)"
		case n > 1:
			text += fmt.Sprintf(" ×%d", n)
		}
		out, i = append(out, text), i+n
	}
	return strings.Join(out, ", ")
}
