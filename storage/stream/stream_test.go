package stream

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"

	"weir/internal/leak"
	"weir/storage/buffer"
	"weir/storage/wal"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// gateLog takes an append when the test lets it.
type gateLog struct {
	started chan []wal.Entry // each append announces what it was given
	result  chan error       // and returns what comes from here
	over    chan struct{}    // closed when the test is over: nobody lets it any more
}

func newGateLog() *gateLog {
	return &gateLog{started: make(chan []wal.Entry), result: make(chan error), over: make(chan struct{})}
}

var errOver = errors.New("the test is over")

func (l *gateLog) Append(_ context.Context, es []wal.Entry) error {
	select {
	case l.started <- slices.Clone(es):
	case <-l.over:
		return errOver
	}
	select {
	case err := <-l.result:
		return err
	case <-l.over:
		return errOver
	}
}

func (l *gateLog) Read(context.Context, wal.Position) iter.Seq2[wal.Entry, error] {
	return func(func(wal.Entry, error) bool) {}
}
func (l *gateLog) ReadAt(context.Context, []byte, wal.Position) error { return nil }
func (l *gateLog) Trim(context.Context, wal.Position) error           { return nil }
func (l *gateLog) Close() error                                       { return nil }

// note is a write that tells what happens to it.
type note struct {
	id        int64
	size      int
	turn      bool
	cancelled bool
	out       chan<- event
	on        func(c *Commit)
	err       error
}

type event struct {
	id  int64
	err error
}

func (n *note) Entry() wal.Entry {
	if n.turn {
		return wal.Entry{}
	}
	return wal.Entry{Type: wal.Data, BaseOffset: n.id, Payload: make([]byte, n.size)}
}
func (n *note) Cancelled() bool { return n.cancelled }
func (n *note) Committed(c *Commit, _ *wal.Entry) error {
	if n.on != nil {
		n.on(c)
	}
	n.out <- event{n.id, nil}
	return n.err
}
func (n *note) Failed(err error) { n.out <- event{n.id, err} }

type streamRig struct {
	*Stream
	log    *gateLog
	cancel context.CancelFunc
	ended  chan error
	out    chan event
}

func run(t *testing.T, cfg Config) *streamRig {
	r := &streamRig{log: newGateLog(), ended: make(chan error, 1), out: make(chan event, 10_000)}
	r.Stream = New(cfg, r.log, NewLogs())
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.ended)
		r.ended <- r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		close(r.log.over)
		for range r.ended { //nolint:revive // until it is closed
		}
	})
	return r
}

func (r *streamRig) put(t *testing.T, ns ...*note) {
	t.Helper()
	for _, n := range ns {
		n.out = r.out
		if err := r.Enqueue(n); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(es []wal.Entry) (out []int64) {
	for _, e := range es {
		out = append(out, e.BaseOffset)
	}
	return out
}

// Section 6.1: what arrives during a commit forms the next one, up to the caps, in order.
func TestGroupCommit(t *testing.T) {
	r := run(t, Config{CommitBytesMax: 100, CommitEntriesMax: 4})
	r.put(t, &note{id: 1, size: 10})
	if got := ids(<-r.log.started); !slices.Equal(got, []int64{1}) {
		t.Fatalf("an idle stream waits: %v", got)
	}
	for id := int64(2); id <= 8; id++ {
		r.put(t, &note{id: id, size: 10})
	}
	r.put(t, &note{id: 9, size: 95}, &note{id: 10, size: 10}, &note{id: 11, size: 500}, &note{id: 12, size: 1})
	for _, want := range [][]int64{{2, 3, 4, 5}, {6, 7, 8}, {9}, {10}, {11}, {12}} {
		r.log.result <- nil
		if got := ids(<-r.log.started); !slices.Equal(got, want) {
			t.Fatalf("commit of %v, want %v", got, want)
		}
	}
	r.log.result <- nil
	for id := int64(1); id <= 12; id++ {
		if e := <-r.out; e.id != id || e.err != nil {
			t.Fatalf("outcome %+v, want that of %d", e, id)
		}
	}
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	if s := r.Stats(); s.Commits != 7 || s.Entries != 12 || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, Config{QueueBytesMax: 100, QueueEntriesMax: 5})
		// finish lets the commit in flight succeed. Its writes are told before they leave the queue's account.
		finish := func(writes int) {
			r.log.result <- nil
			for range writes {
				<-r.out
			}
			synctest.Wait()
		}
		r.put(t, &note{id: 1, size: 500}) // one is always taken
		<-r.log.started
		n := &note{id: 2, size: 1, out: r.out}
		if err := r.Enqueue(n); !errors.Is(err, ErrBusy) {
			t.Errorf("bytes: %v", err)
		}
		finish(1)
		r.put(t, &note{id: 3, size: 1})
		<-r.log.started
		r.put(t, &note{id: 4}, &note{id: 5}, &note{id: 6}, &note{id: 7, turn: true})
		if err := r.Enqueue(n); !errors.Is(err, ErrBusy) {
			t.Errorf("entries: %v", err)
		}
		finish(1)
		<-r.log.started
		finish(4)
		r.put(t, n)
		<-r.log.started
		finish(1)
	})
}

func TestStopCommitsWhatIsQueued(t *testing.T) {
	r := run(t, Config{CommitEntriesMax: 2})
	r.put(t, &note{id: 1})
	<-r.log.started
	r.put(t, &note{id: 2}, &note{id: 3}, &note{id: 4})
	r.cancel()
	for range 2 {
		r.log.result <- nil
		<-r.log.started
	}
	if err := r.Enqueue(&note{id: 9, out: r.out}); !errors.Is(err, ErrStopped) {
		t.Errorf("a stopping stream takes writes: %v", err)
	}
	r.log.result <- nil
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	for id := int64(1); id <= 4; id++ {
		if e := <-r.out; e.id != id || e.err != nil {
			t.Errorf("outcome %+v", e)
		}
	}
}

func TestFailureIsFinal(t *testing.T) {
	r := run(t, Config{CommitEntriesMax: 2})
	r.put(t, &note{id: 1})
	<-r.log.started
	for id := int64(2); id <= 7; id++ {
		r.put(t, &note{id: id})
	}
	eio := errors.New("EIO")
	r.log.result <- eio
	if err := <-r.ended; !errors.Is(err, eio) {
		t.Errorf("Run: %v", err)
	}
	for id := int64(1); id <= 7; id++ {
		if e := <-r.out; e.id != id || !errors.Is(e.err, eio) {
			t.Errorf("outcome %+v", e)
		}
	}
	if err := r.Enqueue(&note{id: 9, out: r.out}); !errors.Is(err, ErrStopped) || !errors.Is(err, eio) {
		t.Errorf("after the failure: %v", err)
	}
	if r.Stats().Queued != 0 {
		t.Errorf("%+v", r.Stats())
	}
}

func TestAnErrorOfAWriteStopsTheStream(t *testing.T) {
	r := run(t, Config{})
	bad := errors.New("invariant")
	r.put(t, &note{id: 1})
	<-r.log.started
	r.put(t, &note{id: 2, err: bad}, &note{id: 3}, &note{id: 4, turn: true})
	r.log.result <- nil
	<-r.log.started
	r.log.result <- nil
	if err := <-r.ended; !errors.Is(err, bad) {
		t.Errorf("Run: %v", err)
	}
}

func TestFullDiskFailsOneCommitAndSkipsCancelled(t *testing.T) {
	r := run(t, Config{})
	r.put(t, &note{id: 1})
	<-r.log.started
	r.put(t, &note{id: 2, cancelled: true}, &note{id: 3}, &note{id: 4, cancelled: true}, &note{id: 5, turn: true})
	r.log.result <- wal.ErrFull
	if got := ids(<-r.log.started); !slices.Equal(got, []int64{3}) {
		t.Errorf("commit of %v", got)
	}
	r.log.result <- nil
	want := []event{{1, wal.ErrFull}, {2, ErrCancelled}, {4, ErrCancelled}, {5, nil}, {3, nil}}
	for _, w := range want {
		if e := <-r.out; e.id != w.id || !errors.Is(e.err, w.err) {
			t.Errorf("outcome %+v, want %+v", e, w)
		}
	}
	if r.Stats().Commits != 1 {
		t.Errorf("%+v", r.Stats())
	}
}

func TestBarrier(t *testing.T) {
	r := run(t, Config{})
	done := make(chan error, 1)
	go func() { done <- r.Barrier(context.Background(), 1) }()
	if es := <-r.log.started; es[0].Type != wal.Noop {
		t.Errorf("%+v", es)
	}
	r.log.result <- nil
	if err := <-done; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- r.Barrier(ctx, 1) }()
	<-r.log.started
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	r.log.result <- nil
}

type holder struct{ evicted *[]int }

type holding struct {
	id int
	holder
}

func (h holding) Evict() { *h.evicted = append(*h.evicted, h.id) }

// The oldest goes first, whoever holds it; a buffer is charged once.
func TestTailBudget(t *testing.T) {
	var evicted []int
	h := holder{&evicted}
	pool := buffer.NewPool(0)
	tl := tail{budget: 10_000}
	shared := pool.Get(4096)
	tl.add(holding{1, h}, shared.Bytes()[:10], shared)
	tl.add(holding{2, h}, shared.Bytes()[10:20], shared)
	if want := int64(4096 + 2*entryBytes); tl.held != want {
		t.Errorf("two entries of one buffer hold %d, want %d", tl.held, want)
	}
	tl.add(holding{3, h}, make([]byte, 2000), nil)
	tl.shrink()
	if len(evicted) != 0 {
		t.Errorf("evicted %v below the budget", evicted)
	}
	tl.add(holding{4, h}, make([]byte, 6000), nil)
	tl.shrink()
	if !slices.Equal(evicted, []int{1}) {
		t.Errorf("evicted %v", evicted)
	}
	tl.add(holding{5, h}, make([]byte, 20_000), nil)
	tl.shrink()
	if !slices.Equal(evicted, []int{1, 2, 3, 4, 5}) || tl.held != 0 {
		t.Errorf("evicted %v, held %d", evicted, tl.held)
	}
	for i := range 10_000 {
		tl.add(holding{i, h}, make([]byte, 1000), nil)
		tl.shrink()
		if tl.held > tl.budget {
			t.Fatalf("held %d", tl.held)
		}
	}
	if cap(tl.queue) > 1000 {
		t.Errorf("the account takes %d places", cap(tl.queue))
	}
}
