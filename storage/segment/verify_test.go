package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
)

// TestVerifyFindsWhatChecksumsDoNotShow plants what only a wrong writer can leave: every checksum is right.
func TestVerifyFindsWhatChecksumsDoNotShow(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	// dir changes a field of the first chunk's entry in the directory.
	dir := func(at int, to uint64, n int) func(b []byte, k *Chunk) {
		return func(b []byte, _ *Chunk) {
			foot := b[len(b)-footerBytes:]
			e := b[le.Uint64(foot):][:chunkBytes]
			if n == 4 {
				le.PutUint32(e[at:], uint32(to))
			} else {
				le.PutUint64(e[at:], to)
			}
		}
	}
	// index changes a field of the first entry of the first chunk's index.
	index := func(at int, to uint64) func(b []byte, k *Chunk) {
		return func(b []byte, k *Chunk) { le.PutUint64(b[int(k.IndexPos)+at:], to) }
	}
	// data changes the first batch of the first chunk and makes block and chunk agree to it.
	data := func(change func(first []byte)) func(b []byte, k *Chunk) {
		return func(b []byte, k *Chunk) {
			change(b[k.Pos:][:k.Len])
			sum := crc32.Checksum(b[k.Pos:][:k.Len], castagnoli)
			le.PutUint32(b[k.IndexPos+28:], sum) // the chunk has one block
			dir(76, uint64(sum), 4)(b, k)
		}
	}
	tests := []struct {
		name string
		do   func(b []byte, k *Chunk)
		want string
	}{
		{"nothing", func([]byte, *Chunk) {}, ""},
		{"records", dir(40, 11, 8), "records: the directory says 11, the batches 10"},
		{"batches", dir(72, 4, 4), "batches: the directory says 4, the batches 3"},
		{"min timestamp", dir(48, 5, 8), "min timestamp"},
		{"max timestamp", dir(56, 1_900_000_000_000, 8), "index is of other data"},
		{"first epoch", dir(64, 0, 4), "first leader epoch"},
		{"last epoch", dir(68, 7, 4), "last leader epoch"},
		{"transactions", dir(20, uint64(HasTransactions), 4), "transactions flag"},
		{"unknown flag", dir(20, 8, 4), "flags 0x8"},
		{"coverage that is too small", dir(32, 8, 8), "entry 0 of its index"},
		{"coverage that overlaps", dir(24, ^uint64(0), 8), "no such range"},
		{"data elsewhere", dir(80, 65, 8), "where 64 is next"},
		{"more data", dir(88, 1<<40, 8), "where 64 is next"},
		{"index elsewhere", dir(96, 70, 8), "a section of"},
		{"index of all memory", dir(104, 0xffffffe4, 4), "index of 4294967268 bytes"},
		{"aborted of all memory", dir(108, 0xffffffe4, 4), "a section of"},
		{"index begins late", index(0, 1), "in the block of 1 to 9"},
		{"index ends early", index(8, 8), "in the block of 0 to 8"},
		{"index with another time", index(16, 1_700_000_000_099), "index is of other data"},
		{"a batch's own checksum", data(func(p []byte) { p[100] ^= 1 }), "CRC"},
		{"a batch's length", data(func(p []byte) { be.PutUint32(p[8:], 1<<30) }), "goes beyond"},
		{"a batch's offset", data(func(p []byte) { be.PutUint64(p, 3) }), "in the block of 0 to 9"},
		{"a batch's magic", data(func(p []byte) { p[16] = 1 }), "where 0 is next"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := goldens()[0]
			b, pieces := g.write(t)
			tt.do(b, &pieces[0].Chunk)
			seal(b)
			found := Verify(bytes.NewReader(b), int64(len(b)))
			if tt.want == "" {
				if len(found) > 0 {
					t.Fatal(found)
				}
				return
			}
			err := errors.Join(found...)
			if err == nil || !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("found %v, want %q", err, tt.want)
			}
		})
	}
}

// TestVerifyFindsAllThatIsWrong: a damaged chunk does not hide another.
func TestVerifyFindsAllThatIsWrong(t *testing.T) {
	g := goldens()[0]
	b, pieces := g.write(t)
	b[pieces[0].Pos+70] ^= 1
	b[pieces[1].AbortedPos] ^= 1
	b[pieces[3].IndexPos] ^= 1
	found := Verify(bytes.NewReader(b), int64(len(b)))
	if len(found) != 3 {
		t.Fatalf("found %d: %v", len(found), found)
	}
	for i, piece := range []int{0, 1, 3} {
		if !errors.Is(found[i], ErrCorrupt) || !strings.Contains(found[i].Error(), pieces[piece].Chunk.String()) {
			t.Errorf("%v does not name %v", found[i], &pieces[piece].Chunk)
		}
	}
}

// TestAnotherChunksSectionIsNotTaken swaps what two chunks of one shape have: each with a checksum that is right for the other.
func TestAnotherChunksSectionIsNotTaken(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, Bundle, ID{})
	for n := byte(1); n <= 2; n++ {
		must(t, w.Begin(topic(n), 0, 9))
		must(t, w.Append(batchOf(0, 1, 5, 1, 100, nil)))
		w.Abort(Aborted{ProducerID: int64(n)})
	}
	pieces, err := w.Finish()
	must(t, err)
	b := out.Bytes()
	x, y := &pieces[0].Chunk, &pieces[1].Chunk
	swap := func(p, q uint64, n uint32) {
		one := bytes.Clone(b[p:][:n])
		copy(b[p:][:n], b[q:][:n])
		copy(b[q:][:n], one)
	}
	swap(x.IndexPos, y.IndexPos, x.IndexLen)
	swap(x.AbortedPos, y.AbortedPos, x.AbortedLen)
	r := bytes.NewReader(b)
	for _, k := range []*Chunk{x, y} {
		if _, err := ReadIndex(r, k); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: index: %v", k, err)
		}
		if _, err := ReadAborted(r, k); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: aborted: %v", k, err)
		}
	}
}
