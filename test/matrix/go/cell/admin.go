package cell

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

func (r run) topics(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 4, map[string]string{"cleanup.policy": "compact"}); err != nil {
		return err
	}
	if err := r.CreateTopic(ctx, r.name, 4, nil); err == nil {
		return errors.New("a second topic of the same name was made")
	}
	if err := r.CreateTopic(ctx, "no topic/name", 1, nil); err == nil {
		return errors.New("a topic with a slash was made")
	}
	listed := func(want bool) func() error {
		return func() error {
			names, err := r.ListTopics(ctx)
			if err == nil && slices.Contains(names, r.name) != want {
				err = fmt.Errorf("the topic is listed: %t", !want)
			}
			return err
		}
	}
	if err := until(ctx, "listed", listed(true)); err != nil {
		return err
	}
	if n, err := r.Partitions(ctx, r.name); err != nil || n != 4 {
		return fmt.Errorf("the topic has %d partitions: %v", n, err)
	}
	if err := r.DeleteTopic(ctx, r.name); err != nil {
		return err
	}
	return until(ctx, "deleted", listed(false))
}

func (r run) configs(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 1, map[string]string{"retention.ms": "3600000"}); err != nil {
		return err
	}
	is := func(key, want string) error {
		return until(ctx, key, func() error {
			got, err := r.DescribeConfig(ctx, r.name, key)
			if err == nil && got != want {
				err = fmt.Errorf("%s is %q, want %q", key, got, want)
			}
			return err
		})
	}
	if err := is("retention.ms", "3600000"); err != nil {
		return err
	}
	if err := is("segment.bytes", "1073741824"); err != nil {
		return err
	}
	if err := r.AlterConfig(ctx, r.name, "retention.ms", "7200000"); err != nil {
		return err
	}
	if err := is("retention.ms", "7200000"); err != nil {
		return err
	}
	if err := r.AlterConfig(ctx, r.name, "retention.ms", "often"); err == nil {
		return errors.New("retention.ms=often was taken")
	}
	return nil
}

func (r run) partitions(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 2, nil); err != nil {
		return err
	}
	if err := r.CreatePartitions(ctx, r.name, 5); err != nil {
		return err
	}
	err := until(ctx, "five partitions", func() error {
		n, err := r.Partitions(ctx, r.name)
		if err == nil && n != 5 {
			err = fmt.Errorf("the topic has %d partitions", n)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := r.CreatePartitions(ctx, r.name, 3); err == nil {
		return errors.New("a topic lost partitions")
	}
	return nil
}

func (r run) groups(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, groupPartitions, nil); err != nil {
		return err
	}
	m, err := r.Join(ctx, Joining{Topic: r.name, Group: r.name})
	if err != nil {
		return err
	}
	if err := settled(ctx, "one member", []Member{m}, groupPartitions); err != nil {
		return err
	}
	state := func(want string, members int) error {
		return until(ctx, want, func() error {
			g, err := r.DescribeGroup(ctx, r.name)
			if err == nil && (!strings.EqualFold(g.State, want) || g.Members != members) {
				err = fmt.Errorf("the group is %s with %d members", g.State, g.Members)
			}
			return err
		})
	}
	if err := state("Stable", 1); err != nil {
		return err
	}
	listed := func() (bool, error) {
		names, err := r.ListGroups(ctx)
		return slices.Contains(names, r.name), err
	}
	if ok, err := listed(); err != nil || !ok {
		return fmt.Errorf("the group is listed: %t: %v", ok, err)
	}
	if err := r.DeleteGroup(ctx, r.name); err == nil {
		return errors.New("a group with a member was deleted")
	}
	if err := r.Produce(ctx, r.name, numbered(0, 50), Sending{Codec: "none"}); err != nil {
		return err
	}
	if err := readAll(ctx, []Member{m}, 0, 50, 0); err != nil {
		return err
	}
	if err := m.Leave(); err != nil {
		return err
	}
	if err := state("Empty", 0); err != nil {
		return err
	}
	if err := r.DeleteGroup(ctx, r.name); err != nil {
		return err
	}
	return until(ctx, "deleted", func() error {
		ok, err := listed()
		if err == nil && ok {
			err = errors.New("the group is still listed")
		}
		return err
	})
}

func (r run) offsets(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 2, nil); err != nil {
		return err
	}
	for p, offset := range []int64{17, 4} {
		// The topic may not be known everywhere yet.
		err := until(ctx, "commit", func() error { return r.CommitOffset(ctx, r.name, r.name, int32(p), offset) })
		if err != nil {
			return err
		}
	}
	is := func(partition int32, want int64) error {
		got, err := r.FetchOffset(ctx, r.name, r.name, partition)
		if err != nil || got != want {
			return fmt.Errorf("partition %d's offset is %d, want %d: %v", partition, got, want, err)
		}
		return nil
	}
	if err := errors.Join(is(0, 17), is(1, 4)); err != nil {
		return err
	}
	if r.DeleteOffset == nil {
		return nil
	}
	if err := r.DeleteOffset(ctx, r.name, r.name, 0); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return errors.Join(is(0, -1), is(1, 4))
}

func (r run) deleteRecords(ctx context.Context) error {
	if err := r.CreateTopic(ctx, r.name, 1, nil); err != nil {
		return err
	}
	if err := r.Produce(ctx, r.name, numbered(0, 100), Sending{Codec: "none"}); err != nil {
		return err
	}
	bounds := func(wantFirst int64) error {
		first, end, err := r.Bounds(ctx, r.name)
		if err != nil || first != wantFirst || end != 100 {
			return fmt.Errorf("the log goes from %d to %d, want %d to 100: %v", first, end, wantFirst, err)
		}
		return nil
	}
	if err := bounds(0); err != nil {
		return err
	}
	if err := r.DeleteRecords(ctx, r.name, 40); err != nil {
		return err
	}
	if err := until(ctx, "bounds", func() error { return bounds(40) }); err != nil {
		return err
	}
	if err := r.DeleteRecords(ctx, r.name, 1000); err == nil {
		return errors.New("records beyond the end were deleted")
	}
	got, err := r.Read(ctx, r.name, 1, 60, true)
	if err != nil {
		return err
	}
	return exactly(got, 40, 60)
}

func (r run) cluster(ctx context.Context) error {
	brokers, controller, err := r.Cluster(ctx)
	if err != nil {
		return err
	}
	if brokers != r.replicas || controller < 0 {
		return fmt.Errorf("%d brokers, controller %d; want %d brokers", brokers, controller, r.replicas)
	}
	return nil
}
