package node

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// reporter keeps a broker's status record as the supervisor last set it. Supervision does not wait for the metadata store, which may
// be away while brokers run on.
type reporter struct {
	store metadata.Store
	key   string
	log   *slog.Logger

	mu      sync.Mutex
	next    resource.BrokerStatus
	remove  bool
	version int           // of next and remove
	written int           // version that the store has
	changed chan struct{} // has room for one: something is to be written
	caught  chan struct{} // closed and replaced after each write
}

func newReporter(store metadata.Store, key string, log *slog.Logger) *reporter {
	return &reporter{store: store, key: key, log: log, changed: make(chan struct{}, 1), caught: make(chan struct{})}
}

// set makes s the status to be reported.
func (r *reporter) set(s resource.BrokerStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = s
	r.bumpLocked()
}

// delete makes the record disappear.
func (r *reporter) delete() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove = true
	r.bumpLocked()
}

func (r *reporter) bumpLocked() {
	r.version++
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// flush waits until the store has what was set last.
func (r *reporter) flush(ctx context.Context) error {
	for {
		r.mu.Lock()
		done, caught := r.written == r.version, r.caught
		r.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-caught:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const reportPause = 500 * time.Millisecond

// run writes until ctx ends.
func (r *reporter) run(ctx context.Context) {
	for {
		select {
		case <-r.changed:
		case <-ctx.Done():
			return
		}
		for !r.write(ctx) {
			t := time.NewTimer(reportPause)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return
			}
		}
	}
}

func (r *reporter) write(ctx context.Context) bool {
	r.mu.Lock()
	op := metadata.Put(r.key, metadata.Encode(r.next))
	if r.remove {
		op = metadata.Delete(r.key)
	}
	version := r.version
	r.mu.Unlock()
	if _, err := r.store.Commit(ctx, metadata.Txn{Then: []metadata.Op{op}}); err != nil {
		if ctx.Err() == nil {
			r.log.Warn("broker status not reported, will try again", "key", r.key, "err", err)
		}
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written = version
	close(r.caught)
	r.caught = make(chan struct{})
	return true
}
