package kind

import (
	"sync"
	"time"

	"weir/kafka/image"
)

// Churn counts how many partitions a cluster's topics gained and lost lately, from the images that it is shown. It is safe for concurrent use.
type Churn struct {
	now func() time.Time

	mu    sync.Mutex
	seen  *image.Image
	moves []change // in order of time, one for each second in which there were some
}

type change struct {
	at time.Time
	n  int
}

// NewChurn returns one that has seen nothing. now is time.Now if nil.
func NewChurn(now func() time.Time) *Churn {
	if now == nil {
		now = time.Now
	}
	return &Churn{now: now}
}

// churnKept is for how long changes are remembered.
const churnKept = 10 * time.Minute

// Observe takes the changes since the last image. The first is where counting starts.
func (c *Churn) Observe(img *image.Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.seen
	if last != nil && img.Revision <= last.Revision {
		return
	}
	c.seen = img
	if last == nil {
		return
	}
	n := 0
	changed, gone := img.Since(last)
	for _, t := range changed {
		if t.Internal {
			continue
		}
		more := len(t.Partitions)
		if before, ok := last.TopicByID(t.ID); ok {
			more -= len(before.Partitions)
		}
		n += max(more, 0)
	}
	for _, t := range gone {
		if !t.Internal {
			n += len(t.Partitions)
		}
	}
	if n == 0 {
		return
	}
	at := c.now().Truncate(time.Second)
	if k := len(c.moves); k > 0 && c.moves[k-1].at.Equal(at) {
		c.moves[k-1].n += n
		return
	}
	old := 0
	for old < len(c.moves) && at.Sub(c.moves[old].at) > churnKept {
		old++
	}
	c.moves = append(c.moves[old:], change{at, n})
}

// Within is how many partitions came and went in the last d.
func (c *Churn) Within(d time.Duration) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, n := c.now(), 0
	for _, m := range c.moves {
		if now.Sub(m.at) < d {
			n += m.n
		}
	}
	return n
}
