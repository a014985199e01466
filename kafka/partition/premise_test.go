package partition

import (
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/storage/batch"
	"weir/storage/stream"
	"weir/storage/wal"
)

// gate is a fault of a memLog that holds its appends until it is opened, and then does as it is told.
type gate struct {
	entered, open chan struct{}
	outcome       func([]wal.Entry) error
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 100), open: make(chan struct{})} }

func (g *gate) fault(es []wal.Entry) error {
	g.entered <- struct{}{}
	<-g.open
	if g.outcome != nil {
		return g.outcome(es)
	}
	return nil
}

func inTransactionOf(pid int64, epoch int16, seq int32) []byte {
	b := batch.NewBuilder()
	b.Transactional, b.ProducerID, b.ProducerEpoch, b.BaseSequence = true, pid, epoch, seq
	b.Add(1_700_000_000_000, nil, []byte("v"))
	return b.Batch()
}

// What rests on a premise that has failed is not written, nor what follows it in its partition; what comes before it, in the same commit, is.
func TestFailedPremiseTakesWhatRestsOnIt(t *testing.T) {
	log, g := &memLog{}, newGate()
	r, _ := start(t, stream.Config{}, log)
	p, q := r.open(key(0), 0, nil), r.open(key(1), 0, nil)
	r.mustAppend(p, idempotent(7, 0, 0, 1))
	log.setFault(g.fault)
	blocking, err := appendAsync(q, records(1, 1, "first"))
	if err != nil {
		t.Fatal(err)
	}
	<-g.entered // all that comes now is one commit
	var premise Premise
	queue := func(p *Partition, b []byte, on *Premise) <-chan result {
		t.Helper()
		ch := make(chan result, 1)
		if err := p.Append(Append{Batches: b, Premise: on}, func(a Appended, err error) { ch <- result{a, err} }); err != nil {
			t.Fatal(err)
		}
		return ch
	}
	before := queue(p, idempotent(7, 0, 1, 1), nil)
	resting := queue(p, idempotent(7, 0, 2, 2), &premise)
	behind := queue(p, idempotent(7, 0, 4, 1), nil)
	other := queue(q, records(1, 1, "rests"), &premise)
	free := queue(r.open(key(2), 0, nil), records(1, 1, "free"), nil)
	premise.Fail() // as the callback of an earlier commit would
	close(g.open)
	for name, ch := range map[string]<-chan result{"blocking": blocking, "before": before, "free": free} {
		if got := <-ch; got.err != nil {
			t.Errorf("%s: %v", name, got.err)
		}
	}
	for name, ch := range map[string]<-chan result{"resting": resting, "behind": behind, "other": other} {
		if got := <-ch; !errors.Is(got.err, kerr.KafkaStorageError) || !errors.Is(got.err, stream.ErrCancelled) {
			t.Errorf("%s: %v", name, got.err)
		}
	}
	// The producer goes on where the partition is.
	if _, err := appendNow(p, idempotent(7, 0, 4, 1)); !errors.Is(err, kerr.OutOfOrderSequenceNumber) {
		t.Errorf("what followed comes before what it followed: %v", err)
	}
	if a := r.mustAppend(p, idempotent(7, 0, 2, 2)); a.BaseOffset != 2 {
		t.Errorf("again: offset %d", a.BaseOffset)
	}
	if a := r.mustAppend(p, idempotent(7, 0, 4, 1)); a.BaseOffset != 4 {
		t.Errorf("behind it: offset %d", a.BaseOffset)
	}
	if hs := r.all(p, 0, 1<<20); len(hs) != 4 {
		t.Errorf("%d batches", len(hs))
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	_, state := start(t, stream.Config{}, &memLog{}, log)
	if end := state[key(0).WAL()].End; end != 5 {
		t.Errorf("recovered up to %d", end)
	}
}

// A journal that is full refuses the decision, and would take the marker: the transaction stays open, and its producer goes on.
func TestMarkerDoesNotOutliveItsDecision(t *testing.T) {
	log, g := &memLog{}, newGate()
	r, _ := start(t, stream.Config{CommitEntriesMax: 1}, log)
	coordinator, p := r.open(key(0), 0, nil), r.open(key(1), 0, nil)
	r.mustAppend(coordinator, records(1, 1, "ongoing"))
	guard, needed, err := p.Verify(7, 3)
	if err != nil || !needed {
		t.Fatal(needed, err)
	}
	ch := make(chan result, 1)
	if err := p.Append(Append{Batches: inTransactionOf(7, 3, 0), Guard: guard}, func(a Appended, err error) { ch <- result{a, err} }); err != nil {
		t.Fatal(err)
	}
	if got := <-ch; got.err != nil {
		t.Fatal(got.err)
	}
	refused := false
	g.outcome = func([]wal.Entry) error { // the first of all
		if !refused {
			refused = true
			return wal.ErrFull
		}
		return nil
	}
	log.setFault(g.fault)
	var premise Premise
	decided, marked := make(chan error, 1), make(chan error, 1)
	err = coordinator.Append(Append{Batches: records(1, 1, "commit")}, func(_ Appended, err error) {
		if err != nil {
			premise.Fail()
		}
		decided <- err
	})
	if err != nil {
		t.Fatal(err)
	}
	m := Marker{ProducerID: 7, ProducerEpoch: 4, Commit: true, Bumped: true, Premise: &premise}
	if err := p.AppendMarker(m, func(_ Appended, err error) { marked <- err }); err != nil {
		t.Fatal(err)
	}
	close(g.open)
	if err := <-decided; !errors.Is(err, wal.ErrFull) {
		t.Errorf("the decision: %v", err)
	}
	if err := <-marked; !errors.Is(err, stream.ErrCancelled) {
		t.Errorf("the marker: %v", err)
	}
	if o := p.Offsets(); o.LastStable != 0 || o.HighWatermark != 1 {
		t.Errorf("offsets %+v", o)
	}
	if _, needed, err := p.Verify(7, 3); needed || err != nil {
		t.Errorf("the transaction is not open any more: %v, %v", needed, err)
	}
	r.mustAppend(p, inTransactionOf(7, 3, 1))
	m.Premise = nil
	if err := p.AppendMarker(m, func(_ Appended, err error) { marked <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-marked; err != nil {
		t.Error(err)
	}
	if o := p.Offsets(); o.LastStable != 3 {
		t.Errorf("offsets %+v", o)
	}
	if hs := r.all(p, 0, 1<<20); !slices.EqualFunc(hs, []bool{false, false, true}, func(h batch.Header, control bool) bool { return h.Control() == control }) {
		t.Errorf("batches %+v", hs)
	}
}
