//go:build unix

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes a flock. It belongs to the open file, so a second Lock in this process is refused too, and children do not inherit it
// (files are opened close-on-exec).
func lock(f *os.File) error {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return ErrLocked
		default:
			return err
		}
	}
}
