package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
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
		hold(ctx, b.quotas.Accept())
		if !b.admitRate(ctx, nc, &conns) {
			continue
		}
		c, limit := b.admit(nc, l.Name)
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

// connCounts are the connections that count towards the limits. Guarded by Broker.mu.
type connCounts struct {
	byAddress  map[netip.Addr]int
	byListener map[string]int
}

func (n *connCounts) init() {
	n.byAddress, n.byListener = make(map[netip.Addr]int), make(map[string]int)
}

// admit makes the connection, or names the limit that it would exceed.
func (b *Broker) admit(nc net.Conn, listener string) (c *conn, limit string) {
	addr := remote(nc)
	l := &b.cfg.Limits
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.conns == nil:
		return nil, "closing"
	case len(b.conns) >= l.ConnectionsMax || int64(len(b.conns)) >= b.props.connectionsMax:
		return nil, "broker"
	case b.count.byListener[listener] >= l.ConnectionsPerListenerMax:
		return nil, "listener"
	case !addr.IsLoopback() && b.count.byAddress[addr] >= l.ConnectionsPerAddressMax,
		int64(b.count.byAddress[addr]) >= b.props.perAddressMax:
		return nil, "address"
	}
	c = newConn(b, nc, listener, addr)
	b.conns[c] = struct{}{}
	b.count.byListener[listener]++
	b.count.byAddress[addr]++
	b.metrics.accepted.Inc()
	b.metrics.connections.Inc()
	c.stats.created.Mark(1)
	c.stats.connections.Add(1)
	return c, ""
}

func (b *Broker) leave(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
	b.count.byListener[c.listener]--
	if b.count.byAddress[c.addr]--; b.count.byAddress[c.addr] == 0 {
		delete(b.count.byAddress, c.addr)
	}
	b.metrics.connections.Dec()
	c.stats.closed.Mark(1)
	c.stats.connections.Add(-1)
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

// remote is the remote address, or the zero address on connections that have none (net.Pipe).
func remote(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		addr, _ := netip.AddrFromSlice(a.IP)
		return addr.Unmap()
	}
	return netip.IPv6Loopback()
}
