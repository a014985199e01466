package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/leak"
	"weir/kafka/image"
	"weir/metadata"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

const testCluster = "c"

// start runs a Client of broker 1 beside an image in which other brokers listen at the addresses.
func start(t *testing.T, self func(context.Context, kmsg.Request) (kmsg.Response, error), sessions ...metadata.Session) (*Client, *metadata.Mem, *image.Live) {
	t.Helper()
	store := metadata.NewMem()
	t.Cleanup(func() { store.Close() })
	live := image.New(store, testCluster)
	c := New(Config{Broker: 1, Timeout: time.Minute}, Deps{Image: live, Self: self})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = live.Run(ctx) })
	wg.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	for _, s := range sessions {
		register(t, store, live, s)
	}
	return c, store, live
}

func register(t *testing.T, store *metadata.Mem, live *image.Live, s metadata.Session) {
	t.Helper()
	rev, err := store.Commit(t.Context(), metadata.Txn{Then: []metadata.Op{metadata.Put(metadata.SessionKey(testCluster, s.Broker), metadata.Encode(s))}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := live.Await(t.Context(), rev); err != nil {
		t.Fatal(err)
	}
}

// answering listens and answers ApiVersions and Heartbeat; it reports how many connections it got.
func answering(t *testing.T) (metadata.Endpoint, func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := 0
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns++
			mu.Unlock()
			wg.Go(func() { defer nc.Close(); answer(nc) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() }) // the connections end with the client, whose cleanup runs first
	addr := l.Addr().(*net.TCPAddr)
	return metadata.Endpoint{Name: "CLIENT", Host: "127.0.0.1", Port: int32(addr.Port)}, func() int { mu.Lock(); defer mu.Unlock(); return conns }
}

func answer(nc net.Conn) {
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(nc, head); err != nil {
			return
		}
		frame := make([]byte, int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(nc, frame); err != nil {
			return
		}
		key, version := int16(frame[0])<<8|int16(frame[1]), int16(frame[2])<<8|int16(frame[3])
		var resp kmsg.Response
		if key == 18 {
			r := kmsg.NewPtrApiVersionsResponse()
			for _, k := range []int16{12, 18} {
				row := kmsg.NewApiVersionsResponseApiKey()
				row.ApiKey, row.MaxVersion = k, 3
				r.ApiKeys = append(r.ApiKeys, row)
			}
			resp = r
		} else {
			r := kmsg.NewPtrHeartbeatResponse()
			r.ErrorCode = 27
			resp = r
		}
		resp.SetVersion(version)
		out := append([]byte{0, 0, 0, 0}, frame[4:8]...)
		if resp.IsFlexible() && key != 18 {
			out = append(out, 0)
		}
		out = resp.AppendTo(out)
		out[2], out[3] = byte((len(out)-4)>>8), byte(len(out)-4)
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func TestRequestToItselfStaysInProcess(t *testing.T) {
	c, _, _ := start(t, func(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
		return req.ResponseKind(), nil
	})
	resp, err := c.Request(t.Context(), 1, kmsg.NewPtrHeartbeatRequest())
	if _, ok := resp.(*kmsg.HeartbeatResponse); !ok || err != nil {
		t.Fatalf("got %T, %v", resp, err)
	}
	if c.remotes != nil {
		t.Error("there are remote clients")
	}
}

func TestRequestToAnotherBroker(t *testing.T) {
	at, conns := answering(t)
	c, _, _ := start(t, nil, metadata.Session{Broker: 2, Ready: true, Endpoints: []metadata.Endpoint{at}})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			resp, err := c.Request(t.Context(), 2, kmsg.NewPtrHeartbeatRequest())
			if h, ok := resp.(*kmsg.HeartbeatResponse); err != nil || !ok || h.ErrorCode != 27 {
				t.Errorf("got %+v, %v", resp, err)
			}
		})
	}
	wg.Wait()
	if n := conns(); n != 1 {
		t.Errorf("%d connections for 20 requests at once", n)
	}
}

func TestBrokerThatIsNotThere(t *testing.T) {
	closed := metadata.Endpoint{Host: "127.0.0.1", Port: 1} // not one that another process may be given meanwhile
	c, _, _ := start(t, nil,
		metadata.Session{Broker: 2, Ready: true, Endpoints: []metadata.Endpoint{closed}},
		metadata.Session{Broker: 3, Endpoints: []metadata.Endpoint{closed}},
		metadata.Session{Broker: 4, Ready: true},
	)
	for id, name := range map[metadata.BrokerID]string{2: "nobody listens", 3: "not ready", 4: "no endpoint", 5: "not registered"} {
		if _, err := c.Request(t.Context(), id, kmsg.NewPtrHeartbeatRequest()); !errors.Is(err, kerr.BrokerNotAvailable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A broker that comes back at another address is found there, and the connection to the old one is closed.
func TestBrokerThatMoves(t *testing.T) {
	old, _ := answering(t)
	fresh, conns := answering(t)
	c, store, live := start(t, nil, metadata.Session{Broker: 2, Ready: true, Endpoints: []metadata.Endpoint{old}})
	for _, at := range []metadata.Endpoint{old, fresh} {
		register(t, store, live, metadata.Session{Broker: 2, Ready: true, Endpoints: []metadata.Endpoint{at}})
		if _, err := c.Request(t.Context(), 2, kmsg.NewPtrHeartbeatRequest()); err != nil {
			t.Fatal(err)
		}
	}
	if conns() != 1 {
		t.Errorf("%d connections to the new address", conns())
	}
}

func TestStopEndsRequestsUnderWay(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	store := metadata.NewMem()
	defer store.Close()
	live := image.New(store, testCluster)
	c := New(Config{Broker: 1, Timeout: time.Minute}, Deps{Image: live})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = live.Run(ctx) })
	wg.Go(func() { _ = c.Run(ctx) })
	register(t, store, live, metadata.Session{
		Broker: 2, Ready: true, Endpoints: []metadata.Endpoint{{Host: "127.0.0.1", Port: int32(l.Addr().(*net.TCPAddr).Port)}},
	})
	done := make(chan error, 1)
	wg.Go(func() { _, err := c.Request(t.Context(), 2, kmsg.NewPtrHeartbeatRequest()); done <- err })
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
	if nc, err := l.Accept(); err != nil {
		t.Error(err)
	} else {
		defer nc.Close()
	}
	cancel()
	if err := <-done; !errors.Is(err, kerr.BrokerNotAvailable) {
		t.Errorf("got %v", err)
	}
	wg.Wait()
	if _, err := c.Request(t.Context(), 2, kmsg.NewPtrHeartbeatRequest()); !errors.Is(err, kerr.BrokerNotAvailable) {
		t.Errorf("after the stop: got %v", err)
	}
}
