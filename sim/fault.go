package sim

import (
	"fmt"
	"time"
)

// Kind is a kind of operation.
type Kind uint8

// The kinds.
const (
	Open Kind = iota
	Read
	Write
	Truncate
	Sync
	Mkdir
	List
	Rename
	Remove
	SyncDir
	Link
)

func (k Kind) String() string {
	names := [...]string{"open", "read", "write", "truncate", "sync", "mkdir", "list", "rename", "remove", "syncdir", "link"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("operation %d", uint8(k))
}

// Op is an operation that is about to happen.
type Op struct {
	Kind Kind
	Name string // of a rename or link the new one; of what is done to an open file, the one it was opened by
	Old  string // of a rename or link
	N    int    // counts the operations of the disk, from 1
}

// FaultKind says what goes wrong with an operation.
type FaultKind uint8

// The faults. What makes no sense for an operation does nothing.
const (
	None        FaultKind = iota
	CrashBefore           // the machine stops before the operation; see Disk.Crash
	CrashAfter            // the machine stops before the operation returns
	Fail                  // EIO, nothing happens
	NoSpace               // ENOSPC, nothing happens; of a sync: as LoseSync
	Short                 // of a write: half of it happens, then ENOSPC
	LoseSync              // of a sync: EIO; what was to be synced stays readable, but a later sync takes it for clean and a crash loses it
	Lie                   // of a sync: nothing happens, and no error either
	Flip                  // of a read: one bit is wrong, this time
	Missing               // of an open, read or list: fs.ErrNotExist
)

// Fault is what happens to an operation.
type Fault struct {
	Kind  FaultKind
	Stall time.Duration // to wait before anything else
}

// Plan has fn called for each operation, from the goroutine that does it, one at a time. Nil ends it.
func (d *Disk) Plan(fn func(Op) Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan = fn
}

// Ops returns how many operations there were.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}
