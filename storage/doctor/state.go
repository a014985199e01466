package doctor

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"weir/storage/blob"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// checkpoint loads the checkpoint that a restart would begin with, and checks that the others can be read too.
func (x *examination) checkpoint(ctx context.Context) error {
	type object struct {
		stream string
		number uint64
	}
	var found []object
	for info, err := range x.store.List(ctx, "c/") {
		if err != nil {
			return fmt.Errorf("doctor: list the checkpoints: %w", err)
		}
		parts := strings.Split(info.Key, "/")
		n, err := strconv.ParseUint(parts[len(parts)-1], 10, 64)
		if len(parts) != 3 || err != nil {
			x.find(Warning, path.Join(BlobDir, info.Key), nil, "move it away: no broker wrote it", "it is not the name of a checkpoint")
			continue
		}
		x.report.Checkpoints++
		x.report.Bytes += info.Size
		found = append(found, object{parts[1], n})
	}
	want, where, ok := x.wanted(func(yield func(string, uint64) bool) {
		for _, o := range found {
			if !yield(o.stream, o.number) {
				return
			}
		}
	})
	if !ok {
		return nil
	}
	c, err := stream.Load(ctx, x.store, where, want)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		x.find(Damage, checkpointPath(where, want.Number), nil, "restore it from a backup", "the metadata name this checkpoint, and it or what it builds on is gone: %v", err)
	case err != nil:
		x.find(Damage, checkpointPath(where, want.Number), nil, "restore it from a backup", "%v", err)
	default:
		x.current = c
	}
	return nil
}

func checkpointPath(stream string, n uint64) string {
	return path.Join(BlobDir, "c", stream, fmt.Sprintf("%020d", n))
}

// wanted is the checkpoint that a restart would begin with: the metadata's, or else the newest there is.
func (x *examination) wanted(found func(yield func(string, uint64) bool)) (p stream.Pointer, name string, ok bool) {
	if x.known.Read {
		for _, s := range x.known.Streams {
			if s.Checkpoint.Number > 0 && s.Name > name {
				p, name, ok = s.Checkpoint, s.Name, true
			}
		}
		return p, name, ok
	}
	for s, n := range found {
		if s > name || s == name && n > p.Number {
			p, name, ok = stream.Pointer{Number: n}, s, true
		}
	}
	return p, name, ok
}

// replay applies what follows the checkpoint, as a restart does.
func (x *examination) replay(ctx context.Context) error {
	c := x.current
	numbers := make(map[fileName]uint32)
	next := uint32(0)
	var from wal.Position
	after := ""
	if c == nil {
		c = &stream.Checkpoint{Partitions: stream.State{}}
	}
	x.state = c.Partitions
	if x.current != nil {
		after, next = c.Stream, c.NextFile
		for _, f := range c.Files {
			numbers[fileName{f.Stream, f.Seq}] = f.Number
			if f.Number == c.From.File {
				from = wal.Position{Seq: f.Seq, Off: c.From.Off}
			}
		}
		if end, ok := x.end(after); !ok || end.Compare(from) < 0 {
			x.find(Damage, path.Join(WALDir, after), x.all(), journalAdvice,
				"the checkpoint says that the journal reached %v, but it ends at %v: acknowledged records are missing", from, end)
			return nil
		}
	}
	for _, s := range x.streams {
		if s < after {
			continue
		}
		var failed error
		err := x.journal(ctx, s, func(e *wal.Entry) {
			if failed != nil || s == after && e.At.Compare(from) < 0 {
				return
			}
			name := fileName{s, e.At.Seq}
			n, ok := numbers[name]
			if !ok {
				n = next
				numbers[name] = n
				next++
			}
			if err := c.Apply(e, n); err != nil {
				failed = err
				x.find(Damage, x.journalPath(s, e.At.Seq), []wal.Partition{e.Partition}, journalAdvice, "%v", err)
			}
		})
		if err != nil {
			return err
		}
	}
	for f, n := range numbers {
		x.names[n] = f
	}
	return nil
}

// end is where the journal of a stream ends.
func (x *examination) end(name string) (wal.Position, bool) {
	var end wal.Position
	for f, e := range x.files {
		if p := (wal.Position{Seq: f.seq, Off: uint32(e.end)}); f.stream == name && p.Compare(end) > 0 {
			end = p
		}
	}
	return end, end.Seq > 0
}

// all are the partitions that the checkpoint knows.
func (x *examination) all() []wal.Partition {
	var ps []wal.Partition
	for p := range x.state {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, comparePartitions)
	return ps
}

func comparePartitions(a, b wal.Partition) int {
	if c := slices.Compare(a.Topic[:], b.Topic[:]); c != 0 {
		return c
	}
	return int(a.Index) - int(b.Index)
}

// extents checks that what a partition has in the journal is there, without a hole.
func (x *examination) extents(name wal.Partition, p *stream.PartitionState) {
	next := p.Flushed()
	for e := range p.Extents.From(p.LogStart) {
		f, ok := x.names[e.File]
		at := x.files[f]
		switch {
		case !ok:
			x.find(Damage, WALDir, []wal.Partition{name}, journalAdvice, "offsets %d to %d lie in journal file number %d, which nothing names", e.Base, e.Last(), e.File)
		case at.end == 0:
			x.find(Damage, x.journalPath(f.stream, f.seq), []wal.Partition{name}, journalAdvice, "the file is gone or empty, and offsets %d to %d lie in it", e.Base, e.Last())
		case int64(e.Off)+int64(e.Len) > at.end && !at.problem:
			x.find(Damage, x.journalPath(f.stream, f.seq), []wal.Partition{name}, journalAdvice,
				"it ends at byte %d, and offsets %d to %d lie at %d", at.end, e.Base, e.Last(), e.Off)
		case e.Base > next:
			x.find(Damage, x.journalPath(f.stream, f.seq), []wal.Partition{name}, journalAdvice, "offsets %d to %d are nowhere", next, e.Base-1)
		default:
			next = e.Last() + 1
			continue
		}
		return
	}
	if next < p.End {
		x.find(Damage, WALDir, []wal.Partition{name}, journalAdvice, "offsets %d to %d are nowhere", next, p.End-1)
	}
}

// partitions checks the invariants of each partition's log, and that its pieces are where it says.
func (x *examination) partitions(ctx context.Context) error {
	x.report.Partitions = len(x.state)
	for _, name := range x.all() {
		p := x.state[name]
		where := "partition"
		if x.current != nil {
			where = checkpointPath(x.current.Stream, x.current.Number)
		}
		one := []wal.Partition{name}
		if p.LogStart < 0 || p.LogStart > p.End {
			x.find(Damage, where, one, journalAdvice, "the log starts at %d and ends at %d", p.LogStart, p.End)
		}
		for i := 1; i < len(p.Epochs); i++ {
			if a, b := p.Epochs[i-1], p.Epochs[i]; a.Epoch >= b.Epoch || a.Start > b.Start {
				x.find(Damage, where, one, journalAdvice, "leader epoch %d from offset %d is followed by epoch %d from %d", a.Epoch, a.Start, b.Epoch, b.Start)
			}
		}
		x.extents(name, p)
		for i := range p.Pieces {
			x.piece(&p.Pieces[i])
			if i == 0 && p.Pieces[i].Base > p.LogStart {
				x.find(Damage, where, one, journalAdvice, "offsets %d to %d are nowhere", p.LogStart, p.Pieces[i].Base-1)
			}
			if i > 0 && p.Pieces[i].Base != p.Pieces[i-1].Last+1 {
				x.find(Damage, where, one, journalAdvice, "a piece up to offset %d is followed by one from %d", p.Pieces[i-1].Last, p.Pieces[i].Base)
			}
		}
	}
	return ctx.Err()
}

// piece compares a reference with what it refers to.
func (x *examination) piece(p *segment.Piece) {
	where, one := path.Join(BlobDir, p.Key()), []wal.Partition{p.Partition}
	c, ok := x.contents[p.Key()]
	if !ok {
		for i := range x.report.Findings { // said already, if it is there and cannot be read
			if x.report.Findings[i].Where == where {
				x.report.Findings[i].Partitions = append(x.report.Findings[i].Partitions, p.Partition)
				return
			}
		}
		x.find(Damage, where, one, restoreAdvice, "it is gone, and offsets %d to %d lie in it", p.Base, p.Last)
		return
	}
	if !slices.Contains(c.Chunks, p.Chunk) {
		x.find(Damage, where, one, restoreAdvice, "it does not hold the chunk of offsets %d to %d as the checkpoint describes it", p.Base, p.Last)
	}
}
