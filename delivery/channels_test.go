package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/control/resource"
	"weir/metadata"
)

// bench is Channels that run in a bubble, where time is the test's.
type bench struct {
	t     *testing.T
	store *metadata.Mem
	topic *memTopic
	sink  *memSink
	c     resource.Channel
	stop  func()
}

func newBench(t *testing.T, state resource.ChannelState, change func(*resource.Channel)) *bench {
	t.Helper()
	b := &bench{t: t, store: metadata.NewMem(), topic: &memTopic{}, sink: newSink()}
	b.topic.append(0, "old")
	b.c = channel(func(c *resource.Channel) {
		c.State, c.Created = state, time.Now()
		if change != nil {
			change(c)
		}
	})
	cluster := resource.Cluster{UUID: b.c.Cluster, Name: "orders", Account: b.c.Account, Region: b.c.Region, State: resource.Active}
	op := resource.Operation{ID: resource.NewUUID(), Cluster: b.c.Cluster, Type: "CREATE_CHANNEL", State: resource.OpUpdateInProgress}
	b.c.Operation = op.ID
	b.commit(metadata.Put(cluster.Key(), metadata.Encode(cluster)), metadata.Put(op.Key(b.c.Scope()), metadata.Encode(op)),
		metadata.Put(b.c.Key(), metadata.Encode(b.c)), metadata.Put(b.c.Scope().ChannelNameKey(b.c.Cluster, b.c.Name), []byte(`{}`)))
	b.run()
	return b
}

func (b *bench) run() {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	channels := NewChannels(b.c.Scope(), Deps{
		Store: b.store, Source: func(*resource.Channel) Source { return b.topic }, Sink: b.sink, Log: slog.New(slog.DiscardHandler),
	})
	go func() { done <- channels.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			b.t.Errorf("Run = %v", err)
		}
	}
}

func (b *bench) end() {
	b.stop()
	if err := b.store.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) commit(ops ...metadata.Op) {
	b.t.Helper()
	if _, err := b.store.Commit(b.t.Context(), metadata.Txn{Then: ops}); err != nil {
		b.t.Fatal(err)
	}
}

// channel is the record once everything has come to rest.
func (b *bench) channel() (resource.Channel, bool) {
	b.t.Helper()
	synctest.Wait()
	c, _, ok, err := resource.ReadChannel(b.t.Context(), b.store, b.c.Key())
	if err != nil {
		b.t.Fatal(err)
	}
	return c, ok
}

func (b *bench) wantState(want resource.ChannelState, code string) {
	b.t.Helper()
	c, _ := b.channel()
	got := ""
	if c.StateInfo != nil {
		got = c.StateInfo.Code
	}
	if c.State != want || got != code {
		b.t.Errorf("channel is %s %q; want %s %q", c.State, got, want, code)
	}
}

func (b *bench) update(change func(*resource.Channel)) {
	b.t.Helper()
	c, ok := b.channel()
	if !ok {
		b.t.Fatal("the channel is gone")
	}
	change(&c)
	b.commit(metadata.Put(c.Key(), metadata.Encode(c)))
}

func (b *bench) wantLines(want ...string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.sink.lines(b.t, "data/"); fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("delivered %v; want %v", got, want)
	}
}

func TestChannelDeliversWithinItsFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, resource.ChannelCreating, nil)
		defer b.end()
		b.wantState(resource.ChannelActive, "")
		c, _ := b.channel()
		op, _, _, err := resource.ReadOperation(t.Context(), b.store, b.c.Scope().OperationKey(b.c.Cluster, b.c.Operation))
		if err != nil || c.Operation != "" || op.State != resource.OpUpdateComplete {
			t.Errorf("operation %+v, %v", op, err)
		}
		b.topic.append(0, "a")
		<-time.After(300 * time.Second)
		b.wantLines()
		<-time.After(300 * time.Second) // the freshness
		b.wantLines("a")
		// Fresher: the new value holds at once.
		b.topic.append(0, "b")
		b.update(func(c *resource.Channel) { c.State, c.FreshnessSeconds = resource.ChannelUpdating, 300 })
		b.wantState(resource.ChannelActive, "")
		<-time.After(300 * time.Second)
		b.wantLines("a", "b")
	})
}

func TestChannelGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, resource.ChannelCreating, nil)
		defer func() { b.end() }()
		b.wantState(resource.ChannelActive, "")
		b.stop()
		b.topic.append(0, "while nobody looked")
		b.run()
		b.wantLines("while nobody looked") // at once: how old it is is not known
	})
}

func TestChannelThatCannotBeMadeFails(t *testing.T) {
	tests := []struct {
		name, code string
		spoil      func(*bench)
	}{
		{"no bucket", codeDestination, func(b *bench) { b.sink.refuse = ErrRefused }},
		{"no topic", codeTopic, func(b *bench) { b.topic.err = kerr.UnknownTopicOrPartition }},
		{"another topic", codeTopic, func(b *bench) { b.topic.err = kerr.UnknownTopicID }},
		{"no answer", codeTimeout, func(b *bench) { b.topic.err = errors.New("no answer") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, resource.ChannelSuspended, nil) // nothing is made of it yet
				b.stop()
				tt.spoil(b)
				c, _ := b.channel()
				c.State, c.Created = resource.ChannelCreating, time.Now()
				b.commit(metadata.Put(c.Key(), metadata.Encode(c)))
				b.run()
				defer b.end()
				<-time.After(createdWithin + 2*pauseMax)
				b.wantState(resource.ChannelFailed, tt.code)
			})
		})
	}
}

func TestChannelIsSuspendedWhileItsBucketCannotBeUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, resource.ChannelCreating, nil)
		defer b.end()
		b.wantState(resource.ChannelActive, "")
		b.sink.mu.Lock()
		b.sink.refuse = ErrRefused
		b.sink.mu.Unlock()
		b.topic.append(0, "a")
		<-time.After(600 * time.Second)
		b.wantState(resource.ChannelSuspended, codeDestination)
		b.sink.mu.Lock()
		b.sink.refuse = nil
		b.sink.mu.Unlock()
		<-time.After(2 * pauseSuspended)
		b.wantState(resource.ChannelActive, "")
		b.wantLines("a")
	})
}

func TestTransientFailuresAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, resource.ChannelCreating, nil)
		defer b.end()
		b.wantState(resource.ChannelActive, "")
		b.topic.append(0, "a")
		b.topic.mu.Lock()
		b.topic.err = errors.New("no answer")
		b.topic.mu.Unlock()
		<-time.After(700 * time.Second)
		b.wantState(resource.ChannelActive, "")
		b.topic.mu.Lock()
		b.topic.err = nil
		b.topic.mu.Unlock()
		<-time.After(2 * pauseMax)
		b.wantLines("a")
	})
}

func TestDeletedChannelLeavesNothing(t *testing.T) {
	for _, how := range []string{"deleted", "its cluster is gone"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, resource.ChannelCreating, nil)
			defer b.end()
			b.wantState(resource.ChannelActive, "")
			if how == "deleted" {
				b.update(func(c *resource.Channel) { c.State = resource.ChannelDeleting })
			} else {
				b.commit(metadata.Delete(b.c.Scope().ClusterKey(b.c.Cluster)))
				<-time.After(b.c.Freshness())
			}
			if _, ok := b.channel(); ok {
				t.Errorf("%s: the channel is there", how)
			}
			kvs, _, err := b.store.List(t.Context(), b.c.Scope().Prefix()+"channel")
			if err != nil || len(kvs) != 0 {
				t.Errorf("%s: %d keys are left, %v", how, len(kvs), err)
			}
		})
	}
}

func TestStoppedClusterIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, resource.ChannelCreating, nil)
		defer b.end()
		b.wantState(resource.ChannelActive, "")
		set := func(s resource.ClusterState) {
			c, _, _, err := resource.ReadCluster(t.Context(), b.store, b.c.Scope().ClusterKey(b.c.Cluster))
			if err != nil {
				t.Fatal(err)
			}
			c.State = s
			b.commit(metadata.Put(c.Key(), metadata.Encode(c)))
		}
		b.topic.append(0, "a")
		set(resource.Maintenance)
		<-time.After(2 * b.c.Freshness())
		b.wantLines()
		set(resource.Active)
		<-time.After(2 * pauseMax)
		b.wantLines("a")
	})
}
