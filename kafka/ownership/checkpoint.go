package ownership

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"weir/metadata"
	"weir/storage/stream"
	"weir/storage/wal"
)

// streamRecord is what the metadata say of our stream. It belongs to who takes checkpoints.
type streamRecord struct {
	modified metadata.Revision
	metadata.Stream
}

// loadCheckpoint loads the newest checkpoint that an older stream published, an empty one if there is none. It returns the place of that stream.
func (o *Owner) loadCheckpoint(ctx context.Context, k *keys) (*stream.Checkpoint, int, error) {
	for i := len(k.streams) - 1; i >= 0; i-- {
		s := &k.streams[i]
		if s.record.Checkpoint == 0 {
			continue
		}
		began := o.now()
		c, err := stream.Load(ctx, o.blobs, string(s.record.ID), stream.Pointer{Number: s.record.Checkpoint, From: s.from()})
		if err != nil {
			return nil, 0, fmt.Errorf("the state of all %d partitions of this broker is in a checkpoint that cannot be read: %w", o.leads(k), err)
		}
		o.began = s.record.ID
		o.log.Info("checkpoint loaded", "stream", c.Stream, "number", c.Number, "partitions", len(c.Partitions), "dur", o.now().Sub(began))
		return c, i, nil
	}
	return &stream.Checkpoint{Partitions: stream.State{}}, 0, nil
}

func (o *Owner) leads(k *keys) (n int) {
	for _, a := range k.assignments {
		for _, p := range a.record.Partitions {
			if p.Leader == o.cfg.Broker {
				n++
			}
		}
	}
	return n
}

// checkFiles checks that all journal files are there that the checkpoint needs: reads would find that out, but too late.
func (o *Owner) checkFiles(k *keys, c *stream.Checkpoint) error {
	have := make(map[string][2]uint64) // first and last
	for i := range k.streams {
		if s := &k.streams[i]; s.log != nil {
			if files := s.log.Files(); len(files) > 0 {
				have[string(s.record.ID)] = [2]uint64{files[0].Seq, files[len(files)-1].Seq}
			}
		}
	}
	for _, f := range c.Files {
		if h := have[f.Stream]; f.Seq < h[0] || f.Seq > h[1] {
			return fmt.Errorf("checkpoint %d of stream %s needs file %d of stream %s, which is gone; %s: %w",
				c.Number, c.Stream, f.Seq, f.Stream, o.concerned(k, c, func(g stream.JournalFile) bool { return f == g }, false), wal.ErrCorrupt)
		}
	}
	return nil
}

// concernedMax is how many partitions a message names.
const concernedMax = 10

// concerned names the partitions that have data in journal files that are lost, or, if the end of a stream is lost, entries.
func (o *Owner) concerned(k *keys, c *stream.Checkpoint, lost func(stream.JournalFile) bool, end bool) string {
	in := make(map[uint32]bool, len(c.Files))
	for _, f := range c.Files {
		in[f.Number] = lost(f)
	}
	var names []string
	for p, s := range c.Partitions {
		if end && in[s.Applied.File] || slices.ContainsFunc(s.Extents.Files(), func(n uint32) bool { return in[n] }) {
			name := fmt.Sprintf("%x", p.Topic)
			if t, ok := k.topics[p.Topic]; ok {
				name = t.Name
			}
			names = append(names, fmt.Sprintf("%s-%d", name, p.Index))
		}
	}
	slices.Sort(names)
	n := len(names)
	more := ""
	if n > concernedMax {
		names, more = names[:concernedMax], " and others"
	}
	return fmt.Sprintf("%d partitions may have lost records: %s%s", n, strings.Join(names, " "), more)
}

// Publish makes a checkpoint of our stream the one that the next incarnation begins with. After an error it may or may not have become so. It fails
// with ErrSuperseded, and Run ends, if the stream was taken away from us.
func (o *Owner) Publish(ctx context.Context, p stream.Pointer) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	next := toCheckpoint(o.record.Stream, p)
	key := metadata.StreamKey(o.cfg.Cluster, next.ID)
	for range triesMax {
		var txn metadata.Txn
		change(&txn, key, o.record.modified, next)
		revision, err := o.store.Commit(ctx, txn)
		if err == nil {
			o.record.modified, o.record.Stream = revision, next
			return nil
		}
		if !errors.Is(err, metadata.ErrConflict) {
			return fmt.Errorf("ownership: broker %d: publish checkpoint %d: %w", o.cfg.Broker, p.Number, err)
		}
		// Nobody but us writes the record of a stream that is OPEN, so this is a write of ours whose outcome we did not hear, or the end.
		if err := o.rereadRecord(ctx, key); err != nil {
			return fmt.Errorf("ownership: broker %d: publish checkpoint %d: %w", o.cfg.Broker, p.Number, err)
		}
	}
	return fmt.Errorf("ownership: broker %d: publish checkpoint %d: %w", o.cfg.Broker, p.Number, metadata.ErrConflict)
}

func (o *Owner) rereadRecord(ctx context.Context, key string) error {
	kv, found, err := o.store.Get(ctx, key)
	if err != nil {
		return err
	}
	var there metadata.Stream
	if found {
		if there, err = metadata.Decode[metadata.Stream](kv); err != nil {
			return err
		}
	}
	if !remainsOurs(there, found) {
		err := fmt.Errorf("%w: its stream %s is not open any more", ErrSuperseded, o.streamID())
		select {
		case o.superseded <- err:
		default: // Run knows
		}
		return err
	}
	o.record.modified = kv.Modified
	return nil
}
