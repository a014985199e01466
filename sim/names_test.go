package sim

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"testing"

	"weir/storage/disk"
)

func TestSpaceIsThatOfFilesWithNames(t *testing.T) {
	d := NewDisk(1)
	want := func(step string, sectors int64) {
		t.Helper()
		if got := d.Used(); got != sectors*SectorBytes {
			t.Errorf("%s: %d bytes, want %d sectors", step, got, sectors)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a := open(t, d, "a")
	put(t, a, 0, make([]byte, 3*SectorBytes))
	put(t, open(t, d, "b"), 0, make([]byte, 2*SectorBytes))
	want("two files", 5)
	must(d.Link("a", "a2"))
	want("linked", 5)
	must(d.Rename("a", "a2"))
	want("renamed to its own second name", 5)
	if content(t, d, "a") == nil {
		t.Error("rename of two names of one file took one away")
	}
	must(d.Rename("a", "b"))
	want("renamed over another file", 3)
	must(d.Remove("a2"))
	want("one of two names removed", 3)
	must(d.Remove("b"))
	want("removed", 0)
	put(t, a, 0, make([]byte, 10*SectorBytes))
	must(a.Truncate(0))
	want("written without a name", 0)

	must(d.MkdirAll("x/y", 0o700))
	must(d.MkdirAll("z", 0o700))
	open(t, d, "f")
	for name, err := range map[string]error{
		"directory over a file":         d.Rename("z", "f"),
		"file over a directory":         d.Rename("f", "z"),
		"over a directory with content": d.Rename("z", "x"),
	} {
		if err == nil {
			t.Errorf("rename: %s", name)
		}
	}
}

func TestLinksAreCountedAnewAfterACrash(t *testing.T) {
	both, one, none := 0, 0, 0
	for seed := range uint64(200) {
		d := NewDisk(seed)
		if err := d.MkdirAll("tmp", 0o700); err != nil {
			t.Fatal(err)
		}
		syncAll(t, d, open(t, d, "x"))
		f := open(t, d, "tmp/a")
		want := bytes.Repeat([]byte("link"), 1000)
		put(t, f, 0, want)
		syncAll(t, d, f)
		if err := d.Link("tmp/a", "b"); err != nil {
			t.Fatal(err)
		}
		if err := d.Remove("tmp/a"); err != nil {
			t.Fatal(err)
		}
		d.Crash(seed)
		names := 0
		for _, name := range []string{"tmp/a", "b"} {
			got := content(t, d, name)
			if got == nil {
				continue
			}
			names++
			if !bytes.Equal(got, want) {
				t.Fatalf("seed %d: %s has other bytes", seed, name)
			}
		}
		sectors := int64(len(want)+SectorBytes-1) / SectorBytes
		if names == 0 {
			sectors = 0
		}
		for range 2 {
			if got := d.Used(); got != sectors*SectorBytes {
				t.Fatalf("seed %d: %d names, %d bytes used, want %d sectors", seed, names, got, sectors)
			}
			for _, name := range []string{"tmp/a", "b"} {
				if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			}
			sectors = 0
		}
		switch names {
		case 0:
			none++
		case 1:
			one++
		case 2:
			both++
		}
	}
	if both == 0 || one == 0 || none == 0 {
		t.Errorf("both names %d times, one %d, none %d", both, one, none)
	}
}

func TestSyncedLinkSurvives(t *testing.T) {
	for seed := range uint64(50) {
		d := NewDisk(seed)
		f := open(t, d, "a")
		put(t, f, 0, []byte("whole"))
		if err := f.Datasync(); err != nil {
			t.Fatal(err)
		}
		if err := d.Link("a", "b"); err != nil {
			t.Fatal(err)
		}
		if err := d.Link("a", "b"); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("link over a name: %v", err)
		}
		if err := d.Remove("a"); err != nil {
			t.Fatal(err)
		}
		if err := d.SyncDir("."); err != nil {
			t.Fatal(err)
		}
		d.Crash(seed)
		if got := content(t, d, "b"); string(got) != "whole" || content(t, d, "a") != nil {
			t.Fatalf("seed %d: %q", seed, got)
		}
	}
}

func TestBehindTheBack(t *testing.T) {
	d := NewDisk(1)
	f := open(t, d, "f")
	put(t, f, 0, []byte("0123456789"))
	if err := d.Damage("f", 3, 1); err != nil {
		t.Fatal(err)
	}
	if got := content(t, d, "f"); string(got) != "0122456789" {
		t.Errorf("damaged: %q", got)
	}
	if err := d.Cut("f", 5); err != nil {
		t.Fatal(err)
	}
	if err := d.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	d.Crash(1)
	if got := content(t, d, "f"); string(got) != "01224" {
		t.Errorf("cut: %q", got)
	}
	if err := d.Damage("f", 5, 1); err == nil {
		t.Error("damage beyond the end")
	}
	if err := d.Lose("f"); err != nil {
		t.Fatal(err)
	}
	d.Crash(2)
	if content(t, d, "f") != nil || d.Used() != 0 {
		t.Error("it is still there")
	}
	if err := d.Lose("f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lost twice: %v", err)
	}
}

func TestFaultsCanTellNames(t *testing.T) {
	d := NewDisk(1)
	if err := d.MkdirAll("blob/tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, open(t, d, "blob/tmp/1"), 0, []byte("x"))
	var linked Op
	d.Plan(func(op Op) Fault {
		if op.Kind == Link {
			linked = op
		}
		if op.Kind == Open && op.Name == "blob/b" {
			return Fault{Kind: Missing}
		}
		return Fault{}
	})
	if err := d.Link("blob/tmp/1", "blob/b"); err != nil {
		t.Fatal(err)
	}
	if linked.Name != "blob/b" || linked.Old != "blob/tmp/1" {
		t.Errorf("got %+v", linked)
	}
	if _, err := d.Open("blob/b", os.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	if _, err := d.Open("blob/tmp/1", os.O_RDONLY, 0); err != nil {
		t.Error(err)
	}
}

func TestHandlesAreThoseNotClosed(t *testing.T) {
	d := NewDisk(1)
	a, b := open(t, d, "a"), open(t, d, "b")
	if got := d.Handles(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := d.Handles(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("got %q", got)
	}
	_, read := a.ReadAt(make([]byte, 1), 0)
	_, written := a.WriteAt(make([]byte, 1), 0)
	for what, err := range map[string]error{"read": read, "write": written, "sync": a.Datasync(), "close": a.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s of a closed file: %v", what, err)
		}
	}
	d.Kill()
	if got := d.Handles(); len(got) > 0 {
		t.Errorf("after the kill: %q", got)
	}
	if _, err := b.Size(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("size: %v", err)
	}
}

func TestDirectWritesMustBeAligned(t *testing.T) {
	d := NewDisk(1)
	f := open(t, d, "f")
	p := disk.AlignedBuffer(2 * disk.DirectAlign)
	if err := f.WriteDirect(p, disk.DirectAlign); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"offset": f.WriteDirect(p, 512),
		"length": f.WriteDirect(p[:512], 0),
		"start":  f.WriteDirect(p[512:512+disk.DirectAlign], 0),
	} {
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
