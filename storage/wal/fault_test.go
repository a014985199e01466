package wal

import (
	"errors"
	"sync"
	"syscall"
	"testing"

	"weir/sim"
	"weir/storage/disk"
)

func TestFailedSyncIsFinal(t *testing.T) {
	d := sim.NewDisk(1)
	l := create(t, d, smallFiles())
	appendAll(t, l, data(1, 1, 0, "a"))
	d.Plan(func(op sim.Op) sim.Fault {
		if op.Kind == sim.Sync {
			return sim.Fault{Kind: sim.LoseSync}
		}
		return sim.Fault{}
	})
	if err := l.Append(t.Context(), []Entry{data(1, 1, 1, "b")}); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Errorf("append whose sync fails: %v", err)
	}
	d.Plan(nil)
	ops := d.Ops()
	if err := l.Append(t.Context(), []Entry{data(1, 1, 2, "c")}); !errors.Is(err, ErrFailed) {
		t.Errorf("append after it: %v", err)
	}
	if got := d.Ops(); got != ops {
		t.Errorf("%d operations after the failure", got-ops)
	}
	if got := readAll(t, l, Position{}); len(got) != 1 {
		t.Errorf("%d entries are readable, want the durable one", len(got))
	}
	closeLog(t, l)
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	d := sim.NewDisk(1)
	cfg := smallFiles()
	cfg.FirstFileBytes = 64 << 10 // zero-filled by Create
	l := create(t, d, cfg)
	d.SetCapacity(64<<10 + 8<<10) // the first file, and a bit of a second
	var want []Entry
	full := 0
	for i := range 40 {
		es := []Entry{data(byte(i), 1, int64(i), string(make([]byte, 9000)))}
		switch err := l.Append(t.Context(), es); {
		case err == nil:
			want = append(want, es...)
		case errors.Is(err, ErrFull) && errors.Is(err, disk.ErrNoSpace):
			full++
		default:
			t.Fatal(err)
		}
		if i == 35 {
			d.SetCapacity(0)
		}
	}
	if full == 0 || len(want) < 8 {
		t.Fatalf("%d appends refused, %d entries written", full, len(want))
	}
	if diff := diff(want, readAll(t, l, Position{})); diff != "" {
		t.Error(diff)
	}
	closeLog(t, l)
	d.Crash(1)
	r := recoverLog(t, d, cfg)
	defer closeLog(t, r)
	got := readAll(t, r, Position{})
	if diff := diff(want, got[:len(got)-1]); diff != "" {
		t.Error(diff)
	}
}

func TestFullDiskCanBeSealed(t *testing.T) {
	d := sim.NewDisk(1)
	l := create(t, d, smallFiles())
	d.SetCapacity(16 << 10) // what the first file has
	var want []Entry
	for range 10 {
		es := []Entry{data(1, 1, 0, "x")}
		if err := l.Append(t.Context(), es); err != nil {
			break
		}
		want = append(want, es...)
	}
	closeLog(t, l)
	d.Kill()
	r := recoverLog(t, d, smallFiles())
	defer closeLog(t, r)
	if got := readAll(t, r, Position{}); len(got) != len(want)+1 || len(want) < 2 {
		t.Errorf("%d entries, want %d and the seal", len(got), len(want))
	}
}

type network struct{ disk.FS }

func (network) CheckLocal() error { return disk.ErrNetwork }

func TestNetworkFileSystemIsRefused(t *testing.T) {
	d := network{sim.NewDisk(1)}
	if _, err := Create(d, "wal/1-42", smallFiles()); !errors.Is(err, disk.ErrNetwork) {
		t.Errorf("Create = %v", err)
	}
	if _, err := Recover(t.Context(), d, "wal/1-42", smallFiles()); !errors.Is(err, disk.ErrNetwork) {
		t.Errorf("Recover = %v", err)
	}
}

func TestWrongEntriesAreRefusedAndTheLogGoesOn(t *testing.T) {
	l := create(t, sim.NewDisk(1), smallFiles())
	defer closeLog(t, l)
	for _, typ := range []Type{0, bind, Seal, 99} {
		if err := l.Append(t.Context(), []Entry{{Type: Noop}, {Type: typ}}); err == nil {
			t.Errorf("type %d was appended", typ)
		}
	}
	want := appendAll(t, l, data(1, 1, 1, "a"))
	if diff := diff(want, readAll(t, l, Position{})); diff != "" {
		t.Error(diff)
	}
}

// Readers see a prefix of what is appended, whatever files come and go.
func TestReadersRunBesideTheWriter(t *testing.T) {
	cfg := smallFiles()
	cfg.fillBelow = 1 << 60
	l := create(t, sim.NewDisk(1), cfg)
	var run, wg sync.WaitGroup
	run.Go(func() {
		if err := l.Run(t.Context()); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	done := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for stop := false; !stop; {
				select {
				case <-done:
					stop = true
				default:
				}
				next := int64(-1)
				for e, err := range l.Read(t.Context(), Position{}) {
					if err != nil {
						t.Errorf("Read = %v", err)
						return
					}
					if next >= 0 && e.BaseOffset != next {
						t.Errorf("offset %d after %d", e.BaseOffset, next-1)
						return
					}
					next = e.BaseOffset + 1
					p := make([]byte, len(e.Payload))
					if err := l.ReadAt(t.Context(), p, e.At); err != nil || string(p) != string(e.Payload) {
						t.Errorf("ReadAt = %v", err)
						return
					}
				}
			}
		})
	}
	for i := range 400 {
		es := appendAll(t, l, data(1, 1, int64(i), string(make([]byte, i*7%6000))))
		if i%20 == 19 {
			if err := l.Trim(t.Context(), Position{Seq: es[0].At.Seq - min(es[0].At.Seq, 2)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(done)
	wg.Wait()
	closeLog(t, l)
	run.Wait()
}

// A frame that was refused, though all of it but padding had been written, must not come back in front of one in the next file.
func TestRefusedFrameDoesNotComeBack(t *testing.T) {
	for seed := range uint64(60) {
		d := sim.NewDisk(seed)
		l := create(t, d, smallFiles())
		want := appendAll(t, l, data(1, 1, 0, string(make([]byte, 10<<10)))) // the first file is zero-filled and full now
		want = append(want, appendAll(t, l, data(1, 1, 1, "in the second file"))...)
		d.SetCapacity(d.Used() + sim.SectorBytes) // room for the frame, but not for its padding
		if err := l.Append(t.Context(), []Entry{data(1, 1, 2, "refused")}); !errors.Is(err, ErrFull) {
			t.Fatalf("append to a full disk: %v", err)
		}
		d.SetCapacity(0)
		want = append(want, appendAll(t, l, data(1, 1, 3, string(make([]byte, 60<<10))))...)
		if want[2].At.Seq != 3 {
			t.Fatalf("the last frame is in file %d", want[2].At.Seq)
		}
		d.Crash(seed)
		r := recoverLog(t, d, smallFiles())
		got := readAll(t, r, Position{})
		if diff := diff(want, got[:len(got)-1]); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		closeLog(t, r)
	}
}

func TestAppendsLeaveTheReserve(t *testing.T) {
	d := sim.NewDisk(1)
	d.SetCapacity(1 << 20)
	cfg := smallFiles()
	cfg.ReserveBytes = 256 << 10
	l := create(t, d, cfg)
	defer closeLog(t, l)
	var err error
	for range 1000 {
		if err = l.Append(t.Context(), []Entry{data(1, 1, 0, string(make([]byte, 4000)))}); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("Append = %v, want ErrFull", err)
	}
	free, _, err := d.Space()
	if least := cfg.ReserveBytes - cfg.ReserveBytes/8; err != nil || free < least {
		t.Errorf("%d bytes are left (%v), want %d at least", free, err, least)
	}
	d.SetCapacity(2 << 20)
	if err := l.Append(t.Context(), []Entry{data(1, 1, 0, "x")}); err != nil {
		t.Errorf("Append after space came back: %v", err)
	}
}
