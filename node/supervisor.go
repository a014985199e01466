package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"weir/control/resource"
	"weir/metadata"
)

// supervisor runs one broker. Its goroutine owns all its fields but the channel.
type supervisor struct {
	n    *Node
	key  brokerKey
	dir  string
	log  *slog.Logger
	rep  *reporter
	spec resource.BrokerSpec
	// removed says that the spec is gone: stop, delete everything, end.
	removed bool

	// specs has room for one: the newest spec, nil for none.
	specs chan *resource.BrokerSpec
	pulse *pulse

	status     resource.BrokerStatus
	fresh      bool // the address was chosen by this node and never served
	proc       *process
	begun      time.Time     // when proc was started, or got the word to follow another
	served     bool          // the current process got ready
	recovering bool          // proc is a recoverer
	brokerNext bool          // a recoverer has failed: the broker has its turn before another one
	hung       string        // why proc was told to end at once; "" most of the time
	pause      time.Duration // before the next start
	backoff    backoff

	next       *process  // is to follow proc; nil most of the time
	nextFor    int64     // the BrokerSpec.Restart that it is for
	nextUntil  time.Time // it has to stand by
	quietUntil time.Time // proc has just followed another: no need to say so before; zero otherwise
	stale      bool      // proc is not what would be started now
	movedFor   int64     // the BrokerSpec.Replace for which the address was changed
}

func (n *Node) newSupervisor(key brokerKey, status resource.BrokerStatus) *supervisor {
	log := n.log.With("cluster", key.cluster, "broker", key.broker)
	s := &supervisor{
		n:      n,
		key:    key,
		dir:    BrokerDir(n.cfg.Dir, key.cluster, key.broker),
		log:    log,
		rep:    newReporter(n.store, resource.BrokerStatusKey(n.cfg.ID, key.cluster, fmt.Sprint(key.broker)), log),
		specs:  make(chan *resource.BrokerSpec, 1),
		pulse:  newPulse(n.store, metadata.SessionKey(key.cluster, key.broker), n.cfg.HungAfter),
		status: status,
	}
	s.status.PID = 0
	return s
}

// wants hands over a new spec; only the newest counts.
func (s *supervisor) wants(spec *resource.BrokerSpec) {
	select {
	case <-s.specs:
	default:
	}
	s.specs <- spec // room for one, and this is the only sender
}

// run supervises until the broker is removed or ctx ends, which stops the broker.
func (s *supervisor) run(ctx context.Context) {
	repCtx, stopReporting := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() { s.rep.run(repCtx) })
	beside.Go(func() { s.pulse.run(repCtx) })
	defer func() {
		flushCtx, cancel := context.WithTimeout(repCtx, finalReport)
		defer cancel()
		if err := s.rep.flush(flushCtx); err != nil {
			s.log.Warn("last broker status not reported", "err", err)
		}
		stopReporting()
		beside.Wait()
	}()

	select {
	case spec := <-s.specs:
		s.take(spec)
	case <-ctx.Done():
		return
	}
	s.findLeftover()
	for !s.removed && ctx.Err() == nil {
		switch {
		case s.spec.Stopped:
			s.restStopped(ctx)
		case s.proc == nil:
			s.rest(ctx)
			if !s.removed && !s.spec.Stopped && ctx.Err() == nil && s.pause == 0 {
				s.startOnce(ctx)
			}
		default:
			if !s.obey() {
				s.watch(ctx)
			}
		}
	}
	s.dropNext()
	if s.proc != nil {
		s.report(resource.BrokerStopping)
		s.stop()
		s.report(resource.BrokerStopping)
	}
	if s.removed {
		s.remove(ctx)
	}
}

// finalReport bounds how long a node that ends waits for the metadata store.
const finalReport = 2 * time.Second

func (s *supervisor) take(spec *resource.BrokerSpec) {
	if spec == nil {
		s.removed = true
		return
	}
	s.removed = false
	s.spec = *spec
}

// report sets the state and hands the status to the reporter.
func (s *supervisor) report(state resource.BrokerProcessState) {
	if s.status.State != state {
		s.status.State, s.status.Since = state, time.Now()
	}
	s.status.PID = 0
	if s.proc != nil {
		s.status.PID = s.proc.pid
	}
	s.rep.set(s.status)
}

// findLeftover deals with a process that outlived an earlier node.
func (s *supervisor) findLeftover() {
	if ended, err := s.n.endSuccessor(s.dir); err != nil {
		s.log.Warn("cannot tell whether a process stands by for the broker", "err", err)
	} else if ended {
		s.log.Info("ended a process of an earlier run that stood by")
	}
	p, claim, err := s.n.findLeftover(s.dir)
	if err != nil {
		s.log.Warn("cannot tell whether the broker runs already", "err", err)
		return
	}
	if p == nil {
		return
	}
	s.proc = p
	if claim.Recoverer {
		s.log.Info("ending a recoverer of an earlier run", "pid", p.pid)
		s.stop()
		return
	}
	h := s.handover()
	if s.removed || s.spec.Stopped || s.status.Address == "" || s.spec.Replace != s.status.Replaced {
		s.status.Replaced = s.spec.Replace // it served, so that its address is not what is wrong
		s.log.Info("ending a broker process of an earlier run", "pid", p.pid)
		s.stop()
		return
	}
	s.stale = !claim.matches(&h)
	s.log.Info("adopted a running broker process", "pid", p.pid, "stale", s.stale)
	if err := s.n.addresses.reserve(s.key); err != nil {
		s.log.Warn("the address of an adopted broker is not reserved", "err", err)
	}
	s.served, s.begun = true, time.Now()
	s.status.Restart, s.status.Refused = claim.Restart, 0
	s.pulse.watch(s.n.cfg.HungAfter)
	s.up()
	s.report(resource.BrokerRunning)
}

// rest waits for the pause to pass, or for a spec that makes waiting pointless.
func (s *supervisor) rest(ctx context.Context) {
	if s.pause == 0 {
		select {
		case spec := <-s.specs:
			s.take(spec)
		default:
		}
		return
	}
	t := time.NewTimer(s.pause)
	defer t.Stop()
	select {
	case <-t.C:
		s.pause = 0
	case spec := <-s.specs:
		before := s.spec
		s.take(spec)
		if s.spec.Restart != before.Restart || s.spec.Replace != before.Replace || !maps.Equal(s.spec.Properties, before.Properties) {
			s.pause = 0
			s.backoff.reset()
		}
		if !s.spec.TakeOver.Equal(before.TakeOver) {
			s.pause = 0
		}
	case <-ctx.Done():
	}
}

// watch waits for the next thing that happens to the running process, or to the one that is to follow it.
func (s *supervisor) watch(ctx context.Context) {
	ready := s.proc.ready
	if s.served {
		ready = nil
	}
	var standby, nextDone <-chan struct{}
	var late <-chan time.Time
	if s.next != nil {
		standby, nextDone = s.next.standby, s.next.done
		t := time.NewTimer(time.Until(s.nextUntil))
		defer t.Stop()
		late = t.C
	}
	var overdue <-chan time.Time
	if !s.quietUntil.IsZero() {
		t := time.NewTimer(time.Until(s.quietUntil))
		defer t.Stop()
		overdue = t.C
	}
	var never <-chan time.Time
	if !s.served && s.hung == "" {
		t := time.NewTimer(time.Until(s.begun.Add(s.n.cfg.StartTimeout)))
		defer t.Stop()
		never = t.C
	}
	select {
	case <-never:
		s.endHung(fmt.Sprintf("it did not serve within %v of its start", s.n.cfg.StartTimeout))
	case silent := <-s.pulse.silent:
		if s.pulse.isOf(silent) && s.hung == "" {
			s.endHung(fmt.Sprintf("it had no session for %v", silent.after))
		}
	case <-overdue:
		s.quietUntil = time.Time{}
		s.report(resource.BrokerStarting)
	case <-ready:
		if s.recovering {
			s.handsOver()
			return
		}
		s.served, s.fresh, s.quietUntil = true, false, time.Time{}
		s.pulse.watch(s.n.cfg.HungAfter)
		s.log.Info("broker serves", "pid", s.proc.pid, "dur", time.Since(s.proc.started))
		s.up()
		s.report(resource.BrokerRunning)
	case <-s.proc.done:
		s.ended()
	case <-standby:
		s.handOver()
	case <-nextDone:
		s.refused(s.next.end.reason)
	case <-late:
		s.refused(fmt.Sprintf("it could not take over within %v", s.n.cfg.StandByTimeout))
	case spec := <-s.specs:
		s.take(spec)
	case <-ctx.Done():
	}
}

// ended handles the end of a process that was to run.
func (s *supervisor) ended() {
	end := s.proc.end
	if s.hung != "" {
		end.reason = s.hung
	}
	if s.recovering {
		s.recovererEnded(end)
		return
	}
	s.log.Warn("broker process ended", "pid", s.proc.pid, "err", end.reason)
	s.gone()
	s.stale = false
	if s.next != nil { // it takes over a little earlier than it was to
		s.status.LastExit = end.reason
		_ = s.next.proceed() // if it is gone, its end is seen to like that of any other
		s.succeed()
		s.report(resource.BrokerStarting)
		return
	}
	if end.code == ExitClaimed {
		// It met a process that the node did not know of: one whose claim was not written yet when the node looked.
		if s.findLeftover(); s.proc != nil {
			return
		}
	}
	if end.code == ExitAddressInUse && s.fresh {
		s.n.addresses.release(s.key)
		s.status.Address = ""
	}
	s.pauseAfter(s.served, end.reason)
}

func (s *supervisor) pauseAfter(served bool, reason string) {
	s.served, s.quietUntil = false, time.Time{}
	s.down()
	s.status.LastExit = reason
	s.status.Restarts++
	s.pause = s.backoff.after(served, time.Now())
	s.report(resource.BrokerBackOff)
}

// startOnce starts the broker, or the recoverer that is asked for, or sets a pause.
func (s *supervisor) startOnce(ctx context.Context) {
	if s.spec.Recovers(&s.status) && !s.brokerNext {
		s.startRecoverer()
		return
	}
	s.brokerNext = false
	if err := s.prepare(ctx); err != nil {
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errInUse):
			s.awaitAddress(err)
		default:
			s.log.Warn("broker cannot be started", "err", err)
			s.pauseAfter(false, err.Error())
		}
		return
	}
	h := s.handover()
	p, err := s.n.launch(&h, s.spec.VCPU)
	if err != nil {
		s.log.Error("broker cannot be started", "err", err)
		s.pauseAfter(false, err.Error())
		return
	}
	s.proc, s.begun, s.served, s.stale = p, time.Now(), false, false
	s.pulse.watch(s.n.cfg.HungAfter)
	s.status.Restart, s.status.Refused = s.spec.Restart, 0
	s.status.Replaced = s.spec.Replace
	s.log.Info("broker started", "pid", p.pid, "address", s.status.Address)
	s.report(resource.BrokerStarting)
}

// addressPause is how often an address that another has is looked at. That costs nothing, and no process was started for it.
const addressPause = 500 * time.Millisecond

func (s *supervisor) awaitAddress(err error) {
	s.pause = addressPause
	if s.status.LastExit != err.Error() || s.status.State != resource.BrokerBackOff {
		s.log.Warn("broker cannot be started yet", "err", err)
		s.down()
		s.status.LastExit = err.Error()
		s.report(resource.BrokerBackOff)
	}
}

// prepare does what must be true before a process starts: it has an address that is on record and free, and directories.
func (s *supervisor) prepare(ctx context.Context) error {
	if err := s.move(); err != nil {
		return err
	}
	addr, err := s.n.addresses.give(s.key, s.n.brokersOf(s.key.cluster))
	if err != nil {
		return err
	}
	if at := (Address{IP: s.status.Address, Port: s.status.Port}); at != addr {
		s.fresh = true
		s.status.Address, s.status.Port = addr.IP, addr.Port
		s.report(resource.BrokerStarting)
		// The address must be on record before anything can use it: it is the broker's until somebody asks for another.
		if err := s.rep.flush(ctx); err != nil {
			return fmt.Errorf("record the broker's address: %w", err)
		}
	}
	h := s.handover()
	return s.leave(&h)
}

// leave writes what a process is told, and makes the directories that it needs before it can say anything.
func (s *supervisor) leave(h *Handover) error {
	for _, d := range []string{"run", "log"} {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o700); err != nil {
			return fmt.Errorf("make the broker's directories: %w", err)
		}
	}
	if err := h.write(); err != nil {
		return fmt.Errorf("write the broker's configuration: %w", err)
	}
	return nil
}

func (s *supervisor) handover() Handover {
	return Handover{
		Cluster:     s.key.cluster,
		ClusterID:   s.spec.ClusterID,
		ClusterName: s.spec.ClusterName,
		Broker:      s.key.broker,
		Rack:        s.spec.Rack,
		Endpoints:   []metadata.Endpoint{{Name: "CLIENT", Host: s.status.Address, Port: s.status.Port}},
		Dir:         s.dir,
		Metadata:    s.n.cfg.Metadata,
		MemoryBytes: s.spec.MemoryBytes,
		Properties:  s.spec.Properties,
		LogLevel:    s.n.cfg.LogLevel,
		Storage:     s.n.cfg.Storage,
		Restart:     s.spec.Restart,
		Build:       s.n.cfg.Build,

		KafkaVersion: s.spec.KafkaVersion,
		NotifyFD:     notifyFD,
	}
}

// stop ends the process, gracefully if it does not take too long.
func (s *supervisor) stop() {
	pid := s.proc.pid
	began := time.Now()
	if err := s.proc.stop(s.n.cfg.StopTimeout, s.n.killed); err != nil {
		s.log.Error("broker process cannot be stopped", "pid", pid, "err", err)
	}
	s.log.Info("broker stopped", "pid", pid, "dur", time.Since(began))
	s.gone()
	s.served, s.stale, s.quietUntil = false, false, time.Time{}
}

// remove deletes all there is of the broker, its status last: while that exists, a node that was killed in between goes on here.
func (s *supervisor) remove(ctx context.Context) {
	for {
		err := os.RemoveAll(s.dir)
		if err == nil {
			break
		}
		s.log.Error("broker's data cannot be deleted, will try again", "err", err)
		t := time.NewTimer(failPauseMax)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
	if err := os.Remove(filepath.Dir(s.dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Debug("cluster's directory is kept", "err", err) // other brokers of it are there
	}
	s.n.addresses.release(s.key)
	s.rep.delete()
	if err := s.rep.flush(ctx); err == nil {
		s.log.Info("broker removed")
	}
}
