package partition

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"weir/metadata"
	"weir/storage/batch"
	"weir/storage/stream"
)

func inTxn(pid int64, epoch int16, seq int32, n int) []byte {
	b := batch.NewBuilder()
	b.Transactional, b.ProducerID, b.ProducerEpoch, b.BaseSequence = true, pid, epoch, seq
	for range n {
		b.Add(1_700_000_000_000, nil, []byte("v"))
	}
	return b.Batch()
}

// join begins a transaction as a leader does that asked its coordinator.
func join(t *testing.T, p *Partition, b []byte) error {
	t.Helper()
	h, err := batch.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := p.Verify(h.ProducerID, h.ProducerEpoch)
	if err != nil {
		return err
	}
	ch := make(chan error, 1)
	if err := p.Append(Append{Batches: b, Guard: g}, func(_ Appended, err error) { ch <- err }); err != nil {
		return err
	}
	return <-ch
}

func mark(p *Partition, m Marker) error {
	ch := make(chan error, 1)
	if err := p.AppendMarker(m, func(_ Appended, err error) { ch <- err }); err != nil {
		return err
	}
	return <-ch
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestTransactionBeginsOnlyWhenItsCoordinatorWasAsked(t *testing.T) {
	r, _ := start(t, stream.Config{}, &memLog{})
	p := r.open(key(0), 1, nil)
	_, err := appendNow(p, inTxn(7, 0, 0, 2))
	wantErr(t, "without a guard", err, kerr.InvalidTxnState)
	g, needed, err := p.Verify(7, 0)
	if err != nil || !needed {
		t.Fatalf("verify: %v, %v", needed, err)
	}
	// The marker of an earlier transaction comes between the answer and the append.
	wantErr(t, "marker", mark(p, Marker{ProducerID: 7, ProducerEpoch: 0}), nil)
	wantErr(t, "with a guard that a marker took", p.Append(Append{Batches: inTxn(7, 0, 0, 2), Guard: g}, nil), kerr.InvalidTxnState)
	wantErr(t, "verified", join(t, p, inTxn(7, 0, 0, 2)), nil)
	if _, needed, _ := p.Verify(7, 0); needed {
		t.Error("the open transaction has to be verified again")
	}
	_, err = appendNow(p, inTxn(7, 0, 2, 1))
	wantErr(t, "the second batch", err, nil)
	if o := p.Offsets(); o.LastStable != 1 || o.HighWatermark != 4 {
		t.Errorf("offsets %+v", o)
	}
	wantErr(t, "commit", mark(p, Marker{ProducerID: 7, ProducerEpoch: 0, Commit: true}), nil)
	if o := p.Offsets(); o.LastStable != 5 {
		t.Errorf("offsets %+v", o)
	}
	_, err = appendNow(p, inTxn(7, 0, 3, 1))
	wantErr(t, "behind the marker", err, kerr.InvalidTxnState)
}

// Reliability design, P3, also behind a restart from the log.
func TestP3MarkerFencesOlderEpochs(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 1, nil)
	wantErr(t, "epoch 3", join(t, p, inTxn(7, 3, 0, 1)), nil)
	wantErr(t, "marker", mark(p, Marker{ProducerID: 7, ProducerEpoch: 4, Coordinator: 9, Bumped: true}), nil)
	check := func(p *Partition) {
		t.Helper()
		wantErr(t, "late data", join(t, p, inTxn(7, 3, 1, 1)), kerr.InvalidProducerEpoch)
		_, err := appendNow(p, idempotent(7, 3, 1, 1))
		wantErr(t, "late data outside of a transaction", err, kerr.InvalidProducerEpoch)
		wantErr(t, "late marker", mark(p, Marker{ProducerID: 7, ProducerEpoch: 3, Coordinator: 9}), kerr.InvalidProducerEpoch)
		wantErr(t, "marker of an older coordinator", mark(p, Marker{ProducerID: 7, ProducerEpoch: 4, Coordinator: 8}), kerr.TransactionCoordinatorFenced)
		wantErr(t, "the new epoch does not begin at 0", join(t, p, inTxn(7, 4, 1, 1)), kerr.OutOfOrderSequenceNumber)
		end := p.Offsets().HighWatermark
		wantErr(t, "the marker again", mark(p, Marker{ProducerID: 7, ProducerEpoch: 4, Coordinator: 9, Bumped: true}), nil)
		if got := p.Offsets().HighWatermark; got != end {
			t.Errorf("a marker was written twice: the log grew from %d to %d", end, got)
		}
	}
	check(p)
	r.stop()
	r2, state := start(t, stream.Config{}, &memLog{}, log)
	p2 := r2.open(key(0), 2, state[key(0).WAL()])
	check(p2)
	wantErr(t, "the new epoch", join(t, p2, inTxn(7, 4, 0, 1)), nil)
	// Reliability design, X2: a bumped marker that comes again behind the begin of the transaction whose epoch it has.
	wantErr(t, "the marker behind the next transaction's begin", mark(p2, Marker{ProducerID: 7, ProducerEpoch: 4, Coordinator: 9, Bumped: true}), kerr.InvalidProducerEpoch)
}

func TestOpenTransactionSurvivesARestart(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	p := r.open(key(0), 1, nil)
	r.mustAppend(p, records(2, 1, "before"))
	wantErr(t, "data", join(t, p, inTxn(7, 0, 0, 3)), nil)
	r.mustAppend(p, records(1, 1, "behind"))
	r.stop()
	r2, state := start(t, stream.Config{}, &memLog{}, log)
	p2 := r2.open(key(0), 2, state[key(0).WAL()])
	if o := p2.Offsets(); o.LastStable != 2 || o.HighWatermark != 6 {
		t.Errorf("offsets %+v", o)
	}
	if _, err := appendNow(p2, inTxn(7, 0, 3, 1)); err != nil {
		t.Errorf("the open transaction goes on: %v", err)
	}
	wantErr(t, "abort", mark(p2, Marker{ProducerID: 7, ProducerEpoch: 1, Coordinator: 1, Bumped: true}), nil)
	recs, err := p2.Read(t.Context(), ReadRequest{Offset: 0, MaxBytes: 1 << 20, Committed: true, ClientEpoch: metadata.LeaderEpoch(-1)})
	if err != nil {
		t.Fatal(err)
	}
	defer recs.Release()
	if len(recs.Aborted) != 1 || recs.Aborted[0] != (Aborted{ProducerID: 7, FirstOffset: 2}) || recs.Offsets.LastStable != 8 {
		t.Errorf("aborted %+v, offsets %+v", recs.Aborted, recs.Offsets)
	}
	ps := p2.ActiveProducers()
	if len(ps) != 1 || ps[0].Epoch != 1 || ps[0].FirstOffset != -1 || ps[0].LastSequence != -1 || ps[0].Coordinator != 1 {
		t.Errorf("producers %+v", ps)
	}
}
