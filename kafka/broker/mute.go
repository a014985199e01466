package broker

import (
	"context"
	"sync/atomic"
	"time"
)

// muting is the part of a connection that keeps it from being read for a while: the client was told to pause (throttle_time_ms, KIP-219), and one
// that does not is made to.
type muting struct {
	until atomic.Int64 // UnixNano; 0: not muted
}

// mute leaves the connection unread for d from now on, what is on its way to be handled excepted. A longer pause that was ordered before stays.
func (m *muting) mute(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for {
		old := m.until.Load()
		if old >= until || m.until.CompareAndSwap(old, until) {
			return
		}
	}
}

// awaitUnmuted waits until the connection may be read.
func (m *muting) awaitUnmuted(ctx context.Context) error {
	for {
		until := m.until.Load()
		if until == 0 {
			return nil
		}
		left := time.Until(time.Unix(0, until))
		if left <= 0 {
			m.until.CompareAndSwap(until, 0)
			continue
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return errStopped
		}
	}
}
