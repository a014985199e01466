package image

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"weir/metadata"
)

// Live is the current Image of a cluster.
type Live struct {
	store   metadata.Store
	cluster string
	current atomic.Pointer[Image]

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when current changes
	calls   []*call       // in order of OnChange
}

type call struct{ fn func(*Image) }

// New returns a Live that follows the cluster once Run is called.
func New(store metadata.Store, cluster string) *Live {
	l := &Live{store: store, cluster: cluster, changed: make(chan struct{})}
	l.current.Store(&Image{})
	return l
}

// Current returns the newest Image; before the first one is there it returns an empty one.
func (l *Live) Current() *Image { return l.current.Load() }

// Await returns the first Image at revision r or later: what a broker uses to read its own write.
func (l *Live) Await(ctx context.Context, r metadata.Revision) (*Image, error) {
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if img := l.Current(); img.Revision >= r {
			return img, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("image: await revision %d: %w", r, context.Cause(ctx))
		}
	}
}

// OnChange calls fn with each new Image, from Run's goroutine, in order, until stop is called. fn must not block for long, and may
// still run once while stop returns.
func (l *Live) OnChange(fn func(*Image)) (stop func()) {
	c := &call{fn: fn}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(slices.Clip(l.calls), c)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		kept := make([]*call, 0, len(l.calls))
		for _, k := range l.calls {
			if k != c {
				kept = append(kept, k)
			}
		}
		l.calls = kept
	}
}

// publish makes img the current one.
func (l *Live) publish(img *Image) {
	l.mu.Lock()
	l.current.Store(img)
	close(l.changed)
	l.changed = make(chan struct{})
	calls := l.calls
	l.mu.Unlock()
	for _, c := range calls {
		c.fn(img)
	}
}

// Run follows the store until ctx ends, and returns its error; or the error of a record that cannot be read: a broker must not serve
// from metadata that it does not understand.
func (l *Live) Run(ctx context.Context) error {
	b := newBuilder(l.cluster)
	return metadata.Follow(ctx, l.store, metadata.ClusterPrefix(l.cluster), func(u metadata.Update) error {
		if u.Full {
			b.reset()
		}
		img, err := b.apply(u.Events, u.Revision)
		if err != nil {
			return err
		}
		l.publish(img)
		return nil
	})
}
