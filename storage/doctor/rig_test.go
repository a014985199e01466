package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"weir/storage/batch"
	"weir/storage/blob"
	"weir/storage/disk"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// rig is a broker's storage without a broker: one stream, some partitions, the tiers below them.
type rig struct {
	t      *testing.T
	dir    string
	log    *wal.File
	logs   *stream.Logs
	stream *stream.Stream
	engine *tier.Engine
	parts  []*part
	stop   func()
	last   stream.Pointer
}

const rigStream = "1-0000000000000001"

func newRig(t *testing.T, partitions int) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), logs: stream.NewLogs()}
	fsys := disk.OS(r.dir)
	var err error
	if r.log, err = wal.Create(fsys, WALDir+"/"+rigStream, wal.Config{Stream: rigStream, FirstFileBytes: 64 << 10, FileBytes: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	r.logs.Name(r.log, rigStream)
	r.stream = stream.New(stream.Config{}, r.log, r.logs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.stream.Run(ctx) }()
	stopped := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := r.log.Close(); err != nil {
			t.Error(err)
		}
	})
	r.stop = stopped
	t.Cleanup(stopped)
	for i := range partitions {
		p := &part{r: r, name: wal.Partition{Topic: [16]byte{1}, Index: int32(i)}, state: &stream.PartitionState{}}
		r.parts = append(r.parts, p)
		r.write(p, wal.Entry{Type: wal.Adopt, Partition: p.name})
	}
	store := blob.NewFS(fsys, BlobDir)
	r.engine = tier.New(tier.Config{OwnBytes: 16 << 10, DeleteDelay: time.Nanosecond}, tier.Deps{
		Log: slog.New(slog.DiscardHandler), Store: store, Checkpoints: stream.NewCheckpoints(store, rigStream, r.logs, nil), Journal: rigJournal{r},
		Partitions: r.all(), Publish: func(_ context.Context, p stream.Pointer) error { r.last = p; return nil }, Incarnation: 1, Now: time.Now,
	})
	return r
}

func (r *rig) all() iter.Seq[tier.Partition] {
	return func(yield func(tier.Partition) bool) {
		for _, p := range r.parts {
			if !yield(p) {
				return
			}
		}
	}
}

// known is what the metadata would say.
func (r *rig) known() Known {
	return Known{Read: true, Streams: []Stream{{Name: rigStream, Checkpoint: r.last}}}
}

// write makes an entry durable.
func (r *rig) write(p *part, e wal.Entry) {
	r.t.Helper()
	w := &write{p: p, entry: e, done: make(chan error, 1)}
	if err := r.stream.Enqueue(w); err != nil {
		r.t.Fatal(err)
	}
	if err := <-w.done; err != nil {
		r.t.Fatal(err)
	}
}

// produce appends a batch of records of the given size.
func (r *rig) produce(p *part, records, size int) {
	r.t.Helper()
	b := batch.NewBuilder()
	for i := range records {
		b.Add(time.Now().UnixMilli(), fmt.Appendf(nil, "key-%d", i), make([]byte, size))
	}
	data := b.Batch()
	batch.SetOffsets(data, p.state.End, 0)
	r.write(p, wal.Entry{Type: wal.Data, Partition: p.name, BaseOffset: p.state.End, LastDelta: uint32(records - 1), Batches: 1, Payload: data, AppendMs: time.Now().UnixMilli()})
}

func (r *rig) step(name string, step func(context.Context) error) {
	r.t.Helper()
	if err := step(r.t.Context()); err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
}

// part is a partition.
type part struct {
	r    *rig
	name wal.Partition

	mu    sync.Mutex
	state *stream.PartitionState
}

func (p *part) Name() wal.Partition { return p.name }
func (p *part) Policy() tier.Policy {
	return tier.Policy{Delete: true, RetentionTime: -1, RetentionBytes: -1, SegmentBytes: 1 << 30}
}

func (p *part) View(fn func(*stream.PartitionState)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn(p.state)
	return true
}

func (p *part) Edit(fn func(*stream.PartitionState) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fn(p.state)
}

func (p *part) SetLogStart(_ context.Context, offset int64) error {
	p.r.write(p, wal.Entry{Type: wal.LogStart, Partition: p.name, BaseOffset: offset})
	return nil
}

type write struct {
	p     *part
	entry wal.Entry
	done  chan error
}

func (w *write) Entry() wal.Entry { return w.entry }
func (w *write) Cancelled() bool  { return false }
func (w *write) Failed(err error) { w.done <- err }

func (w *write) Committed(c *stream.Commit, e *wal.Entry) error {
	w.p.mu.Lock()
	err := w.p.state.Apply(e, c.File(e.At.Seq))
	w.p.mu.Unlock()
	w.done <- err
	return err
}

// rigJournal is the journal as the tiers see it.
type rigJournal struct{ r *rig }

func (j rigJournal) Mark(context.Context) (stream.Mark, error) {
	end := j.r.log.End()
	return stream.Mark{File: j.r.logs.Number(j.r.log, end.Seq), Off: end.Off}, nil
}
func (j rigJournal) Written() int64 { return j.r.stream.Stats().Bytes }
func (j rigJournal) Busy() bool     { return false }
func (j rigJournal) Files() []tier.File {
	var out []tier.File
	for _, f := range j.r.log.Files() {
		out = append(out, tier.File{Number: j.r.logs.Number(j.r.log, f.Seq), Bytes: f.Bytes})
	}
	return out
}

func (j rigJournal) ReadAt(ctx context.Context, p []byte, number, off uint32) error {
	return j.r.logs.ReadAt(ctx, p, number, off)
}
func (j rigJournal) WillNeed(uint32) {}
func (j rigJournal) Trim(context.Context, stream.Mark, []stream.JournalFile) error {
	return nil // the journal stays, so that faults can be planted in it
}

// files lists what is in the broker's directory, by extension and folder.
func (r *rig) files(pattern string) []string {
	r.t.Helper()
	var out []string
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(r.dir, path)
		if err != nil {
			return err
		}
		if ok, _ := filepath.Match(pattern, filepath.ToSlash(rel)); ok {
			out = append(out, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// copyTo copies the directory, so that each fault is planted in a healthy one.
func (r *rig) copyTo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(r.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}
