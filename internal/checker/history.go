package checker

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Kind says what an operation did.
type Kind string

// Kinds of operations.
const (
	Produce   Kind = "produce"   // Writes, each acknowledged for itself
	Txn       Kind = "txn"       // a transaction: Reads are its inputs, Writes its records, Offsets what it committed for Group
	Poll      Kind = "poll"      // Reads of one poll
	Commit    Kind = "commit"    // Offsets were committed for Group
	Committed Kind = "committed" // Offsets are what Group's committed offsets were said to be; -1 for none
	Bounds    Kind = "bounds"    // Limits of partitions, as ListOffsets gave them
	Deliver   Kind = "deliver"   // Reads that a share group's member acquired
	Settle    Kind = "settle"    // Settled: what that member acknowledged
	Leave     Kind = "leave"     // the process gave everything back: left, closed or was killed
)

// Outcome is what a client knows of its operation's effect.
type Outcome string

// Outcomes.
const (
	Unknown Outcome = "unknown"
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
)

// Partition is topic and number, as "orders-3".
type Partition string

// Place is where a record is.
type Place struct {
	Partition Partition `json:"partition"`
	Offset    int64     `json:"offset"`
}

func (p Place) String() string { return fmt.Sprintf("%s@%d", p.Partition, p.Offset) }

// Write is one record that was sent.
type Write struct {
	Partition Partition     `json:"partition"`
	Value     string        `json:"value"`
	Outcome   Outcome       `json:"outcome"` // of the append; whether a transaction commits is its operation's outcome
	Offset    int64         `json:"offset"`  // of an OK append
	Sent      time.Duration `json:"sent"`
	Acked     time.Duration `json:"acked"`          // set if OK
	From      *Place        `json:"from,omitempty"` // the input that this record was made of, exactly once
}

// Read is one record that was received.
type Read struct {
	Partition Partition `json:"partition"`
	Offset    int64     `json:"offset"`
	Value     string    `json:"value"`
}

// Limit is what ListOffsets said of a partition.
type Limit struct{ Start, Stable, High int64 }

// Ack is what a share group's member said of a record.
type Ack struct {
	Place
	Final bool `json:"final"` // accepted or rejected: never to be delivered again. Otherwise released.
}

// Op is one operation of one client.
type Op struct {
	ID        int           `json:"id"`
	Process   string        `json:"process"` // one client's life: who comes back after a crash has another name
	Kind      Kind          `json:"kind"`
	Outcome   Outcome       `json:"outcome"`
	Error     string        `json:"error,omitempty"`
	Invoked   time.Duration `json:"invoked"`
	Completed time.Duration `json:"completed"`

	Reads   []Read              `json:"reads,omitempty"`
	Writes  []Write             `json:"writes,omitempty"`
	Group   string              `json:"group,omitempty"`
	Offsets map[Partition]int64 `json:"offsets,omitempty"`
	Limits  map[Partition]Limit `json:"limits,omitempty"`
	Settled []Ack               `json:"settled,omitempty"`

	Uncommitted bool          `json:"uncommitted,omitempty"` // the reads were at read_uncommitted
	Moved       bool          `json:"moved,omitempty"`       // the process' positions may have been set anew since its last poll
	Decided     time.Duration `json:"decided,omitempty"`     // when a transaction asked to be committed; 0 if it never did
}

// before tells whether o had ended when other began.
func (o *Op) before(other *Op) bool { return o.Completed > 0 && o.Completed < other.Invoked }

// History is all that happened in a run.
type History struct {
	Ops []*Op `json:"-"`
	// Final is the log of each partition after the run as a read_committed consumer sees it, in order of offsets.
	Final map[Partition][]Read
	// Dense names the partitions without transactions and compaction: their offsets have no gaps.
	Dense map[Partition]bool
	// Pipes says which partitions' records are to be made, exactly once each, into records of which topics' partitions: input to outputs.
	Pipes map[Partition][]Partition
	// Drained share groups have had the time to settle every record of these partitions.
	Drained map[string][]Partition
	// LockFor is how long a share group's member holds a record.
	LockFor time.Duration
}

// Recorder collects the operations of concurrent clients.
type Recorder struct {
	start time.Time
	mu    sync.Mutex
	ops   []*Op
}

// NewRecorder returns a Recorder whose clock begins now.
func NewRecorder() *Recorder { return &Recorder{start: time.Now()} }

// Now is the time on the history's clock. It is never 0.
func (r *Recorder) Now() time.Duration { return time.Since(r.start) + 1 }

// Invoke notes that an operation begins. The caller fills it in and completes it; nobody else touches it until then.
func (r *Recorder) Invoke(process string, kind Kind) *Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	op := &Op{ID: len(r.ops), Process: process, Kind: kind, Outcome: Unknown, Invoked: r.Now()}
	r.ops = append(r.ops, op)
	return op
}

// Complete notes the operation's end. An operation that is never completed stays Unknown for ever.
func (r *Recorder) Complete(op *Op, outcome Outcome, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	op.Outcome = outcome
	if err != nil {
		op.Error = err.Error()
	}
	op.Completed = r.Now()
}

// Ops returns what was noted, in order of invocation. All clients must have ended.
func (r *Recorder) Ops() []*Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops
}

// Finished returns the operations that have ended, in order of invocation, while clients go on.
func (r *Recorder) Finished() []*Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*Op
	for _, op := range r.ops {
		if op.Completed > 0 {
			out = append(out, op)
		}
	}
	return out
}

// WriteTo writes the operations as lines of JSON, for people who look for the cause of an anomaly.
func (h *History) WriteTo(w io.Writer) (int64, error) {
	var n int64
	for _, op := range h.Ops {
		line, err := json.Marshal(op)
		if err != nil {
			return n, fmt.Errorf("operation %d: %w", op.ID, err)
		}
		m, err := w.Write(append(line, '\n'))
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
