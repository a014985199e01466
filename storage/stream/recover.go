package stream

import (
	"context"
	"fmt"

	"weir/storage/wal"
)

// Replayed says what Recover read.
type Replayed struct {
	Entries int64
	Sealed  bool
	// Idle says that a replay without this stream would give the same state, but for epochs without records: nothing was appended
	// to it, and no partition left it.
	Idle bool
}

// Recover replays log, one of a broker's older streams, on top of state, up to its SEAL. Streams must come in the order in which they
// were opened. Nothing may append to log any more. After an error state is of no use.
func Recover(ctx context.Context, state State, logs *Logs, log wal.Log) (Replayed, error) {
	r := Replayed{Idle: true}
	for e, err := range log.Read(ctx, wal.Position{}) {
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
		var number uint32
		if e.Type == wal.Data {
			number = logs.Number(log, e.At.Seq)
		}
		if err := state.Apply(&e, number); err != nil {
			return r, err
		}
	}
	return r, nil
}
