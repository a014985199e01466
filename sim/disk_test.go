package sim

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"weir/storage/disk"
)

func open(t *testing.T, d *Disk, name string) disk.File {
	t.Helper()
	f, err := d.Open(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func content(t *testing.T, d *Disk, name string) []byte {
	t.Helper()
	f, err := d.Open(name, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, f disk.File, off int64, b []byte) {
	t.Helper()
	if n, err := f.WriteAt(b, off); err != nil || n != len(b) {
		t.Fatalf("WriteAt = %d, %v", n, err)
	}
}

func syncAll(t *testing.T, d *Disk, f disk.File) {
	t.Helper()
	if err := f.Datasync(); err != nil {
		t.Fatal(err)
	}
	if err := d.SyncDir("."); err != nil {
		t.Fatal(err)
	}
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	for seed := range uint64(100) {
		d := NewDisk(seed)
		d.Tear = true
		f := open(t, d, "f")
		want := bytes.Repeat([]byte("0123456789abcdef"), 1000)
		put(t, f, 0, want)
		syncAll(t, d, f)
		if err := d.Rename("f", "g"); err != nil {
			t.Fatal(err)
		}
		d.Crash(seed)
		got := content(t, d, "f")
		if got == nil {
			got = content(t, d, "g")
		}
		if got != nil && !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %d bytes differ", seed, len(got))
		}
		if _, err := f.WriteAt(want, 0); !errors.Is(err, fs.ErrClosed) {
			t.Fatalf("write to a file of the dead process: %v", err)
		}
	}
}

func TestCrashMayLoseAnySectorAndName(t *testing.T) {
	var none, all, mixed, reordered, unnamed, torn, middle int
	for seed := range uint64(300) {
		d := NewDisk(seed)
		d.Tear = true
		f := open(t, d, "f")
		put(t, f, 0, bytes.Repeat([]byte{1}, 4*SectorBytes))
		syncAll(t, d, f)
		put(t, f, 0, bytes.Repeat([]byte{2}, 4*SectorBytes))
		put(t, f, 0, bytes.Repeat([]byte{3}, 4*SectorBytes))
		open(t, d, "new")
		d.Crash(seed)
		b := content(t, d, "f")
		first, last := b[0], b[3*SectorBytes]
		kept := 0
		for s := range 4 {
			sector := b[s*SectorBytes:][:SectorBytes]
			if sector[0] != 1 {
				kept++
			}
			if sector[0] == 2 {
				middle++
			}
			if !bytes.Equal(sector, bytes.Repeat(sector[:1], SectorBytes)) {
				torn++
			}
		}
		switch kept {
		case 0:
			none++
		case 4:
			all++
		default:
			mixed++
		}
		if first == 1 && last != 1 {
			reordered++
		}
		if content(t, d, "new") == nil {
			unnamed++
		}
	}
	for name, n := range map[string]int{
		"nothing kept": none, "all kept": all, "some kept": mixed, "later sector kept alone": reordered,
		"name lost": unnamed, "sector torn": torn, "middle version kept": middle,
	} {
		if n == 0 {
			t.Errorf("never seen in 300 crashes: %s", name)
		}
	}
	if unnamed == 300 {
		t.Error("an unsynced name never survived")
	}
}

func TestKillKeepsThePageCache(t *testing.T) {
	d := NewDisk(1)
	l, err := d.Lock("LOCK")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock("LOCK"); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
	put(t, open(t, d, "f"), 0, []byte("hello"))
	d.Kill()
	if got := content(t, d, "f"); string(got) != "hello" {
		t.Errorf("after the kill: %q", got)
	}
	l2, err := d.Lock("LOCK")
	if err != nil {
		t.Errorf("lock after the kill: %v", err)
	}
	if err := l.Close(); err != nil { // of the dead process: must not free the new one
		t.Error(err)
	}
	if _, err := d.Lock("LOCK"); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("third lock: %v", err)
	}
	if err := l2.Close(); err != nil {
		t.Error(err)
	}
}

func TestLostSyncStaysLost(t *testing.T) {
	d := NewDisk(1)
	f := open(t, d, "f")
	put(t, f, 0, []byte("old"))
	syncAll(t, d, f)
	put(t, f, 0, []byte("new"))
	d.Plan(func(op Op) Fault {
		if op.Kind == Sync {
			return Fault{Kind: LoseSync}
		}
		return Fault{}
	})
	if err := f.Datasync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Datasync = %v", err)
	}
	d.Plan(nil)
	if got := content(t, d, "f"); string(got) != "new" {
		t.Errorf("page cache holds %q", got)
	}
	syncAll(t, d, f) // "succeeds"
	d.Crash(3)
	if got := content(t, d, "f"); string(got) != "old" {
		t.Errorf("medium holds %q", got)
	}
}

func TestFullDisk(t *testing.T) {
	d := NewDisk(1)
	d.SetCapacity(4 * SectorBytes)
	f := open(t, d, "f")
	put(t, f, 0, make([]byte, 3*SectorBytes))
	if n, err := f.WriteAt(make([]byte, 3*SectorBytes), 2*SectorBytes); n != 2*SectorBytes || !errors.Is(err, disk.ErrNoSpace) {
		t.Errorf("WriteAt = %d, %v", n, err)
	}
	if n, _, err := d.Space(); n != 0 || err != nil {
		t.Errorf("Free = %d, %v", n, err)
	}
	put(t, f, 0, make([]byte, 4*SectorBytes)) // overwriting needs no space
	if err := d.Remove("f"); err != nil {
		t.Fatal(err)
	}
	put(t, open(t, d, "g"), 0, make([]byte, 4*SectorBytes))
}

func TestFaults(t *testing.T) {
	d := NewDisk(1)
	f := open(t, d, "f")
	put(t, f, 0, make([]byte, 100))
	play := func(k FaultKind) { d.Plan(func(Op) Fault { return Fault{Kind: k} }) }
	play(Flip)
	b := make([]byte, 100)
	if _, err := f.ReadAt(b, 0); err != nil || bytes.Equal(b, make([]byte, 100)) {
		t.Errorf("no bit flipped, %v", err)
	}
	play(Short)
	if n, err := f.WriteAt(b, 0); n != 50 || !errors.Is(err, disk.ErrNoSpace) {
		t.Errorf("short write = %d, %v", n, err)
	}
	play(NoSpace)
	if err := d.Rename("f", "g"); !errors.Is(err, disk.ErrNoSpace) {
		t.Errorf("rename = %v", err)
	}
	play(Fail)
	if err := d.Remove("f"); !errors.Is(err, syscall.EIO) {
		t.Errorf("remove = %v", err)
	}
	play(CrashAfter)
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, ErrCrashed) {
		t.Errorf("write = %v", err)
	}
	d.Plan(nil)
	if _, err := d.ReadDir("."); !errors.Is(err, ErrCrashed) {
		t.Errorf("list = %v", err)
	}
}

func TestStalledSyncWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDisk(1)
		f := open(t, d, "f")
		d.Plan(func(op Op) Fault { return Fault{Stall: 30 * time.Second} })
		start := time.Now()
		if err := f.Datasync(); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("waited %v", got)
		}
	})
}
