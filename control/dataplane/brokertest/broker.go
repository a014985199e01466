// Package brokertest is a broker for tests of what asks brokers: it speaks the protocol's frames, answers what a test tells it to, and keeps no
// data. What a real cluster does is tested on one.
package brokertest

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Answer makes the response to a request, whose version is set. A nil response ends the connection.
type Answer func(kmsg.Request) kmsg.Response

// Broker is a broker that listens on a loopback address.
type Broker struct {
	Host string
	Port int32

	listener net.Listener
	answer   Answer
	serving  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	asked  []kmsg.Request
}

// node is the broker's id.
const node = 1

// Start starts a broker that is its cluster's only one, and its controller. It answers Metadata itself, with no topics, unless answer has
// something: answer may return Default for what it does not care about. The test's end stops it.
func Start(t testing.TB, answer Answer) *Broker {
	t.Helper()
	l, err := net.Listen("tcp", "127.28.0.1:0")
	if err != nil { // not Linux
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listening on %v", l.Addr())
	}
	b := &Broker{Host: addr.IP.String(), Port: int32(addr.Port), listener: l, answer: answer, conns: make(map[net.Conn]bool)}
	b.serving.Go(b.accept)
	t.Cleanup(b.Close)
	return b
}

// Close ends all connections and waits for them. It may be called more than once.
func (b *Broker) Close() {
	b.mu.Lock()
	b.closed = true
	_ = b.listener.Close()
	for c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.serving.Wait()
}

// Asked returns the requests of one kind that came, in order.
func Asked[R kmsg.Request](b *Broker) []R {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rs []R
	for _, r := range b.asked {
		if r, ok := r.(R); ok {
			rs = append(rs, r)
		}
	}
	return rs
}

func (b *Broker) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		if b.closed {
			_ = c.Close()
		}
		b.conns[c] = true
		b.mu.Unlock()
		b.serving.Go(func() {
			_ = b.serve(c)
			_ = c.Close()
			b.mu.Lock()
			delete(b.conns, c)
			b.mu.Unlock()
		})
	}
}

// frameMax is more than any test sends.
const frameMax = 1 << 20

func (b *Broker) serve(c net.Conn) error {
	for {
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(size[:])
		if n < 10 || n > frameMax {
			return io.ErrUnexpectedEOF
		}
		f := make([]byte, n)
		if _, err := io.ReadFull(c, f); err != nil {
			return err
		}
		key, version := int16(binary.BigEndian.Uint16(f)), int16(binary.BigEndian.Uint16(f[2:]))
		req := kmsg.RequestForKey(key)
		if req == nil {
			return io.ErrUnexpectedEOF
		}
		req.SetVersion(version)
		body := f[10+max(0, int(int16(binary.BigEndian.Uint16(f[8:])))):]
		if req.IsFlexible() {
			body = body[1:] // no tags in the header
		}
		if err := req.ReadFrom(body); err != nil {
			return err
		}
		b.mu.Lock()
		b.asked = append(b.asked, req)
		b.mu.Unlock()
		resp := b.respond(req)
		if resp == nil {
			return nil
		}
		resp.SetVersion(version)
		out := append(make([]byte, 4), f[4:8]...)
		if resp.IsFlexible() && key != versionsKey {
			out = append(out, 0)
		}
		out = resp.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := c.Write(out); err != nil {
			return err
		}
	}
}

const versionsKey = 18

func (b *Broker) respond(req kmsg.Request) kmsg.Response {
	if r, ok := req.(*kmsg.ApiVersionsRequest); ok {
		resp := kmsg.NewPtrApiVersionsResponse()
		for _, key := range []int16{0, 1, 2, 3, versionsKey, 19, 20, 32, 33, 37, 46} {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = key, kmsg.RequestForKey(key).MaxVersion()
			resp.ApiKeys = append(resp.ApiKeys, k)
		}
		resp.SetVersion(r.Version)
		return resp
	}
	if m, ok := req.(*kmsg.MetadataRequest); ok && m.Topics != nil && len(m.Topics) == 0 {
		return b.Metadata()
	}
	return b.answer(req)
}

// Metadata is an answer to Metadata that names this broker and, if there are any, topics.
func (b *Broker) Metadata(topics ...kmsg.MetadataResponseTopic) *kmsg.MetadataResponse {
	resp := kmsg.NewPtrMetadataResponse()
	n := kmsg.NewMetadataResponseBroker()
	n.NodeID, n.Host, n.Port = node, b.Host, b.Port
	resp.Brokers, resp.ControllerID, resp.Topics = append(resp.Brokers, n), node, topics
	return resp
}

// Topic is a topic for Metadata: whole, with partitions that the broker leads.
func Topic(name string, partitions int) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic = &name
	for i := range partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR = int32(i), node, 1, []int32{node}, []int32{node}
		t.Partitions = append(t.Partitions, p)
	}
	return t
}
