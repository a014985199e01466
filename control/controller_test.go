package control

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/control/resource"
	"weir/internal/leak"
	"weir/metadata"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// world is a control plane with one machine on a store in memory.
type world struct {
	store *metadata.Mem
	fleet *fleet
	caller
	ctx   context.Context
	bg    sync.WaitGroup
	trace *trace
}

// trace are the steps that control planes took, with how often each was taken in a row.
type trace struct {
	mu    sync.Mutex
	steps []stepName
}

func (tr *trace) add(s stepName) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.steps = append(tr.steps, s)
}

// drain returns what was traced since the last time.
func (tr *trace) drain() []stepName {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	out := tr.steps
	tr.steps = nil
	return out
}

// newWorld starts everything but the control plane. Must be called in a synctest bubble.
func newWorld(t *testing.T) *world {
	t.Helper()
	store := metadata.NewMem()
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{
		store: store, fleet: newFleet("n1", store), ctx: ctx, trace: &trace{},
		caller: caller{store: store, scope: resource.Scope{Account: "000000000000", Region: "us-east-1"}},
	}
	t.Cleanup(func() {
		cancel()
		w.bg.Wait()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) startFleet() { w.bg.Go(func() { _ = w.fleet.run(w.ctx) }) }

// startControl runs a control plane on the given view of the store until the returned function is called.
func (w *world) startControl(t *testing.T, store metadata.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	var done sync.WaitGroup
	done.Go(func() {
		c := New(Config{}, store, slog.New(slog.DiscardHandler))
		c.trace = w.trace.add
		if err := c.Run(ctx); err != nil {
			t.Errorf("control plane: %v", err)
		}
	})
	w.bg.Go(done.Wait)
	return func() { cancel(); done.Wait() }
}

// history returns every event on keys that contain part, oldest first.
func (w *world) history(t *testing.T, part string) []metadata.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	last := w.store.Revision()
	var events []metadata.Event
	for b := range w.store.Watch(ctx, metadata.Root, 1) {
		if b.Err != nil {
			t.Fatal(b.Err)
		}
		for _, e := range b.Events {
			if strings.Contains(e.Key, part) {
				events = append(events, e)
			}
		}
		if b.Revision >= last {
			cancel()
		}
	}
	return events
}

// states returns the states that the cluster went through, without repetitions; "" stands for gone.
func (w *world) states(t *testing.T) []resource.ClusterState {
	t.Helper()
	var states []resource.ClusterState
	for _, e := range w.history(t, "/cluster/") {
		var s resource.ClusterState
		if !e.Deleted {
			c, err := metadata.Decode[resource.Cluster](e.KV)
			if err != nil {
				t.Fatal(err)
			}
			s = c.State
		}
		states = append(states, s)
	}
	return slices.Compact(states)
}

func (w *world) keys(t *testing.T) []string {
	t.Helper()
	kvs, _, err := w.store.List(w.ctx, metadata.Root)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, kv := range kvs {
		if kv.Key != w.scope.NetworkKey() { // it is the network's, and says only that something looked at it
			keys = append(keys, kv.Key)
		}
	}
	return keys
}

func TestCreateMakesAnActiveClusterWithEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		w.startControl(t, w.store)
		began := time.Now()
		key, err := w.create(w.ctx, "orders", 6)
		if err != nil {
			t.Fatal(err)
		}
		c := w.in(w.ctx, t, key, resource.Active)
		if took := time.Since(began); took > fakeStart {
			t.Errorf("ACTIVE after %v of which the brokers took %v: the control plane waits for something else than events", took, fakeStart)
		}
		want := []metadata.Endpoint{
			{Name: "CLIENT", Host: "127.0.1.1", Port: 9092},
			{Name: "CLIENT", Host: "127.0.1.2", Port: 9092},
			{Name: "CLIENT", Host: "127.0.1.3", Port: 9092},
		}
		if diff := cmp.Diff(want, c.BootstrapEndpoints("CLIENT")); diff != "" {
			t.Errorf("bootstrap endpoints (-want +got):\n%s", diff)
		}
		if c.Operation != "" || c.StateInfo != nil || !strings.HasPrefix(c.CurrentVersion, "K") {
			t.Errorf("operation %q, stateInfo %v, currentVersion %q", c.Operation, c.StateInfo, c.CurrentVersion)
		}
		ops, err := resource.ListOperations(w.ctx, w.store, w.scope, c.UUID)
		if err != nil || len(ops) != 1 || ops[0].State != resource.OpUpdateComplete || !ops[0].Done(resource.StepStartBrokers) {
			t.Errorf("operations %+v, %v", ops, err)
		}
		kv, ok, err := w.store.Get(w.ctx, resource.BrokerSpecKey("n1", c.UUID, "4"))
		if err != nil || !ok {
			t.Fatalf("spec of broker 4: %v, %v", ok, err)
		}
		spec, err := metadata.Decode[resource.BrokerSpec](kv)
		if err != nil {
			t.Fatal(err)
		}
		if spec.Rack != "use1-az1" || spec.VCPU != 2 || spec.MemoryBytes != 8<<30 || spec.ClusterID != c.KafkaID ||
			spec.Properties["default.replication.factor"] != "3" || spec.Properties["min.insync.replicas"] != "2" {
			t.Errorf("spec of broker 4: %+v", spec)
		}
	})
}

func TestCreateWaitsForAMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startControl(t, w.store)
		key, err := w.create(w.ctx, "orders", 3)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if c := w.in(w.ctx, t, key, resource.Creating); c.Placed() {
			t.Error("placed without a machine")
		}
		w.startFleet()
		w.in(w.ctx, t, key, resource.Active)
	})
}

func TestCreateFailsWithTheReasonAndCanBeDeleted(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(w *world)
		want    string
	}{
		{"NoMachine", func(*world) {}, "no node has registered"},
		{"BrokerExits", func(w *world) {
			w.fleet.broken = func(b metadata.BrokerID) string {
				if b == 2 {
					return "listen tcp 127.0.1.2:9092: address already in use"
				}
				return ""
			}
			w.startFleet()
		}, "1 of 3 brokers did not become ready: broker 2: listen tcp 127.0.1.2:9092: address already in use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				tt.prepare(w)
				w.startControl(t, w.store)
				key, err := w.create(w.ctx, "orders", 3)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				c := w.in(w.ctx, t, key, resource.Failed)
				if took := time.Since(began); took < 119*time.Second || took > 121*time.Second {
					t.Errorf("FAILED after %v, want 2m", took)
				}
				if c.StateInfo == nil || !strings.Contains(c.StateInfo.Message, tt.want) {
					t.Errorf("stateInfo %+v, want %q", c.StateInfo, tt.want)
				}
				synctest.Wait()
				if left := w.history(t, "/spec/"); len(left) > 0 && !left[len(left)-1].Deleted {
					t.Error("brokers of a failed cluster are still wanted")
				}
				if err := w.delete(w.ctx, key); err != nil {
					t.Fatal(err)
				}
				w.in(w.ctx, t, key, "")
				for _, k := range w.keys(t) {
					if k != resource.NodeKey("n1") {
						t.Errorf("left behind: %s", k)
					}
				}
			})
		})
	}
}

func TestHealingShowsABrokerThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		w.startControl(t, w.store)
		key, err := w.create(w.ctx, "orders", 3)
		if err != nil {
			t.Fatal(err)
		}
		c := w.in(w.ctx, t, key, resource.Active)
		synctest.Wait()
		status := resource.BrokerStatusKey("n1", c.UUID, "3")
		running, _, err := w.store.Get(w.ctx, status)
		if err != nil {
			t.Fatal(err)
		}
		set := func(v []byte) {
			if _, err := w.store.Commit(w.ctx, metadata.Txn{Then: []metadata.Op{metadata.Put(status, v)}}); err != nil {
				t.Fatal(err)
			}
		}
		down := metadata.Encode(resource.BrokerStatus{State: resource.BrokerBackOff, LastExit: "signal: killed", Since: time.Now()})
		set(down)
		<-time.After(time.Second) // a short interruption is not worth a state
		set(running.Value)
		<-time.After(time.Minute)
		down = metadata.Encode(resource.BrokerStatus{State: resource.BrokerBackOff, LastExit: "signal: killed", Since: time.Now()})
		set(down)
		c = w.in(w.ctx, t, key, resource.Healing)
		if !strings.Contains(c.StateInfo.Message, "Broker 3") || !strings.Contains(c.StateInfo.Message, "signal: killed") {
			t.Errorf("stateInfo %+v", c.StateInfo)
		}
		set(running.Value)
		if c = w.in(w.ctx, t, key, resource.Active); c.StateInfo != nil {
			t.Errorf("stateInfo %+v after healing", c.StateInfo)
		}
		want := []resource.ClusterState{resource.Creating, resource.Active, resource.Healing, resource.Active}
		if diff := cmp.Diff(want, w.states(t)); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
	})
}

// A broker that cannot be started has its partitions taken over, once in each time of being down; the cluster says who is down, why, and what is done.
func TestHealingAsksForATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		w.startControl(t, w.store)
		key, err := w.create(w.ctx, "orders", 3)
		if err != nil {
			t.Fatal(err)
		}
		c := w.in(w.ctx, t, key, resource.Active)
		synctest.Wait()
		spec := func() resource.BrokerSpec {
			kv, _, err := w.store.Get(w.ctx, resource.BrokerSpecKey("n1", c.UUID, "3"))
			if err != nil {
				t.Fatal(err)
			}
			s, err := metadata.Decode[resource.BrokerSpec](kv)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		var broken atomic.Bool
		w.fleet.broken = func(b metadata.BrokerID) string {
			if b == 3 && broken.Load() {
				return "exit status 1: the disk is slow"
			}
			return ""
		}
		for n := range 2 {
			down := time.Now().UTC()
			broken.Store(true)
			if _, err := w.reboot(w.ctx, key, 3); err != nil {
				t.Fatal(err)
			}
			w.in(w.ctx, t, key, resource.Healing) // after the time that a reboot may take
			said, err := resource.Await(w.ctx, w.store, key, func(c resource.Cluster, _ bool) bool {
				return c.StateInfo != nil && strings.Contains(c.StateInfo.Message, "Other brokers lead its partitions")
			})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(said.StateInfo.Message, "Broker 3 has not served since "+down.Format(time.RFC3339)+": exit status 1: the disk is slow.") {
				t.Errorf("stateInfo %+v", said.StateInfo)
			}
			asked := spec().TakeOver
			if asked.Sub(down) < 0 || asked.Sub(down) > time.Second {
				t.Errorf("round %d: asked for the time since %v, down since %v", n, asked, down)
			}
			<-time.After(5 * time.Minute) // it is replaced now and then, and nothing else is asked for
			if again := spec().TakeOver; !again.Equal(asked) {
				t.Errorf("round %d: asked for %v and for %v", n, asked, again)
			}
			broken.Store(false)
			if c := w.in(w.ctx, t, key, resource.Active); c.StateInfo != nil {
				t.Errorf("stateInfo %+v", c.StateInfo)
			}
		}
	})
}

func TestRebootFailsWhenTheBrokerDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startFleet()
		w.startControl(t, w.store)
		key, err := w.create(w.ctx, "orders", 3)
		if err != nil {
			t.Fatal(err)
		}
		w.in(w.ctx, t, key, resource.Active)
		synctest.Wait()
		w.fleet.broken = func(metadata.BrokerID) string { return "exit status 3: the log is damaged" }
		op, err := w.reboot(w.ctx, key, 2)
		if err != nil {
			t.Fatal(err)
		}
		c := w.in(w.ctx, t, key, resource.Healing)
		if !strings.Contains(c.StateInfo.Message, "the log is damaged") {
			t.Errorf("stateInfo %+v", c.StateInfo)
		}
		op, _, _, err = resource.ReadOperation(w.ctx, w.store, op.Key(w.scope))
		if err != nil || op.State != resource.OpRebootFailed || op.Error == nil || op.Ended.IsZero() {
			t.Errorf("operation %+v, %v", op, err)
		}
	})
}

// killer is a control plane's view of the store. It ends the control plane at its n-th commit: before the commit reaches the store, or after,
// when the control plane does not learn of its success any more.
type killer struct {
	metadata.Store
	n     int
	after bool
	kill  func()

	mu    sync.Mutex
	count int
}

func (k *killer) Commit(ctx context.Context, t metadata.Txn) (metadata.Revision, error) {
	k.mu.Lock()
	k.count++
	hit := k.count == k.n
	k.mu.Unlock()
	if !hit {
		return k.Store.Commit(ctx, t)
	}
	if k.after {
		if _, err := k.Store.Commit(ctx, t); err != nil {
			return 0, err
		}
	}
	k.kill()
	return 0, metadata.ErrUnavailable
}

// TestKilledAtEveryCommitResumes runs a cluster's whole life, killing the control plane once at each of its commits (and, last, at all
// of them), and expects the same life each time: every state once, every broker started as often as asked for, nothing left.
func TestKilledAtEveryCommitResumes(t *testing.T) {
	const commits = 6 // that the control plane makes in this life; checked below
	for _, after := range []bool{false, true} {
		for n := 1; n <= commits+1; n++ {
			t.Run(fmt.Sprintf("n=%d after=%v", n, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { liveAndKill(t, n, after, false, commits) })
			})
		}
	}
	t.Run("at every commit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { liveAndKill(t, 1, true, true, commits) })
	})
}

func liveAndKill(t *testing.T, n int, after, always bool, commits int) {
	w := newWorld(t)
	w.startFleet()
	kills := w.controlThatIsKilled(t, n, after, always)

	key, err := w.create(w.ctx, "orders", 3)
	if err != nil {
		t.Fatal(err)
	}
	c := w.in(w.ctx, t, key, resource.Active)
	op, err := w.reboot(w.ctx, key, 2)
	if err != nil {
		t.Fatal(err)
	}
	w.in(w.ctx, t, key, resource.Active)
	op, _, _, err = resource.ReadOperation(w.ctx, w.store, op.Key(w.scope))
	if err != nil || op.State != resource.OpRebootComplete {
		t.Errorf("operation %+v, %v", op, err)
	}
	for _, s := range op.Steps {
		if s.Status != resource.StepCompleted {
			t.Errorf("step %s is %s", s.Name, s.Status)
		}
	}
	if err := w.delete(w.ctx, key); err != nil {
		t.Fatal(err)
	}
	w.in(w.ctx, t, key, "")
	synctest.Wait()

	want := []resource.ClusterState{
		resource.Creating, resource.Active, resource.RebootingBroker, resource.Active, resource.Deleting, "",
	}
	if diff := cmp.Diff(want, w.states(t)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	for _, b := range []string{"1", "2", "3"} {
		spec := resource.BrokerSpecKey("n1", c.UUID, b)
		wrote, started := []string{"put", "delete"}, 1
		if b == "2" {
			wrote, started = []string{"put", "put", "delete"}, 2
		}
		var got []string
		for _, e := range w.history(t, spec) {
			got = append(got, map[bool]string{false: "put", true: "delete"}[e.Deleted])
		}
		if !slices.Equal(got, wrote) || w.fleet.starts[spec] != started {
			t.Errorf("broker %s: spec %v, started %d times; want %v, %d", b, got, w.fleet.starts[spec], wrote, started)
		}
	}
	if diff := cmp.Diff([]string{resource.NodeKey("n1")}, w.keys(t)); diff != "" {
		t.Errorf("keys left (-want +got):\n%s", diff)
	}
	switch got := kills(); {
	case always && got < commits:
		t.Errorf("killed %d times, want at each of %d commits", got, commits)
	case !always && got != min(1, max(0, commits+1-n)):
		t.Errorf("killed %d times: there are not %d commits", got, commits)
	}
}

// controlThatIsKilled keeps a control plane running: one that is killed at its n-th commit, then others, which are killed too if always
// is set. kills counts.
func (w *world) controlThatIsKilled(t *testing.T, n int, after, always bool) (kills func() int) {
	t.Helper()
	var mu sync.Mutex
	killed := 0
	w.bg.Go(func() {
		for w.ctx.Err() == nil {
			mu.Lock()
			immortal := killed > 0 && !always
			mu.Unlock()
			ctx, cancel := context.WithCancel(w.ctx)
			k := &killer{Store: w.store, n: n, after: after, kill: func() {
				mu.Lock()
				killed++
				mu.Unlock()
				cancel()
			}}
			if immortal {
				k.n = 0
			}
			if err := New(Config{}, k, slog.New(slog.DiscardHandler)).Run(ctx); err != nil {
				t.Errorf("control plane: %v", err)
			}
			cancel()
		}
	})
	return func() int { mu.Lock(); defer mu.Unlock(); return killed }
}
