// Package blobtest is the contract of blob.Store as tests: every store passes it.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"weir/storage/blob"
)

// Run tests the stores that open returns, each empty.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	tests := []struct {
		name string
		fn   func(t *testing.T, s blob.Store)
	}{
		{"what is put is read", readAfterWrite},
		{"what is written in parts is read", writeInParts},
		{"ranges are read", ranges},
		{"of racing puts one wins", racingPuts},
		{"a committed object is not replaced", taken},
		{"nobody sees an object before its commit", uncommitted},
		{"abort leaves nothing", abort},
		{"a writer that ended does nothing", ended},
		{"list is sorted and keeps to its prefix", list},
		{"list can be stopped", listStops},
		{"list bears deletes", listWhileDeleting},
		{"delete is idempotent and spares open readers", deleting},
		{"a name can be put again after delete", again},
		{"neighbours come and go at once", neighbours},
		{"bad keys are refused", badKeys},
		{"a context that is done ends calls", done},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.fn(t, open(t)) })
	}
}

// Content returns n bytes that are nowhere the same within a few KiB.
func Content(n int) []byte {
	b := make([]byte, n)
	x := uint32(n + 1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// Read returns the whole object.
func Read(ctx context.Context, s blob.Store, key string) ([]byte, error) {
	o, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	b := make([]byte, o.Size())
	if n, err := o.ReadAt(b, 0); n < len(b) {
		return nil, err
	}
	return b, nil
}

// Keys returns what List yields.
func Keys(ctx context.Context, s blob.Store, prefix string) ([]string, error) {
	var keys []string
	for info, err := range s.List(ctx, prefix) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, info.Key)
	}
	return keys, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, s blob.Store, key string, want []byte) {
	t.Helper()
	got, err := Read(t.Context(), s, key)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %d other bytes than the %d written", key, len(got), len(want))
	}
}

func wantKeys(t *testing.T, s blob.Store, prefix string, want ...string) {
	t.Helper()
	got, err := Keys(t.Context(), s, prefix)
	must(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("list %q: %q, want %q", prefix, got, want)
	}
}

func sizes() []int {
	const mib = 1 << 20
	return []int{0, 1, 511, 4096, 4097, mib - 1, mib, mib + 1, mib + 4096, 3*mib + 5000}
}

func readAfterWrite(t *testing.T, s blob.Store) {
	for _, n := range sizes() {
		key := fmt.Sprintf("b/%d", n)
		must(t, s.Put(t.Context(), key, Content(n)))
		wantContent(t, s, key, Content(n))
	}
}

func writeInParts(t *testing.T, s blob.Store) {
	for _, n := range sizes() {
		for _, step := range []int{1000, 4096, 1 << 20, 5 << 20} {
			key := fmt.Sprintf("b/%d-%d", n, step)
			w, err := s.Create(t.Context(), key)
			must(t, err)
			for p := range slices.Chunk(Content(n), step) {
				if k, err := w.Write(p); err != nil || k != len(p) {
					t.Fatalf("wrote %d of %d: %v", k, len(p), err)
				}
			}
			must(t, w.Commit(t.Context()))
			wantContent(t, s, key, Content(n))
		}
	}
}

func ranges(t *testing.T, s blob.Store) {
	want := Content(2<<20 + 77)
	must(t, s.Put(t.Context(), "a", want))
	o, err := s.Open(t.Context(), "a")
	must(t, err)
	defer o.Close()
	if o.Size() != int64(len(want)) {
		t.Fatalf("size %d", o.Size())
	}
	o.WillNeed(0, o.Size())
	for _, r := range [][2]int{{0, 1}, {5, 1000}, {4095, 2}, {1<<20 - 1, 4097}, {len(want) - 1, 1}, {len(want), 0}} {
		p := make([]byte, r[1])
		if n, err := o.ReadAt(p, int64(r[0])); n != r[1] || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(p, want[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes at %d: read %d, %v", r[1], r[0], n, err)
		}
	}
	p := make([]byte, 100)
	if n, err := o.ReadAt(p, int64(len(want))-10); n != 10 || !errors.Is(err, io.EOF) {
		t.Errorf("across the end: %d, %v", n, err)
	}
	if n, err := o.ReadAt(p, int64(len(want))+10); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("beyond the end: %d, %v", n, err)
	}
}

func racingPuts(t *testing.T, s blob.Store) {
	const racers = 20
	for round, size := range []int{10, 2 << 20} {
		key := fmt.Sprintf("r/%d", round)
		errs := make([]error, racers)
		var wg sync.WaitGroup
		for i := range racers {
			wg.Go(func() { errs[i] = s.Put(t.Context(), key, bytes.Repeat([]byte{byte(i)}, size)) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("%d and %d both won", winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, blob.ErrExists):
				t.Fatal(err)
			}
		}
		if winner < 0 {
			t.Fatal("nobody won")
		}
		wantContent(t, s, key, bytes.Repeat([]byte{byte(winner)}, size))
	}
}

func taken(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "a")
	must(t, err)
	_, err = w.Write([]byte("second"))
	must(t, err)
	must(t, s.Put(t.Context(), "a", []byte("first")))
	if err := w.Commit(t.Context()); !errors.Is(err, blob.ErrExists) {
		t.Fatalf("commit under a taken name: %v", err)
	}
	wantContent(t, s, "a", []byte("first"))
	wantKeys(t, s, "", "a")
}

func uncommitted(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "a/b")
	must(t, err)
	defer w.Abort()
	_, err = w.Write(Content(3 << 20))
	must(t, err)
	if _, err := s.Open(t.Context(), "a/b"); !errors.Is(err, blob.ErrNotFound) {
		t.Fatalf("open before the commit: %v", err)
	}
	wantKeys(t, s, "")
}

func abort(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "a")
	must(t, err)
	_, err = w.Write(Content(3 << 20))
	must(t, err)
	w.Abort()
	w.Abort()
	if _, err := s.Open(t.Context(), "a"); !errors.Is(err, blob.ErrNotFound) {
		t.Fatalf("open after abort: %v", err)
	}
	wantKeys(t, s, "")
}

func ended(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "a")
	must(t, err)
	must(t, w.Commit(t.Context()))
	w.Abort()
	wantContent(t, s, "a", nil)
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("write after commit")
	}
	if err := w.Commit(t.Context()); err == nil {
		t.Error("commit after commit")
	}
}

func list(t *testing.T, s blob.Store) {
	keys := []string{"s/0a/1/x", "b/1", "a-b", "s/0a/10/x", "a/c", "a/b", "s/0a/1/y", "b/10", "a.x"}
	for _, key := range keys {
		must(t, s.Put(t.Context(), key, []byte(key)))
	}
	slices.Sort(keys)
	wantKeys(t, s, "", keys...)
	wantKeys(t, s, "a", "a-b", "a.x", "a/b", "a/c")
	wantKeys(t, s, "a/", "a/b", "a/c")
	wantKeys(t, s, "s/0a/1", "s/0a/1/x", "s/0a/1/y", "s/0a/10/x")
	wantKeys(t, s, "s/0a/1/", "s/0a/1/x", "s/0a/1/y")
	wantKeys(t, s, "b/1", "b/1", "b/10")
	wantKeys(t, s, "b/1/")
	wantKeys(t, s, "nothing/")
	wantKeys(t, s, "../")
	for _, key := range []string{"s", "s/0a", "s/0a/1", "a-b/c"} { // parts of keys, and what would lie below one
		if _, err := s.Open(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("open %s: %v", key, err)
		}
	}
	for info, err := range s.List(t.Context(), "") {
		must(t, err)
		if info.Size != int64(len(info.Key)) {
			t.Errorf("%s has %d bytes", info.Key, info.Size)
		}
	}
}

func listStops(t *testing.T, s blob.Store) {
	for i := range 10 {
		must(t, s.Put(t.Context(), fmt.Sprintf("%d/%d", i/3, i), nil))
	}
	n := 0
	for _, err := range s.List(t.Context(), "") {
		must(t, err)
		if n++; n == 4 {
			break
		}
	}
}

func listWhileDeleting(t *testing.T, s blob.Store) {
	for i := range 30 {
		must(t, s.Put(t.Context(), fmt.Sprintf("s/%02d/x", i), nil))
	}
	for info, err := range s.List(t.Context(), "") {
		must(t, err)
		must(t, s.Delete(t.Context(), info.Key))
	}
	wantKeys(t, s, "")
}

func deleting(t *testing.T, s blob.Store) {
	want := Content(100_000)
	must(t, s.Put(t.Context(), "s/1/x", want))
	must(t, s.Put(t.Context(), "s/2/x", want))
	o, err := s.Open(t.Context(), "s/1/x")
	must(t, err)
	defer o.Close()
	must(t, s.Delete(t.Context(), "s/1/x"))
	must(t, s.Delete(t.Context(), "s/1/x"))
	must(t, s.Delete(t.Context(), "s/never/x"))
	if _, err := s.Open(t.Context(), "s/1/x"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open after delete: %v", err)
	}
	got := make([]byte, len(want))
	if n, err := o.ReadAt(got, 0); n != len(want) || !bytes.Equal(got, want) {
		t.Errorf("reader of the deleted object: %d bytes, %v", n, err)
	}
	wantKeys(t, s, "", "s/2/x")
}

func again(t *testing.T, s blob.Store) {
	for i := range 5 {
		must(t, s.Put(t.Context(), "d/e/f/x", []byte{byte(i)}))
		wantContent(t, s, "d/e/f/x", []byte{byte(i)})
		must(t, s.Delete(t.Context(), "d/e/f/x"))
	}
}

func neighbours(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for round := range 25 {
				key := fmt.Sprintf("s/t/%d/%d-%d", round%2, i, round)
				if err := s.Put(t.Context(), key, []byte(key)); err != nil {
					t.Error(err)
					return
				}
				if got, err := Read(t.Context(), s, key); err != nil || string(got) != key {
					t.Errorf("%s: %q, %v", key, got, err)
				}
				if round%5 == 0 {
					continue
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := Keys(t.Context(), s, "s/")
	must(t, err)
	if len(got) != 8*5 {
		t.Errorf("%d objects are left of %d", len(got), 8*5)
	}
}

func badKeys(t *testing.T, s blob.Store) {
	for _, key := range []string{"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/./b", "A", "a b", "a\\b", "a:b", "ä", ".a", "a.", "tmp/x", "con", "s/nul.x", "com1"} {
		if err := s.Put(t.Context(), key, nil); err == nil {
			t.Errorf("put %q", key)
		}
		if _, err := s.Open(t.Context(), key); err == nil || errors.Is(err, blob.ErrNotFound) {
			t.Errorf("open %q: %v", key, err)
		}
		if err := s.Delete(t.Context(), key); err == nil {
			t.Errorf("delete %q", key)
		}
	}
	wantKeys(t, s, "")
}

func done(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "b")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	errs := map[string]error{"put": s.Put(ctx, "a", nil), "delete": s.Delete(ctx, "a"), "commit": w.Commit(ctx)}
	if w, err := s.Create(ctx, "a"); w != nil {
		t.Error("a writer beside an error")
	} else {
		errs["create"] = err
	}
	_, errs["open"] = s.Open(ctx, "a")
	_, errs["list"] = Keys(ctx, s, "")
	for what, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	wantKeys(t, s, "")
}
