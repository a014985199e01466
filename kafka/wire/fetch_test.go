package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/storage/buffer"
)

// The hand-written encoding must be byte for byte what kmsg makes of the same content, at every version.
func TestFetchFrameMatchesKmsg(t *testing.T) {
	for v := int16(4); v <= 18; v++ {
		t.Run(fmt.Sprintf("v%d", v), func(t *testing.T) {
			for seed := range uint64(200) {
				ours, theirs := randomFetch(rand.New(rand.NewPCG(seed, uint64(v))), v)
				got := flat(t, ours.AppendFrame(nil, 99), ours.AppendFiles(nil))
				want := AppendResponse(nil, 99, theirs)
				if !bytes.Equal(got, want) {
					t.Fatalf("seed %d\n got %x\nwant %x", seed, got, want)
				}
			}
		})
	}
}

// flat puts what lies in files where the buffers have nil.
func flat(t *testing.T, bufs [][]byte, files []buffer.Range) (out []byte) {
	t.Helper()
	for _, b := range bufs {
		if b == nil {
			b = make([]byte, files[0].Len)
			if _, err := files[0].File.ReadAt(b, files[0].Off); err != nil {
				t.Fatal(err)
			}
			files = files[1:]
		}
		out = append(out, b...)
	}
	if len(files) > 0 {
		t.Errorf("%d files have no place", len(files))
	}
	return out
}

// memFile is a file in memory.
type memFile struct{ *bytes.Reader }

func (memFile) SendTo(syscall.RawConn, int64, int64) (int64, error) { return 0, errors.ErrUnsupported }

func randomFetch(r *rand.Rand, v int16) (*FetchResponse, *kmsg.FetchResponse) {
	ours := &FetchResponse{Version: v}
	theirs := kmsg.NewPtrFetchResponse()
	theirs.Version = v
	if r.IntN(3) == 0 && v >= 7 {
		ours.ErrorCode, theirs.ErrorCode = 71, 71
	}
	ours.SessionID = r.Int32()
	theirs.SessionID = ours.SessionID
	for range r.IntN(4) {
		ot, tt := FetchTopic{Topic: "topic", TopicID: [16]byte{1, 2, byte(r.IntN(9))}}, kmsg.NewFetchResponseTopic()
		tt.Topic, tt.TopicID = ot.Topic, ot.TopicID
		for p := range int32(r.IntN(5)) {
			op, tp := randomPartition(r, p, v)
			ot.Partitions, tt.Partitions = append(ot.Partitions, op), append(tt.Partitions, tp)
		}
		ours.Topics, theirs.Topics = append(ours.Topics, ot), append(theirs.Topics, tt)
	}
	if v >= 16 {
		for id := range int32(r.IntN(4)) {
			b := Node{NodeID: id + 1, Host: "127.0.0.10", Port: 9092}
			tb := kmsg.NewFetchResponseBroker()
			tb.NodeID, tb.Host, tb.Port = b.NodeID, b.Host, b.Port
			if r.IntN(2) == 0 {
				b.Rack, tb.Rack = "use1-az1", new("use1-az1")
			}
			ours.Brokers, theirs.Brokers = append(ours.Brokers, b), append(theirs.Brokers, tb)
		}
	}
	return ours, theirs
}

func randomPartition(r *rand.Rand, p int32, v int16) (FetchPartition, kmsg.FetchResponseTopicPartition) {
	op := FetchPartition{
		Partition: p, ErrorCode: int16(r.IntN(3)), HighWatermark: r.Int64(), LastStable: r.Int64(), LogStart: r.Int64(),
		LeaderID: -1, LeaderEpoch: -1, ListAborted: r.IntN(2) == 0,
	}
	tp := kmsg.NewFetchResponseTopicPartition()
	tp.Partition, tp.ErrorCode, tp.HighWatermark, tp.LastStableOffset, tp.LogStartOffset = p, op.ErrorCode, op.HighWatermark, op.LastStable, op.LogStart
	tp.PreferredReadReplica = -1
	if op.ListAborted {
		tp.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
		for range r.IntN(3) {
			a := FetchAborted{ProducerID: r.Int64(), FirstOffset: r.Int64()}
			op.Aborted = append(op.Aborted, a)
			ta := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
			ta.ProducerID, ta.FirstOffset = a.ProducerID, a.FirstOffset
			tp.AbortedTransactions = append(tp.AbortedTransactions, ta)
		}
	}
	tp.RecordBatches = []byte{}
	for range r.IntN(4) {
		seg := make([]byte, 1+r.IntN(300))
		seg[0] = byte(r.IntN(256))
		tp.RecordBatches = append(tp.RecordBatches, seg...)
		if r.IntN(3) == 0 {
			op.Segments = append(op.Segments, nil)
			op.Files = append(op.Files, buffer.Range{File: memFile{bytes.NewReader(append([]byte("in front"), seg...))}, Off: 8, Len: int64(len(seg))})
			continue
		}
		op.Segments = append(op.Segments, seg)
	}
	if r.IntN(3) == 0 && v >= 12 {
		op.LeaderID, op.LeaderEpoch = 2, 7
		tp.CurrentLeader.LeaderID, tp.CurrentLeader.LeaderEpoch = 2, 7
	} else if r.IntN(3) == 0 && v >= 12 {
		op.Diverges, op.DivergingEpoch, op.DivergingEnd = true, 5, r.Int64()
		tp.DivergingEpoch.Epoch, tp.DivergingEpoch.EndOffset = 5, op.DivergingEnd
	}
	return op, tp
}

// Record batches must go out from where they lie.
func TestFetchFrameDoesNotCopySegments(t *testing.T) {
	seg := []byte("batch")
	r := FetchResponse{Version: 12, Topics: []FetchTopic{{Topic: "t", Partitions: []FetchPartition{{Segments: [][]byte{seg}, LeaderID: -1, LeaderEpoch: -1}}}}}
	bufs := r.AppendFrame(nil, 1)
	for _, b := range bufs {
		if len(b) > 0 && &b[0] == &seg[0] {
			return
		}
	}
	t.Error("the segment is not among the buffers")
}

// ApiVersions keeps response header version 0 at every version (KIP-511); other flexible responses have tagged fields in it.
func TestResponseHeaderVersion(t *testing.T) {
	tests := []struct {
		resp kmsg.Response
		v    int16
		want int // bytes before the body
	}{
		{kmsg.NewPtrApiVersionsResponse(), 0, 8},
		{kmsg.NewPtrApiVersionsResponse(), 4, 8},
		{kmsg.NewPtrMetadataResponse(), 8, 8},
		{kmsg.NewPtrMetadataResponse(), 9, 9},
	}
	for _, tt := range tests {
		tt.resp.SetVersion(tt.v)
		got := AppendResponse(nil, 5, tt.resp)
		if n := len(got) - len(tt.resp.AppendTo(nil)); n != tt.want {
			t.Errorf("%T version %d: header of %d bytes, want %d", tt.resp, tt.v, n, tt.want)
		}
		if int(binary.BigEndian.Uint32(got)) != len(got)-4 || binary.BigEndian.Uint32(got[4:]) != 5 {
			t.Errorf("%T version %d: size or correlation id is wrong: %x", tt.resp, tt.v, got[:8])
		}
	}
}

func TestSizeRefusesBeforeAllocation(t *testing.T) {
	tests := []struct {
		prefix [4]byte
		ok     bool
	}{
		{[4]byte{0, 0, 0, 8}, true},
		{[4]byte{0, 0, 4, 0}, true},
		{[4]byte{0, 0, 4, 1}, false},
		{[4]byte{0, 0, 0, 7}, false},
		{[4]byte{0xff, 0xff, 0xff, 0xff}, false},
		{[4]byte{0x7f, 0xff, 0xff, 0xff}, false},
		{[4]byte{'G', 'E', 'T', ' '}, false},
	}
	for _, tt := range tests {
		if _, err := Size(tt.prefix, 1024); (err == nil) != tt.ok {
			t.Errorf("%v: %v", tt.prefix, err)
		}
	}
}

func TestParseRest(t *testing.T) {
	tests := []struct {
		name     string
		in       []byte
		flexible bool
		client   string
		body     string
		ok       bool
	}{
		{"version 1", []byte{0, 2, 'm', 'e', 'b'}, false, "me", "b", true},
		{"null client id", []byte{0xff, 0xff, 'b'}, false, "", "b", true},
		{"version 2", []byte{0, 2, 'm', 'e', 0, 'b'}, true, "me", "b", true},
		{"version 2 with a tag", []byte{0, 0, 1, 9, 2, 'x', 'y', 'b'}, true, "", "b", true},
		{"version 2 without tags", []byte{0, 0}, true, "", "", false},
		{"tags that do not end", []byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}, true, "", "", false},
		{"client id too long", []byte{0x7f, 0xff, 'm'}, false, "", "", false},
		{"client id below null", []byte{0x80, 0, 'm'}, false, "", "", false},
		{"empty", nil, false, "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, body, err := ParseRest(tt.in, tt.flexible)
			if (err == nil) != tt.ok || string(client) != tt.client || string(body) != tt.body {
				t.Errorf("got %q %q %v", client, body, err)
			}
		})
	}
}

func BenchmarkFetchFrame(b *testing.B) {
	ours, _ := randomFetch(rand.New(rand.NewPCG(8, 1)), 17)
	b.ReportAllocs()
	for b.Loop() {
		ours.AppendFrame(nil, 1)
	}
}

func BenchmarkLearnShapes(b *testing.B) {
	for b.Loop() {
		d := NewDecoder(1)
		if _, err := d.shape(1, 17); err != nil {
			b.Fatal(err)
		}
	}
}
