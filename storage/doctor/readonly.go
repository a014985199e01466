package doctor

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"weir/storage/disk"
)

// readOnly is a file system that refuses to change.
type readOnly struct{ disk.FS }

func refused(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("the examination changes nothing: %w", fs.ErrPermission)}
}

func (r readOnly) Open(name string, flag int, perm fs.FileMode) (disk.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) != 0 {
		return nil, refused("open for writing", name)
	}
	return r.FS.Open(name, flag, perm)
}

func (r readOnly) MkdirAll(name string, _ fs.FileMode) error { return refused("mkdir", name) }
func (r readOnly) Rename(_, newName string) error            { return refused("rename", newName) }
func (r readOnly) Link(_, newName string) error              { return refused("link", newName) }
func (r readOnly) Remove(name string) error                  { return refused("remove", name) }
func (r readOnly) SyncDir(name string) error                 { return refused("sync", name) }
func (r readOnly) Lock(name string) (io.Closer, error)       { return nil, refused("lock", name) }
