package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"weir/sim"
	"weir/storage/blob"
	"weir/storage/blob/blobtest"
	"weir/storage/disk"
)

// step is something that a process does to a store.
type step struct {
	name string
	size int
	via  func(t *testing.T, s *blob.FS, key string, data []byte) error
}

func byPut(t *testing.T, s *blob.FS, key string, data []byte) error {
	return s.Put(t.Context(), key, data)
}

func byWriter(t *testing.T, s *blob.FS, key string, data []byte) error {
	w, err := s.Create(t.Context(), key)
	if err != nil {
		return err
	}
	defer w.Abort()
	for p := range slices.Chunk(data, 70_000) {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Commit(t.Context())
}

func steps() []step {
	return []step{{"small put", 3000, byPut}, {"large put", 1<<20 + 5000, byPut}, {"small writer", 200_000, byWriter}, {"large writer", 1<<20 + 8269, byWriter}}
}

// TestCrashLeavesTheWholeObjectOrNone stops the machine before and after each operation of a commit, and lets it forget what was not synced.
// An object that was committed is there after it, whatever the store did meanwhile.
func TestCrashLeavesTheWholeObjectOrNone(t *testing.T) {
	crashes, seeds := 0, uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for _, tt := range steps() {
		t.Run(tt.name, func(t *testing.T) {
			data := blobtest.Content(tt.size)
			for _, kind := range []sim.FaultKind{sim.CrashBefore, sim.CrashAfter} {
				for at := 1; ; at++ {
					reached := false
					for seed := range seeds {
						d := sim.NewDisk(seed)
						d.Tear = true
						s := blob.NewFS(d, "data/blob")
						if err := s.Put(t.Context(), "s/other/0", []byte("before")); err != nil {
							t.Fatal(err)
						}
						start := d.Ops()
						d.Plan(func(op sim.Op) sim.Fault {
							if op.N == start+at {
								return sim.Fault{Kind: kind}
							}
							return sim.Fault{}
						})
						err := tt.via(t, s, "s/topic/1/object", data)
						reached = d.Ops() >= start+at
						if err != nil && !reached {
							t.Fatalf("operation %d: %v", at, err)
						}
						d.Plan(nil)
						d.Crash(seed + 100)
						crashes++
						checkAfterCrash(t, d, fmt.Sprintf("operation %d, fault %d, seed %d", at, kind, seed), data, err == nil)
					}
					if !reached {
						break
					}
				}
			}
		})
	}
	t.Logf("%d crashes", crashes)
}

// checkAfterCrash is the life after the crash.
func checkAfterCrash(t *testing.T, d *sim.Disk, where string, data []byte, committed bool) {
	t.Helper()
	s := blob.NewFS(d, "data/blob")
	got, err := blobtest.Read(t.Context(), s, "s/topic/1/object")
	switch {
	case errors.Is(err, blob.ErrNotFound) && !committed:
	case err != nil:
		t.Fatalf("%s: committed %v: %v", where, committed, err)
	case !bytes.Equal(got, data):
		t.Fatalf("%s: %d bytes that were not written", where, len(got))
	}
	there := err == nil
	if got, err := blobtest.Read(t.Context(), s, "s/other/0"); err != nil || string(got) != "before" {
		t.Fatalf("%s: the object before: %q, %v", where, got, err)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	wantEmptyTemp(t, d, "data/blob/tmp")
	keys, err := blobtest.Keys(t.Context(), s, "")
	want := []string{"s/other/0"}
	if there {
		want = append(want, "s/topic/1/object")
	}
	if err != nil || !slices.Equal(keys, want) {
		t.Fatalf("%s: list %q, %v", where, keys, err)
	}
	// The name can be used, and what is committed now survives as well.
	if !there {
		if err := s.Put(t.Context(), "s/topic/1/object", data); err != nil {
			t.Fatalf("%s: put after the crash: %v", where, err)
		}
		d.Crash(7)
		s := blob.NewFS(d, "data/blob")
		if got, err := blobtest.Read(t.Context(), s, "s/topic/1/object"); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%s: second put: %d bytes, %v", where, len(got), err)
		}
	}
	if open := d.Handles(); len(open) > 0 {
		t.Fatalf("%s: open files %q", where, open)
	}
}

func wantEmptyTemp(t *testing.T, d disk.FS, dir string) {
	t.Helper()
	es, err := d.ReadDir(dir)
	if err == nil && len(es) > 0 {
		t.Fatalf("%d files are left in %s, such as %s", len(es), dir, es[0].Name())
	}
}

// TestCrashTestsCanFail shows that the syncs are what makes the tests here pass.
func TestCrashTestsCanFail(t *testing.T) {
	for _, kind := range []sim.Kind{sim.Sync, sim.SyncDir} {
		lost := 0
		for seed := range uint64(50) {
			d := sim.NewDisk(seed)
			d.Plan(func(op sim.Op) sim.Fault {
				if op.Kind == kind {
					return sim.Fault{Kind: sim.Lie}
				}
				return sim.Fault{}
			})
			if err := blob.NewFS(d, "blob").Put(t.Context(), "s/x", blobtest.Content(5000)); err != nil {
				t.Fatal(err)
			}
			d.Plan(nil)
			d.Crash(seed)
			if got, err := blobtest.Read(t.Context(), blob.NewFS(d, "blob"), "s/x"); err != nil || !bytes.Equal(got, blobtest.Content(5000)) {
				lost++
			}
		}
		if lost == 0 {
			t.Errorf("nothing was lost without %v", kind)
		}
	}
}

// TestDirectoryOfAnEarlierProcessIsMadeDurable: a process made the directories and was killed before it synced them.
func TestDirectoryOfAnEarlierProcessIsMadeDurable(t *testing.T) {
	for seed := range uint64(50) {
		d := sim.NewDisk(seed)
		if err := d.MkdirAll("blob/s/topic/1", 0o700); err != nil {
			t.Fatal(err)
		}
		d.Kill()
		if err := blob.NewFS(d, "blob").Put(t.Context(), "s/topic/1/x", []byte("kept")); err != nil {
			t.Fatal(err)
		}
		d.Crash(seed)
		if got, err := blobtest.Read(t.Context(), blob.NewFS(d, "blob"), "s/topic/1/x"); err != nil || string(got) != "kept" {
			t.Fatalf("seed %d: %q, %v", seed, got, err)
		}
	}
}

// TestDirectoryMadeAnewIsMadeDurable: the last object of a directory goes, and with it the directory; the next one must not count on the old one.
func TestDirectoryMadeAnewIsMadeDurable(t *testing.T) {
	for seed := range uint64(50) {
		d := sim.NewDisk(seed)
		s := blob.NewFS(d, "blob")
		for i := range 3 {
			if err := s.Put(t.Context(), fmt.Sprintf("s/topic/1/%d", i), []byte("gone")); err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(t.Context(), fmt.Sprintf("s/topic/1/%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Put(t.Context(), "s/topic/1/x", []byte("kept")); err != nil {
			t.Fatal(err)
		}
		d.Crash(seed)
		if got, err := blobtest.Read(t.Context(), blob.NewFS(d, "blob"), "s/topic/1/x"); err != nil || string(got) != "kept" {
			t.Fatalf("seed %d: %q, %v", seed, got, err)
		}
	}
}

// TestNeighboursSurviveACrash: several writers and deleters share directories that come and go.
func TestNeighboursSurviveACrash(t *testing.T) {
	for seed := range uint64(30) {
		d := sim.NewDisk(seed)
		s := blob.NewFS(d, "blob")
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for round := range 12 {
					key := fmt.Sprintf("s/t/%d/%d-%d", round%2, i, round)
					if err := s.Put(t.Context(), key, []byte(key)); err != nil {
						t.Error(err)
					}
					if round < 10 {
						if err := s.Delete(t.Context(), key); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		d.Crash(seed)
		s = blob.NewFS(d, "blob")
		for i := range 4 {
			for round := 10; round < 12; round++ {
				key := fmt.Sprintf("s/t/%d/%d-%d", round%2, i, round)
				if got, err := blobtest.Read(t.Context(), s, key); err != nil || string(got) != key {
					t.Fatalf("seed %d: %s: %q, %v", seed, key, got, err)
				}
			}
		}
	}
}

// TestFailedOperationLeavesNothingWrong has each operation fail in each way, without a crash; a crash follows.
func TestFailedOperationLeavesNothingWrong(t *testing.T) {
	for _, tt := range steps() {
		t.Run(tt.name, func(t *testing.T) {
			data := blobtest.Content(tt.size)
			for _, kind := range []sim.FaultKind{sim.Fail, sim.NoSpace, sim.Short, sim.LoseSync} {
				for at := 1; ; at++ {
					d := sim.NewDisk(uint64(at))
					s := blob.NewFS(d, "blob")
					var fault sim.Op
					syncs := 0
					d.Plan(func(op sim.Op) sim.Fault {
						if op.Kind == sim.Sync {
							syncs++
						}
						if op.N != at {
							return sim.Fault{}
						}
						fault = op
						return sim.Fault{Kind: kind}
					})
					err := tt.via(t, s, "s/x", data)
					if d.Ops() < at {
						break
					}
					d.Plan(nil)
					where := fmt.Sprintf("%v of %s, fault %d", fault.Kind, fault.Name, kind)
					if syncs > 1 {
						t.Fatalf("%s: %d syncs", where, syncs)
					}
					spaceless := kind == sim.NoSpace || kind == sim.Short && fault.Kind == sim.Write
					if err != nil && errors.Is(err, disk.ErrNoSpace) != spaceless {
						t.Fatalf("%s: %v", where, err)
					}
					if err != nil && !strings.Contains(err.Error(), "s/x") {
						t.Fatalf("%s: the error does not name the object: %v", where, err)
					}
					if fault.Kind == sim.Sync && kind == sim.LoseSync && err == nil {
						t.Fatalf("%s: committed", where)
					}
					d.Crash(uint64(at))
					got, readErr := blobtest.Read(t.Context(), blob.NewFS(d, "blob"), "s/x")
					if err == nil && readErr != nil || readErr == nil && !bytes.Equal(got, data) {
						t.Fatalf("%s: commit: %v; then %d bytes, %v", where, err, len(got), readErr)
					}
					if open := d.Handles(); len(open) > 0 {
						t.Fatalf("%s: open files %q", where, open)
					}
				}
			}
		})
	}
}

func TestFullDiskIsAnErrorAndLeavesNoFile(t *testing.T) {
	d := sim.NewDisk(1)
	d.SetCapacity(2 << 20)
	s := blob.NewFS(d, "blob")
	for _, tt := range steps() {
		if err := tt.via(t, s, "ok/"+strings.ReplaceAll(tt.name, " ", "-"), blobtest.Content(10)); err != nil {
			t.Fatal(err)
		}
		if err := tt.via(t, s, "a", blobtest.Content(5<<20)); !errors.Is(err, disk.ErrNoSpace) {
			t.Fatalf("%s: %v", tt.name, err)
		}
		wantEmptyTemp(t, d, "blob/tmp")
	}
	if _, err := s.Open(t.Context(), "a"); !errors.Is(err, blob.ErrNotFound) {
		t.Fatal(err)
	}
}

func TestSweepSparesWritersOfItsOwn(t *testing.T) {
	d := sim.NewDisk(1)
	old := blob.NewFS(d, "blob")
	if _, err := old.Create(t.Context(), "left"); err != nil {
		t.Fatal(err)
	}
	d.Kill()
	s := blob.NewFS(d, "blob")
	w, err := s.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	es, err := d.ReadDir("blob/tmp")
	if err != nil || len(es) != 1 {
		t.Fatalf("%d temporary files, %v", len(es), err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantEmptyTemp(t, d, "blob/tmp")
	if err := blob.NewFS(sim.NewDisk(1), "never/made").Sweep(); err != nil {
		t.Fatal(err)
	}
}

func TestEmptyDirectoriesGo(t *testing.T) {
	d := sim.NewDisk(1)
	s := blob.NewFS(d, "blob")
	for _, key := range []string{"s/t/0/a", "s/t/1/a", "s/u/0/a"} {
		if err := s.Put(t.Context(), key, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"s/t/0/a", "s/t/1/a"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	es, err := d.ReadDir("blob/s")
	if err != nil || len(es) != 1 || es[0].Name() != "u" {
		t.Fatalf("left: %v, %v", es, err)
	}
}
