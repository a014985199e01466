package wal

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"hash/crc32"
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

// FuzzReadFile recovers and reads a log of one file. The input is the file behind its header; or, since hardly any such input would get far, a list
// of frame bodies, each after its length in two bytes, which get headers that fit.
func FuzzReadFile(f *testing.F) {
	of := newSalted(5)
	bodies := func(frames ...[]byte) (out []byte) {
		for _, b := range frames {
			out = append(append(out, byte(len(b)), byte(len(b)>>8)), b...)
		}
		return out
	}
	noop := appendRecord(nil, &Entry{Type: Noop}, 0, 0)
	bound := append(appendRecord(appendBind(nil, Partition{}, 1, 3), &Entry{Type: Data}, 1, 4), "data"...)
	f.Add(bodies(noop, bound, noop), true)
	f.Add(bodies(bound, bound), true)
	f.Add(bodies(append(noop, noop...), appendRecord(nil, &Entry{Type: Seal}, 0, 0)), true)
	f.Add(layOut(bodies(noop), of)[blockBytes:][:frameHeaderBytes+recordBytes], false)
	f.Fuzz(func(t *testing.T, in []byte, framed bool) {
		if len(in) > 64<<10 {
			return
		}
		header := fileHeader{seq: 1, salt: of.salt, stream: "s"}
		b := append(header.encode(), in...)
		if framed {
			b = layOut(in, of)
		}
		d := sim.NewDisk(1)
		if err := d.MkdirAll("s", 0o700); err != nil {
			t.Fatal(err)
		}
		file, err := d.Open("s/"+spanName(1), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
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
				t.Fatalf("Read of what Recover accepted = %v", err)
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

// layOut makes a file of frame bodies. How many records a body has is counted as far as it parses.
func layOut(in []byte, of salted) []byte {
	header := fileHeader{seq: 1, salt: of.salt, stream: "s"}
	b := header.encode()
	pos := uint64(0)
	for len(in) > 2 {
		n := min(int(in[0])|int(in[1])<<8, len(in)-2)
		body := in[2:][:n]
		in = in[2+n:]
		h := frameHeader{pos: pos, bodyLen: uint32(n)}
		for rest := body; len(rest) >= recordBytes; h.records++ {
			next := uint64(rest[2]) | uint64(rest[3])<<8 + uint64(rest[12]) | uint64(rest[13])<<8 | uint64(rest[14])<<16
			rest = rest[min(max(next, recordBytes), uint64(len(rest))):]
		}
		h.bodyCRC = crc32.Update(of.seed, castagnoli, body)
		frame := make([]byte, h.size())
		h.encode(frame, of)
		copy(frame[frameHeaderBytes:], body)
		b = append(b, frame...)
		pos += uint64(h.size())
	}
	return b
}
