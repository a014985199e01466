package sim

import (
	"io/fs"
)

// What tests do to a disk behind the back of the process that uses it: nobody's plan sees it, and it survives a crash.

// Lose removes the file or directory, with all in it. Who has it open may go on.
func (d *Disk) Lose(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	parent, base, n, err := d.lookupLocked("lose", name)
	if err != nil {
		return err
	}
	if n == nil || parent == nil {
		return &fs.PathError{Op: "lose", Path: name, Err: fs.ErrNotExist}
	}
	d.loseLocked(n)
	delete(parent.entries, base)
	delete(parent.synced, base)
	delete(parent.changed, base)
	return nil
}

func (d *Disk) loseLocked(n node) {
	switch n := n.(type) {
	case *inode:
		d.unlinkLocked(n)
	case *dir:
		for _, below := range n.entries {
			d.loseLocked(below)
		}
	}
}

// Damage flips the bits of mask in the byte at off of the file, on the medium and in the page cache.
func (d *Disk) Damage(name string, off int64, mask byte) error {
	return d.meddle(name, func(b []byte) ([]byte, error) {
		if off < 0 || off >= int64(len(b)) {
			return nil, &fs.PathError{Op: "damage", Path: name, Err: fs.ErrInvalid}
		}
		b[off] ^= mask
		return b, nil
	})
}

// Cut shortens the file to size, as a file system may that lost its end.
func (d *Disk) Cut(name string, size int64) error {
	return d.meddle(name, func(b []byte) ([]byte, error) {
		if size < 0 || size > int64(len(b)) {
			return nil, &fs.PathError{Op: "cut", Path: name, Err: fs.ErrInvalid}
		}
		return b[:size], nil
	})
}

// meddle gives the file the content that fn makes of it, as if it had been written and synced.
func (d *Disk) meddle(name string, fn func([]byte) ([]byte, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _, n, err := d.lookupLocked("meddle", name)
	if err != nil {
		return err
	}
	ino, isFile := n.(*inode)
	if !isFile {
		return &fs.PathError{Op: "meddle", Path: name, Err: fs.ErrNotExist}
	}
	b, err := fn(append([]byte(nil), ino.data...))
	if err != nil {
		return err
	}
	if cut := int64(len(ino.data)) - int64(len(b)); cut > 0 {
		d.used -= ino.truncate(int64(len(b)))
	}
	ino.data, ino.synced = b, append([]byte(nil), b...)
	ino.clean()
	return nil
}
