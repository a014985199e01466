package tier

import (
	"context"
	"time"
)

// pace slows down what moves data while appends need the disk.
type pace struct {
	rate int64 // bytes in a second while busy; negative: no limit
	busy func() bool
}

// wait is called after n bytes were written. It returns early, with an error, if ctx ends.
func (p *pace) wait(ctx context.Context, n int64) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if p.rate < 0 || !p.busy() {
		return nil
	}
	return sleep(ctx, time.Duration(float64(n)/float64(p.rate)*float64(time.Second)))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
