// Package metadata is where Weir keeps its small, slowly changing facts: clusters, operations, topics, partition
// leaders, sessions. It owns the key layout, the records that more than one plane reads, and the Store seam with its
// two implementations: etcd (client of an embedded or external server) and memory (simulation, tests).
//
// The planes meet here: the control plane writes records that brokers and nodes follow, and the other way round.
// Never in here: Kafka records, consumer offsets, group or transaction state.
package metadata

import (
	"context"
	"errors"
	"time"
)

// Revision orders all changes of one Store, as etcd's revision does. It starts at 1 and grows with every commit that changed a key.
type Revision int64

// LeaseID names a lease; zero means none.
type LeaseID int64

var (
	// ErrConflict is returned by Commit when a condition did not hold. Nothing was written; read again before trying anew.
	ErrConflict = errors.New("metadata: a condition of the transaction does not hold")
	// ErrCompacted ends a Watch whose starting revision is no longer kept: list again (Follow does).
	ErrCompacted = errors.New("metadata: revision was compacted")
	// ErrLeaseNotFound means that the lease ran out or was revoked; its keys are gone.
	ErrLeaseNotFound = errors.New("metadata: lease not found")
	// ErrUnavailable means that the store could not be asked in time; a Commit that fails so may or may not have taken effect.
	ErrUnavailable = errors.New("metadata: store unavailable")
)

// KV is one key as stored. Value must not be modified.
type KV struct {
	Key      string
	Value    []byte
	Created  Revision // revision of the commit that created the key
	Modified Revision // revision of its last change
	Lease    LeaseID
}

// Cond is a condition of a Txn on one key: it was last modified at Modified, where zero means that it does not exist.
type Cond struct {
	Key      string
	Modified Revision
}

// Op is one write of a Txn. Exactly one of the constructors below makes it.
type Op struct {
	Key    string
	Prefix bool // with Delete: every key that starts with Key
	Delete bool
	Value  []byte
	Lease  LeaseID
}

// Put sets key to value.
func Put(key string, value []byte) Op { return Op{Key: key, Value: value} }

// PutLeased sets key to value until lease ends.
func PutLeased(key string, value []byte, lease LeaseID) Op {
	return Op{Key: key, Value: value, Lease: lease}
}

// Delete removes key; a missing key is no error.
func Delete(key string) Op { return Op{Key: key, Delete: true} }

// DeletePrefix removes every key that starts with prefix.
func DeletePrefix(prefix string) Op { return Op{Key: prefix, Prefix: true, Delete: true} }

// Txn writes all of Then at one revision if all of If hold, and nothing otherwise. At most 1,024 of each.
type Txn struct {
	If   []Cond
	Then []Op
}

// Event is one change of a key. Deleted events carry the key and the revision in Modified only.
type Event struct {
	KV
	Deleted bool
}

// Batch holds the events of one or more whole revisions, in order, the newest being Revision. Err is set on the last batch of a
// Watch that ended for another reason than its context.
type Batch struct {
	Events   []Event
	Revision Revision
	Err      error
}

// Store is the part of etcd that Weir uses. All methods are safe for concurrent use; reads are linearizable.
type Store interface {
	// Get returns the key; ok is false if it does not exist.
	Get(ctx context.Context, key string) (kv KV, ok bool, err error)
	// List returns all keys that start with prefix, sorted by key, as of one revision.
	List(ctx context.Context, prefix string) ([]KV, Revision, error)
	// Commit applies t and returns the revision of its writes, or ErrConflict.
	Commit(ctx context.Context, t Txn) (Revision, error)
	// Watch sends every change under prefix from revision from on (inclusive, 1 being the first) until ctx ends, then closes the
	// channel. From 0 means from now on: the first Batch then has no events, and its Revision is the one after which changes are sent. It does not block; a watch that cannot go on says why in a last Batch, unless nobody reads it while the store closes.
	Watch(ctx context.Context, prefix string, from Revision) <-chan Batch
	// Grant makes a lease; its keys vanish ttl after the last KeepAlive.
	Grant(ctx context.Context, ttl time.Duration) (LeaseID, error)
	// KeepAlive renews the lease once, or returns ErrLeaseNotFound.
	KeepAlive(ctx context.Context, id LeaseID) error
	// Revoke ends the lease and removes its keys.
	Revoke(ctx context.Context, id LeaseID) error
	// Close ends all watches and waits for them.
	Close() error
}
