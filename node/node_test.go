package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// patience is what a busy machine may take for what is done in a moment.
const patience = time.Minute

// machine is a node under test with real processes.
type machine struct {
	t     *testing.T
	store *metadata.Mem
	dir   string
	build string
	// standBy bounds how long successors may take; 0 is the default.
	standBy time.Duration
	// hungAfter and startIn are those of Config; below 0, as here without a word, nobody is ever hung: these brokers have no sessions.
	hungAfter, startIn time.Duration
	// addresses stand in for those of other tests and programs of this computer.
	free func(Address) bool

	node *Node
	end  func() // stops the node and waits
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	if !hasLoopbackBlock() {
		t.Skip("this system has no addresses in 127.0.1.0/24")
	}
	m := &machine{t: t, store: metadata.NewMem(), dir: t.TempDir(), build: "b1", free: canBind, hungAfter: -1}
	t.Cleanup(func() { _ = m.store.Close() })
	return m
}

func (m *machine) start() {
	m.t.Helper()
	program, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	n, err := New(
		Config{
			ID: "n1", Dir: m.dir, Program: program, Build: m.build, Metadata: []string{"none"}, StopTimeout: patience, StandByTimeout: m.standBy,
			HungAfter: m.hungAfter, StartTimeout: m.startIn,
		},
		Deps{Store: m.store, Log: slog.New(slog.NewTextHandler(m.t.Output(), nil))},
	)
	if err != nil {
		m.t.Fatal(err)
	}
	n.addresses.free = m.free
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	m.node = n
	stopped := false
	m.end = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			m.t.Errorf("Run = %v", err)
		}
	}
	m.t.Cleanup(m.end)
}

func (m *machine) want(broker string, spec resource.BrokerSpec) {
	m.t.Helper()
	spec.Cluster, spec.ClusterID, spec.ClusterName = "c1", "id", "demo"
	key := resource.BrokerSpecKey("n1", "c1", broker)
	if _, err := m.store.Commit(m.t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(key, metadata.Encode(spec))}}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) unwant(broker string) {
	m.t.Helper()
	key := resource.BrokerSpecKey("n1", "c1", broker)
	if _, err := m.store.Commit(m.t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Delete(key)}}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) status(broker string) (resource.BrokerStatus, bool) {
	m.t.Helper()
	kv, ok, err := m.store.Get(context.Background(), resource.BrokerStatusKey("n1", "c1", broker))
	if err != nil {
		m.t.Fatal(err)
	}
	if !ok {
		return resource.BrokerStatus{}, false
	}
	s, err := metadata.Decode[resource.BrokerStatus](kv)
	if err != nil {
		m.t.Fatal(err)
	}
	return s, true
}

// await waits for a status.
func (m *machine) await(broker, what string, cond func(resource.BrokerStatus) bool) resource.BrokerStatus {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	for range m.store.Watch(ctx, resource.BrokerStatusKey("n1", "c1", broker), 1) {
		if s, ok := m.status(broker); ok && cond(s) {
			return s
		}
	}
	s, ok := m.status(broker)
	m.t.Fatalf("broker %s: status is %+v (%v); want %s", broker, s, ok, what)
	return s
}

func running(s resource.BrokerStatus) bool { return s.State == resource.BrokerRunning }

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestBrokersRunAndStop(t *testing.T) {
	m := newMachine(t)
	m.start()
	for _, b := range []string{"1", "2", "3"} {
		m.want(b, resource.BrokerSpec{VCPU: 2, MemoryBytes: 8 << 30, Properties: map[string]string{"mode": "together"}})
	}
	var pids []int
	var block string
	for _, b := range []string{"1", "2", "3"} {
		s := m.await(b, "RUNNING", running)
		ip := net.ParseIP(s.Address)
		if ip == nil || !ip.IsLoopback() || !strings.HasSuffix(s.Address, "."+b) || s.Port != PlaintextPort {
			t.Errorf("broker %s has address %s:%d", b, s.Address, s.Port)
		}
		if prefix := s.Address[:strings.LastIndexByte(s.Address, '.')]; block == "" {
			block = prefix
		} else if prefix != block {
			t.Errorf("brokers of a cluster are in %s and %s", block, prefix)
		}
		pids = append(pids, s.PID)
	}
	info, err := os.Stat(handoverPath(BrokerDir(m.dir, "c1", 1)))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("hand-over file: %v, %v; want mode 0600", info, err)
	}
	began := time.Now()
	m.end()
	if took := time.Since(began); took >= patience { // StopTimeout is what it takes if one is stopped after the other
		t.Errorf("stopping took %s", took)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d outlived its node", pid)
		}
	}
	if s, _ := m.status("1"); s.PID != 0 || s.State != resource.BrokerStopping {
		t.Errorf("status after the stop: %+v", s)
	}
}

func TestKilledBrokerIsRestartedAtItsAddress(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{})
	before := m.await("1", "RUNNING", running)
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	after := m.await("1", "RUNNING again", func(s resource.BrokerStatus) bool { return running(s) && s.PID != before.PID })
	if after.Address != before.Address || after.Restarts != 1 || !strings.Contains(after.LastExit, "killed") {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestRestartOnRequest(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{Restart: 1})
	before := m.await("1", "RUNNING", running)
	m.want("1", resource.BrokerSpec{Restart: 2})
	after := m.await("1", "RUNNING for restart 2", func(s resource.BrokerStatus) bool { return running(s) && s.Restart == 2 })
	if after.PID == before.PID || after.Address != before.Address || alive(before.PID) {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestRemovedBrokerLeavesNothing(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{})
	s := m.await("1", "RUNNING", running)
	m.unwant("1")
	m.awaitGone("1")
	if alive(s.PID) {
		t.Error("the process runs on")
	}
	if _, err := os.Stat(filepath.Join(m.dir, "clusters", "c1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cluster's directory is there: %v", err)
	}
	// The same broker may come again.
	m.want("1", resource.BrokerSpec{})
	m.await("1", "RUNNING", running)
}

func (m *machine) awaitGone(broker string) {
	m.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, ok := m.status(broker); !ok {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatal("the status was not removed")
		}
	}
}

func TestRemovalWhileNoNodeRan(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{})
	m.await("1", "RUNNING", running)
	m.end()
	m.unwant("1")
	m.start()
	m.awaitGone("1")
	if _, err := os.Stat(BrokerDir(m.dir, "c1", 1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the broker's directory is there: %v", err)
	}
}

func TestFailingBrokerIsReported(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{Properties: map[string]string{"mode": "fail"}})
	s := m.await("1", "BACKOFF twice", func(s resource.BrokerStatus) bool { return s.State == resource.BrokerBackOff && s.Restarts >= 2 })
	if !strings.Contains(s.LastExit, "the log is corrupt") {
		t.Errorf("LastExit = %q; want what the process wrote", s.LastExit)
	}
	// A repaired configuration ends the pause.
	m.want("1", resource.BrokerSpec{})
	m.await("1", "RUNNING", running)
}

func TestTakenAddressNamesItsHolder(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{})
	s := m.await("1", "RUNNING", running)
	m.end()
	l := occupy(t, s)
	m.start()
	m.await("1", "BACKOFF that names the holder", func(s resource.BrokerStatus) bool {
		return s.State == resource.BrokerBackOff && strings.Contains(s.LastExit, fmt.Sprintf("%s:9092 is in use by process %d ", s.Address, os.Getpid()))
	})
	_ = l.Close()
	m.await("1", "RUNNING", running)
}

// occupy takes the address of a broker that does not run. Other tests' nodes may look at it at the same moment.
func occupy(t *testing.T, s resource.BrokerStatus) net.Listener {
	t.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(5 * time.Millisecond) {
		l, err := net.Listen("tcp", net.JoinHostPort(s.Address, "9092"))
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
			return l
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestStubbornBrokerIsKilledOnDemand(t *testing.T) {
	m := newMachine(t)
	m.start()
	m.want("1", resource.BrokerSpec{Properties: map[string]string{"mode": "stubborn"}})
	s := m.await("1", "RUNNING", running)
	m.node.Kill()
	began := time.Now()
	m.end()
	if took := time.Since(began); took >= patience || alive(s.PID) { // StopTimeout is what it takes without the demand
		t.Errorf("it took %s, alive: %v", took, alive(s.PID))
	}
}

func TestReplacedProgramStillStartsBrokers(t *testing.T) {
	if got, want := ownProgram(filepath.Join(t.TempDir(), "gone")), "/proc/self/exe"; runtime.GOOS == "linux" && got != want {
		t.Errorf("ownProgram of a file that is gone = %s; want %s", got, want)
	}
	program, err := os.Executable()
	if err != nil || ownProgram(program) != program {
		t.Errorf("ownProgram(%s) = %s, %v", program, ownProgram(program), err)
	}
}
