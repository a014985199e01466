package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// TxnOpsMax is how many conditions and how many writes a Txn may have.
const TxnOpsMax = 1024

// Mem is a Store in memory: what simulation and unit tests run on. It keeps etcd's rules on revisions, conditions, leases and watches.
// Time comes from package time, so that testing/synctest drives its leases. It can be told to fail as a real store fails.
type Mem struct {
	watchers sync.WaitGroup
	done     chan struct{} // closed by Close

	mu        sync.Mutex
	closed    bool
	rev       Revision
	compacted Revision // revisions up to and including this one are not kept
	keys      map[string]KV
	history   []memCommit // the commits after compacted, oldest first
	changed   chan struct{}
	dropped   chan struct{} // closed and replaced by DropWatches
	dropErr   error
	leases    map[LeaseID]*memLease
	lastLease LeaseID
	fault     func(Call) Fault
}

var _ Store = (*Mem)(nil)

type memCommit struct {
	rev    Revision
	events []Event
}

type memLease struct {
	ttl   time.Duration
	timer *time.Timer
	keys  map[string]struct{}
}

// Call is a call of a Store method, shown to a fault hook before it runs. Key is its key or prefix, empty for a Txn and leases.
type Call struct {
	Method string // "Get", "List", "Commit", "Watch", "Grant", "KeepAlive", "Revoke"
	Key    string
	Txn    Txn
}

// Fault is what a fault hook makes of a call. Before fails it without effect; After fails it although it took effect, which is
// how a connection lost at the wrong moment looks. Wrap ErrUnavailable in either. Before of a Watch ends it with that error.
type Fault struct{ Before, After error }

// NewMem returns an empty store at revision 1, as a new etcd has it.
func NewMem() *Mem {
	return &Mem{
		rev:     1,
		done:    make(chan struct{}),
		keys:    make(map[string]KV),
		changed: make(chan struct{}),
		dropped: make(chan struct{}),
		leases:  make(map[LeaseID]*memLease),
	}
}

// SetFault makes hook decide on the fate of every later call; nil ends that. hook runs without locks and may block, as a slow store does.
func (m *Mem) SetFault(hook func(Call) Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = hook
}

// Compact forgets the history up to and including rev: a Watch from there on gets ErrCompacted. Revisions in the future are ignored.
func (m *Mem) Compact(rev Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if rev <= m.compacted || rev > m.rev {
		return
	}
	m.compacted = rev
	i, _ := slices.BinarySearchFunc(m.history, rev+1, func(c memCommit, r Revision) int { return int(c.rev - r) })
	m.history = slices.Clone(m.history[i:])
}

// DropWatches ends all running watches with err.
func (m *Mem) DropWatches(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropErr = err
	close(m.dropped)
	m.dropped = make(chan struct{})
}

// Revision is the revision of the last commit.
func (m *Mem) Revision() Revision {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rev
}

// begin asks the fault hook about a call; after must be applied to the call's result.
func (m *Mem) begin(ctx context.Context, c Call) (after error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	m.mu.Lock()
	hook, closed := m.fault, m.closed
	m.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if hook == nil {
		return nil, nil
	}
	f := hook(c)
	return f.After, f.Before
}

var errClosed = fmt.Errorf("%w: it was closed", ErrUnavailable)

// Get implements Store.
func (m *Mem) Get(ctx context.Context, key string) (KV, bool, error) {
	after, err := m.begin(ctx, Call{Method: "Get", Key: key})
	if err := errors.Join(after, err); err != nil {
		return KV{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	kv, ok := m.keys[key]
	return kv, ok, nil
}

// List implements Store.
func (m *Mem) List(ctx context.Context, prefix string) ([]KV, Revision, error) {
	after, err := m.begin(ctx, Call{Method: "List", Key: prefix})
	if err := errors.Join(after, err); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var kvs []KV
	for _, kv := range m.keys {
		if strings.HasPrefix(kv.Key, prefix) {
			kvs = append(kvs, kv)
		}
	}
	slices.SortFunc(kvs, func(a, b KV) int { return strings.Compare(a.Key, b.Key) })
	return kvs, m.rev, nil
}

// Commit implements Store.
func (m *Mem) Commit(ctx context.Context, t Txn) (Revision, error) {
	after, err := m.begin(ctx, Call{Method: "Commit", Txn: t})
	if err != nil {
		return 0, err
	}
	if err := t.Check(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	rev, err := m.commitLocked(t)
	m.mu.Unlock()
	if after != nil {
		return 0, after
	}
	return rev, err
}

func (m *Mem) commitLocked(t Txn) (Revision, error) {
	for _, c := range t.If {
		if m.keys[c.Key].Modified != c.Modified { // the zero KV stands for a missing key
			return 0, ErrConflict
		}
	}
	for _, op := range t.Then {
		if op.Lease != 0 && m.leases[op.Lease] == nil {
			return 0, ErrLeaseNotFound
		}
	}
	next := m.rev + 1
	var events []Event
	for _, op := range t.Then {
		switch {
		case !op.Delete:
			events = append(events, m.putLocked(op, next))
		case op.Prefix:
			events = append(events, m.deletePrefixLocked(op.Key, next)...)
		default:
			if _, ok := m.keys[op.Key]; ok {
				events = append(events, m.deleteLocked(op.Key, next))
			}
		}
	}
	m.recordLocked(next, events)
	return m.rev, nil
}

func (m *Mem) putLocked(op Op, rev Revision) Event {
	old, existed := m.keys[op.Key]
	kv := KV{Key: op.Key, Value: slices.Clone(op.Value), Created: rev, Modified: rev, Lease: op.Lease}
	if existed {
		kv.Created = old.Created
		if l := m.leases[old.Lease]; l != nil {
			delete(l.keys, op.Key)
		}
	}
	if l := m.leases[op.Lease]; l != nil {
		l.keys[op.Key] = struct{}{}
	}
	m.keys[op.Key] = kv
	return Event{KV: kv}
}

func (m *Mem) deleteLocked(key string, rev Revision) Event {
	if l := m.leases[m.keys[key].Lease]; l != nil {
		delete(l.keys, key)
	}
	delete(m.keys, key)
	return Event{KV: KV{Key: key, Modified: rev}, Deleted: true}
}

func (m *Mem) deletePrefixLocked(prefix string, rev Revision) []Event {
	var doomed []string
	for key := range m.keys {
		if strings.HasPrefix(key, prefix) {
			doomed = append(doomed, key)
		}
	}
	slices.Sort(doomed)
	var events []Event
	for _, key := range doomed {
		events = append(events, m.deleteLocked(key, rev))
	}
	return events
}

// recordLocked makes events the commit of revision rev. A commit that changed nothing has no revision of its own.
func (m *Mem) recordLocked(rev Revision, events []Event) {
	if len(events) == 0 {
		return
	}
	m.rev = rev
	m.history = append(m.history, memCommit{rev: rev, events: events})
	close(m.changed)
	m.changed = make(chan struct{})
}

// Grant implements Store.
func (m *Mem) Grant(ctx context.Context, ttl time.Duration) (LeaseID, error) {
	after, err := m.begin(ctx, Call{Method: "Grant"})
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, errClosed
	}
	m.lastLease++
	id := m.lastLease
	m.leases[id] = &memLease{ttl: ttl, keys: make(map[string]struct{}), timer: time.AfterFunc(ttl, func() { m.expire(id) })}
	return id, after
}

// KeepAlive implements Store.
func (m *Mem) KeepAlive(ctx context.Context, id LeaseID) error {
	after, err := m.begin(ctx, Call{Method: "KeepAlive"})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leases[id]
	// A timer that fired already has its expire call waiting for the lock: the lease is lost.
	if l == nil || !l.timer.Stop() {
		return errors.Join(after, ErrLeaseNotFound)
	}
	l.timer.Reset(l.ttl)
	return after
}

// Revoke implements Store.
func (m *Mem) Revoke(ctx context.Context, id LeaseID) error {
	after, err := m.begin(ctx, Call{Method: "Revoke"})
	if err != nil {
		return err
	}
	if !m.expire(id) {
		return errors.Join(after, ErrLeaseNotFound)
	}
	return after
}

// expire removes the lease and its keys, in one commit.
func (m *Mem) expire(id LeaseID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leases[id]
	if l == nil || m.closed {
		return false
	}
	l.timer.Stop()
	delete(m.leases, id)
	keys := make([]string, 0, len(l.keys))
	for key := range l.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	next := m.rev + 1
	var events []Event
	for _, key := range keys {
		events = append(events, m.deleteLocked(key, next))
	}
	m.recordLocked(next, events)
	return true
}

// Close implements Store.
func (m *Mem) Close() error {
	m.mu.Lock()
	if !m.closed {
		m.closed = true
		close(m.done)
		for _, l := range m.leases {
			l.timer.Stop()
		}
	}
	m.mu.Unlock()
	m.watchers.Wait()
	return nil
}
