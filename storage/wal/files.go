package wal

import (
	"fmt"

	"weir/storage/disk"
)

// FileInfo is one file of a log.
type FileInfo struct {
	Seq   uint64
	Bytes int64 // that it takes on the disk
	// End is where its durable frames end, the seal's included. Of a file before the last of a recovered log it is the size of the file, which may
	// be more.
	End Position
}

// Files returns the log's files, oldest first, without one that is made ahead.
func (l *File) Files() []FileInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]FileInfo, 0, len(l.spans))
	for i, s := range l.spans {
		end := s.end
		if end == 0 {
			if end = s.made; i == len(l.spans)-1 {
				end = blockBytes // no frame yet
			}
		}
		out = append(out, FileInfo{Seq: s.seq, Bytes: s.bytesLocked(), End: Position{Seq: s.seq, Off: uint32(end)}})
	}
	return out
}

// Bytes is what the log takes on the disk, with the file that is made ahead.
func (l *File) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n int64
	for _, s := range l.spans {
		n += s.bytesLocked()
	}
	if l.next != nil {
		n += l.next.bytesLocked()
	}
	return n
}

// bytesLocked is what the file takes: it grows with its frames unless it was filled or used before.
func (s *span) bytesLocked() int64 { return max(s.made, s.end) }

// WillNeed asks the system to read the file ahead, for someone who is about to read all of it.
func (l *File) WillNeed(seq uint64) error { return l.advise(seq, disk.WillNeed) }

// DontNeed tells the system that the file need not stay in the page cache.
func (l *File) DontNeed(seq uint64) error { return l.advise(seq, disk.DontNeed) }

func (l *File) advise(seq uint64, a disk.Advice) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	s, end, err := l.acquire(seq)
	if err != nil {
		return fmt.Errorf("wal: advise: %w", err)
	}
	defer l.release(s)
	s.f.Advise(0, max(end, s.made), a)
	return nil
}
