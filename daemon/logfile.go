package daemon

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

// Rotation of logs: a file of at most logBytesMax, and logFilesMax earlier ones: name.1 is the newest.
const (
	logBytesMax = 10 << 20
	logFilesMax = 3
)

// logFile is an io.Writer that rotates. A log that cannot be written must not stop what is logged: then lines are lost, and counted.
type logFile struct {
	path string

	mu   sync.Mutex
	f    *os.File
	size int64
	lost int64
}

func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	if err := l.openLocked(); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return l, nil
}

func (l *logFile) openLocked() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Write never fails.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil && l.size > 0 && l.size+int64(len(p)) > logBytesMax {
		_ = l.f.Close()
		l.f = nil
		for i := logFilesMax; i > 1; i-- {
			_ = os.Rename(l.path+"."+strconv.Itoa(i-1), l.path+"."+strconv.Itoa(i))
		}
		_ = os.Rename(l.path, l.path+".1")
	}
	if l.f == nil && l.openLocked() != nil {
		l.lost++
		return len(p), nil
	}
	if l.lost > 0 {
		note := fmt.Appendf(nil, "level=WARN msg=\"log lines were lost\" lines=%d\n", l.lost)
		if n, err := l.f.Write(note); err == nil {
			l.size += int64(n)
			l.lost = 0
		}
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	if err != nil {
		l.lost++
	}
	return len(p), nil
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}
