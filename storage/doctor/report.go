package doctor

import (
	"cmp"
	"fmt"
	"slices"

	"weir/storage/stream"
	"weir/storage/wal"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities.
const (
	Note    Severity = iota // nothing is wrong
	Warning                 // nothing is lost, but something should be looked at
	Damage                  // bytes that were acknowledged are missing or wrong
)

func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	default:
		return "damage"
	}
}

// Finding is one thing that was found.
type Finding struct {
	Severity   Severity
	Where      string          // file, below the broker's directory
	Partitions []wal.Partition // concerned, if known
	What       string
	Do         string // what to do about it
}

// Report is the outcome of an examination.
type Report struct {
	Findings []Finding // worst first

	Journals, JournalFiles, Entries int
	Containers, Chunks, Checkpoints int
	Partitions                      int
	Bytes                           int64 // read and checked
}

// Worst is the worst severity among the findings; Note if there is none.
func (r *Report) Worst() Severity {
	worst := Note
	for i := range r.Findings {
		worst = max(worst, r.Findings[i].Severity)
	}
	return worst
}

// Confirm drops what an earlier look at the same directory did not find in the same place: a broker that runs moves things, and what was in
// between is gone with the next look. Notes stay.
func (r *Report) Confirm(earlier *Report) {
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool {
		return f.Severity > Note && !slices.ContainsFunc(earlier.Findings, func(e Finding) bool { return e.Severity > Note && e.Where == f.Where })
	})
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
}

// Known is what the metadata say about the broker's streams. Without it the newest checkpoint that there is counts as the current one.
type Known struct {
	Read    bool // the metadata could be read
	Streams []Stream
	Live    bool // the broker runs
}

// Stream is the metadata's record of a stream.
type Stream struct {
	Name       string
	Sealed     bool
	End        wal.Position   // of a sealed one
	Checkpoint stream.Pointer // Number 0: none
}

func (x *examination) find(s Severity, where string, parts []wal.Partition, do, format string, args ...any) {
	x.report.Findings = append(x.report.Findings, Finding{Severity: s, Where: where, Partitions: parts, What: fmt.Sprintf(format, args...), Do: do})
}
