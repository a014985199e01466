package partition

import "weir/storage/stream"

// watcher is one OnAdvance. at is its place in the partition's list, so that thousands of waiting fetches come and go cheaply.
type watcher struct {
	fn func()
	at int
}

// OnAdvance calls fn, once per commit that moves the high watermark or the log start, from the committer's goroutine until stop is called: fn must not block.
// It is also called, from another goroutine, when the partition closes; a partition that is closed already calls nothing, so whoever waits
// must Read once more after OnAdvance returned. fn may still run once while stop returns.
func (p *Partition) OnAdvance(fn func()) (stop func()) {
	w := &watcher{fn: fn}
	p.mu.Lock()
	w.at = len(p.watchers)
	p.watchers = append(p.watchers, w)
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if w.at < 0 {
			return
		}
		n := len(p.watchers) - 1
		moved := p.watchers[n]
		p.watchers[w.at], moved.at = moved, w.at
		p.watchers[n] = nil
		p.watchers = p.watchers[:n]
		if n == 0 {
			p.watchers = nil // idle partitions are many
		}
		w.at = -1
	}
}

// wakeLocked asks for Wake at the end of the commit, once.
func (p *Partition) wakeLocked(c *stream.Commit) {
	if len(p.watchers) > 0 && p.wakingIn != c.Number {
		p.wakingIn = c.Number
		c.Wake(p)
	}
}

// Wake implements stream.Waker.
func (p *Partition) Wake() {
	l := p.leaders
	p.mu.Lock()
	l.waking = append(l.waking[:0], p.watchers...)
	p.mu.Unlock()
	for i, w := range l.waking {
		w.fn()
		l.waking[i] = nil
	}
}
