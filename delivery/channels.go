package delivery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/control/resource"
	"weir/metadata"
)

var errNoCluster = errors.New("delivery: the cluster is gone")

// How often what failed is tried again.
const (
	pauseMin       = 500 * time.Millisecond
	pauseMax       = 30 * time.Second
	createdWithin  = 2 * time.Minute
	pauseSuspended = time.Minute
)

// Codes of the StateInfo of channels.
const (
	codeDestination = "DestinationNotUsable"
	codeTopic       = "TopicNotFound"
	codeTimeout     = "CreateTimedOut"
)

// Deps are what Channels work with.
type Deps struct {
	Store metadata.Store
	// Source returns where the channel's records come from.
	Source func(*resource.Channel) Source
	Sink   Sink // nil: none is configured; channels wait
	Log    *slog.Logger
}

// Channels delivers every channel of a scope.
type Channels struct {
	scope resource.Scope
	deps  Deps
}

// NewChannels starts nothing.
func NewChannels(scope resource.Scope, deps Deps) *Channels {
	return &Channels{scope: scope, deps: deps}
}

// worker is the goroutine of one channel.
type worker struct {
	cancel context.CancelFunc
	nudge  chan struct{} // the record changed
}

// Run delivers until ctx ends. A delivery that is cut short is finished by the next Run.
func (c *Channels) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := make(map[string]*worker)
	stop := func(key string) {
		if w := workers[key]; w != nil {
			w.cancel()
			delete(workers, key)
		}
	}
	return metadata.Follow(ctx, c.deps.Store, c.scope.ChannelsPrefix(), func(u metadata.Update) error {
		if u.Full {
			known := make(map[string]bool, len(u.Events))
			for _, e := range u.Events {
				known[e.Key] = true
			}
			for key := range workers {
				if !known[key] {
					stop(key)
				}
			}
		}
		for _, e := range u.Events {
			switch w := workers[e.Key]; {
			case e.Deleted:
				stop(e.Key)
			case w != nil:
				select {
				case w.nudge <- struct{}{}:
				default: // it has not looked since the last one
				}
			default:
				wctx, cancel := context.WithCancel(ctx)
				w := &worker{cancel: cancel, nudge: make(chan struct{}, 1)}
				workers[e.Key] = w
				running.Go(func() {
					defer cancel()
					c.work(wctx, e.Key, w.nudge)
				})
			}
		}
		return nil
	})
}

// work takes care of one channel until it is gone.
func (c *Channels) work(ctx context.Context, key string, nudge <-chan struct{}) {
	pause := pauseMin
	var last time.Time // of the last whole delivery that began
	for {
		ch, at, ok, err := resource.ReadChannel(ctx, c.deps.Store, key)
		if err == nil && !ok {
			return
		}
		wait := pauseMin
		if err == nil {
			wait, err = c.step(ctx, &ch, at, &last)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, metadata.ErrConflict): // look again at once
			continue
		case err != nil:
			c.deps.Log.Warn("channel is not delivered", "key", ch.ARN(), "state", string(ch.State), "err", err)
			wait, pause = pause, min(2*pause, pauseMax)
		default:
			pause = pauseMin
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-nudge:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// idle is how long a channel with nothing to do is left alone; its record's change ends it.
const idle = time.Hour

// step does what the channel needs now and returns when to look again.
func (c *Channels) step(ctx context.Context, ch *resource.Channel, at metadata.Revision, last *time.Time) (time.Duration, error) {
	cluster, _, there, err := resource.ReadCluster(ctx, c.deps.Store, ch.Scope().ClusterKey(ch.Cluster))
	switch {
	case err != nil:
		return 0, err
	case !there, ch.State == resource.ChannelDeleting:
		return idle, c.remove(ctx, ch, at)
	case ch.State == resource.ChannelFailed, c.deps.Sink == nil:
		return idle, nil
	case cluster.State == resource.Maintenance: // stopped
		return pauseMax, nil
	case ch.State == resource.ChannelCreating:
		return 0, c.create(ctx, ch, at)
	case ch.State == resource.ChannelUpdating:
		return 0, c.settle(ctx, *ch, at, resource.ChannelActive, nil)
	}
	// Nine tenths leave time for the delivery itself.
	every := ch.Freshness() * 9 / 10
	if ch.State == resource.ChannelSuspended {
		every = pauseSuspended
	}
	now := time.Now()
	if due := last.Add(every); now.Before(due) {
		return due.Sub(now), nil
	}
	err = c.deliver(ctx, ch, now)
	switch {
	case err == nil:
		*last = now
		if ch.State == resource.ChannelSuspended {
			return every, c.settle(ctx, *ch, at, resource.ChannelActive, nil)
		}
		return every, nil
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return idle, c.settle(ctx, *ch, at, resource.ChannelFailed, &resource.StateInfo{
			Code: codeTopic, Message: "The topic " + ch.Topic + " doesn't exist any more. Delete the channel.",
		})
	case errors.Is(err, ErrRefused), errors.Is(err, ErrTaken):
		*last = now
		if ch.State == resource.ChannelSuspended {
			return every, nil
		}
		return every, c.settle(ctx, *ch, at, resource.ChannelSuspended, &resource.StateInfo{Code: codeDestination, Message: err.Error()})
	}
	return 0, err
}

// deliver brings what there is of each partition to the sink.
func (c *Channels) deliver(ctx context.Context, ch *resource.Channel, now time.Time) error {
	source := c.deps.Source(ch)
	d := NewDeliverer(*ch, c.deps.Store, source, c.deps.Sink)
	if err := d.Begin(ctx, false); err != nil {
		return err
	}
	n, err := source.Partitions(ctx)
	if err != nil {
		return err
	}
	for p := range n {
		if err := d.Deliver(ctx, p, now); err != nil {
			return err
		}
	}
	return nil
}

// create makes a channel ACTIVE once its destination can be used and its start is recorded, or FAILED.
func (c *Channels) create(ctx context.Context, ch *resource.Channel, at metadata.Revision) error {
	err := c.deps.Sink.Check(ctx, ch.Storage.Bucket)
	if err == nil {
		err = c.deps.Sink.Check(ctx, ch.DeadLetter.Bucket)
	}
	if err == nil {
		err = NewDeliverer(*ch, c.deps.Store, c.deps.Source(ch), c.deps.Sink).Begin(ctx, true)
	}
	switch {
	case err == nil:
		return c.settle(ctx, *ch, at, resource.ChannelActive, nil)
	case errors.Is(err, ErrRefused):
		return c.settle(ctx, *ch, at, resource.ChannelFailed, &resource.StateInfo{Code: codeDestination, Message: err.Error()})
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return c.settle(ctx, *ch, at, resource.ChannelFailed, &resource.StateInfo{Code: codeTopic, Message: "The topic " + ch.Topic + " doesn't exist."})
	case time.Since(ch.Created) > createdWithin && ctx.Err() == nil:
		return c.settle(ctx, *ch, at, resource.ChannelFailed, &resource.StateInfo{Code: codeTimeout, Message: err.Error()})
	}
	return err
}

// settle puts the channel into a state and ends its operation.
func (c *Channels) settle(ctx context.Context, ch resource.Channel, at metadata.Revision, state resource.ChannelState, why *resource.StateInfo) error {
	t := metadata.Txn{If: []metadata.Cond{{Key: ch.Key(), Modified: at}}}
	if err := c.end(ctx, &ch, why, &t); err != nil {
		return err
	}
	c.deps.Log.Info("channel changed", "key", ch.ARN(), "state", string(state))
	ch.State, ch.StateInfo, ch.Operation = state, why, ""
	t.Then = append(t.Then, metadata.Put(ch.Key(), metadata.Encode(ch)))
	_, err := c.deps.Store.Commit(ctx, t)
	return err
}

// end adds the end of the channel's operation to t.
func (c *Channels) end(ctx context.Context, ch *resource.Channel, why *resource.StateInfo, t *metadata.Txn) error {
	if ch.Operation == "" {
		return nil
	}
	op, at, ok, err := resource.ReadOperation(ctx, c.deps.Store, ch.Scope().OperationKey(ch.Cluster, ch.Operation))
	if err != nil || !ok {
		return err
	}
	if why != nil {
		op = op.Fail(time.Now().UTC(), *why)
	} else {
		var names []resource.StepName
		for _, s := range op.Steps {
			names = append(names, s.Name)
		}
		op = op.Complete(time.Now().UTC(), names...)
	}
	t.If = append(t.If, metadata.Cond{Key: op.Key(ch.Scope()), Modified: at})
	t.Then = append(t.Then, metadata.Put(op.Key(ch.Scope()), metadata.Encode(op)))
	return nil
}

// remove takes the channel and all that belongs to it away. What was delivered stays.
func (c *Channels) remove(ctx context.Context, ch *resource.Channel, at metadata.Revision) error {
	t := metadata.Txn{If: []metadata.Cond{{Key: ch.Key(), Modified: at}}}
	if err := c.end(ctx, ch, nil, &t); err != nil {
		return err
	}
	t.Then = append(t.Then, metadata.Delete(ch.Key()), metadata.Delete(ch.Scope().ChannelNameKey(ch.Cluster, ch.Name)),
		metadata.DeletePrefix(ch.Scope().ChannelProgressPrefix(ch.ID)))
	_, err := c.deps.Store.Commit(ctx, t)
	return err
}
