package resource

import (
	"maps"
	"time"

	"weir/metadata"
)

// OperationProgress is how far an operation is, for people who wait for it.
type OperationProgress struct {
	Steps []StepProgress
	// Brokers are those of a rolling change in the order of their turns, or of its undoing; BrokersDone of them are.
	Brokers     []BrokerProgress
	BrokersDone int
	// Moves is how many partitions have to move, if any.
	Moves *Moves
	// Undoing says why the operation is being undone, or was.
	Undoing *StateInfo

	Elapsed time.Duration // since it began, or of the whole if it ended
	// Remaining is an estimate of what is left, if Estimated: from how long earlier brokers, moves and operations took. Overdue work counts as if it
	// ended now.
	Remaining time.Duration
	Estimated bool
	// Percent is from 0 to 100; 100 only when it ended.
	Percent int
}

// StepProgress is one step of it.
type StepProgress struct {
	Step
	Remaining time.Duration
}

// Durations of steps until the cluster has measured its own: what a small cluster takes on one machine.
const (
	expectedRestart = 2 * time.Second // of one broker
	expectedStart   = time.Second
	expectedStop    = time.Second
	expectedMoves   = 10 * time.Second
	expectedShort   = 100 * time.Millisecond
)

// rolling tells whether the step goes from broker to broker.
func (n StepName) rolling() bool {
	return n == StepRollingRestart || n == StepBinaries || n == StepRebootBroker
}

// TookKey is under which name durations of the step are remembered in Cluster.Took. A restart of a broker is one whatever it is for.
func (n StepName) TookKey() string {
	if n.rolling() {
		return string(StepRebootBroker)
	}
	return string(n)
}

// Expect returns the operation with what each of its steps is expected to take, given what was measured before.
func (o Operation) Expect(took map[string]time.Duration) Operation {
	o.Steps = append([]Step(nil), o.Steps...)
	for i := range o.Steps {
		o.Steps[i].Expected = took[o.Steps[i].Name.TookKey()]
	}
	return o
}

// Measured returns took with what the ended operation adds to it: the mean of before and now, so that old figures fade.
func (o *Operation) Measured(took map[string]time.Duration) map[string]time.Duration {
	out := make(map[string]time.Duration, len(took)+len(o.Steps))
	maps.Copy(out, took)
	note := func(n StepName, d time.Duration) {
		if before, ok := out[n.TookKey()]; ok {
			d = (before + d) / 2
		}
		out[n.TookKey()] = d
	}
	for _, s := range o.Steps {
		if s.Status == StepCompleted && !s.Started.IsZero() && s.Ended.After(s.Started) && (!s.Name.rolling() || o.Type == OpReboot) {
			note(s.Name, s.Ended.Sub(s.Started))
		}
	}
	if o.Update != nil {
		if d, ok := meanTurn(o.Update.Brokers); ok {
			note(StepRollingRestart, d)
		}
	}
	return out
}

// meanTurn is how long those brokers took that are done.
func meanTurn(bs []BrokerProgress) (time.Duration, bool) {
	var sum time.Duration
	n := 0
	for _, b := range bs {
		if b.Status == StepCompleted && b.Ended.After(b.Started) {
			sum += b.Ended.Sub(b.Started)
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / time.Duration(n), true
}

// Progress says how far the operation is at the moment now. It looks at nothing but its arguments.
func Progress(o *Operation, now time.Time) OperationProgress {
	p := OperationProgress{Elapsed: now.Sub(o.Created)}
	if u := o.Update; u != nil {
		p.Brokers, p.Moves, p.Undoing = u.Brokers, u.Moves, u.Problem
		if u.Problem != nil && len(u.Undo) > 0 {
			p.Brokers = u.Undo
		}
	}
	for _, b := range p.Brokers {
		if b.Status == StepCompleted {
			p.BrokersDone++
		}
	}
	over := !o.Ended.IsZero()
	if over {
		p.Elapsed = o.Ended.Sub(o.Created)
	}
	var done, all time.Duration
	for _, s := range o.Steps {
		sp := StepProgress{Step: s}
		whole := o.whole(&s)
		switch {
		case s.Status == StepCompleted:
			done += whole
		case !over:
			sp.Remaining = whole
			if s.Status == StepInProgress {
				sp.Remaining = o.left(&s, whole, now)
			}
			done += whole - sp.Remaining
		}
		all += whole
		p.Remaining += sp.Remaining
		p.Steps = append(p.Steps, sp)
	}
	switch {
	case over:
		p.Percent = 100
	case o.State == OpPending || all == 0 || p.Undoing != nil:
	default:
		p.Estimated = true
		p.Percent = min(99, int(100*done/all))
	}
	if !p.Estimated {
		p.Remaining = 0
	}
	return p
}

// whole is how long all of a step takes.
func (o *Operation) whole(s *Step) time.Duration {
	one := s.Expected
	if one == 0 {
		switch s.Name {
		case StepRebootBroker, StepRollingRestart, StepBinaries:
			one = expectedRestart
		case StepStartBrokers:
			one = expectedStart
		case StepStopBrokers:
			one = expectedStop
		case StepDrain, StepSpread:
			one = expectedMoves
		default:
			one = expectedShort
		}
	}
	if s.Name.rolling() && o.Update != nil {
		if mean, ok := meanTurn(o.Update.Brokers); ok {
			one = mean
		}
		return one * time.Duration(len(o.Update.Brokers))
	}
	return one
}

// left is how much of a step that is under way is left, if it takes whole.
func (o *Operation) left(s *Step, whole time.Duration, now time.Time) time.Duration {
	switch {
	case o.Update != nil && s.Name.rolling() && len(o.Update.Brokers) > 0:
		turn := whole / time.Duration(len(o.Update.Brokers))
		var left time.Duration
		for _, b := range o.Update.Brokers {
			switch b.Status {
			case StepPending:
				left += turn
			case StepInProgress:
				left += max(0, turn-now.Sub(b.Started))
			case StepCompleted, StepFailed:
			}
		}
		return left
	case o.Update != nil && o.Update.Moves != nil && (s.Name == StepDrain || s.Name == StepSpread):
		m := o.Update.Moves
		if moved := m.Total - m.Remaining; moved > 0 {
			return m.At.Sub(s.Started) / time.Duration(moved) * time.Duration(m.Remaining)
		}
	}
	return max(0, whole-now.Sub(s.Started))
}

// NextBroker is the broker whose turn it is, if any.
func (p *OperationProgress) NextBroker() (metadata.BrokerID, bool) {
	for _, b := range p.Brokers {
		if b.Status == StepInProgress {
			return b.Broker, true
		}
	}
	return 0, false
}
