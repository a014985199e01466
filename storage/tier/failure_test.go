package tier_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"weir/storage/blob"
	"weir/storage/disk"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// filled is a world with n partitions that have data in one bundle each flush, and nothing unusual.
func filled(t *testing.T, n, flushes int, cfg tier.Config) (*world, *life) {
	t.Helper()
	cfg.DeleteDelay, cfg.ScrubBytes = -1, -1
	w := newWorld(t, 1, cfg)
	for range n {
		w.topic(keepAll())
	}
	l := w.mustBegin()
	for range flushes {
		for _, p := range l.parts {
			for range 3 {
				if err := p.produce(-1, 2, 1000, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := l.engine.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return w, l
}

// flip flips a bit in a file of the disk, in the middle of the first place where its bytes are.
func flip(t *testing.T, w *world, name string, off int64) {
	t.Helper()
	f, err := w.disk.Open(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Damage in the journal stops the partition concerned, is not copied, and stops nobody else (R3).
func TestDamagedJournalStopsOnePartition(t *testing.T) {
	w, l := filled(t, 3, 1, tier.Config{})
	for _, p := range l.parts {
		if err := p.produce(-1, 2, 1000, 0); err != nil {
			t.Fatal(err)
		}
	}
	bad := l.parts[1]
	var x stream.Extent
	bad.View(func(s *stream.PartitionState) {
		for x = range s.Extents.From(0) {
			break
		}
	})
	f, ok := l.logs.File(x.File)
	if !ok {
		t.Fatal("no such file")
	}
	flip(t, w, fmt.Sprintf("wal/%s/%016x.wal", f.Stream, f.Seq), int64(x.Off)+200)
	if err := l.engine.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stuck := l.engine.StuckPartitions()
	if len(stuck) != 1 || !errors.Is(stuck[bad.Name()], wal.ErrCorrupt) && !strings.Contains(stuck[bad.Name()].Error(), "corrupt") {
		t.Errorf("stuck: %v", stuck)
	}
	for i, p := range l.parts {
		p.View(func(s *stream.PartitionState) {
			if left := s.Extents.Len(); (left > 0) != (i == 1) {
				t.Errorf("partition %d has %d extents", i, left)
			}
		})
	}
	if err := l.engine.Checkpoint(t.Context()); err != nil {
		t.Error(err)
	}
	_ = l.end(false)
}

// A container that is missing, or damaged, stops the partitions concerned, and no others.
func TestMissingContainerStopsItsPartitions(t *testing.T) {
	_, l := filled(t, 3, 3, tier.Config{PromoteBytes: 1, TinyBytes: 1, OwnBytes: 6000, MergeCount: 2, UnitFiles: 100})
	var keys []string
	for _, p := range l.parts {
		p.View(func(s *stream.PartitionState) { keys = append(keys, s.Pieces[0].Key()) })
	}
	if err := l.store.Delete(t.Context(), keys[0]); err != nil {
		t.Fatal(err)
	}
	flip(t, l.w, "blob/"+keys[2], 300)
	if err := l.engine.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	stuck := l.engine.StuckPartitions()
	if len(stuck) != 2 || !errors.Is(stuck[l.parts[0].Name()], blob.ErrNotFound) || !strings.Contains(stuck[l.parts[2].Name()].Error(), keys[2]) {
		t.Errorf("stuck: %v", stuck)
	}
	l.parts[1].View(func(s *stream.PartitionState) {
		if len(s.Pieces) != 1 {
			t.Errorf("%d pieces", len(s.Pieces))
		}
	})
	found, err := l.engine.Scrub(t.Context())
	if err != nil || len(found) != 1 || found[0].Key != keys[2] || len(found[0].Partitions) != 1 || found[0].Partitions[0] != tier.Partition(l.parts[2]) {
		t.Errorf("scrub: %+v, %v", found, err)
	}
	if s := l.engine.Stats(); s.Stuck != 2 || s.Damaged != 1 {
		t.Errorf("%+v", s)
	}
	_ = l.end(false)
}

// While checkpoints cannot be published nothing is let go, and everything is when they can again.
func TestUnpublishedCheckpointsKeepEverything(t *testing.T) {
	w, l := filled(t, 2, 1, tier.Config{PromoteBytes: 1, TinyBytes: 1})
	if err := l.engine.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.publish = func() (before, after error) { return errPublish, nil }
	before := l.objects()
	journalBefore := journal{l}.Files()[0]
	for range 30 {
		for _, p := range l.parts {
			if err := p.produce(-1, 4, 1000, 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []func(context.Context) error{l.engine.Flush, l.engine.Promote, l.engine.Merge, l.engine.Collect} {
			if err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.engine.Checkpoint(t.Context()); !errors.Is(err, errPublish) {
			t.Fatalf("checkpoint: %v", err)
		}
	}
	after := l.objects()
	for key := range before {
		if !after[key] {
			t.Errorf("%s is gone", key)
		}
	}
	if files := (journal{l}).Files(); files[0] != journalBefore || len(files) < 4 {
		t.Errorf("journal: %v, began with %v", files, journalBefore)
	}
	w.publish = nil
	for range 2 {
		if err := errors.Join(l.engine.Checkpoint(t.Context()), l.engine.Collect(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	l.checkStore()
	if files := (journal{l}).Files(); len(files) > 1 {
		t.Errorf("journal: %v", files)
	}
	w.finish(l)
}

func (l *life) objects() map[string]bool {
	out := map[string]bool{}
	for info, err := range l.store.List(context.Background(), "") {
		if err != nil {
			l.w.t.Fatal(err)
		}
		out[info.Key] = true
	}
	return out
}

// With ReadBack, a container that the disk damaged while it was written is written anew.
func TestReadBackWritesDamagedContainersAnew(t *testing.T) {
	w, l := filled(t, 2, 0, tier.Config{ReadBack: true})
	for _, p := range l.parts {
		if err := p.produce(-1, 4, 1000, 0); err != nil {
			t.Fatal(err)
		}
	}
	l.damage = true
	if err := l.engine.Flush(t.Context()); err == nil {
		t.Error("a damaged container was taken")
	}
	if err := l.engine.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.finish(l)
}

// On a full disk steps fail and change nothing; they succeed when there is room again.
func TestFullDiskChangesNothing(t *testing.T) {
	w, l := filled(t, 3, 1, tier.Config{PromoteBytes: 1, TinyBytes: 1, UnitFiles: 100})
	for _, p := range l.parts {
		if err := p.produce(-1, 4, 5000, 0); err != nil {
			t.Fatal(err)
		}
	}
	steps := map[string]func(context.Context) error{"flush": l.engine.Flush, "promote": l.engine.Promote, "checkpoint": l.engine.Checkpoint}
	for free := int64(0); free < 20_000; free += 2500 {
		w.disk.SetCapacity(w.disk.Used() + free)
		for name, step := range steps {
			if err := step(t.Context()); err != nil && !errors.Is(err, disk.ErrNoSpace) {
				t.Errorf("%s with %d bytes free: %v", name, free, err)
			}
		}
		for _, p := range l.parts {
			l.read(p)
		}
		if files, err := w.disk.ReadDir("blob/tmp"); err != nil || len(files) > 0 {
			t.Errorf("%d temporary files, %v", len(files), err)
		}
	}
	w.disk.SetCapacity(0)
	w.finish(l)
}
