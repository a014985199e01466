package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/partition"
	"weir/kafka/topic"
	"weir/metadata"
	"weir/storage/buffer"
)

// Answers come in the order of requests, although a produce and a fetch among them are answered later than others could be.
func TestRepliesKeepTheOrderOfRequests(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.create("t", 1)
	release := b.log.hold()
	c := r.dial(b)

	produce := produceReq(9, -1, "t", metadata.TopicID{}, records(1, 10))
	fetch := fetchReq(12, "t", metadata.TopicID{}, 1, 0)
	meta := kmsg.NewPtrMetadataRequest()
	meta.Version = 9
	versions := kmsg.NewPtrApiVersionsRequest()
	c.send(1, produce)
	c.send(2, meta)
	c.send(3, fetch)
	c.send(4, versions)

	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, _, err := c.frame(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("an answer came before the produce request was durable: %v", err)
	}
	release()
	c.SetReadDeadline(time.Now().Add(r.timeout))
	if p := receive[*kmsg.ProduceResponse](c, produce, 1); p.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("produce: %+v", p.Topics[0].Partitions[0])
	}
	receive[*kmsg.MetadataResponse](c, meta, 2)
	if f := receive[*kmsg.FetchResponse](c, fetch, 3); len(f.Topics[0].Partitions[0].RecordBatches) == 0 {
		t.Errorf("fetch: %+v", f.Topics[0].Partitions[0])
	}
	receive[*kmsg.ApiVersionsResponse](c, versions, 4)
}

// Pipelined appends of one connection get their offsets in the order of the requests.
func TestPipelinedProduceKeepsOrder(t *testing.T) {
	r := newRig(t, rigConfig{})
	r.create("t", 1)
	c := r.dial(r.brokers[0])
	const n = 100
	req := produceReq(8, 1, "t", metadata.TopicID{}, records(3, 100))
	go func() {
		for i := range int32(n) {
			c.send(i, req)
		}
	}()
	for i := range int32(n) {
		p := receive[*kmsg.ProduceResponse](c, req, i).Topics[0].Partitions[0]
		if p.ErrorCode != 0 || p.BaseOffset != int64(i)*3 {
			t.Fatalf("request %d: %+v", i, p)
		}
	}
}

// While the disk does not keep up, a broker stops reading produce requests instead of collecting them, other requests go on,
// and everything moves once the disk does.
func TestProduceBudgetPushesBack(t *testing.T) {
	const budget = 1 << 20
	r := newRig(t, rigConfig{limits: Limits{ProduceBytesMax: budget}})
	b := r.brokers[0]
	r.create("t", 1)
	release := b.log.hold()
	req := produceReq(8, -1, "t", metadata.TopicID{}, records(1, 100_000))
	const conns, each = 4, 8
	var cs []*wireConn
	for range conns {
		c := r.dial(b)
		cs = append(cs, c)
		go func() {
			for i := range int32(each) {
				c.send(i, req)
			}
		}()
	}
	r.await("the budget is used up", func() bool { return gauge(b.metrics.produceBytes) > budget-buffer.CapFor(101_000) })
	if got := gauge(b.metrics.produceBytes); got > budget {
		t.Errorf("%d bytes in flight, the budget is %d", got, budget)
	}
	meta := kmsg.NewPtrMetadataRequest()
	m := r.dial(b)
	m.send(9, meta)
	receive[*kmsg.MetadataResponse](m, meta, 9)

	release()
	for _, c := range cs {
		for i := range int32(each) {
			if p := receive[*kmsg.ProduceResponse](c, req, i).Topics[0].Partitions[0]; p.ErrorCode != 0 {
				t.Fatalf("%+v", p)
			}
		}
	}
	r.await("the budget is given back", func() bool { return gauge(b.metrics.produceBytes) == 0 })
}

// A connection that goes away takes its waiting requests with it; what it had queued keeps its part of the budget until it is durable.
func TestLostConnectionReleasesWhatItHeld(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.create("t", 2)
	c := r.dial(b)
	c.send(1, fetchReq(11, "t", metadata.TopicID{}, 2, 0))
	r.await("the fetch waits", func() bool { return gauge(b.metrics.fetchWaiting) == 1 })
	release := b.log.hold()
	c.send(2, produceReq(8, -1, "t", metadata.TopicID{}, records(1, 1000)))
	r.await("the append is queued", func() bool { return b.stream.Stats().Queued > 0 })
	c.Close()
	r.await("the connection is gone", func() bool { return gauge(b.metrics.connections) == 0 })
	if gauge(b.metrics.fetchWaiting) != 0 {
		t.Error("the fetch still waits")
	}
	b.purgatory.mu.Lock()
	if len(b.purgatory.watched) != 0 {
		t.Error("partitions are still watched")
	}
	b.purgatory.mu.Unlock()
	if gauge(b.metrics.produceBytes) == 0 {
		t.Error("the budget was given back although the append is not durable")
	}
	release()
	r.await("the budget is given back", func() bool { return gauge(b.metrics.produceBytes) == 0 })
}

// A client that does not read its answers is cut off; it holds at most its requests in flight meanwhile.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	r := newRig(t, rigConfig{limits: Limits{RateWindow: 100 * time.Millisecond}})
	b := r.brokers[0]
	key := partition.Key{Topic: r.create("t", 1).ID}
	for range 8 { // not by way of a connection, which would be cut off as well if the test stopped for a moment
		r.append(b, key, records(1, 900_000))
	}
	c := r.dial(b)
	c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	fetch := fetchReq(11, "t", metadata.TopicID{}, 1, 0)
	fetch.Topics[0].Partitions[0].PartitionMaxBytes = 50 << 20
	var frames []byte // in one piece: the first answer is enough to be cut off
	for i := range int32(7) {
		frames = append(frames, kmsg.NewRequestFormatter().AppendRequest(nil, fetch, i)...)
	}
	if _, err := c.Write(frames); err != nil {
		t.Fatal(err)
	}
	r.await("the connection is closed", func() bool { return counter(b.metrics.accepted) == 1 && gauge(b.metrics.connections) == 0 })
	if got := counter(b.metrics.slowClients); got != 1 {
		t.Errorf("%v slow clients counted", got)
	}
	if got := gauge(b.metrics.fetchBytes); got != 0 {
		t.Errorf("%d bytes of the fetch budget are still taken", got)
	}
}

// A frame that trickles in is not waited for.
func TestTrickledFrameIsCutOff(t *testing.T) {
	r := newRig(t, rigConfig{limits: Limits{RateWindow: 50 * time.Millisecond}})
	b := r.brokers[0]
	c := r.dial(b)
	c.Write([]byte{0, 0, 0, 200, 0, 3, 0, 1, 0, 0, 0, 1, 0})
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !isReset(err) { // it may be cut off before all of this was read
		t.Errorf("got %v", err)
	}
	r.await("it is counted", func() bool { return counter(b.metrics.slowClients) == 1 })
}

// socket.request.max.bytes is checked on the length, before anything is read or allocated.
func TestFrameAboveTheLimitClosesTheConnection(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"socket.request.max.bytes": "1000"}})
	b := r.brokers[0]
	r.create("t", 1)
	c := r.dial(b)
	small := produceReq(8, -1, "t", metadata.TopicID{}, records(1, 700))
	c.send(1, small)
	receive[*kmsg.ProduceResponse](c, small, 1)
	c.send(2, produceReq(8, -1, "t", metadata.TopicID{}, records(1, 1000)))
	if _, _, err := c.frame(); err == nil {
		t.Error("a frame above the limit was answered")
	}
	r.await("it is counted", func() bool { return counter(b.metrics.malformed) == 1 })
}

// An idle connection is cheap: clients keep thousands of them.
func TestIdleConnectionsAreCheap(t *testing.T) {
	r := newRig(t, rigConfig{quiet: true})
	b := r.brokers[0]
	versions := kmsg.NewPtrApiVersionsRequest()
	const n = 500
	use := func() int64 {
		runtime.GC()
		runtime.GC() // what lay in pools goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	before := use()
	for i := range int32(n) {
		c := r.dial(b)
		c.send(i, versions)
		receive[*kmsg.ApiVersionsResponse](c, versions, i)
	}
	// The client's side of the connection is in it too, and half as much again under the race detector.
	if each := (use() - before) / n; each > 32<<10 {
		t.Errorf("%d bytes for each connection", each)
	} else {
		t.Logf("%d bytes for each connection", each)
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitRig(t, 1)
		r.b.props.idle = 50 * time.Second
		ours, theirs := net.Pipe()
		nc, limit := r.b.admit(t.Context(), ours, "CLIENT")
		if limit != "" {
			t.Fatal(limit)
		}
		go func() {
			defer r.b.leave(nc)
			nc.run(t.Context())
		}()
		c := &wireConn{Conn: theirs, t: t}
		// Waiting for an answer longer than that is not idling.
		fetch := fetchReq(11, "t", metadata.TopicID{}, 1, 0)
		fetch.MaxWaitMillis = 220_000
		c.send(1, fetch)
		receive[*kmsg.FetchResponse](c, fetch, 1)
		answered := time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
		if idle := time.Since(answered); idle <= 0 || idle > r.b.props.idle {
			t.Errorf("it was closed after %v", idle)
		}
		<-nc.done
		r.quiet()
	})
}

// Bytes that are not requests cost their connection, and nothing else.
func TestHostileFrames(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.create("t", 1)
	good := [][]byte{
		kmsg.NewRequestFormatter().AppendRequest(nil, fetchReq(12, "t", metadata.TopicID{}, 3, 0), 1),
		kmsg.NewRequestFormatter().AppendRequest(nil, produceReq(9, 1, "t", metadata.TopicID{}, records(2, 50)), 1),
		kmsg.NewRequestFormatter().AppendRequest(nil, &kmsg.MetadataRequest{Version: 12}, 1),
		kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrListOffsetsRequest(), 1),
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	for i := range 1000 {
		var frame []byte
		switch i % 5 {
		case 0: // a length and nothing behind it
			frame = binary.BigEndian.AppendUint32(nil, rnd.Uint32())
		case 1: // the largest frame that is allowed, claimed
			frame = binary.BigEndian.AppendUint32(nil, 100<<20)
			frame = append(frame, 0, byte(rnd.IntN(4)), 0, byte(rnd.IntN(12)), 0, 0, 0, 1)
		case 2: // random bytes in a frame of an API that is served
			n := 8 + rnd.IntN(300)
			frame = binary.BigEndian.AppendUint32(nil, uint32(n))
			for range n {
				frame = append(frame, byte(rnd.IntN(256)))
			}
			row := b.apis.rows[rnd.IntN(len(b.apis.rows))]
			binary.BigEndian.PutUint16(frame[4:], uint16(row.key))
			binary.BigEndian.PutUint16(frame[6:], uint16(row.min)+uint16(rnd.IntN(int(row.max-row.min)+1)))
		case 3: // a request with some bytes changed to large counts
			frame = slices.Clone(good[rnd.IntN(len(good))])
			for range 1 + rnd.IntN(4) {
				frame[14+rnd.IntN(len(frame)-14)] = []byte{0xff, 0x7f, 0x80, 0}[rnd.IntN(4)]
			}
		case 4: // keys and versions that do not exist
			frame = binary.BigEndian.AppendUint32(nil, 20)
			frame = binary.BigEndian.AppendUint64(frame, rnd.Uint64())
			frame = append(frame, make([]byte, 12)...)
		}
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(frame)
		c.(*net.TCPConn).CloseWrite()
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("frame %d (%x) was neither answered nor refused", i, frame)
		}
		c.Close()
		if i%50 == 0 {
			runtime.ReadMemStats(&after)
			peak = max(peak, after.HeapInuse)
		}
	}
	r.await("all connections are closed", func() bool { return gauge(b.metrics.connections) == 0 })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if peak > before.HeapInuse+64<<20 {
		t.Errorf("the heap reached %d bytes, it was %d", peak, before.HeapInuse)
	}
	if n := counter(b.metrics.panics); n != 0 {
		t.Errorf("%v handlers panicked", n)
	}
	for name, g := range map[string]int{"produce": gauge(b.metrics.produceBytes), "request": gauge(b.metrics.requestBytes), "fetch": gauge(b.metrics.fetchBytes)} {
		if g != 0 {
			t.Errorf("%d bytes of the %s budget were not given back", g, name)
		}
	}
}

// A handler that panics costs its connection and is counted; the broker serves on, and nothing stays taken.
func TestPanicCostsTheConnectionOnly(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	row := *b.apis.find(60)
	row.handle = func(*Broker, context.Context, *Request) kmsg.Response { panic("a bug") }
	b.apis.byKey[60] = &row // before the first connection, so that nobody reads it meanwhile
	c := r.dial(b)
	c.send(1, kmsg.NewPtrDescribeClusterRequest())
	if _, _, err := c.frame(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	r.await("the connection is gone", func() bool { return gauge(b.metrics.connections) == 0 })
	if counter(b.metrics.panics) != 1 || gauge(b.metrics.requestBytes) != 0 {
		t.Errorf("%v panics counted, %d bytes taken", counter(b.metrics.panics), gauge(b.metrics.requestBytes))
	}
	versions := kmsg.NewPtrApiVersionsRequest()
	c = r.dial(b)
	c.send(2, versions)
	receive[*kmsg.ApiVersionsResponse](c, versions, 2)
}

func TestConnectionLimits(t *testing.T) {
	tests := []struct {
		name   string
		config rigConfig
	}{
		{"broker", rigConfig{limits: Limits{ConnectionsMax: 3}}},
		{"listener", rigConfig{limits: Limits{ConnectionsPerListenerMax: 3}}},
		{"address", rigConfig{properties: map[string]string{"max.connections.per.ip": "3"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.config)
			b := r.brokers[0]
			versions := kmsg.NewPtrApiVersionsRequest()
			var first *wireConn
			for i := range int32(3) {
				c := r.dial(b)
				c.send(i, versions)
				receive[*kmsg.ApiVersionsResponse](c, versions, i)
				first = c
			}
			if _, err := r.dial(b).Read(make([]byte, 1)); err == nil {
				t.Error("a fourth connection was admitted")
			}
			if n := counter(b.metrics.refused.WithLabelValues(tt.name)); n != 1 {
				t.Errorf("%v refusals counted", n)
			}
			first.Close()
			r.await("a place is free", func() bool { return gauge(b.metrics.connections) == 2 })
			c := r.dial(b)
			c.send(9, versions)
			receive[*kmsg.ApiVersionsResponse](c, versions, 9)
		})
	}
}

// What is above max.connections waits to be accepted (KIP-402), until another connection ends or the limit is raised; lowering it closes nothing.
func TestMaxConnectionsHoldsBack(t *testing.T) {
	r := newRig(t, rigConfig{properties: map[string]string{"max.connections": "2"}})
	b := r.brokers[0]
	versions := kmsg.NewPtrApiVersionsRequest()
	first, second, third, fourth := r.dial(b), r.dial(b), r.dial(b), r.dial(b)
	served := func(c *wireConn, id int32) { receive[*kmsg.ApiVersionsResponse](c, versions, id) }
	for _, c := range []*wireConn{first, second, third, fourth} {
		c.send(1, versions)
	}
	served(first, 1)
	served(second, 1)
	r.await("the third waits", func() bool { return counter(b.metrics.connectionsWaited) == 1 })
	set := func(broker, name, value string) {
		t.Helper()
		if err := b.admin.AlterBroker(t.Context(), broker, []topic.ConfigOp{{Name: name, Value: &value}}, false, false); err != nil {
			t.Fatal(err)
		}
	}
	set("", "max.connections", "3")
	served(third, 1)
	r.await("the fourth waits", func() bool { return counter(b.metrics.connectionsWaited) == 2 })
	set("", "max.connections", "1")
	second.send(2, versions)
	served(second, 2)
	set("1", "max.connections", "2")
	first.Close()
	second.Close()
	served(fourth, 1)
}

// The limits of addresses change while the broker runs, and some have their own.
func TestMaxConnectionsPerAddress(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	versions := kmsg.NewPtrApiVersionsRequest()
	first := r.dial(b)
	first.send(1, versions)
	receive[*kmsg.ApiVersionsResponse](first, versions, 1)
	set := func(name, value string) error {
		return b.admin.AlterBroker(t.Context(), "", []topic.ConfigOp{{Name: name, Value: &value}}, false, false)
	}
	if err := set("max.connections.per.ip", "0"); !errors.Is(err, kerr.InvalidRequest) {
		t.Errorf("no connection for anybody: got %v", err)
	}
	for _, bad := range []string{"127.0.0.1", "somewhere:3", "127.0.0.1:many", "127.0.0.1:-1"} {
		if err := set("max.connections.per.ip.overrides", bad); !errors.Is(err, kerr.InvalidRequest) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
	if err := set("max.connections.per.ip", "1"); err != nil {
		t.Fatal(err)
	}
	r.await("no second connection is admitted", func() bool {
		c := r.dial(b)
		defer c.Close()
		c.send(1, versions)
		_, err := c.Read(make([]byte, 1))
		return err != nil
	})
	if err := set("max.connections.per.ip.overrides", remote(first.Conn).String()+":2, [::1]:2"); err != nil {
		t.Fatal(err)
	}
	r.await("the address may have another", func() bool {
		second := r.dial(b)
		second.send(1, versions)
		_, err := second.Read(make([]byte, 1))
		return err == nil
	})
	if _, err := r.dial(b).Read(make([]byte, 1)); err == nil {
		t.Error("a third connection was admitted")
	}
}

// A closing broker answers what it has read: a waiting fetch at once, an append once it is durable. Then it closes all connections.
func TestRunDrainsOnShutdown(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := r.brokers[0]
	r.create("t", 1)
	waiting, producing, idle := r.dial(b), r.dial(b), r.dial(b)
	versions := kmsg.NewPtrApiVersionsRequest()
	idle.send(0, versions) // it is accepted
	receive[*kmsg.ApiVersionsResponse](idle, versions, 0)
	fetch := fetchReq(11, "t", metadata.TopicID{}, 1, 0)
	fetch.MaxWaitMillis = 600_000
	waiting.send(1, fetch)
	r.await("the fetch waits", func() bool { return gauge(b.metrics.fetchWaiting) == 1 })
	release := b.log.hold()
	produce := produceReq(8, -1, "t", metadata.TopicID{}, records(1, 10))
	producing.send(2, produce)
	r.await("the append is queued", func() bool { return b.stream.Stats().Queued > 0 })

	stopped := make(chan error, 1)
	go func() { stopped <- b.stop() }()
	if f := receive[*kmsg.FetchResponse](waiting, fetch, 1); f.ErrorCode != 0 {
		t.Errorf("fetch: %v", kerr.ErrorForCode(f.ErrorCode))
	}
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("an idle connection: %v", err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("Run returned before the append was durable: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	release()
	if p := receive[*kmsg.ProduceResponse](producing, produce, 2).Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Errorf("produce: %+v", p)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := b.socket.(*net.TCPListener).SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed broker accepts: %v", err)
	}
}

// An answer that never comes does not keep a broker from closing.
func TestShutdownDoesNotWaitForEver(t *testing.T) {
	r := newRig(t, rigConfig{limits: Limits{DrainTimeout: 30 * time.Millisecond}})
	b := r.brokers[0]
	r.create("t", 1)
	release := b.log.hold()
	defer release()
	c := r.dial(b)
	c.send(1, produceReq(8, -1, "t", metadata.TopicID{}, records(1, 10)))
	r.await("the append is queued", func() bool { return b.stream.Stats().Queued > 0 })
	if err := b.stop(); err != nil {
		t.Error(err)
	}
	if _, _, err := c.frame(); err == nil {
		t.Error("an append that is not durable was answered")
	}
}
