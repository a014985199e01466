package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Listener is an open socket and the name of the endpoint that it serves: CLIENT, CLIENT_SECURE, ...
type Listener struct {
	Name string
	net.Listener
}

// Run serves the listeners until ctx ends: then it accepts and reads no more, gives answers under way the drain timeout, and returns nil
// after every connection is closed. It closes the listeners, and returns an error if one of them fails.
func (b *Broker) Run(ctx context.Context, listeners []Listener) error {
	defer b.image.OnChange(b.configureQuotas)()
	b.configureQuotas(nil) // whatever came before OnChange
	defer b.image.OnChange(b.configureTelemetry)()
	b.configureTelemetry(nil)
	defer b.image.OnChange(b.configureConnections)()
	b.configureConnections(nil)
	defer b.image.OnChange(b.configureKind)()
	b.configureKind(nil)
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error { return b.accept(ctx, l) })
	}
	g.Go(func() error {
		_ = b.groups.Run(ctx) // it ends with ctx only
		return nil
	})
	g.Go(func() error {
		_ = b.kafka.registry.Run(ctx) // it ends with ctx only
		return nil
	})
	g.Go(func() error {
		_ = b.peers.Run(ctx) // it ends with ctx only
		return nil
	})
	g.Go(func() error {
		_ = b.txns.Run(ctx) // it ends with ctx only
		return nil
	})
	g.Go(func() error {
		b.reportLoad(ctx)
		return nil
	})
	g.Go(func() error {
		b.watchCompacted(ctx)
		return nil
	})
	g.Go(func() error {
		_ = b.shares.run(ctx) // it ends with ctx only
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		for _, l := range listeners {
			_ = l.Close() // only to end Accept
		}
		b.drain()
		return nil
	})
	return g.Wait()
}

// accept owns the connections of one listener.
func (b *Broker) accept(ctx context.Context, l Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	pause := 5 * time.Millisecond
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("broker: listener %s was closed: %w", l.Name, err)
			}
			// Out of file descriptors, or the peer was gone already: neither is a reason to stop serving the others.
			b.log.Warn("accept failed", "listener", l.Name, "err", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 5 * time.Millisecond
		if !b.kind.bounded.Attempt() {
			b.metrics.refused.WithLabelValues("kind").Inc()
			_ = nc.Close() // refused anyway
			continue
		}
		hold(ctx, b.quotas.Accept())
		if !b.admitRate(ctx, nc, &conns) {
			continue
		}
		c, limit := b.admit(ctx, nc, l.Name)
		if c == nil {
			b.metrics.refused.WithLabelValues(limit).Inc()
			b.log.Debug("connection refused", "listener", l.Name, "client", nc.RemoteAddr().String(), "limit", limit)
			_ = nc.Close() // refused anyway
			continue
		}
		conns.Go(func() {
			defer b.leave(c)
			c.run(ctx)
		})
	}
}

// drain lets connections finish what they have read, and cuts off those that take too long. No connection is admitted after it began.
func (b *Broker) drain() {
	b.mu.Lock()
	conns := make([]*conn, 0, len(b.conns))
	for c := range b.conns {
		conns = append(conns, c)
	}
	b.conns = nil
	b.mu.Unlock()
	cut := time.NewTimer(b.cfg.Limits.DrainTimeout)
	defer cut.Stop()
	for _, c := range conns {
		c.stop()
	}
	for _, c := range conns {
		select {
		case <-c.done:
		case <-cut.C:
			for _, c := range conns {
				c.fail(errDrained)
			}
			return
		}
	}
}

var errDrained = errors.New("the broker closes")
