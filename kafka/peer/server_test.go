package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/wire"
	"weir/metadata"
)

const testTag = 77

// serving runs a Server that says a question back.
func serving(t *testing.T) metadata.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := echoing()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return metadata.Endpoint{Name: "PEER", Host: "127.0.0.1", Port: int32(l.Addr().(*net.TCPAddr).Port)}
}

func echoing() *Server {
	return &Server{Log: slog.New(slog.DiscardHandler), Answer: func(_ context.Context, req *kmsg.AlterPartitionAssignmentsRequest) *kmsg.AlterPartitionAssignmentsResponse {
		resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
		req.UnknownTags.Each(func(tag uint32, b []byte) { resp.UnknownTags.Set(tag, b) })
		return resp
	}}
}

// A recoverer is reached by other brokers' clients, and by nobody else's means: its session is no broker's.
func TestRecovererIsAsked(t *testing.T) {
	at := serving(t)
	c, store, live := start(t, nil, metadata.Session{Broker: 2, Recovering: true, Endpoints: []metadata.Endpoint{at}})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
			req.UnknownTags.Set(testTag, []byte("question"))
			resp, err := c.Request(t.Context(), 2, req)
			if err != nil {
				t.Error(err)
				return
			}
			found := ""
			resp.(*kmsg.AlterPartitionAssignmentsResponse).UnknownTags.Each(func(tag uint32, b []byte) {
				if tag == testTag {
					found = string(b)
				}
			})
			if found != "question" {
				t.Errorf("answer %q", found)
			}
		})
	}
	wg.Wait()
	// What clients ask, and brokers ask brokers that serve, it does not know.
	if _, err := c.Request(t.Context(), 2, kmsg.NewPtrHeartbeatRequest()); !errors.Is(err, kerr.BrokerNotAvailable) {
		t.Errorf("a heartbeat: %v", err)
	}
	register(t, store, live, metadata.Session{Broker: 2, Endpoints: []metadata.Endpoint{at}})
	if _, err := c.Request(t.Context(), 2, kmsg.NewPtrAlterPartitionAssignmentsRequest()); !errors.Is(err, kerr.BrokerNotAvailable) {
		t.Errorf("after its end: %v", err)
	}
}

func TestServerEndsConnectionsOfOthers(t *testing.T) {
	at := serving(t)
	for name, frame := range map[string][]byte{
		"metadata": kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrMetadataRequest(), 1),
		"too long": {0x7f, 0, 0, 0},
		"garbage":  {0, 0, 0, 10, 0, 45, 0, 1, 0, 0, 0, 1, 9, 9},
	} {
		c, err := net.Dial("tcp", net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port))))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := c.Write(frame); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%s: it is answered", name)
		}
		_ = c.Close()
	}
	// A version of ApiVersions that is not known is answered in the first (KIP-511).
	c, err := net.Dial("tcp", net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port))))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte{0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 5, 0, 0}); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(body[4:]); err != nil || resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) != 2 {
		t.Errorf("answer %+v, %v", resp, err)
	}
}

// FuzzServer: whatever a frame holds, it is answered by one frame or refused.
func FuzzServer(f *testing.F) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.SetVersion(1)
	req.UnknownTags.Set(testTag, []byte("question"))
	f.Add(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)[4:])
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.SetVersion(4)
	f.Add(kmsg.NewRequestFormatter().AppendRequest(nil, versions, 1)[4:])
	f.Add([]byte{0, 18, 0, 99, 0, 0, 0, 5})
	s, d := echoing(), wire.NewDecoder(serverDecodeMax)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < wire.MinFrame || len(frame) > serverFrameMax {
			return
		}
		out, err := s.respond(t.Context(), frame, d)
		if (err == nil) == (len(out) == 0) {
			t.Fatalf("%d bytes and %v", len(out), err)
		}
		if err == nil && int(binary.BigEndian.Uint32(out)) != len(out)-4 {
			t.Fatalf("a frame of %d bytes says %d", len(out)-4, binary.BigEndian.Uint32(out))
		}
	})
}
