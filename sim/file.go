package sim

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"syscall"
	"unsafe"

	"weir/storage/disk"
)

// SectorBytes is the unit that survives a crash or not.
const SectorBytes = 512

// inode is the content of a file, as the page cache has it and as the medium has it.
type inode struct {
	data    []byte
	synced  []byte
	changed map[int64][][]byte // since the last sync: versions of a sector, in turn
	sizes   []int64            // since the last sync
	has     []bool             // sectors that take space
	links   int                // names beyond the first
}

func newInode() *inode { return &inode{changed: map[int64][][]byte{}} }

func (n *inode) used() int64 {
	var used int64
	for _, h := range n.has {
		if h {
			used += SectorBytes
		}
	}
	return used
}

// write puts p at off, as far as free bytes reach, and returns how much of p that was and what it took.
func (n *inode) write(p []byte, off, free int64) (wrote int, took int64) {
	n.data = slices.Grow(n.data, max(int(off)+len(p)-len(n.data), 0))
	for wrote < len(p) {
		at := off + int64(wrote)
		sector := at / SectorBytes
		for int64(len(n.has)) <= sector {
			n.has = append(n.has, false)
		}
		if !n.has[sector] {
			if took+SectorBytes > free {
				break
			}
			took += SectorBytes
			n.has[sector] = true
		}
		part := p[wrote:min(len(p), wrote+int((sector+1)*SectorBytes-at))]
		if end := at + int64(len(part)); end > int64(len(n.data)) {
			old := len(n.data)
			n.data = n.data[:end]
			clear(n.data[old:])
			n.sizes = append(n.sizes, end)
		}
		copy(n.data[at:], part)
		n.note(sector)
		wrote += len(part)
	}
	return wrote, took
}

// note records the present content of a sector as a version.
func (n *inode) note(sector int64) {
	v := make([]byte, SectorBytes)
	if start := sector * SectorBytes; start < int64(len(n.data)) {
		copy(v, n.data[start:])
	}
	n.changed[sector] = append(n.changed[sector], v)
}

// truncate sets the size and returns the space that is given back.
func (n *inode) truncate(size int64) (freed int64) {
	old := int64(len(n.data))
	if size > old {
		n.data = append(n.data, make([]byte, size-old)...)
	} else {
		n.data = n.data[:size:size]
		for s := size / SectorBytes; s*SectorBytes < old; s++ {
			n.note(s)
			if s*SectorBytes >= size && s < int64(len(n.has)) && n.has[s] {
				n.has[s] = false
				freed += SectorBytes
			}
		}
	}
	n.sizes = append(n.sizes, size)
	return freed
}

// sync brings the changes to the medium: only those, because what a sync lost before is clean and stays lost.
func (n *inode) sync() {
	if len(n.sizes) > 0 {
		n.synced = resize(n.synced, len(n.data))
	}
	for s := range n.changed {
		if start := int(s) * SectorBytes; start < len(n.data) {
			end := min(start+SectorBytes, len(n.data))
			if end > len(n.synced) {
				n.synced = resize(n.synced, end)
			}
			copy(n.synced[start:end], n.data[start:end])
		}
	}
	n.clean()
}

// resize cuts b to n bytes or appends zeros.
func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return b[:n:n]
	}
	return append(b, make([]byte, n-len(b))...)
}

func (n *inode) clean() {
	clear(n.changed)
	n.sizes = nil
}

// inode lets part of what was not synced survive.
func (c *survival) inode(n *inode) {
	out := slices.Clone(n.synced)
	size := int64(len(out))
	if len(n.sizes) > 0 {
		if v := c.pick(len(n.sizes)); v > 0 {
			size = n.sizes[v-1]
		}
	}
	for _, s := range slices.Sorted(maps.Keys(n.changed)) {
		versions := n.changed[s]
		v := c.pick(len(versions))
		if v == 0 {
			continue
		}
		kept := versions[v-1]
		end := (s + 1) * SectorBytes
		if end > int64(len(out)) {
			out = append(out, make([]byte, end-int64(len(out)))...)
		}
		if c.tear && c.rng.IntN(8) == 0 {
			kept = kept[:c.rng.IntN(SectorBytes)]
		}
		copy(out[s*SectorBytes:], kept)
	}
	if size > int64(len(out)) {
		out = append(out, make([]byte, size-int64(len(out)))...)
	}
	n.data, n.synced = slices.Clone(out[:size]), out[:size]
	n.clean()
	n.has = n.has[:0]
	for range (size + SectorBytes - 1) / SectorBytes {
		n.has = append(n.has, true)
	}
}

// file is an open file.
type file struct {
	d        *Disk
	ino      *inode
	name     string
	life     int
	writable bool
	closed   bool // of d.mu
}

var _ disk.File = (*file)(nil)

// begin is Disk.begin of something that is done to the file.
func (f *file) begin(kind Kind) (Fault, error) {
	f.d.mu.Lock()
	closed := f.closed
	f.d.mu.Unlock()
	if closed {
		return Fault{}, &fs.PathError{Op: kind.String(), Path: f.name, Err: fs.ErrClosed}
	}
	return f.d.begin(Op{Kind: kind, Name: f.name}, f.life)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	fault, err := f.begin(Read)
	if err != nil {
		return 0, err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	n := 0
	if off < int64(len(f.ino.data)) {
		n = copy(p, f.ino.data[off:])
	}
	if fault.Kind == Flip && n > 0 {
		p[f.d.rng.IntN(n)] ^= 1 << f.d.rng.IntN(8)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, f.d.endLocked(fault)
}

func (f *file) WriteAt(p []byte, off int64) (int, error) { return f.WritevAt([][]byte{p}, off) }

func (f *file) WritevAt(bufs [][]byte, off int64) (int, error) {
	p := slices.Concat(bufs...)
	fault, err := f.begin(Write)
	if err != nil {
		return 0, err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if !f.writable || off < 0 {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.EBADF}
	}
	free := int64(1) << 62
	if f.d.capacity > 0 {
		free = f.d.capacity - f.d.used
	}
	all := len(p)
	if fault.Kind == Short {
		p = p[:len(p)/2]
	}
	n, took := f.ino.write(p, off, free)
	if f.ino.links >= 0 {
		f.d.used += took
	}
	if err := f.d.endLocked(fault); err != nil {
		return n, err
	}
	if n < all {
		return n, noSpace(Write, f.name)
	}
	return n, nil
}

// WriteDirect implements disk.File. What goes past the page cache is no safer before a sync: the medium has a cache of its own.
func (f *file) WriteDirect(p []byte, off int64) error {
	if start := uintptr(unsafe.Pointer(unsafe.SliceData(p))); (int64(start)|int64(len(p))|off)%disk.DirectAlign != 0 {
		return &fs.PathError{Op: "write", Path: f.name, Err: syscall.EINVAL}
	}
	_, err := f.WriteAt(p, off)
	return err
}

// WriteDirectSync implements disk.DirectSyncer: a write and a sync, each with a fault of its own.
func (f *file) WriteDirectSync(p []byte, off int64) error {
	if err := f.WriteDirect(p, off); err != nil {
		return err
	}
	return f.Datasync()
}

// SendTo implements disk.File.
func (f *file) SendTo(syscall.RawConn, int64, int64) (int64, error) { return 0, errors.ErrUnsupported }

// Advise implements disk.File.
func (f *file) Advise(int64, int64, disk.Advice) {}

func (f *file) Datasync() error {
	fault, err := f.begin(Sync)
	if err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	switch fault.Kind {
	case LoseSync:
		f.ino.clean()
		return &fs.PathError{Op: "sync", Path: f.name, Err: syscall.EIO}
	case NoSpace:
		f.ino.clean()
		return noSpace(Sync, f.name)
	case Lie:
	default:
		f.ino.sync()
	}
	return f.d.endLocked(fault)
}

func (f *file) Truncate(size int64) error {
	fault, err := f.begin(Truncate)
	if err != nil {
		return err
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if !f.writable || size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	if freed := f.ino.truncate(size); f.ino.links >= 0 {
		f.d.used -= freed
	}
	return f.d.endLocked(fault)
}

func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.closed || f.life != f.d.life {
		return 0, &fs.PathError{Op: "size", Path: f.name, Err: fs.ErrClosed}
	}
	return int64(len(f.ino.data)), nil
}

func (f *file) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	delete(f.d.handles, f)
	return nil
}
