package broker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/kafka/partition"
	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/blob"
	"weir/storage/buffer"
	"weir/storage/disk"
	"weir/storage/segment"
	"weir/storage/stream"
)

// hidden is a connection that files cannot be sent to: as one that encrypts.
type hidden struct{ net.Conn }

// pair returns both ends of a connection: of TCP, of TCP that hides it, or of a pipe.
func pair(t *testing.T, kind string) (ours, theirs net.Conn) {
	t.Helper()
	if kind == "pipe" {
		ours, theirs = net.Pipe()
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if theirs, err = net.Dial("tcp", l.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if ours, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	if kind == "hidden" {
		ours = hidden{ours}
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// Answers of memory and files in any mix arrive byte for byte, whatever the connection is, also if the client reads slowly.
func TestFilesAndMemoryAreSentInOrder(t *testing.T) {
	store := blob.NewFS(disk.OS(t.TempDir()), "blob")
	content := make([]byte, 3<<20)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range content {
		content[i] = byte(rnd.Uint32())
	}
	if err := store.Put(t.Context(), "o/1", content); err != nil {
		t.Fatal(err)
	}
	o, err := store.Open(t.Context(), "o/1")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, kind := range []string{"tcp", "hidden", "pipe"} {
		t.Run(kind, func(t *testing.T) {
			ours, theirs := pair(t, kind)
			b := &Broker{buffers: buffer.NewPool(1 << 20), log: slog.New(slog.DiscardHandler), metrics: newMetrics(nil, nil), kafka: newKafkaMetrics(nil)}
			b.cfg.Limits = Limits{}.withDefaults()
			c := newConn(b, ours, "CLIENT", remote(ours))
			if (c.raw != nil) != (kind == "tcp") {
				t.Fatalf("raw is %v", c.raw)
			}
			for range 30 {
				var out net.Buffers
				var files []buffer.Range
				var want []byte
				size := 0
				for range 1 + rnd.IntN(6) {
					at := rnd.IntN(len(content) - 1)
					n := 1 + rnd.IntN(min(len(content)-at, 1<<(1+rnd.IntN(21))))
					if rnd.IntN(2) == 0 {
						out = append(out, content[at:at+n])
					} else {
						out, files = append(out, nil), append(files, buffer.Range{File: o, Off: int64(at), Len: int64(n)})
					}
					want = append(want, content[at:at+n]...)
					size += n
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.write(out, files, size)
				}()
				got := make([]byte, size)
				if _, err := io.ReadFull(theirs, got); err != nil {
					t.Fatal(err)
				}
				if <-done; !bytes.Equal(got, want) {
					t.Fatal("the bytes that arrived are others")
				}
			}
		})
	}
}

// append appends a batch, which becomes what it is in the log.
func (r *rig) append(b *rigBroker, k partition.Key, one []byte) {
	r.t.Helper()
	p, err := b.leaders.Get(k)
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan error, 1)
	if err := p.Append(partition.Append{Batches: one}, func(_ partition.Appended, err error) { done <- err }); err != nil {
		r.t.Fatal(err)
	}
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
}

// inContainers appends n batches to the partition and moves them all to a container, so that fetches send them from a file.
func (r *rig) inContainers(b *rigBroker, k partition.Key, n int) (batches []byte) {
	r.t.Helper()
	p, err := b.leaders.Get(k)
	if err != nil {
		r.t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(5, 5))
	var bs [][]byte
	for range n {
		one := records(1+rnd.IntN(3), rnd.IntN(20_000))
		r.append(b, k, one)
		bs = append(bs, one)
		batches = append(batches, one...)
	}
	var buf bytes.Buffer
	id := segment.ID{Incarnation: 1, Number: uint64(k.Index)}
	w := segment.NewWriter(&buf, segment.Segment, id)
	if err := w.Begin(p.Name(), 0, p.Offsets().HighWatermark-1); err != nil {
		r.t.Fatal(err)
	}
	for _, one := range bs {
		if err := w.Append(one); err != nil {
			r.t.Fatal(err)
		}
	}
	pieces, err := w.Finish()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := b.containers.Put(r.t.Context(), segment.SegmentKey(p.Name(), id), buf.Bytes()); err != nil {
		r.t.Fatal(err)
	}
	if err := p.Edit(func(s *stream.PartitionState) error { return s.Sink(pieces) }); err != nil {
		r.t.Fatal(err)
	}
	return batches
}

// What lies in containers is fetched as it was produced: sent from files to a TCP connection, copied to any other.
func TestFetchFromContainers(t *testing.T) {
	r := newRig(t, rigConfig{tailBytes: 1})
	b := r.brokers[0]
	topic := r.create("t", 3)
	var want [3][]byte
	for i := range want {
		want[i] = r.inContainers(b, partition.Key{Topic: topic.ID, Index: int32(i)}, 60)
	}
	for _, kind := range []string{"tcp", "hidden", "pipe"} {
		t.Run(kind, func(t *testing.T) {
			ours, theirs := pair(t, kind)
			c, limit := b.admit(t.Context(), ours, "CLIENT")
			if limit != "" {
				t.Fatal(limit)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer b.leave(c)
				c.run(ctx)
			}()
			defer func() {
				theirs.Close()
				cancel()
				<-done
			}()
			wc := &wireConn{Conn: theirs, t: t}
			wc.SetDeadline(time.Now().Add(dialDeadline))
			var got [3][]byte
			var next [3]int64
			for id := range int32(200) {
				req := fetchReq(12, "t", metadata.TopicID{}, 3, 0)
				req.MaxBytes = 200_000
				for i := range req.Topics[0].Partitions {
					in := &req.Topics[0].Partitions[i]
					in.Partition = (int32(i) + id) % 3 // clients rotate
					in.FetchOffset, in.PartitionMaxBytes = next[in.Partition], 100_000
				}
				req.MaxWaitMillis = 0
				wc.send(id, req)
				bytes := 0
				for _, p := range receive[*kmsg.FetchResponse](wc, req, id).Topics[0].Partitions {
					if p.ErrorCode != 0 {
						t.Fatalf("partition %d: code %d", p.Partition, p.ErrorCode)
					}
					bytes += len(p.RecordBatches)
					got[p.Partition] = append(got[p.Partition], p.RecordBatches...)
					for rest := p.RecordBatches; len(rest) > 0; {
						h, _, after, err := batch.Next(rest)
						if err != nil {
							t.Fatal(err)
						}
						next[p.Partition], rest = h.LastOffset()+1, after
					}
				}
				if bytes == 0 {
					break
				}
			}
			for i := range want {
				if !bytes.Equal(got[i], want[i]) {
					t.Errorf("partition %d: %d bytes were produced, %d others fetched", i, len(want[i]), len(got[i]))
				}
			}
		})
	}
	if n := gauge(b.metrics.fetchBytes); n != 0 {
		t.Errorf("%d bytes of the fetch budget are taken", n)
	}
}

// The fetch path has a budget of allocations, the client's and the test's own included, whether records come from memory or from files. They are 15 and
// 20 a request; with the race detector, which keeps the compiler from growing slices in place in kmsg's decoder, 17 and 22. Two are left for what else
// allocates meanwhile: it is a mean of 1,000, so a collection that empties the pools adds less than one.
func TestFetchAllocatesLittle(t *testing.T) {
	for _, files := range []bool{false, true} {
		most := 17.0 + 2
		if files {
			most = 22 + 2
		}
		t.Run(fmt.Sprintf("files %v", files), func(t *testing.T) {
			r := newRig(t, rigConfig{quiet: true})
			b := r.brokers[0]
			if files {
				r = newRig(t, rigConfig{quiet: true, tailBytes: 1})
				b = r.brokers[0]
			}
			topic := r.create("t", 1)
			if files {
				r.inContainers(b, partition.Key{Topic: topic.ID}, 30)
			} else {
				ask[*kmsg.ProduceResponse](r, b, produceReq(11, -1, "t", topic.ID, records(60, 1000)))
			}
			frame := kmsg.NewRequestFormatter().AppendRequest(nil, fetchReq(17, "t", topic.ID, 1, 0), 1)
			c := r.dial(b)
			answer := make([]byte, 4<<20)
			once := func() {
				if _, err := c.Write(frame); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, answer[:4]); err != nil {
					t.Fatal(err)
				}
				n := int(answer[0])<<24 | int(answer[1])<<16 | int(answer[2])<<8 | int(answer[3])
				if _, err := io.ReadFull(c, answer[4:4+n]); err != nil {
					t.Fatal(err)
				}
			}
			once()
			if n := testing.AllocsPerRun(1000, once); n > most {
				t.Errorf("%v allocations a request, at most %v are expected", n, most)
			} else {
				t.Logf("%v allocations a request", n)
			}
		})
	}
}
