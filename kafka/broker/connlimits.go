package broker

import (
	"context"
	"math"
	"net"
	"net/netip"

	"weir/kafka/configdef"
	"weir/kafka/image"
)

// connCounts are the connections there are and how many there may be. Guarded by Broker.mu.
type connCounts struct {
	byAddress  map[netip.Addr]int
	byListener map[string]int

	max        int64                // max.connections: those above it wait to be accepted
	perAddress int64                // max.connections.per.ip: those above it are closed
	overrides  map[netip.Addr]int64 // of addresses that may have another number
	shared     int                  // this broker's part of what the cluster's kind allows: those above it are closed; 0: any number
	room       chan struct{}        // closed when there may be room below max again
}

func (n *connCounts) init() {
	n.byAddress, n.byListener = make(map[netip.Addr]int), make(map[string]int)
	n.max, n.perAddress = math.MaxInt32, math.MaxInt32
	n.room = make(chan struct{})
}

// widened wakes those that wait for room.
func (n *connCounts) widened() {
	close(n.room)
	n.room = make(chan struct{})
}

// limit is how many connections an address may have by the cluster's configuration.
func (n *connCounts) limit(a netip.Addr) int64 {
	if l, ok := n.overrides[a]; ok {
		return l
	}
	return n.perAddress
}

// configureConnections takes the limits of connections from the newest image. Connections that are above a lower limit stay.
func (b *Broker) configureConnections(*image.Image) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.topics.Layers()
	overrides, err := configdef.ParseOverrides(l.BrokerString("max.connections.per.ip.overrides"))
	if err != nil { // it was checked when it was set
		b.log.Error("a config cannot be read", "name", "max.connections.per.ip.overrides", "err", err)
	}
	n := &b.count
	n.max, n.perAddress, n.overrides = l.BrokerInt("max.connections"), l.BrokerInt("max.connections.per.ip"), overrides
	n.widened()
}

// admit makes the connection, or names the limit that it would exceed. It waits for as long as there are max.connections (KIP-402), which holds up the
// listener: what comes meanwhile waits to be accepted.
func (b *Broker) admit(ctx context.Context, nc net.Conn, listener string) (c *conn, limit string) {
	for waited := false; ; waited = true {
		c, limit, room := b.tryAdmit(nc, listener)
		if room == nil {
			return c, limit
		}
		if !waited {
			b.metrics.connectionsWaited.Inc()
		}
		select {
		case <-room:
		case <-ctx.Done():
			return nil, "closing"
		}
	}
}

func (b *Broker) tryAdmit(nc net.Conn, listener string) (c *conn, limit string, room <-chan struct{}) {
	addr := remote(nc)
	l := &b.cfg.Limits
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.conns == nil:
		return nil, "closing", nil
	case len(b.conns) >= l.ConnectionsMax:
		return nil, "broker", nil
	case b.count.byListener[listener] >= l.ConnectionsPerListenerMax:
		return nil, "listener", nil
	case b.count.shared > 0 && len(b.conns) >= b.count.shared:
		return nil, "kind", nil
	case int64(len(b.conns)) >= b.count.max:
		return nil, "", b.count.room
	case !addr.IsLoopback() && b.count.byAddress[addr] >= l.ConnectionsPerAddressMax, int64(b.count.byAddress[addr]) >= b.count.limit(addr):
		return nil, "address", nil
	}
	c = newConn(b, nc, listener, addr)
	b.conns[c] = struct{}{}
	b.count.byListener[listener]++
	b.count.byAddress[addr]++
	b.metrics.accepted.Inc()
	b.metrics.connections.Inc()
	c.stats.created.Mark(1)
	c.stats.connections.Add(1)
	return c, "", nil
}

func (b *Broker) leave(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
	b.count.byListener[c.listener]--
	if b.count.byAddress[c.addr]--; b.count.byAddress[c.addr] == 0 {
		delete(b.count.byAddress, c.addr)
	}
	b.count.widened()
	b.metrics.connections.Dec()
	c.stats.closed.Mark(1)
	c.stats.connections.Add(-1)
}

// remote is the remote address, or the zero address on connections that have none (net.Pipe).
func remote(nc net.Conn) netip.Addr {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		addr, _ := netip.AddrFromSlice(a.IP)
		return addr.Unmap()
	}
	return netip.IPv6Loopback()
}
