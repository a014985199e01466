package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"

	"weir/kafka/broker"
	"weir/kafka/image"
	"weir/node"
)

// turn is how this process came, or comes, to be the broker. A successor (docs/adr/0015-restarts-in-place.md) does all that it can before its turn, while its
// predecessor serves: it reads the metadata, and has the predecessor's listening sockets, in whose queues clients wait who connect while neither accepts.
type turn struct {
	h       *node.Handover
	standby *node.Standby // nil unless this process follows another
	free    func()        // gives the claim back; nil before there is one
}

// claim makes this process the broker, unless another is.
func (t *turn) claim() (err error) {
	t.free, err = node.Claim(t.h)
	if errors.Is(err, node.ErrClaimed) {
		return &Problem{What: err.Error(), Code: node.ExitClaimed, Err: err}
	}
	return err
}

func (t *turn) release() {
	if t.free != nil {
		t.free()
	}
}

func (t *turn) standBy() (err error) {
	t.standby, err = node.StandBy(t.h)
	return err
}

// await returns when it is this process's turn.
func (t *turn) await(ctx context.Context, live *image.Live) (err error) {
	if t.standby == nil {
		return nil
	}
	if _, err := live.Await(ctx, 1); err != nil {
		return fmt.Errorf("stand by: %w", err)
	}
	if err := t.standby.Await(ctx); err != nil {
		return fmt.Errorf("stand by: %w", err)
	}
	if t.free, err = t.standby.Claim(ctx); err != nil {
		return fmt.Errorf("follow another process: %w", err)
	}
	return nil
}

// end gives everything back that RunBroker took for a successor.
func (t *turn) end() {
	t.standby.Close()
	for _, l := range t.standby.Sockets() {
		_ = l.Close() // also those that nobody could use
	}
	t.release()
}

// listeners are the endpoints' sockets: the predecessor's, or opened now. That comes late, so that clients go to other brokers while this one
// recovers its log.
func (t *turn) listeners() ([]broker.Listener, error) {
	var there []net.Listener
	if t.standby != nil {
		there = t.standby.Sockets()
	}
	var listeners []broker.Listener
	for _, e := range t.h.Endpoints {
		address := net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
		l := listenerAt(there, address)
		if l == nil {
			var err error
			if l, err = net.Listen("tcp", address); err != nil {
				for _, l := range listeners {
					_ = l.Close()
				}
				p := problem("the broker cannot listen", err, "")
				if errors.Is(err, syscall.EADDRINUSE) {
					p.Code = node.ExitAddressInUse
				}
				return nil, p
			}
		}
		listeners = append(listeners, broker.Listener{Name: e.Name, Listener: l})
	}
	for _, l := range there {
		if !isAmong(listeners, l) {
			_ = l.Close()
		}
	}
	return listeners, nil
}

func listenerAt(there []net.Listener, address string) net.Listener {
	for _, l := range there {
		if l.Addr().String() == address {
			return l
		}
	}
	return nil
}

func isAmong(listeners []broker.Listener, l net.Listener) bool {
	for _, have := range listeners {
		if have.Listener == l {
			return true
		}
	}
	return false
}

// relay gives the listening sockets to this process's own successor. Without it a restart is a little longer, and no more.
type relay struct {
	*node.Relay
	log *slog.Logger
}

func newRelay(h *node.Handover, listeners []broker.Listener, log *slog.Logger) relay {
	sockets := make([]net.Listener, 0, len(listeners))
	for _, l := range listeners {
		sockets = append(sockets, l.Listener)
	}
	r, err := node.NewRelay(h.Dir, sockets)
	if err != nil {
		log.Warn("a restart will refuse connections for a moment", "err", err)
	}
	return relay{r, log}
}

func (r relay) run(ctx context.Context) {
	if r.Relay == nil {
		return
	}
	if err := r.Run(ctx); err != nil {
		r.log.Warn("a restart will refuse connections for a moment", "err", err)
	}
}

func (r relay) hasSuccessor() bool { return r.Relay != nil && r.HasSuccessor() }
