package wal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"weir/storage/disk"
)

// large returns frames with records that a hop passes over, small ones, and partitions that are bound late in a file.
func large(n int) (frames [][]Entry) {
	for i := range n {
		size := []int{0, 10, 5000, 40_000, 90_000}[i%5]
		frames = append(frames, []Entry{
			data(1, 1, int64(i), strings.Repeat("x", size)),
			data(2, int32(i/3), int64(i), "small"),
			{Type: LogStart, Partition: Partition{Topic: [16]byte{1}, Index: 1}, BaseOffset: int64(i)},
		})
	}
	return frames
}

func TestReadFromAnyPosition(t *testing.T) {
	fsys := disk.OS(t.TempDir())
	cfg := smallFiles()
	cfg.FileBytes = 512 << 10
	l := create(t, fsys, cfg)
	var all []Entry
	ends := []Position{{}}
	for _, es := range large(60) {
		all = append(all, appendAll(t, l, es...)...)
		ends = append(ends, l.End())
	}
	check := func(l *File, all []Entry) {
		t.Helper()
		for _, e := range all {
			if err := readsFrom(t.Context(), l, e.At, all); err != nil {
				t.Error(err)
			}
		}
		for _, end := range ends {
			if err := readsFrom(t.Context(), l, end, all); err != nil {
				t.Error(err)
			}
		}
	}
	check(l, all)
	closeLog(t, l)
	for i, end := range ends {
		cfg.Trusted = end
		r := recoverLog(t, fsys, cfg)
		if got := r.End(); got.Compare(end) < 0 {
			t.Errorf("trusting %v, the end is %v", end, got)
		}
		if i%20 == 0 {
			sealed := readAll(t, r, Position{})
			check(r, sealed)
			if d := diff(all, sealed[:len(sealed)-1]); d != "" {
				t.Error(d)
			}
		}
		closeLog(t, r)
	}
}

// A stream whose data moved elsewhere loses its files one by one, sealed or not, over any number of recoveries.
func TestSealedLogIsTrimmedAndRecoveredAgain(t *testing.T) {
	root := t.TempDir()
	fsys := disk.OS(root)
	cfg := smallFiles()
	l := create(t, fsys, cfg)
	var all []Entry
	for _, es := range entries(150) {
		all = append(all, appendAll(t, l, es...)...)
	}
	end := l.End()
	if end.Seq < 6 {
		t.Fatalf("only %d files", end.Seq)
	}
	closeLog(t, l)
	for first := uint64(1); first <= end.Seq; first++ {
		cfg.Trusted = Position{Seq: first, Off: blockBytes}
		r := recoverLog(t, fsys, cfg)
		if err := r.Trim(t.Context(), cfg.Trusted); err != nil {
			t.Fatal(err)
		}
		if fs := r.Files(); fs[0].Seq != first || len(fs) != int(end.Seq-first)+1 {
			t.Errorf("trimmed to file %d: %v", first, fs)
		}
		if err := readsFrom(t.Context(), r, cfg.Trusted, readAll(t, r, Position{})); err != nil {
			t.Error(err)
		}
		if first > 1 {
			if err := r.ReadAt(t.Context(), make([]byte, 1), all[0].At); !errors.Is(err, ErrTrimmed) {
				t.Errorf("read of what was dropped: %v", err)
			}
			if err := readFrom(r, all[0].At); !errors.Is(err, ErrTrimmed) {
				t.Errorf("read from what was dropped: %v", err)
			}
		}
		if r.End() != end {
			t.Errorf("end %v, was %v", r.End(), end)
		}
		if first == end.Seq {
			if err := r.Trim(t.Context(), Position{Seq: 1 << 40}); err != nil || len(r.Files()) != 1 {
				t.Errorf("trim of all: %v, %v", err, r.Files())
			}
		}
		closeLog(t, r)
	}
	cfg.Trusted = end
	r := recoverLog(t, fsys, cfg)
	if got := readAll(t, r, end); len(got) != 1 || got[0].Type != Seal {
		t.Errorf("after the end: %v", got)
	}
	closeLog(t, r)
}

func TestTrustedPositionMustBeThere(t *testing.T) {
	root := t.TempDir()
	fsys := disk.OS(root)
	cfg := smallFiles()
	l := create(t, fsys, cfg)
	for _, es := range entries(150) {
		appendAll(t, l, es...)
	}
	end := l.End()
	closeLog(t, l)
	refused := func(what string, trusted Position) {
		t.Helper()
		c := cfg
		c.Trusted = trusted
		if r, err := Recover(t.Context(), fsys, "wal/1-42", c); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
			if err == nil {
				closeLog(t, r)
			}
		}
	}
	refused("beyond the end", Position{end.Seq, end.Off + blockBytes})
	refused("beyond the files", Position{end.Seq + 1, blockBytes})
	if err := os.Remove(filepath.Join(root, "wal/1-42", spanName(1))); err != nil {
		t.Fatal(err)
	}
	refused("in a file that is gone", Position{1, blockBytes})
	if err := os.Remove(filepath.Join(root, "wal/1-42", spanName(3))); err != nil {
		t.Fatal(err)
	}
	refused("with a file missing in the middle", end)
	if err := os.Remove(filepath.Join(root, "wal/1-42", spanName(2))); err != nil {
		t.Fatal(err)
	}
	cfg.Trusted = end
	closeLog(t, recoverLog(t, fsys, cfg))
}

// What lies before the trusted position is not read again, but what the rest depends on is checked.
func TestDamageBeforeTheTrustedPosition(t *testing.T) {
	root := t.TempDir()
	fsys := disk.OS(root)
	cfg := smallFiles()
	cfg.FirstFileBytes = 64 << 10
	l := create(t, fsys, cfg)
	bound := appendAll(t, l, data(1, 1, 0, "bound here"))[0].At
	body := appendAll(t, l, data(1, 1, 4, strings.Repeat("body", 1000)))[0].At
	trusted := l.End()
	last := appendAll(t, l, data(1, 1, 8, "last"))
	closeLog(t, l)
	name := filepath.Join(root, "wal/1-42", spanName(1))
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Trusted = trusted
	tests := []struct {
		name string
		at   uint32
		ok   bool
	}{
		{"payload", body.Off + 100, true},
		{"record length", body.Off - recordBytes + 12, false},
		{"frame header", body.Off - recordBytes - 4, false},
		{"bind", bound.Off - recordBytes - 3, false},
		{"frame with a bind", bound.Off, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := append([]byte(nil), good...)
			bad[tt.at] ^= 1
			if err := os.WriteFile(name, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Recover(t.Context(), fsys, "wal/1-42", cfg)
			if !tt.ok {
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("recovery: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(last, readAll(t, r, trusted)[:1]); d != "" {
				t.Error(d)
			}
			if err := readFrom(r, Position{}); err != nil {
				t.Error(err) // the first entry is good
			}
			closeLog(t, r)
		})
	}
}

func TestFilesSayWhatTheDiskHolds(t *testing.T) {
	root := t.TempDir()
	fsys := disk.OS(root)
	l := create(t, fsys, smallFiles())
	onDisk := func() (n int64) {
		names, _ := fs.Glob(os.DirFS(root), "wal/1-42/*.wal")
		for _, name := range names {
			st, err := os.Stat(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			n += st.Sys().(*syscall.Stat_t).Blocks * 512 //nolint:errcheck // it is one on these systems
		}
		return n
	}
	for i, es := range entries(100) {
		appendAll(t, l, es...)
		if i == 50 {
			if err := l.makeAhead(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		slack := int64(len(l.Files())+1) * blockBytes // the file system's own
		if got, want := l.Bytes(), onDisk(); got > want || got < want-slack {
			t.Fatalf("after %d appends: %d bytes, the disk holds %d", i, got, want)
		}
	}
	files := l.Files()
	if last := files[len(files)-1]; last.End != l.End() || files[0].Seq != 1 || files[0].End.Off <= blockBytes {
		t.Errorf("files %v, end %v", files, l.End())
	}
	if err := l.WillNeed(2); err != nil {
		t.Error(err)
	}
	if err := l.DontNeed(2); err != nil {
		t.Error(err)
	}
	if err := l.WillNeed(99); err == nil {
		t.Error("advice on a file that is not there")
	}
	closeLog(t, l)
	r := recoverLog(t, fsys, smallFiles())
	defer closeLog(t, r)
	if got, want := r.Bytes(), onDisk(); got < want-int64(len(r.Files())+1)*blockBytes {
		t.Errorf("recovered: %d bytes, the disk holds %d", got, want)
	}
}

// A commit copies its payload once, into the memory that is written, and allocates nothing.
func TestAppendAllocatesNothing(t *testing.T) {
	l := create(t, disk.OS(t.TempDir()), Config{Stream: "1-42"})
	defer closeLog(t, l)
	es := []Entry{data(1, 1, 0, strings.Repeat("x", 1000)), data(1, 2, 0, strings.Repeat("x", 20_000))}
	appendAll(t, l, es...)
	if n := testing.AllocsPerRun(20, func() { appendAll(t, l, es...) }); n > 1 { // appendAll passes a slice
		t.Errorf("%v allocations", n)
	}
}
