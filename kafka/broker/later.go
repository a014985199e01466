package broker

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/peer"
)

// A laterHandler begins to answer one request on the connection's read loop and calls answer once, from anywhere, perhaps at once. It does not wait:
// requests behind it on the connection begin meanwhile. ctx ends when the broker closes or the connection fails; answer is to be called even
// so, soon.
type laterHandler func(b *Broker, ctx context.Context, r *Request, answer func(kmsg.Response))

// later is the reply of a laterHandler.
type later struct {
	r        *Request
	once     sync.Once
	resp     kmsg.Response // valid after complete
	complete chan struct{}
}

func (b *Broker) beginLater(ctx context.Context, row *api, r *Request) *later {
	l := &later{r: r, complete: make(chan struct{})}
	row.later(b, ctx, r, l.answer)
	return l
}

func (l *later) answer(resp kmsg.Response) {
	l.once.Do(func() {
		resp.SetVersion(l.r.Body.GetVersion())
		l.resp = resp
		close(l.complete)
	})
}

func (l *later) ready() bool {
	select {
	case <-l.complete:
		return true
	default:
		return false
	}
}

func (l *later) done() {}

func (l *later) frame(_ context.Context, bufs net.Buffers) (net.Buffers, error) {
	select {
	case <-l.complete:
		l.r.conn.b.throttleResponse(l.r, l.resp)
		return append(bufs, encode(l.r, l.resp)), nil
	case <-l.r.conn.lost:
		return bufs, net.ErrClosed
	}
}

// callSelf executes a request of this broker to itself, as peer.Deps.Self: all APIs but those that answer in pieces of their own (Produce, Fetch).
func (b *Broker) callSelf(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	row := b.apis.find(req.Key())
	if row == nil || row.start != nil {
		return nil, fmt.Errorf("ask ourselves: %s: %w", kmsg.NameForKey(req.Key()), kerr.UnsupportedVersion)
	}
	req.SetVersion(row.max)
	r := &Request{Body: req, ClientID: peer.ClientID, ClientHost: "127.0.0.1", Listener: b.listenerForPeers()}
	if row.later == nil {
		resp := row.handle(b, ctx, r)
		resp.SetVersion(row.max)
		return resp, nil
	}
	l := b.beginLater(ctx, row, r)
	select {
	case <-l.complete:
		return l.resp, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ask ourselves: %s: %w", kmsg.NameForKey(req.Key()), context.Cause(ctx))
	}
}

// listenerForPeers is the listener that brokers use among themselves: the first, as package peer chooses it.
func (b *Broker) listenerForPeers() string {
	if len(b.cfg.Endpoints) == 0 {
		return ""
	}
	return b.cfg.Endpoints[0].Name
}
