package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
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

	status  resource.BrokerStatus
	fresh   bool // the address was chosen by this node and never served
	proc    *process
	served  bool          // the current process got ready
	pause   time.Duration // before the next start
	backoff backoff
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
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		s.rep.run(repCtx)
	}()
	defer func() {
		flushCtx, cancel := context.WithTimeout(repCtx, finalReport)
		defer cancel()
		if err := s.rep.flush(flushCtx); err != nil {
			s.log.Warn("last broker status not reported", "err", err)
		}
		stopReporting()
		<-reported
	}()

	select {
	case spec := <-s.specs:
		s.take(spec)
	case <-ctx.Done():
		return
	}
	s.findLeftover()
	for !s.removed && ctx.Err() == nil {
		if s.proc == nil {
			s.rest(ctx)
			if !s.removed && ctx.Err() == nil && s.pause == 0 {
				s.startOnce(ctx)
			}
			continue
		}
		s.watch(ctx)
	}
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
	p, claim, err := s.n.findLeftover(s.dir)
	if err != nil {
		s.log.Warn("cannot tell whether the broker runs already", "err", err)
		return
	}
	if p == nil {
		return
	}
	s.proc = p
	h := s.handover()
	if s.removed || s.status.Address == "" || !claim.matches(&h) {
		s.log.Info("ending a broker process of an earlier run", "pid", p.pid)
		s.stop()
		return
	}
	s.log.Info("adopted a running broker process", "pid", p.pid)
	if err := s.n.addresses.reserve(s.key); err != nil {
		s.log.Warn("the address of an adopted broker is not reserved", "err", err)
	}
	s.served = true
	s.status.Restart = s.spec.Restart
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
		if s.spec.Restart != before.Restart || !maps.Equal(s.spec.Properties, before.Properties) {
			s.pause = 0
			s.backoff.reset()
		}
	case <-ctx.Done():
	}
}

// watch waits for the next thing that happens to the running process.
func (s *supervisor) watch(ctx context.Context) {
	ready := s.proc.ready
	if s.served {
		ready = nil
	}
	select {
	case <-ready:
		s.served, s.fresh = true, false
		s.log.Info("broker serves", "pid", s.proc.pid, "dur", time.Since(s.proc.started))
		s.report(resource.BrokerRunning)
	case <-s.proc.done:
		s.ended()
	case spec := <-s.specs:
		s.take(spec)
		if !s.removed && s.spec.Restart != s.status.Restart {
			s.log.Info("restarting the broker as asked", "restart", s.spec.Restart)
			s.report(resource.BrokerStopping)
			s.stop()
			s.status.Restarts++
			s.backoff.reset()
		}
	case <-ctx.Done():
	}
}

// ended handles the end of a process that was to run.
func (s *supervisor) ended() {
	end := s.proc.end
	s.log.Warn("broker process ended", "pid", s.proc.pid, "err", end.reason)
	s.proc = nil
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
	s.served = false
	s.status.LastExit = reason
	s.status.Restarts++
	s.pause = s.backoff.after(served, time.Now())
	s.report(resource.BrokerBackOff)
}

// startOnce starts the broker, or sets a pause.
func (s *supervisor) startOnce(ctx context.Context) {
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
	s.proc, s.served = p, false
	s.status.Restart = s.spec.Restart
	s.log.Info("broker started", "pid", p.pid, "address", s.status.Address)
	s.report(resource.BrokerStarting)
}

// addressPause is how often an address that another has is looked at. That costs nothing, and no process was started for it.
const addressPause = 500 * time.Millisecond

func (s *supervisor) awaitAddress(err error) {
	s.pause = addressPause
	if s.status.LastExit != err.Error() || s.status.State != resource.BrokerBackOff {
		s.log.Warn("broker cannot be started yet", "err", err)
		s.status.LastExit = err.Error()
		s.report(resource.BrokerBackOff)
	}
}

// prepare does what must be true before a process starts: it has an address that is on record and free, and directories.
func (s *supervisor) prepare(ctx context.Context) error {
	addr, err := s.n.addresses.give(s.key, s.n.brokersOf(s.key.cluster))
	if err != nil {
		return err
	}
	if s.status.Address == "" {
		s.fresh = true
		s.status.Address, s.status.Port = addr.IP, addr.Port
		s.report(resource.BrokerStarting)
		// The address must be on record before anything can use it: it is the broker's for life.
		if err := s.rep.flush(ctx); err != nil {
			return fmt.Errorf("record the broker's address: %w", err)
		}
	}
	for _, d := range []string{"run", "log"} {
		if err := os.MkdirAll(filepath.Join(s.dir, d), 0o700); err != nil {
			return fmt.Errorf("make the broker's directories: %w", err)
		}
	}
	h := s.handover()
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
	s.proc, s.served = nil, false
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
