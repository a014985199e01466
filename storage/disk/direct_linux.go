package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// direct is a second descriptor of a file, opened when it is first needed, whose writes go past the page cache. It may do what the first may. Only
// files that are written so have one: the journal's present file and objects that are being made, not what is read.
type direct struct {
	once sync.Once
	f    *os.File // nil: the file system cannot
	fd   uintptr  // of f
}

func (d *direct) close() error {
	if d.f == nil {
		return nil
	}
	return d.f.Close()
}

func (f *osFile) writeDirect(p []byte, off int64) error {
	if d := f.openDirect(); d != nil {
		_, err := d.WriteAt(p, off)
		if !errors.Is(err, unix.EINVAL) { // a file system that takes the flag and not the write (tmpfs), or a coarser alignment
			return err
		}
	}
	_, err := f.f.WriteAt(p, off)
	return err
}

// openDirect returns the second descriptor, nil if there is none to be had: direct writes then go through the page cache.
func (f *osFile) openDirect() *os.File {
	d := &f.direct
	d.once.Do(func() {
		flags, err := unix.FcntlInt(f.fd, unix.F_GETFL, 0)
		if err != nil {
			return
		}
		// By way of the descriptor: the file may have been renamed since it was opened.
		o, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.fd), flags&unix.O_ACCMODE|unix.O_DIRECT, 0)
		if err == nil {
			d.f, d.fd = o, o.Fd()
		}
	})
	return d.f
}

// SendTo is sendfile: the file's own position is not used, so any number of calls may run at once.
func (f *osFile) SendTo(c syscall.RawConn, off, n int64) (int64, error) {
	sent := int64(0)
	var failed error
	err := c.Write(func(fd uintptr) bool {
		for sent < n {
			at := off + sent
			k, err := unix.Sendfile(int(fd), int(f.fd), &at, int(min(n-sent, 1<<30)))
			switch {
			case err == unix.EINTR:
				continue
			case err == unix.EAGAIN:
				return false
			case err == nil && k == 0:
				failed = io.ErrUnexpectedEOF
				return true
			case (err == unix.EINVAL || err == unix.ENOSYS) && sent == 0:
				failed = errors.ErrUnsupported
				return true
			case err != nil:
				failed = os.NewSyscallError("sendfile", err)
				return true
			}
			sent += int64(k)
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return sent, err
}

func (f *osFile) Advise(off, n int64, a Advice) {
	advice := unix.FADV_WILLNEED
	if a == DontNeed {
		advice = unix.FADV_DONTNEED
	}
	_ = unix.Fadvise(int(f.fd), off, n, advice) // a hint
}
