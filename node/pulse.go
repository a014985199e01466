package node

import (
	"context"
	"sync"
	"time"

	"weir/metadata"
)

// A broker says that it lives by its session, a key under a lease that it renews. A process that is stopped, deadlocked or starved loses it, and is not able to
// serve then: clients are not pointed at it, and nobody else can lead what it leads. Its node is the only one who can end it.

// pulse looks from time to time whether a broker's process has a session. Not to hear of a session because the metadata do not answer is no reason to
// suspect a process.
type pulse struct {
	store  metadata.Store
	key    string // of the session
	every  time.Duration
	silent chan silence // has room for one: the newest

	mu     sync.Mutex
	turn   int           // of watching: counts processes; what was seen of an earlier one says nothing of the present one
	after  time.Duration // 0: nobody is watched
	looked time.Time     // when it was looked last
	last   time.Time     // when the process began to be watched, or had a session last
}

// silence is a process that was not heard of for a time.
type silence struct {
	turn  int
	after time.Duration
}

// looksPerHung is how often a process is looked at before it counts as hung.
const looksPerHung = 8

func newPulse(store metadata.Store, key string, hungAfter time.Duration) *pulse {
	p := &pulse{store: store, key: key, silent: make(chan silence, 1)}
	if hungAfter > 0 {
		p.every = max(hungAfter/looksPerHung, time.Millisecond)
	}
	return p
}

// watch begins to watch another process, or the same one by another bound. One that is negative watches nothing.
func (p *pulse) watch(after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn++
	p.after, p.last = max(after, 0), time.Now()
}

// rest ends watching.
func (p *pulse) rest() { p.watch(0) }

// isOf reports whether a silence is that of the process that is watched now.
func (p *pulse) isOf(s silence) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.turn == p.turn && p.after > 0
}

// run looks until ctx ends.
func (p *pulse) run(ctx context.Context) {
	if p.every == 0 {
		return
	}
	t := time.NewTicker(p.every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (p *pulse) look(ctx context.Context) {
	p.mu.Lock()
	turn, after := p.turn, p.after
	p.mu.Unlock()
	if after == 0 {
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, max(p.every, time.Second))
	defer cancel()
	_, found, err := p.store.Get(ctx, p.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	if turn != p.turn {
		return
	}
	// This process may have been stalled itself, and the brokers with it: what was not looked at in time is not held against them.
	late := began.Sub(p.looked) > 2*p.every
	p.looked = began
	if found || err != nil || late {
		p.last = time.Now()
		return
	}
	if time.Since(p.last) < after {
		return
	}
	select {
	case <-p.silent:
	default:
	}
	p.silent <- silence{turn, after} // there is room, and this is the only sender
}

// quitGrace is how long a process that is hung may take to say what it was doing.
const quitGrace = 2 * time.Second

// endHung ends a process that does not serve any more. It is asked for its stacks first, which go to its error output; one that is stopped gives none.
func (s *supervisor) endHung(why string) {
	s.hung = why + ": its process was hung, and was killed"
	s.log.Error("broker process is hung and is killed; what it was doing is in its stderr.log, if it could still say so",
		"pid", s.proc.pid, "err", why, "served", s.served, "dur", time.Since(s.begun), "state", processState(s.proc.pid))
	s.pulse.rest()
	if s.proc.quit != nil && s.proc.quit() == nil {
		t := time.NewTimer(quitGrace)
		defer t.Stop()
		select {
		case <-s.proc.done:
			return
		case <-s.n.killed:
		case <-t.C:
		}
	}
	if err := s.proc.kill(); err != nil && !isGone(err) {
		s.log.Error("a hung broker process cannot be killed", "pid", s.proc.pid, "err", err)
	}
}

// gone notes that there is no process any more.
func (s *supervisor) gone() {
	s.proc, s.hung, s.recovering = nil, "", false
	s.pulse.rest()
}
