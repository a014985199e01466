package resource

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/metadata"
)

func TestProgressIsEstimatedFromWhatWasMeasured(t *testing.T) {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	c := Cluster{Brokers: 3, InstanceType: "kafka.m7g.large"}
	op := NewUpdate(OpBrokerType, &c, Change{InstanceType: new("kafka.m7g.xlarge")}, "r", at(0))
	if p := Progress(&op, at(1)); p.Estimated || p.Percent != 0 || p.Elapsed != time.Second {
		t.Errorf("pending: %+v", p)
	}
	op = op.Complete(at(0), StepInitialize, StepApplySettings).Expect(map[string]time.Duration{StepRollingRestart.TookKey(): 4 * time.Second})
	turns := func(statuses ...StepStatus) []BrokerProgress {
		var out []BrokerProgress
		for i, s := range statuses {
			b := BrokerProgress{Reboot: Reboot{Broker: metadata.BrokerID(i + 1)}, Status: s}
			if s != StepPending {
				b.Started = at(float64(2 * i))
			}
			if s == StepCompleted {
				b.Ended = at(float64(2 * (i + 1)))
			}
			out = append(out, b)
		}
		return out
	}
	near := func(got, want time.Duration) bool { return got > want-time.Second && got < want+time.Second }

	op.Update.Brokers = turns(StepInProgress, StepPending, StepPending)
	p := Progress(&op, at(1)) // nobody has come back yet: 4 s each, of which one is over
	if id, ok := p.NextBroker(); !p.Estimated || !near(p.Remaining, 11*time.Second) || p.BrokersDone != 0 || !ok || id != 1 {
		t.Errorf("first broker: %+v", p)
	}
	op.Update.Brokers = turns(StepCompleted, StepInProgress, StepPending)
	p = Progress(&op, at(3)) // the first took 2 s, so they all do
	if !near(p.Remaining, 3*time.Second) || p.BrokersDone != 1 || p.Percent < 30 || p.Percent > 70 {
		t.Errorf("second broker: %+v", p)
	}
	late := Progress(&op, at(60))
	if late.Remaining > p.Remaining || late.Remaining < time.Second || late.Percent >= 100 {
		t.Errorf("overdue: %+v", late)
	}
	op.Update.Brokers = turns(StepCompleted, StepCompleted, StepCompleted)
	done := op.Complete(at(6), StepRollingRestart, StepFinalize)
	if p := Progress(&done, at(600)); p.Percent != 100 || p.Remaining != 0 || p.Estimated || p.Elapsed != 6*time.Second {
		t.Errorf("done: %+v", p)
	}
	took := done.Measured(map[string]time.Duration{StepRebootBroker.TookKey(): 4 * time.Second, "X": 1})
	if diff := cmp.Diff(map[string]time.Duration{StepRebootBroker.TookKey(): 3 * time.Second, "X": 1}, took); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}

	undone := op
	undone.Update = &Update{Problem: &StateInfo{Code: "C"}, Brokers: op.Update.Brokers, Undo: turns(StepCompleted, StepPending)}
	if p := Progress(&undone, at(9)); p.Estimated || p.Undoing == nil || len(p.Brokers) != 2 || p.BrokersDone != 1 {
		t.Errorf("being undone: %+v", p)
	}
}

func TestProgressOfMovesFollowsTheirRate(t *testing.T) {
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	c := Cluster{Brokers: 6}
	op := NewUpdate(OpDecreaseBrokers, &c, Change{Brokers: new(3)}, "r", start).Complete(start, StepInitialize)
	op.Update.Moves = &Moves{Total: 100, Remaining: 75, At: start.Add(50 * time.Second)}
	p := Progress(&op, start.Add(51*time.Second)) // 2 s each
	if p.Remaining < 150*time.Second || p.Remaining > 152*time.Second || p.Moves.Remaining != 75 {
		t.Errorf("%+v", p)
	}
	op.Update.Moves.Remaining = 100
	if p := Progress(&op, start.Add(time.Second)); p.Remaining <= 0 || p.Remaining > time.Minute {
		t.Errorf("before the first move: %+v", p)
	}
}
