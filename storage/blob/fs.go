package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"weir/storage/disk"
)

// tempDir is the directory below the store's own where objects are until they are whole.
const tempDir = "tmp"

// createAttempts bounds how often a commit makes its directory again after Delete took it away.
const createAttempts = 16

// FS is a Store whose objects are files below a directory, named as the keys.
type FS struct {
	fsys disk.FS
	dir  string
	own  string // begins the names of this FS's temporary files
	made atomic.Uint64

	staging sync.Pool // of *[]byte of stagingBytes, aligned

	mu sync.Mutex
	// durable has the directories whose names are known to survive a power cut. A directory gets in only while there is an object in it, and is
	// taken out before an object in it is removed: so one that Delete removed and somebody made anew is never taken for the old one.
	durable map[string]struct{}
}

var _ Store = (*FS)(nil)

// NewFS returns the store in the directory dir of fsys. It does nothing yet: dir is made with the first object.
func NewFS(fsys disk.FS, dir string) *FS {
	s := &FS{fsys: fsys, dir: dir, own: fmt.Sprintf("%016x-", rand.Uint64()), durable: map[string]struct{}{}}
	s.staging.New = func() any {
		b := disk.AlignedBuffer(stagingBytes)
		return &b
	}
	return s
}

// Sweep removes what writers of earlier processes left behind. Whoever calls it knows that there is no other process, by a lock; writers of this FS go on.
func (s *FS) Sweep() error {
	temp := path.Join(s.dir, tempDir)
	es, err := s.fsys.ReadDir(temp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("blob: sweep: %w", err)
	}
	for _, e := range es {
		if e.IsDir() || strings.HasPrefix(e.Name(), s.own) {
			continue
		}
		if err := s.fsys.Remove(path.Join(temp, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("blob: sweep: %w", err)
		}
	}
	return nil
}

func (s *FS) name(key string) string { return path.Join(s.dir, key) }

// Create implements Store.
func (s *FS) Create(ctx context.Context, key string) (Writer, error) {
	w, err := s.create(ctx, key)
	if err != nil {
		return nil, err // not a Writer that holds nil
	}
	return w, nil
}

func (s *FS) create(ctx context.Context, key string) (*fsWriter, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("blob: create %s: %w", key, err)
	}
	w := &fsWriter{s: s, key: key, temp: path.Join(s.dir, tempDir, fmt.Sprintf("%s%d", s.own, s.made.Add(1)))}
	const flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	f, err := s.fsys.Open(w.temp, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.fsys.MkdirAll(path.Join(s.dir, tempDir), 0o700); err != nil {
			return nil, fmt.Errorf("blob: create %s: %w", key, err)
		}
		f, err = s.fsys.Open(w.temp, flags, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("blob: create %s: %w", key, err)
	}
	w.f = f
	return w, nil
}

// Put implements Store.
func (s *FS) Put(ctx context.Context, key string, data []byte) error {
	w, err := s.create(ctx, key)
	if err != nil {
		return err
	}
	defer w.Abort()
	if len(data) < directBytes { // as it is, without a buffer between
		if n, err := w.f.WriteAt(data, 0); err != nil {
			return fmt.Errorf("blob: write %s at byte %d: %w", key, n, err)
		}
		w.off = int64(len(data))
	} else if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Commit(ctx)
}

// publish gives the synced file temp the name of key. The name is durable when it returns nil.
func (s *FS) publish(temp, key string) error {
	name := s.name(key)
	parent := path.Dir(name)
	err := s.fsys.Link(temp, name)
	for try := 0; errors.Is(err, fs.ErrNotExist) && try < createAttempts; try++ {
		if err := s.fsys.MkdirAll(parent, 0o700); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err = s.fsys.Link(temp, name)
	}
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err != nil {
		return err
	}
	_ = s.fsys.Remove(temp) // it is swept if that fails
	if err := s.fsys.SyncDir(parent); err != nil {
		return err
	}
	// The directories can't go away now, there is something in them.
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if s.isDurable(dir) {
			continue
		}
		if err := s.fsys.SyncDir(path.Dir(dir)); err != nil {
			return err
		}
		s.mu.Lock()
		s.durable[dir] = struct{}{}
		s.mu.Unlock()
	}
	return nil
}

func (s *FS) isDurable(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.durable[dir]
	return ok
}

// Delete implements Store. Directories that become empty go with the object. It must not run at the same time as the commit of the same key.
func (s *FS) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("blob: delete %s: %w", key, err)
	}
	s.mu.Lock()
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		delete(s.durable, s.name(dir))
	}
	s.mu.Unlock()
	if err := s.fsys.Remove(s.name(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: delete %s: %w", key, err)
	}
	dir := path.Dir(key)
	for dir != "." && s.fsys.Remove(s.name(dir)) == nil { // fails while something is in it
		dir = path.Dir(dir)
	}
	return nil
}

// List implements Store.
func (s *FS) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		dir := "."
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i]
			if CheckKey(dir) != nil {
				return // nothing can have that prefix
			}
		}
		s.list(ctx, dir, prefix, yield)
	}
}

// list yields what lies below dir, and reports whether to go on.
func (s *FS) list(ctx context.Context, dir, prefix string, yield func(Info, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(Info{}, fmt.Errorf("blob: list %q: %w", prefix, err))
		return false
	}
	es, err := s.fsys.ReadDir(s.name(dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) { // of a prefix: there need not be anything
		return true
	}
	if err != nil {
		yield(Info{}, fmt.Errorf("blob: list %q: %w", prefix, err))
		return false
	}
	// A directory's keys come where its name with a slash would.
	order := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(es, func(a, b fs.DirEntry) int { return strings.Compare(order(a), order(b)) })
	for _, e := range es {
		key := path.Join(dir, e.Name())
		switch {
		case CheckKey(key) != nil: // not ours
		case e.IsDir():
			below := key + "/"
			if (strings.HasPrefix(below, prefix) || strings.HasPrefix(prefix, below)) && !s.list(ctx, key, prefix, yield) {
				return false
			}
		case strings.HasPrefix(key, prefix):
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				yield(Info{}, fmt.Errorf("blob: list %q: %w", prefix, err))
				return false
			}
			if !yield(Info{Key: key, Size: info.Size()}, nil) {
				return false
			}
		}
	}
	return true
}
