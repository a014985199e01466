package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"weir/storage/blob"
	"weir/storage/segment"
	"weir/storage/wal"
)

var (
	// ErrCorrupt means that a checkpoint or a manifest is not what was written. Nothing of it is used.
	ErrCorrupt = errors.New("stream: corrupt")
	// ErrNewer means that a checkpoint or a manifest was written by a newer version, in a way that this one must not guess at.
	ErrNewer = errors.New("stream: written by a newer version")
)

// Checkpoint is what a broker's streams say of all its partitions, as of a mark: whoever has it replays what follows instead of everything.
// It is fuzzy: a partition may be ahead of From, up to its own Applied.
type Checkpoint struct {
	Number     uint64 // of the stream that wrote it, from 1
	Stream     string // that stream
	From       Mark   // replay begins here
	NextFile   uint32 // number for the next file that has none
	NewestMs   int64  // largest time of an append before it, Unix milliseconds
	Files      []JournalFile
	Partitions State
	Released   map[wal.Partition]Mark // partitions that left: entries up to the mark are of no use

	manifests map[wal.Partition]*manifest
}

// JournalFile says which file of which stream a number of Logs stands for. A checkpoint has those that its extents and From name, and all later ones.
type JournalFile struct {
	Number uint32
	Stream string
	Seq    uint64
}

// Apply takes the next entry that follows From. One that the checkpoint has already is passed over.
func (c *Checkpoint) Apply(e *wal.Entry, number uint32) error {
	if len(c.Released) > 0 && c.Partitions[e.Partition] == nil {
		if upTo, ok := c.Released[e.Partition]; ok && !upTo.Before(Mark{File: number, Off: e.At.Off}) {
			return nil
		}
	}
	return c.Partitions.Apply(e, number)
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
// when the deltas got many or large. It is used by one goroutine. Checkpoints and manifests in the store are this broker's alone.
type Checkpoints struct {
	store  blob.Store
	stream string
	logs   *Logs

	number    uint64   // of the newest that was begun
	chain     []uint64 // what the next delta builds on, the base first
	sizes     [2]int64 // bytes of the base, and of the deltas
	rebase    bool     // the next one must be a base
	known     map[wal.Partition]*known
	refs      map[uint32]int // how many partitions have data in a journal file
	released  map[wal.Partition]*departure
	obsolete  []object
	inherited bool  // what was left by earlier incarnations is in obsolete
	taken     taken // the newest

	round uint64
	files []uint32 // scratch
	ids   []int64  // scratch
	out   output
}

// known is what the newest checkpoint, with all that it builds on, has of a partition.
type known struct {
	changes  uint64
	round    uint64
	files    []uint32
	manifest *manifest
}

// departure is a partition that left.
type departure struct {
	upTo    Mark
	written bool // is in the chain
	takes   int  // that were begun since the partition was seen last
}

// object is garbage when a checkpoint was published.
type object struct {
	key string
	by  uint64 // number of that checkpoint, or a later one
}

type taken struct {
	number uint64
	files  []JournalFile
}

const (
	deltasMax   = 16       // on one base
	deltasBytes = 64 << 10 // that they may always take, however small the base is
	// departureTakes is how many checkpoints have a tombstone at least whose mark is Forever. What was queued before one of them was begun lies before
	// the mark of the one after the next.
	departureTakes = 3
)

// NewCheckpoints continues after last, the checkpoint that this incarnation began with, nil if there was none. The first one taken is a base.
func NewCheckpoints(store blob.Store, stream string, logs *Logs, last *Checkpoint) *Checkpoints {
	c := &Checkpoints{
		store: store, stream: stream, logs: logs, rebase: true,
		known: make(map[wal.Partition]*known), refs: make(map[uint32]int), released: make(map[wal.Partition]*departure),
	}
	if last == nil {
		return c
	}
	for p, m := range last.manifests {
		c.known[p] = &known{manifest: m}
	}
	return c
}

func checkpointKey(stream string, number uint64) string {
	return fmt.Sprintf("%s%s/%020d", CheckpointPrefix, stream, number)
}

// CheckpointPrefix and ManifestPrefix begin the names of all checkpoints, and of all manifests, in the blob store.
const (
	CheckpointPrefix = "c/"
	ManifestPrefix   = "m/"
)

// Take writes the next checkpoint. From must be a mark that every entry queued later lies behind, and that all before it were applied, taken before the
// call and after the one before returned: Stream.Mark. Parts must have every partition of the checkpoint before that was not released (Logs.Release).
// Take returns what to publish once it is durable. A failed Take leaves the previous one current.
func (c *Checkpoints) Take(ctx context.Context, from Mark, parts iter.Seq[Viewer]) (Pointer, error) {
	at, ok := c.logs.File(from.File)
	if !ok || at.Stream != c.stream {
		return Pointer{}, fmt.Errorf("stream: checkpoint of %s from %v: no such file of the stream (it is %q)", c.stream, from, at.Stream)
	}
	p := Pointer{Number: c.number + 1, From: wal.Position{Seq: at.Seq, Off: from.Off}}
	if err := c.take(ctx, p, from, parts); err != nil {
		c.rebase = true // what is noted as written may not be
		c.obsolete = append(c.obsolete, object{checkpointKey(c.stream, p.Number), p.Number + 1})
		return Pointer{}, fmt.Errorf("stream: checkpoint %s: %w", checkpointKey(c.stream, p.Number), err)
	}
	return p, nil
}

func (c *Checkpoints) take(ctx context.Context, p Pointer, from Mark, parts iter.Seq[Viewer]) error {
	c.number = p.Number
	c.round++
	base := c.rebase || len(c.chain) > deltasMax || c.sizes[1] > max(c.sizes[0], deltasBytes)
	chain := c.chain
	if base {
		chain = nil
	}
	if err := c.inherit(ctx); err != nil {
		return err
	}
	w, err := c.store.Create(ctx, checkpointKey(c.stream, p.Number))
	if err != nil {
		return err
	}
	defer w.Abort()
	c.out.reset(w)
	c.out.header(&header{number: p.Number, stream: c.stream, from: p.From, fromFile: from.File, newestMs: c.logs.NewestMs(), chain: chain})
	for q, upTo := range c.logs.takeReleased() {
		c.released[q] = &departure{upTo: upTo}
	}
	if err := c.partitions(ctx, base, parts); err != nil {
		return err
	}
	if err := c.departures(base, from); err != nil {
		return err
	}
	files, next, err := c.journal(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := c.out.file(f); err != nil {
			return err
		}
	}
	if err := c.out.finish(next); err != nil {
		return err
	}
	if err := w.Commit(ctx); err != nil {
		return err
	}
	if base {
		for _, n := range c.chain {
			c.obsolete = append(c.obsolete, object{checkpointKey(c.stream, n), p.Number})
		}
		c.chain, c.sizes = nil, [2]int64{c.out.written, 0}
	} else {
		c.sizes[1] += c.out.written
	}
	c.chain = append(c.chain, p.Number)
	c.rebase = false
	c.taken = taken{p.Number, files}
	return nil
}

// inherit finds, before the first checkpoint is written, what earlier incarnations left: all of it is garbage once that is current, published
// or not, but for manifests that it takes over.
func (c *Checkpoints) inherit(ctx context.Context) error {
	if c.inherited {
		return nil
	}
	kept := make(map[string]bool, len(c.known))
	for _, k := range c.known {
		kept[k.manifest.key] = true
	}
	var found []object
	for _, prefix := range []string{CheckpointPrefix, ManifestPrefix} {
		for info, err := range c.store.List(ctx, prefix) {
			if err != nil {
				return err
			}
			if !kept[info.Key] {
				found = append(found, object{info.Key, c.number})
			}
		}
	}
	c.obsolete, c.inherited = append(c.obsolete, found...), true
	return nil
}

// partitions writes the partitions that changed, or all for a base.
func (c *Checkpoints) partitions(ctx context.Context, all bool, parts iter.Seq[Viewer]) error {
	var (
		name    wal.Partition
		k       *known
		pieces  []segment.Piece
		changes uint64
		changed bool
		bad     error
	)
	look := func(s *PartitionState) { // one closure for all partitions
		if changed = all || k == nil || k.changes != s.Changes; !changed {
			return
		}
		if d := c.released[name]; d != nil {
			if d.upTo.Before(s.Applied) {
				delete(c.released, name) // it came again
			} else {
				d.takes, changed = 0, false
				return
			}
		}
		if bad = s.check(); bad != nil {
			return
		}
		changes, pieces = s.Changes, s.Pieces[:len(s.Pieces):len(s.Pieces)]
		c.files = s.Extents.appendFiles(c.files[:0])
		c.out.begin(partitionRecord)
		c.ids = c.out.partition(name, s, c.ids)
	}
	seen := 0
	for v := range parts {
		name = v.Name()
		if k = c.known[name]; k != nil && k.round == c.round {
			return fmt.Errorf("partition %x-%d comes twice", name.Topic, name.Index)
		}
		if !v.View(look) {
			continue
		}
		switch {
		case bad != nil:
			return fmt.Errorf("partition %x-%d: %w", name.Topic, name.Index, bad)
		case !changed && k == nil: // it is being released
			continue
		case !changed:
			k.round = c.round
			seen++
			continue
		case k == nil:
			k = &known{}
			c.known[name] = k
		}
		k.round, k.changes = c.round, changes
		seen++
		c.refer(k, c.files)
		if err := c.place(ctx, name, k, pieces); err != nil {
			return fmt.Errorf("partition %x-%d: %w", name.Topic, name.Index, err)
		}
		if err := c.out.end(); err != nil {
			return err
		}
	}
	if seen < len(c.known) {
		return c.dropUnseen()
	}
	return nil
}

// refer notes the journal files that a partition has data in.
func (c *Checkpoints) refer(k *known, files []uint32) {
	for _, n := range k.files {
		if c.refs[n]--; c.refs[n] == 0 {
			delete(c.refs, n)
		}
	}
	for _, n := range files {
		c.refs[n]++
	}
	k.files = append(k.files[:0], files...)
}

// place writes where the pieces are, as the end of the partition's record.
func (c *Checkpoints) place(ctx context.Context, name wal.Partition, k *known, pieces []segment.Piece) error {
	if covered := k.manifest.covers(pieces); covered > 0 && len(pieces)-covered <= inlinePieces {
		c.out.pieces(k.manifest, covered, pieces[covered:])
		return nil
	}
	if k.manifest != nil {
		c.obsolete = append(c.obsolete, object{k.manifest.key, c.number})
		k.manifest = nil
	}
	old := 0
	if len(pieces) > inlinePieces {
		old = len(pieces) - inlinePieces/2
		m, err := writeManifest(ctx, c.store, name, c.stream, c.number, pieces[:old])
		if err != nil {
			return err
		}
		k.manifest = m
	}
	c.out.pieces(k.manifest, old, pieces[old:])
	return nil
}

// dropUnseen forgets the partitions that were not seen, all of which must have been released.
func (c *Checkpoints) dropUnseen() error {
	for name, k := range c.known {
		if k.round == c.round {
			continue
		}
		if c.released[name] == nil && k.round > 0 {
			return fmt.Errorf("partition %x-%d is gone and was not released: without its state, entries of it could not be replayed", name.Topic, name.Index)
		}
		c.refer(k, nil)
		if k.manifest != nil {
			c.obsolete = append(c.obsolete, object{k.manifest.key, c.number})
		}
		delete(c.known, name)
	}
	return nil
}

// departures writes what must be known of partitions that left.
func (c *Checkpoints) departures(base bool, from Mark) error {
	for name, d := range c.released {
		if base && (d.upTo.Before(from) || d.takes >= departureTakes) {
			delete(c.released, name)
			continue
		}
		d.takes++
		if base || !d.written {
			d.written = true
			if err := c.out.departed(name, d.upTo); err != nil {
				return err
			}
		}
	}
	return nil
}

// journal returns the journal files that the checkpoint names, and the number of the next.
func (c *Checkpoints) journal(from Mark) ([]JournalFile, uint32, error) {
	next := c.logs.next()
	numbers := make([]uint32, 0, len(c.refs)+int(next-from.File))
	for n := range maps.Keys(c.refs) {
		if n < from.File {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for n := from.File; n < next; n++ {
		numbers = append(numbers, n)
	}
	files := make([]JournalFile, len(numbers))
	for i, n := range numbers {
		f, ok := c.logs.File(n)
		if !ok || f.Stream == "" {
			return nil, 0, fmt.Errorf("journal file number %d (%q) is needed and nobody knows it", n, f.Stream)
		}
		files[i] = f
	}
	return files, next, nil
}

// Published notes that p is current, and says which objects (older checkpoints and manifests) nobody needs any more, and the journal files that the
// checkpoint names: all others that lie before From may go.
func (c *Checkpoints) Published(p Pointer) (garbage []string, needed []JournalFile) {
	needed = c.taken.files
	if c.taken.number != p.Number {
		needed = c.logs.known() // nobody says so of an older one; if it were so, everything must stay
	}
	c.obsolete = slices.DeleteFunc(c.obsolete, func(o object) bool {
		if o.by <= p.Number {
			garbage = append(garbage, o.key)
		}
		return o.by <= p.Number
	})
	return garbage, needed
}
