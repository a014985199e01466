package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// Config of a node.
type Config struct {
	ID       string   // of the machine, in metadata keys
	Dir      string   // data directory; absolute
	Program  string   // file of the running program, which is started as "weir broker --config FILE"
	Build    string   // identifies the binary's build: processes of another build are not adopted
	Metadata []string // etcd endpoints that broker processes are told
	// VCPU and MemoryBytes are what the machine has; zero VCPU means that of the Go runtime.
	VCPU        int
	MemoryBytes int64
	LogLevel    string // of brokers
	Storage     string // settings of brokers' storage
	// StopTimeout is how long a broker may take to stop before it is killed; zero means 30 s.
	StopTimeout time.Duration
	// HungAfter is how long a broker's process may be without a session in the metadata, which answer, before it counts as hung and is killed; zero means
	// 20 s, a negative time never. A session that is not renewed goes after 6 s, and a process that was stalled makes it anew.
	HungAfter time.Duration
	// StartTimeout is how long a process may take from its start until it serves before it counts as hung; zero means 5 min, which is for recovering a
	// long log.
	StartTimeout time.Duration
	// StandByTimeout is how long the successor of a broker that is restarted may take until it can take over; zero means 60 s. The broker serves meanwhile.
	StandByTimeout time.Duration
}

// Deps are what a node uses.
type Deps struct {
	Store metadata.Store
	Log   *slog.Logger
}

// Node runs the brokers of one machine.
type Node struct {
	cfg          Config
	store        metadata.Store
	log          *slog.Logger
	addresses    *addresses
	launch       func(h *Handover, vcpu int) (*process, error)
	findLeftover func(dir string) (*process, claimRecord, error)
	endSuccessor func(dir string) (bool, error)

	killOnce   sync.Once
	killed     chan struct{}
	registered chan struct{}

	mu          sync.Mutex
	specs       map[brokerKey]resource.BrokerSpec
	supervisors map[brokerKey]*supervisor
}

// New returns a node that works once Run is called.
func New(cfg Config, deps Deps) (*Node, error) {
	if cfg.ID == "" || strings.Contains(cfg.ID, "/") {
		return nil, fmt.Errorf("node: id %q: want a name without slash", cfg.ID)
	}
	if !filepath.IsAbs(cfg.Dir) || !filepath.IsAbs(cfg.Program) {
		return nil, fmt.Errorf("node: data directory %q and program %q must be absolute paths", cfg.Dir, cfg.Program)
	}
	if cfg.VCPU == 0 {
		cfg.VCPU = runtime.NumCPU()
	}
	if cfg.StopTimeout == 0 {
		cfg.StopTimeout = 30 * time.Second
	}
	if cfg.HungAfter == 0 {
		cfg.HungAfter = 20 * time.Second
	}
	if cfg.StartTimeout == 0 {
		cfg.StartTimeout = 5 * time.Minute
	}
	if cfg.StandByTimeout == 0 {
		cfg.StandByTimeout = time.Minute
	}
	n := &Node{
		cfg:          cfg,
		store:        deps.Store,
		log:          deps.Log,
		addresses:    newAddresses(cfg.Dir),
		findLeftover: findLeftover,
		killed:       make(chan struct{}),
		registered:   make(chan struct{}),
		specs:        make(map[brokerKey]resource.BrokerSpec),
		supervisors:  make(map[brokerKey]*supervisor),
	}
	n.launch = n.start
	n.endSuccessor = func(dir string) (bool, error) { return endSuccessor(dir, cfg.StopTimeout, n.killed) }
	return n, nil
}

// Run registers the node and runs what is wanted of it until ctx ends. Then it stops all brokers, in parallel, and returns.
func (n *Node) Run(ctx context.Context) error {
	defer n.addresses.close()
	var running sync.WaitGroup
	defer running.Wait()
	if err := n.register(ctx); err != nil {
		return err
	}
	return metadata.Follow(ctx, n.store, metadata.NodePrefix(n.cfg.ID), func(u metadata.Update) error {
		n.apply(ctx, u, &running)
		return nil
	})
}

// Kill makes every stop of a broker, now and later, a kill: what a second Ctrl-C means. It may be called more than once.
func (n *Node) Kill() { n.killOnce.Do(func() { close(n.killed) }) }

// Registered is closed once Run has registered the node. From then on no status tells of processes as an earlier run saw them.
func (n *Node) Registered() <-chan struct{} { return n.registered }

// register announces the node, trying until the store takes it.
func (n *Node) register(ctx context.Context) error {
	for {
		err := n.registerOnce(ctx)
		if err == nil {
			close(n.registered)
			return nil
		}
		if !errors.Is(err, metadata.ErrUnavailable) || ctx.Err() != nil {
			return fmt.Errorf("register node %s: %w", n.cfg.ID, err)
		}
		n.log.Warn("node not registered, will try again", "err", err)
		t := time.NewTimer(reportPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
}

// registerOnce writes the node's record, after it made the statuses that an earlier run left say that nothing is known of the processes.
func (n *Node) registerOnce(ctx context.Context) error {
	old, _, err := n.store.List(ctx, metadata.NodePrefix(n.cfg.ID)+"status/")
	if err != nil {
		return err
	}
	var ops []metadata.Op
	for _, kv := range old {
		s, err := metadata.Decode[resource.BrokerStatus](kv)
		if err != nil || (s.State == resource.BrokerStarting && s.PID == 0) {
			continue // apply reports what is unreadable
		}
		s.State, s.PID, s.Since = resource.BrokerStarting, 0, time.Now()
		ops = append(ops, metadata.Put(kv.Key, metadata.Encode(s)))
	}
	r := resource.Node{ID: n.cfg.ID, VCPU: n.cfg.VCPU, Memory: n.cfg.MemoryBytes, Started: time.Now()}
	ops = append(ops, metadata.Put(resource.NodeKey(n.cfg.ID), metadata.Encode(r)))
	for chunk := range slices.Chunk(ops, metadata.TxnOpsMax) {
		if _, err := n.store.Commit(ctx, metadata.Txn{Then: chunk}); err != nil {
			return err
		}
	}
	return nil
}

// apply compares what is wanted with the supervisors there are.
func (n *Node) apply(ctx context.Context, u metadata.Update, running *sync.WaitGroup) {
	specs := make(map[brokerKey]*resource.BrokerSpec)
	statuses := make(map[brokerKey]resource.BrokerStatus)
	for _, e := range u.Events {
		kind, key, ok := n.parseKey(e.Key)
		switch {
		case !ok:
		case kind == "status" && !e.Deleted && u.Full:
			if s, err := metadata.Decode[resource.BrokerStatus](e.KV); err != nil {
				n.log.Error("broker status is unreadable", "key", e.Key, "err", err)
			} else {
				statuses[key] = s
			}
		case kind == "spec" && e.Deleted:
			specs[key] = nil
		case kind == "spec":
			s, err := metadata.Decode[resource.BrokerSpec](e.KV)
			if err != nil {
				n.log.Error("broker spec is unreadable", "key", e.Key, "err", err)
				continue
			}
			specs[key] = &s
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if u.Full {
		for key := range n.supervisors {
			if _, ok := specs[key]; !ok {
				specs[key] = nil
			}
		}
		for key, status := range statuses {
			if status.Address != "" && n.supervisors[key] == nil {
				n.addresses.keep(key, Address{IP: status.Address, Port: status.Port})
			}
			if _, ok := specs[key]; !ok {
				specs[key] = nil // removed while no node ran
			}
		}
	}
	for key, spec := range specs {
		if spec != nil {
			n.specs[key] = *spec
		} else {
			delete(n.specs, key)
		}
	}
	for key, spec := range specs {
		n.superviseLocked(ctx, key, spec, statuses[key], running)
	}
}

// superviseLocked hands spec to the broker's supervisor, starting one if need be.
func (n *Node) superviseLocked(
	ctx context.Context, key brokerKey, spec *resource.BrokerSpec, status resource.BrokerStatus, running *sync.WaitGroup,
) {
	if s := n.supervisors[key]; s != nil {
		s.wants(spec)
		return
	}
	if spec == nil && status.State == "" {
		return // never was here
	}
	s := n.newSupervisor(key, status)
	n.supervisors[key] = s
	s.wants(spec)
	running.Go(func() {
		s.run(ctx)
		n.supervised(ctx, s, running)
	})
}

// supervised forgets a supervisor that ended. A spec that came back while it removed the broker gets a new one.
func (n *Node) supervised(ctx context.Context, s *supervisor, running *sync.WaitGroup) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.supervisors, s.key)
	if ctx.Err() != nil {
		return
	}
	if spec, ok := n.specs[s.key]; ok {
		n.superviseLocked(ctx, s.key, &spec, resource.BrokerStatus{}, running)
	}
}

// brokersOf is how many brokers of the cluster this node knows of.
func (n *Node) brokersOf(cluster string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	count := 0
	for key := range n.specs {
		if key.cluster == cluster {
			count++
		}
	}
	return count
}

// parseKey takes a spec's or status's key apart.
func (n *Node) parseKey(key string) (kind string, k brokerKey, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, metadata.NodePrefix(n.cfg.ID)), "/")
	if len(parts) != 3 || (parts[0] != "spec" && parts[0] != "status") {
		return "", brokerKey{}, false
	}
	id, err := strconv.ParseInt(parts[2], 10, 32)
	if err != nil || parts[1] == "" || filepath.Base(parts[1]) != parts[1] || parts[1] == ".." {
		n.log.Error("key is none of a broker", "key", key)
		return "", brokerKey{}, false
	}
	return parts[0], brokerKey{cluster: parts[1], broker: metadata.BrokerID(id)}, true
}
