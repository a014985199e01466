package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"weir/storage/blob"
	"weir/storage/segment"
	"weir/storage/wal"
)

var update = flag.Bool("update", false, "write the golden files anew; never for a version that was released")

// golden is what the files in testdata say: a base, a delta on it, and the manifest that the delta refers to.
func golden(t testing.TB) (store *memStore, stream string, base, delta Pointer, want [2]State) {
	r := newCheckpointRig(t, 4)
	v := r.parts[0]
	for i := range int64(140) {
		r.apply(v, data(i, 1, i%3, int32(i/3), 1))
		if i == 100 {
			r.journal.roll()
		}
	}
	r.apply(v, transactional(140, 1, 7, 0, 2))
	r.apply(v, transactional(142, 1, 8, 0, 2))
	r.apply(v, marker(144, 1, 7, false))
	if err := v.s.Sink([]segment.Piece{piece(v.name, 1, 0, 19), piece(v.name, 2, 20, 49)}); err != nil {
		t.Fatal(err)
	}
	r.apply(v, wal.Entry{Type: wal.LogStart, BaseOffset: 7, LeaderEpoch: 1})
	r.apply(v, adopt(145, 3))
	r.apply(v, data(145, 3, -1, -1, 2))
	base = r.take()
	want[0] = r.load(base).Partitions
	r.logs.Release(r.parts[3].name, Mark{File: 1, Off: 1 << 20})
	r.parts = slices.Clone(r.parts[:3])
	for i := range int64(40) {
		r.apply(r.parts[1], data(i, 1, -1, -1, 1))
		if err := r.parts[1].s.Sink([]segment.Piece{piece(r.parts[1].name, uint64(10+i), i, i)}); err != nil {
			t.Fatal(err)
		}
	}
	delta = r.take()
	want[1] = r.load(delta).Partitions
	return r.store, r.journal.name, base, delta, want
}

func goldenFile(key string) string {
	return filepath.Join("testdata", "v1", strings.ReplaceAll(key, "/", "_"))
}

// What version 1 wrote is read for ever, and is what this build writes.
func TestGoldenFiles(t *testing.T) {
	store, stream, base, delta, want := golden(t)
	if len(store.objects) != 3 {
		t.Fatalf("%d objects", len(store.objects))
	}
	kept := newMemStore()
	for key, b := range store.objects {
		if *update {
			if err := os.MkdirAll(filepath.Dir(goldenFile(key)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(goldenFile(key), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		old, err := os.ReadFile(goldenFile(key))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(old, b) {
			t.Errorf("%s is written differently now", key)
		}
		kept.objects[key] = old
	}
	for i, p := range []Pointer{base, delta} {
		c, err := Load(t.Context(), kept, stream, p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := diffStates(want[i], c.Partitions); diff != "" {
			t.Error(diff)
		}
		if i == 1 && (len(c.Released) != 1 || len(c.manifests) != 1 || c.NewestMs != 0 || c.NextFile != 2) {
			t.Errorf("%+v", c)
		}
	}
}

// R1: a flipped bit or a missing end in any object is found, and nothing is taken from it.
func TestEveryFlipAndCutIsRefused(t *testing.T) {
	store, stream, _, delta, _ := golden(t)
	try := func(key string, b []byte, what string, at int) {
		bad := store.clone()
		bad.objects[key] = b
		c, err := Load(t.Context(), bad, stream, delta)
		if err == nil || c != nil || !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
			t.Fatalf("%s %s at byte %d: %v", key, what, at, err)
		}
		if !strings.Contains(err.Error(), key) {
			t.Fatalf("%s %s at byte %d: the message does not name it: %v", key, what, at, err)
		}
	}
	for key, b := range store.objects {
		for i := range b {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << (i % 8)
			try(key, bad, "flipped", i)
			try(key, b[:i], "cut", i)
		}
		try(key, append(bytes.Clone(b), 0), "longer", len(b))
		gone := store.clone()
		delete(gone.objects, key)
		if _, err := Load(t.Context(), gone, stream, delta); !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is gone: %v", key, err)
		}
	}
}

// What a piece has, a checkpoint keeps: a field that is added to chunks must be added to the format.
func TestEveryFieldOfAPieceIsKept(t *testing.T) {
	var p segment.Piece
	n := int64(1)
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch {
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		case v.Kind() == reflect.Array:
			for i := range v.Len() {
				fill(v.Index(i))
			}
		case v.CanInt():
			v.SetInt(n)
		default:
			v.SetUint(uint64(n))
		}
		n++
	}
	fill(reflect.ValueOf(&p).Elem())
	b := appendPiece(nil, &p)
	d := decoder{b: b}
	if got := d.piece(p.Partition); got != p || len(b) != pieceBytes {
		t.Errorf("%d bytes give\n%+v, want\n%+v", len(b), got, p)
	}
}

// A checkpoint in the place of another is found by what it says of itself.
func TestExchangedObjectsAreRefused(t *testing.T) {
	store, stream, base, delta, _ := golden(t)
	if _, err := Load(t.Context(), store, stream, Pointer{Number: base.Number, From: delta.From}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("published as of another place: %v", err)
	}
	swapped := store.clone()
	swapped.objects[checkpointKey(stream, 1)], swapped.objects[checkpointKey(stream, 2)] = store.objects[checkpointKey(stream, 2)], store.objects[checkpointKey(stream, 1)]
	if _, err := Load(t.Context(), swapped, stream, delta); !errors.Is(err, ErrCorrupt) {
		t.Errorf("swapped: %v", err)
	}
	other := store.clone()
	other.objects[checkpointKey("1-6", 1)] = store.objects[checkpointKey(stream, 1)]
	if _, err := Load(t.Context(), other, "1-6", Pointer{Number: 1}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("of another stream: %v", err)
	}
}

func TestNewerVersionsAreNotGuessedAt(t *testing.T) {
	store, stream, _, delta, _ := golden(t)
	for key, b := range store.objects {
		newer := store.clone()
		newer.objects[key] = bytes.Clone(b)
		binary.LittleEndian.PutUint32(newer.objects[key][8:], 2)
		if _, err := Load(t.Context(), newer, stream, delta); !errors.Is(err, ErrNewer) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// reseal makes the checksums of a checkpoint right, as far as its records can be found.
func reseal(b []byte) {
	if len(b) < headerBytes+4 {
		return
	}
	le := binary.LittleEndian
	at := headerBytes + int(le.Uint16(b[48:])) + 8*int(le.Uint16(b[50:]))
	if at+4 > len(b) {
		return
	}
	le.PutUint32(b[at:], crc32.Checksum(b[:at], castagnoli))
	records := uint32(0)
	for at += 4; len(b)-at > trailerBytes; records++ {
		size := recordHeaderBytes + int(le.Uint32(b[at+1:]))
		if size < 0 || at+size+4 > len(b) {
			return
		}
		le.PutUint32(b[at+size:], crc32.Checksum(b[at:at+size], castagnoli))
		at += size + 4
	}
	if len(b)-at == trailerBytes {
		le.PutUint32(b[at+12:], records)
		le.PutUint64(b[at+16:], uint64(len(b)))
		le.PutUint32(b[at+24:], crc32.Checksum(b[:at+24], castagnoli))
	}
}

// Whatever a checkpoint holds, with checksums that are right: Load answers, and what it takes can be used.
func FuzzLoad(f *testing.F) {
	store, stream, base, delta, _ := golden(f)
	f.Add(store.objects[checkpointKey(stream, 1)])
	f.Add(store.objects[checkpointKey(stream, 2)])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		reseal(b)
		for _, p := range []Pointer{{Number: base.Number}, {Number: delta.Number}} {
			s := store.clone()
			s.objects[checkpointKey(stream, p.Number)] = b
			c, err := Load(context.Background(), s, stream, p)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) && !errors.Is(err, blob.ErrNotFound) {
					t.Fatal(err)
				}
				continue
			}
			logs := NewLogs()
			logs.names[newMemJournal("x")] = "x"
			_ = logs.Restore(c)
			for name, s := range c.Partitions {
				for e := range s.Extents.From(s.LogStart) {
					if e.Last() >= s.End || e.Base < 0 {
						t.Fatalf("%+v of %+v", e, s)
					}
				}
				_, _ = s.Extents.Newest()
				_ = s.LastStable()
				_ = s.EpochAt(s.End)
				_ = s.PiecesFrom(s.LogStart)
				for _, id := range s.Producers.IDs() {
					_ = s.Producers.Get(id).LastSeq()
				}
				e := wal.Entry{Type: wal.Adopt, Partition: name, LeaderEpoch: s.Epoch(), BaseOffset: s.End, At: wal.Position{Seq: 1, Off: 1 << 31}}
				_ = c.Apply(&e, c.NextFile)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	store, _, _, _, _ := golden(f)
	name := part(1)
	for key, b := range store.objects {
		if strings.HasPrefix(key, ManifestPrefix) {
			f.Add(b[:len(b)-4])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = binary.LittleEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, castagnoli))
		pieces, err := decodeManifest(b, name)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				t.Fatal(err)
			}
			return
		}
		s := newMemStore()
		m, err := writeManifest(context.Background(), s, name, "x", 1, pieces)
		if err != nil {
			t.Fatal(err)
		}
		// Neither the version, which may be an older one, nor the checksum over it need be the same.
		if again := s.objects[m.key]; !bytes.Equal(again[12:len(again)-4], b[12:len(b)-4]) && binary.LittleEndian.Uint32(b[12:]) == 0 {
			t.Fatalf("%d pieces are written differently: %v", len(pieces), err)
		}
	})
}
