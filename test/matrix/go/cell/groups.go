package cell

import (
	"context"
	"fmt"
	"slices"
)

const groupPartitions = 6

// settled waits until the members own so many partitions each, and no partition twice.
func settled(ctx context.Context, what string, members []Member, counts ...int) error {
	return until(ctx, what, func() error {
		var got []int
		var all []int32
		for _, m := range members {
			a := m.Assigned()
			got, all = append(got, len(a)), append(all, a...)
		}
		slices.Sort(all)
		if !slices.Equal(got, counts) || len(slices.Compact(all)) != groupPartitions {
			return fmt.Errorf("the members own %v partitions, want %v", got, counts)
		}
		return nil
	})
}

func readAll(ctx context.Context, members []Member, first, count int, skip ...int) error {
	got := func() []Record {
		var all []Record
		for i, m := range members {
			all = append(all, m.Records()[skip[i]:]...)
		}
		return all
	}
	err := until(ctx, "reading", func() error {
		if n := len(got()); n < count {
			return fmt.Errorf("%d of %d records came", n, count)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return exactly(got(), first, count)
}

// group: a member joins, a second one joins and leaves, records come exactly once, and a later member continues behind the commits.
func (r run) group(ctx context.Context, how Joining) error {
	if err := r.CreateTopic(ctx, r.name, groupPartitions, nil); err != nil {
		return err
	}
	how.Topic, how.Group = r.name, r.name
	sending := Sending{Codec: "none"}
	a, err := r.Join(ctx, how)
	if err != nil {
		return err
	}
	if err := settled(ctx, "one member", []Member{a}, 6); err != nil {
		return err
	}
	b, err := r.Join(ctx, how)
	if err != nil {
		return err
	}
	if err := settled(ctx, "two members", []Member{a, b}, 3, 3); err != nil {
		return err
	}
	if (how.Cooperative || how.Server) && a.Lost() != 3 {
		return fmt.Errorf("the first member lost %d partitions when the second joined, want 3", a.Lost())
	}
	if err := r.Produce(ctx, r.name, numbered(0, 600), sending); err != nil {
		return err
	}
	if err := readAll(ctx, []Member{a, b}, 0, 600, 0, 0); err != nil {
		return err
	}
	if err := b.Leave(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	if err := settled(ctx, "one member left", []Member{a}, 6); err != nil {
		return err
	}
	if how.Cooperative && a.Lost() != 3 {
		return fmt.Errorf("the first member lost %d partitions when the second left, want none", a.Lost()-3)
	}
	before := len(a.Records())
	if err := r.Produce(ctx, r.name, numbered(600, 200), sending); err != nil {
		return err
	}
	if err := readAll(ctx, []Member{a}, 600, 200, before); err != nil {
		return err
	}
	if err := a.Leave(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	if err := r.Produce(ctx, r.name, numbered(800, 50), sending); err != nil {
		return err
	}
	c, err := r.Join(ctx, how)
	if err != nil {
		return err
	}
	if err := readAll(ctx, []Member{c}, 800, 50, 0); err != nil {
		return err
	}
	return c.Leave()
}

// static: a member that comes back under its instance id gets its partitions again, and the others do not notice.
func (r run) static(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, groupPartitions, nil); err != nil {
		return err
	}
	join := func(instance string) (Member, error) {
		return r.Join(ctx, Joining{Topic: r.name, Group: r.name, Instance: instance})
	}
	a, err := join("one")
	if err != nil {
		return err
	}
	if err := settled(ctx, "one member", []Member{a}, groupPartitions); err != nil {
		return err
	}
	b, err := join("two")
	if err != nil {
		return err
	}
	if err := settled(ctx, "two members", []Member{a, b}, 3, 3); err != nil {
		return err
	}
	owned, lost := a.Assigned(), b.Lost()
	slices.Sort(owned)
	if err := a.Leave(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	again, err := join("one")
	if err != nil {
		return err
	}
	if err := settled(ctx, "the first member is back", []Member{again, b}, 3, 3); err != nil {
		return err
	}
	got := again.Assigned()
	slices.Sort(got)
	if !slices.Equal(got, owned) {
		return fmt.Errorf("the member that came back owns %v, before %v", got, owned)
	}
	if b.Lost() != lost {
		return fmt.Errorf("the other member lost %d partitions meanwhile", b.Lost()-lost)
	}
	if err := r.Produce(ctx, r.name, numbered(0, 100), Sending{Codec: "none"}); err != nil {
		return err
	}
	if err := readAll(ctx, []Member{again, b}, 0, 100, 0, 0); err != nil {
		return err
	}
	if err := again.Leave(); err != nil {
		return err
	}
	return b.Leave()
}

// pattern: the broker resolves a pattern, which matches whole names.
func (r run) pattern(ctx context.Context) error {
	for _, topic := range []string{"-a1", "-b", "-a2"} {
		if err := r.CreateTopic(ctx, r.name+topic, 1, nil); err != nil {
			return err
		}
	}
	m, err := r.Join(ctx, Joining{Group: r.name, Server: true, Pattern: r.name + "-a[0-9]"})
	if err != nil {
		return err
	}
	err = until(ctx, "two topics match", func() error {
		if got := len(m.Assigned()); got != 2 {
			return fmt.Errorf("the member owns %d partitions, want 2", got)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, topic := range []string{"-a1", "-b", "-a2"} {
		if err := r.Produce(ctx, r.name+topic, numbered(10*i, 10), Sending{Codec: "none"}); err != nil {
			return err
		}
	}
	err = until(ctx, "reading", func() error {
		if n := len(m.Records()); n < 20 {
			return fmt.Errorf("%d of 20 records came", n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, got := range m.Records() {
		if n := number(got); n/10 == 1 {
			return fmt.Errorf("record %d of the topic that does not match came", n)
		}
	}
	return m.Leave()
}

func (r run) share(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 2, nil); err != nil {
		return err
	}
	if err := r.Produce(ctx, r.name, numbered(0, 100), Sending{Codec: "none"}); err != nil {
		return err
	}
	return r.Share(ctx, r.name, r.name)
}
