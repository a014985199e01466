package wal

import (
	"errors"
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
