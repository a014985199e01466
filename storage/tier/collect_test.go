package tier_test

import (
	"context"
	"errors"
	"testing"

	"weir/storage/stream"
	"weir/storage/tier"
)

// tidy does what follows a flush, some times over.
func (l *life) tidy(times int) {
	l.w.t.Helper()
	for range times {
		for _, step := range []func(context.Context) error{l.engine.Checkpoint, l.engine.Collect, l.engine.Promote, l.engine.Merge} {
			if err := step(context.Background()); err != nil {
				l.w.t.Fatal(err)
			}
		}
	}
}

// A bundle of chunks that are smaller than what describes them is not taken for one that is hardly used: it would be written again for ever.
func TestTinyChunksStayWhereTheyAre(t *testing.T) {
	w, l := filled(t, 0, 0, tier.Config{UnitFiles: 100})
	for range 40 {
		p := &part{l: l, m: w.topic(keepAll()), state: &stream.PartitionState{}}
		l.parts = append(l.parts, p)
		if err := p.produce(-1, 1, 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.engine.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.tidy(5)
	if s := l.engine.Stats(); s.PromotedBytes > 0 || s.Containers != 1 || s.FlushedBytes == 0 {
		t.Errorf("%+v", s)
	}
	w.finish(l)
}

// What is left of a bundle moves out when most of it is not needed any more, and the bundle goes.
func TestSparseBundlesGo(t *testing.T) {
	w, l := filled(t, 4, 1, tier.Config{UnitFiles: 100})
	for _, p := range l.parts[:3] {
		if err := p.deleteRecords(p.m.end); err != nil {
			t.Fatal(err)
		}
	}
	before := l.engine.Stats()
	l.tidy(4)
	s := l.engine.Stats()
	if s.Collected != 1 || s.PromotedBytes == 0 || s.Containers != 1 || 3*s.ContainerBytes > before.FlushedBytes {
		t.Errorf("%+v", s)
	}
	w.finish(l)
}

// A deleted topic leaves nothing.
func TestDeletedTopicsLeaveNothing(t *testing.T) {
	w, l := filled(t, 3, 3, tier.Config{UnitFiles: 100, PromoteBytes: 1, TinyBytes: 1})
	l.tidy(1)
	for len(l.parts) > 0 {
		if err := l.do(op{kind: opDeleteTopic}); err != nil {
			t.Fatal(err)
		}
	}
	l.tidy(2)
	for _, prefix := range []string{"b/", "s/", "m/"} {
		for info, err := range l.store.List(t.Context(), prefix) {
			t.Errorf("%s is left, %v", info.Key, err)
		}
	}
	for _, dir := range []string{"blob/b", "blob/s", "blob/m"} {
		if _, err := w.disk.ReadDir(dir); err == nil {
			t.Errorf("directory %s is left", dir)
		}
	}
	if err := errors.Join(l.end(true)); err != nil {
		t.Error(err)
	}
}
