package ownership

import (
	"context"
	"errors"
)

// checkpointTries is how often a checkpoint is tried that something waits for. It fails if partitions come and go at the same moment.
const checkpointTries = 5

// round is a checkpoint that several moves wait for.
type round struct {
	done chan struct{}
	err  error // when done
}

// checkpointNow takes a checkpoint of all that is so when it is called, together with others who ask for one while another is being taken: what many moves at once
// cost is one checkpoint after the other, and not one for each.
func (o *Owner) checkpointNow(ctx context.Context) error {
	for {
		r, mine := o.follow.joinRound()
		if mine {
			r.err = o.checkpointRound(ctx)
			close(r.done)
			return r.err
		}
		select {
		case <-r.done:
			if ctx.Err() == nil && (errors.Is(r.err, context.Canceled) || errors.Is(r.err, context.DeadlineExceeded)) {
				continue // whoever took it gave up
			}
			return r.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// joinRound returns the checkpoint that comes after the one under way, and whether the caller is to take it.
func (f *follower) joinRound() (r *round, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.round != nil {
		return f.round, false
	}
	f.round = &round{done: make(chan struct{})}
	return f.round, true
}

// checkpointRound waits for the checkpoint under way, and takes one for all who joined until then.
func (o *Owner) checkpointRound(ctx context.Context) (err error) {
	f := &o.follow
	began := false
	begin := func() {
		if !began {
			f.mu.Lock()
			f.round, began = nil, true // who comes later joins the next
			f.mu.Unlock()
		}
	}
	defer begin()
	select {
	case f.taking <- struct{}{}:
		defer func() { <-f.taking }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	begin()
	for range checkpointTries {
		if err = o.tiers.Checkpoint(ctx); err == nil || ctx.Err() != nil || errors.Is(err, errFailed) {
			return err
		}
	}
	return err
}
