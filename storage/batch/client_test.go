package batch

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// partitioned gets a word for each record that waits in a partition's batch.
type partitioned chan struct{}

func (p partitioned) OnProduceRecordPartitioned(*kgo.Record, int32) { p <- struct{}{} }

// sent makes a real client produce rs as one batch and returns the batch as it came over the wire.
func sent(t *testing.T, codec kgo.CompressionCodec, rs []*kgo.Record) []byte {
	t.Helper()
	got, ready := make(chan []byte, 1), make(partitioned, len(rs))
	var connections sync.WaitGroup
	cl, err := kgo.NewClient(
		kgo.SeedBrokers("broker:9092"),
		kgo.DefaultProduceTopic("t"),
		kgo.ProducerBatchCompression(codec),
		kgo.DisableIdempotentWrite(),
		kgo.ManualFlushing(),
		kgo.WithHooks(ready),
		kgo.Dialer(func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			connections.Go(func() { serve(server, got) })
			return client, nil
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer connections.Wait()
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, r := range rs {
		cl.Produce(ctx, r, nil)
	}
	for range rs { // a Flush sends what it finds in the partition: the first ones alone if it comes too early
		select {
		case <-ready:
		case <-ctx.Done():
			t.Fatal("the client does not learn of the partition")
		}
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	return <-got // the answer to it was waited for
}

// serve is just enough of a broker for a producer. It ends when the client closes the connection.
func serve(c net.Conn, got chan<- []byte) {
	defer c.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(c, frame); err != nil {
			return
		}
		r := kbin.Reader{Src: frame}
		key, version, correlation := r.Int16(), r.Int16(), r.Int32()
		r.NullableString() // client id
		req := kmsg.RequestForKey(key)
		req.SetVersion(version)
		if req.IsFlexible() {
			kmsg.SkipTags(&r)
		}
		if err := req.ReadFrom(r.Src); err != nil {
			return
		}
		resp := req.ResponseKind()
		switch req := req.(type) {
		case *kmsg.ApiVersionsRequest:
			resp := resp.(*kmsg.ApiVersionsResponse)
			resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: 0, MaxVersion: 9}, {ApiKey: 3, MaxVersion: 8}, {ApiKey: 18, MaxVersion: 3}}
		case *kmsg.MetadataRequest:
			resp := resp.(*kmsg.MetadataResponse)
			resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: "broker", Port: 9092}}
			topic := "t"
			resp.Topics = []kmsg.MetadataResponseTopic{{Topic: &topic, Partitions: []kmsg.MetadataResponseTopicPartition{{Leader: 1, Replicas: []int32{1}, ISR: []int32{1}}}}}
		case *kmsg.ProduceRequest:
			resp := resp.(*kmsg.ProduceResponse)
			got <- bytes.Clone(req.Topics[0].Partitions[0].Records)
			resp.Topics = []kmsg.ProduceResponseTopic{{Topic: "t", Partitions: []kmsg.ProduceResponseTopicPartition{{}}}}
		}
		out := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation))
		if resp.IsFlexible() && key != 18 {
			out = append(out, 0)
		}
		out = resp.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func TestClientBatchesAreValidAndReadBack(t *testing.T) {
	codecs := map[Codec]kgo.CompressionCodec{
		None: kgo.NoCompression(), Gzip: kgo.GzipCompression(), Snappy: kgo.SnappyCompression(),
		LZ4: kgo.Lz4Compression(), Zstd: kgo.ZstdCompression(),
	}
	d := NewDecoder(1 << 20)
	for codec, option := range codecs {
		t.Run(codec.String(), func(t *testing.T) {
			var rs []*kgo.Record
			var want []kv
			for i := range 200 {
				r := &kgo.Record{
					Key:       fmt.Appendf(nil, "key-%d", i),
					Value:     []byte(strings.Repeat(fmt.Sprint("value ", i), i%20)),
					Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i)),
					Headers:   []kgo.RecordHeader{{Key: "h", Value: []byte("x")}, {Key: "null"}}[:i%3],
				}
				if i%7 == 0 {
					r.Key = nil
				}
				w := kv{Offset: 100 + int64(i), Timestamp: r.Timestamp.UnixMilli(), Key: text(r.Key), Value: text(r.Value)}
				for _, h := range r.Headers {
					w.Headers = append(w.Headers, h.Key+"="+text(h.Value))
				}
				rs, want = append(rs, r), append(want, w)
			}
			b := sent(t, option, rs)
			info, err := Validate(b, Rules{OneBatch: true, MinTimestamp: 1_700_000_000_000, MaxTimestamp: 1_700_000_001_000})
			if err != nil {
				t.Fatal(err)
			}
			if info.First.Codec() != codec || info.Records != 200 || info.MaxTimestamp != 1_700_000_000_199 {
				t.Errorf("info = %+v", info)
			}
			SetOffsets(b, 100, 1)
			if diff := cmp.Diff(want, collect(t, d, b)); diff != "" {
				t.Error(diff)
			}
			if codec == None {
				return
			}
			// What is decompressed stays below the limit, and damage is an error.
			for _, err := range NewDecoder(5000).Records(b) {
				if err == nil {
					t.Error("decompressed beyond the limit")
				}
				break
			}
			for i := HeaderBytes; i < len(b); i += 29 {
				bad := bytes.Clone(b)
				bad[i] ^= 0xff
				for _, err := range d.Records(bad) {
					if err != nil {
						break
					}
				}
			}
		})
	}
}

func TestXerialSnappyIsRead(t *testing.T) {
	d := NewDecoder(1 << 20)
	plain := []byte(strings.Repeat("weir ", 100))
	block := snappyEncode(plain)
	framed := append([]byte(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1)
	for range 3 {
		framed = binary.BigEndian.AppendUint32(framed, uint32(len(block)))
		framed = append(framed, block...)
	}
	got, err := d.decompress(Snappy, framed)
	if err != nil || !bytes.Equal(got, bytes.Repeat(plain, 3)) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	for i := range framed {
		if _, err := d.decompress(Snappy, framed[:i]); err == nil && i != len(framed)-len(block)-4 && i != len(framed)-2*(len(block)+4) && i != xerialHeader {
			t.Errorf("cut at %d of %d was accepted", i, len(framed))
		}
	}
	if _, err := NewDecoder(1000).decompress(Snappy, framed); err == nil {
		t.Error("decompressed beyond the limit")
	}
	// A few bytes that claim to become a lot.
	if _, err := d.decompress(Snappy, []byte{0x80, 0x80, 0x40, 0}); err == nil {
		t.Error("a claim of 1 MiB in 4 bytes was accepted")
	}
}

func FuzzDecompress(f *testing.F) {
	f.Add(uint8(Snappy), snappyEncode([]byte("hello hello hello")))
	f.Add(uint8(Zstd), []byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00, 0x01, 0x00, 0x00, 0x99, 0xe9, 0xd8, 0x51})
	f.Add(uint8(LZ4), []byte{0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0, 0, 0, 0})
	f.Add(uint8(Gzip), []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0})
	d := NewDecoder(64 << 10)
	f.Fuzz(func(t *testing.T, codec uint8, b []byte) {
		if out, err := d.decompress(Codec(codec&codecMask), b); err == nil && Codec(codec&codecMask) != None && len(out) > 64<<10 {
			t.Fatalf("%d bytes", len(out))
		}
	})
}
