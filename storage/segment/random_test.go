package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/storage/batch"
)

// drawn is a container that rapid drew.
type drawn struct {
	kind   Kind
	chunks []drawnChunk
}

type drawnChunk struct {
	goldenChunk
	appends [][]byte // the batches as they were handed over: several at a time
}

func drawContainer(t *rapid.T) drawn {
	d := drawn{kind: rapid.SampledFrom([]Kind{Bundle, Segment}).Draw(t, "kind")}
	partition, next := byte(1), int64(0)
	for range rapid.IntRange(1, 6).Draw(t, "chunks") {
		if d.kind == Bundle && rapid.Bool().Draw(t, "another partition") {
			partition, next = partition+1, 0
		}
		c := drawnChunk{goldenChunk: goldenChunk{partition: partition, base: next + int64(rapid.IntRange(0, 5).Draw(t, "gap"))}}
		at := c.base
		var pending []byte
		for range rapid.IntRange(0, 12).Draw(t, "batches") {
			at += int64(rapid.IntRange(0, 3).Draw(t, "hole"))
			records := rapid.IntRange(1, 4).Draw(t, "records")
			size := rapid.SampledFrom([]int{0, 10, 3000, BlockBytes / 2, BlockBytes, 3 * BlockBytes}).Draw(t, "size") / records
			b := batchOf(at, int32(len(d.chunks)), rapid.Int64Range(0, 1000).Draw(t, "time"), records, size, func(b *batch.Builder) {
				b.Transactional = rapid.Bool().Draw(t, "transactional")
			})
			at += int64(records)
			c.batches = append(c.batches, b)
			pending = append(pending, b...)
			if rapid.Bool().Draw(t, "append now") {
				c.appends, pending = append(c.appends, pending), nil
			}
		}
		if pending != nil {
			c.appends = append(c.appends, pending)
		}
		c.last = max(at-1, c.base) + int64(rapid.IntRange(0, 5).Draw(t, "covers more"))
		next = c.last + 1
		for range rapid.IntRange(0, 3).Draw(t, "aborted") {
			first := rapid.Int64Range(0, next).Draw(t, "first")
			c.aborted = append(c.aborted, Aborted{
				ProducerID: rapid.Int64().Draw(t, "producer"), FirstOffset: first,
				LastOffset: first + rapid.Int64Range(0, 100).Draw(t, "length"), LastStable: rapid.Int64Range(0, next).Draw(t, "stable"),
			})
		}
		d.chunks = append(d.chunks, c)
	}
	return d
}

func TestAnyContainerIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawContainer(t)
		var out bytes.Buffer
		w := NewWriter(&out, d.kind, ID{Incarnation: 3, Number: 4})
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range d.chunks {
			check(w.Begin(topic(c.partition), c.base, c.last))
			for _, b := range c.appends {
				check(w.Append(b))
			}
			for _, a := range c.aborted {
				w.Abort(a)
			}
		}
		pieces, err := w.Finish()
		check(err)
		r := bytes.NewReader(out.Bytes())
		if found := Verify(r, r.Size()); len(found) > 0 {
			t.Fatal(found)
		}
		contents, err := ReadContents(r, r.Size())
		check(err)
		if len(contents.Chunks) != len(d.chunks) || len(pieces) != len(d.chunks) {
			t.Fatalf("%d chunks of %d", len(contents.Chunks), len(d.chunks))
		}
		for i := range d.chunks {
			compareChunk(t, r, &d.chunks[i], &contents.Chunks[i])
			if pieces[i].Chunk != contents.Chunks[i] {
				t.Fatalf("piece %+v, chunk %+v", pieces[i].Chunk, contents.Chunks[i])
			}
		}
	})
}

func compareChunk(t *rapid.T, r *bytes.Reader, want *drawnChunk, k *Chunk) {
	got, err := data(r, k)
	if err != nil || !bytes.Equal(got, bytes.Join(want.batches, nil)) {
		t.Fatalf("%v: %d bytes, %v", k, len(got), err)
	}
	aborted, err := ReadAborted(r, k)
	if err != nil || !slices.Equal(aborted, want.aborted) {
		t.Fatalf("%v: aborted %+v, %v", k, aborted, err)
	}
	x, err := ReadIndex(r, k)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range x.Entries {
		short := i+1 < len(x.Entries) && x.Entries[i+1].Len < BlockBytes
		if e.Len < BlockBytes && short {
			t.Fatalf("%v: block %d of %d bytes, then one of %d", k, i, e.Len, x.Entries[i+1].Len)
		}
	}
	// What the look-ups say is what a walk over the batches finds.
	for offset := k.Base; offset <= k.Last+1; offset++ {
		at := slices.IndexFunc(x.Entries, func(e Entry) bool { return e.Last >= offset })
		if at < 0 {
			at = len(x.Entries)
		}
		if got := x.Find(offset); got != at {
			t.Fatalf("%v: Find(%d) = %d, want %d", k, offset, got, at)
		}
	}
	for ts := int64(0); ts < 1010; ts += 53 {
		first := int64(-1)
		for _, b := range want.batches {
			h, err := batch.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if h.MaxTimestamp >= ts {
				first = h.BaseOffset
				break
			}
		}
		got := x.Since(ts)
		switch {
		case first < 0 && got != len(x.Entries):
			t.Fatalf("%v: Since(%d) = %d, no record is that late", k, ts, got)
		case first >= 0 && (got == len(x.Entries) || first < x.Entries[got].Base || first > x.Entries[got].Last):
			t.Fatalf("%v: Since(%d) = %d, the record is at %d", k, ts, got, first)
		}
	}
}

// seal computes the checksums of a container anew, as far as it has the shape of one: so that what is fuzzed is what lies behind them.
func seal(b []byte) {
	if len(b) < headerBytes+footerBytes {
		return
	}
	le := binary.LittleEndian
	le.PutUint32(b[headCRC:], crc32.Checksum(b[:headCRC], castagnoli))
	foot := b[len(b)-footerBytes:]
	pos, n := le.Uint64(foot[footDirPos:]), uint64(le.Uint32(foot[footDirLen:]))
	if size := uint64(len(b)); pos <= size && n <= size-pos {
		dir := b[pos:][:n]
		for ; len(dir) >= chunkBytes; dir = dir[chunkBytes:] {
			k := decodeChunk(dir)
			for _, s := range [...]struct {
				kind byte
				pos  uint64
				n    uint64
			}{{indexSection, k.IndexPos, uint64(k.IndexLen)}, {abortedSection, k.AbortedPos, uint64(k.AbortedLen)}} {
				if s.n > checksumBytes && s.pos <= size && s.n <= size-s.pos {
					body := b[s.pos:][:s.n-checksumBytes]
					le.PutUint32(b[s.pos+s.n-checksumBytes:], crc32.Update(k.seed(s.kind), castagnoli, body))
				}
			}
		}
		le.PutUint32(foot[footDirCRC:], crc32.Checksum(b[pos:][:n], castagnoli))
	}
	le.PutUint32(foot[footCRC:], crc32.Checksum(foot[:footCRC], castagnoli))
}

// limited fails reads that no size has promised: a decoder that asks for more than there is has believed a length.
type limited struct {
	t *testing.T
	*bytes.Reader
}

func (l limited) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > l.Size() {
		l.t.Errorf("read of %d bytes at %d, there are %d", len(p), off, l.Size())
	}
	return l.Reader.ReadAt(p, off)
}

func FuzzReadContents(f *testing.F) {
	for _, g := range goldens() {
		b, _ := g.write(f)
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Add([]byte(headerMagic), false)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if sealed {
			b = bytes.Clone(b)
			seal(b)
		}
		r := limited{t, bytes.NewReader(b)}
		c, err := ReadContents(r, r.Size())
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				t.Fatal(err)
			}
			return
		}
		Verify(r, r.Size())
		for i := range c.Chunks {
			for p, err := range Runs(r, &c.Chunks[i]) {
				if err == nil && len(p) == 0 {
					t.Fatal("an empty run")
				}
			}
		}
	})
}

// endless is a chunk up to the largest offset, with an index of three blocks of which the first ends there.
func endless(t testing.TB) (Chunk, []byte) {
	g := goldens()[1]
	b, pieces := g.write(t)
	k := pieces[1].Chunk
	k.Last = math.MaxInt64
	index := b[k.IndexPos:][:k.IndexLen-checksumBytes]
	binary.LittleEndian.PutUint64(index[8:], math.MaxInt64)
	return k, binary.LittleEndian.AppendUint32(bytes.Clone(index), crc32.Update(k.seed(indexSection), castagnoli, index))
}

// Nothing lies behind the largest offset.
func TestBlocksBehindTheLargestOffsetAreCorrupt(t *testing.T) {
	k, index := endless(t)
	k.IndexPos = 0
	if x, err := ReadIndex(bytes.NewReader(index), &k); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%+v, %v", x, err)
	}
}

func FuzzReadIndex(f *testing.F) {
	for _, g := range goldens() {
		b, pieces := g.write(f)
		for i := range pieces {
			f.Add(appendChunk(nil, &pieces[i].Chunk), b[pieces[i].IndexPos:][:pieces[i].IndexLen])
		}
	}
	k, index := endless(f)
	f.Add(appendChunk(nil, &k), index)
	f.Fuzz(func(t *testing.T, chunk, index []byte) {
		if len(chunk) < chunkBytes {
			return
		}
		k := decodeChunk(chunk)
		k.IndexPos = 0
		if len(index) > checksumBytes {
			index = bytes.Clone(index)
			body := index[:len(index)-checksumBytes]
			binary.LittleEndian.PutUint32(index[len(body):], crc32.Update(k.seed(indexSection), castagnoli, body))
		}
		r := limited{t, bytes.NewReader(index)}
		x, err := ReadIndex(r, &k)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		for i := range x.Entries {
			if e := &x.Entries[i]; x.Find(e.Base) != i || x.Find(e.Last) != i || e.Pos < k.Pos || e.Pos+uint64(e.Len) > k.Pos+k.Len {
				t.Fatalf("entry %d: %+v of %+v", i, e, k)
			}
		}
	})
}
