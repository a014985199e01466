package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"weir/storage/disk"
)

// Open implements Store.
func (s *FS) Open(ctx context.Context, key string) (Object, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", key, err)
	}
	f, err := s.fsys.Open(s.name(key), os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", key, found(err))
	}
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("blob: open %s: %w", key, errors.Join(found(err), f.Close()))
	}
	return &fsObject{f: f, size: size}, nil
}

// found makes ErrNotFound of the system's ways to say that there is no such file, but perhaps a directory, or an object where a directory would be.
func found(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTDIR) {
		return ErrNotFound
	}
	return err
}

// fsObject is an open file: what is deleted meanwhile stays readable.
type fsObject struct {
	f    disk.File
	size int64
}

func (o *fsObject) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }

func (o *fsObject) Size() int64 { return o.size }

func (o *fsObject) SendTo(c syscall.RawConn, off, n int64) (int64, error) {
	return o.f.SendTo(c, off, n)
}

func (o *fsObject) WillNeed(off, n int64) { o.f.Advise(off, n, disk.WillNeed) }

func (o *fsObject) Close() error { return o.f.Close() }
