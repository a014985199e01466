package tier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"weir/storage/blob"
	"weir/storage/segment"
	"weir/storage/stream"
)

// Damage is what the scrubber found in one container.
type Damage struct {
	Key        string
	Partitions []Partition // that refer to it
	Errs       []error
}

// Scrub reads all containers once, at ScrubBytes a second at most, and reports each with damage. What is damaged is never served: reads check it
// themselves the first time. It is reported so that an operator knows before someone reads it.
func (e *Engine) Scrub(ctx context.Context) ([]Damage, error) {
	if err := e.scrubbing.take(ctx); err != nil {
		return nil, fmt.Errorf("tier: scrub: %w", err)
	}
	defer e.scrubbing.leave()
	var found []Damage
	for _, prefix := range []string{"b/", "s/"} {
		for info, err := range e.deps.Store.List(ctx, prefix) {
			if err != nil {
				return found, fmt.Errorf("tier: scrub: %w", err)
			}
			d, err := e.scrub(ctx, info.Key)
			if err != nil {
				return found, err
			}
			if len(d.Errs) > 0 {
				found = append(found, d)
			}
		}
	}
	return found, nil
}

// scrub verifies one container.
func (e *Engine) scrub(ctx context.Context, key string) (Damage, error) {
	d := Damage{Key: key}
	id, ok := containerID(key)
	if !ok {
		return d, nil
	}
	obj, err := e.deps.Store.Open(ctx, key)
	if errors.Is(err, blob.ErrNotFound) {
		return d, nil // collected meanwhile
	}
	if err != nil {
		return d, fmt.Errorf("tier: scrub %s: %w", key, err)
	}
	defer closeObject(obj)
	d.Errs = segment.Verify(&slowReader{ctx: ctx, r: obj, rate: e.cfg.ScrubBytes}, obj.Size())
	if ctx.Err() != nil {
		return Damage{Key: key}, context.Cause(ctx)
	}
	e.count.scrubbed.Add(obj.Size())
	if len(d.Errs) == 0 {
		return d, nil
	}
	for p := range e.deps.Partitions {
		p.View(func(s *stream.PartitionState) {
			for i := range s.Pieces {
				if s.Pieces[i].ID == id {
					d.Partitions = append(d.Partitions, p)
					return
				}
			}
		})
	}
	e.mu.Lock()
	known := e.damaged[key]
	e.damaged[key] = true
	e.count.damaged.Store(int64(len(e.damaged)))
	e.mu.Unlock()
	if !known {
		names := make([]string, len(d.Partitions))
		for i, p := range d.Partitions {
			names[i] = fmt.Sprintf("%x-%d", p.Name().Topic, p.Name().Index)
		}
		e.count.failures.Add(1)
		e.log.Error("a container is damaged: reads of the damaged blocks fail", "key", key, "partitions", names, "err", errors.Join(d.Errs...))
	}
	return d, nil
}

// slowReader reads at most rate bytes a second; without a limit if that is negative.
type slowReader struct {
	ctx  context.Context //nolint:containedctx // an io.ReaderAt takes none
	r    io.ReaderAt
	rate int64
}

func (s *slowReader) ReadAt(p []byte, off int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	if s.rate > 0 {
		if err := sleep(s.ctx, time.Duration(float64(len(p))/float64(s.rate)*float64(time.Second))); err != nil {
			return 0, err
		}
	}
	return s.r.ReadAt(p, off)
}

// scrubber verifies all containers in the course of ScrubInterval. Where it begins follows from the time of day, so that a process which lives for
// less than that does not read the same part again and again.
func (e *Engine) scrubber(ctx context.Context) {
	if e.cfg.ScrubInterval < 0 {
		return
	}
	pause := max(e.cfg.ScrubInterval/scrubSteps, time.Second)
	e.every(ctx, pause, "scrub", func(ctx context.Context) error {
		if err := e.scrubbing.take(ctx); err != nil {
			return err
		}
		defer e.scrubbing.leave()
		var keys []string
		for _, prefix := range []string{"b/", "s/"} {
			for info, err := range e.deps.Store.List(ctx, prefix) {
				if err != nil {
					return fmt.Errorf("tier: scrub: %w", err)
				}
				keys = append(keys, info.Key)
			}
		}
		step := e.deps.Now().UnixNano() / int64(pause) % scrubSteps
		for _, key := range keys[int64(len(keys))*step/scrubSteps : int64(len(keys))*(step+1)/scrubSteps] {
			if _, err := e.scrub(ctx, key); err != nil {
				return err
			}
		}
		return nil
	})
}

// scrubSteps is into how many parts a pass of the scrubber is cut: one each ten minutes for a pass in a week.
const scrubSteps = 1008
