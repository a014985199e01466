package cell

import (
	"context"
	"errors"
	"fmt"
)

// committedAre checks what a reader of committed records sees of a topic with one partition.
func (r run) committedAre(ctx context.Context, topic string, first, count int) error {
	got, err := r.Read(ctx, topic, 1, count, true)
	if err != nil {
		return err
	}
	return exactly(got, first, count)
}

func (r run) commit(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 1, nil); err != nil {
		return err
	}
	t, err := r.Transactional(ctx, r.name)
	if err != nil {
		return err
	}
	defer t.Close()
	for i := range 3 {
		if err := t.Begin(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if err := t.Send(ctx, r.name, numbered(i*20, 20)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		if err := t.Commit(ctx); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return r.committedAre(ctx, r.name, 0, 60)
}

// abort: records of an aborted transaction are there for those who read everything, and for nobody else.
func (r run) abort(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 1, nil); err != nil {
		return err
	}
	t, err := r.Transactional(ctx, r.name)
	if err != nil {
		return err
	}
	defer t.Close()
	for i, end := range []func(context.Context) error{t.Abort, t.Commit} {
		if err := t.Begin(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if err := t.Send(ctx, r.name, numbered(i*20, 20)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		if err := end(ctx); err != nil {
			return fmt.Errorf("end %d: %w", i, err)
		}
	}
	if err := r.committedAre(ctx, r.name, 20, 20); err != nil {
		return err
	}
	got, err := r.Read(ctx, r.name, 1, 40, false)
	if err != nil {
		return err
	}
	return exactly(got, 0, 40)
}

// fencing: a second producer with the same id ends the first one's transaction and shuts it out.
func (r run) fencing(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 1, nil); err != nil {
		return err
	}
	first, err := r.Transactional(ctx, r.name)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := first.Begin(); err != nil {
		return err
	}
	if err := first.Send(ctx, r.name, numbered(0, 20)); err != nil {
		return err
	}
	second, err := r.Transactional(ctx, r.name)
	if err != nil {
		return fmt.Errorf("the second producer: %w", err)
	}
	defer second.Close()
	if err := first.Commit(ctx); err == nil {
		return errors.New("the producer that was replaced could commit")
	}
	if err := second.Begin(); err != nil {
		return err
	}
	if err := second.Send(ctx, r.name, numbered(20, 20)); err != nil {
		return err
	}
	if err := second.Commit(ctx); err != nil {
		return err
	}
	return r.committedAre(ctx, r.name, 20, 20)
}

// transform: offsets that go with a transaction count only if it commits.
func (r run) transform(ctx context.Context) error {
	const count = 60
	from, to := r.name+"-from", r.name+"-to"
	for _, topic := range []string{from, to} {
		if err := r.CreateTopic(ctx, topic, 1, nil); err != nil {
			return err
		}
	}
	if err := r.Produce(ctx, from, numbered(0, count), Sending{Codec: "none"}); err != nil {
		return err
	}
	if err := r.Transform(ctx, from, to, r.name, r.name, count); err != nil {
		return err
	}
	if err := r.committedAre(ctx, to, 0, count); err != nil {
		return err
	}
	if r.FetchOffset == nil {
		return nil
	}
	return until(ctx, "the group's offset", func() error {
		switch got, err := r.FetchOffset(ctx, r.name, from, 0); {
		case err != nil:
			return err
		case got != count:
			return fmt.Errorf("the group's offset is %d, want %d", got, count)
		}
		return nil
	})
}
