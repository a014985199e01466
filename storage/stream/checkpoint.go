package stream

import (
	"context"
	"iter"

	"weir/storage/blob"
	"weir/storage/wal"
)

// Checkpoint is what a broker's streams say of all its partitions, as of a mark: whoever has it replays what follows instead of everything.
// It is fuzzy: a partition may be ahead of From, up to its own Applied.
type Checkpoint struct {
	Number     uint64 // of the stream that wrote it, from 1
	Stream     string // that stream
	From       Mark   // replay begins here
	Files      []JournalFile
	Partitions State
	Released   map[wal.Partition]Mark // partitions that left since the last base: entries up to the mark are of no use
}

// JournalFile says which file of which stream a number of Logs stands for. A checkpoint has those that its extents and From name.
type JournalFile struct {
	Number uint32
	Stream string
	Seq    uint64
}

// Pointer names a checkpoint. Whoever publishes it makes it the one that the next incarnation begins with.
type Pointer struct {
	Number uint64
	From   wal.Position // in the stream that wrote it: the journal must reach up to here (reliability design, F6), and is not replayed before
}

// Viewer is a partition whose state a checkpoint takes.
type Viewer interface {
	Name() wal.Partition
	// View calls fn with the state under the partition's lock; false if the partition is not led here any more.
	View(fn func(*PartitionState)) bool
}

// Checkpoints writes the checkpoints of one stream, one at a time: a base with all partitions, then deltas with those that changed, and a base again
// when the deltas got many or large. It is used by one goroutine.
type Checkpoints struct{}

// NewCheckpoints continues after last, the checkpoint that this incarnation began with, nil if there was none. The first one taken is a base.
func NewCheckpoints(store blob.Store, stream string, logs *Logs, last *Checkpoint) *Checkpoints {
	panic("not built yet")
}

// Take writes the next checkpoint. From must be a mark that every entry queued later lies behind, taken before the call. It returns what to
// publish once it is durable. A failed Take leaves the previous one current.
func (c *Checkpoints) Take(ctx context.Context, from Mark, parts iter.Seq[Viewer]) (Pointer, error) {
	panic("not built yet")
}

// Published notes that p is current, and says which objects (older checkpoints and manifests) nobody needs any more, and the journal files that the
// checkpoint names: all others that lie before From may go.
func (c *Checkpoints) Published(p Pointer) (garbage []string, needed []JournalFile) {
	panic("not built yet")
}

// Load reads the checkpoint of a stream that p names, with all that it builds on, checking every byte.
func Load(ctx context.Context, store blob.Store, stream string, p Pointer) (*Checkpoint, error) {
	panic("not built yet")
}
