package partition

import "sync/atomic"

// Premise is something that was queued for the journal, and that appends queued behind it must not outlive: a transaction's marker, say, whose premise is
// the decision. The journal's order alone sees to that in a crash, but a journal that is full may refuse one write and take a later one. Append and Marker
// take a Premise; what rests on one that has failed is not written, and fails as well.
//
// The zero value holds. Whoever queued what the Premise stands for calls Fail when that has failed, from the callback that says so: it comes before anything
// later is written.
type Premise struct{ failed atomic.Bool }

// Fail keeps everything that rests on the premise, and is not in the journal yet, out of it.
func (p *Premise) Fail() { p.failed.Store(true) }

// Failed tells whether Fail was called.
func (p *Premise) Failed() bool { return p != nil && p.failed.Load() }
