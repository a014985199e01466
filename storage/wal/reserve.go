package wal

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// emptyPool removes the files that wait to be used again, for a disk that is nearly full, and reports whether there were any. After a crash they may be
// back: nothing is in them.
func (l *File) emptyPool() bool {
	if l.cfg.Pool == "" {
		return false
	}
	es, err := l.fs.ReadDir(l.cfg.Pool)
	if err != nil {
		return false // there is none; or what comes next fails as well, and says so
	}
	removed := false
	for _, e := range es {
		if !strings.HasSuffix(e.Name(), poolFile) {
			continue
		}
		err := l.fs.Remove(path.Join(l.cfg.Pool, e.Name()))
		switch {
		case err == nil:
			removed = true
		case !errors.Is(err, fs.ErrNotExist): // another log took it
			l.cfg.Log.Warn("leaving a journal file that nobody needs", "file", e.Name(), "err", err)
		}
	}
	return removed
}
