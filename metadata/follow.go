package metadata

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// Update is what Follow delivers.
type Update struct {
	// Full says that Events hold all keys that exist under the prefix: what was known and is not among them is gone. The first
	// Update is full, and so is the one after a gap (the watch was lost or its history compacted).
	Full     bool
	Events   []Event
	Revision Revision // the state after Events is the state as of this revision
}

// Bounds of the pause between two tries of Follow.
const (
	followPauseMin = 20 * time.Millisecond
	followPauseMax = 2 * time.Second
)

// Follow keeps fn informed of everything under prefix: the full state first, then every change in order, without gaps. It watches,
// lists, and starts over with back-off when the store cannot be asked or the watch is lost. fn is called from this goroutine only.
// Follow returns fn's error, or the context's when that ends.
func Follow(ctx context.Context, store Store, prefix string, fn func(Update) error) error {
	pause := followPauseMin
	for {
		progressed, err := followOnce(ctx, store, prefix, fn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var stop stopError
		if errors.As(err, &stop) {
			return stop.err
		}
		if progressed {
			pause = followPauseMin
		}
		if errors.Is(err, ErrCompacted) {
			continue // nothing is wrong with the store: list again at once
		}
		t := time.NewTimer(pause/2 + rand.N(pause/2)) // jitter: brokers of a cluster lose the store at the same moment
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, followPauseMax)
	}
}

// stopError is an error of fn, which ends Follow.
type stopError struct{ err error }

func (e stopError) Error() string { return e.err.Error() }

var errWatchEnded = errors.New("metadata: watch ended")

func followOnce(ctx context.Context, store Store, prefix string, fn func(Update) error) (progressed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	// The watch comes before the list: etcd serves a watch that starts in the past from a ticker of 100 ms, which every start of a
	// cluster would run into. What the list shows already is dropped from the watch.
	batches := store.Watch(ctx, prefix, 0)
	defer func() {
		cancel()
		for range batches { // until the store has let go of it
		}
	}()
	created, ok := <-batches
	switch {
	case !ok:
		return false, errWatchEnded
	case created.Err != nil:
		return false, created.Err
	}
	kvs, rev, err := store.List(ctx, prefix)
	if err != nil {
		return false, err
	}
	full := Update{Full: true, Revision: rev, Events: make([]Event, len(kvs))}
	for i, kv := range kvs {
		full.Events[i] = Event{KV: kv}
	}
	if err := fn(full); err != nil {
		return false, stopError{err}
	}
	for b := range batches {
		if b.Revision <= rev {
			b.Events = nil
		} else if i := slices.IndexFunc(b.Events, func(e Event) bool { return e.Modified > rev }); i > 0 {
			b.Events = b.Events[i:]
		}
		if len(b.Events) > 0 {
			if err := fn(Update{Events: b.Events, Revision: b.Revision}); err != nil {
				return true, stopError{err}
			}
			progressed = true
		}
		if b.Err != nil {
			return progressed, b.Err
		}
	}
	return progressed, errWatchEnded
}
