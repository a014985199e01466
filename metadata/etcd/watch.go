package etcd

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"weir/metadata"
)

// Watch implements metadata.Store. The client resumes a watch whose connection was lost where it stopped, so that only a
// compaction or Close ends one early.
func (s *Store) Watch(ctx context.Context, prefix string, from metadata.Revision) <-chan metadata.Batch {
	out := make(chan metadata.Batch, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if ctx.Err() == nil {
			out <- metadata.Batch{Err: errClosed}
		}
		close(out)
		return out
	}
	s.watchers.Go(func() {
		defer close(out)
		err := s.watch(ctx, out, prefix, from)
		if ctx.Err() != nil {
			return
		}
		select { // the reader may be gone, and Close must not wait for it
		case out <- metadata.Batch{Err: err}:
		case <-ctx.Done():
		case <-s.ctx.Done():
			select {
			case out <- metadata.Batch{Err: err}:
			default:
			}
		}
	})
	return out
}

var (
	errClosed     = fmt.Errorf("%w: it was closed", metadata.ErrUnavailable)
	errWatchEnded = fmt.Errorf("%w: etcd ended the watch", metadata.ErrUnavailable)
)

func (s *Store) watch(ctx context.Context, out chan<- metadata.Batch, prefix string, from metadata.Revision) error {
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	announce := from == 0
	changes, err := await(s, func() (clientv3.WatchChan, error) { // blocks until etcd answers
		return s.c.Watch(wctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(int64(from)), clientv3.WithCreatedNotify()), nil
	})
	if err != nil {
		return err
	}
	for {
		var resp clientv3.WatchResponse
		var ok bool
		select {
		case resp, ok = <-changes:
		case <-s.dead:
			return errDead
		}
		if !ok {
			break
		}
		if err := resp.Err(); err != nil {
			return mapError(ctx, err)
		}
		b := metadata.Batch{Events: make([]metadata.Event, len(resp.Events)), Revision: metadata.Revision(resp.Header.Revision)}
		switch {
		case len(resp.Events) > 0:
			b.Revision = metadata.Revision(resp.Events[len(resp.Events)-1].Kv.ModRevision)
		case announce && resp.Created: // a watch that the client resumes is created again: its reader knows already
			announce = false
		default:
			continue
		}
		for i, e := range resp.Events {
			if e.Type == clientv3.EventTypeDelete {
				b.Events[i] = metadata.Event{
					KV:      metadata.KV{Key: string(e.Kv.Key), Modified: metadata.Revision(e.Kv.ModRevision)},
					Deleted: true,
				}
			} else {
				b.Events[i] = metadata.Event{KV: fromEtcd(e.Kv)}
			}
		}
		select {
		case out <- b:
		case <-s.dead:
		case <-wctx.Done():
		}
	}
	if s.ctx.Err() != nil {
		return errClosed
	}
	return errWatchEnded
}
