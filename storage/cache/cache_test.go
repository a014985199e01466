package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"weir/storage/batch"
	"weir/storage/blob"
	"weir/storage/buffer"
	"weir/storage/segment"
	"weir/storage/wal"
)

// store is a blob.Store in memory that counts.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte
	opens   int
	open    int
	read    int64                                 // bytes
	flip    func(key string, p []byte, off int64) // applied to what is read
	hold    chan struct{}                         // opens wait for it to be closed
	advised []int64                               // offsets and lengths
}

func (s *store) Create(context.Context, string) (blob.Writer, error) {
	return nil, errors.ErrUnsupported
}
func (s *store) Put(context.Context, string, []byte) error { return errors.ErrUnsupported }
func (s *store) List(context.Context, string) iter.Seq2[blob.Info, error] {
	return func(func(blob.Info, error) bool) {}
}

func (s *store) Open(_ context.Context, key string) (blob.Object, error) {
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens++
	data, ok := s.objects[key]
	if !ok {
		return nil, fmt.Errorf("%s: %w", key, blob.ErrNotFound)
	}
	s.open++
	return &opened{s: s, key: key, data: data}, nil
}

func (s *store) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func (s *store) count() (opened, open int, read int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opens, s.open, s.read
}

type opened struct {
	s      *store
	key    string
	data   []byte
	closed atomic.Bool
}

func (o *opened) ReadAt(p []byte, off int64) (int, error) {
	if o.closed.Load() {
		return 0, errors.New("read after close")
	}
	n := copy(p, o.data[min(off, int64(len(o.data))):])
	o.s.mu.Lock()
	o.s.read += int64(n)
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

func (o *opened) SendTo(syscall.RawConn, int64, int64) (int64, error) {
	return 0, errors.ErrUnsupported
}
func (o *opened) Size() int64 { return int64(len(o.data)) }
func (o *opened) WillNeed(off, n int64) {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.s.advised = append(o.s.advised, off, n)
}

func (o *opened) Close() error {
	if o.closed.Swap(true) {
		return errors.New("closed twice")
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.s.open--
	return nil
}

// containers makes n segments of one chunk with batches of about 10 KB, blocks to a segment.
func containers(t testing.TB, n, blocks int) (*store, []segment.Piece) {
	t.Helper()
	s := &store{objects: make(map[string][]byte)}
	var pieces []segment.Piece
	for i := range n {
		id := segment.ID{Incarnation: 5, Number: uint64(i)}
		p := wal.Partition{Topic: [16]byte{7}, Index: int32(i)}
		var buf bytes.Buffer
		w := segment.NewWriter(&buf, segment.Segment, id)
		batches := 4 * blocks
		if err := w.Begin(p, 0, int64(batches)-1); err != nil {
			t.Fatal(err)
		}
		for at := range batches {
			b := batch.NewBuilder()
			b.Add(int64(at), nil, make([]byte, 10_000))
			one := b.Batch()
			batch.SetOffsets(one, int64(at), 0)
			if err := w.Append(one); err != nil {
				t.Fatal(err)
			}
		}
		made, err := w.Finish()
		if err != nil {
			t.Fatal(err)
		}
		s.objects[made[0].Key()] = buf.Bytes()
		pieces = append(pieces, made...)
	}
	return s, pieces
}

func newCache(t testing.TB, s *store, cfg Config) *Cache {
	t.Helper()
	cfg.Store, cfg.Pool = s, buffer.NewPool(1<<20)
	c := New(cfg)
	t.Cleanup(func() {
		c.Close()
		if _, open, _ := s.count(); open != 0 {
			t.Errorf("%d objects are left open", open)
		}
	})
	return c
}

func mustOpen(t testing.TB, c *Cache, p *segment.Piece) *Chunk {
	t.Helper()
	k, err := c.Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// No more objects stay open than the limit, but for those in use, and those are closed with their last use.
func TestObjectsOpenAreBounded(t *testing.T) {
	s, pieces := containers(t, 10, 1)
	c := newCache(t, s, Config{ObjectsMax: 3})
	var used []*Chunk
	for i := range pieces {
		used = append(used, mustOpen(t, c, &pieces[i]))
	}
	if _, open, _ := s.count(); open != 10 {
		t.Errorf("%d are open while 10 are in use", open)
	}
	p := make([]byte, used[0].Blocks()[0].Len)
	if err := used[0].ReadBlock(0, p); err != nil {
		t.Errorf("an object that was dropped in use: %v", err)
	}
	for _, k := range used {
		k.Release()
		k.Release()
	}
	if _, open, _ := s.count(); open != 3 || c.Stats().Objects != 3 {
		t.Errorf("%d are open, the limit is 3: %+v", open, c.Stats())
	}
	opened, _, _ := s.count()
	mustOpen(t, c, &pieces[9]).Release()
	if now, _, _ := s.count(); now != opened {
		t.Error("the object used last was opened again")
	}
}

// Whoever comes while an object or an index is being loaded waits for it, and nothing is loaded twice.
func TestLoadsAreShared(t *testing.T) {
	s, pieces := containers(t, 1, 4)
	c := newCache(t, s, Config{})
	s.hold = make(chan struct{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			k, err := c.Open(t.Context(), &pieces[0])
			if err != nil {
				t.Error(err)
				return
			}
			k.Release()
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for c.Stats().Objects == 0 { // until the first is at it
		select {
		case <-t.Context().Done():
			t.Fatal("nobody opens")
		default:
		}
	}
	if _, err := c.Open(ctx, &pieces[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever went away waits: %v", err)
	}
	close(s.hold)
	wg.Wait()
	if opened, _, read := s.count(); opened != 1 || read != int64(pieces[0].IndexLen) {
		t.Errorf("opened %d times, read %d bytes, the index has %d", opened, read, pieces[0].IndexLen)
	}
}

func TestIndexesAreBounded(t *testing.T) {
	s, pieces := containers(t, 20, 8)
	c := newCache(t, s, Config{IndexBytesMax: 3000})
	for range 2 {
		for i := range pieces {
			k := mustOpen(t, c, &pieces[i])
			if _, err := k.Ready(t.Context(), 0, len(k.Blocks())); err != nil {
				t.Error(err)
			}
			k.Release()
			if st := c.Stats(); st.IndexBytes > 3000 || st.Indexes == 0 {
				t.Fatalf("%+v", st)
			}
		}
	}
}

// A block is read and checked once, and not at all if this process wrote it.
func TestBlocksAreCheckedOnce(t *testing.T) {
	s, pieces := containers(t, 1, 40)
	c := newCache(t, s, Config{})
	k := mustOpen(t, c, &pieces[0])
	defer k.Release()
	n := len(k.Blocks())
	for _, span := range [][2]int{{3, 5}, {0, n}, {0, n}, {7, 8}, {4, 4}} {
		i, j := span[0], span[1]
		r, err := k.Ready(t.Context(), i, j)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		for _, e := range k.Blocks()[i:j] {
			want += int64(e.Len)
		}
		if r.Len != want || want > 0 && r.Off != int64(k.Blocks()[i].Pos) {
			t.Errorf("blocks %v: %d bytes at %d", span, r.Len, r.Off)
		}
	}
	if got := c.Stats().Checked; got != int64(pieces[0].Len) {
		t.Errorf("%d bytes were checked, the chunk has %d", got, pieces[0].Len)
	}

	s, pieces = containers(t, 1, 40)
	trusting := newCache(t, s, Config{Own: 5})
	k = mustOpen(t, trusting, &pieces[0])
	defer k.Release()
	if _, err := k.Ready(t.Context(), 0, n); err != nil || trusting.Stats().Checked != 0 {
		t.Errorf("own blocks: %v, %+v", err, trusting.Stats())
	}
}

// A damaged block is read three times, named, and not returned; what lies in front of it is.
func TestDamagedBlocks(t *testing.T) {
	s, pieces := containers(t, 1, 10)
	c := newCache(t, s, Config{})
	k := mustOpen(t, c, &pieces[0])
	defer k.Release()
	bad := &k.Blocks()[6]
	reads := 0
	s.flip = func(_ string, p []byte, off int64) {
		if at := int64(bad.Pos) + 77; at >= off && at < off+int64(len(p)) {
			reads++
			p[at-off] ^= 1
		}
	}
	r, err := k.Ready(t.Context(), 2, 10)
	if !errors.Is(err, segment.ErrCorrupt) || r.Off != int64(k.Blocks()[2].Pos) || r.Off+r.Len != int64(bad.Pos) {
		t.Errorf("range of %d bytes at %d, %v", r.Len, r.Off, err)
	}
	for _, part := range []string{pieces[0].Key(), "block 6", fmt.Sprintf("offsets [%d, %d]", bad.Base, bad.Last), "07000000000000000000000000000000-0"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not name %q: %v", part, err)
		}
	}
	if reads != 3 {
		t.Errorf("read %d times", reads)
	}
	if r, err = k.Ready(t.Context(), 6, 7); err == nil || r.Len != 0 {
		t.Errorf("asked again: %d bytes, %v", r.Len, err)
	}
	s.flip = nil
	if _, err := k.Ready(t.Context(), 0, 10); err != nil {
		t.Errorf("once it reads well: %v", err)
	}
	// The same for the index.
	c.Close()
	s.flip = func(_ string, p []byte, off int64) {
		if off == int64(pieces[0].IndexPos) {
			p[3] ^= 1
		}
	}
	if _, err := c.Open(t.Context(), &pieces[0]); !errors.Is(err, segment.ErrCorrupt) || !strings.Contains(err.Error(), pieces[0].Key()) {
		t.Errorf("a damaged index: %v", err)
	}
	s.flip = nil
	mustOpen(t, c, &pieces[0]).Release()
}

// An object that is deleted does not keep its space; one that is missing is looked for again.
func TestDeletedObjects(t *testing.T) {
	s, pieces := containers(t, 2, 1)
	c := newCache(t, s, Config{})
	k := mustOpen(t, c, &pieces[0])
	mustOpen(t, c, &pieces[1]).Release()
	for i := range pieces {
		if err := c.Store().Delete(t.Context(), pieces[i].Key()); err != nil {
			t.Fatal(err)
		}
	}
	if _, open, _ := s.count(); open != 1 {
		t.Errorf("%d deleted objects are open, one is in use", open)
	}
	if _, err := k.Ready(t.Context(), 0, 1); err != nil {
		t.Errorf("a deleted object in use: %v", err)
	}
	k.Release()
	if _, open, _ := s.count(); open != 0 {
		t.Errorf("%d deleted objects are open", open)
	}
	for range 2 {
		if _, err := c.Open(t.Context(), &pieces[0]); !Gone(err) {
			t.Errorf("a missing object: %v", err)
		}
	}
	if opened, _, _ := s.count(); opened != 4 {
		t.Errorf("opened %d times", opened)
	}
}

func TestReadAhead(t *testing.T) {
	const mib = 1 << 20
	var a readAhead
	type step struct{ from, to, off, n int64 }
	for i, s := range []step{
		{100, mib, 0, 0},                        // the first read says nothing
		{mib, 2 * mib, 2 * mib, 2 * mib},        // goes on: 2 MiB ahead
		{2 * mib, 3 * mib, 4 * mib, 3 * mib},    // half of it is used up: 4 MiB ahead
		{3 * mib, 4 * mib, 0, 0},                // 3 MiB are under way
		{4 * mib, 5 * mib, 7 * mib, 6 * mib},    // 8 MiB ahead
		{5 * mib, 9 * mib, 13 * mib, 4 * mib},   // and it stays that
		{30 * mib, 31 * mib, 0, 0},              // somewhere else: from the beginning
		{31 * mib, 32 * mib, 32 * mib, 2 * mib}, //
		{32 * mib, 63 * mib, 63 * mib, mib},     // not beyond the end
		{63 * mib, 64 * mib, 0, 0},              //
	} {
		off, n := a.step(s.from, s.to, 64*mib)
		if n != s.n || n > 0 && off != s.off {
			t.Errorf("step %d: %d MiB at %d MiB", i, n/mib, off/mib)
		}
	}
}

// Everything at once, for the race detector: opens, checks, drops and deletes.
func TestConcurrentUse(t *testing.T) {
	s, pieces := containers(t, 12, 6)
	c := newCache(t, s, Config{ObjectsMax: 4, IndexBytesMax: 2000})
	var wg sync.WaitGroup
	for seed := range uint64(6) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 1))
			for range 300 {
				p := &pieces[rnd.IntN(len(pieces))]
				k, err := c.Open(t.Context(), p)
				if Gone(err) && p.Partition.Index == 0 {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				i := rnd.IntN(len(k.Blocks()))
				j := i + 1 + rnd.IntN(len(k.Blocks())-i)
				r, err := k.Ready(t.Context(), i, j)
				if err != nil {
					t.Error(err)
				}
				if _, err := r.File.ReadAt(make([]byte, r.Len), r.Off); err != nil {
					t.Error(err)
				}
				k.Ahead(i, j)
				if rnd.IntN(20) == 0 {
					_ = c.Store().Delete(t.Context(), pieces[0].Key())
				}
				k.Release()
			}
		})
	}
	wg.Wait()
}
