package terraform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/smithy-go"
)

// A waiter polls until a state is seen.
type waiter struct {
	pending []string // what may be seen before; nil is anything
	target  []string // what is waited for; none is until it is gone
	twice   bool     // the target must be seen two times in a row
}

const patience = 5 * time.Minute

// wait polls state, which gives "" for what is gone.
func (w waiter) wait(ctx context.Context, state func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	seen, missing := 0, 0
	for {
		s, err := state(ctx)
		if err != nil {
			return err
		}
		switch {
		case s == "" && len(w.target) == 0:
			return nil
		case s == "":
			if missing++; missing > 20 {
				return errors.New("it is not there")
			}
		case slices.Contains(w.target, s):
			if seen++; seen == 2 || !w.twice {
				return nil
			}
		case w.pending != nil && !slices.Contains(w.pending, s):
			return fmt.Errorf("unexpected state %q, wanted %q after %q", s, w.target, w.pending)
		default:
			seen = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("still %q, wanted %q: %w", s, w.target, ctx.Err())
		}
	}
}

// is says whether err is, or wraps, an E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// code is an API error's.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// whileInUse repeats a deletion while the service says that something still depends on the resource.
func whileInUse(ctx context.Context, codes []string, remove func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := remove(ctx)
		if err == nil || !slices.Contains(codes, code(err)) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
