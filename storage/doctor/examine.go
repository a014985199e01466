package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"weir/storage/blob"
	"weir/storage/disk"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Progress says how far an examination got.
type Progress struct {
	Doing string
	Bytes int64 // checked so far
}

// Examine looks at the broker's directory fsys. progress, if not nil, is called now and then. The error is about looking; what is wrong is in the report.
func Examine(ctx context.Context, fsys disk.FS, known Known, progress func(Progress)) (*Report, error) {
	x := newExamination(fsys, known, progress)
	for _, step := range []func(context.Context) error{x.containers, x.journals, x.checkpoint, x.replay, x.partitions, x.orphans} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	x.report.sort()
	return x.report, nil
}

// Names below a broker's directory.
const (
	WALDir  = "wal"
	BlobDir = "blob"
)

type examination struct {
	fsys     disk.FS
	store    blob.Store
	known    Known
	report   *Report
	progress func(Progress)

	contents map[string]*segment.Contents // of containers that can be read, by key
	streams  []string                     // with a directory, oldest first
	files    map[fileName]fileEnd
	current  *stream.Checkpoint
	state    stream.State
	names    map[uint32]fileName // of journal files, by number
}

type fileName struct {
	stream string
	seq    uint64
}

type fileEnd struct {
	end     int64
	problem bool
}

func (x *examination) journalPath(stream string, seq uint64) string {
	return path.Join(WALDir, stream, fmt.Sprintf("%016x.wal", seq))
}

// containers verifies every byte of every bundle and segment.
func (x *examination) containers(ctx context.Context) error {
	for _, prefix := range []string{"b/", "s/"} {
		for info, err := range x.store.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("doctor: list the containers: %w", err)
			}
			if err := x.container(ctx, info); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *examination) container(ctx context.Context, info blob.Info) error {
	x.progress(Progress{Doing: "container " + info.Key, Bytes: x.report.Bytes})
	where := path.Join(BlobDir, info.Key)
	o, err := x.store.Open(ctx, info.Key)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // collected meanwhile
	}
	if err != nil {
		x.find(Damage, where, nil, "look at the disk", "it cannot be opened: %v", err)
		return nil
	}
	defer o.Close()
	x.report.Containers++
	x.report.Bytes += o.Size()
	c, err := segment.ReadContents(o, o.Size())
	if err != nil {
		x.find(Damage, where, nil, restoreAdvice, "%v", err)
		return nil
	}
	x.contents[info.Key] = c
	x.report.Chunks += len(c.Chunks)
	for i := range c.Chunks {
		if p := (segment.Piece{Kind: c.Kind, ID: c.ID, Chunk: c.Chunks[i]}); p.Key() != info.Key {
			x.find(Damage, where, []wal.Partition{p.Partition}, restoreAdvice, "its name should be %s: it is another container's file", p.Key())
			break
		}
	}
	for _, err := range segment.Verify(o, o.Size()) {
		x.find(Damage, where, chunksOf(c), restoreAdvice, "%v", err)
	}
	return ctx.Err()
}

const restoreAdvice = "restore the file from a backup; the rest of the broker's data is not concerned"

func chunksOf(c *segment.Contents) []wal.Partition {
	var ps []wal.Partition
	for i := range c.Chunks {
		if p := c.Chunks[i].Partition; len(ps) == 0 || ps[len(ps)-1] != p {
			ps = append(ps, p)
		}
	}
	return ps
}

// journals checks every frame of every journal.
func (x *examination) journals(ctx context.Context) error {
	dirs, err := x.fsys.ReadDir(WALDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("doctor: list the journals: %w", err)
	}
	for _, d := range dirs {
		if d.IsDir() && strings.Contains(d.Name(), "-") {
			x.streams = append(x.streams, d.Name())
		}
	}
	slices.Sort(x.streams)
	for _, s := range x.streams {
		if err := x.journal(ctx, s, nil); err != nil {
			return err
		}
	}
	if !x.known.Read {
		return nil
	}
	for _, s := range x.known.Streams {
		if !slices.Contains(x.streams, s.Name) {
			x.find(Damage, path.Join(WALDir, s.Name), nil, "restore the directory from a backup",
				"the metadata know the stream, but its directory is gone")
		}
	}
	return nil
}

// journal inspects one stream. With visit its entries are only visited: it was inspected before.
func (x *examination) journal(ctx context.Context, name string, visit func(*wal.Entry)) error {
	dir := path.Join(WALDir, name)
	x.progress(Progress{Doing: "journal " + name, Bytes: x.report.Bytes})
	reports, err := wal.Inspect(ctx, x.fsys, dir, visit)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if visit != nil {
		return nil
	}
	x.report.Journals++
	if err != nil {
		x.find(Damage, dir, nil, journalAdvice, "%v", err)
	}
	for i, r := range reports {
		x.report.JournalFiles++
		x.report.Entries += r.Entries
		x.report.Bytes += r.Bytes
		var seq uint64
		if _, err := fmt.Sscanf(path.Base(r.Name), "%x.wal", &seq); err != nil {
			continue
		}
		x.files[fileName{name, seq}] = fileEnd{end: r.End, problem: r.Problem != nil}
		switch last := i == len(reports)-1; {
		case r.Problem != nil && x.known.Live && last:
			x.find(Note, r.Name, nil, "look again when the broker has stopped", "it is being written: %v", r.Problem)
		case r.Problem != nil:
			x.find(Damage, r.Name, nil, journalAdvice, "%v", r.Problem)
		case r.Stream != "" && r.Stream != name:
			x.find(Damage, r.Name, nil, "move the file back to where it belongs", "it is a file of stream %s", r.Stream)
		}
	}
	for _, s := range x.known.Streams {
		if s.Name == name && s.Sealed {
			x.sealedEnd(s, reports)
		}
	}
	return nil
}

const journalAdvice = "the broker will not start from it: restore the journal from a backup"

// sealedEnd compares where a sealed stream ends with where the metadata say it does.
func (x *examination) sealedEnd(s Stream, reports []wal.FileReport) {
	if len(reports) == 0 {
		x.find(Damage, path.Join(WALDir, s.Name), nil, journalAdvice, "it has no files, and was sealed at %v", s.End)
		return
	}
	last := reports[len(reports)-1]
	if last.Problem == nil && !last.Sealed {
		x.find(Damage, last.Name, nil, journalAdvice, "it does not end with a seal, and was sealed at %v", s.End)
	}
}

// orphans notes what nothing refers to.
func (x *examination) orphans(context.Context) error {
	live := make(map[string]bool)
	for _, p := range x.state {
		for i := range p.Pieces {
			live[p.Pieces[i].Key()] = true
		}
	}
	for key, c := range x.contents {
		if !live[key] {
			x.find(Note, path.Join(BlobDir, key), chunksOf(c), "nothing: it is collected while the broker runs", "nothing refers to it")
		}
	}
	if !x.known.Read {
		return nil
	}
	for _, s := range x.streams {
		if !slices.ContainsFunc(x.known.Streams, func(k Stream) bool { return k.Name == s }) {
			x.find(Note, path.Join(WALDir, s), nil, "nothing: it is collected while the broker runs", "the metadata do not know the stream")
		}
	}
	return nil
}
