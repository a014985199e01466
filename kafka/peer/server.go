package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/wire"
)

// Server answers other brokers for a process that serves no clients: what they ask about partitions that move, and nothing else. A client that finds its way
// here learns from ApiVersions that it can do nothing. The zero value of Log is not usable.
type Server struct {
	Log *slog.Logger
	// Answer answers a request; it may be called from several goroutines at once.
	Answer func(ctx context.Context, req *kmsg.AlterPartitionAssignmentsRequest) *kmsg.AlterPartitionAssignmentsResponse
}

// Bounds. Brokers ask over one connection each, and their questions are short.
const (
	serverConnsMax   = 256
	serverFrameMax   = 1 << 20
	serverDecodeMax  = 4 << 20
	serverIdle       = 2 * idleTimeout
	serverWriteLimit = time.Minute
)

// The requests that are answered, in versions from 0 on.
const (
	apiVersionsKey = 18
	apiVersionsMax = 4
	alterKey       = 45
	alterMax       = 1
)

// Run accepts connections of l until ctx ends, and returns when all are closed. It closes l.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	room := make(chan struct{}, serverConnsMax)
	decoder := wire.NewDecoder(serverDecodeMax)
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("peer: accept: %w", err)
		}
		select {
		case room <- struct{}{}:
		default:
			_ = c.Close() // there are not that many brokers
			continue
		}
		conns.Go(func() {
			defer func() { <-room }()
			if err := s.serve(ctx, c, decoder); err != nil && ctx.Err() == nil {
				s.Log.Debug("connection of a broker ends", "client", c.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// serve answers one connection's requests one after the other.
func (s *Server) serve(ctx context.Context, c net.Conn, decoder *wire.Decoder) error {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	var prefix [4]byte
	for {
		_ = c.SetReadDeadline(time.Now().Add(serverIdle))
		if _, err := io.ReadFull(c, prefix[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		n, err := wire.Size(prefix, serverFrameMax)
		if err != nil {
			return err
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(c, frame); err != nil {
			return err
		}
		out, err := s.respond(ctx, frame, decoder)
		if err != nil {
			return err
		}
		_ = c.SetWriteDeadline(time.Now().Add(serverWriteLimit))
		if _, err := c.Write(out); err != nil {
			return err
		}
	}
}

// errNotServed means that a request is none that brokers ask.
var errNotServed = errors.New("peer: this process serves no clients")

// respond returns the answer to the request in frame, as a frame.
func (s *Server) respond(ctx context.Context, frame []byte, decoder *wire.Decoder) ([]byte, error) {
	start := wire.ParseStart(frame)
	switch {
	case start.Key == apiVersionsKey && (start.Version < 0 || start.Version > apiVersionsMax):
		resp := apiVersions(0)
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return wire.AppendResponse(nil, start.CorrelationID, resp), nil
	case start.Key == apiVersionsKey, start.Key == alterKey && start.Version >= 0 && start.Version <= alterMax:
	default:
		return nil, fmt.Errorf("%w: key %d version %d", errNotServed, start.Key, start.Version)
	}
	req, ok := wire.NewRequest(start.Key, start.Version)
	if !ok {
		return nil, fmt.Errorf("%w: key %d version %d", errNotServed, start.Key, start.Version)
	}
	_, body, err := wire.ParseRest(frame[wire.MinFrame:], req.IsFlexible())
	if err == nil {
		err = decoder.Decode(req, body)
	}
	if err != nil {
		return nil, err
	}
	asked, ok := req.(*kmsg.AlterPartitionAssignmentsRequest)
	if !ok {
		return wire.AppendResponse(nil, start.CorrelationID, apiVersions(start.Version)), nil
	}
	resp := s.Answer(ctx, asked)
	resp.Version = start.Version
	return wire.AppendResponse(nil, start.CorrelationID, resp), nil
}

func apiVersions(version int16) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = version
	resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{
		{ApiKey: apiVersionsKey, MaxVersion: apiVersionsMax}, {ApiKey: alterKey, MaxVersion: alterMax},
	}
	return resp
}
