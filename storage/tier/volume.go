package tier

import (
	"context"
	"fmt"

	"weir/storage/blob"
)

// volumeShare is the share of a volume that what waits in the journal may take, and what was appended since the last checkpoint: one in so many.
const volumeShare = 16

// SetVolume tells how much the broker may keep on its disk; zero: no limit. Data in the journal take room twice while they are moved, and give none back
// before the next checkpoint, so that with a small volume both happen sooner than Config says. It may be called at any time.
func (e *Engine) SetVolume(bytes int64) { e.volume.Store(bytes) }

// ofVolume is a trigger in bytes, lowered to the volume's share.
func (e *Engine) ofVolume(trigger int64) int64 {
	if v := e.volume.Load(); v > 0 && trigger >= 0 {
		return min(trigger, max(v/volumeShare, 1))
	}
	return trigger
}

// Used is how much the broker keeps on its disk, in bytes: the files of the journal, and containers as they were counted last, with those made since.
func (e *Engine) Used() int64 {
	var n int64
	for _, f := range e.deps.Journal.Files() {
		n += f.Bytes
	}
	return n + e.count.containerBytes.Load()
}

// measure counts the containers, which Collect does as well once it has something to look for.
func (e *Engine) measure(ctx context.Context) error {
	made := e.count.made.Load()
	var n, total int64
	for _, prefix := range []string{"b/", "s/"} {
		for info, err := range e.deps.Store.List(ctx, prefix) {
			if err != nil {
				return fmt.Errorf("tier: measure: %w", err)
			}
			n, total = n+1, total+info.Size
		}
	}
	e.count.containers.Store(n)
	e.count.containerBytes.Store(total + e.count.made.Load() - made) // as in Collect
	return nil
}

// counted is a container that is written, with its bytes.
type counted struct {
	blob.Writer
	bytes int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes += int64(n)
	if err != nil {
		return n, fmt.Errorf("container: %w", err)
	}
	return n, nil
}

// note counts a container that is durable.
func (e *Engine) note(c *counted) {
	e.count.made.Add(c.bytes)
	e.count.containers.Add(1)
	e.count.containerBytes.Add(c.bytes)
}
