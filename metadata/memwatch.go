package metadata

import (
	"context"
	"slices"
	"strings"
)

// Watch implements Store.
func (m *Mem) Watch(ctx context.Context, prefix string, from Revision) <-chan Batch {
	out := make(chan Batch, 1)
	_, err := m.begin(ctx, Call{Method: "Watch", Key: prefix})
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && m.closed {
		err = errClosed
	}
	if err != nil {
		if ctx.Err() == nil {
			out <- Batch{Err: err}
		}
		close(out)
		return out
	}
	dropped := m.dropped
	if from == 0 {
		out <- Batch{Revision: m.rev}
		from = m.rev + 1
	}
	m.watchers.Go(func() {
		defer close(out)
		if err := m.send(ctx, out, dropped, prefix, from); err != nil && ctx.Err() == nil {
			select { // the reader may be gone, and Close must not wait for it
			case out <- Batch{Err: err}:
			case <-ctx.Done():
			case <-m.done:
				select {
				case out <- Batch{Err: err}:
				default:
				}
			}
		}
	})
	return out
}

// send delivers the commits from revision from on, several in a batch if the reader is slow, and returns why it stopped.
func (m *Mem) send(ctx context.Context, out chan<- Batch, dropped <-chan struct{}, prefix string, from Revision) error {
	for {
		b, next, changed, err := m.since(prefix, from)
		if err != nil {
			return err
		}
		from = next
		send := out
		if len(b.Events) == 0 {
			send = nil
		}
		for sent := false; !sent; {
			select {
			case send <- b:
				sent = true
			case <-changedIf(send == nil, changed):
				sent = true // nothing to send: look again
			case <-dropped:
				m.mu.Lock()
				defer m.mu.Unlock()
				return m.dropErr
			case <-m.done:
				return errClosed
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func changedIf(wait bool, changed <-chan struct{}) <-chan struct{} {
	if wait {
		return changed
	}
	return nil
}

// since collects what happened under prefix from revision from on; changed is closed at the next commit after that.
func (m *Mem) since(prefix string, from Revision) (b Batch, next Revision, changed <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from = max(from, 1); from <= m.compacted {
		return Batch{}, 0, nil, ErrCompacted
	}
	i, _ := slices.BinarySearchFunc(m.history, from, func(c memCommit, r Revision) int { return int(c.rev - r) })
	for _, c := range m.history[i:] {
		for _, e := range c.events {
			if strings.HasPrefix(e.Key, prefix) {
				b.Events = append(b.Events, e)
				b.Revision = c.rev
			}
		}
	}
	return b, max(from, m.rev+1), m.changed, nil
}
