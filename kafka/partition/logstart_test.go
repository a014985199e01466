package partition

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/stream"
	"weir/storage/wal"
)

func TestLogStartMovesOnceDurable(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 0, nil)
	for range 5 {
		r.mustAppend(p, records(2, 1_700_000_000_000, "v"))
	}
	writing, hold := make(chan struct{}, 10), make(chan struct{})
	log.setFault(func([]wal.Entry) error { writing <- struct{}{}; <-hold; return nil })
	done := make(chan error, 1)
	go func() { done <- p.SetLogStart(t.Context(), 5) }()
	<-writing
	if got := p.Offsets().LogStart; got != 0 {
		t.Errorf("log start %d before it is durable", got)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := p.Offsets(); got != (Offsets{LogStart: 5, HighWatermark: 10, LastStable: 10}) {
		t.Errorf("got %+v", got)
	}
	// Offset 4 and 5 share a batch, which is in the tail cache.
	if _, err := p.Read(t.Context(), ReadRequest{Offset: 4, MaxBytes: 1 << 20, ClientEpoch: -1}); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("read below the log start: %v", err)
	}
	if got := len(r.all(p, 5, 1<<20)); got != 3 {
		t.Errorf("%d batches from the log start on, want 3", got)
	}
	r.mustAppend(p, records(1, 1_700_000_000_000, "v"))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	// The next incarnation finds it.
	r2, state := start(t, stream.Config{}, &memLog{}, log)
	p2 := r2.open(key(0), 1, state[key(0).WAL()])
	if got := p2.Offsets(); got.LogStart != 5 || got.HighWatermark != 11 {
		t.Errorf("after a restart: %+v", got)
	}
	if got := len(r2.all(p2, 5, 1<<20)); got != 4 {
		t.Errorf("%d batches after a restart, want 4", got)
	}
}

func TestLogStartBounds(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(3, 1_700_000_000_000, "v"))
	if err := p.SetLogStart(t.Context(), 4); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("beyond the high watermark: %v", err)
	}
	for _, offset := range []int64{3, 1, 0, 3} { // up to the end, and then back
		if err := p.SetLogStart(t.Context(), offset); err != nil {
			t.Errorf("%d: %v", offset, err)
		}
	}
	if got := p.Offsets(); got.LogStart != 3 || got.HighWatermark != 3 {
		t.Errorf("got %+v", got)
	}
	if a := r.mustAppend(p, records(1, 1_700_000_000_000, "v")); a.BaseOffset != 3 || a.LogStartOffset != 3 {
		t.Errorf("append behind it: %+v", a)
	}
	r.leaders.Close(key(0), kerr.NotLeaderForPartition, false)
	if err := p.SetLogStart(t.Context(), 4); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("closed: %v", err)
	}
}

// Log starts that come at once must reach the log in ascending order, which replay relies on.
func TestLogStartsNeverFallInTheLog(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(1000, 1_700_000_000_000, "v"))
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			for j := range 100 {
				offset := int64((i*37+j*61)%1000 + 1)
				if err := p.SetLogStart(t.Context(), offset); err != nil {
					t.Error(err)
				}
				if got := p.Offsets().LogStart; got < offset {
					t.Errorf("log start %d after it was moved to %d", got, offset)
				}
			}
		})
	}
	g.Wait()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recover(t.Context(), stream.State{}, stream.NewLogs(), log); err != nil {
		t.Error(err)
	}
}

func TestLogStartOnAFullDisk(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(3, 1_700_000_000_000, "v"))
	log.setFault(func([]wal.Entry) error { return wal.ErrFull })
	if err := p.SetLogStart(t.Context(), 2); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("got %v", err)
	}
	if got := p.Offsets().LogStart; got != 0 {
		t.Errorf("log start %d, nothing was written", got)
	}
	log.setFault(nil)
	if err := p.SetLogStart(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if got := p.Offsets().LogStart; got != 1 {
		t.Errorf("log start %d", got)
	}
}

func TestLogStartWaitsNoLongerThanItsCaller(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(3, 1_700_000_000_000, "v"))
	hold := make(chan struct{})
	log.setFault(func([]wal.Entry) error { <-hold; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.SetLogStart(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(hold)
	if err := p.SetLogStart(t.Context(), 2); err != nil { // the first one's entry, or a state that has it already
		t.Error(err)
	}
}

func TestDeleteRecords(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 0, nil)
	r.mustAppend(p, records(10, 1_700_000_000_000, "v"))
	steps := []struct {
		offset, low int64
		err         error
	}{
		{4, 4, nil}, {2, 4, nil}, {0, 4, nil}, {-2, -1, kerr.OffsetOutOfRange}, {11, -1, kerr.OffsetOutOfRange}, {ToHighWatermark, 10, nil}, {10, 10, nil},
	}
	for _, s := range steps {
		low, err := p.DeleteRecords(s.offset)(t.Context())
		if low != s.low || !errors.Is(err, s.err) {
			t.Errorf("%d: got %d, %v; want %d, %v", s.offset, low, err, s.low, s.err)
		}
	}
	policies := []struct {
		delete, compact bool
		err             error
	}{{true, false, nil}, {true, true, nil}, {false, false, nil}, {false, true, kerr.PolicyViolation}}
	for _, s := range policies {
		c := DefaultLogConfig()
		c.Policy.Delete, c.Policy.Compact = s.delete, s.compact
		p.Configure(&c)
		if _, err := p.DeleteRecords(ToHighWatermark)(t.Context()); !errors.Is(err, s.err) {
			t.Errorf("delete %v, compact %v: %v", s.delete, s.compact, err)
		}
	}
}
