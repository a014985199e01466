package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"weir/kafka/image"
	"weir/kafka/ownership"
	"weir/kafka/peer"
	"weir/metadata"
	"weir/node"
)

// A recoverer (docs/adr/0020-takeover.md) is this program in the directory of a broker that cannot serve. It is the broker's next incarnation in all that concerns
// its log, so that whatever a crash may do to it was thought of already; but it opens no listener for clients, runs no coordinator, and ends as soon as other
// brokers lead everything.

// errRecovered ends a recoverer that has nothing left.
var errRecovered = errors.New("other brokers lead all that the broker led")

// recoverPause is how long nothing may move before a recoverer gives up: perhaps there is nobody to take anything, and the broker can be started by now.
const recoverPause = 30 * time.Second

// peerEndpoint is the name of the endpoint at which other brokers reach a recoverer. Clients of no listener are told of it.
const peerEndpoint = "PEER"

// recoverBroker gives away what owner leads. It fails with errRecovered when that is done.
func recoverBroker(ctx context.Context, h *node.Handover, log *slog.Logger, live *image.Live, owner *ownership.Owner) error {
	l, endpoint, err := listenForPeers(h)
	if err != nil {
		return err
	}
	var asked atomic.Int64
	server := &peer.Server{Log: log, Answer: func(ctx context.Context, req *kmsg.AlterPartitionAssignmentsRequest) *kmsg.AlterPartitionAssignmentsResponse {
		asked.Add(1)
		return answerPeer(ctx, owner, req)
	}}
	peers := peer.New(peer.Config{Broker: h.Broker}, peer.Deps{Image: live, Self: func(context.Context, kmsg.Request) (kmsg.Response, error) {
		return nil, errors.New("a recoverer asks itself nothing")
	}})
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(gctx, l) })
	g.Go(func() error {
		_ = peers.Run(gctx) // it ends with gctx only
		return nil
	})
	g.Go(func() error {
		_ = owner.Move(gctx, peers) // it ends with gctx only
		return nil
	})
	g.Go(func() error {
		if err := owner.MarkReady(gctx, []metadata.Endpoint{endpoint}); err != nil {
			return ended(gctx, err)
		}
		node.NotifyReady(h)
		log.Info("recoverer hands over", "broker", h.Broker, "pid", os.Getpid(), "partitions", len(owner.Leaders().Keys()))
		return awaitLeft(gctx, log, owner, &asked)
	})
	return g.Wait()
}

// awaitLeft returns errRecovered when nothing is left, or another error if nothing moves any more.
func awaitLeft(ctx context.Context, log *slog.Logger, owner *ownership.Owner, asked *atomic.Int64) error {
	var left atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		last := -1
		err := owner.AwaitLeft(gctx, func(leads, forgets int) {
			left.Store(int64(leads + forgets))
			if leads != last {
				last = leads
				log.Debug("partitions are left to give away", "partitions", leads)
			}
		})
		if err != nil {
			return ended(ctx, err)
		}
		return errRecovered
	})
	g.Go(func() error {
		t := time.NewTicker(recoverPause)
		defer t.Stop()
		for before := [2]int64{-1, -1}; ; {
			select {
			case <-t.C:
			case <-gctx.Done():
				return nil
			}
			now := [2]int64{left.Load(), asked.Load()}
			if now == before {
				return fmt.Errorf("%d partitions are left, and for %v no broker has asked for any of them", now[0], recoverPause)
			}
			before = now
		}
	})
	return g.Wait()
}

// listenForPeers opens a port that nobody knows before it is in the session, at the broker's own address if that can be used.
func listenForPeers(h *node.Handover) (net.Listener, metadata.Endpoint, error) {
	host := h.Endpoints[0].Host
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		host = "127.0.0.1"
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, metadata.Endpoint{}, problem("the recoverer cannot listen", err, "")
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
	return l, metadata.Endpoint{Name: peerEndpoint, Host: host, Port: int32(port)}, nil
}

// answerPeer answers a broker's question about a partition that moves.
func answerPeer(ctx context.Context, owner *ownership.Owner, req *kmsg.AlterPartitionAssignmentsRequest) *kmsg.AlterPartitionAssignmentsResponse {
	resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	req.UnknownTags.Each(func(tag uint32, question []byte) {
		if tag == ownership.Tag {
			resp.UnknownTags.Set(ownership.Tag, owner.Answer(ctx, question))
		}
	})
	return resp
}
