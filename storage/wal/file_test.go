package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"weir/internal/leak"
	"weir/sim"
	"weir/storage/disk"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// small files, so that a few appends roll over.
func smallFiles() Config {
	return Config{Stream: "1-42", FirstFileBytes: 16 << 10, FileBytes: 64 << 10, Pool: "pool"}
}

func create(t *testing.T, fsys disk.FS, cfg Config) *File {
	t.Helper()
	l, err := Create(fsys, "wal/1-42", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func recoverLog(t *testing.T, fsys disk.FS, cfg Config) *File {
	t.Helper()
	l, err := Recover(t.Context(), fsys, "wal/1-42", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t *testing.T, l Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func data(topic byte, part int32, base int64, payload string) Entry {
	return Entry{
		Type: Data, Partition: Partition{Topic: [16]byte{topic}, Index: part}, LeaderEpoch: 7, BaseOffset: base,
		LastDelta: 3, Batches: 2, AppendMs: 1234567, Payload: []byte(payload),
	}
}

func appendAll(t *testing.T, l Log, es ...Entry) []Entry {
	t.Helper()
	if err := l.Append(t.Context(), es); err != nil {
		t.Fatal(err)
	}
	return es
}

func readAll(t *testing.T, l Log, from Position) []Entry {
	t.Helper()
	var out []Entry
	for e, err := range l.Read(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		e.Payload = bytes.Clone(e.Payload)
		out = append(out, e)
	}
	return out
}

func readError(l Log) error {
	for _, err := range l.Read(context.Background(), Position{}) { //nolint:usetesting // has no T
		if err != nil {
			return err
		}
	}
	return nil
}

// entries makes n frames of different sizes; some files overflow.
func entries(n int) (frames [][]Entry) {
	for i := range n {
		var es []Entry
		for j := range i%4 + 1 {
			es = append(es, data(byte(i%3), int32(j), int64(i), string(bytes.Repeat([]byte{byte(i), byte(j)}, i*37%3000))))
		}
		switch i % 7 {
		case 1:
			es = append(es, Entry{Type: Noop, AppendMs: int64(i)})
		case 3:
			es = append(es, Entry{Type: Adopt, Partition: Partition{Topic: [16]byte{9}, Index: int32(i)}, LeaderEpoch: 3, BaseOffset: 55})
		case 5:
			es = append(es, Entry{Type: LogStart, Partition: Partition{Topic: [16]byte{1}}, BaseOffset: 12},
				Entry{Type: Release, Partition: Partition{Topic: [16]byte{2}}, LeaderEpoch: 8})
		}
		for k := range es {
			if len(es[k].Payload) == 0 {
				es[k].Payload = nil
			}
		}
		frames = append(frames, es)
	}
	return frames
}

// diff is like cmp.Diff, which takes a minute for payloads of this size.
func diff(want, got []Entry) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if err := same(&want[i], &got[i]); err != nil {
			return fmt.Sprintf("entry %d: %v", i, err)
		}
	}
	return ""
}

func TestAppendedEntriesAreReadWhileOpenAndAfterRecovery(t *testing.T) {
	root := t.TempDir()
	fsys := disk.OS(root)
	l := create(t, fsys, smallFiles())
	if got := readAll(t, l, Position{}); got != nil {
		t.Errorf("new log holds %d entries", len(got))
	}
	var want []Entry
	for _, es := range entries(100) {
		want = append(want, appendAll(t, l, es...)...)
	}
	if d := diff(want, readAll(t, l, Position{})); d != "" {
		t.Fatalf("while open: %s", d)
	}
	end := l.End()
	closeLog(t, l)
	files, err := fs.Glob(os.DirFS(root), "wal/1-42/*.wal")
	if err != nil || len(files) < 4 {
		t.Errorf("%d files, %v: the test needs more", len(files), err)
	}

	for round := range 3 {
		r := recoverLog(t, fsys, smallFiles())
		if got := r.End(); got != end {
			t.Errorf("round %d: end is %v, was %v", round, got, end)
		}
		got := readAll(t, r, Position{})
		last := got[len(got)-1]
		if last.Type != Seal {
			t.Errorf("round %d: last entry has type %d", round, last.Type)
		}
		if d := diff(want, got[:len(got)-1]); d != "" {
			t.Fatalf("round %d: %s", round, d)
		}
		for i, e := range want {
			p := make([]byte, len(e.Payload))
			if err := r.ReadAt(t.Context(), p, e.At); err != nil || !bytes.Equal(p, e.Payload) {
				t.Fatalf("round %d: ReadAt of entry %d: %v", round, i, err)
			}
			if i%10 == 0 {
				if d := diff(want[i:], readAll(t, r, e.At)[:len(want)-i]); d != "" {
					t.Fatalf("round %d: from entry %d: %s", round, i, d)
				}
			}
		}
		if err := r.Append(t.Context(), []Entry{{Type: Noop}}); !errors.Is(err, ErrFenced) {
			t.Errorf("round %d: append to a sealed log: %v", round, err)
		}
		closeLog(t, r)
	}
}

func TestFrameLargerThanAFile(t *testing.T) {
	fsys := disk.OS(t.TempDir())
	l := create(t, fsys, smallFiles())
	big := string(bytes.Repeat([]byte("x"), 200<<10))
	var want []Entry
	for i, p := range []string{big, "a", big, big, "b"} {
		want = append(want, appendAll(t, l, data(1, 1, int64(i), p))...)
	}
	closeLog(t, l)
	r := recoverLog(t, fsys, smallFiles())
	defer closeLog(t, r)
	got := readAll(t, r, Position{})
	if d := diff(want, got[:len(got)-1]); d != "" {
		t.Error(d)
	}
}

func TestLogHasOneOwner(t *testing.T) {
	fsys := disk.OS(t.TempDir())
	l := create(t, fsys, smallFiles())
	if _, err := Create(fsys, "wal/1-42", smallFiles()); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("second Create: %v", err)
	}
	if _, err := Recover(t.Context(), fsys, "wal/1-42", smallFiles()); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("Recover of a living writer: %v", err)
	}
	closeLog(t, l)
	closeLog(t, l)
	if _, err := Create(fsys, "wal/1-42", smallFiles()); err == nil {
		t.Error("a stream was continued")
	}
	if err := l.Append(t.Context(), []Entry{{Type: Noop}}); !errors.Is(err, ErrClosed) {
		t.Errorf("append after Close: %v", err)
	}
	if err := l.ReadAt(t.Context(), nil, Position{Seq: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("ReadAt after Close: %v", err)
	}
	if err := readError(l); !errors.Is(err, ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := Recover(t.Context(), fsys, "wal/none", Config{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Recover of a stream that is not there: %v", err)
	}
}

func TestRecoverRefuses(t *testing.T) {
	const first, second = "wal/1-42/0000000000000001.wal", "wal/1-42/0000000000000002.wal"
	write := func(off int64, b ...byte) func(*testing.T, string, []Entry) {
		return func(t *testing.T, file string, _ []Entry) { patch(t, file, off, b...) }
	}
	tests := []struct {
		name  string
		file  string
		harm  func(t *testing.T, file string, es []Entry)
		cfg   Config
		want  error
		names string // in the error
	}{
		{"bad frame before good ones in the last file", second, write(blockBytes+100, 0xee), Config{}, ErrCorrupt, "0000000000000002.wal: bad frame at 4096, but a good one at"},
		{"bad frame in an earlier file", first, write(blockBytes+100, 0xee), Config{}, ErrCorrupt, "0000000000000001.wal: bad frame at 4096"},
		{"last frame of an earlier file", first, func(t *testing.T, file string, es []Entry) {
			var off uint32
			for _, e := range es {
				if e.At.Seq == 1 {
					off = e.At.Off
				}
			}
			patch(t, file, int64(off)-8, 0xee) // in its record header
		}, Config{}, ErrCorrupt, "0000000000000002.wal begins at byte"},
		{"missing file", first, func(t *testing.T, file string, _ []Entry) {
			if err := os.Rename(file, filepath.Join(filepath.Dir(file), "0000000000000009.wal")); err != nil {
				t.Fatal(err)
			}
		}, Config{}, ErrCorrupt, "0000000000000003.wal is missing before 0000000000000009.wal"},
		{"file under another's name", second, func(t *testing.T, file string, _ []Entry) {
			if err := os.Rename(file, filepath.Join(filepath.Dir(file), "0000000000000003.wal")); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(filepath.Dir(file), "0000000000000001.wal")); err != nil {
				t.Fatal(err)
			}
		}, Config{}, ErrCorrupt, "says that it is file 2"},
		{"file header", second, write(2000, 1), Config{}, ErrCorrupt, "file header checksum"},
		{"not a journal file", second, write(0, 1), Config{}, ErrCorrupt, "not a journal file"},
		{"empty file", second, func(t *testing.T, file string, _ []Entry) {
			if err := os.Truncate(file, 0); err != nil {
				t.Fatal(err)
			}
		}, Config{}, ErrCorrupt, "0000000000000002.wal"},
		{"newer version", second, write(8, 2), Config{}, ErrNewer, "format version 2, this build reads up to 1"},
		{"another stream", second, func(*testing.T, string, []Entry) {}, Config{Stream: "7-7"}, ErrCorrupt, `"1-42", not "7-7"`},
		{"shorter than it was", second, func(*testing.T, string, []Entry) {}, Config{AtLeast: Position{Seq: 2, Off: 1 << 20}}, ErrCorrupt, "was durable up to 2:1048576"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			fsys := disk.OS(root)
			l := create(t, fsys, smallFiles())
			var es []Entry
			for _, f := range entries(12) {
				es = append(es, appendAll(t, l, f...)...)
			}
			if es[len(es)-1].At.Seq != 2 {
				t.Fatalf("entries end in file %d", es[len(es)-1].At.Seq)
			}
			closeLog(t, l)
			tt.harm(t, filepath.Join(root, tt.file), es)
			r, err := Recover(t.Context(), fsys, "wal/1-42", tt.cfg)
			if err == nil { // earlier files are checked by Read
				err = readError(r)
				closeLog(t, r)
			}
			if !errors.Is(err, tt.want) || !bytes.Contains([]byte(fmt.Sprint(err)), []byte(tt.names)) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.names)
			}
		})
	}
}

// patch xors bytes of the file.
func patch(t *testing.T, file string, off int64, b ...byte) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old := make([]byte, len(b))
	if _, err := f.ReadAt(old, off); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		old[i] ^= b[i]
	}
	if off == 8 { // the version: set it
		old = b
	}
	if _, err := f.WriteAt(old, off); err != nil {
		t.Fatal(err)
	}
}

func TestTornLastFrameIsCutAtEveryByte(t *testing.T) {
	cfg := smallFiles()
	cfg.Salt = func() uint32 { return 77 }
	var whole []byte
	var kept, torn []Entry
	for n := -1; whole == nil || n < frameHeaderBytes+recordBytes+len(torn[0].Payload); n++ {
		fsys := sim.NewDisk(1)
		l := create(t, fsys, cfg)
		kept = appendAll(t, l, data(1, 1, 0, "kept"))
		if n < 0 {
			torn = appendAll(t, l, data(1, 1, 1, string(bytes.Repeat([]byte("torn"), 300))))
			whole = make([]byte, 2*blockBytes)
			if _, err := l.spans[0].f.ReadAt(whole, 2*blockBytes); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		} else if _, err := l.spans[0].f.WriteAt(whole[:n], 2*blockBytes); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
		r := recoverLog(t, fsys, cfg)
		got := readAll(t, r, Position{})
		closeLog(t, r)
		if n < 0 {
			if len(got) != 3 {
				t.Fatalf("whole: %d entries", len(got))
			}
			continue
		}
		if len(got) != 2 || got[1].Type != Seal || same(&kept[0], &got[0]) != nil {
			t.Fatalf("cut at %d: %d entries", n, len(got))
		}
	}
}

func TestUnknownRecordTypes(t *testing.T) {
	for _, flags := range []byte{0, mustUnderstand} {
		fsys := disk.OS(t.TempDir())
		l := create(t, fsys, smallFiles())
		appendAll(t, l, data(1, 1, 0, "a"))
		// A type of the future is written by hand: encode gives Noop no flag, so its type is changed and the checksums made anew.
		if _, _, err := l.encode([]Entry{{Type: Noop}, data(1, 1, 1, "b")}, l.spans[0], 2*blockBytes); err != nil {
			t.Fatal(err)
		}
		l.finish(l.spans[0].of)
		frame := slices.Concat(l.bufs...)
		frame[frameHeaderBytes], frame[frameHeaderBytes+1] = 77, flags
		reseal(frame, l.spans[0].of, l.pos)
		if _, err := l.spans[0].f.WriteAt(frame, 2*blockBytes); err != nil {
			t.Fatal(err)
		}
		closeLog(t, l)
		r, err := Recover(t.Context(), fsys, "wal/1-42", Config{})
		if flags == mustUnderstand {
			if !errors.Is(err, ErrNewer) {
				t.Errorf("got %v, want %v", err, ErrNewer)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got := readAll(t, r, Position{})
		if len(got) != 3 || string(got[1].Payload) != "b" {
			t.Errorf("got %d entries", len(got))
		}
		closeLog(t, r)
	}
}

func TestTrimDropsWholeFilesAndReusesThem(t *testing.T) {
	root := t.TempDir()
	fsys := disk.OS(root)
	cfg := smallFiles()
	cfg.PoolFiles = 2
	l := create(t, fsys, cfg)
	var want []Entry
	for _, es := range entries(150) {
		want = append(want, appendAll(t, l, es...)...)
	}
	cut := slices.IndexFunc(want, func(e Entry) bool { return e.At.Seq == 5 })
	// A reader keeps its file.
	for e, err := range l.Read(t.Context(), Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.At.Seq == 3 {
			if err := l.Trim(t.Context(), want[cut].At); err != nil {
				t.Fatal(err)
			}
			if first := l.spans[0].seq; first != 3 {
				t.Errorf("first file is %d while file 3 is read", first)
			}
			break
		}
	}
	if err := l.Trim(t.Context(), want[cut].At); err != nil {
		t.Fatal(err)
	}
	if d := diff(want[cut:], readAll(t, l, Position{})); d != "" {
		t.Error(d)
	}
	if err := readFrom(l, Position{Seq: 2}); err == nil {
		t.Error("read from a file that was dropped")
	}
	if pool, _ := fs.Glob(os.DirFS(root), "pool/*.free"); len(pool) == 0 {
		t.Error("the pool is empty")
	}
	last := l.spans[len(l.spans)-1].seq
	for l.spans[len(l.spans)-1].seq < last+2 { // into recycled files
		want = append(want, appendAll(t, l, data(4, 4, 4, "again"))...)
	}
	if err := l.Trim(t.Context(), Position{Seq: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	if len(l.spans) != 1 {
		t.Errorf("%d files left, want the one that is written", len(l.spans))
	}
	closeLog(t, l)
	r := recoverLog(t, fsys, cfg)
	defer closeLog(t, r)
	got := readAll(t, r, Position{})
	if d := diff(want[len(want)-len(got)+1:], got[:len(got)-1]); d != "" {
		t.Error(d)
	}
	if pool, _ := fs.Glob(os.DirFS(root), "pool/*"); len(pool) != 2 {
		t.Errorf("the pool holds %d files, want 2", len(pool))
	}
}

func readFrom(l Log, from Position) error {
	for _, err := range l.Read(context.Background(), from) { //nolint:usetesting // has no T
		return err
	}
	return nil
}

func TestRunMakesFilesAhead(t *testing.T) {
	fsys := disk.OS(t.TempDir())
	cfg := smallFiles()
	cfg.fillBelow = 1 << 60
	l := create(t, fsys, cfg)
	ran := make(chan error, 1)
	go func() { ran <- l.Run(t.Context()) }()
	var want []Entry
	for _, es := range entries(200) {
		want = append(want, appendAll(t, l, es...)...)
	}
	if d := diff(want, readAll(t, l, Position{})); d != "" {
		t.Error(d)
	}
	closeLog(t, l)
	if err := <-ran; err != nil {
		t.Errorf("Run = %v", err)
	}
	r := recoverLog(t, fsys, cfg)
	defer closeLog(t, r)
	if got := readAll(t, r, Position{}); len(got) != len(want)+1 {
		t.Errorf("%d entries, want %d", len(got), len(want)+1)
	}
}
