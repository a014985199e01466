package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"

	"weir/storage/blob"
)

// memStore keeps objects in memory.
type memStore struct {
	mu      sync.Mutex
	objects map[string][]byte
	fail    error // of Commit
}

func newMemStore() *memStore { return &memStore{objects: map[string][]byte{}} }

func (m *memStore) clone() *memStore {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memStore{objects: maps.Clone(m.objects)}
}

func (m *memStore) Create(_ context.Context, key string) (blob.Writer, error) {
	return &memWriter{m: m, key: key}, nil
}

func (m *memStore) Put(ctx context.Context, key string, data []byte) error {
	w := &memWriter{m: m, key: key}
	_, _ = w.Write(data)
	return w.Commit(ctx)
}

func (m *memStore) Open(_ context.Context, key string) (blob.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[key]
	if !ok {
		return nil, blob.ErrNotFound
	}
	return memObject{bytes.NewReader(b)}, nil
}

func (m *memStore) List(_ context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		m.mu.Lock()
		keys := slices.Sorted(maps.Keys(m.objects))
		m.mu.Unlock()
		for _, k := range keys {
			if strings.HasPrefix(k, prefix) && !yield(blob.Info{Key: k}, nil) {
				return
			}
		}
	}
}

func (m *memStore) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

type memWriter struct {
	m    *memStore
	key  string
	buf  bytes.Buffer
	done bool
}

func (w *memWriter) Write(p []byte) (int, error) { return w.buf.Write(p) }
func (w *memWriter) Abort()                      { w.done = true }

func (w *memWriter) Commit(context.Context) error {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	switch {
	case w.done:
		return errors.New("ended twice")
	case w.m.fail != nil:
		return w.m.fail
	case w.m.objects[w.key] != nil:
		return blob.ErrExists
	}
	w.done = true
	w.m.objects[w.key] = w.buf.Bytes()
	return nil
}

type memObject struct{ *bytes.Reader }

func (o memObject) Size() int64 { return o.Reader.Size() }
func (o memObject) SendTo(syscall.RawConn, int64, int64) (int64, error) {
	return 0, errors.ErrUnsupported
}
func (o memObject) WillNeed(int64, int64) {}
func (o memObject) Close() error          { return nil }

var _ io.ReaderAt = memObject{}
