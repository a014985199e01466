package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/metadata"
)

// pipelined sends the frame b.N times with up to depth of them unanswered. The disk is memory, so this is the cost of protocol, partition
// and loopback on both sides.
func pipelined(b *testing.B, r *rig, frame []byte, depth int) {
	b.Helper()
	nc, err := net.Dial("tcp", r.brokers[0].addr)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	sem := make(chan struct{}, depth)
	failed := make(chan error, 1)
	go func() {
		in := bufio.NewReaderSize(nc, 64<<10)
		for range b.N {
			prefix, err := in.Peek(4)
			if err == nil {
				_, err = in.Discard(4 + int(binary.BigEndian.Uint32(prefix)))
			}
			if err != nil {
				failed <- err
				return
			}
			<-sem
		}
		failed <- nil
	}()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		sem <- struct{}{}
		if _, err := nc.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-failed; err != nil && !errors.Is(err, io.EOF) {
		b.Fatal(err)
	}
}

func BenchmarkProduceSmall(b *testing.B) {
	r := newRig(b, rigConfig{quiet: true})
	r.brokers[0].log.keepNothing()
	r.create("t", 1)
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, produceReq(11, -1, "t", metadata.TopicID{}, records(1, 1000)), 1)
	pipelined(b, r, frame, 5)
}

func BenchmarkProduce64K(b *testing.B) {
	r := newRig(b, rigConfig{quiet: true})
	r.brokers[0].log.keepNothing()
	r.create("t", 1)
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, produceReq(11, -1, "t", metadata.TopicID{}, records(62, 1000)), 1)
	b.SetBytes(int64(len(frame)))
	pipelined(b, r, frame, 5)
}

func BenchmarkFetchTail(b *testing.B) {
	r := newRig(b, rigConfig{quiet: true})
	topic := r.create("t", 1)
	ask[*kmsg.ProduceResponse](r, r.brokers[0], produceReq(11, -1, "t", topic.ID, records(60, 1000)))
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, fetchReq(17, "t", topic.ID, 1, 0), 1)
	b.SetBytes(60_000)
	pipelined(b, r, frame, 5)
}

func BenchmarkMetadataOfOneTopic(b *testing.B) {
	r := newRig(b, rigConfig{quiet: true})
	r.create("t", 12)
	name := "t"
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.Topics = 12, []kmsg.MetadataRequestTopic{{Topic: &name}}
	pipelined(b, r, kmsg.NewRequestFormatter().AppendRequest(nil, req, 1), 5)
}

// The budget of the storage engine's design, section 6: a produce request costs the whole broker at most 12 allocations. The client's and the
// test's own are in the count, and each request is a commit of its own here.
func TestProduceAllocatesLittle(t *testing.T) {
	r := newRig(t, rigConfig{quiet: true})
	r.brokers[0].log.keepNothing()
	r.create("t", 1)
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, produceReq(11, -1, "t", metadata.TopicID{}, records(10, 100)), 1)
	c := r.dial(r.brokers[0])
	answer := make([]byte, 4<<10)
	once := func() {
		if _, err := c.Write(frame); err != nil {
			t.Fatal(err)
		}
		n, err := io.ReadAtLeast(c, answer, 4)
		if want := 4 + int(binary.BigEndian.Uint32(answer)); err != nil || n < want {
			if _, err = io.ReadFull(c, answer[n:want]); err != nil {
				t.Fatal(err)
			}
		}
	}
	once()
	if n := testing.AllocsPerRun(2000, once); n > 12 {
		t.Errorf("%v allocations a request", n)
	} else {
		t.Logf("%v allocations a request", n)
	}
}
