package resource

import (
	"context"
	"errors"

	"weir/metadata"
)

// Await returns the record of the cluster under key as soon as done says so of it; done is asked of the present record and of
// every later one, with ok false for a cluster that is gone.
func Await(ctx context.Context, store metadata.Store, key string, done func(c Cluster, ok bool) bool) (Cluster, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var last Cluster
	err := metadata.Follow(ctx, store, key, func(u metadata.Update) error {
		exists, seen := false, u.Full
		for _, e := range u.Events {
			if e.Key != key {
				continue
			}
			exists, seen = !e.Deleted, true
			if e.Deleted {
				continue
			}
			v, err := metadata.Decode[Cluster](e.KV)
			if err != nil {
				return err
			}
			last = v
		}
		if seen && done(last, exists) {
			return errDone
		}
		return nil
	})
	if errors.Is(err, errDone) {
		return last, nil
	}
	return last, err
}

var errDone = errors.New("resource: what was waited for is there")
