package group

import (
	"context"
	"sync"
)

// jobs runs functions that block beside the shards, for as long as the coordinator runs.
type jobs struct {
	mu  sync.Mutex
	ctx context.Context //nolint:containedctx // of Run; nil while it does not run
	wg  sync.WaitGroup
}

// begin lets jobs run until ctx ends.
func (j *jobs) begin(ctx context.Context) {
	j.mu.Lock()
	j.ctx = ctx
	j.mu.Unlock()
}

// end waits for all jobs, whose context has ended. No more can begin.
func (j *jobs) end() {
	j.mu.Lock()
	j.ctx = nil
	j.mu.Unlock()
	j.wg.Wait()
}

// start runs fn in a goroutine of its own, and reports whether it could.
func (j *jobs) start(fn func(ctx context.Context)) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx == nil {
		return false
	}
	ctx := j.ctx
	j.wg.Go(func() { fn(ctx) })
	return true
}
