package ownership

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"weir/metadata"
	"weir/storage/stream"
	"weir/storage/wal"
)

// Names below the broker's directory.
const (
	walDir   = "wal"
	blobDir  = "blob"
	lockName = walDir + "/LOCK"
	poolDir  = walDir + "/free" // files of dropped logs, to be used again
)

// Of the file system, this much is left to others: a twentieth, and not more than it takes to act.
const (
	reserveShare    = 20
	reserveBytesMax = 2 << 30
)

func (o *Owner) streamID() metadata.StreamID {
	return metadata.NewStreamID(o.cfg.Broker, o.incarnation)
}

// lockLogs admits one process to the broker's streams.
func (o *Owner) lockLogs() (err error) {
	if err := o.disk.MkdirAll(walDir, 0o700); err != nil {
		return fmt.Errorf("make the log's directory: %w", err)
	}
	if err := o.disk.SyncDir("."); err != nil {
		return fmt.Errorf("make the log's directory: %w", err)
	}
	_, total, err := o.disk.Space()
	if err != nil {
		return fmt.Errorf("look at the log's file system: %w", err)
	}
	o.reserve = min(total/reserveShare, reserveBytesMax)
	if o.lock, err = o.disk.Lock(lockName); err != nil {
		return fmt.Errorf("lock the log: %w", err)
	}
	return nil
}

func (o *Owner) walConfig(id metadata.StreamID) (dir string, cfg wal.Config) {
	cfg = o.cfg.WAL
	cfg.Stream, cfg.Pool, cfg.Log = string(id), poolDir, o.log
	cfg.ReserveBytes = o.reserve
	return path.Join(walDir, string(id)), cfg
}

// opensMax is how many older streams are opened at once: it is waiting for the disk, mostly.
const opensMax = 4

// recover makes our log, seals the older ones, and finds what they say of our partitions: the newest checkpoint, and what was appended behind it.
func (o *Owner) recover(ctx context.Context, k *keys) (*stream.Checkpoint, error) {
	var g errgroup.Group
	g.Go(func() (err error) {
		dir, cfg := o.walConfig(o.streamID())
		if o.own, err = wal.Create(o.disk, dir, cfg); err != nil {
			return fmt.Errorf("create stream %s: %w", o.streamID(), err)
		}
		return nil
	})
	var c *stream.Checkpoint
	g.Go(func() (err error) {
		c, err = o.recoverOlder(ctx, k)
		return err
	})
	err := g.Wait()
	for i := range k.streams {
		if s := &k.streams[i]; s.log != nil {
			o.older = append(o.older, olderLog{s.log, s.record.ID, s.key})
		}
	}
	return c, err
}

func (o *Owner) recoverOlder(ctx context.Context, k *keys) (*stream.Checkpoint, error) {
	c, begin, err := o.loadCheckpoint(ctx, k)
	if err != nil {
		return nil, err
	}
	for i := range k.streams[:begin] { // a later checkpoint has all that they say, and may need data of theirs
		s := &k.streams[i]
		s.drop = !slices.ContainsFunc(c.Files, func(f stream.JournalFile) bool { return f.Stream == string(s.record.ID) })
	}
	if err := o.openOlder(ctx, k, c); err != nil {
		return nil, err
	}
	o.logs = stream.NewLogs()
	for i := range k.streams {
		if s := &k.streams[i]; s.log != nil {
			o.logs.Name(s.log, string(s.record.ID))
		}
	}
	if c.Number > 0 {
		if err := o.checkFiles(k, c); err != nil {
			return nil, err
		}
		if err := o.logs.Restore(c); err != nil {
			return nil, err
		}
	}
	for i := begin; i < len(k.streams); i++ {
		if err := o.replay(ctx, &k.streams[i], c); err != nil {
			return nil, fmt.Errorf("recover stream %s: %w", k.streams[i].record.ID, err)
		}
	}
	return c, nil
}

// openOlder opens the older streams that are needed, which seals those that are not.
func (o *Owner) openOlder(ctx context.Context, k *keys, c *stream.Checkpoint) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(opensMax)
	for i := range k.streams {
		s := &k.streams[i]
		if s.drop {
			continue
		}
		g.Go(func() (err error) {
			dir, cfg := o.walConfig(s.record.ID)
			if s.record.State == metadata.StreamSealed {
				cfg.AtLeast = s.end()
			}
			switch {
			case string(s.record.ID) == c.Stream:
				cfg.Trusted = s.from()
			case string(s.record.ID) < c.Stream:
				cfg.Trusted = cfg.AtLeast // its data are found through the checkpoint, and checked when they are read
			}
			if s.log, err = wal.Recover(ctx, o.disk, dir, cfg); err != nil {
				err = fmt.Errorf("recover stream %s: %w", s.record.ID, err)
				if c.Number > 0 && (errors.Is(err, wal.ErrCorrupt) || errors.Is(err, fs.ErrNotExist)) {
					in := func(f stream.JournalFile) bool { return f.Stream == string(s.record.ID) }
					err = fmt.Errorf("%w; %s", err, o.concerned(k, c, in, true))
				}
			}
			return err
		})
	}
	return g.Wait()
}

func (s *streamKey) end() wal.Position {
	return wal.Position{Seq: s.record.EndSeq, Off: s.record.EndOff}
}

func (s *streamKey) from() wal.Position {
	return wal.Position{Seq: s.record.FromSeq, Off: s.record.FromOff}
}

// replay brings c up to the end of a stream: the one that wrote it, or a later one.
func (o *Owner) replay(ctx context.Context, s *streamKey, c *stream.Checkpoint) error {
	began := o.now()
	end := s.log.End()
	wrote := string(s.record.ID) == c.Stream
	from := wal.Position{}
	if wrote {
		from = s.from()
	}
	r, err := c.Replay(ctx, o.logs, s.log, from)
	switch {
	case err != nil:
		return err
	case !r.Sealed: // not even a first file: it was there when the stream became OPEN
		return fmt.Errorf("its files are gone: %w", wal.ErrCorrupt)
	}
	if _, _, err := toSealed(s.record, end); err != nil {
		return err
	}
	s.record.EndSeq, s.record.EndOff = end.Seq, end.Off
	o.log.Info("stream replayed", "stream", string(s.record.ID), "from", from.String(), "entries", r.Entries, "dur", o.now().Sub(began))
	if s.drop = r.Idle && !wrote; s.drop {
		log := s.log
		s.log = nil
		o.logs.Drop(log)
		return log.Close()
	}
	return nil
}

// sweep removes the logs that have no stream record: of incarnations that died before their stream was OPEN, of idle ones, and of those that a
// checkpoint made needless. Nothing was appended to the former; one with data that is later than the checkpoint is none of them, and stays. Failing
// costs disk space only.
func (o *Owner) sweep(ctx context.Context, kept []metadata.StreamID) {
	if err := o.blobs.Sweep(); err != nil {
		o.log.Warn("objects that were never finished are left alone", "err", err)
	}
	dirs, err := o.disk.ReadDir(walDir)
	if err != nil {
		o.log.Warn("log directory could not be listed", "err", err)
		return
	}
	for _, d := range dirs {
		id := metadata.StreamID(d.Name())
		if slices.Contains(kept, id) || !d.IsDir() || !strings.HasPrefix(d.Name(), o.name()+"-") {
			continue
		}
		if err := o.sweepLog(ctx, id); err != nil {
			o.log.Warn("log without a stream record is left alone", "stream", string(id), "err", err)
		}
	}
}

func (o *Owner) sweepLog(ctx context.Context, id metadata.StreamID) error {
	if id < o.began {
		return o.removeLog(id)
	}
	dir, cfg := o.walConfig(id)
	log, err := wal.Recover(ctx, o.disk, dir, cfg)
	if err != nil {
		return err
	}
	err = checkEmpty(ctx, log)
	if closeErr := log.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return o.removeLog(id)
}

// removeLog removes the directory of a log that is closed.
func (o *Owner) removeLog(id metadata.StreamID) error {
	dir, _ := o.walConfig(id)
	files, err := o.disk.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := o.disk.Remove(path.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return o.disk.Remove(dir)
}

func checkEmpty(ctx context.Context, log wal.Log) error {
	for e, err := range log.Read(ctx, wal.Position{}) {
		switch {
		case err != nil:
			return err
		case e.Type != wal.Seal && e.Type != wal.Adopt && e.Type != wal.Noop:
			return errors.New("it has data")
		}
	}
	return nil
}

// closeLogs closes the logs and lets go of the lock.
func (o *Owner) closeLogs() {
	o.journal.Lock()
	older := o.older
	o.older = nil
	o.journal.Unlock()
	logs := make([]*wal.File, 0, len(older)+1)
	for _, l := range older {
		logs = append(logs, l.File)
	}
	if o.own != nil {
		logs = append(logs, o.own)
	}
	if o.containers != nil {
		o.containers.Close()
	}
	for _, l := range logs {
		if err := l.Close(); err != nil {
			o.log.Warn("log could not be closed", "err", err)
		}
	}
	if o.lock != nil {
		if err := o.lock.Close(); err != nil {
			o.log.Warn("lock could not be released", "err", err)
		}
		o.lock = nil
	}
}
