package coordinator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Walk reads over a record in one of Kafka's flexible versions before it is decoded: the generated decoders believe the number of tagged fields, and go
// round as often as a damaged record says. It allocates nothing. Once something is missing, all further calls do nothing, and End tells.
type Walk struct {
	b   []byte
	bad bool
}

var errWalk = errors.New("coordinator: a length in the record is beyond its end")

// NewWalk walks over b.
func NewWalk(b []byte) *Walk { return &Walk{b: b} }

// Skip passes n bytes.
func (w *Walk) Skip(n int) {
	if n > len(w.b) {
		w.bad, w.b = true, nil
		return
	}
	w.b = w.b[n:]
}

// Compact passes a compact string or compact bytes, which may be null.
func (w *Walk) Compact() {
	if n := w.uvarint(); n > 0 {
		w.Skip(n - 1)
	}
}

// Array returns how many elements a compact array has; each takes at least size bytes.
func (w *Walk) Array(size int) int {
	n := w.uvarint()
	if n == 0 {
		return 0
	}
	if n-1 > len(w.b)/size {
		w.bad, w.b = true, nil
		return 0
	}
	return n - 1
}

// Tags passes tagged fields.
func (w *Walk) Tags() {
	for n := w.uvarint(); n > 0 && !w.bad; n-- {
		w.uvarint()
		w.Skip(w.uvarint())
	}
}

// End says whether the walk ended where the record does.
func (w *Walk) End() error {
	switch {
	case w.bad:
		return errWalk
	case len(w.b) > 0:
		return fmt.Errorf("%w: %d bytes are left", errWalk, len(w.b))
	}
	return nil
}

func (w *Walk) uvarint() int {
	v, n := binary.Uvarint(w.b)
	if n <= 0 || v > math.MaxInt32 {
		w.bad, w.b = true, nil
		return 0
	}
	w.b = w.b[n:]
	return int(v)
}
