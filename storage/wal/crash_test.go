package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"weir/sim"
	"weir/storage/disk"
)

//nolint:gochecknoglobals // flags
var (
	simSeed    = flag.Uint64("sim.seed", 0, "play only this seed of the crash test, with its story")
	simCrashes = flag.Int("sim.crashes", 10_000, "crashes to play in the crash test; a seed has five or six")
)

// TestNothingAckedIsLostInCrashes plays seeded stories on the simulated disk: appends, file changes, trims and faults, then a crash or a kill at
// some operation, recoveries that crash themselves, and at last checks (reliability design L1, L4, L5; storage engine I2, I3, I4).
// Replay one with -run TestNothingAcked -sim.seed N -v.
func TestNothingAckedIsLostInCrashes(t *testing.T) {
	if *simSeed != 0 {
		s := newStory(*simSeed)
		s.logf = t.Logf
		if err := s.play(); err != nil {
			t.Fatal(err)
		}
		return
	}
	n := int64(*simCrashes)
	if testing.Short() {
		n = min(n, 1000)
	}
	var next, crashes, recoveries, acked, full atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		t.Run("worker", func(t *testing.T) {
			t.Parallel()
			for crashes.Load() < n {
				seed := uint64(next.Add(1))
				s := newStory(seed)
				err := s.play()
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					return
				}
				crashes.Add(int64(s.crashes))
				recoveries.Add(int64(s.recoveries))
				acked.Add(int64(s.acked))
				full.Add(int64(s.full))
			}
		})
	}
	t.Cleanup(func() {
		t.Logf("%d seeds: %d crashes and kills, %d recoveries, %d frames acknowledged, %d refused by a full disk",
			next.Load(), crashes.Load(), recoveries.Load(), acked.Load(), full.Load())
	})
}

// TestCrashTestFindsPlantedBugs shows that the test above can fail.
func TestCrashTestFindsPlantedBugs(t *testing.T) {
	lie := func(kind sim.Kind) func(*story) {
		return func(s *story) {
			s.plant = func(op sim.Op) sim.Fault {
				if op.Kind == kind {
					return sim.Fault{Kind: sim.Lie}
				}
				return sim.Fault{}
			}
		}
	}
	tests := []struct {
		name string
		bug  func(*story)
	}{
		{"files are not synced", lie(sim.Sync)},
		{"directories are not synced", lie(sim.SyncDir)},
		{"the last frame is not written again", func(s *story) { s.wrap = func(f disk.FS) disk.FS { return dropRewrite{f} } }},
		{"files are used again with the same salt", func(s *story) { s.salt = func() uint32 { return 1 } }},
		{"a bit flips in what is acknowledged", func(s *story) { s.wrap = func(f disk.FS) disk.FS { return flipStored{f} } }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for seed := uint64(1); seed < 2000; seed++ {
				s := newStory(seed)
				tt.bug(s)
				if err := s.play(); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("2000 seeds did not find it")
		})
	}
}

// dropRewrite loses what recovery writes with WriteAt: the last frame's second life.
type dropRewrite struct{ disk.FS }

func (d dropRewrite) Open(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := d.FS.Open(name, flag, perm)
	return noWriteAt{f}, err
}

type noWriteAt struct{ disk.File }

func (f noWriteAt) WriteAt(p []byte, off int64) (int, error) {
	if off == 0 { // a file header
		return f.File.WriteAt(p, off)
	}
	return len(p), nil
}

// flipStored stores one bit wrong in some frames.
type flipStored struct{ disk.FS }

func (d flipStored) Open(name string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := d.FS.Open(name, flag, perm)
	return flipping{f}, err
}

type flipping struct{ disk.File }

func (f flipping) WriteDirect(p []byte, off int64) error {
	_, err := f.WritevAt([][]byte{p}, off)
	return err
}

func (f flipping) WritevAt(bufs [][]byte, off int64) (int, error) {
	all := bytes.Join(bufs, nil)
	if off%7 == 0 {
		all[40] ^= 1
	}
	return f.File.WriteAt(all, off)
}

// story is one seeded run.
type story struct {
	seed  uint64
	rng   *rand.Rand
	disk  *sim.Disk
	plant func(sim.Op) sim.Fault // a bug
	wrap  func(disk.FS) disk.FS  // a bug
	salt  func() uint32          // a bug, if constant
	logf  func(string, ...any)

	crashes, recoveries, acked, full int
}

func newStory(seed uint64) *story {
	s := &story{seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), disk: sim.NewDisk(seed), logf: func(string, ...any) {}}
	s.salt = s.rng.Uint32
	s.disk.Tear = seed%2 == 0
	s.wrap = func(f disk.FS) disk.FS { return f }
	return s
}

// plan sets the fault for the n-th operation of kind from now on; the planted bug comes first.
func (s *story) plan(match func(sim.Kind) bool, n int, f sim.Fault) {
	s.disk.Plan(func(op sim.Op) sim.Fault {
		if s.plant != nil {
			if f := s.plant(op); f.Kind != sim.None {
				return f
			}
		}
		if match(op.Kind) {
			if n--; n == 0 {
				return f
			}
		}
		return sim.Fault{}
	})
}

func (s *story) noFaults() { s.plan(func(sim.Kind) bool { return false }, 0, sim.Fault{}) }

func (s *story) config(name string) Config {
	return Config{
		Stream: name, FirstFileBytes: 16 << 10, FileBytes: 64 << 10, Pool: "wal/pool", PoolFiles: 1 + s.rng.IntN(3),
		Salt: s.salt, fillBelow: 1 << 62,
		stageBytes: []int64{0, 8 << 10, 40 << 10}[s.rng.IntN(3)],
	}
}

// stream is what the story knows of a log.
type stream struct {
	name    string
	acked   []Entry // with At; payloads are their own
	maybe   [][]Entry
	trimmed uint64 // files before may be gone
	end     Position
	trusted Position // of a checkpoint; nothing after it is trimmed
}

type sealed struct {
	stream
	content []Entry
	at      Position
}

// play runs the story and returns what it found wrong.
func (s *story) play() error {
	ctx := context.Background()
	var old []sealed
	for i := range 1 + s.rng.IntN(3) {
		st := stream{name: fmt.Sprintf("1-%d", i)}
		s.write(ctx, &st)
		s.noFaults()
		s.stop()
		done, err := s.recover(ctx, &st)
		if err != nil {
			return fmt.Errorf("stream %s: %w", st.name, err)
		}
		if done == nil {
			continue // not even created
		}
		old = append(old, *done)
	}
	// Whatever comes later, a sealed log stays as it is.
	s.noFaults()
	s.stop()
	for _, o := range old {
		if err := s.again(ctx, &o); err != nil {
			return fmt.Errorf("stream %s at the end: %w", o.name, err)
		}
	}
	return nil
}

// stop ends the process, and perhaps the machine.
func (s *story) stop() {
	s.crashes++
	if s.rng.IntN(3) == 0 {
		s.logf("kill")
		s.disk.Kill()
		return
	}
	s.logf("crash")
	s.disk.Crash(s.rng.Uint64())
}

// write is the life of a writer. It ends with its plan's fault, at the latest.
func (s *story) write(ctx context.Context, st *stream) {
	steps := 1 + s.rng.IntN(40)
	all := func(sim.Kind) bool { return true }
	only := func(ks ...sim.Kind) func(sim.Kind) bool {
		return func(k sim.Kind) bool { return bytes.IndexByte([]byte{byte(ks[0]), byte(ks[len(ks)-1])}, byte(k)) >= 0 }
	}
	capacity := int64(0)
	switch n := 1 + s.rng.IntN(1+4*steps); s.rng.IntN(10) {
	case 0:
		s.plan(all, n, sim.Fault{Kind: sim.CrashBefore})
	case 1, 2:
		s.plan(all, n, sim.Fault{Kind: sim.CrashAfter})
	case 3, 4:
		s.plan(only(sim.Sync), 1+n/3, sim.Fault{Kind: sim.LoseSync})
	case 5:
		s.plan(only(sim.Write, sim.SyncDir), 1+n/3, sim.Fault{Kind: sim.Fail})
	case 6:
		s.plan(only(sim.Write), 1+n/3, sim.Fault{Kind: sim.Short})
	case 7:
		s.plan(only(sim.Rename, sim.Sync), 1+n/8, sim.Fault{Kind: sim.NoSpace})
	case 8:
		s.noFaults()
		capacity = 20<<10 + s.rng.Int64N(500<<10)
	default:
		s.noFaults()
	}
	s.disk.SetCapacity(capacity)
	defer s.disk.SetCapacity(0)
	l, err := Create(s.wrap(s.disk), "wal/"+st.name, s.config(st.name))
	if err != nil {
		s.logf("create %s: %v", st.name, err)
		return
	}
	large := s.rng.IntN(4) == 0
	for range steps {
		switch s.rng.IntN(12) {
		case 0:
			if err := l.makeAhead(ctx); err != nil {
				s.logf("make ahead: %v", err)
				return
			}
		case 1:
			if len(st.acked) > 0 {
				at := st.acked[s.rng.IntN(len(st.acked))].At
				if at.Compare(st.trusted) > 0 {
					st.trusted = l.End()
				}
				st.trimmed = max(st.trimmed, at.Seq)
				if err := l.Trim(ctx, at); err != nil {
					s.logf("trim: %v", err)
					return
				}
			}
		default:
			es := s.entries(len(st.acked), large)
			err := l.Append(ctx, es)
			switch {
			case err == nil:
				s.acked++
				st.acked = append(st.acked, es...)
				st.maybe = nil
				st.end = l.End()
			case errors.Is(err, ErrFull):
				s.full++
				s.logf("append: %v", err)
				st.maybe = append(st.maybe, es)
				if s.rng.IntN(2) == 0 {
					s.disk.SetCapacity(0)
				}
			default:
				s.logf("append after %d entries: %v", len(st.acked), err)
				st.maybe = append(st.maybe, es)
				if err := l.Append(ctx, es); err == nil {
					panic("append after a failure")
				}
				return
			}
		}
	}
	if s.rng.IntN(2) == 0 {
		s.logf("close: %v", l.Close())
	}
}

func (s *story) entries(base int, large bool) []Entry {
	var es []Entry
	for range 1 + s.rng.IntN(4) {
		size := s.rng.IntN(1500)
		if large && s.rng.IntN(3) == 0 {
			size = s.rng.IntN(90 << 10)
		}
		var payload []byte
		if size > 0 {
			payload = make([]byte, 0, size+8)
			for len(payload) < size {
				payload = binary.NativeEndian.AppendUint64(payload, s.rng.Uint64())
			}
			payload = payload[:size:size]
		}
		e := Entry{
			Type: Data, Partition: Partition{Topic: [16]byte{byte(s.rng.IntN(5))}, Index: int32(s.rng.IntN(3))},
			LeaderEpoch: 1, BaseOffset: int64(base), AppendMs: int64(s.rng.Uint32()), Payload: payload,
		}
		if s.rng.IntN(8) == 0 {
			e.Type = LogStart
		}
		es = append(es, e)
	}
	return es
}

// recover takes the log over, with recoveries in between that crash, and checks it. It returns nil if the log was never created.
func (s *story) recover(ctx context.Context, st *stream) (*sealed, error) {
	for range s.rng.IntN(3) {
		n := 1 + s.rng.IntN(12)
		f := sim.Fault{Kind: []sim.FaultKind{sim.CrashBefore, sim.CrashAfter, sim.LoseSync, sim.Flip}[s.rng.IntN(4)]}
		s.plan(func(k sim.Kind) bool {
			switch f.Kind {
			case sim.LoseSync:
				return k == sim.Sync
			case sim.Flip:
				return k == sim.Read
			default:
				return true
			}
		}, n, f)
		s.recoveries++
		l, err := Recover(ctx, s.wrap(s.disk), "wal/"+st.name, s.config(st.name))
		s.logf("recovery with a fault: %v", err)
		if err == nil {
			// It got through, so what it shows now is what must be seen for ever.
			if f.Kind == sim.Flip {
				s.noFaults() // ReadAt has no checksum of its own
			}
			done, err := s.check(ctx, st, l)
			if err != nil {
				if errors.Is(err, sim.ErrCrashed) {
					s.stop()
					continue
				}
				return nil, err
			}
			s.noFaults()
			s.stop()
			return done, s.again(ctx, done)
		}
		if errors.Is(err, ErrCorrupt) {
			return nil, fmt.Errorf("recovery with %v: %w", f, err)
		}
		s.stop()
	}
	s.noFaults()
	s.recoveries++
	cfg := s.config(st.name)
	cfg.AtLeast = st.end
	if s.rng.IntN(2) == 0 {
		cfg.Trusted = st.trusted
	}
	l, err := Recover(ctx, s.wrap(s.disk), "wal/"+st.name, cfg)
	if errors.Is(err, fs.ErrNotExist) && len(st.acked) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	done, err := s.check(ctx, st, l)
	if err != nil {
		return nil, err
	}
	s.stop()
	return done, s.again(ctx, done)
}

// again recovers once more and expects the same.
func (s *story) again(ctx context.Context, done *sealed) error {
	s.recoveries++
	l, err := Recover(ctx, s.wrap(s.disk), "wal/"+done.name, s.config(done.name))
	if errors.Is(err, fs.ErrNotExist) && len(done.content) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("recovery again: %w", err)
	}
	err = done.unchanged(ctx, l)
	return errors.Join(err, l.Close())
}

// check compares a recovered log with what was acknowledged, and closes it.
func (s *story) check(ctx context.Context, st *stream, l *File) (*sealed, error) {
	got, err := contents(ctx, l)
	if err != nil {
		return nil, err
	}
	if err := readsFrom(ctx, l, st.trusted, got); err != nil {
		return nil, err
	}
	done := &sealed{stream: *st, content: got, at: l.End()}
	if err := l.Append(ctx, []Entry{{Type: Noop}}); !errors.Is(err, ErrFenced) {
		return nil, fmt.Errorf("append to a recovered log: %v", err)
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	if len(got) == 0 {
		if len(st.acked) > 0 {
			return nil, fmt.Errorf("all %d entries are gone", len(st.acked))
		}
		return done, nil
	}
	if got[len(got)-1].Type != Seal {
		return nil, errors.New("no seal at the end")
	}
	got = got[:len(got)-1]
	want := st.acked
	for len(want) > 0 && want[0].At.Seq < st.trimmed && (len(got) == 0 || want[0].At.Compare(got[0].At) < 0) {
		want = want[1:]
	}
	if len(got) < len(want) {
		return nil, fmt.Errorf("%d entries, %d were acknowledged", len(got), len(want))
	}
	for i := range want {
		if err := same(&want[i], &got[i]); err != nil {
			return nil, fmt.Errorf("acknowledged entry %d of %d: %w", i, len(want), err)
		}
	}
	rest := got[len(want):]
	if len(rest) == 0 {
		return done, nil
	}
	for _, es := range st.maybe {
		if len(es) == len(rest) {
			ok := true
			for i := range es {
				ok = ok && same(&es[i], &rest[i]) == nil
			}
			if ok {
				return done, nil
			}
		}
	}
	return nil, fmt.Errorf("%d entries after the %d acknowledged ones that are no frame in flight", len(rest), len(want))
}

func (o *sealed) unchanged(ctx context.Context, l *File) error {
	got, err := contents(ctx, l)
	if err != nil {
		return err
	}
	if len(got) != len(o.content) || l.End() != o.at {
		return fmt.Errorf("sealed with %d entries and end %v, now %d and %v", len(o.content), o.at, len(got), l.End())
	}
	for i := range got {
		if err := same(&o.content[i], &got[i]); err != nil {
			return fmt.Errorf("sealed entry %d: %w", i, err)
		}
	}
	return nil
}

// contents reads all, twice: by Read and by ReadAt.
func contents(ctx context.Context, l *File) ([]Entry, error) {
	var out []Entry
	for e, err := range l.Read(ctx, Position{}) {
		if err != nil {
			return nil, err
		}
		e.Payload = bytes.Clone(e.Payload)
		out = append(out, e)
	}
	for i := range out {
		p := make([]byte, len(out[i].Payload))
		if err := l.ReadAt(ctx, p, out[i].At); err != nil {
			return nil, err
		}
		if !bytes.Equal(p, out[i].Payload) {
			return nil, fmt.Errorf("ReadAt %v differs from Read", out[i].At)
		}
	}
	return out, nil
}

// readsFrom checks that Read from a position gives the end of all that there is.
func readsFrom(ctx context.Context, l *File, from Position, all []Entry) error {
	for len(all) > 0 && all[0].At.Compare(from) < 0 {
		all = all[1:]
	}
	for e, err := range l.Read(ctx, from) {
		if err != nil {
			return fmt.Errorf("read from %v: %w", from, err)
		}
		if len(all) == 0 {
			return fmt.Errorf("read from %v: too much: %+v", from, e)
		}
		if err := same(&all[0], &e); err != nil {
			return fmt.Errorf("read from %v: %w", from, err)
		}
		all = all[1:]
	}
	if len(all) > 0 {
		return fmt.Errorf("read from %v: %d entries are missing", from, len(all))
	}
	return nil
}

func same(want, got *Entry) error {
	w, g := *want, *got
	w.Payload, g.Payload = nil, nil
	if w.Type != g.Type || w.Partition != g.Partition || w.LeaderEpoch != g.LeaderEpoch || w.BaseOffset != g.BaseOffset || w.LastDelta != g.LastDelta ||
		w.Batches != g.Batches || w.AppendMs != g.AppendMs || w.At != g.At || !bytes.Equal(want.Payload, got.Payload) {
		return fmt.Errorf("got %+v with %d bytes, want %+v with %d bytes", g, len(got.Payload), w, len(want.Payload))
	}
	return nil
}
