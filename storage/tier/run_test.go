package tier_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir/storage/stream"
	"weir/storage/tier"
)

// Run takes a first checkpoint soon, tries again while the metadata are away, flushes what is old, and ends with a checkpoint of everything.
func TestRunTriesAgainAndEndsWithACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, tier.Config{})
		w.clock = time.Now
		w.topic(keepAll())
		l := w.mustBegin()
		var away atomic.Bool
		away.Store(true)
		w.publish = func() (before, after error) {
			if away.Load() {
				return errPublish, nil
			}
			return nil, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.engine.Run(ctx) }()
		wait := func(d time.Duration) tier.Stats {
			time.Sleep(d)
			synctest.Wait()
			return l.engine.Stats()
		}
		if s := wait(10 * time.Minute); s.Checkpoints > 0 || s.Errors < 10 || s.Errors > 20 {
			t.Errorf("metadata away for ten minutes: %+v", s)
		}
		away.Store(false)
		if s := wait(2 * time.Minute); s.Checkpoints != 1 {
			t.Errorf("metadata are back, nothing was appended: %+v", s)
		}
		if err := l.parts[0].produce(-1, 1, 100, 0); err != nil {
			t.Fatal(err)
		}
		if s := wait(time.Minute); s.Checkpoints != 2 || s.FlushedBytes > 0 {
			t.Errorf("a minute after an append: %+v", s)
		}
		if s := wait(15 * time.Minute); s.Checkpoints != 3 || s.FlushedBytes == 0 {
			t.Errorf("a quarter of an hour after an append: %+v", s)
		}
		if s := wait(10 * time.Hour); s.Checkpoints > 3 || s.Flushes > 1 {
			t.Errorf("nothing to do: %+v", s)
		}
		if err := l.parts[0].produce(-1, 1, 100, 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the committer answers first and moves the mark then
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		from := w.pointer.From
		l.parts[0].View(func(s *stream.PartitionState) {
			if f, ok := l.logs.File(s.Applied.File); !ok || f.Seq > from.Seq || f.Seq == from.Seq && s.Applied.Off >= from.Off {
				t.Errorf("the last checkpoint is from %v, the last append is at %v", from, s.Applied)
			}
		})
		_ = l.end(false)
	})
}

// What nobody needs any more goes although nothing is appended: a disk that is full refuses appends until there is room.
func TestRunCollectsWithoutAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, tier.Config{})
		w.clock = time.Now
		w.topic(keepAll())
		l := w.mustBegin()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.engine.Run(ctx) }()
		if err := l.parts[0].produce(-1, 1, 100, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if s := l.engine.Stats(); s.Containers == 0 {
			t.Fatalf("nothing was flushed: %+v", s)
		}
		if err := l.parts[0].deleteRecords(l.parts[0].m.end); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		s := l.engine.Stats()
		if s.Containers != 0 || s.Collected == 0 {
			t.Errorf("ten minutes after all was deleted: %+v", s)
		}
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if now := l.engine.Stats(); now.Checkpoints != s.Checkpoints {
			t.Errorf("%d checkpoints more of nothing", now.Checkpoints-s.Checkpoints)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = l.end(false)
	})
}
