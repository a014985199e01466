package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"weir/metadata"
)

// A broker outlives a weir up that is killed, for the next one to adopt. If none comes, it ends itself: when the process that started it is gone
// and the metadata have not answered for orphanAfter. Either alone is no reason: a node may be replaced while the metadata live elsewhere, and
// metadata may be away for a while.
const (
	orphanAfter = 30 * time.Second
	orphanTick  = time.Second
)

var errOrphaned = errors.New("nobody looks after this broker any more")

type orphanWatch struct {
	store   metadata.Store
	log     *slog.Logger
	parent  func() int // id of the parent process, which changes when it ends
	started int
}

// newOrphanWatch must be called before the parent can have ended unnoticed: early.
func newOrphanWatch(store metadata.Store, log *slog.Logger) *orphanWatch {
	return &orphanWatch{store: store, log: log, parent: os.Getppid, started: os.Getppid()}
}

// run returns true when the broker is an orphan, or false when ctx ends.
func (w *orphanWatch) run(ctx context.Context) bool {
	t := time.NewTicker(orphanTick)
	defer t.Stop()
	lastSeen, alone := time.Now(), false
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
		// Process 1 as the first parent means that it ended before we looked.
		if w.started != 1 && w.parent() == w.started {
			lastSeen = time.Now()
			continue
		}
		if w.answers(ctx) {
			lastSeen, alone = time.Now(), false
			continue
		}
		if !alone {
			alone = true
			w.log.Warn("neither the node nor the metadata are there, waiting for the next node", "timeout", orphanAfter)
		}
		if time.Since(lastSeen) >= orphanAfter {
			w.log.Warn("no node came back: the broker ends itself")
			return true
		}
	}
}

func (w *orphanWatch) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*orphanTick)
	defer cancel()
	_, _, err := w.store.Get(ctx, metadata.FormatKey)
	return err == nil
}
