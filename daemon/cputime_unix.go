//go:build unix

package daemon

import (
	"syscall"
	"time"
)

// processTime is how long this process has kept processors busy.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
