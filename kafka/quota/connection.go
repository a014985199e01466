package quota

import (
	"math"
	"net/netip"
	"time"
)

// LimitConnections sets max.connection.creation.rate; 0 is no limit.
func (q *Quotas) LimitConnections(rate float64) { q.broker.Store(math.Float64bits(rate)) }

// Accept counts a connection towards the broker's own rate, and returns how long no other is to be accepted: not longer than one window.
func (q *Quotas) Accept() time.Duration {
	rate := math.Float64frombits(q.broker.Load())
	if rate <= 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().UnixMilli()
	q.accepted.add(q.span, 1, now)
	return min(q.accepted.pause(q.span, rate, now), q.span.length)
}

// Connected counts a connection from an address (KIP-612). If it is one too many, it returns for how long to keep the client waiting, not longer than
// one window, before the connection is closed; it counts for nothing then, not towards the broker's rate either.
func (q *Quotas) Connected(addr netip.Addr) time.Duration {
	l := q.limits.Load()
	if l == nil {
		return 0
	}
	rate, ok := l.addresses[addr]
	if !ok {
		rate = l.anyone
	}
	if rate <= 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now().UnixMilli()
	w := q.addresses[addr]
	if w == nil {
		q.sweepLocked(ofAddresses, now)
		w = new(window)
		q.addresses[addr] = w
	}
	w.add(q.span, 1, now)
	pause := w.pause(q.span, rate, now)
	if pause == 0 {
		return 0
	}
	w.add(q.span, -1, now)
	if q.broker.Load() != 0 {
		q.accepted.add(q.span, -1, now)
	}
	return min(pause, q.span.length)
}

// address is what an entity's IP stands for. Names of hosts are not looked up, but for the one that needs no asking.
func address(name string) (netip.Addr, bool) {
	if name == "localhost" {
		name = "127.0.0.1"
	}
	a, err := netip.ParseAddr(name)
	return a.Unmap(), err == nil && a.Zone() == ""
}

// IsAddress reports whether limits can be set for that IP.
func IsAddress(name string) bool {
	_, ok := address(name)
	return ok
}
