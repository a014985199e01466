package partition

import (
	"testing"

	"weir/storage/stream"
	"weir/storage/wal"
)

// A disk that is full refuses data and takes ADOPT, which came before it: whoever retries then waits for an append that is under way, not for the refused one.
func TestRetriesBehindAFullDiskAreAnswered(t *testing.T) {
	log := &memLog{}
	r, _ := start(t, stream.Config{}, log)
	other := r.open(key(1), 0, nil)
	r.mustAppend(other, records(1, 1, "v"))

	// ADOPT and data in one commit: they wait behind another one.
	steps, next := make(chan int), make(chan struct{})
	n := 0
	log.setFault(func(es []wal.Entry) error {
		n++
		steps <- n
		<-next
		if n == 2 {
			return wal.ErrFull
		}
		return nil
	})
	first, _ := appendAsync(other, records(1, 1, "v"))
	<-steps
	p := r.open(key(0), 1, nil)
	refused, err := appendAsync(p, idempotent(7, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	next <- struct{}{}
	<-steps // ADOPT and data
	next <- struct{}{}
	<-steps // ADOPT alone; the data have their answer
	if got := <-refused; got.err == nil {
		t.Fatal("appended to a full disk")
	}
	again, err := appendAsync(p, idempotent(7, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	next <- struct{}{}
	<-steps // what was sent again
	impatient, err := appendAsync(p, idempotent(7, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	log.setFault(nil)
	next <- struct{}{}
	<-first
	a, b := <-again, <-impatient
	if a.err != nil || b.err != nil || b.BaseOffset != a.BaseOffset || !b.Duplicate {
		t.Errorf("%+v, %+v", a, b)
	}
}
