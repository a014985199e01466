package stream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"weir/storage/wal"
)

// Logs numbers the files of all the streams a broker reads from, its own and its older ones, so that an extent can name its file
// in four bytes. Numbers are given in the order of the journals, go into checkpoints as they are, and are never given again: a later incarnation
// restores those that its checkpoint names, and goes on behind them. It is safe for concurrent use; reading takes no lock.
type Logs struct {
	mu       sync.Mutex // orders writers
	names    map[wal.Log]string
	numbers  map[place]uint32 // of the files that have one
	released map[wal.Partition]Mark

	files  atomic.Pointer[numbered]
	newest atomic.Int64
}

// numbered is a version of the list of files. It is not modified, but that files are appended behind what anyone looks at.
type numbered struct {
	first uint32 // number of files[0]
	files []file
}

// file is one file; the zero value is one that was forgotten, or never known here.
type file struct {
	place
	stream string
}

type place struct {
	log wal.Log
	seq uint64
}

func (n *numbered) next() uint32 { return n.first + uint32(len(n.files)) }

// get returns the file of a number, if it is known.
func (n *numbered) get(number uint32) (file, bool) {
	if number < n.first || number >= n.next() {
		return file{}, false
	}
	f := n.files[number-n.first]
	return f, f.log != nil
}

// NewLogs returns an empty Logs.
func NewLogs() *Logs {
	l := &Logs{names: make(map[wal.Log]string), numbers: make(map[place]uint32), released: make(map[wal.Partition]Mark)}
	l.files.Store(&numbered{})
	return l
}

// Name says which stream log is. It comes before the first Number of the log. Checkpoints need it; who takes none may do without.
func (l *Logs) Name(log wal.Log, stream string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names[log] = stream
}

// Restore takes over the numbers that c names, so that its extents can be read and numbering goes on behind it. It comes before everything else but
// Name, and fails for a file whose stream was not named.
func (l *Logs) Restore(c *Checkpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	byName := make(map[string]wal.Log, len(l.names))
	for log, name := range l.names {
		byName[name] = log
	}
	n := &numbered{first: c.NextFile}
	for _, f := range c.Files {
		n.first = min(n.first, f.Number)
	}
	n.files = make([]file, c.NextFile-n.first)
	for _, f := range c.Files {
		log, ok := byName[f.Stream]
		if !ok {
			return fmt.Errorf("stream: the checkpoint needs file %d of stream %s, which is not there: %w", f.Seq, f.Stream, wal.ErrCorrupt)
		}
		at := place{log, f.Seq}
		n.files[f.Number-n.first] = file{at, f.Stream}
		l.numbers[at] = f.Number
	}
	l.files.Store(n)
	l.newest.Store(c.NewestMs)
	return nil
}

// Number returns the number of the file seq of log, a new one, larger than all before, if it has none. New files come in order.
func (l *Logs) Number(log wal.Log, seq uint64) uint32 {
	at := place{log, seq}
	if n := l.files.Load(); len(n.files) > 0 && n.files[len(n.files)-1].place == at {
		return n.next() - 1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if number, ok := l.numbers[at]; ok {
		return number
	}
	n := l.files.Load()
	number := n.next()
	l.numbers[at] = number
	grown := append(n.files, file{at, l.names[log]}) //nolint:gocritic // readers of the shorter slice never look at what lies behind it
	l.files.Store(&numbered{first: n.first, files: grown})
	return number
}

// Forget forgets all files that come before a mark and are not among needed. Reading them fails with wal.ErrTrimmed from then on.
func (l *Logs) Forget(before Mark, needed []JournalFile) {
	keep := make(map[uint32]bool, len(needed))
	for _, f := range needed {
		keep[f.Number] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.files.Load()
	n := &numbered{first: old.first, files: slices.Clone(old.files)}
	for i := range n.files {
		if number := n.first + uint32(i); number < before.File && !keep[number] {
			delete(l.numbers, n.files[i].place)
			n.files[i] = file{}
		}
	}
	for len(n.files) > 0 && n.files[0].log == nil {
		n.first++
		n.files = n.files[1:]
	}
	l.files.Store(n)
}

// Drop forgets the name of a log that is closed.
func (l *Logs) Drop(log wal.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.names, log)
}

// File says what a number stands for; false if nobody knows any more.
func (l *Logs) File(number uint32) (JournalFile, bool) {
	f, ok := l.files.Load().get(number)
	return JournalFile{Number: number, Stream: f.stream, Seq: f.seq}, ok
}

// known returns all files that were not forgotten.
func (l *Logs) known() []JournalFile {
	n := l.files.Load()
	var all []JournalFile
	for i, f := range n.files {
		if f.log != nil {
			all = append(all, JournalFile{Number: n.first + uint32(i), Stream: f.stream, Seq: f.seq})
		}
	}
	return all
}

// Find is Number of a file that has one; it gives none.
func (l *Logs) Find(log wal.Log, seq uint64) (uint32, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.numbers[place{log, seq}]
	return n, ok
}

// WillNeed tells that all of a file will be read soon. It is a hint.
func (l *Logs) WillNeed(number uint32) {
	if f, ok := l.files.Load().get(number); ok {
		if a, ok := f.log.(interface{ WillNeed(seq uint64) error }); ok {
			_ = a.WillNeed(f.seq)
		}
	}
}

// NewestMs is the largest time of an append that was ever seen here, Unix milliseconds.
func (l *Logs) NewestMs() int64 { return l.newest.Load() }

// note notes the time of an append. It has one caller at a time.
func (l *Logs) note(ms int64) {
	if ms > l.newest.Load() {
		l.newest.Store(ms)
	}
}

// next is the number that the next new file gets.
func (l *Logs) next() uint32 { return l.files.Load().next() }

// ReadAt fills p with the payload bytes from off on in the numbered file. It fails with wal.ErrTrimmed if the file was forgotten: whoever asks must
// look again where the data are.
func (l *Logs) ReadAt(ctx context.Context, p []byte, number, off uint32) error {
	n := l.files.Load()
	f, ok := n.get(number)
	switch {
	case ok:
		return f.log.ReadAt(ctx, p, wal.Position{Seq: f.seq, Off: off})
	case number >= n.next():
		return fmt.Errorf("stream: read journal file number %d of %d: %w", number, n.next(), wal.ErrCorrupt)
	default:
		return fmt.Errorf("stream: read journal file number %d: %w", number, wal.ErrTrimmed)
	}
}

// Forever is a mark behind all others.
const forever = 1<<32 - 1

// Forever is a mark behind everything that a partition may still have in the journals.
func Forever() Mark { return Mark{forever, forever} }

// Release says that the state of a partition is not needed any more, up to a mark: its entries before that mean nothing. Checkpoints leave it out from
// then on. It comes before the partition is closed.
func (l *Logs) Release(p wal.Partition, upTo Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released[p] = upTo
}

// takeReleased returns what was released since the last call.
func (l *Logs) takeReleased() map[wal.Partition]Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.released) == 0 {
		return nil
	}
	released := l.released
	l.released = make(map[wal.Partition]Mark)
	return released
}
