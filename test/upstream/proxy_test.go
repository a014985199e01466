package upstream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/test/cluster"
)

// A proxy stands before one broker. In the answers that name brokers it puts the proxies' addresses, so that clients stay behind them.
type proxy struct {
	name, listen, broker string
	rewrite              map[string]int // a broker's address to its proxy's port

	mu       sync.Mutex
	listener net.Listener // nil while disabled
	conns    map[net.Conn]bool
	resets   bool          // connections are reset
	latency  time.Duration // of answers
	running  sync.WaitGroup
}

// newProxies starts a proxy on each port from first on, named kafka1, kafka2 ..., before the brokers in their order.
func newProxies(t *testing.T, brokers []string, first int) map[string]*proxy {
	rewrite := map[string]int{}
	for i, b := range brokers {
		rewrite[b] = first + i
	}
	proxies := map[string]*proxy{}
	for i, b := range brokers {
		p := &proxy{
			name: "kafka" + strconv.Itoa(i+1), listen: "127.0.0.1:" + strconv.Itoa(first+i), broker: b, rewrite: rewrite, conns: map[net.Conn]bool{},
		}
		if err := p.enable(true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.enable(false); err != nil {
				t.Error(err)
			}
			p.running.Wait()
		})
		proxies[p.name] = p
	}
	return proxies
}

func (p *proxy) enabled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener != nil
}

// enable opens the port, or closes it and all connections.
func (p *proxy) enable(on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on == (p.listener != nil) {
		return nil
	}
	if !on {
		err := p.listener.Close()
		p.listener = nil
		for c := range p.conns {
			c.Close()
		}
		return err
	}
	l, err := net.Listen("tcp", p.listen)
	if err != nil {
		return err
	}
	p.listener = l
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(c) })
		}
	})
	return nil
}

func (p *proxy) reset() {
	p.setFault(false, 0)
	if err := p.enable(true); err != nil {
		panic(fmt.Sprintf("%s does not open again: %v", p.listen, err)) // its port was ours a moment ago
	}
}

func (p *proxy) setFault(resets bool, latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resets, p.latency = resets, latency
}

func (p *proxy) faults() (resets bool, latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resets, p.latency
}

// track keeps a connection to be closed with the proxy, and says whether it is still open.
func (p *proxy) track(c net.Conn, on bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !on {
		delete(p.conns, c)
		return true
	}
	p.conns[c] = true
	return p.listener != nil
}

// asked is what a connection needs to know of a request to understand its answer.
type asked struct{ key, version int16 }

// dialLimit is how long a broker may take to be back.
const dialLimit = time.Minute

// dial connects to the broker. One that was killed is started again at once, so it is waited for: a connection that were closed under a client's first
// request would look like one that was reset.
func (p *proxy) dial() (net.Conn, error) {
	for end := time.Now().Add(dialLimit); ; {
		c, err := net.Dial("tcp", p.broker)
		if err == nil || !p.enabled() || time.Now().After(end) {
			return c, err
		}
		<-time.After(20 * time.Millisecond)
	}
}

// connections are those that there are now.
func (p *proxy) connections() map[net.Conn]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.conns)
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	broker, err := p.dial()
	if err != nil {
		return
	}
	defer broker.Close()
	for _, c := range []net.Conn{client, broker} {
		if !p.track(c, true) {
			return
		}
		defer p.track(c, false)
	}
	var mu sync.Mutex
	pending := map[int32]asked{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer client.Close()
		for {
			frame, err := readFrame(broker)
			if err != nil {
				return
			}
			id := int32(binary.BigEndian.Uint32(frame[4:]))
			mu.Lock()
			request, ok := pending[id]
			delete(pending, id)
			mu.Unlock()
			if ok {
				frame = p.answer(frame, request)
			}
			resets, latency := p.faults()
			if resets {
				if tcp, ok := client.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // Close sends a reset
				}
				return
			}
			if latency > 0 {
				<-time.After(latency)
			}
			if _, err := client.Write(frame); err != nil {
				return
			}
		}
	}()
	for {
		frame, err := readFrame(client)
		if err != nil || len(frame) < 12 {
			break
		}
		request := asked{int16(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))}
		if k := kmsg.Key(request.key); k == kmsg.Metadata || k == kmsg.FindCoordinator || k == kmsg.DescribeCluster {
			mu.Lock()
			pending[int32(binary.BigEndian.Uint32(frame[8:]))] = request
			mu.Unlock()
		}
		if kmsg.Key(request.key) == kmsg.JoinGroup {
			lengthen(frame, request)
		}
		if _, err := broker.Write(frame); err != nil {
			break
		}
	}
	broker.Close()
	<-done
}

// readFrame reads a request or an answer with its size.
func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > 200<<20 {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	frame := make([]byte, 4+n)
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// memberTimeout is the least that a member of a group has to show itself.
const memberTimeout = 20 * time.Second

// lengthen raises the session's and the rebalance's timeout in the frame of a JoinGroup request. The tests' own are of six seconds, and a busy machine
// lets a member wait for longer now and then, which says nothing about Weir.
func lengthen(frame []byte, request asked) {
	r := kbin.Reader{Src: frame[12:]}
	r.NullableString() // the client's id
	flexible := request.version >= 6
	if flexible {
		kmsg.SkipTags(&r)
		_ = r.CompactString() // the group
	} else {
		_ = r.String()
	}
	timeouts := r.Src
	r.Int32()
	if request.version >= 1 {
		r.Int32()
	}
	if !r.Ok() {
		return // the broker says what is wrong with it
	}
	for at := 0; at < len(timeouts)-len(r.Src); at += 4 {
		given := binary.BigEndian.Uint32(timeouts[at:])
		binary.BigEndian.PutUint32(timeouts[at:], max(given, uint32(memberTimeout.Milliseconds())))
	}
}

func TestTimeoutsOfMembersAreLengthened(t *testing.T) {
	for version := range kmsg.NewPtrJoinGroupRequest().MaxVersion() + 1 {
		for _, client := range []string{"", "some client"} {
			req := kmsg.NewPtrJoinGroupRequest()
			req.Version, req.Group, req.MemberID, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = version, "some group", "m", 6000, 90_000
			frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(client)).AppendRequest(nil, req, 7)
			body := len(frame) - len(req.AppendTo(nil))
			lengthen(frame, asked{int16(kmsg.JoinGroup), version})
			got := kmsg.NewPtrJoinGroupRequest()
			got.Version = version
			if err := got.ReadFrom(frame[body:]); err != nil {
				t.Fatal(err)
			}
			want := *req
			want.SessionTimeoutMillis = int32(memberTimeout.Milliseconds())
			if !bytes.Equal(got.AppendTo(nil), want.AppendTo(nil)) {
				t.Errorf("version %d of client %q: %+v, want %+v", version, client, got, want)
			}
		}
	}
}

// answer puts the proxies' addresses into a response; one that it does not understand stays as it is.
func (p *proxy) answer(frame []byte, request asked) []byte {
	response := kmsg.ResponseForKey(request.key)
	response.SetVersion(request.version)
	header := 8
	if response.IsFlexible() {
		header++ // no tags
	}
	if len(frame) < header || response.ReadFrom(frame[header:]) != nil {
		return frame
	}
	swap := func(host *string, port *int32) {
		if to, ok := p.rewrite[net.JoinHostPort(*host, strconv.Itoa(int(*port)))]; ok {
			*host, *port = "127.0.0.1", int32(to)
		}
	}
	switch r := response.(type) {
	case *kmsg.MetadataResponse:
		for i := range r.Brokers {
			swap(&r.Brokers[i].Host, &r.Brokers[i].Port)
		}
	case *kmsg.FindCoordinatorResponse:
		swap(&r.Host, &r.Port)
		for i := range r.Coordinators {
			swap(&r.Coordinators[i].Host, &r.Coordinators[i].Port)
		}
	case *kmsg.DescribeClusterResponse:
		for i := range r.Brokers {
			swap(&r.Brokers[i].Host, &r.Brokers[i].Port)
		}
	}
	out := response.AppendTo(append([]byte(nil), frame[:header]...))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// brokerProcess is the process of the broker with an id, or 0.
func brokerProcess(w *cluster.Weir, id int) int {
	for _, pid := range w.Brokers() {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(cmdline), fmt.Sprintf("/broker-%d/", id)) {
			return pid
		}
	}
	return 0
}
