package wal

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"sync"
	"sync/atomic"

	"weir/storage/disk"
)

// Config of a log in files. The zero value of a field means its default.
type Config struct {
	Stream         string        // name of the stream, in every file's header, at most 256 bytes
	FileBytes      int64         // size of a file once they have grown; 128 MiB
	FirstFileBytes int64         // size of the first file; each further one is four times as large, up to FileBytes; 1 MiB
	Pool           string        // directory of files to use again, shared by the logs of one process; "" is none: files are removed
	PoolFiles      int           // files to keep in Pool; 4
	Salt           func() uint32 // random numbers, from crypto/rand
	Log            *slog.Logger  // nowhere
	// ReserveBytes is how much of the file system appends leave free: below it they fail with ErrFull. Entries without payload, sealing and new
	// streams may use it. 0 is none.
	ReserveBytes int64
	// AtLeast makes Recover refuse a log that ends before this position (reliability design, F6): one that the caller knows to have been
	// durable, because it wrote it down elsewhere.
	AtLeast Position
	// Trusted is a position that the caller has a published checkpoint for: an end that the log had once (File.End), or where an entry lies that was
	// durable. Recover refuses a log that does not begin in its file or before, or ends before it, and does not check the frames before it again.
	Trusted Position

	fillBelow  int64 // zero-fill files for a writer of smaller frames, on average; 64 KiB
	stageBytes int64 // memory to put them together in, of which larger ones take several turns; 4.5 MiB
}

func (c *Config) setDefaults() error {
	if len(c.Stream) > streamNameMax {
		return fmt.Errorf("wal: stream name of %d bytes, at most %d", len(c.Stream), streamNameMax)
	}
	if c.FileBytes == 0 {
		c.FileBytes = 128 << 20
	}
	if c.FirstFileBytes == 0 {
		c.FirstFileBytes = 1 << 20
	}
	c.FirstFileBytes = min(c.FirstFileBytes, c.FileBytes)
	if c.FirstFileBytes < 4*blockBytes || c.FileBytes > frameBytesMax {
		return fmt.Errorf("wal: files of %d to %d bytes: must be %d to %d", c.FirstFileBytes, c.FileBytes, 4*blockBytes, frameBytesMax)
	}
	if c.PoolFiles == 0 {
		c.PoolFiles = 4
	}
	if c.fillBelow == 0 {
		c.fillBelow = 64 << 10
	}
	if c.stageBytes == 0 {
		c.stageBytes = 4608 << 10
	}
	if c.Salt == nil {
		c.Salt = func() uint32 {
			var b [4]byte
			_, _ = rand.Read(b[:]) // never fails (Go 1.24)
			return binary.LittleEndian.Uint32(b[:])
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// File is a log in a directory of files. Create returns one to write, Recover one that is sealed.
type File struct {
	fs     disk.FS
	dir    string
	cfg    Config
	lock   io.Closer
	sealed bool

	// Of Append, which is called from one goroutine.
	appending atomic.Bool
	handles   map[Partition]uint32 // of the current file
	pos       uint64               // of the next frame
	headers   []byte               // all headers of a frame
	bufs      [][]byte             // what to write
	frame     frameHeader          // of it
	stage     []byte               // aligned, for direct writes; nil until one is made
	zeros     []byte               // blockBytes
	cut       bool                 // a frame without space was taken back, but that is not durable
	unchecked int64                // bytes that may be written until free space is looked at again
	full      bool                 // the last look found too little

	making chan struct{} // holds a token while nobody makes or drops files
	hurry  atomic.Bool   // Append waits for the token: stop filling
	wake   chan struct{} // asks Run for the next file
	quit   chan struct{} // closed by Close

	calls sync.WaitGroup // in flight; Add under mu while !closed

	mu     sync.Mutex
	spans  []*span // by seq; the last is written to
	next   *span   // made ahead
	failed error
	closed bool
	// trimFailed ends trimming until the next recovery: dropping a file behind one that stayed would leave a gap in the numbers.
	trimFailed error
}

var _ Log = (*File)(nil)

// span is one file of the log.
type span struct {
	f    disk.File
	name string
	seq  uint64
	of   salted

	room  int64 // frames but SEAL must end here
	made  int64 // size of the file when it was made or opened; blocks up to here were written before
	sized int64 // of Append: size of the file now, if that is more

	// Guarded by File.mu.
	end     int64 // end of the durable frames; 0: not known (of a recovered log, but its last file)
	frames  int64 // written
	readers int   // that Trim leaves the file to
	holds   int   // Held
	dropped bool  // by Trim or Close, while it was held: the last Release closes it
}

// Create starts the log of a new stream in dir of fs, which must not hold one. It returns when the first file is durable, some
// milliseconds. It fails with disk.ErrLocked if another process has the log, and with disk.ErrNetwork on a network file system.
// The log makes further files in Run, or, where nobody calls it, within Append.
func Create(fs disk.FS, dir string, cfg Config) (*File, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	if err := fs.CheckLocal(); err != nil {
		return nil, fmt.Errorf("wal: create %s: %w", dir, err)
	}
	if err := makeDir(fs, dir); err != nil {
		return nil, fmt.Errorf("wal: create %s: %w", dir, err)
	}
	l, err := newFile(fs, dir, cfg)
	if err != nil {
		return nil, err
	}
	names, err := l.list()
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("wal: create %s: the stream exists already (%s)", dir, path.Base(names[0].name))
	}
	if err == nil {
		err = l.sweepPool()
	}
	var s *span
	if err == nil {
		s, err = l.makeSpan(1, true)
	}
	if err != nil {
		return nil, errors.Join(err, l.lock.Close())
	}
	l.spans = []*span{s}
	return l, nil
}

// newFile takes the lock and returns a log without files.
func newFile(fs disk.FS, dir string, cfg Config) (*File, error) {
	lock, err := fs.Lock(path.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("wal: %s: %w", dir, err)
	}
	l := &File{
		fs: fs, dir: dir, cfg: cfg, lock: lock,
		handles: map[Partition]uint32{},
		zeros:   make([]byte, blockBytes),
		making:  make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
	}
	l.making <- struct{}{}
	return l, nil
}

// Append writes es as one frame with one write and one sync. Ctx is looked at before the write only. Entries of a type that cannot be appended
// and frames above 1 GiB are mistakes of the caller: they are refused, and the log goes on.
func (l *File) Append(ctx context.Context, es []Entry) error {
	if len(es) == 0 {
		return nil
	}
	if !l.appending.CompareAndSwap(false, true) {
		panic("wal: Append called concurrently")
	}
	defer l.appending.Store(false)
	if err := l.enter(); err != nil {
		return err
	}
	defer l.calls.Done()
	if l.sealed {
		return fmt.Errorf("wal: append to %s: %w", l.dir, ErrFenced)
	}
	l.mu.Lock()
	err := l.failed
	cur := l.spans[len(l.spans)-1]
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("wal: append to %s: %w", l.dir, err)
	}
	if err := l.checkSpace(); err != nil && (hasPayload(es) || !errors.Is(err, ErrFull)) {
		return fmt.Errorf("wal: append to %s: %w", l.dir, err)
	}
	off := max(cur.end, blockBytes) // only Append changes end
	size, binds, err := l.encode(es, cur, off)
	if err != nil {
		return err
	}
	if off+size > cur.room && off == blockBytes {
		cur.room = off + size // a frame larger than a file gets one of its own size
	}
	if off+size > cur.room {
		l.unbind(es, binds)
		if cur, err = l.roll(ctx, size); err != nil {
			return err
		}
		off = blockBytes
		if size, binds, err = l.encode(es, cur, off); err != nil {
			return err
		}
	}
	if err := l.write(cur, off, size); err != nil {
		l.unbind(es, binds)
		return err
	}
	l.pos += uint64(size)
	l.unchecked -= size
	l.mu.Lock()
	cur.frames++
	cur.end = off + size
	ahead := l.next != nil
	l.mu.Unlock()
	if !ahead && off+size > cur.room/2 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// spaceChecks is how often free space is looked at while a whole reserve is written, so that appends overrun it by little.
const spaceChecks = 16

// hasPayload tells entries that fill the disk from those that may help to empty it, as a log start does.
func hasPayload(es []Entry) bool {
	for i := range es {
		if len(es[i].Payload) > 0 {
			return true
		}
	}
	return false
}

// checkSpace keeps the reserve, which what shares the file system needs to go on: the metadata, sealing, the next start.
func (l *File) checkSpace() error {
	if l.cfg.ReserveBytes == 0 || l.unchecked > 0 {
		return nil
	}
	free, _, err := l.fs.Space()
	if err == nil && free < l.cfg.ReserveBytes && l.emptyPool() {
		free, _, err = l.fs.Space()
	}
	switch {
	case err != nil:
		return l.fail(err)
	case free < l.cfg.ReserveBytes:
		if !l.full {
			l.full = true
			l.cfg.Log.Warn("disk is nearly full: appends are refused until there is room", "free_bytes", free, "reserve_bytes", l.cfg.ReserveBytes)
		}
		return fmt.Errorf("%w: %d bytes are free, fewer than the %d that are kept", ErrFull, free, l.cfg.ReserveBytes)
	}
	if l.full {
		l.full = false
		l.cfg.Log.Info("disk has room again: appends are taken", "free_bytes", free)
	}
	l.unchecked = l.cfg.ReserveBytes / spaceChecks
	return nil
}

// encode fills l.bufs with the frame of es for offset off of cur, but for its header, and sets the entries' positions. It returns the frame's size
// and how many partitions it bound: unbind must take them back if the frame is not written.
func (l *File) encode(es []Entry, cur *span, off int64) (size int64, binds uint32, err error) {
	// No append below may move the headers, because bufs holds slices of them.
	if most := frameHeaderBytes + len(es)*(2*recordBytes+bindBytes); cap(l.headers) < most {
		l.headers = make([]byte, 0, most+most/2)
	}
	total := int64(frameHeaderBytes)
	for i := range es {
		if t := es[i].Type; !t.hasPartition() && t != Noop && (t != Seal || !l.sealed) {
			return 0, 0, fmt.Errorf("wal: append to %s: entry of type %d", l.dir, t)
		}
		total += recordBytes + int64(len(es[i].Payload))
		if total > frameBytesMax-int64(cap(l.headers)) {
			return 0, 0, fmt.Errorf("wal: append to %s: %d entries are larger than a frame may be", l.dir, len(es))
		}
	}
	hs := l.headers[:frameHeaderBytes]
	bufs := l.bufs[:0]
	start, payloads := 0, 0
	for i := range es {
		e := &es[i]
		var handle uint32
		if e.Type.hasPartition() {
			if handle = l.handles[e.Partition]; handle == 0 {
				handle = uint32(len(l.handles)) + 1
				l.handles[e.Partition] = handle
				hs = appendBind(hs, e.Partition, handle, e.LeaderEpoch)
				binds++
			}
		}
		hs = appendRecord(hs, e, handle, len(e.Payload))
		e.At = Position{Seq: cur.seq, Off: uint32(off) + uint32(len(hs)+payloads)}
		if len(e.Payload) > 0 {
			bufs = append(bufs, hs[start:], e.Payload)
			start = len(hs)
			payloads += len(e.Payload)
		}
	}
	if start < len(hs) {
		bufs = append(bufs, hs[start:])
	}
	l.frame = frameHeader{pos: l.pos, bodyLen: uint32(len(hs) - frameHeaderBytes + payloads), records: uint32(len(es)) + binds}
	if pad := l.frame.size() - frameHeaderBytes - int64(l.frame.bodyLen); pad > 0 {
		bufs = append(bufs, l.zeros[:pad])
	}
	l.bufs = bufs
	return l.frame.size(), binds, nil
}

// unbind takes back the last binds handles, which es bound.
func (l *File) unbind(es []Entry, binds uint32) {
	clear(l.bufs)
	if binds == 0 {
		return
	}
	keep := uint32(len(l.handles)) - binds
	for i := range es {
		if l.handles[es[i].Partition] > keep {
			delete(l.handles, es[i].Partition)
		}
	}
}

// fail makes err, wrapped in ErrFailed, the answer to this and all further appends.
func (l *File) fail(err error) error {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
	return err
}

// End is the durable end of the log: all entries lie before it. Of a sealed log it is the position of the seal, so it never changes again.
func (l *File) End() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spans) == 0 {
		return Position{}
	}
	s := l.spans[len(l.spans)-1]
	if s.end == 0 && len(l.spans) > 1 {
		s = l.spans[len(l.spans)-2] // a recovery ignores a file without frames
	}
	end := max(s.end, blockBytes)
	if l.sealed {
		end -= blockBytes // the seal's frame
	}
	return Position{Seq: s.seq, Off: uint32(end)}
}

// enter counts a call in flight; the caller must call l.calls.Done.
func (l *File) enter() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("wal: %s: %w", l.dir, ErrClosed)
	}
	l.calls.Add(1)
	return nil
}

// Close waits for calls in flight, Run among them, and releases the files and the lock. It does not seal the log. Iterations of Read count as
// in flight until they end. A second Close does nothing.
func (l *File) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.quit)
	l.mu.Unlock()
	l.calls.Wait()
	var errs []error
	for _, s := range l.spans {
		if !l.leaveToHolders(s) {
			errs = append(errs, s.f.Close())
		}
	}
	if l.next != nil {
		errs = append(errs, l.next.f.Close())
	}
	if err := errors.Join(append(errs, l.lock.Close())...); err != nil {
		return fmt.Errorf("wal: close %s: %w", l.dir, err)
	}
	return nil
}
