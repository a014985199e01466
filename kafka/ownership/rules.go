package ownership

import (
	"fmt"

	"weir/metadata"
	"weir/storage/stream"
	"weir/storage/wal"
)

// What may become of a stream's record, as functions of records alone: OPEN, SEALING, SEALED, gone. The seal protocol rests on them, and on two things
// that are not here: one process at a time holds the lock, and a transaction is guarded by the revisions that it was decided on. TestSealProtocol explores
// every interleaving of processes that follow these rules.

// toSealing is what a stream becomes when its broker's next incarnation registers. ok is false if nothing is to be written.
func toSealing(s metadata.Stream) (next metadata.Stream, ok bool) {
	if s.State != metadata.StreamOpen {
		return s, false
	}
	s.State = metadata.StreamSealing
	return s, true
}

// toSealed is what a stream becomes when all of it was read up to its end. ok is false if nothing is to be written. A stream that was sealed before
// ends where it ended then, or data are lost.
func toSealed(s metadata.Stream, end wal.Position) (next metadata.Stream, ok bool, err error) {
	if s.State == metadata.StreamSealed {
		if at := (wal.Position{Seq: s.EndSeq, Off: s.EndOff}); at != end {
			return s, false, fmt.Errorf("it ends at %v, but was sealed at %v: %w", end, at, wal.ErrCorrupt)
		}
		return s, false, nil
	}
	s.State, s.EndSeq, s.EndOff = metadata.StreamSealed, end.Seq, end.Off
	return s, true, nil
}

// toOpen is the record of the stream that a new incarnation writes.
func toOpen(b metadata.BrokerID, incarnation metadata.Revision) metadata.Stream {
	return metadata.Stream{ID: metadata.NewStreamID(b, incarnation), Broker: b, State: metadata.StreamOpen}
}

// toCheckpoint is the record of our stream with another current checkpoint.
func toCheckpoint(s metadata.Stream, p stream.Pointer) metadata.Stream {
	s.Checkpoint, s.FromSeq, s.FromOff = p.Number, p.From.Seq, p.From.Off
	return s
}

// remainsOurs tells, of our stream's record that was not as we had left it, whether that was a write of ours of which we did not hear. If not, somebody
// has begun to seal the stream, and this process is not the broker any more.
func remainsOurs(there metadata.Stream, found bool) bool {
	return found && there.State == metadata.StreamOpen
}

// change writes a record that was last seen at a revision, 0 for one that must not be there.
func change(t *metadata.Txn, key string, seen metadata.Revision, next metadata.Stream) {
	t.If = append(t.If, metadata.Cond{Key: key, Modified: seen})
	t.Then = append(t.Then, metadata.Put(key, metadata.Encode(next)))
}
