package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Drain is a load of Fetch requests whose records are thrown away. It reads every partition from offset 0 to the end that SetEnd names, which may
// come while it runs: a Drain beside a producer learns the end once the producer has stopped.
type Drain struct {
	Targets      []Target
	Connections  int           // to each broker; the partitions are dealt out to them. Default 4
	MaxBytes     int32         // of one answer; default 50 MiB, as clients have it
	PartitionMax int32         // of one partition in an answer; default 1 MiB
	ValueBytes   int           // payload of each record
	Duration     time.Duration // it fails after this; default 60 s

	ends atomic.Pointer[map[int32]int64]
}

// Drained is what a Drain did.
type Drained struct {
	Requests int64
	Records  int64
	Payload  int64         // bytes of values
	Wire     int64         // bytes of answers
	Elapsed  time.Duration // from the first request to the last answer that had records
}

// MBps is payload, in 1e6 bytes a second.
func (d *Drained) MBps() float64 { return float64(d.Payload) / 1e6 / d.Elapsed.Seconds() }

func (d *Drained) add(o *Drained) {
	d.Requests += o.Requests
	d.Records += o.Records
	d.Payload += o.Payload
	d.Wire += o.Wire
}

// SetEnd says where each partition ends.
func (d *Drain) SetEnd(ends map[int32]int64) { d.ends.Store(&ends) }

// fetchVersion is the newest version that names topics.
const fetchVersion = 12

// maxWait is how long a broker waits for records; what bounds the time between SetEnd and Run's end.
const maxWait = 500 * time.Millisecond

// Run fetches until the end of every partition is reached.
func (d *Drain) Run(ctx context.Context) (*Drained, error) {
	d.Connections = orDefault(d.Connections, 4)
	if d.MaxBytes == 0 {
		d.MaxBytes = 50 << 20
	}
	if d.PartitionMax == 0 {
		d.PartitionMax = 1 << 20
	}
	if d.Duration == 0 {
		d.Duration = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, d.Duration)
	defer cancel()
	var (
		wait     sync.WaitGroup
		mu       sync.Mutex
		total    Drained
		failures []error
	)
	begin := time.Now()
	last := begin
	for _, t := range d.Targets {
		for n := range min(d.Connections, len(t.Partitions)) {
			f := &fetcher{topic: t.Topic}
			for i := n; i < len(t.Partitions); i += d.Connections {
				f.partitions = append(f.partitions, t.Partitions[i])
			}
			wait.Go(func() {
				err := d.drain(ctx, t.Address, f)
				mu.Lock()
				defer mu.Unlock()
				total.add(&f.got)
				if f.last.After(last) {
					last = f.last
				}
				if err != nil {
					failures = append(failures, err)
					cancel()
				}
			})
		}
	}
	wait.Wait()
	total.Elapsed = last.Sub(begin)
	return &total, errors.Join(failures...)
}

// fetcher is one connection of a Drain.
type fetcher struct {
	topic      string
	partitions []int32
	next       map[int32]int64 // offsets
	in         *bufio.Reader
	left       int // bytes of the answer not read yet
	err        error
	got        Drained
	last       time.Time // when records came last
}

func (d *Drain) drain(ctx context.Context, address string, f *fetcher) error {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	f.in = bufio.NewReaderSize(conn, 256<<10)
	f.next = map[int32]int64{}
	var frame []byte
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	for turn := int32(0); ; turn++ {
		request := d.request(f, int(turn))
		if request == nil {
			return nil
		}
		frame = format.AppendRequest(frame[:0], request, turn)
		if _, err := conn.Write(frame); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		before := f.got.Records
		if err := f.answer(turn, d.ValueBytes); err != nil {
			return fmt.Errorf("answer to fetch %d: %w", turn, err)
		}
		if f.got.Records > before {
			f.last = time.Now()
		}
		f.got.Requests++
	}
}

// request asks for what is not read to its end; nil when nothing is left. Partitions take turns at being first, as clients do it.
func (d *Drain) request(f *fetcher, turn int) kmsg.Request {
	ends := d.ends.Load()
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = f.topic
	for i := range f.partitions {
		p := f.partitions[(turn+i)%len(f.partitions)]
		if ends != nil && f.next[p] >= (*ends)[p] {
			continue
		}
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.FetchOffset, part.PartitionMaxBytes = p, f.next[p], d.PartitionMax
		topic.Partitions = append(topic.Partitions, part)
	}
	if len(topic.Partitions) == 0 {
		return nil
	}
	r := kmsg.NewPtrFetchRequest()
	r.SetVersion(fetchVersion)
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.SessionEpoch = int32(maxWait.Milliseconds()), 1, d.MaxBytes, -1
	r.Topics = []kmsg.FetchRequestTopic{topic}
	return r
}

// answer reads one response of fetchVersion as it comes, without holding it.
func (f *fetcher) answer(correlation int32, valueBytes int) error {
	f.left = 4
	f.left = int(f.uint32())
	f.got.Wire += int64(f.left) + 4
	if got := f.uint32(); f.err == nil && got != uint32(correlation) {
		return fmt.Errorf("it answers request %d", got)
	}
	f.tags()
	f.skip(4) // throttle time
	if code := int16(f.uint16()); code != 0 {
		return kerr.ErrorForCode(code)
	}
	f.skip(4)               // session
	for range f.compact() { // topics
		f.skip(f.compact())     // name
		for range f.compact() { // partitions
			if err := f.partition(valueBytes); err != nil {
				return err
			}
		}
		f.tags()
	}
	f.tags()
	if f.err == nil && f.left != 0 {
		f.err = fmt.Errorf("%d bytes after its end", f.left)
	}
	return f.err
}

func (f *fetcher) partition(valueBytes int) error {
	p, code := int32(f.uint32()), int16(f.uint16())
	if code != 0 {
		return fmt.Errorf("partition %d at %d: %w", p, f.next[p], kerr.ErrorForCode(code))
	}
	f.skip(8 + 8 + 8) // high watermark, last stable and log start offsets
	for range f.compact() {
		f.skip(8 + 8) // an aborted transaction
		f.tags()
	}
	f.skip(4) // preferred replica
	records := f.compact()
	if records > f.left {
		return io.ErrUnexpectedEOF
	}
	for records >= batchHeader && f.err == nil {
		header := f.peek(batchHeader)
		if header == nil {
			break
		}
		size := int(binary.BigEndian.Uint32(header[atLength:])) + atLength + 4
		if header[atMagic] != 2 || size < batchHeader {
			return fmt.Errorf("partition %d at %d: not a record batch", p, f.next[p])
		}
		if size > records {
			break // cut off: a broker may send the beginning of a batch
		}
		offset := int64(binary.BigEndian.Uint64(header))
		count := int64(binary.BigEndian.Uint32(header[atLastDelta:])) + 1
		if offset != f.next[p] {
			return fmt.Errorf("partition %d: batch at offset %d where %d was due", p, offset, f.next[p])
		}
		f.next[p] += count
		f.got.Records += count
		f.got.Payload += count * int64(valueBytes)
		f.skip(size)
		records -= size
	}
	f.skip(records)
	f.tags()
	return f.err
}

// peek looks at bytes of the answer without taking them; nil when there are not as many.
func (f *fetcher) peek(n int) []byte {
	if f.err == nil && n > f.left {
		f.err = io.ErrUnexpectedEOF
	}
	if f.err != nil {
		return nil
	}
	b, err := f.in.Peek(n)
	if err != nil {
		f.err = err
		return nil
	}
	return b
}

func (f *fetcher) skip(n int) {
	if f.err == nil && (n < 0 || n > f.left) {
		f.err = io.ErrUnexpectedEOF
	}
	if f.err != nil || n == 0 {
		return
	}
	f.left -= n
	_, f.err = f.in.Discard(n)
}

func (f *fetcher) uint16() (v uint16) {
	if b := f.peek(2); b != nil {
		v = binary.BigEndian.Uint16(b)
		f.skip(2)
	}
	return v
}

func (f *fetcher) uint32() (v uint32) {
	if b := f.peek(4); b != nil {
		v = binary.BigEndian.Uint32(b)
		f.skip(4)
	}
	return v
}

func (f *fetcher) uvarint() uint64 {
	b := f.peek(min(binary.MaxVarintLen64, f.left))
	v, n := binary.Uvarint(b)
	if n <= 0 {
		if f.err == nil {
			f.err = io.ErrUnexpectedEOF
		}
		return 0
	}
	f.skip(n)
	return v
}

// compact is the length of a compact array, string or byte string; null counts as empty.
func (f *fetcher) compact() int {
	v := f.uvarint()
	if v == 0 || v > math.MaxInt32 {
		return 0
	}
	return int(v - 1)
}

func (f *fetcher) tags() {
	for n := f.uvarint(); n > 0 && f.err == nil; n-- {
		f.uvarint()
		f.skip(int(min(f.uvarint(), math.MaxInt32)))
	}
}
