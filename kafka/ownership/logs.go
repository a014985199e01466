package ownership

import (
	"context"
	"errors"
	"fmt"
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

// recover makes our log, and seals and replays the older ones.
func (o *Owner) recover(ctx context.Context, k *keys) (stream.State, *stream.Logs, error) {
	logs, state := stream.NewLogs(), stream.State{}
	var g errgroup.Group
	g.Go(func() (err error) {
		dir, cfg := o.walConfig(o.streamID())
		if o.own, err = wal.Create(o.disk, dir, cfg); err != nil {
			return fmt.Errorf("create stream %s: %w", o.streamID(), err)
		}
		return nil
	})
	g.Go(func() error {
		if err := o.openOlder(ctx, k); err != nil {
			return err
		}
		for i := range k.streams {
			if err := o.replay(ctx, &k.streams[i], state, logs); err != nil {
				return fmt.Errorf("recover stream %s: %w", k.streams[i].record.ID, err)
			}
		}
		return nil
	})
	err := g.Wait()
	for i := range k.streams {
		if l := k.streams[i].log; l != nil {
			o.older = append(o.older, l)
		}
	}
	return state, logs, err
}

// openOlder opens the older streams, which seals those that are not.
func (o *Owner) openOlder(ctx context.Context, k *keys) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(opensMax)
	for i := range k.streams {
		s := &k.streams[i]
		g.Go(func() (err error) {
			dir, cfg := o.walConfig(s.record.ID)
			if s.record.State == metadata.StreamSealed {
				cfg.AtLeast = s.end()
			}
			if s.log, err = wal.Recover(ctx, o.disk, dir, cfg); err != nil {
				return fmt.Errorf("recover stream %s: %w", s.record.ID, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (s *streamKey) end() wal.Position {
	return wal.Position{Seq: s.record.EndSeq, Off: s.record.EndOff}
}

func (o *Owner) replay(ctx context.Context, s *streamKey, state stream.State, logs *stream.Logs) error {
	began := o.now()
	end := s.log.End()
	r, err := stream.Recover(ctx, state, logs, s.log)
	switch {
	case err != nil:
		return err
	case !r.Sealed: // not even a first file: it was there when the stream became OPEN
		return fmt.Errorf("its files are gone: %w", wal.ErrCorrupt)
	case s.record.State == metadata.StreamSealed && end != s.end():
		return fmt.Errorf("it ends at %v, but was sealed at %v: %w", end, s.end(), wal.ErrCorrupt)
	}
	s.record.EndSeq, s.record.EndOff = end.Seq, end.Off
	o.log.Info("stream replayed", "stream", string(s.record.ID), "entries", r.Entries, "dur", o.now().Sub(began))
	if s.idle = r.Idle; s.idle {
		log := s.log
		s.log = nil
		return log.Close()
	}
	return nil
}

// sweep removes the logs that have no stream record: of incarnations that died before their stream was OPEN, and of idle ones. Nothing was
// appended to them; one with data is none of them, and stays. Failing costs a little disk space only.
func (o *Owner) sweep(ctx context.Context) {
	dirs, err := o.disk.ReadDir(walDir)
	if err != nil {
		o.log.Warn("log directory could not be listed", "err", err)
		return
	}
	for _, d := range dirs {
		id := metadata.StreamID(d.Name())
		if slices.Contains(o.kept, id) || !d.IsDir() || !strings.HasPrefix(d.Name(), o.name()+"-") {
			continue
		}
		if err := o.sweepLog(ctx, id); err != nil {
			o.log.Warn("log without a stream record is left alone", "stream", string(id), "err", err)
		}
	}
}

func (o *Owner) sweepLog(ctx context.Context, id metadata.StreamID) error {
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
	if o.own != nil {
		o.older = append(o.older, o.own)
	}
	for _, l := range o.older {
		if err := l.Close(); err != nil {
			o.log.Warn("log could not be closed", "err", err)
		}
	}
	o.own, o.older = nil, nil
	if o.lock != nil {
		if err := o.lock.Close(); err != nil {
			o.log.Warn("lock could not be released", "err", err)
		}
		o.lock = nil
	}
}
