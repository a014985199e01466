package sim

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"weir/storage/disk"
)

// ErrCrashed is what a disk answers from a crash fault until Crash or Kill.
var ErrCrashed = errors.New("sim: the machine has crashed")

// Disk is a simulated disk with one file system. It is safe for concurrent use.
type Disk struct {
	// Tear lets a crash leave sectors that are half old and half new. Set it before use.
	Tear bool

	mu       sync.Mutex
	rng      *rand.Rand
	root     *dir
	locks    map[string]*lock
	life     int // counts crashes and kills; what was opened in an earlier life is dead
	crashed  bool
	plan     func(Op) Fault
	ops      int
	capacity int64 // 0: without end
	used     int64 // bytes of sectors that files have
	handles  map[*file]struct{}
}

var _ disk.FS = (*Disk)(nil)

// NewDisk returns an empty disk. The seed decides which bits Flip faults flip; Crash has a seed of its own.
func NewDisk(seed uint64) *Disk {
	return &Disk{rng: newRand(seed), root: newDir(), locks: map[string]*lock{}, handles: map[*file]struct{}{}}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x5eed)) }

// node is a *dir or an *inode.
type node any

type dir struct {
	synced  map[string]node
	entries map[string]node
	changed map[string][]node // since SyncDir: what each name stood for, in turn; nil if removed
}

func newDir() *dir {
	return &dir{synced: map[string]node{}, entries: map[string]node{}, changed: map[string][]node{}}
}

func (d *dir) set(name string, n node) {
	if n == nil {
		delete(d.entries, name)
	} else {
		d.entries[name] = n
	}
	d.changed[name] = append(d.changed[name], n)
}

// SetCapacity limits the bytes that files may take; 0 is no limit.
func (d *Disk) SetCapacity(bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = bytes
}

// Used returns the bytes that files take, in whole sectors.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Handles returns the names of the files that this life of the process has open, sorted.
func (d *Disk) Handles() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for f := range d.handles {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return names
}

// Kill ends the process that uses the disk: what it opened is closed, its locks are free, and what it wrote stays in the page cache.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reviveLocked()
}

// Crash ends the process and the machine. The seed decides what survives of all that was not synced.
func (d *Disk) Crash(seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rng := newRand(seed)
	c := &survival{rng: rng, tear: d.Tear}
	switch rng.IntN(4) {
	case 0: // all is lost
	case 1:
		c.keep = 1
	default:
		c.keep = rng.Float64()
	}
	d.used = 0
	c.dir(d.root, map[*inode]bool{}, &d.used)
	d.reviveLocked()
}

func (d *Disk) reviveLocked() {
	d.life++
	d.crashed = false
	clear(d.locks)
	clear(d.handles)
}

// survival decides what a crash leaves.
type survival struct {
	rng  *rand.Rand
	keep float64 // chance of a change to survive
	tear bool
}

// pick returns which of n versions survives, 0 being the synced one and n the newest.
func (c *survival) pick(n int) int {
	if c.rng.Float64() >= c.keep {
		return 0
	}
	if c.rng.IntN(4) > 0 {
		return n
	}
	return 1 + c.rng.IntN(n)
}

func (c *survival) dir(d *dir, seen map[*inode]bool, used *int64) {
	for _, name := range slices.Sorted(maps.Keys(d.changed)) { // sorted: the seed decides all
		versions := d.changed[name]
		if v := c.pick(len(versions)); v > 0 {
			if n := versions[v-1]; n == nil {
				delete(d.synced, name)
			} else {
				d.synced[name] = n
			}
		}
	}
	d.entries = maps.Clone(d.synced)
	clear(d.changed)
	for _, name := range slices.Sorted(maps.Keys(d.entries)) {
		switch n := d.entries[name].(type) {
		case *dir:
			c.dir(n, seen, used)
		case *inode:
			if seen[n] {
				n.links++
			} else {
				seen[n] = true
				n.links = 0
				c.inode(n)
				*used += n.used()
			}
		}
	}
}

// begin is called first in each operation. It returns the fault to play, and an error if there is no operation at all.
func (d *Disk) begin(op Op, life int) (Fault, error) {
	kind, name := op.Kind, op.Name
	d.mu.Lock()
	if life != d.life {
		d.mu.Unlock()
		return Fault{}, &fs.PathError{Op: kind.String(), Path: name, Err: fs.ErrClosed}
	}
	if d.crashed {
		d.mu.Unlock()
		return Fault{}, ErrCrashed
	}
	var f Fault
	d.ops++
	if d.plan != nil {
		op.N = d.ops
		f = d.plan(op)
	}
	switch f.Kind {
	case CrashBefore:
		d.crashed = true
	case Missing:
		if kind != Open && kind != Read && kind != List {
			f.Kind = None
		}
	}
	d.mu.Unlock()
	if f.Stall > 0 {
		time.Sleep(f.Stall)
	}
	switch f.Kind {
	case CrashBefore:
		return f, ErrCrashed
	case Missing:
		return f, &fs.PathError{Op: kind.String(), Path: name, Err: fs.ErrNotExist}
	case Fail:
		return f, &fs.PathError{Op: kind.String(), Path: name, Err: syscall.EIO}
	case NoSpace:
		if kind != Sync { // it has effects of its own
			return f, noSpace(kind, name)
		}
	}
	return f, nil
}

// end is called last in each operation that took effect.
func (d *Disk) endLocked(f Fault) error {
	if f.Kind == CrashAfter {
		d.crashed = true
		return ErrCrashed
	}
	return nil
}

func noSpace(kind Kind, name string) error {
	return fmt.Errorf("%w: %w", disk.ErrNoSpace, &fs.PathError{Op: kind.String(), Path: name, Err: syscall.ENOSPC})
}

// lookup returns the node at name and the directory it is, or would be, in.
func (d *Disk) lookupLocked(op, name string) (parent *dir, base string, n node, err error) {
	if !fs.ValidPath(name) {
		return nil, "", nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return nil, ".", d.root, nil
	}
	parent = d.root
	parts := strings.Split(name, "/")
	for _, p := range parts[:len(parts)-1] {
		next, ok := parent.entries[p].(*dir)
		if !ok {
			return nil, "", nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		parent = next
	}
	base = parts[len(parts)-1]
	return parent, base, parent.entries[base], nil
}

// Open implements disk.FS.
func (d *Disk) Open(name string, flag int, _ fs.FileMode) (disk.File, error) {
	fault, err := d.begin(Op{Kind: Open, Name: name}, d.now())
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	parent, base, n, err := d.lookupLocked("open", name)
	if err != nil {
		return nil, err
	}
	ino, isFile := n.(*inode)
	switch {
	case n != nil && !isFile:
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case n == nil && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case n != nil && flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case n == nil:
		ino = newInode()
		parent.set(base, ino)
	case flag&os.O_TRUNC != 0:
		d.used -= ino.truncate(0)
	}
	f := &file{d: d, ino: ino, name: name, life: d.life, writable: flag&(os.O_WRONLY|os.O_RDWR) != 0}
	if err := d.endLocked(fault); err != nil {
		return nil, err
	}
	d.handles[f] = struct{}{}
	return f, nil
}

func (d *Disk) now() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.life
}

// MkdirAll implements disk.FS.
func (d *Disk) MkdirAll(name string, perm fs.FileMode) error {
	if name == "." {
		return nil
	}
	if err := d.MkdirAll(path.Dir(name), perm); err != nil {
		return err
	}
	fault, err := d.begin(Op{Kind: Mkdir, Name: name}, d.now())
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	parent, base, n, err := d.lookupLocked("mkdir", name)
	if err != nil {
		return err
	}
	switch n.(type) {
	case nil:
		parent.set(base, newDir())
	case *dir:
	default:
		return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
	}
	return d.endLocked(fault)
}

// ReadDir implements disk.FS.
func (d *Disk) ReadDir(name string) ([]fs.DirEntry, error) {
	if _, err := d.begin(Op{Kind: List, Name: name}, d.now()); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _, n, err := d.lookupLocked("readdir", name)
	if err != nil {
		return nil, err
	}
	in, ok := n.(*dir)
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var out []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(in.entries)) {
		e := entry{name: name}
		switch n := in.entries[name].(type) {
		case *dir:
			e.isDir = true
		case *inode:
			e.size = int64(len(n.data))
		}
		out = append(out, e)
	}
	return out, nil
}

// entry is a name in a directory, and what it stood for when the directory was read.
type entry struct {
	name  string
	isDir bool
	size  int64
}

func (e entry) Name() string { return e.name }
func (e entry) IsDir() bool  { return e.isDir }
func (e entry) Type() fs.FileMode {
	if e.isDir {
		return fs.ModeDir
	}
	return 0
}
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) Size() int64                { return e.size }
func (e entry) Mode() fs.FileMode          { return e.Type() }
func (e entry) ModTime() time.Time         { return time.Time{} } // not kept
func (e entry) Sys() any                   { return nil }

// Rename implements disk.FS.
func (d *Disk) Rename(oldName, newName string) error {
	fault, err := d.begin(Op{Kind: Rename, Name: newName, Old: oldName}, d.now())
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	from, oldBase, n, err := d.lookupLocked("rename", oldName)
	if err != nil {
		return err
	}
	if n == nil {
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	}
	to, newBase, existing, err := d.lookupLocked("rename", newName)
	if err != nil {
		return err
	}
	if existing == n {
		return d.endLocked(fault) // two names of one file: POSIX has both stay
	}
	switch existing := existing.(type) {
	case *inode:
		if _, isDir := n.(*dir); isDir {
			return &fs.PathError{Op: "rename", Path: newName, Err: syscall.ENOTDIR}
		}
		d.unlinkLocked(existing)
	case *dir:
		if _, isDir := n.(*dir); !isDir {
			return &fs.PathError{Op: "rename", Path: newName, Err: syscall.EISDIR}
		}
		if len(existing.entries) > 0 {
			return &fs.PathError{Op: "rename", Path: newName, Err: syscall.ENOTEMPTY}
		}
	}
	from.set(oldBase, nil)
	to.set(newBase, n)
	return d.endLocked(fault)
}

// Link implements disk.FS.
func (d *Disk) Link(oldName, newName string) error {
	fault, err := d.begin(Op{Kind: Link, Name: newName, Old: oldName}, d.now())
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _, n, err := d.lookupLocked("link", oldName)
	if err != nil {
		return err
	}
	ino, isFile := n.(*inode)
	if !isFile {
		return &fs.PathError{Op: "link", Path: oldName, Err: fs.ErrNotExist}
	}
	to, newBase, existing, err := d.lookupLocked("link", newName)
	if err != nil {
		return err
	}
	if existing != nil {
		return &fs.PathError{Op: "link", Path: newName, Err: fs.ErrExist}
	}
	ino.links++
	to.set(newBase, ino)
	return d.endLocked(fault)
}

// Remove implements disk.FS.
func (d *Disk) Remove(name string) error {
	fault, err := d.begin(Op{Kind: Remove, Name: name}, d.now())
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	parent, base, n, err := d.lookupLocked("remove", name)
	if err != nil {
		return err
	}
	switch n := n.(type) {
	case nil:
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	case *inode:
		d.unlinkLocked(n)
	case *dir:
		if len(n.entries) > 0 {
			return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
		}
	}
	parent.set(base, nil)
	return d.endLocked(fault)
}

// unlinkLocked takes a name from n. Without one it takes no space any more, although who has it open may go on.
func (d *Disk) unlinkLocked(n *inode) {
	if n.links--; n.links < 0 {
		d.used -= n.used()
	}
}

// SyncDir implements disk.FS.
func (d *Disk) SyncDir(name string) error {
	fault, err := d.begin(Op{Kind: SyncDir, Name: name}, d.now())
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _, n, err := d.lookupLocked("sync", name)
	if err != nil {
		return err
	}
	in, ok := n.(*dir)
	if !ok {
		return &fs.PathError{Op: "sync", Path: name, Err: fs.ErrNotExist}
	}
	if fault.Kind != Lie {
		in.synced = maps.Clone(in.entries)
		clear(in.changed)
	}
	return d.endLocked(fault)
}

// Lock implements disk.FS.
func (d *Disk) Lock(name string) (io.Closer, error) {
	f, err := d.Open(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locks[name] != nil {
		delete(d.handles, f.(*file))
		return nil, fmt.Errorf("lock %s: %w", name, disk.ErrLocked)
	}
	l := &lock{d: d, name: name, File: f}
	d.locks[name] = l
	return l, nil
}

type lock struct {
	disk.File
	d    *Disk
	name string
}

func (l *lock) Close() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.d.locks[l.name] == l {
		delete(l.d.locks, l.name)
	}
	delete(l.d.handles, l.File.(*file))
	return nil
}

// Space implements disk.FS.
func (d *Disk) Space() (free, total int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.capacity == 0 {
		return 1 << 40, 1 << 40, nil
	}
	return max(d.capacity-d.used, 0), d.capacity, nil
}

// CheckLocal implements disk.FS.
func (d *Disk) CheckLocal() error { return nil }
