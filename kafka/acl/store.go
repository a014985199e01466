package acl

import (
	"context"
	"errors"
	"fmt"

	"weir/metadata"
)

const (
	// CountMax is how many ACLs a cluster may have.
	CountMax = 10_000
	// ChangesMax is how many one request may create.
	ChangesMax = metadata.TxnOpsMax
)

// ErrTooMany means that a cluster would get more than CountMax ACLs, or one request makes more than ChangesMax.
var ErrTooMany = errors.New("acl: too many")

// Add stores valid ACLs, all or none of them. The count before is known to the caller. Those that exist already are no error.
func Add(ctx context.Context, store metadata.Store, cluster string, count int, acls []metadata.ACL) (metadata.Revision, error) {
	if len(acls) == 0 {
		return 0, nil
	}
	if len(acls) > ChangesMax || count+len(acls) > CountMax {
		return 0, fmt.Errorf("%w: %d in a request and %d in all; %d and %d are allowed", ErrTooMany, len(acls), count+len(acls), ChangesMax, CountMax)
	}
	var txn metadata.Txn
	seen := make(map[string]bool, len(acls))
	for i := range acls {
		key := metadata.ACLKey(cluster, ID(&acls[i]))
		if !seen[key] {
			seen[key] = true
			txn.Then = append(txn.Then, metadata.Put(key, metadata.Encode(&acls[i])))
		}
	}
	rev, err := store.Commit(ctx, txn)
	if err != nil {
		return 0, fmt.Errorf("acl: store: %w", err)
	}
	return rev, nil
}

// Remove deletes ACLs. More than fit one transaction go in several: it is not an error if some are gone already.
func Remove(ctx context.Context, store metadata.Store, cluster string, acls []metadata.ACL) (rev metadata.Revision, err error) {
	seen := make(map[string]bool, len(acls))
	var txn metadata.Txn
	for i := range acls {
		key := metadata.ACLKey(cluster, ID(&acls[i]))
		if !seen[key] {
			seen[key] = true
			txn.Then = append(txn.Then, metadata.Delete(key))
		}
		if len(txn.Then) == metadata.TxnOpsMax || i == len(acls)-1 && len(txn.Then) > 0 {
			if rev, err = store.Commit(ctx, txn); err != nil {
				return 0, fmt.Errorf("acl: delete: %w", err)
			}
			txn.Then = nil
		}
	}
	return rev, nil
}

// List reads all ACLs.
func List(ctx context.Context, store metadata.Store, cluster string) ([]metadata.ACL, error) {
	kvs, _, err := store.List(ctx, metadata.ACLKey(cluster, ""))
	if err != nil {
		return nil, fmt.Errorf("acl: list: %w", err)
	}
	all := make([]metadata.ACL, 0, len(kvs))
	for _, kv := range kvs {
		a, err := metadata.Decode[metadata.ACL](kv)
		if err != nil {
			return nil, fmt.Errorf("acl: list: %w", err)
		}
		all = append(all, a)
	}
	return all, nil
}
