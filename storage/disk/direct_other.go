//go:build !linux

package disk

import (
	"errors"
	"syscall"
)

type direct struct{}

func (d *direct) close() error { return nil }

func (f *osFile) writeDirect(p []byte, off int64) error {
	_, err := f.f.WriteAt(p, off)
	return err
}

// aios is not built for this system.
type aios struct{}

// WriteDirectSync implements DirectSyncer.
func (f *osFile) WriteDirectSync(p []byte, off int64) error {
	if err := f.WriteDirect(p, off); err != nil {
		return err
	}
	return f.Datasync()
}

// SendTo is not built for this system.
func (f *osFile) SendTo(syscall.RawConn, int64, int64) (int64, error) {
	return 0, errors.ErrUnsupported
}

// Advise does nothing on this system.
func (f *osFile) Advise(int64, int64, Advice) {}
