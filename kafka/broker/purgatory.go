package broker

import (
	"sync"

	"weir/kafka/partition"
)

// purgatory wakes fetches that wait for records. Nothing in it runs: a commit that moves a partition's high watermark, and the end of its
// leadership, wake those who wait for that partition, and they look for themselves. Deadlines and lost connections are the waiter's affair.
type purgatory struct {
	metrics *metrics

	mu      sync.Mutex
	watched map[partition.Key]*watch
}

// watch is what the purgatory knows of a partition that somebody waits for.
type watch struct {
	stop    func() // ends the partition's notices
	waiters map[*waiter]struct{}
}

// waiter is one waiting fetch. Its channel holds one token: however many commits happen before it looks, it looks once.
type waiter struct {
	wake chan struct{}
	keys []partition.Key
}

func newPurgatory(m *metrics) *purgatory {
	return &purgatory{metrics: m, watched: make(map[partition.Key]*watch)}
}

// watching is one partition to wait for.
type watching struct {
	key partition.Key
	led led
}

// wait registers for all of ps. Whoever calls it must look for records once more afterwards, since they may have come before, and must
// call leave in the end.
func (p *purgatory) wait(ps []watching) *waiter {
	w := &waiter{wake: make(chan struct{}, 1), keys: make([]partition.Key, len(ps))}
	for i, x := range ps {
		w.keys[i] = x.key
		p.add(w, x)
	}
	p.metrics.fetchWaiting.Inc()
	return w
}

func (p *purgatory) add(w *waiter, x watching) {
	p.mu.Lock()
	at, ok := p.watched[x.key]
	if ok {
		at.waiters[w] = struct{}{}
		p.mu.Unlock()
		return
	}
	at = &watch{waiters: map[*waiter]struct{}{w: {}}}
	p.watched[x.key] = at
	p.mu.Unlock()

	// Outside the lock: no lock of another package is taken inside ours.
	stop := x.led.OnAdvance(func() { p.advanced(x.key) })
	p.mu.Lock()
	defer p.mu.Unlock()
	at.stop = stop // before any leave can want it: w is still in at
	if len(at.waiters) > 1 {
		// Others joined and looked before the partition told us of commits.
		at.wakeAll()
	}
}

// leave ends w's registration.
func (p *purgatory) leave(w *waiter) {
	p.metrics.fetchWaiting.Dec()
	for _, k := range w.keys {
		p.mu.Lock()
		var stop func()
		if at, ok := p.watched[k]; ok {
			delete(at.waiters, w)
			if len(at.waiters) == 0 {
				delete(p.watched, k)
				stop = at.stop
			}
		}
		p.mu.Unlock()
		if stop != nil {
			stop()
		}
	}
}

// advanced wakes all who wait for k. It is called from a committer, or from who closes the partition, and does not block.
func (p *purgatory) advanced(k partition.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.watched[k]; ok {
		at.wakeAll()
	}
}

func (at *watch) wakeAll() {
	for w := range at.waiters {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
