package partition

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/batch"
	"weir/storage/blob"
	"weir/storage/cache"
	"weir/storage/disk"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// memStore is a blob.Store in memory, with faults.
type memStore struct {
	mu      sync.Mutex
	objects map[string][]byte
	open    int
	flip    func(key string, p []byte, off int64) // applied to what is read back
	opening func(key string)                      // called before an object is opened
}

func newMemStore() *memStore { return &memStore{objects: make(map[string][]byte)} }

type memWriter struct {
	bytes.Buffer
	s   *memStore
	key string
}

func (w *memWriter) Commit(ctx context.Context) error { return w.s.Put(ctx, w.key, w.Bytes()) }
func (w *memWriter) Abort()                           {}

func (s *memStore) Create(_ context.Context, key string) (blob.Writer, error) {
	return &memWriter{s: s, key: key}, nil
}

func (s *memStore) Put(_ context.Context, key string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key]; ok {
		return blob.ErrExists
	}
	s.objects[key] = bytes.Clone(data)
	return nil
}

func (s *memStore) Open(_ context.Context, key string) (blob.Object, error) {
	s.mu.Lock()
	opening := s.opening
	s.mu.Unlock()
	if opening != nil {
		opening(key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[key]
	if !ok {
		return nil, fmt.Errorf("%s: %w", key, blob.ErrNotFound)
	}
	s.open++
	return &memObject{s: s, key: key, data: data}, nil
}

func (s *memStore) List(context.Context, string) iter.Seq2[blob.Info, error] {
	return func(func(blob.Info, error) bool) {}
}

func (s *memStore) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func (s *memStore) openObjects() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

type memObject struct {
	s      *memStore
	key    string
	data   []byte
	closed atomic.Bool
}

func (o *memObject) ReadAt(p []byte, off int64) (int, error) {
	if o.closed.Load() {
		return 0, errors.New("read after close")
	}
	if off >= int64(len(o.data)) {
		return 0, io.EOF
	}
	n := copy(p, o.data[off:])
	o.s.mu.Lock()
	flip := o.s.flip
	o.s.mu.Unlock()
	if flip != nil {
		flip(o.key, p[:n], off)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (o *memObject) Size() int64 { return int64(len(o.data)) }
func (o *memObject) SendTo(syscall.RawConn, int64, int64) (int64, error) {
	return 0, errors.ErrUnsupported
}
func (o *memObject) WillNeed(int64, int64) {}

func (o *memObject) Close() error {
	if o.closed.Swap(true) {
		return errors.New("closed twice")
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.s.open--
	return nil
}

// tiers is what the tiers below the journal do, in small: it moves a partition's data between containers.
type tiers struct {
	*rig
	store  *memStore
	cache  *cache.Cache
	number uint64
}

// withContainers gives the rig a store of containers. The containers count as another process's unless own.
func (r *rig) withContainers(own bool) *tiers {
	store := newMemStore()
	cfg := cache.Config{Store: store, Pool: r.pool, ObjectsMax: 4}
	if own {
		cfg.Own = 1
	}
	ts := &tiers{rig: r, store: store, cache: cache.New(cfg)}
	r.leaders.cfg.Containers = ts.cache
	r.t.Cleanup(func() {
		ts.cache.Close()
		if n := store.openObjects(); n != 0 {
			r.t.Errorf("%d containers are left open", n)
		}
	})
	return ts
}

// put writes a container of p with a chunk for each list of batches, which cover ranges that follow each other.
func (ts *tiers) put(p *Partition, chunks []chunkOf) []segment.Piece {
	ts.t.Helper()
	ts.number++
	id := segment.ID{Incarnation: 1, Number: ts.number}
	var buf bytes.Buffer
	w := segment.NewWriter(&buf, segment.Segment, id)
	for _, c := range chunks {
		if err := w.Begin(p.Name(), c.base, c.last); err != nil {
			ts.t.Fatal(err)
		}
		for _, b := range c.batches {
			if err := w.Append(b); err != nil {
				ts.t.Fatal(err)
			}
		}
		for _, a := range c.aborted {
			w.Abort(a)
		}
	}
	pieces, err := w.Finish()
	if err != nil {
		ts.t.Fatal(err)
	}
	if err := ts.store.Put(ts.t.Context(), segment.SegmentKey(p.Name(), id), buf.Bytes()); err != nil {
		ts.t.Fatal(err)
	}
	return pieces
}

type chunkOf struct {
	base, last int64
	batches    [][]byte
	aborted    []segment.Aborted
}

// model is what a partition should hold.
type model struct {
	batches [][]byte // by offset; removed ones are gone
}

func (m *model) from(offset int64) [][]byte {
	i, _ := slices.BinarySearchFunc(m.batches, offset, func(b []byte, offset int64) int {
		h, _ := batch.Parse(b)
		return int(min(max(h.LastOffset()-offset, -1), 1))
	})
	return m.batches[i:]
}

func (m *model) between(base, last int64) [][]byte {
	var out [][]byte
	for _, b := range m.from(base) {
		if h, _ := batch.Parse(b); h.LastOffset() <= last {
			out = append(out, b)
		}
	}
	return out
}

// flat is the bytes of a read.
func flat(t testing.TB, r *Records) []byte {
	t.Helper()
	var out []byte
	files := r.Files
	for _, s := range r.Segments {
		if s != nil {
			out = append(out, s...)
			continue
		}
		p := make([]byte, files[0].Len)
		if _, err := files[0].File.ReadAt(p, files[0].Off); err != nil {
			t.Error(err)
		}
		out = append(out, p...)
		files = files[1:]
	}
	if len(files) != 0 || len(out) != r.Bytes {
		t.Errorf("%d files are left over, %d bytes of %d", len(files), len(out), r.Bytes)
	}
	return out
}

// check compares one read with the model.
func (m *model) check(t testing.TB, p *Partition, r ReadRequest) (next int64) {
	t.Helper()
	recs, err := p.Read(t.Context(), r)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	defer recs.Release()
	got, next := flat(t, &recs), r.Offset
	want := m.from(r.Offset)
	if len(got) == 0 && len(want) > 0 && r.AtLeastOne {
		t.Fatalf("%+v: nothing, the next batch is %d bytes", r, len(want[0]))
	}
	if len(got) > int(r.MaxBytes) && (len(want) == 0 || len(got) != len(want[0]) || !r.AtLeastOne) {
		t.Fatalf("%+v: %d bytes", r, len(got))
	}
	for rest := got; len(rest) > 0; want = want[1:] {
		if len(want) == 0 || !bytes.HasPrefix(rest, want[0]) {
			t.Fatalf("%+v: at offset %d is another batch than was written", r, next)
		}
		h, _ := batch.Parse(want[0])
		next, rest = h.LastOffset()+1, rest[len(want[0]):]
	}
	return next
}

// drain reads everything from the start and compares it.
func (m *model) drain(t testing.TB, p *Partition, maxBytes int32, files bool) {
	t.Helper()
	next := int64(0)
	for {
		at := m.check(t, p, ReadRequest{Offset: next, MaxBytes: maxBytes, AtLeastOne: true, ClientEpoch: -1, Files: files})
		if at == next {
			break
		}
		next = at
	}
	if left := m.from(next); len(left) > 0 {
		t.Fatalf("drained to %d, %d batches are left", next, len(left))
	}
}

// fill appends n batches of random sizes; some are larger than a block.
func (ts *tiers) fill(p *Partition, rnd *rand.Rand, m *model, n int) {
	ts.t.Helper()
	for range n {
		size := rnd.IntN(2000)
		switch rnd.IntN(20) {
		case 0:
			size = 40_000 + rnd.IntN(100_000)
		case 1:
			size = 0
		}
		b := records(1+rnd.IntN(4), 1000+rnd.Int64N(1000), string(make([]byte, size)))
		ts.mustAppend(p, b)
		m.batches = append(m.batches, b) // offsets were given in place
	}
}

// step does one random thing that the tiers do.
func (ts *tiers) step(p *Partition, rnd *rand.Rand, m *model, compact bool) {
	ts.t.Helper()
	var pieces []segment.Piece
	var flushed int64
	var ends []int64 // of extents
	p.View(func(s *stream.PartitionState) {
		pieces, flushed = slices.Clone(s.Pieces), s.Flushed()
		for e := range s.Extents.From(flushed) {
			ends = append(ends, e.Last())
		}
	})
	switch op := rnd.IntN(4); {
	case op == 0 && len(ends) > 0: // flush a part, in some chunks
		upTo := ends[rnd.IntN(len(ends))]
		var chunks []chunkOf
		for base := flushed; base <= upTo; {
			bs := m.between(base, upTo)
			n := 1 + rnd.IntN(len(bs))
			h, _ := batch.Parse(bs[n-1])
			chunks = append(chunks, chunkOf{base: base, last: h.LastOffset(), batches: bs[:n]})
			base = h.LastOffset() + 1
		}
		sunk := ts.put(p, chunks)
		if err := p.Edit(func(s *stream.PartitionState) error { return s.Sink(sunk) }); err != nil {
			ts.t.Fatal(err)
		}
	case op == 1 && len(pieces) > 1: // merge
		i := rnd.IntN(len(pieces) - 1)
		j := i + 2 + rnd.IntN(len(pieces)-i-1)
		base, last := pieces[i].Base, pieces[j-1].Last
		ts.replace(p, pieces[i:j], []chunkOf{{base: base, last: last, batches: m.between(base, last)}})
	case op == 2 && compact && len(pieces) > 0: // batches are lost
		i := rnd.IntN(len(pieces))
		base, last := pieces[i].Base, pieces[i].Last
		keep := rnd.IntN(4) // of 3; 0: nothing is left
		m.batches = slices.DeleteFunc(slices.Clone(m.batches), func(b []byte) bool {
			h, _ := batch.Parse(b)
			return h.BaseOffset >= base && h.LastOffset() <= last && rnd.IntN(3) >= keep
		})
		ts.replace(p, pieces[i:i+1], []chunkOf{{base: base, last: last, batches: m.between(base, last)}})
	default:
		ts.fill(p, rnd, m, 1+rnd.IntN(10))
	}
}

// replace rewrites pieces and deletes the containers that nothing refers to any more.
func (ts *tiers) replace(p *Partition, old []segment.Piece, chunks []chunkOf) {
	ts.t.Helper()
	made := ts.put(p, chunks)
	live := map[string]bool{}
	err := p.Edit(func(s *stream.PartitionState) error {
		if err := s.Replace(old, made); err != nil {
			return err
		}
		for i := range s.Pieces {
			live[s.Pieces[i].Key()] = true
		}
		return nil
	})
	if err != nil {
		ts.t.Fatal(err)
	}
	for i := range old {
		if key := old[i].Key(); !live[key] {
			if err := ts.cache.Store().Delete(ts.t.Context(), key); err != nil {
				ts.t.Fatal(err)
			}
		}
	}
}

// Wherever a partition's data lie, and whatever compaction took, reads give what was written.
func TestReadsEqualTheModelWhereverTheDataLie(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 4))
			tail := []int64{1, 20_000, 1 << 30}[rnd.IntN(3)]
			var log wal.Log = &memLog{}
			if rnd.IntN(4) == 0 { // what was checked once is read from the journal's own files
				file, err := wal.Create(disk.OS(t.TempDir()), "wal", wal.Config{FirstFileBytes: 1 << 20})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { file.Close() })
				log = file
			}
			r, _ := start(t, stream.Config{TailBytesMax: tail}, log)
			ts := r.withContainers(rnd.IntN(2) == 0)
			p := r.open(key(0), 0, nil)
			m := &model{}
			for range 40 {
				ts.step(p, rnd, m, tail == 1) // the tail cache goes on serving what compaction took
				end := p.Offsets().HighWatermark
				for range 5 {
					if end > 0 {
						m.check(t, p, ReadRequest{
							Offset: rnd.Int64N(end), MaxBytes: int32(rnd.IntN(200_000)), AtLeastOne: rnd.IntN(3) > 0, ClientEpoch: -1, Files: rnd.IntN(2) == 0,
						})
					}
				}
			}
			for _, maxBytes := range []int32{3000, 70_000, 1 << 30} {
				m.drain(t, p, maxBytes, rnd.IntN(2) == 0)
				m.drain(t, p, maxBytes, true)
			}
			if seed%6 == 0 {
				m.drain(t, p, 1, true) // each batch by itself
			}
		})
	}
}

// Data are moved, and the containers that they were moved from deleted, while they are read.
func TestReadsWhileTheDataAreMoved(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	r, _ := start(t, stream.Config{TailBytesMax: 1}, &memLog{})
	ts := r.withContainers(false)
	p := r.open(key(0), 0, nil)
	m := &model{}
	ts.fill(p, rnd, m, 200)
	written := &model{batches: slices.Clone(m.batches)}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 2))
			for done := false; !done; {
				select {
				case <-stop:
					done = true
				default:
				}
				// Nothing is lost here: the moves below are merges and flushes.
				written.drain(t, p, int32(10_000+rnd.IntN(100_000)), i > 0)
			}
		})
	}
	for range 60 {
		var pieces []segment.Piece
		var flushed int64
		var ends []int64
		p.View(func(s *stream.PartitionState) {
			pieces, flushed = slices.Clone(s.Pieces), s.Flushed()
			for e := range s.Extents.From(flushed) {
				ends = append(ends, e.Last())
			}
		})
		if len(ends) > 0 && rnd.IntN(2) == 0 {
			upTo := ends[rnd.IntN(min(len(ends), 20))]
			sunk := ts.put(p, []chunkOf{{base: flushed, last: upTo, batches: m.between(flushed, upTo)}})
			if err := p.Edit(func(s *stream.PartitionState) error { return s.Sink(sunk) }); err != nil {
				t.Fatal(err)
			}
		} else if len(pieces) > 0 {
			i := rnd.IntN(len(pieces))
			j := i + 1 + rnd.IntN(len(pieces)-i)
			base, last := pieces[i].Base, pieces[j-1].Last
			ts.replace(p, pieces[i:j], []chunkOf{{base: base, last: last, batches: m.between(base, last)}})
		}
	}
	close(stop)
	wg.Wait()
}

// A container that is gone between the look and the open is looked for again, because the partition was edited; one that is gone for good is an error.
func TestReadPlansAgainWhenAContainerIsGone(t *testing.T) {
	r, _ := start(t, stream.Config{TailBytesMax: 1}, &memLog{})
	ts := r.withContainers(false)
	p := r.open(key(0), 0, nil)
	m := &model{}
	ts.fill(p, rand.New(rand.NewPCG(3, 3)), m, 20)
	end := p.Offsets().HighWatermark
	sunk := ts.put(p, []chunkOf{{base: 0, last: end - 1, batches: m.batches}})
	if err := p.Edit(func(s *stream.PartitionState) error { return s.Sink(sunk) }); err != nil {
		t.Fatal(err)
	}
	moved := false
	ts.store.opening = func(string) {
		if !moved {
			moved = true
			ts.replace(p, sunk, []chunkOf{{base: 0, last: end - 1, batches: m.batches}})
		}
	}
	m.check(t, p, ReadRequest{MaxBytes: 1 << 20, AtLeastOne: true, ClientEpoch: -1, Files: true})
	if !moved {
		t.Fatal("nothing was opened")
	}
	for key := range maps.Clone(ts.store.objects) {
		if err := ts.cache.Store().Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	_, err := p.Read(t.Context(), ReadRequest{MaxBytes: 1 << 20, AtLeastOne: true, ClientEpoch: -1})
	if !errors.Is(err, kerr.KafkaStorageError) || !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a container that is gone for good: %v", err)
	}
	if _, _, err := p.OffsetForTimestamp(t.Context(), 0); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("look-up in a container that is gone for good: %v", err)
	}
}

// sunk is a partition with n batches, all in one container of the given store.
func (ts *tiers) sunk(p *Partition, n int) *model {
	ts.t.Helper()
	m := &model{}
	ts.fill(p, rand.New(rand.NewPCG(7, 7)), m, n)
	end := p.Offsets().HighWatermark
	pieces := ts.put(p, []chunkOf{{base: 0, last: end - 1, batches: m.batches}})
	if err := p.Edit(func(s *stream.PartitionState) error { return s.Sink(pieces) }); err != nil {
		ts.t.Fatal(err)
	}
	return m
}

// Whichever bit of a container flips on the disk, a read is what was written or an error, and what lies in front of the damage is still read.
func TestFlippedBitsInContainersAreNotServed(t *testing.T) {
	for _, files := range []bool{false, true} {
		r, _ := start(t, stream.Config{TailBytesMax: 1}, &memLog{})
		ts := r.withContainers(false)
		p := r.open(key(0), 0, nil)
		m := ts.sunk(p, 40)
		size := 0
		for _, data := range ts.store.objects {
			size = len(data)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		failed, whole := 0, 0
		for range 200 {
			at, bit := rnd.Int64N(int64(size)), byte(1)<<rnd.IntN(8)
			ts.cache.Close() // forgets what was checked
			ts.store.flip = func(_ string, b []byte, off int64) {
				if at >= off && at < off+int64(len(b)) {
					b[at-off] ^= bit
				}
			}
			next := int64(0)
			for {
				recs, err := p.Read(t.Context(), ReadRequest{Offset: next, MaxBytes: 100_000, AtLeastOne: true, ClientEpoch: -1, Files: files})
				if err != nil {
					if !errors.Is(err, kerr.KafkaStorageError) || !errors.Is(err, segment.ErrCorrupt) {
						t.Fatal(err)
					}
					failed++
					break
				}
				if recs.Bytes == 0 {
					whole++ // footer and directory are not what reads look at
					break
				}
				got := flat(t, &recs)
				for _, want := range m.from(next) {
					if len(got) == 0 {
						break
					}
					if !bytes.HasPrefix(got, want) {
						t.Fatalf("bit %#x of byte %d: wrong bytes at offset %d were served", bit, at, next)
					}
					h, _ := batch.Parse(want)
					got, next = got[len(want):], h.LastOffset()+1
				}
				recs.Release()
			}
		}
		ts.store.flip = nil
		if failed < 150 {
			t.Errorf("%d reads of 200 failed, %d did not", failed, whole)
		}
		m.drain(t, p, 100_000, files)
	}
}

// A bit that flips on the way costs another read and nothing else.
func TestBitsThatFlipOnTheWayAreReadAgain(t *testing.T) {
	r, _ := start(t, stream.Config{TailBytesMax: 1}, &memLog{})
	ts := r.withContainers(false)
	p := r.open(key(0), 0, nil)
	m := ts.sunk(p, 40)
	reads := 0
	ts.store.flip = func(_ string, b []byte, _ int64) {
		if reads++; reads%3 != 0 {
			b[len(b)/2] ^= 4
		}
	}
	m.drain(t, p, 100_000, false)
	if s := ts.cache.Stats(); s.Retried == 0 || s.Damaged != 0 {
		t.Errorf("%+v", s)
	}
}

// The first record at or after a timestamp, wherever it lies: compared with a walk over all records.
func TestTimestampLookupsEqualAWalk(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		r, _ := start(t, stream.Config{TailBytesMax: 1}, &memLog{})
		ts := r.withContainers(false)
		p := r.open(key(0), 0, nil)
		m := &model{}
		for range 30 {
			ts.step(p, rnd, m, true)
			if rnd.IntN(6) == 0 {
				if err := p.SetLogStart(t.Context(), rnd.Int64N(p.Offsets().HighWatermark/2+1)); err != nil {
					t.Fatal(err)
				}
			}
			begin := p.Offsets().LogStart
			decoder := batch.NewDecoder(1 << 20)
			walk := func(ts int64) (offset, at int64, ok bool) {
				for _, b := range m.from(begin) {
					for rec, err := range decoder.Records(b) {
						if err != nil {
							t.Fatal(err)
						}
						if rec.Offset >= begin && rec.Timestamp >= ts {
							return rec.Offset, rec.Timestamp, true
						}
					}
				}
				return 0, 0, false
			}
			largest := int64(-1)
			for _, at := range []int64{0, 1000 + rnd.Int64N(1000), 1990, 2005, 1 << 40} {
				offset, stamp, ok := walk(at)
				got, found, err := p.OffsetForTimestamp(t.Context(), at)
				if err != nil || found != ok || ok && (got.Offset != offset || got.TimestampMs != stamp) {
					t.Fatalf("seed %d: timestamp %d: got %+v %v %v, want %d at %d %v", seed, at, got, found, err, offset, stamp, ok)
				}
			}
			for at := int64(0); ; at = largest + 1 {
				_, stamp, ok := walk(at)
				if !ok {
					break
				}
				largest = stamp
			}
			offset, _, ok := walk(largest)
			got, found, err := p.MaxTimestamp(t.Context())
			if largest < 0 {
				ok = false
			}
			if err != nil || found != ok || ok && (got.Offset != offset || got.TimestampMs != largest) {
				t.Fatalf("seed %d: largest timestamp: got %+v %v %v, want %d at %d %v", seed, got, found, err, offset, largest, ok)
			}
		}
	}
}

// Who reads from the start after a compaction meets the last records only, though the tail cache has the others still.
func TestCompactedRecordsAreNotReadFromTheTail(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 3, nil)
	ts := r.withContainers(true)
	m := &model{}
	for range 6 {
		b := records(1, 1000, "v")
		ts.mustAppend(p, b)
		m.batches = append(m.batches, b)
	}
	sunk := ts.put(p, []chunkOf{{base: 0, last: 1, batches: m.batches[:2]}, {base: 2, last: 3, batches: m.batches[2:4]}})
	if err := p.Edit(func(s *stream.PartitionState) error { return s.Sink(sunk) }); err != nil {
		t.Fatal(err)
	}
	m.drain(t, p, 1<<20, false)
	cleaned := ts.put(p, []chunkOf{{base: 0, last: 1, batches: m.batches[1:2]}})
	cleaned[0].Flags |= segment.Compacted
	if err := p.Edit(func(s *stream.PartitionState) error { return s.Replace(sunk[:1], cleaned) }); err != nil {
		t.Fatal(err)
	}
	m.batches = m.batches[1:]
	m.drain(t, p, 1<<20, false)
	m.drain(t, p, 1, true)
	recs, err := p.Read(t.Context(), ReadRequest{Offset: 0, MaxBytes: 1 << 20, AtLeastOne: true, ClientEpoch: -1, TailOnly: true})
	if err != nil || !recs.Deferred {
		t.Errorf("the tail answers a read of what was compacted: %+v, %v", recs, err)
	}
	recs.Release()
}

// What lies in the journal is checked when it is read for the first time, and then sent from the file.
func TestJournalIsSentFromFilesOnceChecked(t *testing.T) {
	log, err := wal.Create(disk.OS(t.TempDir()), "wal", wal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	r, _ := start(t, stream.Config{TailBytesMax: 1}, log)
	p := r.open(key(0), 0, nil)
	m := &model{}
	for i := range 30 {
		b := records(1, 1000, string(make([]byte, 1000+i%3*20_000)))
		r.mustAppend(p, b)
		m.batches = append(m.batches, b)
	}
	r.settle()
	read := func(files bool) (inFiles int) {
		t.Helper()
		recs, err := p.Read(t.Context(), ReadRequest{Offset: 3, MaxBytes: 1 << 20, AtLeastOne: true, ClientEpoch: -1, Files: files})
		if err != nil {
			t.Fatal(err)
		}
		defer recs.Release()
		if want := bytes.Join(m.from(3), nil); !bytes.Equal(flat(t, &recs), want) {
			t.Error("other bytes than were written")
		}
		return len(recs.Files)
	}
	if n := read(false) + read(true); n != 0 {
		t.Errorf("%d files were sent unseen", n)
	}
	if n := read(true); n != 18 { // two of three are large enough
		t.Errorf("%d files in the second answer", n)
	}
	if n := read(false); n != 0 {
		t.Errorf("%d files for whoever takes none", n)
	}
}

func TestCheckedRanges(t *testing.T) {
	var c checked
	in := map[int64]bool{}
	rnd := rand.New(rand.NewPCG(4, 4))
	for range 2000 {
		from := rnd.Int64N(300)
		to := from + 1 + rnd.Int64N(20)
		for i := from; i < to; i++ {
			in[i] = true
		}
		c.add(from, to, 0)
		if len(c.ranges) > checkedMax {
			t.Fatalf("%d ranges", len(c.ranges))
		}
		for i, r := range c.ranges {
			if r.from >= r.to || i > 0 && r.from <= c.ranges[i-1].to {
				t.Fatalf("ranges %v", c.ranges)
			}
			for at := r.from; at < r.to; at++ {
				if !in[at] {
					t.Fatalf("%d was never checked: %v", at, c.ranges)
				}
			}
		}
		if len(c.ranges) == 1 && !c.holds(from, to) {
			t.Fatalf("[%d, %d) is not in %v", from, to, c.ranges)
		}
	}
	if c.add(1000, 1001, 1001); c.ranges != nil {
		t.Errorf("%v after all of it left the journal", c.ranges)
	}
}
