package wal

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/sim"
	"weir/storage/disk"
)

//nolint:gochecknoglobals // a flag
var update = flag.Bool("update", false, "write testdata/v1.wal anew; only while version 1 was never released")

// TestVersion1IsReadForEver compares what this build writes, and what it reads, with a file that is kept. A change of the format needs a new
// version and a new file; this one stays.
func TestVersion1IsReadForEver(t *testing.T) {
	const golden = "testdata/v1.wal"
	cfg := Config{Stream: "3-1042", FirstFileBytes: 32 << 10, Salt: func() uint32 { return 0xC0FFEE }}
	p := Partition{Topic: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Index: 17}
	q := Partition{Topic: p.Topic, Index: -1}
	want := []Entry{
		{Type: Adopt, Partition: p, LeaderEpoch: 4, BaseOffset: 1000, AppendMs: 1_700_000_000_000},
		{Type: Data, Partition: p, LeaderEpoch: 4, BaseOffset: 1000, LastDelta: 9, Batches: 2, AppendMs: 1_700_000_000_001, Payload: []byte("one")},
		{Type: Data, Partition: q, LeaderEpoch: -1, BaseOffset: 1 << 40, LastDelta: 0, Batches: 1, AppendMs: -1, Payload: bytes.Repeat([]byte("two "), 1100)},
		{Type: LogStart, Partition: p, LeaderEpoch: 4, BaseOffset: 1005, AppendMs: 1_700_000_000_002},
		{Type: Noop, AppendMs: 1_700_000_000_003},
		{Type: Release, Partition: p, LeaderEpoch: 5, BaseOffset: 1010, AppendMs: 1_700_000_000_004},
		{Type: Seal},
	}
	root := t.TempDir()
	l, err := Create(disk.OS(root), "s", cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range [][]Entry{want[0:1], want[1:3], want[3:5], want[5:6]} {
		appendAll(t, l, frame...)
	}
	closeLog(t, l)
	r, err := Recover(t.Context(), disk.OS(root), "s", cfg)
	if err != nil {
		t.Fatal(err)
	}
	closeLog(t, r)
	written, err := os.ReadFile(filepath.Join(root, "s", spanName(1)))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, written, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if formatVersion == 1 && !bytes.Equal(written, kept) {
		t.Errorf("what is written differs from %s", golden)
	}
	root = t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "s"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "s", spanName(1)), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err = Recover(t.Context(), disk.OS(root), "s", Config{Stream: "3-1042"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeLog(t, r)
	got := readAll(t, r, Position{})
	for i := range got {
		got[i].At = Position{}
		want[i].At = Position{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzReadFile recovers and reads a log of one file of arbitrary bytes. Checksums are made to fit, or hardly any input would get far.
func FuzzReadFile(f *testing.F) {
	kept, err := os.ReadFile("testdata/v1.wal")
	if err != nil {
		f.Fatal(err)
	}
	kept = bytes.TrimRight(kept, "\x00")
	f.Add(kept, true)
	f.Add(kept, false)
	f.Add(kept[:blockBytes+100], true)
	f.Fuzz(func(t *testing.T, b []byte, reseal bool) {
		if len(b) > 1<<20 {
			return
		}
		d := sim.NewDisk(1)
		if err := d.MkdirAll("s", 0o700); err != nil {
			t.Fatal(err)
		}
		file, err := d.Open("s/"+spanName(1), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if reseal {
			b = fitChecksums(b)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		ctx := context.Background() //nolint:usetesting // a fuzz worker's T ends with the input
		l, err := Recover(ctx, d, "s", Config{})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				t.Fatalf("Recover = %v", err)
			}
			return
		}
		n, total := 0, 0
		for e, err := range l.Read(ctx, Position{}) {
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("Read = %v", err)
				}
				break
			}
			n++
			total += len(e.Payload)
			p := make([]byte, len(e.Payload))
			if err := l.ReadAt(ctx, p, e.At); err != nil || !bytes.Equal(p, e.Payload) {
				t.Fatalf("ReadAt %v: %v", e.At, err)
			}
		}
		if n > len(b)/recordBytes+1 || total > len(b) {
			t.Fatalf("%d entries and %d bytes out of %d bytes", n, total, len(b))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// fitChecksums returns b with the checksums of the file header and of frames that lie where they should.
func fitChecksums(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < blockBytes {
		return b
	}
	h := fileHeader{seq: 1, salt: 5, stream: "s"}
	copy(b, h.encode())
	of := newSalted(5)
	pos := uint64(0)
	for off := int64(blockBytes); off+frameHeaderBytes < int64(len(b)); {
		frame := b[off:]
		n := min(int64(frame[16])|int64(frame[17])<<8, int64(len(frame))-frameHeaderBytes)
		frame[16], frame[17], frame[18], frame[19] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
		reseal(frame, of, pos)
		size := padded(frameHeaderBytes + n)
		off += size
		pos += uint64(size)
	}
	return b
}
