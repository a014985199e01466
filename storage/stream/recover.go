package stream

import (
	"context"
	"fmt"

	"weir/storage/wal"
)

// Replayed says what a replay read.
type Replayed struct {
	Entries int64
	Sealed  bool
	// Idle says that a replay without this stream would give the same state, but for epochs without records: nothing was appended
	// to it, and no partition left it.
	Idle bool
}

// Recover is Replay of a whole log without a checkpoint.
func Recover(ctx context.Context, state State, logs *Logs, log wal.Log) (Replayed, error) {
	return (&Checkpoint{Partitions: state}).Replay(ctx, logs, log, wal.Position{})
}

// Replay reads log, one of a broker's streams, from a position on and up to its SEAL, on top of what c has. The stream that wrote c comes first, from
// c.From on, then the later ones in the order in which they were opened. Nothing may append to log any more. After an error c is of no use.
func (c *Checkpoint) Replay(ctx context.Context, logs *Logs, log wal.Log, from wal.Position) (Replayed, error) {
	r := Replayed{Idle: true}
	var seq uint64
	var number uint32
	for e, err := range log.Read(ctx, from) {
		if err != nil {
			return r, fmt.Errorf("stream: replay: %w", err)
		}
		r.Entries++
		switch e.Type {
		case wal.Seal:
			r.Sealed = true
			return r, nil
		case wal.Noop, wal.Adopt:
		default:
			r.Idle = false
		}
		logs.note(e.AppendMs)
		if e.At.Seq != seq || r.Entries == 1 {
			seq, number = e.At.Seq, logs.Number(log, e.At.Seq)
		}
		if err := c.Apply(&e, number); err != nil {
			return r, err
		}
	}
	return r, nil
}
