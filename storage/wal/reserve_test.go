package wal

import (
	"errors"
	"io/fs"
	"testing"

	"weir/sim"
)

// What makes room may use the reserve: a log start on a disk that takes no data.
func TestEntriesWithoutPayloadUseTheReserve(t *testing.T) {
	d := sim.NewDisk(1)
	d.SetCapacity(1 << 20)
	cfg := smallFiles()
	cfg.ReserveBytes = 256 << 10
	l := create(t, d, cfg)
	defer closeLog(t, l)
	var err error
	for err == nil {
		err = l.Append(t.Context(), []Entry{data(1, 1, 0, string(make([]byte, 4000)))})
	}
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	start := Entry{Type: LogStart, Partition: Partition{Topic: [16]byte{1}, Index: 1}, LeaderEpoch: 7, BaseOffset: 9}
	if err := l.Append(t.Context(), []Entry{start}); err != nil {
		t.Errorf("log start: %v", err)
	}
	if err := l.Append(t.Context(), []Entry{start, data(1, 1, 0, "x")}); !errors.Is(err, ErrFull) {
		t.Errorf("log start and data: %v", err)
	}
}

// Files that wait to be used again are given back before anything is refused.
func TestThePoolGoesBeforeAppendsAreRefused(t *testing.T) {
	d := sim.NewDisk(1)
	d.SetCapacity(4 << 20)
	cfg := smallFiles()
	cfg.ReserveBytes, cfg.Pool, cfg.PoolFiles = 256<<10, "pool", 4
	l := create(t, d, cfg)
	defer closeLog(t, l)
	pooled := func() int {
		es, err := d.ReadDir("pool")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return len(es)
	}
	var last Entry
	for range 200 {
		es := []Entry{data(1, 1, 0, string(make([]byte, 4000)))}
		if err := l.Append(t.Context(), es); err != nil {
			t.Fatal(err)
		}
		last = es[0]
	}
	if err := l.Trim(t.Context(), last.At); err != nil {
		t.Fatal(err)
	}
	if n := pooled(); n != cfg.PoolFiles {
		t.Fatalf("%d files are in the pool", n)
	}
	free, _, err := d.Space()
	if err != nil {
		t.Fatal(err)
	}
	d.SetCapacity(4<<20 - free + cfg.ReserveBytes - 1)
	for range 10 { // space is looked at each so many bytes
		if err := l.Append(t.Context(), []Entry{data(1, 1, 0, string(make([]byte, 4000)))}); err != nil {
			t.Errorf("Append: %v", err)
		}
	}
	if n := pooled(); n != 0 {
		t.Errorf("%d files are in the pool", n)
	}
}
