package node

import (
	"time"

	"weir/control/resource"
)

// A broker that cannot be started leads partitions that nobody else can serve, since only its directory has their data. A recoverer is a process of the same
// program in that directory that serves no client: it takes the directory's locks as the broker would, so that there is never more than one of both, gives the
// partitions to other brokers, and ends. Who decides that it is time is the control plane (BrokerSpec.TakeOver). A recoverer that fails and the broker take
// turns until one of them comes to its end.

// down notes that the broker does not serve, for the first time since it did.
func (s *supervisor) down() {
	if s.status.Down.IsZero() {
		s.status.Down = time.Now().UTC()
	}
}

// up notes that it serves.
func (s *supervisor) up() {
	s.status.Down, s.status.TakenOver = time.Time{}, time.Time{}
	s.brokerNext = false
}

// startRecoverer starts one, or sets a pause. It needs no address of its own choice.
func (s *supervisor) startRecoverer() {
	h := s.handover()
	h.Recoverer = true
	err := s.leave(&h)
	var p *process
	if err == nil {
		p, err = s.n.launch(&h, s.spec.VCPU)
	}
	if err != nil {
		s.recovererFailed(err.Error())
		return
	}
	s.proc, s.begun, s.recovering, s.served, s.stale = p, time.Now(), true, false, false
	s.pulse.watch(s.n.cfg.HungAfter)
	s.log.Warn("the broker cannot serve: a recoverer starts, which gives its partitions to other brokers",
		"pid", p.pid, "err", s.status.LastExit, "dur", time.Since(s.status.Down))
	s.report(resource.BrokerRecovering)
}

// handsOver notes that the recoverer has read everything.
func (s *supervisor) handsOver() {
	s.served = true // it is past its start
	s.pulse.watch(s.n.cfg.HungAfter)
	s.log.Info("recoverer hands over", "pid", s.proc.pid, "dur", time.Since(s.begun))
}

// recovererEnded handles the end of a recoverer that was to run.
func (s *supervisor) recovererEnded(end exit) {
	pid, took := s.proc.pid, time.Since(s.begun)
	if s.hung != "" {
		end.reason = s.hung
	}
	s.gone()
	s.served = false
	switch end.code {
	case ExitRecovered:
		s.status.TakenOver = s.status.Down
		s.log.Info("other brokers lead what the broker led", "pid", pid, "dur", took)
		s.pause = 0
		s.report(resource.BrokerBackOff)
		return
	case ExitClaimed:
		// It met a process that the node did not know of.
		if s.findLeftover(); s.proc != nil {
			return
		}
	}
	s.recovererFailed(end.reason)
}

func (s *supervisor) recovererFailed(reason string) {
	s.log.Error("recoverer failed, the broker is tried again", "err", reason)
	s.brokerNext = true
	s.pauseAfter(false, "its partitions could not be handed over: "+reason)
}
