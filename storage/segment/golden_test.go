package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/storage/batch"
)

//nolint:gochecknoglobals // a flag
var update = flag.Bool("update", false, "write the golden files of the present format version that are not there")

// golden is a container of which a file is kept, and what is in it.
type golden struct {
	name   string
	kind   Kind
	id     ID
	chunks []goldenChunk
}

type goldenChunk struct {
	partition   byte
	base, last  int64
	batches     [][]byte
	aborted     []Aborted
	flags       Flags
	horizon     int64
	firstDirtyM int64
}

// goldens returns the containers of testdata. They hold all that the format can say.
func goldens() []golden {
	txn := func(control bool) func(*batch.Builder) {
		return func(b *batch.Builder) {
			b.Transactional, b.Control = true, control
			b.ProducerID, b.ProducerEpoch, b.BaseSequence = 4711, 2, 0
		}
	}
	horizon := batchOf(31, 5, 1_700_000_000_000, 1, 20, nil)
	binary.BigEndian.PutUint16(horizon[21:], deleteHorizonBit)
	binary.BigEndian.PutUint64(horizon[27:], 1_700_000_500_000)
	empty := batchOf(34, 5, 1_700_000_000_900, 3, 0, nil)[:batch.HeaderBytes] // compaction keeps the header of a producer's last batch
	binary.BigEndian.PutUint32(empty[8:], batch.HeaderBytes-12)
	binary.BigEndian.PutUint32(empty[57:], 0)
	return []golden{
		{"v1.bundle", Bundle, ID{Incarnation: 12, Number: 3}, []goldenChunk{
			{partition: 1, base: 0, last: 9, batches: [][]byte{
				batchOf(0, 1, 1_700_000_000_000, 4, 100, nil), batchOf(4, 2, 1_700_000_000_100, 1, 700, nil), batchOf(5, 2, 1_700_000_000_050, 5, 30, nil),
			}, firstDirtyM: 1_700_000_000_200},
			{partition: 2, base: 100, last: 106, batches: [][]byte{
				batchOf(100, 3, 1_700_000_001_000, 2, 50, txn(false)), batchOf(102, 3, 1_700_000_001_001, 4, 20, nil),
				batchOf(106, 3, 1_700_000_001_002, 1, 6, txn(true)),
			}, aborted: []Aborted{
				{ProducerID: 4711, FirstOffset: 90, LastOffset: 106, LastStable: 90}, {ProducerID: 4712, FirstOffset: 95, LastOffset: 120, LastStable: 107},
			}, flags: HasTransactions},
			{partition: 3, base: 7, last: 29, flags: Compacted}, // empty: compaction left nothing
			{partition: 3, base: 30, last: 40, batches: [][]byte{resealed(horizon), resealed(empty)}, flags: Compacted | HasTombstones, horizon: 1_700_000_500_000},
		}},
		{"v1.segment", Segment, ID{Incarnation: 12, Number: 4}, []goldenChunk{
			{partition: 1, base: 10, last: 199, batches: [][]byte{batchOf(10, 2, 1_700_000_002_000, 3, 200, nil)}, firstDirtyM: 1_700_000_003_000},
			{partition: 1, base: 200, last: 300, batches: [][]byte{ // three blocks: the middle one is one large batch
				batchOf(200, 2, 1_700_000_004_000, 1, 300, nil), batchOf(201, 2, 1_700_000_004_001, 1, BlockBytes, nil), batchOf(202, 3, 1_700_000_004_002, 2, 10, nil),
				batchOf(290, 3, 1_700_000_004_000, 1, 10, nil),
			}},
		}},
	}
}

// write writes the container as this build does.
func (g *golden) write(t testing.TB) ([]byte, []Piece) {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, g.kind, g.id)
	for _, c := range g.chunks {
		must(t, w.Begin(topic(c.partition), c.base, c.last))
		for _, b := range c.batches {
			must(t, w.Append(b))
		}
		w.Note(c.flags, c.horizon, c.firstDirtyM)
		for _, a := range c.aborted {
			w.Abort(a)
		}
	}
	pieces, err := w.Finish()
	must(t, err)
	return out.Bytes(), pieces
}

func (g *golden) file(t testing.TB) []byte {
	t.Helper()
	name := "testdata/" + g.name
	if _, err := os.Stat(name); *update && errors.Is(err, os.ErrNotExist) {
		b, _ := g.write(t)
		must(t, os.WriteFile(name, b, 0o600))
	}
	b, err := os.ReadFile(name)
	must(t, err)
	return b
}

func TestGoldenFilesAreReadAsTheyWereWritten(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			kept := g.file(t)
			written, pieces := g.write(t)
			if !bytes.Equal(kept, written) {
				t.Error("the same content is written in another way: that needs a new version of the format")
			}
			r := bytes.NewReader(kept)
			if errs := Verify(r, r.Size()); len(errs) > 0 {
				t.Error(errs)
			}
			c, err := ReadContents(r, r.Size())
			must(t, err)
			if c.Kind != g.kind || c.ID != g.id || len(c.Chunks) != len(g.chunks) {
				t.Fatalf("got %v %v with %d chunks", c.Kind, c.ID, len(c.Chunks))
			}
			for i, want := range g.chunks {
				k := &c.Chunks[i]
				if diff := cmp.Diff(pieces[i], Piece{Kind: c.Kind, ID: c.ID, Chunk: *k}); diff != "" {
					t.Error(diff)
				}
				if k.Partition != topic(want.partition) || k.Base != want.base || k.Last != want.last || k.Flags != want.flags ||
					k.DeleteHorizon != want.horizon || k.FirstDirtyMs != want.firstDirtyM || int(k.Batches) != len(want.batches) {
					t.Errorf("chunk %d: %+v", i, k)
				}
				got, err := data(r, k)
				if err != nil || !bytes.Equal(got, bytes.Join(want.batches, nil)) {
					t.Errorf("chunk %d: %d bytes, %v", i, len(got), err)
				}
				aborted, err := ReadAborted(r, k)
				must(t, err)
				if diff := cmp.Diff(want.aborted, aborted); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestChunkSaysWhatItsBatchesDo spells the sums of a golden chunk out.
func TestChunkSaysWhatItsBatchesDo(t *testing.T) {
	g := goldens()[0]
	_, pieces := g.write(t)
	first, txn, none := pieces[0], pieces[1], pieces[2]
	if first.Records != 10 || first.MinTimestamp != 1_700_000_000_000 || first.MaxTimestamp != 1_700_000_000_100 || first.FirstEpoch != 1 || first.LastEpoch != 2 {
		t.Errorf("first: %+v", first)
	}
	if txn.Flags&HasTransactions == 0 {
		t.Error("the transaction's flag is not set")
	}
	if none.Len != 0 || none.IndexLen != 0 || none.MinTimestamp != -1 || none.MaxTimestamp != -1 || none.FirstEpoch != -1 || none.LastEpoch != -1 {
		t.Errorf("empty: %+v", none)
	}
	if got := pieces[3]; got.DeleteHorizon != 1_700_000_500_000 || got.MinTimestamp != 1_700_000_000_000 || got.Records != 1 {
		t.Errorf("compacted: %+v", got)
	}
	if first.Key() != "b/000000000000000c-00000003" {
		t.Errorf("key %s", first.Key())
	}
}

// sane is what was read from a container that is not damaged.
type sane struct {
	contents *Contents
	indexes  []*Index
	aborted  [][]Aborted
	data     [][]byte
	block    []byte // scratch
}

func readAll(t testing.TB, b []byte) *sane {
	t.Helper()
	r := bytes.NewReader(b)
	c, err := ReadContents(r, r.Size())
	must(t, err)
	s := &sane{contents: c}
	for i := range c.Chunks {
		k := &c.Chunks[i]
		x, err := ReadIndex(r, k)
		must(t, err)
		a, err := ReadAborted(r, k)
		must(t, err)
		d, err := data(r, k)
		must(t, err)
		s.indexes, s.aborted, s.data = append(s.indexes, x), append(s.aborted, a), append(s.data, d)
	}
	return s
}

// serves reads all that can be read of damaged, and says what is not as it was.
func (s *sane) serves(damaged []byte) error {
	r := bytes.NewReader(damaged)
	switch c, err := ReadContents(r, r.Size()); {
	case err == nil:
		if c.Kind != s.contents.Kind || c.ID != s.contents.ID || !slices.Equal(c.Chunks, s.contents.Chunks) {
			return fmt.Errorf("other contents: %+v", c)
		}
	case !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer):
		return fmt.Errorf("contents: %w", err)
	}
	for i := range s.contents.Chunks { // whether the directory can be read or not: a checkpoint names chunks as well
		if err := s.servesChunk(r, i); err != nil {
			return fmt.Errorf("%v: %w", &s.contents.Chunks[i], err)
		}
	}
	return nil
}

func (s *sane) servesChunk(r *bytes.Reader, i int) error {
	k := &s.contents.Chunks[i]
	switch x, err := ReadIndex(r, k); {
	case err == nil && !slices.Equal(x.Entries, s.indexes[i].Entries):
		return errors.New("another index")
	case err != nil && !errors.Is(err, ErrCorrupt):
		return fmt.Errorf("index: %w", err)
	}
	switch a, err := ReadAborted(r, k); {
	case err == nil && !slices.Equal(a, s.aborted[i]):
		return errors.New("other aborted transactions")
	case err != nil && !errors.Is(err, ErrCorrupt):
		return fmt.Errorf("aborted: %w", err)
	}
	rest, failed := s.data[i], false
	for p, err := range Runs(r, k) {
		if err != nil {
			failed = true
			if !errors.Is(err, ErrCorrupt) {
				return fmt.Errorf("data: %w", err)
			}
			continue
		}
		if !bytes.HasPrefix(rest, p) {
			return errors.New("other data")
		}
		rest = rest[len(p):]
	}
	if !failed && len(rest) > 0 {
		return errors.New("less data")
	}
	for j := range s.indexes[i].Entries { // an index that was read before the damage
		e := &s.indexes[i].Entries[j]
		s.block = slices.Grow(s.block[:0], int(e.Len))[:e.Len]
		if err := ReadBlock(r, e, s.block); err == nil && !bytes.Equal(s.block, s.data[i][e.Pos-k.Pos:][:e.Len]) {
			return fmt.Errorf("another block %d", j)
		}
	}
	return nil
}

// TestNoFlippedBitIsServed flips one bit of every byte, and all eight of what is not data.
func TestNoFlippedBitIsServed(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			whole := g.file(t)
			s := readAll(t, whole)
			last := s.contents.Chunks[len(s.contents.Chunks)-1]
			dataEnd := int(last.Pos + last.Len)
			flips := 0
			for at := range whole {
				step := 1
				if testing.Short() {
					step = 7
				}
				if at >= headerBytes && at < dataEnd && at%step != 0 {
					continue
				}
				for bit := range 8 {
					if at >= headerBytes && at < dataEnd && bit != at%8 {
						continue
					}
					whole[at] ^= 1 << bit
					flips++
					if err := s.serves(whole); err != nil {
						t.Fatalf("bit %d of byte %d: %v", bit, at, err)
					}
					if len(Verify(bytes.NewReader(whole), int64(len(whole)))) == 0 {
						t.Fatalf("bit %d of byte %d: Verify finds nothing", bit, at)
					}
					whole[at] ^= 1 << bit
				}
			}
			t.Logf("%d flips in %d bytes", flips, len(whole))
		})
	}
}

func TestNoCutFileIsServed(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			whole := g.file(t)
			s := readAll(t, whole)
			for n := range whole {
				cut := whole[:n:n]
				if err := s.serves(cut); err != nil {
					t.Fatalf("%d bytes of %d: %v", n, len(whole), err)
				}
				if len(Verify(bytes.NewReader(cut), int64(n))) == 0 {
					t.Fatalf("%d bytes of %d: Verify finds nothing", n, len(whole))
				}
			}
			for _, more := range [][]byte{{0}, make([]byte, 5000), whole} {
				long := append(bytes.Clone(whole), more...)
				if len(Verify(bytes.NewReader(long), int64(len(long)))) == 0 && !bytes.Equal(more, whole) {
					t.Fatalf("%d bytes more: Verify finds nothing", len(more))
				}
			}
		})
	}
}

func TestNewerVersionIsRefusedByName(t *testing.T) {
	g := goldens()[0]
	for _, end := range []string{"header", "footer"} {
		b, _ := g.write(t)
		at := headVersion
		if end == "footer" {
			at = len(b) - footerBytes + footVersion
		}
		binary.LittleEndian.PutUint32(b[at:], 9)
		_, err := ReadContents(bytes.NewReader(b), int64(len(b)))
		if !errors.Is(err, ErrNewer) || errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s: %v", end, err)
		}
		if want := end + ": format version 9, this build reads up to 1: " + ErrNewer.Error(); err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}
