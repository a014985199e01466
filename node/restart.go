package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"weir/control/resource"
)

// obey compares the running process with what is wanted of it. It returns true if it did something after which that is to be compared again.
func (s *supervisor) obey() bool {
	switch {
	case s.recovering && s.spec.Recovers(&s.status):
		return false // whatever else is wanted of the broker has to wait: it does not serve
	case s.recovering:
		s.stop()
	case s.spec.Replace != s.status.Replaced:
		s.replace()
	case s.next != nil && s.nextFor != s.spec.Restart:
		s.dropNext() // it was told what holds no more
	case s.next != nil, s.spec.Restart != 0 && s.spec.Restart == s.status.Refused, s.spec.Restart == s.status.Restart && !s.stale:
		return false
	case s.served:
		s.startNext()
	default: // nobody is served: there is nothing to hand over
		s.log.Info("restarting the broker as asked", "restart", s.spec.Restart)
		s.report(resource.BrokerStopping)
		s.stop()
		s.status.Restarts++
		s.backoff.reset()
	}
	return true
}

// replace ends the process, so that the next start is one that BrokerSpec.Replace describes.
func (s *supervisor) replace() {
	s.dropNext()
	s.log.Info("replacing the broker as asked", "replace", s.spec.Replace, "served", s.served)
	if s.served { // its address is not what is wrong
		s.status.Replaced = s.spec.Replace
	}
	s.report(resource.BrokerStopping)
	s.stop()
	s.status.Restarts++
	s.pause = 0
	s.backoff.reset()
}

// move gives the broker another address, once for each BrokerSpec.Replace, if it has one.
func (s *supervisor) move() error {
	if s.status.Address == "" || s.spec.Replace == s.status.Replaced || s.spec.Replace == s.movedFor {
		return nil
	}
	before := Address{IP: s.status.Address, Port: s.status.Port}
	addr, err := s.n.addresses.replace(s.key, s.n.brokersOf(s.key.cluster))
	if err != nil {
		return fmt.Errorf("another address than %v: %w", before, err)
	}
	s.movedFor = s.spec.Replace
	s.log.Info("broker moves to another address", "from", before, "to", addr)
	return nil
}

// restStopped sees to it that no process runs, and waits for another wish.
func (s *supervisor) restStopped(ctx context.Context) {
	s.dropNext()
	if s.proc != nil {
		s.report(resource.BrokerStopping)
		s.stop()
	}
	s.pause = 0
	s.backoff.reset()
	s.up() // nobody misses it
	s.report(resource.BrokerStopped)
	select {
	case spec := <-s.specs:
		s.take(spec)
	case <-ctx.Done():
	}
}

// startNext starts the process that is to follow the one that serves.
func (s *supervisor) startNext() {
	s.nextFor = s.spec.Restart
	h := s.handover()
	h.Successor, h.ControlFD = true, controlFD
	err := os.MkdirAll(filepath.Join(s.dir, "run"), 0o700)
	if err == nil {
		err = h.write()
	}
	if err == nil {
		s.next, err = s.n.launch(&h, s.spec.VCPU)
	}
	if err != nil {
		s.next = nil
		s.refused(err.Error())
		return
	}
	s.nextUntil = time.Now().Add(s.n.cfg.StandByTimeout)
	s.log.Info("restarting the broker as asked: its successor starts", "restart", s.nextFor, "pid", s.next.pid)
}

// refused notes that the successor came to nothing. The process that serves is as it was.
func (s *supervisor) refused(reason string) {
	restart := s.nextFor
	s.dropNext()
	s.log.Error("the broker is not restarted, its successor cannot take over", "restart", restart, "err", reason)
	s.stale = false
	s.status.Refused, s.status.LastExit = restart, reason
	s.report(s.status.State)
}

// dropNext ends the successor, if there is one.
func (s *supervisor) dropNext() {
	if s.next == nil {
		return
	}
	if err := s.next.stop(s.n.cfg.StopTimeout, s.n.killed); err != nil {
		s.log.Error("a broker's successor cannot be stopped", "pid", s.next.pid, "err", err)
	}
	s.next = nil
}

// handOver ends the process that serves, as the one that follows stands by. Nothing is reported before that serves, or does not within reportLate: the
// store has other things to do for it meanwhile.
func (s *supervisor) handOver() {
	if err := s.next.proceed(); err != nil {
		s.refused("it cannot be told to go on: " + err.Error())
		return
	}
	s.stop()
	s.backoff.reset()
	s.succeed()
}

// succeed makes the successor, which has the word, the broker's process: the predecessor has ended.
func (s *supervisor) succeed() {
	s.proc, s.next, s.begun, s.served = s.next, nil, time.Now(), false
	s.pulse.watch(s.n.cfg.StartTimeout) // it makes the session its own when it serves
	s.status.Restart, s.status.Refused = s.nextFor, 0
	s.status.Restarts++
	s.quietUntil = time.Now().Add(reportLate)
}

// reportLate is how long the status may still be that of the predecessor.
const reportLate = time.Second
