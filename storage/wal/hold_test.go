package wal

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"weir/storage/disk"
)

// A file that is held is readable whatever Trim and Close do, takes no room under its name, and is not used again while it is.
func TestHeldFilesOutliveTheirNames(t *testing.T) {
	fsys := disk.OS(t.TempDir())
	cfg := smallFiles()
	cfg.Pool = "pool"
	l := create(t, fsys, cfg)
	var es []Entry
	for len(es) == 0 || es[len(es)-1].At.Seq < 4 {
		es = append(es, appendAll(t, l, data(1, 1, int64(len(es)), strings.Repeat("x", 4000)))...)
	}
	first, last := es[0], es[len(es)-1]
	held, err := l.Hold(first.At.Seq)
	if err != nil {
		t.Fatal(err)
	}
	newest, err := l.Hold(last.At.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Trim(t.Context(), last.At); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Hold(first.At.Seq); !errors.Is(err, ErrTrimmed) {
		t.Errorf("hold a file that was dropped: %v", err)
	}
	name := held.s.name
	if f, err := fsys.Open(name, 0, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dropped file has its name: %v, %v", f, err)
	}
	check := func(h *Held, e *Entry) {
		t.Helper()
		p := make([]byte, len(e.Payload))
		if _, err := h.ReadAt(p, int64(e.At.Off)); err != nil || string(p) != string(e.Payload) {
			t.Errorf("%v: %d bytes, %v", e.At, len(p), err)
		}
	}
	for range 50 { // files of the pool are overwritten
		appendAll(t, l, data(1, 1, int64(len(es)), strings.Repeat("y", 4000)))
	}
	check(held, &first)
	check(newest, &last)
	closeLog(t, l)
	check(held, &first)
	check(newest, &last)
	if _, err := l.Hold(last.At.Seq); !errors.Is(err, ErrClosed) {
		t.Errorf("hold a file of a closed log: %v", err)
	}
	for _, h := range []*Held{held, newest} {
		h.Release()
		h.Release()
		if _, err := h.s.f.ReadAt(make([]byte, 1), 0); err == nil {
			t.Error("the last holder did not close the file")
		}
	}
}
