package wal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"weir/storage/disk"
)

const (
	lockName = "LOCK"
	tempName = "next.tmp"
	suffix   = ".wal"
	poolFile = ".free"

	fillBytes = 1 << 20 // zeros written at once
)

// Run makes the next file ahead of time, until ctx ends or the log is closed. It returns an error if the disk failed, and with it the log.
func (l *File) Run(ctx context.Context) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.quit:
			return nil
		case <-l.wake:
			if err := l.makeAhead(ctx); err != nil {
				return err
			}
		}
	}
}

// makeAhead makes the next file if there is none. A full disk is left for Append to find: space may be back by then.
func (l *File) makeAhead(ctx context.Context) error {
	select {
	case <-l.making:
	case <-ctx.Done():
		return nil
	case <-l.quit:
		return nil
	}
	defer func() { l.making <- struct{}{} }()
	l.mu.Lock()
	cur := l.spans[len(l.spans)-1]
	have := l.next != nil || l.failed != nil
	l.mu.Unlock()
	if have {
		return nil
	}
	s, err := l.makeSpan(cur.seq+1, true)
	switch {
	case errors.Is(err, ErrFull):
		l.cfg.Log.Warn("no space for the next journal file", "err", err)
		return nil
	case err != nil:
		return err
	}
	l.mu.Lock()
	l.next = s
	l.mu.Unlock()
	return nil
}

// roll goes on to the next file, which gets a frame of size bytes first. An error means that the current file is still the last.
func (l *File) roll(ctx context.Context, size int64) (*span, error) {
	l.hurry.Store(true)
	defer l.hurry.Store(false)
	select {
	case <-l.making:
	case <-ctx.Done():
		return nil, fmt.Errorf("wal: append to %s: %w", l.dir, ctx.Err())
	}
	defer func() { l.making <- struct{}{} }()
	l.mu.Lock()
	s := l.next
	cur := l.spans[len(l.spans)-1]
	failed := l.failed
	l.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	if l.cut {
		// The frame that was taken back must not reappear in front of frames in the next file.
		if err := cur.f.Datasync(); err != nil {
			return nil, l.fail(fmt.Errorf("sync %s: %w", cur.name, err))
		}
		l.cut = false
	}
	if s == nil {
		var err error
		if s, err = l.makeSpan(cur.seq+1, false); err != nil {
			return nil, err
		}
	}
	s.room = max(s.room, blockBytes+size)
	l.mu.Lock()
	l.next = nil
	l.spans = append(l.spans, s)
	l.mu.Unlock()
	clear(l.handles)
	return s, nil
}

// spanBytes is the size of file number seq.
func (l *File) spanBytes(seq uint64) int64 {
	size := l.cfg.FirstFileBytes
	for i := uint64(1); i < seq && size < l.cfg.FileBytes; i++ {
		size *= 4
	}
	return padded(min(size, l.cfg.FileBytes))
}

// makeSpan makes file number seq: header, zeros if fill says so, a durable name. Errors are ErrFull, after which nothing is left behind, or
// have failed the log. The caller holds l.making, or is Create.
func (l *File) makeSpan(seq uint64, fill bool) (*span, error) {
	s, err := l.tryMakeSpan(seq, fill)
	if err == nil {
		return s, nil
	}
	err = fmt.Errorf("make file %d of %s: %w", seq, l.dir, err)
	// The new file does not count until its name is durable, so any error before may be forgotten with it.
	var undone *undoneError
	if errors.As(err, &undone) && errors.Is(err, disk.ErrNoSpace) {
		if err := l.fs.Remove(path.Join(l.dir, tempName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.cfg.Log.Warn("leaving a temporary journal file", "err", err)
		}
		return nil, fmt.Errorf("wal: %w: %w", ErrFull, err)
	}
	return nil, l.fail(err)
}

// undoneError marks errors after which the new file surely has no name.
type undoneError struct{ err error }

func (e *undoneError) Error() string { return e.err.Error() }
func (e *undoneError) Unwrap() error { return e.err }

func (l *File) tryMakeSpan(seq uint64, fill bool) (_ *span, err error) {
	temp := path.Join(l.dir, tempName)
	size := l.spanBytes(seq)
	pooled := false
	if size == l.cfg.FileBytes {
		if pooled, err = l.takePooled(temp); err != nil {
			return nil, err
		}
	}
	flag := os.O_RDWR | os.O_CREATE
	if !pooled {
		flag |= os.O_TRUNC
	}
	f, err := l.fs.Open(temp, flag, 0o600)
	if err != nil {
		return nil, &undoneError{err}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	h := fileHeader{seq: seq, salt: l.cfg.Salt(), stream: l.cfg.Stream}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, &undoneError{err}
	}
	if fill && !pooled && !l.fast() && l.spares(size) {
		if err := l.fill(f, size); err != nil {
			return nil, &undoneError{err}
		}
	}
	if err := f.Datasync(); err != nil {
		return nil, &undoneError{err}
	}
	made, err := f.Size()
	if err != nil {
		return nil, &undoneError{err}
	}
	name := path.Join(l.dir, spanName(seq))
	if err := l.fs.Rename(temp, name); err != nil {
		return nil, &undoneError{err}
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return nil, err
	}
	return &span{f: f, name: name, seq: seq, of: newSalted(h.salt), room: size - blockBytes, made: made}, nil
}

// spares tells whether the reserve stays whole when size more bytes are taken.
func (l *File) spares(size int64) bool {
	free, _, err := l.fs.Space()
	return err == nil && free-size >= l.cfg.ReserveBytes
}

// fill writes zeros, so that frames will overwrite blocks that the file has already. It stops when Append needs the file.
func (l *File) fill(f disk.File, size int64) error {
	zeros := disk.AlignedBuffer(int(min(fillBytes, size-blockBytes)))
	for off := int64(blockBytes); off < size && !l.hurry.Load(); off += int64(len(zeros)) {
		select {
		case <-l.quit:
			return nil
		default:
		}
		if err := writeSync(f, zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

// fast reports whether the writer's frames are too large for zeros to pay off.
func (l *File) fast() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spans) == 0 {
		return false
	}
	cur := l.spans[len(l.spans)-1]
	return cur.end > l.cfg.fillBelow*cur.frames
}

// takePooled moves a file of the pool to name, if there is one. Its way out of the pool is durable before it is written to: after a crash
// the same file must not be in two places.
func (l *File) takePooled(name string) (bool, error) {
	if l.cfg.Pool == "" {
		return false, nil
	}
	es, err := l.fs.ReadDir(l.cfg.Pool)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, &undoneError{err}
	}
	for _, e := range es {
		if !strings.HasSuffix(e.Name(), poolFile) {
			continue
		}
		err := l.fs.Rename(path.Join(l.cfg.Pool, e.Name()), name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another log took it
		}
		if err != nil {
			return false, &undoneError{err}
		}
		if err := l.fs.SyncDir(l.cfg.Pool); err != nil {
			return false, err
		}
		return true, nil
	}
	return false, nil
}

// drop removes the file s, or puts it into the pool. The caller holds l.making, or is Recover; nobody reads s.
func (l *File) drop(s *span) error {
	size, err := s.f.Size()
	if err := errors.Join(err, s.f.Close()); err != nil {
		return err
	}
	keep := false
	if l.cfg.Pool != "" && size >= l.cfg.FileBytes/2 && size <= 2*l.cfg.FileBytes {
		if err := makeDir(l.fs, l.cfg.Pool); err != nil {
			return err
		}
		es, err := l.fs.ReadDir(l.cfg.Pool)
		if err != nil {
			return err
		}
		keep = len(es) < l.cfg.PoolFiles && l.spares(l.cfg.ReserveBytes)
	}
	if !keep {
		if err := l.fs.Remove(s.name); err != nil {
			return err
		}
		return l.fs.SyncDir(l.dir)
	}
	// By way of a name that nobody takes files from: its way out of here must be durable before it can be used again.
	leaving := path.Join(l.cfg.Pool, path.Base(l.dir)+"-"+path.Base(s.name))
	if err := l.fs.Rename(s.name, leaving); err != nil {
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	if err := l.fs.Rename(leaving, leaving+poolFile); errors.Is(err, fs.ErrNotExist) {
		return nil // swept by a Create
	} else if err != nil {
		return err
	}
	return l.fs.SyncDir(l.cfg.Pool)
}

// sweepPool removes what a crash left halfway into the pool.
func (l *File) sweepPool() error {
	if l.cfg.Pool == "" {
		return nil
	}
	es, err := l.fs.ReadDir(l.cfg.Pool)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("wal: list %s: %w", l.cfg.Pool, err)
	}
	for _, e := range es {
		if !strings.HasSuffix(e.Name(), poolFile) {
			// One that is gone has gone all the way: another log of this process was just dropping it.
			if err := l.fs.Remove(path.Join(l.cfg.Pool, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("wal: clean %s: %w", l.cfg.Pool, err)
			}
		}
	}
	return nil
}

// Trim drops whole files before the position's, oldest first, of a sealed log too. It stops at a file that is being read; a later call takes it.
// The last file stays: it is the one that is written to, or has the seal.
func (l *File) Trim(ctx context.Context, before Position) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	for {
		more, err := l.trimOne(ctx, before)
		if err != nil {
			return fmt.Errorf("wal: trim %s: %w", l.dir, err)
		}
		if !more {
			return nil
		}
	}
}

func (l *File) trimOne(ctx context.Context, before Position) (bool, error) {
	select {
	case <-l.making:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { l.making <- struct{}{} }()
	l.mu.Lock()
	if l.trimFailed != nil {
		l.mu.Unlock()
		return false, l.trimFailed
	}
	if len(l.spans) < 2 || l.spans[0].seq >= before.Seq || l.spans[0].readers > 0 {
		l.mu.Unlock()
		return false, nil
	}
	s := l.spans[0]
	l.spans = l.spans[1:]
	l.mu.Unlock()
	drop := l.drop
	if l.leaveToHolders(s) {
		drop = l.dropHeld
	}
	if err := drop(s); err != nil {
		l.mu.Lock()
		l.trimFailed = err
		l.mu.Unlock()
		return false, err
	}
	return true, nil
}

// makeDir makes dir, and its name and those of its parents durable.
func makeDir(fsys disk.FS, dir string) error {
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for dir != "." {
		dir = path.Dir(dir)
		if err := fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func spanName(seq uint64) string { return fmt.Sprintf("%016x%s", seq, suffix) }

type named struct {
	name string // within the FS
	seq  uint64
}

// list returns the log's files by number. Other files are not its business.
func (l *File) list() ([]named, error) {
	es, err := l.fs.ReadDir(l.dir)
	if err != nil {
		return nil, fmt.Errorf("wal: list %s: %w", l.dir, err)
	}
	var out []named
	for _, e := range es { // names of equal length: sorted by number
		hex, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || len(hex) != 16 {
			continue
		}
		seq, err := strconv.ParseUint(hex, 16, 64)
		if err != nil || seq == 0 || spanName(seq) != e.Name() {
			continue
		}
		out = append(out, named{path.Join(l.dir, e.Name()), seq})
	}
	return out, nil
}
