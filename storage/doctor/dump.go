package doctor

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path"

	"weir/storage/batch"
	"weir/storage/blob"
	"weir/storage/disk"
	"weir/storage/segment"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Contents is what a broker's directory holds, as a restart would see it.
type Contents struct {
	x     *examination
	names map[uint32]fileName
}

// Read loads what a restart would load. Of what is damaged it reads what it can; Findings tells what that was.
func Read(ctx context.Context, fsys disk.FS, known Known) (*Contents, error) {
	x := newExamination(fsys, known, nil)
	for _, step := range []func(context.Context) error{x.journals, x.checkpoint, x.replay} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return &Contents{x: x, names: x.names}, nil
}

// Findings is what went wrong while reading.
func (c *Contents) Findings() []Finding { return c.x.report.Findings }

// Partitions are the partitions that there are.
func (c *Contents) Partitions() []wal.Partition { return c.x.all() }

// State is what is known of a partition, nil if there is none of that name.
func (c *Contents) State(p wal.Partition) *stream.PartitionState { return c.x.state[p] }

// Place says where batches lie.
type Place struct {
	File string // below the broker's directory
	Off  int64
}

// Extent is where an extent lies.
func (c *Contents) Extent(e stream.Extent) Place {
	f := c.names[e.File]
	return Place{c.x.journalPath(f.stream, f.seq), int64(e.Off)}
}

// Batch is one record batch and where it lies.
type Batch struct {
	Place
	Header batch.Header
	Data   []byte // valid until the next step
}

// Batches yields the partition's batches that hold offsets from on, checked. It ends after the first error.
func (c *Contents) Batches(ctx context.Context, name wal.Partition, from int64) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		p := c.x.state[name]
		if p == nil {
			return
		}
		from = max(from, p.LogStart)
		for _, piece := range p.PiecesFrom(from) {
			if !c.piece(ctx, &piece, from, yield) {
				return
			}
		}
		for e := range p.Extents.From(from) {
			if !c.extent(e, from, yield) {
				return
			}
		}
	}
}

func (c *Contents) piece(ctx context.Context, p *segment.Piece, from int64, yield func(Batch, error) bool) bool {
	file := path.Join(BlobDir, p.Key())
	o, err := c.x.store.Open(ctx, p.Key())
	if err != nil {
		yield(Batch{}, fmt.Errorf("%s: %w", file, err))
		return false
	}
	defer o.Close()
	off := int64(p.Pos)
	for run, err := range segment.Runs(o, &p.Chunk) {
		if err != nil {
			yield(Batch{}, fmt.Errorf("%s: %w", file, err))
			return false
		}
		if !batches(Place{file, off}, run, from, yield) {
			return false
		}
		off += int64(len(run))
	}
	return true
}

func (c *Contents) extent(e stream.Extent, from int64, yield func(Batch, error) bool) bool {
	at := c.Extent(e)
	data, err := c.read(at, int(e.Len))
	if err != nil {
		yield(Batch{}, err)
		return false
	}
	return batches(at, data, from, yield)
}

func (c *Contents) read(at Place, n int) (_ []byte, err error) {
	f, err := c.x.fsys.Open(at.File, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if at.Off+int64(n) > size {
		return nil, fmt.Errorf("%s has %d bytes, and %d at %d should be read: %w", at.File, size, n, at.Off, wal.ErrCorrupt)
	}
	data := make([]byte, n)
	_, err = f.ReadAt(data, at.Off)
	return data, err
}

// batches yields the batches of data, which begins at the place at.
func batches(at Place, data []byte, from int64, yield func(Batch, error) bool) bool {
	for len(data) > 0 {
		h, one, rest, err := batch.Next(data)
		if err == nil {
			err = batch.CheckCRC(one)
		}
		if err != nil {
			yield(Batch{}, fmt.Errorf("%s at %d: %w", at.File, at.Off, err))
			return false
		}
		if h.LastOffset() >= from && !yield(Batch{Place: at, Header: h, Data: one}, nil) {
			return false
		}
		at.Off += int64(len(one))
		data = rest
	}
	return true
}

func newExamination(fsys disk.FS, known Known, progress func(Progress)) *examination {
	if progress == nil {
		progress = func(Progress) {}
	}
	x := &examination{
		fsys: readOnly{fsys}, known: known, report: new(Report), progress: progress,
		contents: make(map[string]*segment.Contents), files: make(map[fileName]fileEnd), names: make(map[uint32]fileName),
	}
	x.store = blob.NewFS(x.fsys, BlobDir)
	return x
}
