package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

func TestHistogramQuantilesAreWithinTheirError(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var parts [3]Histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(random.ExpFloat64() * float64(3*time.Millisecond))
		parts[random.IntN(3)].Record(d)
		all = append(all, d)
	}
	var h Histogram
	for i := range parts {
		h.Add(&parts[i])
	}
	slices.Sort(all)
	if h.Count() != uint64(len(all)) || h.Max() != all[len(all)-1] {
		t.Fatalf("%d durations up to %v, want %d up to %v", h.Count(), h.Max(), len(all), all[len(all)-1])
	}
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		if got := h.Quantile(q); (got - want).Abs() > want/64+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func TestHistogramTakesEveryDuration(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 127, 128, 129, 1 << 40, 1<<63 - 1} {
		var h Histogram
		h.Record(d)
		if got := h.Quantile(0.5); (got - max(d, 0)).Abs() > max(d, 0)/64 {
			t.Errorf("%d is remembered as %d", d, got)
		}
	}
	if got := (&Histogram{}).Quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}

// records takes a batch apart with another decoder than the one that made it.
func records(t *testing.T, b []byte) []kmsg.Record {
	t.Helper()
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	if got := int32(crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli))); got != batch.CRC {
		t.Fatalf("checksum %x, want %x", batch.CRC, got)
	}
	if int(batch.Length) != len(b)-12 || batch.LastOffsetDelta != batch.NumRecords-1 {
		t.Fatalf("batch of %d bytes: length %d, %d records, last delta %d", len(b), batch.Length, batch.NumRecords, batch.LastOffsetDelta)
	}
	raw := batch.Records
	var err error
	switch Codec(batch.Attributes & 7) {
	case LZ4:
		raw, err = io.ReadAll(lz4.NewReader(bytes.NewReader(raw)))
	case Zstd:
		d, _ := zstd.NewReader(nil)
		defer d.Close()
		raw, err = d.DecodeAll(raw, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []kmsg.Record
	for len(raw) > 0 {
		size, n := binary.Varint(raw)
		var r kmsg.Record
		if err := r.ReadFrom(raw[:n+int(size)]); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
		raw = raw[n+int(size):]
	}
	if len(all) != int(batch.NumRecords) {
		t.Fatalf("%d records in a batch of %d", len(all), batch.NumRecords)
	}
	return all
}

func TestBatchesHoldWhatTheySay(t *testing.T) {
	for _, codec := range []Codec{None, LZ4, Zstd} {
		for _, size := range []int{1, 16 << 10, 64 << 10} {
			b, err := NewBatch(size, 1024, codec)
			if err != nil {
				t.Fatal(err)
			}
			all := records(t, b.Bytes)
			if len(all) != b.Records || b.Payload != b.Records*1024 {
				t.Errorf("%v, %d bytes: %d records, says %d and %d bytes of values", codec, size, len(all), b.Records, b.Payload)
			}
			for i, r := range all {
				if len(r.Value) != 1024 || r.OffsetDelta != int32(i) {
					t.Fatalf("record %d: %d bytes at delta %d", i, len(r.Value), r.OffsetDelta)
				}
			}
			if codec == None && size > 1 && (len(b.Bytes) > size || len(b.Bytes) < size-1100) {
				t.Errorf("a batch for %d bytes has %d", size, len(b.Bytes))
			}
			if codec != None && size > 1 && len(b.Bytes) > size*3/4 {
				t.Errorf("%v makes %d of %d bytes", codec, len(b.Bytes), size)
			}
		}
	}
}

func TestRequestsAreProduceRequests(t *testing.T) {
	b, err := NewBatch(4096, 100, None)
	if err != nil {
		t.Fatal(err)
	}
	r := newRequest("topic", []int32{3, 700, 1}, b)
	binary.BigEndian.PutUint32(r.correlation, 77)
	l := &link{idempotent: true, producer: producer{9, 2}, sequences: map[int32]int32{700: 5}}
	l.stamp(r, b)
	frame := bytes.Join(r.pieces, nil)

	if size := int(binary.BigEndian.Uint32(frame)); size != len(frame)-4 {
		t.Fatalf("a frame of %d bytes says %d", len(frame), size)
	}
	if got := binary.BigEndian.Uint32(frame[8:]); got != 77 {
		t.Errorf("correlation id %d", got)
	}
	body := frame[4+2+2+4+2+len(clientID)+1:]
	request := kmsg.NewPtrProduceRequest()
	request.SetVersion(produceVersion)
	if err := request.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	if request.Acks != -1 || len(request.Topics) != 1 || request.Topics[0].Topic != "topic" || len(request.Topics[0].Partitions) != 3 {
		t.Fatalf("%+v", request)
	}
	for i, want := range []struct{ partition, sequence int32 }{{3, 0}, {700, 5}, {1, 0}} {
		p := request.Topics[0].Partitions[i]
		if got := records(t, p.Records); p.Partition != want.partition || len(got) != b.Records {
			t.Errorf("partition %d with %d records", p.Partition, len(got))
		}
		var batch kmsg.RecordBatch
		if err := batch.ReadFrom(p.Records); err != nil {
			t.Fatal(err)
		}
		if batch.ProducerID != 9 || batch.ProducerEpoch != 2 || batch.FirstSequence != want.sequence {
			t.Errorf("producer %d/%d at %d, want 9/2 at %d", batch.ProducerID, batch.ProducerEpoch, batch.FirstSequence, want.sequence)
		}
	}
	if got := l.sequences[700]; got != int32(5+b.Records) {
		t.Errorf("the next sequence is %d", got)
	}
	var again []byte
	if again = request.AppendTo(nil); !bytes.Equal(again, body) {
		t.Error("the body is not what another encoder makes of it")
	}
}

// produceAnswer encodes a response as a broker does.
func produceAnswer(correlation uint32, codes ...int16) []byte {
	response := kmsg.NewPtrProduceResponse()
	response.SetVersion(produceVersion)
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "topic"
	for i, code := range codes {
		p := kmsg.NewProduceResponseTopicPartition()
		p.Partition, p.ErrorCode = int32(i), code
		if code != 0 {
			message := "no"
			p.ErrorMessage = &message
		}
		topic.Partitions = append(topic.Partitions, p)
	}
	response.Topics = append(response.Topics, topic)
	b := binary.BigEndian.AppendUint32(nil, correlation)
	return response.AppendTo(append(b, 0))
}

func TestProduceAnswersAreChecked(t *testing.T) {
	if err := checkProduced(produceAnswer(5, 0, 0, 0), 5, 3); err != nil {
		t.Error(err)
	}
	if err := checkProduced(produceAnswer(5, 0, 6, 0), 5, 3); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("an error of the second partition is seen as %v", err)
	}
	if err := checkProduced(produceAnswer(4, 0), 5, 1); err == nil {
		t.Error("the answer to another request passes")
	}
	if err := checkProduced(produceAnswer(5, 0, 0), 5, 3); err == nil {
		t.Error("an answer for fewer partitions passes")
	}
	whole := produceAnswer(5, 0, 0, 0)
	for n := range whole {
		if n < len(whole)-6 && checkProduced(whole[:n], 5, 3) == nil { // what follows the partitions is not looked at
			t.Errorf("%d of %d bytes pass", n, len(whole))
		}
	}
}

func FuzzCheckProduced(f *testing.F) {
	f.Add(produceAnswer(1, 0))
	f.Add(produceAnswer(1, 0, 3, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkProduced(b, 1, 1) == nil && len(b) < 20 {
			t.Errorf("%x passes", b)
		}
	})
}

// serve answers every frame of every connection until the test ends.
func serve(t *testing.T, answer func(frame []byte) []byte) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer conn.Close()
				for {
					size := make([]byte, 4)
					if _, err := io.ReadFull(conn, size); err != nil {
						return
					}
					frame := make([]byte, binary.BigEndian.Uint32(size))
					if _, err := io.ReadFull(conn, frame); err != nil {
						return
					}
					body := answer(frame)
					if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wait.Wait()
	})
	return listener.Addr().String()
}

func TestBlastCountsWhatWasAcknowledged(t *testing.T) {
	var mu sync.Mutex
	touched := map[int32]int{}
	address := serve(t, func(frame []byte) []byte {
		request := kmsg.NewPtrProduceRequest()
		request.SetVersion(produceVersion)
		if err := request.ReadFrom(frame[4+4+2+len(clientID)+1:]); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, p := range request.Topics[0].Partitions {
			touched[p.Partition]++
		}
		return produceAnswer(binary.BigEndian.Uint32(frame[4:]), make([]int16, len(request.Topics[0].Partitions))...)
	})
	batch, err := NewBatch(2000, 100, None)
	if err != nil {
		t.Fatal(err)
	}
	const bound = 1 << 20
	p, err := Blast{
		Targets: []Target{{address, "topic", []int32{0, 1, 2, 3, 4, 5, 6}}}, Batch: batch, PerRequest: 3, Bytes: bound, Duration: time.Minute,
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for partition := range int32(7) {
		if touched[partition] == 0 {
			t.Errorf("partition %d was not produced to", partition)
		}
		sum += touched[partition]
	}
	if int64(sum*batch.Payload) != p.Payload || p.Requests*3 != int64(sum) || p.Records != int64(sum*batch.Records) {
		t.Errorf("%d batches came, counted are %d bytes in %d requests", sum, p.Payload, p.Requests)
	}
	if p.Payload > bound+4*3*int64(batch.Payload) || p.Payload < bound {
		t.Errorf("%d bytes within a bound of %d", p.Payload, bound)
	}
}

func TestBlastEndsWithTheFirstRefusal(t *testing.T) {
	address := serve(t, func(frame []byte) []byte { return produceAnswer(binary.BigEndian.Uint32(frame[4:]), 6) })
	batch, err := NewBatch(2000, 100, None)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Blast{Targets: []Target{{address, "topic", []int32{0}}}, Batch: batch, Duration: time.Minute}.Run(t.Context())
	if !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("it ended with %v", err)
	}
}

func TestDrainReadsEveryPartitionToItsEnd(t *testing.T) {
	batch, err := NewBatch(2000, 100, None)
	if err != nil {
		t.Fatal(err)
	}
	const batches = 5
	end := int64(batches * batch.Records)
	address := serve(t, func(frame []byte) []byte {
		request := kmsg.NewPtrFetchRequest()
		request.SetVersion(fetchVersion)
		if err := request.ReadFrom(frame[4+4+2+len(clientID)+1:]); err != nil {
			t.Error(err)
		}
		response := kmsg.NewPtrFetchResponse()
		response.SetVersion(fetchVersion)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = "topic"
		for _, asked := range request.Topics[0].Partitions {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.HighWatermark = asked.Partition, end
			p.DivergingEpoch.Epoch = 7 // a tagged field, to be passed over
			// Two batches and the beginning of a third.
			for offset := asked.FetchOffset; offset < min(end, asked.FetchOffset+2*int64(batch.Records)); offset += int64(batch.Records) {
				at := len(p.RecordBatches)
				p.RecordBatches = append(p.RecordBatches, batch.Bytes...)
				binary.BigEndian.PutUint64(p.RecordBatches[at:], uint64(offset))
			}
			p.RecordBatches = append(p.RecordBatches, batch.Bytes[:70]...)
			topic.Partitions = append(topic.Partitions, p)
		}
		response.Topics = append(response.Topics, topic)
		return response.AppendTo(append(bytes.Clone(frame[4:8]), 0))
	})
	d := Drain{Targets: []Target{{address, "topic", []int32{0, 1, 2, 3, 4}}}, Connections: 2, ValueBytes: 100, Duration: time.Minute}
	d.SetEnd(map[int32]int64{0: end, 1: end, 2: end, 3: 0, 4: end})
	got, err := d.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if want := 4 * end; got.Records != want || got.Payload != want*100 {
		t.Errorf("%d records, %d bytes; want %d records", got.Records, got.Payload, want)
	}
}
