package stream

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"weir/storage/wal"
)

func TestPulseCountsCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, Config{})
		defer func() { r.cancel(); <-r.ended }()
		for i, took := range []time.Duration{0, 100 * time.Microsecond, 3 * time.Second, time.Hour} {
			if err := r.Enqueue(&note{id: int64(i), size: 1, out: r.out}); err != nil {
				t.Fatal(err)
			}
			<-r.log.started
			time.Sleep(took) //nolint:forbidigo // in a bubble
			if got := r.Pulse().InFlight; got != took {
				t.Errorf("in flight for %v, want %v", got, took)
			}
			r.log.result <- nil
			<-r.out
		}
		synctest.Wait()
		p := r.Pulse()
		want := [PulseBuckets]int64{0: 1, 7: 1, 22: 1, PulseBuckets - 1: 1}
		if p.Took != want || p.InFlight != 0 {
			t.Errorf("got %+v, want %v", p, want)
		}
	})
}

// lean is a write without payload.
type lean struct{ note }

func (l *lean) Entry() wal.Entry { return wal.Entry{Type: wal.LogStart, BaseOffset: l.id} }

// A full disk refuses data, and not what makes room.
func TestFullDiskTakesWhatIsWithoutPayload(t *testing.T) {
	r := run(t, Config{})
	defer func() { r.cancel(); <-r.ended }()
	enqueue := func(w Write) {
		t.Helper()
		if err := r.Enqueue(w); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(&note{id: 0, size: 1, out: r.out})
	<-r.log.started // what follows is one group
	enqueue(&note{id: 1, size: 1, out: r.out})
	enqueue(&lean{note{id: 2, out: r.out}})
	enqueue(&note{id: 3, size: 1, out: r.out})
	enqueue(&lean{note{id: 4, out: r.out}})
	r.log.result <- nil
	var got []string
	take := func(n int) {
		for range n {
			e := <-r.out
			got = append(got, fmt.Sprint(e.id, " ", e.err))
		}
	}
	take(1)
	<-r.log.started
	r.log.result <- wal.ErrFull
	take(2)
	if es := <-r.log.started; len(es) != 2 || es[0].BaseOffset != 2 || es[1].BaseOffset != 4 {
		t.Errorf("second try: %+v", es)
	}
	r.log.result <- nil
	take(2)
	if want := []string{"0 <nil>", "1 wal: no space left", "3 wal: no space left", "2 <nil>", "4 <nil>"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// Alone they are not tried twice.
	enqueue(&lean{note{id: 5, out: r.out}})
	<-r.log.started
	r.log.result <- wal.ErrFull
	got = nil
	take(1)
	if want := []string{"5 wal: no space left"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s := r.Stats(); s.Queued != 0 || s.Bytes != 1 {
		t.Errorf("%+v", s)
	}
}
