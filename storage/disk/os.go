package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// OS returns the operating system's file system below the directory root, which must exist when files are opened.
// Names that leave root are refused.
func OS(root string) FS {
	return &osFS{root: root, vectors: &sync.Pool{New: func() any { return new(vector) }}, aios: &aios{}}
}

type osFS struct {
	root    string
	vectors *sync.Pool // of *vector, shared by the files
	aios    *aios
}

var _ FS = (*osFS)(nil)

func (o *osFS) path(op, name string) (string, error) {
	p, err := filepath.Localize(name)
	if err != nil {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(o.root, p), nil
}

func (o *osFS) Open(name string, flag int, perm fs.FileMode) (File, error) {
	p, err := o.path("open", name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p, flag, perm)
	if err != nil {
		return nil, mapped(err)
	}
	return &osFile{f: f, fd: f.Fd(), vectors: o.vectors, aios: o.aios}, nil
}

func (o *osFS) MkdirAll(name string, perm fs.FileMode) error {
	p, err := o.path("mkdir", name)
	if err != nil {
		return err
	}
	return mapped(os.MkdirAll(p, perm))
}

func (o *osFS) ReadDir(name string) ([]fs.DirEntry, error) {
	p, err := o.path("readdir", name)
	if err != nil {
		return nil, err
	}
	return os.ReadDir(p)
}

func (o *osFS) Rename(oldName, newName string) error {
	from, err := o.path("rename", oldName)
	if err != nil {
		return err
	}
	to, err := o.path("rename", newName)
	if err != nil {
		return err
	}
	return mapped(os.Rename(from, to))
}

func (o *osFS) Link(oldName, newName string) error {
	from, err := o.path("link", oldName)
	if err != nil {
		return err
	}
	to, err := o.path("link", newName)
	if err != nil {
		return err
	}
	return mapped(os.Link(from, to))
}

func (o *osFS) Remove(name string) error {
	p, err := o.path("remove", name)
	if err != nil {
		return err
	}
	return mapped(os.Remove(p))
}

func (o *osFS) SyncDir(name string) error {
	p, err := o.path("sync", name)
	if err != nil {
		return err
	}
	d, err := os.Open(p)
	if err != nil {
		return err
	}
	return mapped(errors.Join(d.Sync(), d.Close()))
}

func (o *osFS) Lock(name string) (io.Closer, error) {
	p, err := o.path("lock", name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(p, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, mapped(err)
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", p, err), f.Close())
	}
	return f, nil
}

func (o *osFS) Space() (free, total int64, err error) {
	free, total, err = space(o.root)
	if err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: o.root, Err: err}
	}
	return free, total, nil
}

func (o *osFS) CheckLocal() error {
	kind, err := networkKind(o.root)
	if err != nil {
		return &fs.PathError{Op: "statfs", Path: o.root, Err: err}
	}
	if kind != "" {
		return fmt.Errorf("%s is on %s: %w", o.root, kind, ErrNetwork)
	}
	return nil
}

type osFile struct {
	f       *os.File
	fd      uintptr // of f; valid until Close
	vectors *sync.Pool
	direct  direct
	aios    *aios
}

var (
	_ File         = (*osFile)(nil)
	_ DirectSyncer = (*osFile)(nil)
)

func (f *osFile) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.f.WriteAt(p, off)
	return n, mapped(err)
}

func (f *osFile) WritevAt(bufs [][]byte, off int64) (int, error) {
	n, err := f.writev(bufs, off)
	if err != nil {
		return n, mapped(&fs.PathError{Op: "pwritev", Path: f.f.Name(), Err: err})
	}
	return n, nil
}

func (f *osFile) Datasync() error {
	if err := f.datasync(); err != nil {
		return mapped(&fs.PathError{Op: "fdatasync", Path: f.f.Name(), Err: err})
	}
	return nil
}

func (f *osFile) Truncate(size int64) error { return mapped(f.f.Truncate(size)) }

func (f *osFile) Size() (int64, error) {
	st, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	if st.IsDir() {
		return 0, &fs.PathError{Op: "stat", Path: f.f.Name(), Err: syscall.EISDIR}
	}
	return st.Size(), nil
}

func (f *osFile) WriteDirect(p []byte, off int64) error {
	if err := f.writeDirect(p, off); err != nil {
		return mapped(&fs.PathError{Op: "pwrite", Path: f.f.Name(), Err: err})
	}
	return nil
}

func (f *osFile) Close() error { return mapped(errors.Join(f.direct.close(), f.f.Close())) }

// mapped puts ErrNoSpace beside the system's errors that mean it.
func mapped(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
