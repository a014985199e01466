package wal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weir/storage/disk"
)

func TestInspectReportsFilesAndDamage(t *testing.T) {
	root := t.TempDir()
	fsys := disk.OS(root)
	l := create(t, fsys, smallFiles())
	want := 0
	for _, es := range entries(30) {
		want += len(appendAll(t, l, es...))
	}
	inspect := func() []FileReport {
		t.Helper()
		rs, err := Inspect(t.Context(), fsys, "wal/1-42", nil)
		if err != nil {
			t.Fatal(err)
		}
		return rs
	}
	rs := inspect() // of a log that is open
	got := 0
	for _, r := range rs {
		got += r.Entries
		if r.Problem != nil || r.Stream != "1-42" || r.Sealed {
			t.Errorf("report %+v", r)
		}
	}
	if got != want || len(rs) < 2 {
		t.Errorf("%d entries in %d files, want %d", got, len(rs), want)
	}
	closeLog(t, l)
	closeLog(t, recoverLog(t, fsys, smallFiles()))
	if rs := inspect(); !rs[len(rs)-1].Sealed {
		t.Error("the seal is not reported")
	}
	patch(t, filepath.Join(root, "wal/1-42", spanName(1)), blockBytes+50, 1)
	if rs := inspect(); !errors.Is(rs[0].Problem, ErrCorrupt) || rs[1].Problem != nil {
		t.Errorf("after damage to the first file: %v, %v", rs[0].Problem, rs[1].Problem)
	}
	if err := os.Truncate(filepath.Join(root, "wal/1-42", spanName(2)), 100); err != nil {
		t.Fatal(err)
	}
	if rs := inspect(); !errors.Is(rs[1].Problem, ErrCorrupt) {
		t.Errorf("after a cut header: %v", rs[1].Problem)
	}
	if _, err := Inspect(t.Context(), fsys, "wal/none", nil); err == nil {
		t.Error("inspected a directory that is not there")
	}
}
