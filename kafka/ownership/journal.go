package ownership

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"weir/metadata"
	"weir/storage/stream"
	"weir/storage/tier"
	"weir/storage/wal"
)

// olderLog is the log of an earlier incarnation.
type olderLog struct {
	*wal.File
	id  metadata.StreamID
	key string // of its record
}

// journal is the broker's streams, as the tiers see them.
type journal struct{ *Owner }

var _ tier.Journal = journal{}

var errFailed = errors.New("ownership: the stream has failed, only the next incarnation knows what it holds")

// Mark implements tier.Journal.
func (j journal) Mark(context.Context) (stream.Mark, error) {
	if j.failed.Load() {
		return stream.Mark{}, errFailed
	}
	return j.stream.Mark(), nil
}

// frameBytes is what a commit takes at least.
const frameBytes = 4096

// Written implements tier.Journal. What commits are padded with counts as well, roughly: recovery has to read it.
func (j journal) Written() int64 {
	s := j.stream.Stats()
	return s.Bytes + s.Commits*frameBytes
}

// Busy implements tier.Journal.
func (j journal) Busy() bool { return j.stream.Stats().Queued > 0 }

// Files implements tier.Journal. A file that nothing refers to any more, but that lies between such as are needed, counts to the one before it.
func (j journal) Files() []tier.File {
	j.journal.Lock()
	defer j.journal.Unlock()
	var files []tier.File
	for _, l := range append(j.older[:len(j.older):len(j.older)], olderLog{File: j.own}) {
		for _, f := range l.Files() {
			n, ok := j.logs.Find(l.File, f.Seq)
			switch {
			case ok:
				files = append(files, tier.File{Number: n, Bytes: f.Bytes})
			case len(files) > 0:
				files[len(files)-1].Bytes += f.Bytes
			}
		}
	}
	return files
}

// ReadAt implements tier.Journal.
func (j journal) ReadAt(ctx context.Context, p []byte, number, off uint32) error {
	return j.logs.ReadAt(ctx, p, number, off)
}

// WillNeed implements tier.Journal.
func (j journal) WillNeed(number uint32) { j.logs.WillNeed(number) }

// Trim implements tier.Journal.
func (j journal) Trim(ctx context.Context, before stream.Mark, needed []stream.JournalFile) error {
	at, ok := j.logs.File(before.File)
	if !ok || at.Stream != string(j.streamID()) {
		return fmt.Errorf("ownership: broker %d: trim the journal before %v: no such place in our stream", j.cfg.Broker, before)
	}
	first := map[string]uint64{at.Stream: at.Seq} // that each stream needs
	for _, f := range needed {
		if seq, ok := first[f.Stream]; !ok || f.Seq < seq {
			first[f.Stream] = f.Seq
		}
	}
	j.logs.Forget(before, needed)
	errs := []error{j.own.Trim(ctx, wal.Position{Seq: first[at.Stream]})}
	j.journal.Lock()
	older := j.older
	j.journal.Unlock()
	for _, l := range older {
		if seq, ok := first[string(l.id)]; ok {
			errs = append(errs, l.Trim(ctx, wal.Position{Seq: seq}))
		} else {
			errs = append(errs, j.drain(ctx, l))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("ownership: broker %d: trim the journal: %w", j.cfg.Broker, err)
	}
	return nil
}

// drain drops a stream that nothing refers to any more. Its record goes first: a record without files would look like lost data.
func (j journal) drain(ctx context.Context, l olderLog) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := j.store.Commit(ctx, metadata.Txn{Then: []metadata.Op{metadata.Delete(l.key)}}); err != nil {
		return fmt.Errorf("forget stream %s: %w", l.id, err)
	}
	j.journal.Lock()
	var rest []olderLog
	for _, o := range j.older {
		if o.id != l.id {
			rest = append(rest, o)
		}
	}
	j.older = rest
	j.journal.Unlock()
	j.logs.Drop(l.File)
	if err := l.Close(); err != nil {
		return err
	}
	if err := j.removeLog(l.id); err != nil {
		return fmt.Errorf("remove stream %s: %w", l.id, err)
	}
	j.log.Info("stream is not needed any more", "stream", string(l.id))
	return nil
}

// keptStreams are those that have a record, ours included.
func (o *Owner) keptStreams() []metadata.StreamID {
	o.journal.Lock()
	defer o.journal.Unlock()
	kept := []metadata.StreamID{o.streamID()}
	for _, l := range o.older {
		kept = append(kept, l.id)
	}
	return kept
}

// partitions yields what the tiers work on: the partitions that we lead, and those that we only keep.
func (o *Owner) partitions(yield func(tier.Partition) bool) {
	o.follow.mu.Lock() // no partition goes from one to the other meanwhile
	led, kept := o.leaders.All(), slices.Collect(maps.Values(o.follow.kept))
	o.follow.mu.Unlock()
	for _, p := range led {
		if !yield(p) {
			return
		}
	}
	for _, p := range kept {
		if !yield(p) {
			return
		}
	}
}
