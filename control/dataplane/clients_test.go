package dataplane

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/control/dataplane/brokertest"
	"weir/control/resource"
	"weir/internal/leak"
	"weir/metadata"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// run runs c until the function that it returns is called; the test's end calls it too.
func run(t *testing.T, c *Clients) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func clusterAt(host string, port int32) *resource.Cluster {
	return &resource.Cluster{UUID: "c1", Nodes: []resource.BrokerNode{{
		Broker: 1, Endpoints: []metadata.Endpoint{{Name: "OTHER", Host: "127.28.9.9", Port: 1}, {Name: "CLIENT", Host: host, Port: port}},
	}}}
}

// topics is a broker with these topics.
func topics(t *testing.T, names ...string) *brokertest.Broker {
	t.Helper()
	var b *brokertest.Broker
	b = brokertest.Start(t, func(kmsg.Request) kmsg.Response {
		var ts []kmsg.MetadataResponseTopic
		for _, n := range names {
			ts = append(ts, brokertest.Topic(n, 2))
		}
		return b.Metadata(ts...)
	})
	return b
}

func list(t *testing.T, c *Clients, cluster *resource.Cluster) (names []string, err error) {
	t.Helper()
	err = c.Use(t.Context(), cluster, func(ctx context.Context, b *Brokers) error {
		ts, err := b.Topics(ctx)
		for _, t := range ts {
			names = append(names, t.Name)
		}
		return err
	})
	return names, err
}

func TestPoolFollowsTheClustersAddresses(t *testing.T) {
	c := New(Config{}, slog.New(slog.DiscardHandler))
	run(t, c)
	first, second := topics(t, "b", "a"), topics(t, "other")
	for range 2 {
		names, err := list(t, c, clusterAt(first.Host, first.Port))
		if err != nil || len(names) != 2 || names[0] != "a" {
			t.Fatalf("topics %v, %v; want a and b", names, err)
		}
	}
	if names, err := list(t, c, clusterAt(second.Host, second.Port)); err != nil || len(names) != 1 || names[0] != "other" {
		t.Errorf("topics %v, %v after the cluster moved", names, err)
	}
}

func TestPoolInUseOutlivesItsReplacement(t *testing.T) {
	c := New(Config{}, slog.New(slog.DiscardHandler))
	run(t, c)
	first, second := topics(t, "a"), topics(t, "other")
	err := c.Use(t.Context(), clusterAt(first.Host, first.Port), func(ctx context.Context, b *Brokers) error {
		if _, err := list(t, c, clusterAt(second.Host, second.Port)); err != nil {
			return err
		}
		_, err := b.Topics(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUseAfterTheEnd(t *testing.T) {
	c := New(Config{}, slog.New(slog.DiscardHandler))
	run(t, c)()
	if _, err := list(t, c, clusterAt("127.28.0.1", 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Use after Run: %v", err)
	}
}

func TestIdlePoolsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Idle: time.Minute}, slog.New(slog.DiscardHandler))
		stop := run(t, c)
		pools := func() int {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.pools)
		}
		// A client that is asked nothing dials nothing.
		if err := c.Use(t.Context(), clusterAt("127.28.0.1", 1), func(context.Context, *Brokers) error { return nil }); err != nil {
			t.Fatal(err)
		}
		<-time.After(50 * time.Second)
		if pools() != 1 {
			t.Error("the pool was closed before its time")
		}
		<-time.After(41 * time.Second)
		if pools() != 0 {
			t.Error("the pool is still there after its idle time")
		}
		stop()
	})
}

func TestUnreachable(t *testing.T) {
	c := New(Config{Timeout: time.Minute}, slog.New(slog.DiscardHandler))
	run(t, c)
	if _, err := list(t, c, clusterAt("127.0.0.1", 1)); !Unreachable(err) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := list(t, c, &resource.Cluster{UUID: "c2"}); !Unreachable(err) || !errors.Is(err, ErrNoAddress) {
		t.Errorf("no addresses: %v", err)
	}
	if Unreachable(&Refusal{Code: kerr.InvalidConfig}) || Unreachable(nil) {
		t.Error("a refusal is taken for unreachable")
	}
}

func TestWritesAreSentOnce(t *testing.T) {
	b := brokertest.Start(t, func(kmsg.Request) kmsg.Response { return nil })
	c := New(Config{Timeout: time.Minute}, slog.New(slog.DiscardHandler))
	run(t, c)
	err := c.Use(t.Context(), clusterAt(b.Host, b.Port), func(ctx context.Context, b *Brokers) error {
		return b.Create(ctx, "orders", 1, 1, nil)
	})
	if !Unreachable(err) {
		t.Errorf("the connection ended: %v", err)
	}
	if n := len(brokertest.Asked[*kmsg.CreateTopicsRequest](b)); n != 1 {
		t.Errorf("the request was sent %d times", n)
	}
}
