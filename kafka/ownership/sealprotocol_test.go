package ownership

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"weir/metadata"
	"weir/storage/stream"
	"weir/storage/wal"
)

// TestSealProtocol explores every interleaving of three incarnations of a broker that follow the rules of rules.go, each of which may die between any two
// steps, with transactions that arrive late, after their sender's death too, or whose outcome is not heard, and appends that a crash keeps or loses. The
// invariants are those of the design's section 8. The log, the lock and the store are the smallest models that keep their promises; each mutant breaks one
// rule or promise, and must be found.
func TestSealProtocol(t *testing.T) {
	for _, m := range []mutant{
		{name: "the rules"},
		{name: "a successor does not wait for the lock", noLock: true, finds: "I2"},
		{name: "acknowledged before it is durable", earlyAck: true, finds: "I2"},
		{name: "a checkpoint is published without a guard", unguardedPublish: true, finds: "I3"},
		{name: "partitions are taken without a guard", unguardedTake: true, finds: "I5"},
		{name: "leader epochs are not raised", noBump: true, finds: "I5"},
		{name: "the lock is given back with appends in hand", earlyUnlock: true, finds: "I2"},
	} {
		t.Run(m.name, func(t *testing.T) {
			states, violation, trace := explore(m)
			if m.finds == "" && violation != "" || !strings.HasPrefix(violation, m.finds) {
				t.Errorf("after %d states: %q, want one of %q\n%s", states, violation, m.finds, strings.Join(trace, "\n"))
			}
			t.Logf("%d states, %d steps to %q", states, len(trace), violation)
		})
	}
}

type mutant struct {
	name                                                                   string
	noLock, earlyAck, unguardedPublish, unguardedTake, noBump, earlyUnlock bool
	finds                                                                  string
}

const (
	incarnations = 3
	appendsMax   = 1 // of one incarnation
	statesMax    = 3_000_000
)

// The phases of a process.
const (
	idle = iota
	locked
	knows // has read the metadata
	registered
	recovered
	serving
	dead
)

// The transactions of a process, of which one is under way at a time, and what became of it.
const (
	noTxn = iota
	registering
	taking
	publishing
)

const (
	sent = iota
	done
	conflicted
)

type seenStream struct {
	record   metadata.Stream
	modified metadata.Revision // 0: there is none
}

type proc struct {
	phase      uint8
	seen       [incarnations]seenStream
	epoch      metadata.LeaderEpoch // seen, and ours once we serve
	epochAt    metadata.Revision
	base       uint32 // offset of its first append
	txn        uint8
	outcome    uint8
	lost       bool   // an answer was lost: once is enough
	checkpoint uint32 // that is published
	buffered   uint32 // appended, durable or not
	acked      uint32
}

type journalModel struct {
	durable uint32
	sealed  bool
	end     uint32
}

// protocol is a state of the world. It is comparable.
type protocol struct {
	rev     metadata.Revision
	streams [incarnations]seenStream
	epoch   metadata.LeaderEpoch
	epochAt metadata.Revision
	lock    int8 // who has it, -1 nobody
	procs   [incarnations]proc
	logs    [incarnations]journalModel
	broken  string
}

func explore(m mutant) (states int, violation string, trace []string) {
	type from struct {
		state protocol
		what  string
	}
	first := protocol{rev: 1, lock: -1, epoch: 0, epochAt: 1}
	came := map[protocol]from{first: {}}
	queue := []protocol{first}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		if v := w.violation(); v != "" {
			for c := w; c != first; c = came[c].state {
				trace = append(trace, came[c].what)
			}
			slices.Reverse(trace)
			return len(came), v, trace
		}
		for i := range incarnations {
			w.steps(i, m, func(next protocol, what string) {
				if _, ok := came[next]; !ok {
					came[next] = from{w, fmt.Sprintf("%d: %s", i+1, what)}
					queue = append(queue, next)
				}
			})
		}
		if len(came) > statesMax {
			return len(came), "not exhausted", nil
		}
	}
	return len(came), "", nil
}

// steps calls f with each state that process i, or what it has sent, can bring about.
func (w protocol) steps(i int, m mutant, f func(protocol, string)) {
	p := &w.procs[i]
	if p.txn != noTxn && p.outcome == sent { // it may arrive whenever it likes, and may never arrive
		n := w
		n.arrive(i, m)
		f(n, "transaction arrives")
	}
	if p.phase == idle {
		if (w.lock < 0 || m.noLock) && (i == 0 || w.procs[i-1].phase >= registered) {
			n := w
			n.lock, n.procs[i].phase = int8(i), locked
			f(n, "locks")
		}
		return
	}
	if p.phase == dead {
		return
	}
	for kept := w.logs[i].durable; kept <= p.buffered; kept++ { // of what is not durable yet, a crash keeps any part
		n := w
		n.die(i, kept)
		f(n, fmt.Sprintf("dies with %d appends", kept))
	}
	if p.txn != noTxn {
		if p.outcome != sent {
			n := w
			n.hear(i)
			f(n, "hears of its transaction")
		}
		if p.txn == publishing && p.outcome == done && !p.lost { // the answer is lost: it asks again
			n := w
			n.procs[i].outcome, n.procs[i].lost = sent, true
			f(n, "does not hear of its transaction")
		}
	} else {
		w.advance(i, f)
	}
	if p.phase == serving {
		w.appends(i, m, f)
	}
}

// advance begins the next step of process i.
func (w protocol) advance(i int, f func(protocol, string)) {
	n := w
	p := &n.procs[i]
	switch p.phase {
	case locked:
		p.phase, p.seen, p.epoch, p.epochAt = knows, w.streams, w.epoch, w.epochAt
		f(n, "reads the metadata")
	case knows:
		p.txn, p.outcome = registering, sent
		f(n, "registers")
	case registered:
		n.recover(i)
		f(n, "recovers")
	case recovered:
		p.txn, p.outcome = taking, sent
		f(n, "takes")
	case serving:
		if w.logs[i].durable > p.checkpoint {
			p.txn, p.outcome = publishing, sent
			f(n, "publishes")
		}
	}
}

func (w protocol) appends(i int, m mutant, f func(protocol, string)) {
	p := w.procs[i]
	if m.earlyUnlock && w.lock == int8(i) {
		n := w
		n.lock = -1
		f(n, "gives the lock back")
	}
	if p.buffered < appendsMax {
		n := w
		n.procs[i].buffered++
		f(n, "appends")
	}
	if w.logs[i].durable < p.buffered {
		n := w
		n.logs[i].durable++
		f(n, "append becomes durable")
	}
	if p.acked < w.logs[i].durable || m.earlyAck && p.acked < p.buffered {
		n := w
		n.procs[i].acked++
		f(n, "acknowledges")
	}
}

func (w *protocol) die(i int, kept uint32) {
	p := &w.procs[i]
	w.logs[i].durable, p.buffered, p.phase = kept, kept, dead
	if w.lock == int8(i) {
		w.lock = -1
	}
	if p.outcome != sent {
		p.txn = noTxn
	}
	w.forget(i)
}

// recover reads the older streams to their ends, as replay does, and seals those that nobody has sealed.
func (w *protocol) recover(i int) {
	p := &w.procs[i]
	p.phase, p.base = recovered, 0
	for s := range i {
		if p.seen[s].modified == 0 {
			continue
		}
		l := &w.logs[s]
		if !l.sealed {
			l.sealed, l.end = true, l.durable
		}
		next, changed, err := toSealed(p.seen[s].record, wal.Position{Seq: 1, Off: l.end})
		if err != nil {
			w.broken = "I3: " + err.Error()
			return
		}
		if p.seen[s].record.FromOff > l.end {
			w.broken = fmt.Sprintf("I3: stream %d ends at %d, before its checkpoint at %d", s+1, l.end, p.seen[s].record.FromOff)
			return
		}
		if changed {
			p.seen[s].record = next
		}
		p.base += l.end
	}
}

// transaction is what process i has sent, made by the rules from what it has seen.
func (w *protocol) transaction(i int, m mutant) metadata.Txn {
	p := &w.procs[i]
	var txn metadata.Txn
	switch p.txn {
	case registering:
		for s := range i {
			if p.seen[s].modified == 0 {
				continue
			}
			if next, ok := toSealing(p.seen[s].record); ok {
				change(&txn, streamName(s), p.seen[s].modified, next)
			}
		}
	case taking:
		for s := range i { // recover has made them SEALED
			if seen := p.seen[s]; seen.modified != 0 && seen.record.State == metadata.StreamSealed {
				change(&txn, streamName(s), seen.modified, seen.record)
			}
		}
		change(&txn, streamName(i), 0, toOpen(1, metadata.Revision(i+1)))
		a := assignmentKey{record: metadata.Assignment{Partitions: []metadata.PartitionAssignment{{Leader: 1, Epoch: p.epoch}}}}
		if !m.noBump {
			a.record = a.bumped(1)
		}
		txn.If = append(txn.If, metadata.Cond{Key: "asg", Modified: p.epochAt})
		txn.Then = append(txn.Then, metadata.Put("asg", metadata.Encode(a.record)))
		if m.unguardedTake {
			txn.If = nil
		}
	case publishing:
		ours := p.seen[i]
		change(&txn, streamName(i), ours.modified, toCheckpoint(ours.record, stream.Pointer{
			Number: uint64(p.checkpoint) + 1, From: wal.Position{Seq: 1, Off: p.checkpoint + 1},
		}))
		if m.unguardedPublish {
			txn.If = nil
		}
	}
	return txn
}

func streamName(s int) string { return fmt.Sprint(s) }

// arrive is the store.
func (w *protocol) arrive(i int, m mutant) {
	p := &w.procs[i]
	txn := w.transaction(i, m)
	for _, c := range txn.If {
		at := w.epochAt
		if c.Key != "asg" {
			at = w.streams[c.Key[0]-'0'].modified
		}
		if at != c.Modified {
			p.outcome = conflicted
			w.forget(i)
			return
		}
	}
	p.outcome = done
	if len(txn.Then) > 0 {
		w.rev++
	}
	for _, op := range txn.Then {
		kv := metadata.KV{Key: op.Key, Value: op.Value}
		if op.Key == "asg" {
			a, err := metadata.Decode[metadata.Assignment](kv)
			if err != nil {
				panic(err)
			}
			if next, most := a.Partitions[0].Epoch, w.served(); next <= most {
				w.broken = fmt.Sprintf("I5: leader epoch %d after epoch %d", next, most)
			}
			w.epoch, w.epochAt = a.Partitions[0].Epoch, w.rev
			p.epoch = w.epoch
			continue
		}
		r, err := metadata.Decode[metadata.Stream](kv)
		if err != nil {
			panic(err)
		}
		s := &w.streams[op.Key[0]-'0']
		if s.record.State == metadata.StreamSealed && r.State != metadata.StreamSealed {
			w.broken = fmt.Sprintf("I3: stream %s is %s after it was sealed", op.Key, r.State)
		}
		s.record, s.modified = r, w.rev
	}
	w.forget(i)
}

// forget drops what a dead process knew, once nothing of it is under way.
func (w *protocol) forget(i int) {
	if p := &w.procs[i]; p.phase == dead && (p.txn == noTxn || p.outcome != sent) {
		p.txn, p.outcome, p.seen, p.epochAt = noTxn, sent, [incarnations]seenStream{}, 0
		if p.buffered == 0 {
			p.base = 0
		}
	}
}

// served is the largest leader epoch that a process serves or served in, -1 if none.
func (w *protocol) served() metadata.LeaderEpoch {
	most := metadata.LeaderEpoch(-1)
	for i := range w.procs {
		if p := &w.procs[i]; p.checkpoint > 0 || p.buffered > 0 || p.phase == serving {
			most = max(most, p.epoch)
		}
	}
	return most
}

// hear lets process i know what became of its transaction.
func (w *protocol) hear(i int) {
	p := &w.procs[i]
	txn, outcome := p.txn, p.outcome
	p.txn, p.outcome = noTxn, sent
	switch {
	case txn == publishing && outcome == conflicted:
		if !remainsOurs(w.streams[i].record, w.streams[i].modified != 0) {
			w.die(i, p.buffered)
			return
		}
		p.txn = publishing // again, on what is there
		p.seen[i].modified = w.streams[i].modified
	case outcome == conflicted: // ErrSuperseded
		w.die(i, p.buffered)
	case txn == registering:
		p.phase = registered
		for s := range i {
			if p.seen[s].modified == 0 {
				continue
			}
			if next, ok := toSealing(p.seen[s].record); ok {
				p.seen[s] = seenStream{next, w.streams[s].modified}
			}
		}
	case txn == taking:
		p.phase, p.seen[i] = serving, w.streams[i]
	case txn == publishing:
		p.checkpoint++
		p.seen[i] = w.streams[i]
	}
}

// violation names the first invariant that does not hold.
func (w *protocol) violation() string {
	if w.broken != "" {
		return w.broken
	}
	for s := range incarnations {
		p, record := &w.procs[s], w.streams[s].record
		if record.State == metadata.StreamSealed && p.acked > record.EndOff {
			return fmt.Sprintf("I2: %d appends of stream %d are acknowledged, which was sealed at %d", p.acked, s+1, record.EndOff)
		}
		for later := s + 1; later < incarnations; later++ {
			l := &w.procs[later]
			if l.phase != serving {
				continue
			}
			if p.acked > 0 && l.base < p.base+p.acked {
				return fmt.Sprintf("I2: incarnation %d begins at offset %d, and %d has acknowledged %d from %d on", later+1, l.base, s+1, p.acked, p.base)
			}
			if (p.phase == serving || p.acked > 0) && l.epoch <= p.epoch {
				return fmt.Sprintf("I5: incarnation %d serves in epoch %d, and %d in epoch %d", s+1, p.epoch, later+1, l.epoch)
			}
		}
	}
	return ""
}
