package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/storage/batch"
	"weir/storage/wal"
)

// topic returns the n-th topic of the tests.
func topic(n byte) wal.Partition {
	return wal.Partition{Topic: [16]byte{n, 0xaa, 0xbb}, Index: int32(n)}
}

// batchOf returns one batch at offset base whose records, n of them, hold valueBytes each, and begin at ts.
func batchOf(base int64, epoch int32, ts int64, n, valueBytes int, change func(*batch.Builder)) []byte {
	b := batch.NewBuilder()
	if change != nil {
		change(b)
	}
	value := make([]byte, valueBytes)
	for i := range value {
		value[i] = byte(base) + byte(i*7)
	}
	for i := range n {
		b.Add(ts+int64(i), []byte{byte(i)}, value)
	}
	out := b.Batch()
	batch.SetOffsets(out, base, epoch)
	return out
}

// resealed computes the CRC of a batch that was changed.
func resealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

// data reads all of a chunk through Runs.
func data(r *bytes.Reader, c *Chunk) ([]byte, error) {
	var all []byte
	for p, err := range Runs(r, c) {
		if err != nil {
			return all, err
		}
		all = append(all, p...)
	}
	return all, nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	var out bytes.Buffer
	id := ID{Incarnation: 7, Number: 9}
	w := NewWriter(&out, Bundle, id)
	var want [][]byte
	for n := byte(1); n <= 3; n++ {
		must(t, w.Begin(topic(n), 100, 1_000_000))
		var all []byte
		at := int64(100)
		for i := range 300 {
			size := 500
			if i%50 == 49 {
				size = 40_000
			}
			b := batchOf(at, int32(n), int64(1000+i), 1+i%5, size, nil)
			at += int64(1 + i%5)
			all = append(all, b...)
			must(t, w.Append(b))
		}
		want = append(want, all)
	}
	pieces, err := w.Finish()
	must(t, err)
	if int64(out.Len()) != w.Bytes() {
		t.Fatalf("Bytes = %d of %d", w.Bytes(), out.Len())
	}
	r := bytes.NewReader(out.Bytes())
	c, err := ReadContents(r, r.Size())
	must(t, err)
	if c.Kind != Bundle || c.ID != id || len(c.Chunks) != 3 {
		t.Fatalf("contents %+v", c)
	}
	for i := range c.Chunks {
		k := &c.Chunks[i]
		if diff := cmp.Diff(pieces[i].Chunk, *k); diff != "" {
			t.Fatal(diff)
		}
		if k.CRC != crc32.Checksum(want[i], castagnoli) {
			t.Error("chunk's checksum is not that of its data")
		}
		got, err := data(r, k)
		if err != nil || !bytes.Equal(got, want[i]) {
			t.Fatalf("chunk %d: %d of %d bytes, %v", i, len(got), len(want[i]), err)
		}
		x, err := ReadIndex(r, k)
		must(t, err)
		for j := range x.Entries {
			e := &x.Entries[j]
			for _, offset := range []int64{e.Base, e.Last} {
				if x.Find(offset) != j {
					t.Fatalf("Find(%d) = %d, want %d", offset, x.Find(offset), j)
				}
			}
			p := make([]byte, e.Len)
			must(t, ReadBlock(r, e, p))
		}
		if x.Find(0) != 0 || x.Find(1_000_000) != len(x.Entries) {
			t.Error("Find beside the chunk")
		}
		if x.Since(0) != 0 || x.Since(1<<40) != len(x.Entries) {
			t.Error("Since beside the chunk")
		}
	}
	if errs := Verify(r, r.Size()); len(errs) > 0 {
		t.Fatal(errs)
	}
}

func TestCombineIsTheChecksumOfBoth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var j joiner
	for range 1000 {
		b := make([]byte, rng.IntN(5000))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		at := rng.IntN(len(b) + 1)
		got := combine(crc32.Checksum(b[:at], castagnoli), crc32.Checksum(b[at:], castagnoli), uint64(len(b)-at))
		for range 2 { // the second time the length is known
			if again := j.combine(crc32.Checksum(b[:at], castagnoli), crc32.Checksum(b[at:], castagnoli), uint64(len(b)-at)); again != got {
				t.Fatalf("joined %08x, combined %08x", again, got)
			}
		}
		if want := crc32.Checksum(b, castagnoli); got != want {
			t.Fatalf("%d+%d bytes: %08x, want %08x", at, len(b)-at, got, want)
		}
	}
}

func TestWriterRefusesWhatIsNotInOrder(t *testing.T) {
	at := func(base int64) []byte { return batchOf(base, 1, 5, 2, 10, nil) }
	damaged := at(10)
	damaged[len(damaged)-1] ^= 1
	tests := []struct {
		name    string
		kind    Kind
		do      func(w *Writer) error
		corrupt bool
	}{
		{"append before begin", Bundle, func(w *Writer) error { return w.Append(at(1)) }, false},
		{"range backwards", Bundle, func(w *Writer) error { return w.Begin(topic(1), 10, 9) }, false},
		{"partitions out of order", Bundle, func(w *Writer) error {
			must(t, w.Begin(topic(2), 10, 20))
			return w.Begin(topic(1), 10, 20)
		}, false},
		{"chunks that overlap", Bundle, func(w *Writer) error {
			must(t, w.Begin(topic(2), 10, 20))
			return w.Begin(topic(2), 20, 30)
		}, false},
		{"two partitions in a segment", Segment, func(w *Writer) error {
			must(t, w.Begin(topic(1), 10, 20))
			return w.Begin(topic(2), 10, 20)
		}, false},
		{"a batch before the chunk", Bundle, func(w *Writer) error {
			must(t, w.Begin(topic(1), 10, 20))
			return w.Append(at(9))
		}, true},
		{"a batch beyond the chunk", Bundle, func(w *Writer) error {
			must(t, w.Begin(topic(1), 10, 20))
			return w.Append(at(20))
		}, true},
		{"a batch twice", Bundle, func(w *Writer) error {
			must(t, w.Begin(topic(1), 10, 20))
			return w.Append(append(at(10), at(11)...))
		}, true},
		{"a damaged batch", Bundle, func(w *Writer) error {
			must(t, w.Begin(topic(1), 10, 20))
			return w.Append(damaged)
		}, true},
		{"no chunks", Bundle, func(w *Writer) error {
			_, err := w.Finish()
			return err
		}, false},
		{"unknown kind", 3, func(w *Writer) error { return w.Begin(topic(1), 10, 20) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := NewWriter(new(bytes.Buffer), tt.kind, ID{})
			err := tt.do(w)
			if err == nil || errors.Is(err, ErrCorrupt) != tt.corrupt {
				t.Fatalf("got %v", err)
			}
			if _, again := w.Finish(); again == nil {
				t.Error("the container is finished after an error")
			}
		})
	}
}

// failing takes so many bytes, then fails.
type failing struct{ room int }

var errFull = errors.New("no room")

func (f *failing) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestWriteErrorStays(t *testing.T) {
	g := goldens()[0]
	whole, _ := g.write(t)
	for room := 0; room < len(whole); room += 50 {
		w := NewWriter(&failing{room: room}, g.kind, g.id)
		for _, c := range g.chunks {
			_ = w.Begin(topic(c.partition), c.base, c.last)
			for _, b := range c.batches {
				_ = w.Append(b)
			}
			w.Note(c.flags, c.horizon, c.firstDirtyM)
			for _, a := range c.aborted {
				w.Abort(a)
			}
		}
		if pieces, err := w.Finish(); !errors.Is(err, errFull) || pieces != nil {
			t.Fatalf("room for %d: %d pieces, %v", room, len(pieces), err)
		}
	}
}

func TestFinishedWriterTakesNothingMore(t *testing.T) {
	w := NewWriter(new(bytes.Buffer), Bundle, ID{})
	must(t, w.Begin(topic(1), 0, 9))
	_, err := w.Finish()
	must(t, err)
	if err := w.Append(batchOf(0, 1, 1, 1, 1, nil)); err == nil {
		t.Error("append after finish")
	}
	if _, err := w.Finish(); err == nil {
		t.Error("finish after finish")
	}
}
