package ownership

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"

	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// Leaders are the partitions that the broker leads.
func (o *Owner) Leaders() *partition.Leaders { return o.leaders }

// Incarnation is the number of this life of the broker.
func (o *Owner) Incarnation() metadata.Revision { return o.incarnation }

// StreamStats counts what the broker's stream did.
func (o *Owner) StreamStats() stream.Stats { return o.stream.Stats() }

// StreamPulse says how fast its commits become durable.
func (o *Owner) StreamPulse() stream.Pulse { return o.stream.Pulse() }

// Run commits appends, moves what is durable between the tiers, keeps the session and follows the metadata until ctx ends. Then it finishes the
// appends in hand, takes a last checkpoint, removes the session and closes the logs; whoever sends appends should have stopped before. It returns
// early with an error if the log fails or the broker is superseded: the process must exit then.
func (o *Owner) Run(ctx context.Context) error {
	defer o.closeLogs()
	kept := o.keptStreams()
	g, gctx := errgroup.WithContext(ctx)
	tiers := o.runTiers(ctx)
	g.Go(func() error { return o.stream.Run(gctx) })
	g.Go(func() error { return o.own.Run(gctx) })
	g.Go(func() error { return o.keepAlive(gctx) })
	g.Go(func() error { o.sweep(gctx, kept); return nil })
	g.Go(func() error {
		select {
		case err := <-o.superseded:
			return err
		case <-gctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		defer o.image.OnChange(o.changed)()
		o.changed(o.image.Current()) // whatever came before OnChange
		<-gctx.Done()
		return nil
	})
	err := g.Wait()
	tiers(err)
	o.leaders.CloseAll(kerr.NotLeaderForPartition)
	if ctx.Err() != nil || !errors.Is(err, ErrSuperseded) {
		o.goodbye(ctx)
	}
	if err != nil {
		return fmt.Errorf("ownership: broker %d: %w", o.cfg.Broker, err)
	}
	return nil
}

// runTiers runs the tiers until the function that it returns is called with what the stream ended with. If that is no error, everything that was
// appended is in the last checkpoint, and the next incarnation replays nothing.
func (o *Owner) runTiers(ctx context.Context) (stop func(error)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		var compaction sync.WaitGroup
		if !o.cfg.Recover { // a copy of what was compacted meanwhile would begin anew
			compaction.Go(func() { o.compactor.Run(ctx) })
		}
		err := o.tiers.Run(ctx)
		compaction.Wait()
		ended <- err
	}()
	return func(err error) {
		o.failed.Store(err != nil)
		cancel()
		if lastErr := <-ended; lastErr != nil && err == nil {
			o.log.Warn("no last checkpoint, the next start takes longer", "err", lastErr)
		}
	}
}

// Restored reports whether this incarnation began with a checkpoint.
func (o *Owner) Restored() bool { return o.began != "" }

// Tiers is what moves data between the tiers.
func (o *Owner) Tiers() *tier.Engine { return o.tiers }

// Compactor is what compacts partitions.
func (o *Owner) Compactor() *tier.Compactor { return o.compactor }

// Close lets go of what Acquire took, if Run is not called.
func (o *Owner) Close(ctx context.Context) {
	o.goodbye(ctx)
	o.closeLogs()
}

// LeaveSession makes Run keep the session when it ends, for an incarnation that follows at once and has Config.TakeOver. It goes when its lease runs
// out, or when whoever comes next replaces it.
func (o *Owner) LeaveSession(ctx context.Context) {
	if o.session.take(ctx) != nil {
		return
	}
	defer o.session.give()
	o.session.leave = true
}

// goodbye removes the session, so that nobody has to wait for it to expire.
func (o *Owner) goodbye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	if o.session.take(ctx) != nil {
		return
	}
	defer o.session.give()
	if o.session.leave {
		return
	}
	if err := o.store.Revoke(ctx, o.session.lease); err != nil && !errors.Is(err, metadata.ErrLeaseNotFound) {
		o.log.Warn("session could not be removed, it will expire", "err", err)
	}
}

func (o *Owner) barrier(ctx context.Context) error {
	err := o.stream.Barrier(ctx, o.now().UnixMilli())
	if err != nil && !errors.Is(err, wal.ErrFull) {
		return fmt.Errorf("ownership: broker %d: %w", o.cfg.Broker, err)
	}
	return nil
}
