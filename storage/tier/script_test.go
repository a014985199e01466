package tier_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"weir/sim"
	"weir/storage/stream"
	"weir/storage/tier"
)

// op is one step of a script. Its arguments are taken modulo what there is.
type op struct {
	kind    opKind
	a, b, c int
}

type opKind int

const (
	opProduce opKind = iota
	opRetry
	opDeleteRecords
	opFlush
	opCheckpoint
	opPromote
	opMerge
	opRetain
	opCollect
	opRead
	opDeleteTopic
	opCreateTopic
	opPolicy
	opClock
	opScrub
	opRestart
	opKill
	opCut
	opKinds
)

func (k opKind) String() string {
	return [...]string{
		"produce", "retry", "delete records", "flush", "checkpoint", "promote", "merge", "retain", "collect", "read", "delete topic",
		"create topic", "policy", "clock", "scrub", "restart", "kill", "cut",
	}[k]
}

// script makes up n operations, as often as the weights say.
func script(rng *rand.Rand, n int) []op {
	weights := [opKinds]int{40, 4, 2, 8, 6, 4, 4, 3, 4, 2, 1, 1, 1, 3, 1, 1, 1, 2}
	total := 0
	for _, w := range weights {
		total += w
	}
	ops := make([]op, n)
	for i := range ops {
		k, kind := rng.IntN(total), opKind(0)
		for k >= weights[kind] {
			k -= weights[kind]
			kind++
		}
		ops[i] = op{kind, rng.IntN(1 << 20), rng.IntN(1 << 20), rng.IntN(1 << 20)}
	}
	return ops
}

// variant is how the engine takes part in a script beyond what that says.
type variant struct {
	name  string
	cfg   tier.Config
	each  []opKind        // done after every operation
	never map[opKind]bool // left out
}

// run plays a script. A planned fault of the disk that comes about ends the life, and the script goes on in the next one.
func (w *world) run(ops []op, v variant) {
	w.t.Helper()
	l := w.mustBegin()
	for i, o := range ops {
		if w.t.Failed() {
			return
		}
		l = w.play(l, o, v)
		for _, kind := range v.each {
			l = w.play(l, op{kind: kind}, v)
		}
		if w.t.Failed() {
			w.t.Errorf("after operation %d: %v", i, o)
		}
	}
	if w.t.Failed() {
		return
	}
	w.disk.Plan(nil)
	w.finish(l)
}

func (w *world) play(l *life, o op, v variant) *life {
	if v.never[o.kind] {
		return l
	}
	if w.trace {
		w.t.Logf("life %d, disk operation %d: %v %v", w.lives, w.disk.Ops(), o.kind, o)
		defer func() {
			for _, p := range l.parts {
				w.t.Logf("  %s", p)
			}
		}()
	}
	w.doing = o.kind
	switch o.kind {
	case opRestart:
		if w.crashed.Load() {
			break
		}
		if _ = l.end(true); !w.crashed.Load() {
			w.disk.Kill()
			return w.mustBegin()
		}
		return w.recover()
	case opKill:
		_ = l.end(false)
		w.disk.Kill()
		w.traceMeta("kill")
		return w.mustBegin()
	case opCut:
		_ = l.end(false)
		return w.recover()
	default:
	}
	err := l.do(o)
	if !w.crashed.Load() {
		if err != nil && !errors.Is(err, errPublish) && !errors.Is(err, errHiccup) {
			w.t.Errorf("%v: %v", o.kind, err)
		}
		return l
	}
	_ = l.end(false)
	return w.recover()
}

// recover cuts the power and starts again.
func (w *world) recover() *life {
	w.crash()
	w.disk.Plan(nil)
	if w.more > 0 {
		w.more--
		w.randomFault()
	}
	return w.mustBegin()
}

func (w *world) crash() {
	w.stats.Crashes++
	w.crashed.Store(false)
	w.disk.Crash(w.rng.Uint64())
	w.traceMeta("power cut")
}

func (w *world) traceMeta(what string) {
	if w.trace {
		w.t.Logf("%s at disk operation %d; checkpoint %d of %q from %v; streams %v", what, w.disk.Ops(), w.pointer.Number, w.current, w.pointer.From, w.streams)
	}
}

// mustBegin begins a life; a planned fault may come about in that.
func (w *world) mustBegin() *life {
	for range 10 {
		l, err := w.begin()
		if err == nil {
			for _, p := range l.parts {
				l.read(p)
			}
			if !w.crashed.Load() {
				return l
			}
			_ = l.end(false)
		}
		if !w.crashed.Load() {
			w.t.Fatalf("start: %v (seed %d)", err, w.seed)
		}
		w.crash()
	}
	w.t.Fatal("the machine crashes again and again")
	return nil
}

var errPublish = errors.New("the metadata are away")

// do does what the operation says.
func (l *life) do(o op) error {
	ctx, w := context.Background(), l.w
	if turn := turnOf(o.kind); turn != "" {
		l.active[turn] = true
		defer delete(l.active, turn)
	}
	l.depth++
	defer func() { l.depth-- }()
	var p *part
	if len(l.parts) > 0 {
		p = l.parts[o.a%len(l.parts)]
	}
	switch o.kind {
	case opProduce, opRetry, opDeleteRecords, opRead, opDeleteTopic, opPolicy:
		if p == nil {
			return nil
		}
	default:
	}
	switch o.kind {
	case opProduce:
		producer := o.b%3 - 1
		if producer >= 0 {
			if done, err := l.resend(p, producer); done {
				return err
			}
		}
		sizes := []int{0, 10, 100, 1000, 5000}
		ages := []int64{0, 0, 0, 10_000, -100_000, 1000_000}
		return p.produce(producer, 1+o.c%4, sizes[o.c/4%len(sizes)], ages[o.c/32%len(ages)])
	case opRetry:
		producer := o.b % 2
		if done, err := l.resend(p, producer); done || p.m.last[producer].bytes == nil {
			return err
		}
		return p.send(p.m.last[producer])
	case opDeleteRecords:
		if p.m.end == 0 {
			return nil
		}
		return p.deleteRecords(int64(o.b) % (p.m.end + 1))
	case opFlush:
		return l.engine.Flush(ctx)
	case opCheckpoint:
		return l.engine.Checkpoint(ctx)
	case opPromote:
		return l.engine.Promote(ctx)
	case opMerge:
		return l.engine.Merge(ctx)
	case opRetain:
		return l.engine.Retain(ctx)
	case opCollect:
		return l.engine.Collect(ctx)
	case opScrub:
		found, err := l.engine.Scrub(ctx)
		if err == nil && len(found) > 0 && !w.crashed.Load() && !w.interleave {
			w.t.Errorf("scrub: %v", found)
		}
		return err
	case opRead:
		l.read(p)
		return nil
	case opDeleteTopic:
		w.models = slices.DeleteFunc(w.models, func(m *model) bool { return m == p.m })
		return p.release()
	case opCreateTopic:
		if len(w.models) < 6 {
			m := w.topic(policies[o.b%len(policies)])
			l.parts = append(l.parts, &part{l: l, m: m, state: &stream.PartitionState{}})
		}
		return nil
	case opPolicy:
		p.m.setPolicy(policies[o.b%len(policies)], w.wallClock().UnixMilli())
		return nil
	case opClock:
		w.now = w.now.Add(time.Duration(o.a%600) * time.Second)
		return nil
	default:
		return fmt.Errorf("no such operation: %d", o.kind)
	}
}

// resend sends again what the producer has not got an answer for.
func (l *life) resend(p *part, producer int) (bool, error) {
	for _, b := range p.m.pending {
		if b.producer == producer {
			return true, p.send(b)
		}
	}
	return false, nil
}

var policies = []tier.Policy{ //nolint:gochecknoglobals // a constant table
	keepAll(), keepAll(),
	{Delete: true, RetentionTime: unlimited, RetentionBytes: 20_000, SegmentBytes: 10_000},
	{Delete: true, RetentionTime: 20 * time.Minute, RetentionBytes: -1, SegmentBytes: 1 << 30},
	{Delete: true, RetentionTime: time.Minute, RetentionBytes: 100_000, SegmentBytes: 1 << 20},
}

// finish checks everything that must hold in the end, and that nothing is left over.
func (w *world) finish(l *life) {
	t, ctx := w.t, context.Background()
	t.Helper()
	for _, p := range l.parts {
		l.read(p)
	}
	must := func(name string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("in the end: %s: %v", name, err)
		}
	}
	w.publish, w.interleave = nil, false
	must("checkpoint", l.engine.Checkpoint(ctx))
	must("collect", l.engine.Collect(ctx))
	must("checkpoint", l.engine.Checkpoint(ctx))
	must("collect", l.engine.Collect(ctx))
	l.checkStore()
	must("flush", l.engine.Flush(ctx))
	must("promote", l.engine.Promote(ctx))
	must("merge", l.engine.Merge(ctx))
	must("checkpoint", l.engine.Checkpoint(ctx))
	for _, p := range l.parts {
		l.read(p)
	}
	if s := l.engine.Stats(); s.Stuck > 0 || s.Damaged > 0 {
		t.Errorf("in the end: %+v", s)
	}
	must("end", l.end(true))
	w.disk.Kill()
	l, err := w.begin()
	must("start", err)
	if err != nil {
		return
	}
	for _, p := range l.parts {
		l.read(p)
	}
	must("checkpoint", l.engine.Checkpoint(ctx))
	must("collect", l.engine.Collect(ctx))
	must("checkpoint", l.engine.Checkpoint(ctx))
	must("collect", l.engine.Collect(ctx))
	l.checkStore()
	must("end", l.end(false))
}

// checkStore checks that there is everything that is referred to, and nothing else.
func (l *life) checkStore() {
	t := l.w.t
	t.Helper()
	used := map[string]bool{}
	for _, p := range l.parts {
		p.View(func(s *stream.PartitionState) {
			for i := range s.Pieces {
				used[s.Pieces[i].Key()] = true
			}
		})
	}
	for info, err := range l.store.List(context.Background(), "") {
		if err != nil {
			t.Error(err)
			return
		}
		if strings.HasPrefix(info.Key, stream.CheckpointPrefix) || strings.HasPrefix(info.Key, stream.ManifestPrefix) {
			continue
		}
		if !used[info.Key] {
			t.Errorf("%s is left over", info.Key)
		}
		delete(used, info.Key)
	}
	for key := range used {
		t.Errorf("%s is missing", key)
	}
	if files, err := l.w.disk.ReadDir("blob/tmp"); err == nil && len(files) > 0 {
		t.Errorf("%d temporary files are left over", len(files))
	}
}

// fault plans that the power is cut at the nth operation of the disk from now on.
func (w *world) fault(n int, kind sim.FaultKind) {
	at := w.disk.Ops() + n
	w.disk.Plan(func(o sim.Op) sim.Fault {
		if o.N != at {
			return sim.Fault{}
		}
		w.crashed.Store(true)
		w.cutIn = w.doing
		return sim.Fault{Kind: kind}
	})
}

// randomFault plans that it is cut at some operation.
func (w *world) randomFault() {
	kind := sim.CrashBefore
	if w.rng.IntN(2) == 0 {
		kind = sim.CrashAfter
	}
	w.fault(1+w.rng.IntN(800), kind)
}
