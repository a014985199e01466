package tier_test

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"weir/storage/blob"
)

// The steps of the engine run at the same time in a broker. Here they run inside of each other: whenever one of them calls the store, the journal or
// the metadata, another may take place first, or the call fails. That finds what concurrency can do, and a seed repeats it.

// errHiccup is an error of the store that passes.
var errHiccup = errors.New("the store has a hiccup")

// interrupt does something else in the middle of a step, and says whether the call fails.
func (l *life) interrupt() error {
	w := l.w
	if !w.interleave || w.crashed.Load() || l.engine == nil {
		return nil
	}
	if w.rng.IntN(60) == 0 {
		return errHiccup
	}
	if l.depth >= 2 || w.rng.IntN(10) > 0 {
		return nil
	}
	kinds := []opKind{opProduce, opProduce, opRetry, opDeleteRecords, opCheckpoint, opCheckpoint, opCollect, opCollect, opRetain, opFlush, opPromote, opMerge, opRead}
	for range 1 + w.rng.IntN(4) {
		o := op{kinds[w.rng.IntN(len(kinds))], w.rng.IntN(1 << 20), w.rng.IntN(1 << 20), w.rng.IntN(1 << 20)}
		if l.active[turnOf(o.kind)] {
			continue
		}
		if w.trace {
			w.t.Logf("    in between: %v", o)
		}
		if err := l.do(o); err != nil && !w.crashed.Load() && !errors.Is(err, errPublish) && !errors.Is(err, errHiccup) {
			w.t.Errorf("in between: %v: %v", o.kind, err)
		}
	}
	return nil
}

// turnOf names what cannot be done twice at a time.
func turnOf(k opKind) string {
	switch k {
	case opFlush, opPromote, opMerge:
		return "moving"
	case opProduce, opRetry, opDeleteRecords, opRead:
		return ""
	default:
		return k.String()
	}
}

// nosyStore calls interrupt before each call, and behind those that change something.
type nosyStore struct {
	blob.Store
	l *life
}

func (s nosyStore) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := s.l.interrupt(); err != nil {
		return nil, err
	}
	w, err := s.Store.Create(ctx, key)
	return nosyWriter{w, s.l}, err
}

func (s nosyStore) Put(ctx context.Context, key string, data []byte) error {
	if err := s.l.interrupt(); err != nil {
		return err
	}
	if err := s.Store.Put(ctx, key, data); err != nil {
		return err
	}
	return s.l.interrupt()
}

func (s nosyStore) Open(ctx context.Context, key string) (blob.Object, error) {
	if err := s.l.interrupt(); err != nil {
		return nil, err
	}
	return s.Store.Open(ctx, key)
}

func (s nosyStore) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for info, err := range s.Store.List(ctx, prefix) {
			if err == nil {
				err = s.l.interrupt()
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func (s nosyStore) Delete(ctx context.Context, key string) error {
	if err := s.l.interrupt(); err != nil {
		return err
	}
	return s.Store.Delete(ctx, key)
}

type nosyWriter struct {
	blob.Writer
	l *life
}

func (w nosyWriter) Write(p []byte) (int, error) {
	if err := w.l.interrupt(); err != nil {
		return 0, err
	}
	if w.l.damage && len(p) > 500 {
		w.l.damage = false
		p = bytes.Clone(p)
		p[len(p)/2] ^= 1
	}
	return w.Writer.Write(p)
}

func (w nosyWriter) Commit(ctx context.Context) error {
	if err := w.l.interrupt(); err != nil {
		return err
	}
	if err := w.Writer.Commit(ctx); err != nil {
		return err
	}
	return w.l.interrupt()
}
