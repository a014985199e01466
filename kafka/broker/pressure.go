package broker

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// What producers feel of a journal that fills faster than it is flushed, as shares of its limit.
const (
	slowFrom   = 0.75 // requests are answered with a throttle time, and the connection is mute for as long
	holdFrom   = 0.90 // their bodies are left unread
	refuseFrom = 1.00 // they are read and refused, so that clients hear of it

	slowMax = time.Second // throttle time of a request at holdFrom
)

var errJournalFull = fmt.Errorf("the journal is at its limit until older data are flushed: %w", kerr.KafkaStorageError)

// pressure is how full the journal is, and the volume. Groups and the broker's own records do not feel it: they are few, and the limit is not the end of the disk.
type pressure struct {
	share  atomic.Uint64 // float64
	volume volume

	mu    sync.Mutex
	eased chan struct{} // closed when bodies may be read again; nil while nobody waits
}

// SetJournalShare tells how much of the journal's limit is in use. Whoever looks after the journal calls it whenever that changed.
func (b *Broker) SetJournalShare(share float64) {
	b.metrics.journalShare.Set(share)
	p := &b.pressure
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share.Store(math.Float64bits(share))
	if p.eased != nil && !p.holds() {
		close(p.eased)
		p.eased = nil
	}
}

func (p *pressure) load() float64 { return math.Float64frombits(p.share.Load()) }

func (p *pressure) holds() bool {
	s := p.load()
	return s >= holdFrom && s < refuseFrom
}

func (p *pressure) refuses() bool { return p.load() >= refuseFrom }

// throttle is for how long a producer pauses after a request: from nothing at slowFrom to slowMax at holdFrom and beyond.
func (p *pressure) throttle() time.Duration {
	s := p.load()
	if s < slowFrom {
		return 0
	}
	return time.Duration(min(1, (s-slowFrom)/(holdFrom-slowFrom)) * float64(slowMax))
}

// await waits until bodies may be read.
func (p *pressure) await(ctx context.Context) error {
	for p.holds() {
		p.mu.Lock()
		if !p.holds() {
			p.mu.Unlock()
			return nil
		}
		if p.eased == nil {
			p.eased = make(chan struct{})
		}
		eased := p.eased
		p.mu.Unlock()
		select {
		case <-eased:
		case <-ctx.Done():
			return errStopped
		}
	}
	return nil
}

// awaitJournal waits until the body of a produce request may be read.
func (c *conn) awaitJournal(ctx context.Context) error {
	if !c.b.pressure.holds() {
		return nil
	}
	c.b.metrics.produceHeld.Inc()
	defer c.b.metrics.produceHeld.Dec()
	return c.b.pressure.await(ctx)
}
