package wal

import (
	"fmt"
	"sync/atomic"
	"syscall"
)

// Held is a file of the log whose payloads are read, or sent to connections, for as long as its reader takes: neither Trim nor Close wait for it. It
// is safe for concurrent use.
type Held struct {
	l        *File
	s        *span
	released atomic.Bool
}

// Hold returns the file seq, until Release. It fails with ErrTrimmed if the file was dropped.
func (l *File) Hold(seq uint64) (*Held, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.calls.Done()
	s, _, err := l.acquire(seq)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	s.readers--
	s.holds++
	l.mu.Unlock()
	return &Held{l: l, s: s}, nil
}

// ReadAt reads payload bytes, which must be durable. It does not check them.
func (h *Held) ReadAt(p []byte, off int64) (int, error) {
	n, err := h.s.f.ReadAt(p, off)
	if err != nil {
		err = fmt.Errorf("wal: read %d bytes of %s at %d: %w", len(p), h.s.name, off, err)
	}
	return n, err
}

// SendTo is disk.File.SendTo for durable payload bytes.
func (h *Held) SendTo(c syscall.RawConn, off, n int64) (int64, error) {
	return h.s.f.SendTo(c, off, n)
}

// Release ends the use of the file. A second call does nothing.
func (h *Held) Release() {
	if h.released.Swap(true) {
		return
	}
	h.l.mu.Lock()
	h.s.holds--
	last := h.s.holds == 0 && h.s.dropped
	h.l.mu.Unlock()
	if last {
		_ = h.s.f.Close() // it was read only, by now
	}
}

// leaveToHolders lets the last holder close s, if there is one.
func (l *File) leaveToHolders(s *span) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.dropped = s.holds > 0
	return s.dropped
}

// dropHeld removes the name of a file that is still held. Its space is free once the last holder releases it.
func (l *File) dropHeld(s *span) error {
	if err := l.fs.Remove(s.name); err != nil {
		return err
	}
	return l.fs.SyncDir(l.dir)
}
