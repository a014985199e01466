package stream

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"weir/storage/segment"
	"weir/storage/wal"
)

var errTest = errors.New("the test says no")

var restartSeeds = flag.Int("restarts", 60, "how many seeds TestRestartFromAnyCheckpoint runs")

// Whatever the order of entries, and wherever a checkpoint began and each partition was taken: what it says, brought up to date by the entries
// that follow, is what a replay of all streams from their start says.
func TestRestartFromAnyCheckpoint(t *testing.T) {
	var total restarts
	for seed := range uint64(*restartSeeds) {
		w := &restartWorld{t: t, rng: rand.New(rand.NewPCG(seed, 3)), store: newMemStore()}
		w.run()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		total.Entries += w.stats.Entries
		total.Taken += w.stats.Taken
		total.Checked += w.stats.Checked
		total.Released += w.stats.Released
		total.Fuzzy += w.stats.Fuzzy
		total.Skipped += w.stats.Skipped
		total.Manifests += w.stats.Manifests
	}
	t.Logf("%+v", total)
	if *restartSeeds >= 50 && (total.Fuzzy == 0 || total.Released == 0 || total.Skipped == 0 || total.Manifests == 0) {
		t.Error("the test does not test what it should")
	}
}

type restarts struct{ Entries, Taken, Checked, Released, Fuzzy, Skipped, Manifests int }

type restartWorld struct {
	t     *testing.T
	rng   *rand.Rand
	store *memStore

	journals []*memJournal // of all incarnations
	current  *published
	all      []*published
	names    int // partitions made
	stats    restarts

	// This incarnation's:
	logs    *Logs
	journal *memJournal
	c       *Checkpoints
	parts   []*member
	gone    []*member // their RELEASE is not written yet
	epoch   int32
	from    Mark
	pieces  uint64
}

type member struct {
	viewer
	seqs [4]int32
}

type published struct {
	stream  string
	pointer Pointer
	store   *memStore // as it was then
}

func (w *restartWorld) run() {
	for life := range 1 + w.rng.IntN(4) {
		w.start(life)
		for range 20 + w.rng.IntN(150) {
			w.step()
		}
		w.release()
		w.check()
		if w.t.Failed() {
			return
		}
	}
}

// start is a process that begins with what was published last.
func (w *restartWorld) start(life int) {
	c := &Checkpoint{Partitions: State{}}
	w.logs = NewLogs()
	if w.current != nil {
		c = w.restart(w.current, w.store, w.logs)
	} else {
		for _, j := range w.journals {
			w.logs.Name(j, j.name)
			if _, err := Recover(w.t.Context(), c.Partitions, w.logs, j); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.journal = newMemJournal(fmt.Sprintf("1-%d", life))
	w.journals = append(w.journals, w.journal)
	w.logs.Name(w.journal, w.journal.name)
	w.from = Mark{File: w.logs.Number(w.journal, 1)}
	var last *Checkpoint
	if c.Number > 0 {
		last = c
	}
	w.c = NewCheckpoints(w.store, w.journal.name, w.logs, last)
	w.epoch++
	known := w.parts
	w.parts = nil
	for name, s := range c.Partitions {
		m := &member{viewer: viewer{name: name, s: s}}
		if i := slices.IndexFunc(known, func(m *member) bool { return m.name == name }); i >= 0 {
			m.seqs = known[i].seqs
		}
		w.parts = append(w.parts, m)
	}
	slices.SortFunc(w.parts, func(a, b *member) int { return slices.Compare(a.name.Topic[:], b.name.Topic[:]) })
	for _, m := range w.parts {
		w.apply(m, adopt(m.s.End, w.epoch))
	}
}

// restart gives what a process has that begins with p.
func (w *restartWorld) restart(p *published, store *memStore, logs *Logs) *Checkpoint {
	w.t.Helper()
	c, err := Load(w.t.Context(), store, p.stream, p.pointer)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, j := range w.journals {
		logs.Name(j, j.name)
	}
	if err := logs.Restore(c); err != nil {
		w.t.Fatal(err)
	}
	for _, s := range c.Partitions {
		if !s.Applied.Before(c.From) {
			w.stats.Skipped++
		}
	}
	w.stats.Manifests += len(c.manifests)
	for _, j := range w.journals {
		if j.name < p.stream {
			continue
		}
		from := wal.Position{}
		if j.name == p.stream {
			from = p.pointer.From
		}
		if _, err := c.Replay(w.t.Context(), logs, j, from); err != nil {
			w.t.Fatalf("from %s %v: %v", p.stream, p.pointer, err)
		}
	}
	return c
}

// check compares all that was published with a replay of everything.
func (w *restartWorld) check() {
	logs := NewLogs()
	want := State{}
	for _, j := range w.journals {
		logs.Name(j, j.name)
		if _, err := Recover(w.t.Context(), want, logs, j); err != nil {
			w.t.Fatal(err)
		}
	}
	if diff := w.diff(want, logs, w.state(), w.logs); diff != "" {
		w.t.Fatalf("the process: %s", diff)
	}
	for _, p := range w.all {
		w.stats.Checked++
		own := NewLogs()
		c := w.restart(p, p.store, own)
		if diff := w.diff(want, logs, c.Partitions, own); diff != "" {
			w.t.Fatalf("from %s %v: %s", p.stream, p.pointer, diff)
		}
	}
}

func (w *restartWorld) state() State {
	s := State{}
	for _, m := range w.parts {
		s[m.name] = m.s
	}
	return s
}

// located is a plain state whose places in the journal can be compared between processes. What was moved is no part of it, but where it ends.
type located struct {
	Plain   plain
	Extents []string
}

func (w *restartWorld) diff(want State, wantLogs *Logs, got State, gotLogs *Logs) string {
	a, b := map[wal.Partition]located{}, map[wal.Partition]located{}
	locate := func(s *PartitionState, logs *Logs, from int64) located {
		l := located{Plain: plainly(s)}
		for _, e := range l.Plain.Extents {
			if e.Base >= from {
				f, _ := logs.File(e.File)
				l.Extents = append(l.Extents, fmt.Sprintf("%d-%d %d in %s/%d at %d+%d", e.Base, e.Last(), e.MaxTimestamp, f.Stream, f.Seq, e.Off, e.Len))
			}
		}
		l.Plain.Extents, l.Plain.Pieces, l.Plain.Applied = nil, nil, Mark{}
		return l
	}
	for name, s := range got {
		b[name] = locate(s, gotLogs, 0)
	}
	for name, s := range want {
		from := int64(0)
		if g := got[name]; g != nil && len(g.Pieces) > 0 {
			from = g.Flushed()
			if first := g.Pieces[0].Base; first > g.LogStart {
				return fmt.Sprintf("partition %x begins at %d, its pieces at %d", name.Topic, g.LogStart, first)
			}
		}
		a[name] = locate(s, wantLogs, from)
	}
	return diff(a, b)
}

func (w *restartWorld) apply(m *member, e wal.Entry) {
	w.t.Helper()
	w.stats.Entries++
	e.Partition = m.name
	one := w.journal.add(e)
	number := w.logs.Number(w.journal, one.At.Seq)
	if err := m.s.Apply(one, number); err != nil {
		w.t.Fatal(err)
	}
	w.settle(one, number)
}

// settle is Stream.settle.
func (w *restartWorld) settle(e *wal.Entry, number uint32) {
	if w.rng.IntN(3) == 0 { // a commit ends
		w.from = Mark{File: number, Off: e.At.Off + uint32(len(e.Payload))}
	}
}

func (w *restartWorld) step() {
	switch w.rng.IntN(30) {
	case 0:
		w.take()
	case 1:
		w.journal.roll()
	case 2:
		w.release()
	case 3:
		if len(w.parts) > 0 && w.rng.IntN(3) == 0 {
			w.leave(w.rng.IntN(len(w.parts)))
		}
	case 4, 5:
		if len(w.parts) < 8 {
			w.names++
			m := &member{viewer: viewer{name: part(w.names), s: &PartitionState{}}}
			w.parts = append(w.parts, m)
			w.apply(m, adopt(0, w.epoch))
		}
	default:
		w.entry()
	}
}

// entry is an entry, or an edit, of some partition.
func (w *restartWorld) entry() {
	if len(w.parts) == 0 {
		return
	}
	m := w.parts[w.rng.IntN(len(w.parts))]
	s := m.s
	pid := w.rng.IntN(len(m.seqs))
	switch w.rng.IntN(12) {
	case 0:
		w.apply(m, wal.Entry{Type: wal.LogStart, BaseOffset: s.LogStart + w.rng.Int64N(s.End-s.LogStart+1), LeaderEpoch: w.epoch})
	case 1:
		w.apply(m, marker(s.End, w.epoch, int64(pid), w.rng.IntN(2) == 0))
	case 2, 3:
		n := 1 + w.rng.IntN(3)
		w.apply(m, transactional(s.End, w.epoch, int64(pid), m.seqs[pid], n))
		m.seqs[pid] = AdvanceSequence(m.seqs[pid], int32(n))
	case 4:
		w.sink(m)
	case 5:
		w.replace(m)
	default:
		for range 1 + w.rng.IntN(60)*w.rng.IntN(2) { // some with many extents
			n := 1 + w.rng.IntN(3)
			w.apply(m, data(s.End, w.epoch, int64(pid), m.seqs[pid], n))
			m.seqs[pid] = AdvanceSequence(m.seqs[pid], int32(n))
		}
	}
}

// sink moves some extents down, to a piece each.
func (w *restartWorld) sink(m *member) {
	var pieces []segment.Piece
	n := w.rng.IntN(60)
	for e := range m.s.Extents.From(m.s.Flushed()) {
		if len(pieces) == n {
			break
		}
		w.pieces++
		pieces = append(pieces, piece(m.name, w.pieces, e.Base, e.Last()))
	}
	if err := m.s.Sink(pieces); err != nil {
		w.t.Fatal(err)
	}
}

// replace makes one piece of some, or of one.
func (w *restartWorld) replace(m *member) {
	n := len(m.s.Pieces)
	if n == 0 {
		return
	}
	i := w.rng.IntN(n)
	old := slices.Clone(m.s.Pieces[i : i+1+w.rng.IntN(min(n-i, 4))])
	w.pieces++
	if err := m.s.Replace(old, []segment.Piece{piece(m.name, w.pieces, old[0].Base, old[len(old)-1].Last)}); err != nil {
		w.t.Fatal(err)
	}
}

// leave deletes a partition: from now on nobody looks at it, and its RELEASE comes at some time.
func (w *restartWorld) leave(i int) {
	m := w.parts[i]
	w.stats.Released++
	w.logs.Release(m.name, Forever())
	if w.rng.IntN(2) == 0 {
		w.apply(m, data(m.s.End, w.epoch, -1, -1, 1)) // was in flight
	}
	w.parts = slices.Delete(slices.Clone(w.parts), i, i+1)
	w.gone = append(w.gone, m)
}

func (w *restartWorld) release() {
	for _, m := range w.gone {
		e := w.journal.add(wal.Entry{Type: wal.Release, Partition: m.name, LeaderEpoch: w.epoch})
		w.settle(e, w.logs.Number(w.journal, e.At.Seq))
	}
	w.gone = nil
}

// take takes a checkpoint, while others go on.
func (w *restartWorld) take() {
	from := w.from
	failing := w.rng.IntN(8) == 0
	if failing {
		w.store.fail = errTest
	}
	busy := w.rng.IntN(2) == 0
	w.stats.Taken++
	p, err := w.c.Take(w.t.Context(), from, func(yield func(Viewer) bool) {
		for _, m := range slices.Clone(w.parts) {
			for busy && w.rng.IntN(3) > 0 {
				w.stats.Fuzzy++
				w.entry()
				if w.rng.IntN(20) == 0 {
					w.journal.roll()
				}
			}
			if !yield(m) {
				return
			}
		}
	})
	w.store.fail = nil
	if err != nil {
		if !failing {
			w.t.Fatal(err)
		}
		return
	}
	if w.rng.IntN(5) == 0 {
		return // the metadata are away
	}
	garbage, _ := w.c.Published(p)
	w.current = &published{w.journal.name, p, w.store.clone()}
	if w.all = append(w.all, w.current); len(w.all) > 6 {
		w.all = slices.Delete(w.all, 0, 1)
	}
	for _, key := range garbage {
		_ = w.store.Delete(w.t.Context(), key)
	}
	// Nothing is left of what nobody needs, and nothing that is needed is gone.
	c, err := Load(w.t.Context(), w.store, w.journal.name, p)
	if err != nil {
		w.t.Fatalf("after the garbage went: %v", err)
	}
	if busy {
		return
	}
	if diff := diffStates(w.state(), c.Partitions); diff != "" {
		w.t.Fatalf("what was taken: %s", diff)
	}
	if n := len(w.store.objects) - len(c.manifests); n > deltasMax+3 {
		w.t.Fatalf("%d checkpoints and manifests are left, %d of them manifests that are needed: %v", n, len(c.manifests), slices.Sorted(maps.Keys(w.store.objects)))
	}
}
